"""Models of full size with random weights: estimated and actual bytes, two in one process, a picture in little room.

The weights are random and the answers mean nothing; their shapes, files and sizes are those of Phi-3.5-mini and Stable
Diffusion v1-4, whose published configurations these are. Needs about 10 GB of disk for a while.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ASSETS, Catalog, ModelCard
from playground.settings import Settings, load_settings

if TYPE_CHECKING:
    from playground.models.pool import ModelPool

GIB = 2**30
SHARD = 2 * GIB
# https://huggingface.co/microsoft/Phi-3.5-mini-instruct; its longrope factors change no size: plain rope stands here.
PHI: dict[str, Any] = {
    "hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "intermediate_size": 8192, "vocab_size": 32064, "max_position_embeddings": 131072,
    "original_max_position_embeddings": 131072, "tie_word_embeddings": False, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
# https://huggingface.co/CompVis/stable-diffusion-v1-4
UNET: dict[str, Any] = {
    "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}  # fmt: skip
VAE: dict[str, Any] = {
    "sample_size": 512, "latent_channels": 4, "layers_per_block": 2, "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
CLIP: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 49408, "max_position_embeddings": 77, "projection_dim": 768,
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Bytes of one model: as estimated from its headers, as loaded, and by what the process grew once it had worked.

    `load_s` is its first load, `turn_s` a load that had to make room by freeing the other one.
    """

    model: str
    estimated: int
    weights: int
    resident: int
    load_s: float
    turn_s: float

    @property
    def off(self) -> float:
        """Share by which the estimate misses what is in memory."""
        return self.estimated / self.weights - 1


@dataclass(frozen=True)
class Painted:
    """One 512x512 picture within a budget: how, at what peak by the plan, and at what cost.

    `grew` is by how much the process's own memory was larger at most than before the load, in bytes; `moves_s` the
    seconds in which parts that take turns were brought to the device and away.
    """

    budget: int
    plan: str
    peak: int
    grew: int
    seconds: float
    step_s: float
    moves_s: float
    steps: int


def report(as_json: bool, work: Path | None = None, budgets: tuple[float, ...] = (4.0, 2.2)) -> None:
    """Prints sizes, turns and pictures; `budgets` in GiB are those of the picture."""
    from playground.models.freed import one_heap

    one_heap()
    with _folder(work) as folder, tempfile.TemporaryDirectory() as data:
        cards = {"phi-3.5-mini-shape": _phi(folder), "sd-v1-4-shape": _sd(folder)}
        settings = load_settings([]).model_copy(update={"data_dir": Path(data), "offline": True, "dtype": "bfloat16"})
        sizes = taking_turns(settings, cards)
        pictures = [picture_within(settings, cards["sd-v1-4-shape"], int(budget * GIB)) for budget in budgets]
    if as_json:
        rows = [vars(s) | {"off": s.off} for s in sizes] + [vars(p) for p in pictures]
        print(json.dumps(rows, indent=2))
        return
    for size in sizes:
        print(
            f"{size.model:20s} estimated {size.estimated / GIB:.3f} GiB   weights {size.weights / GIB:.3f} GiB "
            f"({size.off:+.2%})   process grew by {size.resident / GIB:.3f} GiB   first load {size.load_s:.1f} s   "
            f"in turn {size.turn_s:.1f} s"
        )
    for picture in pictures:
        print(
            f"512x512 within {picture.budget / GIB:.1f} GiB: {picture.plan}; process grew by {picture.grew / GIB:.2f} "
            f"GiB; {picture.seconds:.1f} s with {picture.steps} steps of {picture.step_s:.2f} s and "
            f"{picture.moves_s:.1f} s of moves"
        )


def taking_turns(settings: Settings, cards: Mapping[str, ModelCard]) -> list[Size]:
    """Both models at work in one process under one budget that holds the larger one alone, three times in turn."""
    from playground.models.open import weights

    estimates = {name: weights(card, "bfloat16") or 0 for name, card in cards.items()}
    pool = _pool(settings, cards, int(max(estimates.values()) * 1.02))
    sizes: dict[str, Size] = {}
    for turn, name in enumerate([*cards] * 3):
        if turn < len(cards):  # alone, so that what the process grows by is this model's
            pool.trim()
        before, began = _resident(mapped=True), time.perf_counter()
        with pool.lease(cards[name]) as loaded:
            took = time.perf_counter() - began
            _work(loaded)
            if turn < len(cards):
                sizes[name] = Size(name, estimates[name], loaded.bytes, _resident(mapped=True) - before, took, took)
            else:
                sizes[name] = replace(sizes[name], turn_s=took)
        other = [state for state in pool.states() if name not in state.cards]
        if other:
            raise RuntimeError(f"{other[0].cards} is still there beside {name}: the budget was not kept")
    pool.close()
    return list(sizes.values())


def _work(loaded: Any) -> None:
    """A few tokens, or a small picture."""
    from playground.protocol import CancelToken, ChatRequest, ImageRequest, Message

    if loaded.card.kind == "chat":
        from playground.chat.generate import answer
        from playground.chat.request import checked_chat

        chat = ChatRequest(loaded.card.id, (Message("user", "Hello"),), max_new_tokens=3, temperature=0, seed=0)
        answer(loaded, checked_chat(chat, loaded.card), CancelToken(), lambda event: None)
        return
    from playground.images.request import checked_image
    from playground.images.run import paint

    image = ImageRequest(loaded.card.id, "a lighthouse", width=256, height=256, steps=2, seed=1, preview_every=0)
    paint(loaded, checked_image(image, loaded.card), CancelToken(), lambda event: None)


