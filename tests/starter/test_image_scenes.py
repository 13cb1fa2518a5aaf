"""The world of the image models: scenes, captions, the held-out triples, and reading pictures back."""

import random
from itertools import islice

import pytest
import torch

from playground.starter.captions import COLOUR_WORDS, SHAPE_WORDS, caption, plain_caption
from playground.starter.pool import ScenePool
from playground.starter.reader import place_of, read
from playground.starter.render import IMAGE_SIZE, render, render_clutter
from playground.starter.scenes import (
    COLOURS,
    POSITIONS,
    SHAPES,
    held_out_at,
    held_out_triples,
    is_held_out,
    place_single,
    scene_at,
    scene_is_held_out,
    scenes,
)


def test_a_scene_depends_on_seed_and_index_alone():
    assert [scene_at(3, index) for index in (5, 2)] == [scene_at(3, index) for index in (5, 2)]
    assert list(islice(scenes(3, start=4), 3)) == [scene_at(3, index) for index in (4, 5, 6)]
    assert scene_at(3, 5) != scene_at(4, 5)


def test_rendering_is_deterministic_and_in_range():
    scene = scene_at(1, 1)
    picture = render(scene)
    assert picture.shape == (3, IMAGE_SIZE, IMAGE_SIZE)
    assert torch.equal(picture, render(scene))
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert torch.equal(render_clutter(2, 9), render_clutter(2, 9))


def test_no_training_stream_holds_a_held_out_triple():
    for seed in (11, 21, 31):
        for scene in islice(scenes(seed), 1500):
            assert not scene_is_held_out(scene)
            assert all(item.colour != scene.background for item in scene.items)


def test_a_pool_trains_on_no_held_out_scene_even_after_refreshing():
    pool = ScenePool(lambda pictures: pictures.mean((2, 3)), seed=21, size=64)
    first = list(pool.scenes)
    pool.refresh(20)
    assert pool.scenes[20:] == first[20:]
    assert pool.scenes[:20] == [scene_at(21, index) for index in range(64, 84)]
    assert not any(scene_is_held_out(scene) for scene in pool.scenes)
    assert torch.allclose(pool.rows[3], render(pool.scenes[3]).mean((1, 2)))


def test_about_one_triple_in_ten_is_held_out_and_test_scenes_come_from_there():
    share = len(held_out_triples()) / (len(COLOURS) * (len(COLOURS) - 1) * len(SHAPES))
    assert 0.07 < share < 0.13
    for index in range(50):
        scene = held_out_at(0, index)
        item = scene.items[0]
        assert is_held_out(item.colour, item.shape, scene.background)


def test_about_a_quarter_to_a_third_of_scenes_hold_two_objects():
    share = sum(len(scene.items) == 2 for scene in islice(scenes(0), 2000)) / 2000
    assert 0.22 < share < 0.33


@pytest.mark.parametrize("index", range(0, 400, 4))
def test_a_caption_names_every_shape_drawn_and_no_other(index):
    scene = scene_at(8, index)
    text = caption(scene, random.Random(index))
    drawn = {item.shape for item in scene.items}
    for shape, words in SHAPE_WORDS.items():
        assert any(word in text.replace(",", " ").split() for word in words) == (shape in drawn)


def test_a_caption_says_no_colour_that_is_not_in_the_scene():
    for index in range(400):
        scene = scene_at(9, index)
        said = set(caption(scene, random.Random(index)).replace(",", " ").split())
        present = {scene.background, *(item.colour for item in scene.items)}
        for colour in COLOURS:
            if colour not in present:
                assert not said & {colour, *COLOUR_WORDS.get(colour, ())}


def test_a_caption_states_the_relation_the_right_way_round():
    for scene in islice(scenes(10), 300):
        if scene.relation is None:
            continue
        first, second = scene.items
        along = first.x - second.x if scene.relation in ("left of", "right of") else first.y - second.y
        assert (along < 0) == (scene.relation in ("left of", "above"))
        words = plain_caption(scene)
        assert words.index(f"{first.colour} {first.shape}") < words.index(scene.relation)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", POSITIONS)
def test_the_reader_reads_what_was_rendered(shape, place):
    rng = random.Random(f"{shape}/{place}")
    for _ in range(3):
        colour, background = rng.sample(list(COLOURS), 2)
        reading = read(render(place_single(rng, colour, shape, background, place, "medium")))
        assert (reading.background, reading.colour, reading.shape) == (background, colour, shape)
        assert place_of(reading) == place


@pytest.mark.parametrize("shape", SHAPES)
def test_a_speck_in_a_corner_does_not_change_the_shape_that_is_read(shape):
    picture = render(place_single(random.Random(1), "blue", shape, "white", "center", "medium"))
    picture[:, 2:5, 2:5] = 0.5
    reading = read(picture)
    assert (reading.shape, reading.colour, place_of(reading)) == (shape, "blue", "center")


def test_the_reader_finds_no_object_in_an_empty_picture():
    reading = read(torch.tensor(COLOURS["blue"])[:, None, None].expand(3, 64, 64))
    assert (reading.background, reading.colour, reading.shape) == ("blue", None, None)
    assert place_of(reading) is None


def test_twins_differ_in_one_thing_are_batched_together_and_are_not_held_out():
    pool = ScenePool(lambda pictures: pictures.mean((2, 3)), seed=31, size=40, twins=True)
    pool.refresh(6)
    for scene, twin in zip(pool.scenes[::2], pool.scenes[1::2], strict=True):
        assert not scene_is_held_out(twin)
        pairs = zip(scene.items, twin.items, strict=True)
        assert sum((a.shape != b.shape) + (a.colour != b.colour) for a, b in pairs) == 1
    rows, texts = pool.batch(0, 10)
    assert len(texts) == len(rows) == 10
    with pytest.raises(ValueError, match="even size"):
        ScenePool(lambda pictures: pictures, seed=31, size=3, twins=True)
