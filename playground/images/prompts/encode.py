"""Text to embeddings for Stable Diffusion 1.x and 2.x (one CLIP encoder) and XL (two, with a pooled embedding).

A prompt of one chunk without weights gives bit for bit what the pipeline's own `encode_prompt` gives. Knows nothing of
steps, guidance or batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from playground.errors import InvalidRequest
from playground.images.prompts.chunks import Chunk, chunked, room
from playground.images.prompts.steps import Fragments

MAX_CHUNKS = 32
# Of one request, whatever its prompts say from step to step; an embedding of XL takes 0.6 MB.
MAX_ENCODED = 300


@dataclass(frozen=True)
class Encoded:
    """Embeddings of one prompt: `hidden` (1, 77 x chunks, C), and for XL `pooled` (1, P), of the first chunk."""

    hidden: torch.Tensor
    pooled: torch.Tensor | None


class Encoder:
    """The text encoders of one pipeline.

    Args:
        pipeline: of Stable Diffusion 1.x, 2.x or XL, whose tokenizers and text encoders are only read.
        clip_skip: 1 takes the layer that the family takes (the last; for XL the last but one), 2 the one before, and
            so on. Where it is the last or before it, the final layer norm follows, but not for XL.

    Raises:
        InvalidRequest: `clip_skip` counts more layers than a text encoder has.
    """

    def __init__(self, pipeline: Any, device: str, clip_skip: int = 1) -> None:
        names = [name for name in ("", "_2") if getattr(pipeline, f"text_encoder{name}", None) is not None]
        self._encoders = [
            (getattr(pipeline, f"tokenizer{name}"), getattr(pipeline, f"text_encoder{name}")) for name in names
        ]
        self._xl = hasattr(pipeline, "text_encoder_2")
        self._device = device
        self._skip = clip_skip
        self._convert = getattr(pipeline, "maybe_convert_prompt", None)
        self._chunks: dict[tuple[int, Fragments], list[Chunk]] = {}
        self._known: dict[tuple[int, Chunk], tuple[torch.Tensor, torch.Tensor | None]] = {}
        for _, model in self._encoders:
            layers = model.config.num_hidden_layers - self._xl
            if clip_skip > layers:
                raise InvalidRequest(
                    f"clip_skip {clip_skip} is more than the {layers} layers of the model's text encoder.",
                    "Use a smaller one; 1 is the model's own.",
                )

    def chunks(self, fragments: Fragments) -> list[list[Chunk]]:
        """The chunks of a prompt for each text encoder, of equal count.

        Raises:
            InvalidRequest: more than 32.
        """
        found = []
        for index, (tokenizer, _) in enumerate(self._encoders):
            key = (index, fragments)
            if key not in self._chunks:
                self._chunks[key] = chunked(fragments, tokenizer, self._convert)
            found.append(self._chunks[key])
        count = max(len(chunks) for chunks in found)
        if count > MAX_CHUNKS:
            tokens = sum(len(chunk.ids) for chunk in found[0])
            raise InvalidRequest(
                f"The prompt has {tokens} tokens in {count} chunks; at most {MAX_CHUNKS} chunks are taken.",
                "Shorten it.",
            )
        return [[*chunks, *[Chunk()] * (count - len(chunks))] for chunks in found]

    def prepare(self, every: list[Fragments], check: Callable[[], None] = lambda: None) -> None:
        """Encodes these prompts, one text encoder after the other, which may take turns on the device.

        `check` is called between chunks and raises where the user has stopped.

        Raises:
            InvalidRequest: more chunks in all than fit.
        """
        wanted = [
            dict.fromkeys([Chunk(), *(chunk for fragments in every for chunk in self.chunks(fragments)[index])])
            for index in range(len(self._encoders))
        ]
        count = max(len(chunks) for chunks in wanted)
        if count > MAX_ENCODED:
            raise InvalidRequest(
                f"Over its steps and pictures the prompt comes to {count} different chunks; at most {MAX_ENCODED} fit.",
                "Use a shorter prompt, or less that changes from step to step.",
            )
        for index, chunks in enumerate(wanted):
            for chunk in chunks:
                check()
                self._encode(index, chunk)

    def encoded(self, fragments: Fragments, count: int) -> Encoded:
        """The prompt's embeddings in `count` chunks, of which those beyond its own are empty."""
        rows, pooled = [], None
        for index, chunks in enumerate(self.chunks(fragments)):
            made = [self._encode(index, chunk) for chunk in [*chunks, *[Chunk()] * (count - len(chunks))]]
            rows.append(torch.cat([hidden for hidden, _ in made], dim=1))
            pooled = made[0][1] if made[0][1] is not None else pooled
        return Encoded(torch.cat(rows, dim=-1) if len(rows) > 1 else rows[0], pooled)

    def _encode(self, index: int, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor | None]:
        key = (index, chunk)
        if key not in self._known:
            tokenizer, model = self._encoders[index]
            hidden, pooled = self._run(tokenizer, model, chunk)
            marked = [1.0, *chunk.weights, *[1.0] * (room(tokenizer) + 1 - len(chunk.weights))]
            self._known[key] = (weighted(hidden, marked), pooled)
        return self._known[key]

    def _run(self, tokenizer: Any, model: Any, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The hidden states (1, 77, C) that the family uses, and what the encoder pools."""
        filled = [tokenizer.bos_token_id, *chunk.ids, tokenizer.eos_token_id]
        spare = room(tokenizer) + 2 - len(filled)
        ids = torch.tensor([filled + [tokenizer.pad_token_id] * spare], device=self._device)
        mask = None
        if not self._xl and getattr(model.config, "use_attention_mask", False):
            mask = torch.tensor([[1] * len(filled) + [0] * spare], device=self._device)
        if self._xl:
            output = model(ids, output_hidden_states=True)
            pooled = output[0] if output[0].ndim == 2 else None
            return output.hidden_states[-(self._skip + 1)], pooled
        if self._skip == 1:
            return model(ids, attention_mask=mask)[0], None
        output = model(ids, attention_mask=mask, output_hidden_states=True)
        norm = getattr(model, "text_model", model).final_layer_norm
        return norm(output.hidden_states[-self._skip]), None


def weighted(hidden: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """Embeddings (1, T, C) times the weight of their token, scaled so that their mean stays, as A1111 does."""
    if all(weight == 1 for weight in weights):
        return hidden
    wide = hidden.float()
    scaled = wide * torch.tensor(weights, device=hidden.device)[None, :, None]
    ratio = wide.mean() / scaled.mean()
    # Weights that cancel each other leave no mean to restore.
    return (scaled * ratio if bool(ratio.isfinite()) else scaled).to(hidden.dtype)
