"""The ruler of the image models reads what was drawn: facts of rendered scenes, at any size, blurred and noisy."""

from __future__ import annotations

from itertools import islice
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from playground.scores.adherence import agreement
from playground.scores.prompt_facts import Wanted, WantedObject
from playground.scores.reader_accuracy import JOINT, Treatment, facts_right, measure, treated
from playground.scores.scene_reader import counts, position_of, read_scene, relation_of
from playground.starter.render import render
from playground.starter.scenes import COLOURS, SHAPES, Ground, place_single, scene_at, scenes
from playground.starter.world import INVERSE

LEAST = 0.98
FLIPPED = {"left": "right", "top left": "top right", "bottom left": "bottom right"}
FLIPPED |= {right: left for left, right in FLIPPED.items()}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def share(right_of_total: tuple[int, int]) -> float:
    return right_of_total[0] / right_of_total[1]


@pytest.mark.parametrize(
    ("treatment", "count"),
    [(Treatment(), 300), (Treatment(blur=0.7, noise=0.02), 100), (Treatment(side=192, blur=0.7, noise=0.02), 60)],
)
def test_rendered_scenes_are_read_right(treatment, count):
    found = measure(islice(scenes(501), count), treatment)
    assert {fact: share(found[fact]) for fact in (*JOINT, "ground") if share(found[fact]) < LEAST} == {}
    assert share(found["joint"]) >= LEAST
    assert found["count"][1] == count


def test_small_pictures_are_read_nearly_as_well():
    found = measure(islice(scenes(502), 60), Treatment(side=64))
    assert {fact: share(found[fact]) for fact in JOINT if share(found[fact]) < 0.95} == {}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_flip_swaps_left_and_right_and_nothing_else(index):
    scene = place_single(
        Random(index),
        *("red", "square", "white"),
        list(FLIPPED)[index % len(FLIPPED)],
        "medium",
    )
    picture = render(scene)
    plain, flipped = read_scene(picture), read_scene(picture.flip(2))
    assert position_of(plain, plain.objects[0]) == scene.position
    assert position_of(flipped, flipped.objects[0]) == FLIPPED[scene.position]
    assert counts(plain) == counts(flipped)
    assert flipped.ground == plain.ground


@pytest.mark.parametrize("index", range(12))
def test_a_relation_turned_round_is_its_inverse(index):
    pairs = (scene for scene in scenes(503) if scene.relation in INVERSE and scene.layout == "pair")
    reading = read_scene(render(next(islice(pairs, index, None))))
    first, second = reading.objects
    assert relation_of(second, first) == INVERSE[relation_of(first, second)]


@pytest.mark.parametrize("side", [96, 160, 192])
def test_the_size_of_the_picture_changes_no_reading(side):
    for index in range(8):
        scene = place_single(Random(index), "blue", SHAPES[index], "yellow", "center", "medium")
        small, large = read_scene(render(scene)), read_scene(render(scene, side))
        assert counts(small) == counts(large)
        assert large.objects[0].x == pytest.approx(small.objects[0].x, abs=0.01)
        assert large.objects[0].radius == pytest.approx(small.objects[0].radius, abs=0.01)


def test_wide_pictures_are_read():
    scene = place_single(Random(1), "green", "star", "black", "right", "medium")
    reading = read_scene(render(scene, 96, 144))
    assert counts(reading) == {("green", "star"): 1}
    assert position_of(reading, reading.objects[0]) == "right"


@pytest.mark.parametrize("colour", list(COLOURS))
def test_an_empty_ground_has_no_objects(colour):
    picture = torch.tensor(COLOURS[colour])[:, None, None].expand(3, 128, 128)
    noisy = (picture + 0.02 * torch.randn(3, 128, 128, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    for seen in (picture, noisy):
        reading = read_scene(seen)
        assert (reading.ground.kind, reading.ground.colour, reading.objects) == ("solid", colour, ())


def test_specks_are_no_objects():
    picture = torch.ones(3, 128, 128)
    picture[:, 20:26, 20:26] = 0
    picture[:, 100:107, 60:67] = 0.5
    assert read_scene(picture).objects == ()


def _painted(mask: np.ndarray) -> torch.Tensor:
    ground, ink = (np.array(COLOURS[name])[:, None, None] for name in ("white", "red"))
    return torch.from_numpy((ground + mask * (ink - ground)).astype(np.float32))


def test_blobs_are_no_shape_of_the_world():
    named = 0
    rng = np.random.default_rng(5)
    at = np.linspace(-1.8, 1.8, 128)
    angle, length = np.arctan2(at[:, None], at[None, :]), np.hypot(at[:, None], at[None, :])
    for _ in range(20):
        edge = 0.8 + sum(rng.uniform(-0.22, 0.22) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5))
        mask = ndimage.gaussian_filter((length < edge).astype(float), 0.7)
        thing = read_scene(_painted(mask)).objects[0]
        assert thing.colour == "red"
        named += thing.shape is not None
    assert named <= 2


def test_patterns_come_with_their_colours():
    for kind, direction in (("stripes", "vertical"), ("dots", None), ("checks", None), ("gradient", "horizontal")):
        ground = Ground(kind, "cyan", "purple", direction)
        scene = place_single(Random(3), "yellow", "heart", ground, "top left", "big")
        reading = read_scene(render(scene))
        found = reading.ground
        assert (found.kind, found.colour, found.second, found.direction) == (kind, "cyan", "purple", direction)
        assert all(facts_right(reading, scene).values())


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64), (3, 8, 8)])
def test_other_tensors_are_refused(shape):
    with pytest.raises(ValueError, match="picture must be"):
        read_scene(torch.zeros(shape))


def _wanted_of(scene) -> Wanted:
    number = len(scene.items) if scene.layout == "count" else 1
    items = scene.items[:1] if scene.layout == "count" else scene.items
    things = tuple(WantedObject(item.shape, item.colour, item.size, number, item.outline) for item in items)
    position = scene.position if scene.layout == "single" else None
    colours = scene.ground.colours
    return Wanted(things, scene.relation, position, colours, scene.ground.kind, scene.ground.direction, scene.style)


def test_a_picture_agrees_with_what_was_drawn_and_not_with_another():
    agreed = [
        agreement(read_scene(treated(scene, Treatment())), _wanted_of(scene)) for scene in islice(scenes(504), 40)
    ]
    assert sum(one.all_right for one in agreed) >= 38
    reading, wanted = read_scene(render(scene_at(504, 0))), _wanted_of(scene_at(504, 0))
    others = {name for name in COLOURS if name != wanted.objects[0].colour}
    for colour in others:
        changed = Wanted((WantedObject(wanted.objects[0].shape, colour), *wanted.objects[1:]))
        assert agreement(reading, changed).colour is False


def test_what_a_prompt_leaves_open_is_not_judged():
    reading = read_scene(render(scene_at(504, 1)))
    assert agreement(reading, Wanted(())).facts == {}
    facts = agreement(reading, Wanted((WantedObject(None, "red", count=None),))).facts
    assert set(facts) == {"colour", "count"}
