"""Loads one model from its card: safetensors only, no remote code, evaluation mode, no gradients.

Decides nothing about memory or sharing; the pool calls it in a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard
from playground.errors import Cancelled, ModelUnavailable, PlaygroundError
from playground.models.checks import find_variant
from playground.models.devices import torch_dtype
from playground.models.download import locate
from playground.models.headers import read_header, read_json
from playground.models.loaded import Loaded, LoadedClip, LoadedImage, LoadedText
from playground.models.records import Progress
from playground.models.sizes import SKIPPED, component_names, model_size, weight_files
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch

    from playground.settings import Settings

log = logging.getLogger(__name__)

# transformers, diffusers and accelerate change global state of torch while they build modules (default dtype, parameter
# registration), so two models built at once come out broken. Whoever else builds modules, adapters for instance, takes
# this lock too.
building = threading.Lock()

# Below this many float32 bytes a model is built in float32 and cast afterwards: building in 16 bit changes torch's
# default dtype for all threads, also for those that are generating at that moment.
CAST_BELOW = 1_000_000_000

# Attention weights of old Stable Diffusion checkpoints, as diffusers renames them.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def load(
    card: ModelCard,
    device: str,
    dtype: str,
    progress: Progress | None,
    cancel: CancelToken | None,
    settings: Settings,
    *,
    quantization: str | None = None,
) -> Loaded:
    """`card`'s model on `device` in `dtype` ("bfloat16"), ready to run.

    Raises:
        ModelUnavailable: it cannot be had or must not be loaded; says why and what to do.
        Cancelled: `cancel` was set between two steps.
    """
    if quantization is not None:
        raise ModelUnavailable(
            f"{card.name} cannot be loaded as {quantization}: this app loads bfloat16, float16 and float32.",
            "Leave the quantization away, or serve the model elsewhere and add it as an API card.",
        )
    kind_dtype, cancel = torch_dtype(dtype), cancel or CancelToken()
    folder = locate(card, settings, dtype=dtype, progress=progress, cancel=cancel)
    if cancel.cancelled:
        raise Cancelled
    if progress is not None:
        progress(None, f"Loading {card.name}")
    makers: dict[str, Callable[..., Loaded]] = {"chat": _text, "image": _image, "clip": _clip}
    with _plain_errors(card), building:
        _hide_progress_bars(card)
        loaded = makers[card.kind](card, folder, device, kind_dtype)
    if cancel.cancelled:
        raise Cancelled
    return loaded


def size_on_device(folder: Path, kind: str, dtype: str) -> int:
    """Bytes of a checked folder's weights once loaded as `dtype`, from its headers."""
    if kind != "image":
        return model_size(folder, find_variant(folder)).bytes_as(dtype)
    return model_size(folder, _pipeline_variant(folder, dtype)).bytes_as(dtype)


def _text(card: ModelCard, folder: Path, device: str, dtype: torch.dtype) -> LoadedText:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise ModelUnavailable(f"{card.name} has no fast tokenizer (tokenizer.json).", "Choose a model that has one.")
    model = _transformers(AutoModelForCausalLM, card, folder, device, dtype)
    return LoadedText(card, model, tokenizer, device, dtype, weight_bytes(model))


def _clip(card: ModelCard, folder: Path, device: str, dtype: torch.dtype) -> LoadedClip:
    from transformers import AutoTokenizer, CLIPModel

    from playground.models.clip_processor import ClipProcessor, image_processor

    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
    model = _transformers(CLIPModel, card, folder, device, dtype)
    length = model.config.text_config.max_position_embeddings
    processor = ClipProcessor(tokenizer, image_processor(folder), length, device, dtype)
    return LoadedClip(card, model, processor, device, dtype, weight_bytes(model))


def _transformers(cls: Any, card: ModelCard, folder: Path, device: str, dtype: torch.dtype) -> Any:
    model, info = cls.from_pretrained(
        folder,
        dtype=_built_as(size_on_device(folder, card.kind, "float32"), dtype),
        variant=find_variant(folder),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
    )
    missing = sorted(info["missing_keys"])
    if missing or info["mismatched_keys"]:
        what = missing or sorted(str(row) for row in info["mismatched_keys"])
        raise ModelUnavailable(
            f"{card.name} lacks {len(what)} of its weights, for instance {what[0]}.", "Fetch the model again."
        )
    return _settle(model, device, dtype)