def _resident(*, mapped: bool) -> int:
    """Bytes of the process in memory; without `mapped` only what is its own, not the pages of files, which the system
    can take back at any time.
    """
    import psutil

    memory = psutil.Process().memory_info()
    return int(memory.rss - (0 if mapped else getattr(memory, "shared", 0)))


class _Highest(threading.Thread):
    """Looks at the size of the process fifty times a second, until the block ends; `bytes` is the most it saw."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._over = _resident(mapped=False), threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, _resident(mapped=False))

    def __enter__(self) -> _Highest:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()


def picture_within(settings: Settings, card: ModelCard, budget: int, steps: int = 2) -> Painted:
    """A 512x512 picture by the plan that the app would take within `budget` bytes."""
    from playground.images.memory import plan_for
    from playground.images.request import checked_image
    from playground.images.run import paint
    from playground.protocol import CancelToken, Event, ImageRequest, Step

    pool = _pool(settings, {card.id: card}, budget)
    request = ImageRequest(card.id, "a lighthouse", width=512, height=512, steps=steps, seed=1, preview_every=0)
    request = checked_image(request, card)
    plan = plan_for(card, request, "bfloat16", pool.attainable(card.id))
    times: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, Step):
            times.append(time.perf_counter())

    before, began = _resident(mapped=False), time.perf_counter()
    with _Highest() as highest, pool.lease(card, working_bytes=plan.bytes, staged=plan.staged) as loaded:
        paint(loaded, request, CancelToken(), note, plan)
        moves = loaded.stages.seconds if plan.staged else 0.0
    seconds = time.perf_counter() - began
    pool.close()
    step = (times[-1] - times[0]) / max(1, len(times) - 1)
    grew = highest.bytes - before
    return Painted(budget, plan.in_words(), plan.peak, grew, seconds, step, moves, steps)


def _pool(settings: Settings, cards: Mapping[str, ModelCard], budget: int) -> ModelPool:
    from playground.models.open import open_pool

    return open_pool(settings.model_copy(update={"memory_budget": budget}), Catalog(cards))


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work
        return
    folder = Path(tempfile.mkdtemp(prefix="shapes-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


# --- files of random weights -----------------------------------------------------------------------------------------


def _phi(folder: Path) -> ModelCard:
    from transformers import Phi3Config, Phi3ForCausalLM

    target = folder / "phi"
    if not (target / "config.json").exists():
        shutil.copytree(ASSETS / "starter" / "starter-phi", target, ignore=_weights_and_notes)
        config = Phi3Config(**PHI)
        _write(target, "model", Phi3ForCausalLM, config, "bfloat16")
        config.save_pretrained(target)
    return ModelCard(
        id="phi-3.5-mini-shape", name="Phi-3.5 mini, random", kind="chat", source=str(target), licence="none",
        context=131072,
    )  # fmt: skip


def _sd(folder: Path) -> ModelCard:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    target = folder / "sd"
    if not (target / "model_index.json").exists():
        shutil.copytree(ASSETS / "starter" / "starter-sd", target, ignore=_weights_and_notes)
        for name, cls, config in (("unet", UNet2DConditionModel, UNET), ("vae", AutoencoderKL, VAE)):
            _write(target / name, "diffusion_pytorch_model", cls, config, "float16")
        text = CLIPTextConfig(**CLIP)
        _write(target / "text_encoder", "model", CLIPTextModel, text, "float16")
        text.save_pretrained(target / "text_encoder")
    return ModelCard(
        id="sd-v1-4-shape", name="Stable Diffusion v1-4, random", kind="image", source=str(target), licence="none",
        model_class="StableDiffusionPipeline", native_size=512,
    )  # fmt: skip


def _weights_and_notes(folder: str, names: list[str]) -> list[str]:
    return [
        n for n in names if n.endswith((".safetensors", ".index.json", ".md")) or n in ("quality.json", "training.json")
    ]


def _write(folder: Path, stem: str, cls: Any, config: Any, dtype: str) -> None:
    """Safetensors shards of normal random weights in the shapes of `cls(config)`, made one shard at a time."""
    import torch
    from accelerate import init_empty_weights
    from safetensors.torch import save_file

    with init_empty_weights():
        model = cls.from_config(config) if isinstance(config, dict) else cls(config)
    if isinstance(config, dict):
        model.save_config(folder)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    kind = getattr(torch, dtype)
    shards: list[dict[str, Any]] = [{}]
    for name, shape in shapes.items():
        if shards[-1] and 2 * sum(s.numel() for s in shards[-1].values()) + 2 * shape.numel() > SHARD:
            shards.append({})
        shards[-1][name] = shape
    total = len(shards)
    index: dict[str, str] = {}
    generator = torch.Generator().manual_seed(0)
    for i, shard in enumerate(shards):
        file = f"{stem}.safetensors" if total == 1 else f"{stem}-{i + 1:05d}-of-{total:05d}.safetensors"
        tensors = {
            n: torch.empty(shape, dtype=kind).normal_(0, 0.02, generator=generator) for n, shape in shard.items()
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, file)
    if total > 1:
        (folder / f"{stem}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
