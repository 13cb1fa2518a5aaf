"""Chains at work: on the scripted engine for what they say, and on the shipped starter model for what they make."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest
from PIL import Image

from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.images.chain.document import parse
from playground.images.chain.events import Begun, Ended, Made, Progress, StepBegun, StepFailed
from playground.images.chain.items import chain_in
from playground.images.chain.requests import check
from playground.images.chain.running import run_chain
from playground.images.metadata import read_metadata
from playground.images.recall import request_of
from playground.images.verify import Verdict, verify
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, Done, Failed, ImageRequest, Queued
from playground.protocol import Step as Stepped
from playground.settings import Settings
from tests.images.conftest import photo, pixels, png, spot
from tests.scripted import ScriptedEngine, picture

CATALOG = load_catalog()
SMALL = "starter-sd-small"
TINY = {"width": 64, "height": 64}
SLOW = {"steps": 2, "sampler": "Euler a", "schedule": "Automatic"}


def chain_of(*steps):
    return parse({"chain": 1, "name": "test", "steps": list(steps)})


def run(engine, chain, given=(), cancel=None, watch=lambda event: None):
    async def collect():
        events = []
        stream = run_chain(engine, CATALOG, chain, given, cancel or CancelToken(), "me")
        async with aclosing(stream) as found:
            async for event in found:
                events.append(event)
                watch(event)
        return events

    return asyncio.run(collect())


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def scripted():
    return ScriptedEngine(CATALOG, {SMALL: picture(2, 0.0), "starter-sd": picture(2, 0.0)})


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[LocalEngine]:
    engine = LocalEngine(Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", dtype="float32"), CATALOG)
    yield engine
    engine.close()


def test_every_step_says_what_it_does_and_every_picture_is_shown(scripted):
    chain = chain_of(
        {"do": "generate", "prompt": "a", "model": SMALL, "count": 2, "seed": 5},
        {"do": "image_to_image", "prompt": "b", "strength": 0.5},
        {"do": "upscale", "factor": 2.0},
        {"do": "save", "format": "webp"},
    )
    events = run(scripted, chain)
    assert isinstance(events[0], Begun)
    assert [(e.step, e.do, e.pictures) for e in of(events, StepBegun)] == [
        (1, "generate", 2), (2, "image_to_image", 2), (3, "upscale", 2), (4, "save", 2),
    ]  # fmt: skip
    made = of(events, Made)
    assert [(e.step, e.picture, e.seed) for e in made] == [(s, p, 5 + p) for s in (1, 2, 3, 4) for p in (0, 1)]
    assert [e.kept for e in made] == [True] * 4 + [False] * 2 + [True] * 2
    assert {e.form for e in made[-2:]} == {"webp"}
    assert made[-1].width == 2 * made[0].width
    assert {type(e.event) for e in of(events, Progress)} >= {Stepped, Done}
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert (ended.through, ended.failed, ended.stopped) == (2, 0, False)
    asked = [r for r in scripted.requests if isinstance(r, ImageRequest)]
    assert [(r.kind, r.prompt, r.seed, r.model) for r in asked] == [
        ("text_to_image", "a", 5, SMALL), ("image_to_image", "b", 5, SMALL), ("image_to_image", "b", 6, SMALL),
    ]  # fmt: skip


def test_later_steps_take_over_what_the_picture_says(scripted):
    chain = chain_of(
        {"do": "generate", "prompt": "a hat", "negative_prompt": "red", "model": SMALL, "seed": 5},
        {"do": "inpaint", "mask": base64.b64encode(png(spot(10, 10, (0, 0, 5, 5)))).decode()},
        {"do": "inpaint"},
        {"do": "style", "style": base64.b64encode(png(photo(8, 8))).decode()},
        {"do": "second_pass", "scale": 1.5, "method": "latent", "steps": 3, "sampler": "DDIM", "strength": 0.3},
    )
    run(scripted, chain)
    _, masked, whole, style, second = (r for r in scripted.requests if isinstance(r, ImageRequest))
    assert {(r.prompt, r.negative_prompt, r.seed) for r in (masked, whole, second)} == {("a hat", "red", 5)}
    mask = np.asarray(Image.open(io.BytesIO(masked.mask)))
    assert mask.shape == pixels(masked.image).shape[:2]
    assert 0.2 < (mask > 127).mean() < 0.3
    assert (np.asarray(Image.open(io.BytesIO(whole.mask))) == 255).all()
    assert style.kind == "style_transfer"
    assert (second.hires_scale, second.hires_method, second.hires_steps, second.sampler) == (1.5, "latent", 3, "DDIM")


def test_a_step_that_fails_says_which_and_on_what_and_the_others_go_on(scripted):
    def second_fails(request):
        if request.seed == 6 and request.kind == "image_to_image":
            return [(0.0, Failed("The model fell over.", "Try again."))]
        return picture(2, 0.0)(request)

    scripted.plays[SMALL] = second_fails
    chain = chain_of(
        {"do": "generate", "prompt": "a", "model": SMALL, "count": 3, "seed": 5},
        {"do": "image_to_image"},
        {"do": "sharpen"},
    )
    events = run(scripted, chain)
    (failed,) = of(events, StepFailed)
    assert (failed.step, failed.do, failed.picture, failed.name) == (2, "image_to_image", 1, "picture 2")
    assert failed.failed.error == "The model fell over."
    assert [(e.step, e.picture) for e in of(events, Made)] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2), (3, 0), (3, 2)]
    assert (events[-1].through, events[-1].failed) == (2, 1)


def test_a_damaged_picture_is_told_by_name_and_a_too_large_one_by_its_step(scripted):
    given = [
        ("whole.png", png(photo(40, 20))),
        ("half.png", png(photo(40, 20))[:200]),
        ("long.png", png(photo(3000, 9))),
    ]
    events = run(scripted, chain_of({"do": "upscale", "factor": 4.0}), given)
    said = [(e.step, e.name, e.failed.error) for e in of(events, StepFailed)]
    assert said[0] == (0, "half.png", "The picture is damaged or cut off.")
    assert said[1][:2] == (1, "long.png")
    assert "3000x9 would become 12000x36" in said[1][2]
    assert [(e.name, e.width) for e in of(events, Made)] == [("whole.png", 160)]


def test_stop_ends_within_a_step_and_what_was_made_stays(scripted):
    scripted.plays[SMALL] = lambda r: picture(200 if r.kind == "image_to_image" else 2, 0.01)(r)
    token = CancelToken()

    def watch(event):
        if isinstance(event, Progress) and event.step == 2 and isinstance(event.event, Stepped):
            token.cancel()

    chain = chain_of(
        {"do": "generate", "prompt": "a", "model": SMALL, "count": 2}, {"do": "image_to_image"}, {"do": "sharpen"}
    )
    events = run(scripted, chain, cancel=token, watch=watch)
    assert [e.step for e in of(events, Made)] == [1, 1]
    assert events[-1].stopped
    assert not of(events, StepFailed)
    assert len(scripted.cancelled) == 1


@pytest.mark.parametrize(
    ("steps", "count", "sentence"),
    [
        ([{"do": "upscale"}], 0, "begins with a picture, and there is none"),
        ([{"do": "generate", "prompt": "a"}], 2, "makes its own pictures"),
        ([{"do": "upscale"}], 65, "at most 64 pictures, got 65"),
        ([{"do": "generate"}], 0, r"Step 1 \(generate\): the prompt is empty"),
        ([{"do": "generate", "prompt": "a", "model": "gone"}], 0, r"Step 1 \(generate\): .*gone"),
        ([{"do": "generate", "prompt": "a", "model": "starter-phi"}], 0, "makes no pictures"),
        ([{"do": "generate", "prompt": "a", "width": 1000}], 0, "width must be 64 to 512"),
        ([{"do": "upscale"}, {"do": "style"}], 1, r"Step 2 \(style\): there is no style picture"),
        ([{"do": "image_to_image", "model": SMALL, "sampler": "Eulr"}], 1, "There is no sampler 'Eulr'"),
    ],
)
def test_what_cannot_run_is_said_before_anything_runs(scripted, steps, count, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        run(scripted, chain_of(*steps), [("a.png", png(photo(8, 8)))] * count)
    assert not scripted.requests


def test_a_picture_that_no_model_is_known_of_says_so(scripted):
    events = run(scripted, chain_of({"do": "second_pass"}), [("a.png", png(photo(64, 64)))])
    (failed,) = of(events, StepFailed)
    assert failed.failed.error.startswith("no model is chosen")


# --- the starter model ---


def test_a_chain_on_the_starter_makes_the_same_pictures_from_its_own_file_and_they_verify(engine):
    chain = chain_of(
        {"do": "generate", "prompt": "a red circle on a white background", "model": SMALL, **SLOW, **TINY},
        {"do": "save"},
        {"do": "second_pass", "scale": 1.5, "strength": 0.5, "steps": 2, "sampler": "DDIM"},
        {"do": "sharpen"},
        {"do": "save"},
    )
    events = run(engine, chain)
    assert not of(events, StepFailed), of(events, StepFailed)
    made = {e.step: e for e in of(events, Made)}
    assert (made[1].width, made[3].width, made[5].width) == (64, 96, 96)
    assert np.array_equal(pixels(made[1].data), pixels(made[2].data))
    kept = chain_in(made[5].data)
    assert kept == events[0].chain
    assert kept.steps[0].seed is not None
    again = {e.step: e for e in of(run(engine, kept), Made)}
    assert {step: pixels(e.data).tobytes() for step, e in made.items()} == {
        step: pixels(e.data).tobytes() for step, e in again.items()
    }

    async def verdict():
        stream = verify(engine, CATALOG, made[2].data, CancelToken(), "me")
        async with aclosing(stream) as found:
            return [event async for event in found if isinstance(event, Verdict)]

    assert asyncio.run(verdict())[0].difference.identical
    with pytest.raises(InvalidRequest, match="came out of a chain"):
        request_of(read_metadata(made[5].data), CATALOG)
    with pytest.raises(InvalidRequest, match="began with another one"):
        request_of(read_metadata(made[3].data), CATALOG)
    assert "Sampler: Euler a" in made[2].parameters


def test_a_whole_inpaint_and_a_style_run_on_the_starter(engine):
    style = base64.b64encode(png(Image.new("RGB", (16, 16), "green"))).decode()
    chain = chain_of(
        {"do": "inpaint", "prompt": "a blue star", "model": SMALL, "strength": 1.0, **SLOW},
        {"do": "style", "style": style, "strength": 0.6, "steps": 2},
    )
    events = run(engine, chain, [("one.png", png(photo(90, 70)))])
    assert not of(events, StepFailed), of(events, StepFailed)
    assert [(e.width, e.height) for e in of(events, Made)] == [(90, 70)] * 2
    assert not of(events, Queued)


def test_a_chain_for_a_jpeg_is_read_back_out_of_it(scripted):
    events = run(scripted, chain_of({"do": "save", "format": "jpeg"}), [("a.png", png(photo(20, 20)))])
    (made,) = of(events, Made)
    assert made.data[:2] == b"\xff\xd8"
    assert chain_in(made.data) == events[0].chain
    assert chain_in(png(photo(9, 9))) is None
    check(events[0].chain, CATALOG, 1)
