"""Applies LoRA and textual-inversion files to a loaded image model for the length of a block, and takes them off again.

The model's own weights are never written: LoRA layers stand beside them, new words come in a copy of the embedding.
After the block every module is the very object that was there before. Whoever applies adapters leases the model alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest, ModelUnavailable
from playground.models.adapter_files import DOWN, WIDTHS, InversionFile, LoraFile, read_adapter
from playground.models.headers import read_header
from playground.models.load import building

if TYPE_CHECKING:
    from playground.models.loaded import LoadedImage

TRANSFORMERS = {"FLUX.1": "FluxTransformer2DModel", "Stable Diffusion 3": "SD3Transformer2DModel"}
PREFIXES = (
    ("lora_unet_", "unet"),
    ("unet.", "unet"),
    ("lora_te_", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("lora_transformer_", "transformer"),
    ("transformer.", "transformer"),
)
TOKENIZERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}


@dataclass(frozen=True)
class Adapter:
    """A file and how strongly it works: 1 as trained, 0 not at all, negative the other way.

    `text_encoder` is the strength in text encoders, None for the same as `scale`. `word` stands for a textual inversion
    in place of the file's own word.
    """

    path: Path
    scale: float = 1.0
    text_encoder: float | None = None
    word: str = ""


@contextmanager
def apply(loaded: LoadedImage, adapters: Sequence[Adapter]) -> Iterator[None]:
    """Adds `adapters` to the modules and tokenizers of `loaded`, which pipelines made in the block then have.

    A textual inversion of several vectors adds the tokens `name`, `name_1`, …; a pipeline's `maybe_convert_prompt`
    writes them out in a prompt.

    Raises:
        ModelUnavailable: a file cannot be read, is for another family of models, or would change layers that this
            model does not have; the model is then as it was.
        InvalidRequest: two files of one word, or a scale for a textual inversion.
    """
    files = [(check_fit(loaded, adapter), adapter) for adapter in adapters]
    before = dict(loaded.components)
    embeddings = {
        name: loaded.components[name].get_input_embeddings()
        for name in TOKENIZERS
        if loaded.components.get(name) is not None
    }
    loras = [(file, adapter) for file, adapter in files if isinstance(file, LoraFile)]
    pipeline: Any = None
    try:
        with building:
            for file, adapter in files:
                if isinstance(file, InversionFile):
                    _add_words(loaded, file, adapter.word or file.token)
            if loras:
                pipeline = loaded.pipeline()
                _add_loras(pipeline, loras)
        yield
    finally:
        with building:
            if pipeline is not None:
                pipeline.unload_lora_weights()
            for name, embedding in embeddings.items():
                if before[name].get_input_embeddings() is not embedding:
                    before[name].set_input_embeddings(embedding)
            loaded.components.clear()
            loaded.components.update(before)


def check_fit(loaded: LoadedImage, adapter: Adapter) -> LoraFile | InversionFile:
    """What the adapter's file is, if it can be applied to `loaded` as far as its header tells.

    Raises:
        ModelUnavailable, InvalidRequest: as `apply`.
    """
    file = read_adapter(adapter.path)
    _check(loaded, file, adapter.scale)
    return file


def _check(loaded: LoadedImage, file: LoraFile | InversionFile, scale: float) -> None:
    """Refuses a file that does not fit, in a sentence, before anything is changed."""
    if loaded.quantized is not None and isinstance(file, LoraFile):
        raise ModelUnavailable(
            f"{file.path.name} cannot be applied to {loaded.card.name} in {loaded.quantized.quantization}.",
            "Load the model without quantization.",
        )
    if loaded.stages is not None:
        raise ModelUnavailable(
            f"{file.path.name} cannot be applied to {loaded.card.name} while its parts take turns on the device.",
            "Choose a smaller picture or model, or leave the adapter away.",
        )
    if isinstance(file, InversionFile):
        _check_words(loaded, file, scale)
        return
    absent = [part for part in file.parts if loaded.components.get(part) is None]
    if absent:
        raise _mismatch(loaded, file, f"it changes {' and '.join(absent)}, which this model does not have")
    if "transformer" in file.parts:
        wanted, found = TRANSFORMERS[file.family], type(loaded.components["transformer"]).__name__
        if wanted != found:
            raise _mismatch(loaded, file, f"it is for {wanted}, and this model has {found}")
    unet = loaded.components.get("unet")
    if unet is not None and file.width is not None and file.width != unet.config.cross_attention_dim:
        raise _mismatch(
            loaded, file, f"it is for texts {file.width} wide, and this model reads {unet.config.cross_attention_dim}"
        )
    if why := _other_shape(loaded, file):
        raise _mismatch(loaded, file, why)


def _other_shape(loaded: LoadedImage, file: LoraFile) -> str:
    """How a layer that the file changes differs from the model's of that name; layers of other names are not judged."""
    parts = {}
    for name, part in loaded.components.items():
        if name in file.parts:
            modules = {inner.removeprefix("text_model."): module for inner, module in part.named_modules()}
            parts[name] = modules | {inner.replace(".", "_"): module for inner, module in modules.items()}
    for tensor in read_header(file.path):
        named = DOWN.sub("", tensor.name).rstrip(".") if DOWN.search(tensor.name) else ""
        for prefix, name in PREFIXES:
            if not named.startswith(prefix) or name not in parts:
                continue
            layer = named.removeprefix(prefix).removeprefix("text_model.").removeprefix("text_model_")
            weight = getattr(parts[name].get(layer), "weight", None)
            if weight is not None and weight.ndim > 1 and weight.shape[1] != tensor.shape[1]:
                return f"its layer {layer} reads {tensor.shape[1]} numbers, and this model's {weight.shape[1]}"
    return ""


