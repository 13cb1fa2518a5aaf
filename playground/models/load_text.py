"""Causal language models from folders of transformers, with their tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.assemble import transformers_model
from playground.models.checks import find_variant
from playground.models.loaded import LoadedText, weight_bytes
from playground.models.packer import Packer
from playground.models.placement import Placement
from playground.models.senses import CONDITIONAL, senses_of


def load_text(
    card: ModelCard, folder: Path, placement: Placement, dtype: torch.dtype, quantization: str | None = None
) -> LoadedText:
    """The text model in `folder`. The caller holds the lock `building`.

    Raises:
        ModelUnavailable: no fast tokenizer, an unknown architecture, weights that are missing.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    tokenizer = fast_tokenizer(card.name, folder, config)
    if quantization is not None and getattr(config, "quantization_config", None) is not None:
        raise ModelUnavailable(
            f"{card.name} is stored quantized already, so it cannot become {quantization}.",
            "Leave the quantization away, or choose the repository with the full weights.",
        )
    cls, config = causal_class(card.name, config)
    forget_idle_window(config)
    packer = Packer(quantization, placement.device) if quantization is not None else None
    model = transformers_model(
        cls,
        placement.device,
        dtype,
        name=card.name,
        folder=folder,
        variant=find_variant(folder),
        config=config,
        packer=packer,
        shares=placement.shares,
    )
    senses = senses_of(card.name, folder, model, tokenizer)
    spread = {str(torch.device(d)) for d in getattr(model, "hf_device_map", {}).values()} if placement.is_split else ()
    return LoadedText(
        card,
        model,
        tokenizer,
        str(model.get_input_embeddings().weight.device) if placement.is_split else placement.device,
        dtype,
        weight_bytes(model),
        packer.report() if packer is not None else None,
        tuple(sorted(spread)) or (placement.device,),
        senses=senses,
    )


def fast_tokenizer(name: str, folder: Path, config: Any = None) -> Any:
    """The tokenizer of `folder`; `name` is the model's, for the error, `config` its config where that is read already.

    Raises:
        ModelUnavailable: it has none that is fast.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, config=config, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise ModelUnavailable(f"{name} has no fast tokenizer (tokenizer.json).", "Choose a model that has one.")
    return tokenizer


def forget_idle_window(config: Any) -> None:
    """Takes a sliding window that is as wide as the context out of a config.

    It never slides, and only makes the libraries keep caches that cannot be cut, padded or quantized: Phi-3.5-mini says
    262,144 tokens of 131,072.
    """
    window, context = getattr(config, "sliding_window", None), getattr(config, "max_position_embeddings", None)
    if not window or not context or window < context:
        return
    config.sliding_window = None
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        config.layer_types = ["full_attention" if kind == "sliding_attention" else kind for kind in kinds]


def causal_class(name: str, config: Any) -> tuple[Any, Any]:
    """The class for `config`, as `AutoModelForCausalLM` takes it or one that sees as well, and the config it takes.

    Raises:
        ModelUnavailable: there is none; `name` is the model's, for the error.
    """
    import transformers
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if config.model_type in CONDITIONAL:
        return getattr(transformers, CONDITIONAL[config.model_type]), config
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelUnavailable(
            f"{name} is of the architecture {config.model_type!r}, which has no causal language model in transformers.",
            "Update transformers, or choose another model.",
        )
    found: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    if isinstance(found, (list, tuple)):
        named = {cls.__name__: cls for cls in found}
        found = next((named[a] for a in config.architectures or () if a in named), found[0])
    text = config.sub_configs.get("text_config")
    if text is not None and getattr(found, "config_class", None) == text:
        config = config.get_text_config()
    return found, config
