"""The world of the image models: scenes drawn by lot are sound, held-out triples stay out, twins differ in one fact."""

import random
import subprocess
import sys
from itertools import combinations, islice, product

import pytest
import torch

from playground.starter.colours import CLEAR_DISTANCE, colour_distance, lab
from playground.starter.layouts import GAP, REACH
from playground.starter.pool import ScenePool
from playground.starter.render import coverage, render
from playground.starter.scenes import (
    COLOURS,
    GROUND_KINDS,
    LAYOUTS,
    PLAIN_WORLD,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    STYLES,
    WORLD,
    Ground,
    World,
    held_out_at,
    held_out_scene_at,
    held_out_triples,
    is_held_out,
    is_sound,
    place_single,
    scene_at,
    scene_is_held_out,
    scenes,
    twin_of,
)


def test_a_scene_depends_on_seed_and_index_alone():
    assert [scene_at(3, index) for index in (5, 2)] == [scene_at(3, index) for index in (5, 2)][:2]
    assert list(islice(scenes(3, start=4), 3)) == [scene_at(3, index) for index in (4, 5, 6)]
    assert scene_at(3, 5) != scene_at(4, 5)
    assert held_out_scene_at(3, 5) == held_out_scene_at(3, 5)


def test_scenes_can_be_made_without_torch():
    code = "import sys, playground.starter.scenes, playground.starter.styles; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_world_is_as_large_as_promised():
    assert len(SHAPES) >= 12
    assert len(COLOURS) >= 12
    assert (len(SIZES), len(POSITIONS), len(RELATIONS)) == (3, 9, 5)


def test_any_two_colours_are_well_apart():
    for first, second in combinations(COLOURS.values(), 2):
        assert colour_distance(first, second) > 40
    # sRGB red in CIELAB, from the definition of both.
    assert lab((1, 0, 0)) == pytest.approx((53.24, 80.09, 67.20), abs=0.05)


def test_every_part_of_the_world_has_about_its_share():
    some = list(islice(scenes(0), 4000))

    def shares(values, names):
        found = [values.count(name) / len(values) for name in names]
        assert sum(found) == pytest.approx(1)
        return pytest.approx(found, abs=0.03)

    assert shares([scene.layout for scene in some], LAYOUTS) == WORLD.layout_weights
    assert shares([scene.style for scene in some], STYLES) == WORLD.style_weights
    assert shares([scene.ground.kind for scene in some], GROUND_KINDS) == WORLD.ground_weights
    singles = [scene for scene in some if scene.layout == "single"]
    assert shares([scene.position for scene in singles], POSITIONS) == WORLD.position_weights
    pairs = [scene.relation for scene in some if scene.layout == "pair"]
    assert shares(pairs, RELATIONS) == WORLD.relation_weights
    items = [item for scene in some for item in scene.items]
    assert sum(item.outline for item in items) / len(items) == pytest.approx(0.11, abs=0.02)
    for shape, colour in product(SHAPES, COLOURS):
        assert any((item.shape, item.colour) == (shape, colour) for item in items)


def test_no_training_stream_holds_a_held_out_triple():
    for seed in (11, 21, 31):
        for scene in islice(scenes(seed), 1500):
            for item, ground in product(scene.items, scene.ground.colours):
                assert not is_held_out(item.colour, item.shape, ground)
                assert item.colour != ground


def test_about_one_triple_in_ten_is_held_out_and_test_scenes_come_from_there():
    share = len(held_out_triples()) / (len(COLOURS) * (len(COLOURS) - 1) * len(SHAPES))
    assert 0.07 < share < 0.13
    for index in range(50):
        scene = held_out_at(0, index)
        item = scene.items[0]
        assert is_held_out(item.colour, item.shape, scene.background)
        assert (scene.ground.kind, scene.style, scene.position, item.outline) == ("solid", "flat", "center", False)
    pairs = World(layout_weights=(0, 1, 0, 0))
    for index in range(50):
        scene = held_out_scene_at(0, index, pairs)
        assert len(scene.items) == 2
        assert scene_is_held_out(scene)


def test_every_shape_and_every_ground_is_both_trained_and_held_out():
    held = held_out_triples()
    for place, names in enumerate((COLOURS, SHAPES, COLOURS)):
        for name in names:
            share = sum(triple[place] == name for triple in held) / len(held) * len(names)
            assert 0.3 < share < 2.2, name


def test_objects_stand_apart_from_each_other_and_from_the_rim():
    for scene in (*islice(scenes(5), 1500), *(held_out_scene_at(5, index) for index in range(200))):
        for item in scene.items:
            half = REACH * item.radius
            assert half <= min(item.x, item.y, 1 - item.x, 1 - item.y)
        if scene.relation != "inside":
            for one, other in combinations(scene.items, 2):
                apart = REACH * (one.radius + other.radius) + GAP
                assert max(abs(one.x - other.x), abs(one.y - other.y)) >= apart


def test_an_object_inside_another_is_small_of_another_colour_and_surrounded():
    for index in range(60):
        scene = scene_at(6, index, World(layout_weights=(0, 1, 0, 0), relation_weights=(0, 0, 0, 0, 1)))
        inner, outer = scene.items
        assert inner.colour != outer.colour
        assert 2 * inner.radius < outer.radius
        mask = coverage(inner.shape, inner.x, inner.y, inner.radius)
        whole = coverage(outer.shape, outer.x, outer.y, outer.radius)
        if outer.shape == "ring":
            whole = coverage("circle", outer.x, outer.y, outer.radius * 0.48)
        assert (mask * (1 - whole)).max() == 0