def _image(card: ModelCard, folder: Path, device: str, dtype: torch.dtype) -> LoadedImage:
    import diffusers
    import torch

    index = read_json(folder / "model_index.json")
    cls = getattr(diffusers, index["_class_name"], None)
    if not (isinstance(cls, type) and issubclass(cls, diffusers.DiffusionPipeline)):
        raise ModelUnavailable(
            f"{card.name}: this diffusers has no pipeline {index['_class_name']!r}.", "Update diffusers."
        )
    variant = _pipeline_variant(folder, str(dtype).removeprefix("torch."))
    absent = {name: None for name in SKIPPED if name in index}
    extra = {"requires_safety_checker": False} if "safety_checker" in index else {}
    pipeline = cls.from_pretrained(
        folder,
        dtype=_built_as(model_size(folder, variant).bytes_as("float32"), dtype),
        variant=variant,
        use_safetensors=True,
        local_files_only=True,
        **absent,
        **extra,
    )
    components = dict(pipeline.components)
    modules = {name: part for name, part in components.items() if isinstance(part, torch.nn.Module)}
    for name, module in modules.items():
        _complete(card, folder / name, variant, module)
        _settle(module, device, dtype)
    return LoadedImage(card, cls, components, device, dtype, sum(weight_bytes(m) for m in modules.values()))


def _built_as(whole: int, dtype: torch.dtype) -> torch.dtype:
    """The dtype to build a model of `whole` float32 bytes in, before it is cast to `dtype`."""
    import torch

    return torch.float32 if whole < CAST_BELOW else dtype


def _settle(module: Any, device: str, dtype: torch.dtype) -> Any:
    """Casts the parameters only, as `from_pretrained` does: buffers such as rotary frequencies stay in float32."""
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(device, dtype)
    return module.to(device).eval().requires_grad_(False)


def _hide_progress_bars(card: ModelCard) -> None:
    """Progress goes through the pool's callbacks; bars in the console of a server help nobody."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    if card.kind == "image":
        from diffusers.utils import logging as diffusers_logging

        diffusers_logging.disable_progress_bar()


def _complete(card: ModelCard, folder: Path, variant: str | None, module: Any) -> None:
    """Refuses a component whose files lack weights: the libraries fill them with random ones and only warn."""
    from diffusers import ModelMixin

    stored = {t.name for file in weight_files(folder, variant) for t in read_header(file)}
    wanted = {name for name, _ in module.named_parameters()}  # tied weights are listed once
    if isinstance(module, ModelMixin):
        for old, new in OLD_NAMES.items():
            stored |= {name.replace(old, new) for name in stored if old in name}
        lacking = len(wanted - stored)
    else:
        # transformers renames weights while loading, so only their number can be compared.
        lacking = len(wanted) - sum(not name.endswith("position_ids") for name in stored)
    if lacking > 0:
        raise ModelUnavailable(f"{card.name}: {folder.name} lacks {lacking} of its weights.", "Fetch the model again.")


def _pipeline_variant(folder: Path, dtype: str) -> str | None:
    """ "fp16" for a 16-bit load where every component with weights has it, or where nothing else is there."""
    with_weights = [folder / n for n in component_names(folder) if any((folder / n).glob("*.safetensors"))]
    has_half = [any(part.glob("*.fp16*.safetensors")) for part in with_weights]
    only_half = any(find_variant(part) for part in with_weights)
    return "fp16" if with_weights and (only_half or (all(has_half) and dtype != "float32")) else None


def weight_bytes(module: Any) -> int:
    """Bytes of a module's parameters and buffers; shared tensors count once."""
    seen = {t.data_ptr(): t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers())}
    return sum(seen.values())


@contextmanager
def _plain_errors(card: ModelCard) -> Iterator[None]:
    """Turns what the libraries raise into one sentence and a hint; out of memory passes, the pool handles it."""
    from safetensors import SafetensorError

    from playground.models.loads import is_out_of_memory

    try:
        yield
    except PlaygroundError:
        raise
    except ImportError as error:
        package = error.name or str(error).splitlines()[0]
        raise ModelUnavailable(f"{card.name} needs the package {package}.", f"Run: pip install {package}") from None
    except SafetensorError as error:
        raise ModelUnavailable(f"{card.name} has damaged weights: {error}.", "Fetch the model again.") from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        log.error("loading %s failed\n%s", card.id, traceback.format_exc())
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelUnavailable(f"{card.name} could not be loaded: {first}", "Fetch the model again.") from None
