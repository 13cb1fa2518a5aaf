"""Plans for little memory: which is chosen, that the pictures are the same, and what happens when memory runs out."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.catalog import load_catalog
from playground.errors import OutOfMemory
from playground.images.memory import Plan, choose, plan_for, plans, smaller, tiled
from playground.images.request import checked_image
from playground.images.run import paint
from playground.local_engine import LocalEngine
from playground.models.activations import ImageShape
from playground.models.loaded import LoadedImage
from playground.models.staged import Stages
from playground.models.working import facts_here
from playground.protocol import CancelToken, Done, ImageRequest, Notice, Step
from playground.settings import Settings
from tests.images.conftest import ask, load, pictures, pixels, tiny_components

# Stable Diffusion v1-4's own configs, as far as sizes depend on them, and its parts' bytes in 16 bit.
UNET = {"block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "attention_head_dim": 8, "in_channels": 4,
        "cross_attention_dim": 768, "sample_size": 64,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]}  # fmt: skip
VAE = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4, "sample_size": 512}
SD14 = ImageShape(UNET, VAE, is_unet=True)
PARTS = {"unet": 1_719_041_928, "text_encoder": 246_121_000, "vae": 167_306_000}
GIB = 2**30


def chosen(room: int, side: int = 512, batch: int = 1) -> Plan:
    return choose(plans(SD14, side, side, batch, "float16", PARTS), room)


def test_v1_4_makes_a_512_picture_whole_within_4_gib_and_by_turns_within_2_5() -> None:
    roomy = chosen(4 * GIB)
    assert not roomy.staged
    assert roomy.peak <= 4 * GIB
    tight = chosen(int(2.2 * GIB))
    assert tight.staged or tight.tiled
    assert tight.peak <= 2.2 * GIB


@settings(max_examples=60, deadline=None)
@given(room=st.integers(0, 12 * GIB), side=st.sampled_from([256, 512, 768, 1024]), batch=st.integers(1, 8))
def test_the_chosen_plan_fits_or_is_the_smallest_of_all(room: int, side: int, batch: int) -> None:
    able = list(plans(SD14, side, side, batch, "float16", PARTS))
    plan = chosen(room, side, batch)
    fitting = [p for p in able if p.peak <= room]
    assert plan == (fitting[0] if fitting else min(able, key=lambda p: p.peak))
    assert able[0].batch == batch
    assert not able[0].tiled
    assert {p.batch for p in able} >= {1, batch}


@given(st.sampled_from([1, 2, 4]), st.booleans(), st.booleans())
def test_smaller_ends_after_one_step(batch: int, in_tiles: bool, staged: bool) -> None:
    less = smaller(Plan(batch, in_tiles, staged))
    if batch == 1 and in_tiles:
        assert less is None
    else:
        assert less == Plan(1, True, staged)
        assert smaller(less) is None


def test_a_model_that_is_not_here_has_a_plan_without_figures(tiny: LoadedImage) -> None:
    assert plan_for(tiny.card, ImageRequest("tiny-sd", "x", batch_size=3), "float32", 10**9) == Plan(3)


def painted(loaded: LoadedImage, plan: Plan | None = None, relieve=lambda: True, **fields):  # type: ignore[no-untyped-def]
    events: list = []
    request = checked_image(ask(**fields), loaded.card)
    stats = paint(loaded, request, CancelToken(), events.append, plan, relieve)
    return events, stats


def test_pictures_are_the_same_however_many_are_made_at_once(tiny: LoadedImage) -> None:
    together = pictures(painted(tiny, batch_size=3)[0])
    for batch in (1, 2):
        events, stats = painted(tiny, Plan(batch), batch_size=3)
        for one, other in zip(pictures(events), together, strict=True):
            assert (one.index, one.seed) == (other.index, other.seed)
            assert np.abs(pixels(one.png).astype(int) - pixels(other.png)).max() <= 1
        steps = [(e.index, e.total) for e in events if isinstance(e, Step)]
        assert [index for index, _ in steps] == sorted(index for index, _ in steps)
        assert steps[-1][0] == steps[-1][1]
        assert stats.steps == 4


def test_a_tiled_view_leaves_the_shared_vae_as_it_is(tiny: LoadedImage) -> None:
    vae = tiny.components["vae"]
    view = tiled(vae)
    assert view.use_tiling
    assert not vae.use_tiling
    assert next(view.parameters()) is next(vae.parameters())


class Greedy(torch.nn.Module):
    """A UNet whose device has room for so many rows at once, as an allocator would say it."""

    def __init__(self, unet: torch.nn.Module, rows: int) -> None:
        super().__init__()
        self.rows, self.refused = rows, 0
        unet.register_forward_pre_hook(self._check)

    def _check(self, module: torch.nn.Module, args: tuple) -> None:
        if len(args[0]) > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError(f"{len(args[0])} rows asked")


def test_when_memory_runs_out_the_rest_is_made_one_by_one_and_what_was_finished_stays() -> None:
    plain = load(tiny_components())
    expected = pictures(painted(plain, batch_size=3)[0])
    short = load(tiny_components())
    guard = Greedy(short.components["unet"], rows=2)  # guided: one picture
    relieved: list[bool] = []
    events, _ = painted(short, Plan(2), lambda: not relieved.append(True), batch_size=3)
    assert guard.refused == 1
    assert relieved == [True]
    assert [n.text for n in events if isinstance(n, Notice)] == [
        "Memory ran out, so the rest is made one picture at a time, decoded in tiles."
    ]
    made = pictures(events)
    assert [(p.index, p.seed) for p in made] == [(p.index, p.seed) for p in expected]
    for one, other in zip(made, expected, strict=True):
        assert np.abs(pixels(one.png).astype(int) - pixels(other.png)).mean() < 12  # tiles may differ at their seams


def test_when_memory_runs_out_twice_it_is_said_and_no_tensor_is_kept() -> None:
    short = load(tiny_components())
    Greedy(short.components["unet"], rows=0)
    with pytest.raises(OutOfMemory, match="Tiny SD ran out of memory on cpu at 64x64") as caught:
        painted(short, Plan(2), batch_size=2)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_error_that_is_not_about_memory_passes() -> None:
    broken = load(tiny_components())
    broken.components["unet"].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(RuntimeError, match="no"):
        painted(broken)


def test_parts_that_take_turns_give_the_same_pictures_with_one_part_there_at_a_time() -> None:
    expected = pictures(painted(load(tiny_components()))[0])[0]
    turns = load(tiny_components())
    names = ("text_encoder", "unet", "vae")
    kept = {name: copy.deepcopy(turns.components[name]) for name in names}
    stages = Stages({name: turns.components[name] for name in names}, "cpu", lambda name: copy.deepcopy(kept[name]))
    weights = {name: sum(p.numel() for p in kept[name].parameters()) for name in names}
    seen: set[tuple[str, ...]] = set()

    def look(module: torch.nn.Module, args: tuple) -> None:
        there = tuple(n for n in names if sum(p.numel() for p in turns.components[n].parameters()) == weights[n])
        seen.add(there)
        assert all(sum(p.numel() for p in turns.components[n].parameters()) in (0, weights[n]) for n in names)

    for name in names:
        for child in turns.components[name].children():
            child.register_forward_pre_hook(look)
    made = pictures(painted(turns)[0])[0]
    assert np.array_equal(pixels(made.png), pixels(expected.png))
    assert seen == {("text_encoder",), ("unet",), ("vae",)}
    assert stages.moves >= 3
    stages.leave()
    assert all(p.numel() == 0 for name in names for p in turns.components[name].parameters())


def test_a_budget_below_the_whole_model_still_gives_the_same_picture(tmp_path: Path) -> None:
    catalog = load_catalog()
    card = catalog["starter-sd"]
    request = ImageRequest("starter-sd", "a red circle on a white background", steps=3, seed=5)
    facts = facts_here(card)
    assert facts is not None
    assert facts.image is not None
    parts = {part.name: part.bytes_as("float32") for part in facts.size.components}
    able = list(plans(facts.image, 128, 128, 1, "float32", parts))
    budget = min(p.peak for p in able if p.staged and not p.tiled)
    assert budget < sum(parts.values())
    made = []
    for room in (0, budget):
        settings_ = Settings(data_dir=tmp_path, offline=True, dtype="float32", memory_budget=room)
        engine = LocalEngine(settings_, catalog)
        try:
            events = collect(engine, request)
            assert isinstance(events[-1], Done), events[-1]
            states = engine.pool().states()
            made.append(pictures(events)[0])
            expected = max(parts.values()) if room else sum(parts.values())
            assert [s.bytes for s in states] == [pytest.approx(expected, rel=0.001)]  # headers leave out small buffers
        finally:
            engine.close()
    assert np.array_equal(pixels(made[0].png), pixels(made[1].png))


def collect(engine: LocalEngine, request: ImageRequest) -> list:
    async def all_of() -> list:
        return [event async for event in engine.submit(request, CancelToken())]

    return asyncio.run(all_of())
