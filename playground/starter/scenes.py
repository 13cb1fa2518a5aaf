"""Scenes drawn by lot from the image world: training streams, held-out test scenes, and twins that differ in one fact.

Every scene is a function of (seed, index) alone. Knows nothing of pixels (`render`) or wording (`captions`), and
hands on the names of `world` and `layouts`, so that callers find them in one place. Imports no torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from playground.starter.colours import COLOURS
from playground.starter.layouts import (
    NEVER_OUTLINED,
    ROOMS,
    Looks,
    is_sound,
    looks_of,
    place_single,
    put_count,
    put_pair,
    put_single,
    put_trio,
)
from playground.starter.world import (
    COUNTS,
    GROUND_KINDS,
    INVERSE,
    LAYOUTS,
    PLAIN_WORLD,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    STYLES,
    WORLD,
    Ground,
    Item,
    Scene,
    World,
    held_out_triples,
    is_held_out,
    scene_is_held_out,
)

__all__ = [
    "COLOURS",
    "COUNTS",
    "GROUND_KINDS",
    "INVERSE",
    "LAYOUTS",
    "PLAIN_WORLD",
    "POSITIONS",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "STYLES",
    "WORLD",
    "Ground",
    "Item",
    "Scene",
    "World",
    "draw_scene",
    "held_out_at",
    "held_out_scene_at",
    "held_out_triples",
    "is_held_out",
    "is_sound",
    "place_single",
    "scene_at",
    "scene_is_held_out",
    "scenes",
    "twin_of",
]

_TRIES = 10_000
_TRIO_SIZES = (0.8, 0.2, 0.0)
_PAIR_SIZES = (0.7, 0.15, 0.15)


def _draw_ground(rng: random.Random, kind: str, world: World) -> Ground:
    colour, second = rng.sample(world.colours, 2)
    if kind == "solid":
        return Ground(kind, colour)
    directed = kind in ("gradient", "stripes")
    return Ground(kind, colour, second, rng.choice(("vertical", "horizontal")) if directed else None)


def _draw_looks(rng: random.Random, ground: Ground, world: World, size_weights: tuple[float, ...]) -> Looks:
    inks = [colour for colour in world.colours if colour not in ground.colours]
    size = rng.choices(SIZES, size_weights)[0]
    shape = rng.choice(world.shapes)
    outline = size != "small" and shape not in NEVER_OUTLINED and rng.random() < world.outline_share
    return Looks(shape, rng.choice(inks), size, outline)


def _draw_items(rng: random.Random, scene: Scene, world: World) -> Scene:
    """Fill a scene of given layout, ground and style with objects; they may not be sound."""
    ground, jitter = scene.ground, world.jitter
    if scene.layout == "single":
        looks = _draw_looks(rng, ground, world, world.size_weights)
        position = rng.choices(POSITIONS, world.position_weights)[0]
        return replace(scene, items=put_single(rng, looks, position, jitter), position=position)
    if scene.layout == "count":
        looks = _draw_looks(rng, ground, world, world.size_weights)
        number = rng.choices(COUNTS, world.count_weights)[0]
        return replace(scene, items=put_count(rng, looks, number, jitter))
    if scene.layout == "trio":
        several = tuple(_draw_looks(rng, ground, world, _TRIO_SIZES) for _ in range(3))
        return replace(scene, items=put_trio(rng, several, scene.relation, jitter))
    relation = scene.relation or "above"
    several = tuple(_draw_looks(rng, ground, world, _PAIR_SIZES) for _ in range(2))
    if relation == "inside":
        roomy = [shape for shape in world.shapes if shape in ROOMS] or world.shapes
        outer = replace(several[1], size="big", shape=rng.choice(roomy))
        several = (replace(several[0], size="small", outline=False), outer)
    return replace(scene, items=put_pair(rng, several, relation, jitter))


def draw_scene(rng: random.Random, world: World = WORLD, accept: Callable[[Scene], bool] = lambda _: True) -> Scene:
    """Draw one sound scene by lot that `accept` takes.

    Layout, relation, style and kind of ground keep their shares, whatever is not sound or not accepted. Raises
    ValueError when the world holds no such scene.
    """
    layout = rng.choices(LAYOUTS, world.layout_weights)[0]
    relation: str | None = None
    if layout == "pair":
        relation = rng.choices(RELATIONS, world.relation_weights)[0]
    elif layout == "trio":
        relation = rng.choice(("left of", "above", None))
    style = rng.choices(STYLES, world.style_weights)[0]
    kind = rng.choices(GROUND_KINDS, world.ground_weights)[0]
    for _ in range(_TRIES):
        scene = _draw_items(rng, Scene((), _draw_ground(rng, kind, world), style, layout, relation=relation), world)
        if is_sound(scene) and accept(scene):
            return scene
    raise ValueError(f"the world holds no such scene: {layout}, {relation}, {style}, {kind}, {world}")


def scene_at(seed: int, index: int, world: World = WORLD) -> Scene:
    """Return training scene number `index` of the stream `seed`; never a held-out one."""
    return draw_scene(random.Random(f"scene/{seed}/{index}"), world, lambda scene: not scene_is_held_out(scene, world))


def scenes(seed: int, start: int = 0, world: World = WORLD) -> Iterator[Scene]:
    """Yield the training stream `seed` from `start` on, without end."""
    return (scene_at(seed, index, world) for index in count(start))


def held_out_at(seed: int, index: int, world: World = WORLD) -> Scene:
    """Return plain test scene number `index`: one centred object whose triple no training stream holds."""
    rng = random.Random(f"held-out/{seed}/{index}")
    colour, shape, background = rng.choice(held_out_triples(world))
    return place_single(rng, colour, shape, background, "center", "medium")


def held_out_scene_at(seed: int, index: int, world: World = WORLD) -> Scene:
    """Return test scene number `index` of any kind the world holds, at least one triple of it held out."""
    return draw_scene(random.Random(f"held-out scene/{seed}/{index}"), world, lambda s: scene_is_held_out(s, world))


def _with_items(scene: Scene, items: tuple[Item, ...]) -> Scene:
    return replace(scene, items=items)


def _other(rng: random.Random, names: tuple[str, ...], *taken: str | None) -> str:
    return rng.choice([name for name in names if name not in taken])


def _change_looks(rng: random.Random, scene: Scene, **changes: str) -> Scene:
    """Change one object, or all objects of a count."""
    if scene.layout == "count":
        return _with_items(scene, tuple(replace(item, **changes) for item in scene.items))  # type: ignore[arg-type]
    place = rng.randrange(len(scene.items))
    changed = replace(scene.items[place], **changes)  # type: ignore[arg-type]
    return _with_items(scene, (*scene.items[:place], changed, *scene.items[place + 1 :]))


def _new_shape(rng: random.Random, scene: Scene, world: World) -> Scene:
    return _change_looks(rng, scene, shape=_other(rng, world.shapes, *(item.shape for item in scene.items)))


def _new_colour(rng: random.Random, scene: Scene, world: World) -> Scene:
    taken = (*scene.ground.colours, *(item.colour for item in scene.items))
    return _change_looks(rng, scene, colour=_other(rng, world.colours, *taken))


def _new_ground(rng: random.Random, scene: Scene, world: World) -> Scene:
    colour = _other(rng, world.colours, *scene.ground.colours)
    which = "second" if scene.ground.second is not None and rng.random() < 0.5 else "colour"
    return replace(scene, ground=replace(scene.ground, **{which: colour}))


def _new_style(rng: random.Random, scene: Scene, world: World) -> Scene:
    return replace(scene, style=_other(rng, STYLES, scene.style))


def _new_position(rng: random.Random, scene: Scene, world: World) -> Scene:
    if scene.layout != "single":
        return scene
    position = _other(rng, POSITIONS, scene.position)
    return replace(scene, items=put_single(rng, looks_of(scene.items[0]), position, world.jitter), position=position)


def _new_relation(rng: random.Random, scene: Scene, world: World) -> Scene:
    if scene.layout != "pair" or scene.relation == "inside":
        return scene
    relation = _other(rng, RELATIONS, scene.relation, "inside")
    looks = tuple(looks_of(item) for item in scene.items)
    return replace(scene, items=put_pair(rng, looks, relation, world.jitter), relation=relation)


def _new_count(rng: random.Random, scene: Scene, world: World) -> Scene:
    if scene.layout != "count":
        return scene
    number = rng.choice([number for number in COUNTS if number != len(scene.items)])
    return _with_items(scene, put_count(rng, looks_of(scene.items[0]), number, world.jitter))


_CHANGES: dict[Callable[[random.Random, Scene, World], Scene], float] = {
    _new_shape: 0.45,
    _new_colour: 0.2,
    _new_ground: 0.1,
    _new_relation: 0.3,
    _new_count: 0.4,
    _new_position: 0.1,
    _new_style: 0.05,
}


def twin_of(scene: Scene, seed: int, world: World = WORLD) -> Scene:
    """Return a sound scene that differs in one fact, never a held-out one.

    The fact is a shape (mostly), a colour, a colour of the ground, the relation, the count, the position or the style.
    """
    rng = random.Random(f"twin/{seed}/{scene}")
    for _ in range(_TRIES):
        change = rng.choices(list(_CHANGES), list(_CHANGES.values()))[0]
        twin = change(rng, scene, world)
        if twin != scene and is_sound(twin) and not scene_is_held_out(twin, world):
            return twin
    raise ValueError(f"no scene differs in one fact from {scene}")
