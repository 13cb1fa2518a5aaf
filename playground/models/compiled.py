"""The decoding step of a text model, compiled, and what that cost. Knows nothing of text or requests.

torch.compile makes one program of all that a step does, which pays where launching kernels takes longer than running
them: on CUDA with small batches. It needs a cache of fixed size, compiles anew for each size, takes from seconds to
minutes, and its answers are made one after the other. Therefore it is off unless the settings ask for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from playground.errors import ModelUnavailable
from playground.models.sizes import human

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from playground.settings import Settings

SMALLEST = 256  # tokens of a cache
WARM = 3  # steps until a graph is compiled, tried and recorded


def compiled_steps(settings: Settings, device: str) -> CompiledSteps | None:
    """What compiles a text model's steps as the settings ask; None where they do not.

    Raises:
        ModelUnavailable: they ask for it on CUDA, and the device is another.
    """
    if settings.compile == "off":
        return None
    if settings.compile == "cuda" and not device.startswith("cuda"):
        raise ModelUnavailable(
            f"Text models are to be compiled for CUDA, but they run on {device} here.",
            "Leave --compile away, or set it to anywhere if you want to try it on this device.",
        )
    return CompiledSteps()


def fixed_size(tokens: int, most: int | None) -> int:
    """Tokens of a cache that holds at least `tokens`: a power of two, so that few sizes are compiled, or `most`."""
    size = SMALLEST
    while size < tokens:
        size *= 2
    return max(tokens, min(size, most or size))


class CompiledSteps:
    """Compiles the steps of one model when the first is made, and measures what that takes.

    Args:
        backend: torch.compile's; "eager" traces and runs as before, which is for tests.
    """

    def __init__(self, backend: str = "inductor") -> None:
        self._backend = backend
        self._call: Any = None
        self._costs: dict[int, list[float]] = {}  # by cache size, the seconds of the first steps
        self._bytes: dict[int, int] = {}

    def logits(self, model: PreTrainedModel, token: int, cache: Any, size: int) -> tuple[torch.Tensor, str]:
        """The logits after one more token, (1, V), and a sentence on the cost once it is known, else empty.

        Args:
            cache: a StaticCache of `size` tokens, which takes the token in.

        Raises:
            ModelUnavailable: torch cannot compile this model here.
        """
        import torch
        from torch._dynamo.exc import TorchDynamoException

        first = self._costs.setdefault(size, [])
        measured = len(first) < WARM
        began = time.perf_counter()
        before = self._bytes.setdefault(size, _memory(model.device)) if measured else 0
        ids = torch.tensor([[token]], device=model.device)
        try:
            if self._call is None:
                mode = "reduce-overhead" if self._backend == "inductor" else None
                self._call = torch.compile(model.__call__, backend=self._backend, dynamic=False, mode=mode)
            logits = self._call(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        except TorchDynamoException as error:
            said = " ".join(str(error).split())[:200]
            raise ModelUnavailable(
                f"This model's steps could not be compiled: {said.rstrip('. ')}.", "Start the app without --compile."
            ) from None
        row = logits[0].clone()  # a recorded graph writes its next result to the same place
        if not measured:
            return row, ""
        float(row[0, 0])  # waits for the device
        first.append(time.perf_counter() - began)
        if len(first) < WARM:
            return row, ""
        more = max(0, _memory(model.device) - before)
        return row, (
            f"Compiling the decoding step for {size:,} tokens of context took {sum(first):.1f} s and "
            f"{human(more)} of memory; answers up to that length do without it from now on."
        )


def _memory(device: torch.device) -> int:
    """Bytes that this process has: of the device where it counts them, else of RAM."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    import psutil

    return int(psutil.Process().memory_info().rss)
