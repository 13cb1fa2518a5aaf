"""What LoRAs cost: putting one on and off, another weight, and a step with it, against loading the model anew.

The LoRAs are of random numbers, made for the shipped model at the size of real ones for it; figures are medians.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.bench.loader import Compared
from playground.catalog import ModelCard, load_catalog
from playground.local_engine import LocalEngine
from playground.models.adapter_shelf import FOLDER
from playground.models.adapters import Adapter, apply
from playground.protocol import AdapterUse, CancelToken, Failed, Image, ImageRequest
from playground.settings import load_settings

MODEL = "starter-sd"
RANK = 16
STEPS = 4


def measure_adapters(runs: int = 5) -> tuple[list[Compared], list[str]]:
    """Figures, and sentences on what was measured and whether the picture without LoRAs stayed the same.

    Raises:
        RuntimeError: a picture failed.
    """
    card = load_catalog()[MODEL]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / FOLDER
        place.mkdir()
        paths = [save_random_lora(card, place / f"{name}.safetensors", seed) for seed, name in enumerate("ab")]
        changed = {"data_dir": Path(folder), "offline": True, "dtype": "float32"}
        engine = LocalEngine(load_settings([]).model_copy(update=changed), load_catalog())
        try:
            return _figures(engine, card, paths, runs)
        finally:
            engine.close()


def save_random_lora(card: ModelCard, path: Path, seed: int) -> Path:
    """A LoRA of random numbers for the attention of the card's UNet and text encoder."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(card.folder), dtype=torch.float32)
    torch.manual_seed(seed)
    layers = {}
    wanted = {"unet": ["to_q", "to_k", "to_v", "to_out.0"], "text_encoder": ["q_proj", "v_proj", "k_proj", "out_proj"]}
    for part, targets in wanted.items():
        module = getattr(pipeline, part)
        module.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights=False, target_modules=targets))
        layers[part] = {name: 0.1 * tensor for name, tensor in get_peft_model_state_dict(module).items()}
    StableDiffusionPipeline.save_lora_weights(
        str(path.parent), layers["unet"], convert_state_dict_to_diffusers(layers["text_encoder"]), weight_name=path.name
    )
    return path


def _figures(engine: LocalEngine, card: ModelCard, paths: list[Path], runs: int) -> tuple[list[Compared], list[str]]:
    loads = [_load(engine, card) for _ in range(min(runs, 3))]
    swap, two = [], []
    for run in range(runs):
        with engine.pool().lease(card, adapters=("x",)) as loaded:
            swap.append(_timed(_on_and_off, loaded, [Adapter(paths[run % 2], 0.5 + run / 10)]))
            two.append(_timed(_on_and_off, loaded, [Adapter(path) for path in paths]))
    ask = ImageRequest(
        MODEL, "a red circle on a white background", steps=STEPS, seed=1, preview_every=0, guidance_scale=4.0
    )
    first = _picture(engine, ask)
    plain, worn = [], []
    for run in range(runs):
        asked = replace(ask, adapters=(AdapterUse("a", 0.5 + run / 10, 0.5),))
        worn.append(_timed(_picture, engine, asked))
        plain.append(_timed(_picture, engine, ask))
    same = _picture(engine, ask) == first
    load = statistics.median(loads)
    mega = paths[0].stat().st_size / 1e6
    return [
        Compared(
            "a LoRA on and off", statistics.median(swap), "s", load, "no bar; the base is a load of this tiny model"
        ),
        Compared(
            "two LoRAs on and off", statistics.median(two), "s", load, "no bar; the base is a load of this tiny model"
        ),
        Compared(
            f"a picture of {STEPS} steps with a LoRA", statistics.median(worn), "s", statistics.median(plain), "no bar"
        ),
    ], [
        f"rank {RANK}, {mega:.1f} MB a LoRA; the base is the model's load, then the same picture without (n={runs})",
        f"the picture without LoRAs is {'bit-identical to' if same else 'NOT'} the one before all of them",
    ]


def _on_and_off(loaded: Any, adapters: list[Adapter]) -> None:
    with apply(loaded, adapters):
        pass


def _load(engine: LocalEngine, card: ModelCard) -> float:
    def load() -> None:
        with engine.pool().lease(card):
            pass

    engine.pool().unload(card.id)
    return _timed(load)


def _picture(engine: LocalEngine, request: ImageRequest) -> bytes:
    """The pixels of the request's picture."""
    from playground.images.pictures import rgb_picture

    async def ask() -> bytes:
        async for event in engine.submit(request, CancelToken()):
            if isinstance(event, Failed):
                raise RuntimeError(event.error)
            if isinstance(event, Image):
                return rgb_picture(event.png).tobytes()
        raise RuntimeError("no picture came")

    return asyncio.run(ask())


def _timed(work: Callable[..., object], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began