def _check_words(loaded: LoadedImage, file: InversionFile, scale: float) -> None:
    if scale != 1.0:
        raise InvalidRequest(
            f"A textual inversion has no strength, got {scale} for {file.path.name}.",
            f"Weigh its word in the prompt instead: ({file.token}:1.2).",
        )
    for name, width in file.widths.items():
        encoder = loaded.components.get(name)
        if encoder is None:
            raise _mismatch(loaded, file, f"it has vectors for {name}, which this model does not have")
        found = encoder.get_input_embeddings().weight.shape[1]
        if width != found:
            raise _mismatch(loaded, file, f"its vectors are {width} wide, and this model's {found}")
    second = [name for name in TOKENIZERS if loaded.components.get(name) is not None and name not in file.widths]
    if second:
        raise _mismatch(loaded, file, f"it has no vectors for {second[0]}")


def _mismatch(loaded: LoadedImage, file: LoraFile | InversionFile, why: str) -> ModelUnavailable:
    kind = "LoRA" if isinstance(file, LoraFile) else "textual inversion"
    family = f" for {file.family}" if file.family != "unknown" else ""
    unet = loaded.components.get("unet")
    own = WIDTHS.get(unet.config.cross_attention_dim) if unet is not None else None
    return ModelUnavailable(
        f"{file.path.name} is a {kind}{family} and does not fit {loaded.card.name}: {why}.",
        f"Choose one for {own}." if own else "Choose one that was trained on this model or its base.",
    )


def _add_words(loaded: LoadedImage, file: InversionFile, token: str) -> None:
    """Puts the file's vectors behind the embedding's own, and its tokens behind the tokenizer's, both in copies."""
    import torch
    from safetensors import safe_open

    words = [token, *(f"{token}_{i}" for i in range(1, file.vectors))]
    for name, stored in file.tensors.items():
        encoder, tokenizer = loaded.components[name], copy.deepcopy(loaded.components[TOKENIZERS[name]])
        taken = [word for word in words if word in tokenizer.get_vocab()]
        if taken:
            raise InvalidRequest(
                f"{file.path.name} adds the word {taken[0]!r}, which the model knows already.", "Rename the file."
            )
        with safe_open(file.path, framework="pt") as opened:
            vectors = opened.get_tensor(stored)
        tokenizer.add_tokens(words)
        ids = tokenizer.convert_tokens_to_ids(words)
        old = encoder.get_input_embeddings()
        rows = old.weight.new_zeros(max(len(old.weight), *(i + 1 for i in ids)), old.weight.shape[1])
        rows[: len(old.weight)] = old.weight
        rows[ids] = vectors.reshape(file.vectors, -1).to(rows.device, rows.dtype)
        new = torch.nn.Embedding(rows.shape[0], rows.shape[1], padding_idx=old.padding_idx, _weight=rows)
        encoder.set_input_embeddings(new.requires_grad_(False).eval())
        loaded.components[TOKENIZERS[name]] = tokenizer


def _add_loras(pipeline: Any, loras: Sequence[tuple[LoraFile, Adapter]]) -> None:
    names = [f"adapter_{i}" for i in range(len(loras))]
    for name, (file, _) in zip(names, loras, strict=True):
        try:
            pipeline.load_lora_weights(
                str(file.path.parent),
                weight_name=file.path.name,
                adapter_name=name,
                use_safetensors=True,
                local_files_only=True,
            )
        except (ValueError, KeyError, RuntimeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelUnavailable(
                f"{file.path.name} could not be applied: {first}",
                "Choose a LoRA that was trained on this model or its base.",
            ) from None
        # What a library cannot place it leaves out, with a line in the log.
        applied = sum(_has(module, name) for part in file.parts for module in getattr(pipeline, part).modules())
        if applied != file.layers:
            raise ModelUnavailable(
                f"{file.path.name} fits {applied} of the {file.layers} layers that it changes.",
                "Choose a LoRA that was trained on this model or its base.",
            )
    pipeline.set_adapters(names, [_weights(file, adapter) for file, adapter in loras])
    for part in {part for file, _ in loras for part in file.parts}:
        getattr(pipeline, part).eval()  # new layers come in training mode


def _weights(file: LoraFile, adapter: Adapter) -> dict[str, float]:
    """The strength in each component that the file changes."""
    text = adapter.scale if adapter.text_encoder is None else adapter.text_encoder
    return {part: text if part.startswith("text_encoder") else adapter.scale for part in file.parts}


def _has(module: Any, name: str) -> bool:
    layers = getattr(module, "lora_A", None)
    return layers is not None and name in layers