def test_relations_positions_and_rows_are_as_said():
    for scene in islice(scenes(10), 2500):
        for (first, second), relation in (
            (pair, scene.relation) for pair in zip(scene.items, scene.items[1:], strict=False)
        ):
            if relation in ("left of", "right of", "above", "below"):
                right, down = second.x - first.x, second.y - first.y
                along, across = (right, down) if relation in ("left of", "right of") else (down, right)
                assert (along > 0) == (relation in ("left of", "above"))
                assert abs(along) > 2 * abs(across)
        if scene.layout == "single":
            item = scene.items[0]
            row = "top" if item.y < 0.4 else "bottom" if item.y > 0.6 else ""
            column = "left" if item.x < 0.4 else "right" if item.x > 0.6 else ""
            assert (f"{row} {column}".strip() or "center") == scene.position
        if scene.layout == "count":
            assert 2 <= len(scene.items) <= 4
            assert len({(item.shape, item.colour, item.size, item.radius) for item in scene.items}) == 1


def test_no_object_fades_into_a_gradient_and_no_shadow_falls_on_black():
    gradients = World(ground_weights=(0, 1, 0, 0, 0), style_weights=(0, 1, 0, 0))
    for index in range(200):
        scene = scene_at(7, index, gradients)
        first, second = (torch.tensor(COLOURS[name]) for name in scene.ground.colours)
        assert "black" not in scene.ground.colours
        for item, part in product(scene.items, torch.linspace(0, 1, 17)):
            rgb = torch.lerp(first, second, part).tolist()
            assert colour_distance(COLOURS[item.colour], rgb) >= CLEAR_DISTANCE - 1e-3
    assert not is_sound(place_single(random.Random(0), "red", "star", Ground("gradient", "red", "blue"), "left", "big"))


def test_a_narrower_world_holds_nothing_else():
    narrow = World(
        shapes=("star", "moon"),
        colours=("red", "blue", "white", "green"),
        layout_weights=(1, 0, 0, 1),
        ground_weights=(0, 0, 1, 0, 0),
    )
    for index in range(100):
        scene = scene_at(1, index, narrow)
        assert scene.ground.kind == "stripes"
        assert {item.shape for item in scene.items} <= {"star", "moon"}
        assert {*scene.ground.colours, *(item.colour for item in scene.items)} <= set(narrow.colours)
    for index in range(50):
        scene = scene_at(1, index, PLAIN_WORLD)
        assert (scene.layout, scene.position, scene.style, scene.ground.kind) == ("single", "center", "flat", "solid")
        assert (scene.items[0].size, scene.items[0].outline) == ("medium", False)
    with pytest.raises(ValueError, match="no such scene"):
        # No other object has room in a star.
        scene_at(1, 1, World(shapes=("star",), layout_weights=(0, 1, 0, 0), relation_weights=(0, 0, 0, 0, 1)))


def differences(scene, twin):
    """Name the facts in which two scenes differ."""
    facts = {
        "shape": lambda s: sorted(item.shape for item in s.items),
        "colour": lambda s: sorted(item.colour for item in s.items),
        "ground": lambda s: s.ground,
        "style": lambda s: s.style,
        "position": lambda s: s.position,
        "relation": lambda s: s.relation,
    }
    if len(scene.items) != len(twin.items):
        one = {(item.shape, item.colour, item.size, item.outline) for item in (*scene.items, *twin.items)}
        assert scene.layout == twin.layout == "count"
        assert len(one) == 1
        return {"count"} | {name for name in ("ground", "style") if facts[name](scene) != facts[name](twin)}
    for one, other in zip(scene.items, twin.items, strict=True):
        assert (one.size, one.outline) == (other.size, other.outline)
    return {name for name, fact in facts.items() if fact(scene) != fact(twin)}


def test_a_twin_differs_in_one_fact_is_sound_and_not_held_out():
    seen = []
    for scene in islice(scenes(12), 1500):
        twin = twin_of(scene, 12)
        assert is_sound(twin)
        assert not scene_is_held_out(twin)
        found = differences(scene, twin)
        assert len(found) == 1, (scene, twin)
        seen += found
        if found & {"ground"}:
            assert sum(a != b for a, b in zip(scene.ground.colours, twin.ground.colours, strict=True)) == 1
    assert {name for name in seen if seen.count(name) > 20} == {
        "shape",
        "colour",
        "ground",
        "style",
        "position",
        "relation",
        "count",
    }


def test_a_pool_trains_on_no_held_out_scene_even_after_refreshing():
    pool = ScenePool(lambda pictures: pictures.mean((2, 3)), seed=21, size=64)
    first = list(pool.scenes)
    pool.refresh(20)
    assert pool.scenes[20:] == first[20:]
    assert pool.scenes[:20] == [scene_at(21, index) for index in range(64, 84)]
    assert not any(scene_is_held_out(scene) for scene in pool.scenes)
    assert torch.allclose(pool.rows[3], render(pool.scenes[3]).mean((1, 2)))


def test_twins_are_batched_together():
    pool = ScenePool(lambda pictures: pictures.mean((2, 3)), seed=31, size=40, twins=True)
    pool.refresh(6)
    for scene, twin in zip(pool.scenes[::2], pool.scenes[1::2], strict=True):
        assert not scene_is_held_out(twin)
        assert len(differences(scene, twin)) == 1
    rows, texts, drawn = pool.batch(0, 10)
    assert len(texts) == len(rows) == len(drawn) == 10
    assert all(len(differences(scene, twin)) == 1 for scene, twin in zip(drawn[::2], drawn[1::2], strict=True))
    with pytest.raises(ValueError, match="even size"):
        ScenePool(lambda pictures: pictures, seed=31, size=3, twins=True)
