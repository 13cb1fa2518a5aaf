"""The world of the starter image models: what a scene holds, how one is drawn by lot, what is held out.

Knows nothing of pixels (`render`) or wording (`captions`). A scene is a function of (seed, index) alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, product

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross", "hexagon", "moon")
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.08, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (1.00, 0.90, 0.10),
    "green": (0.08, 0.60, 0.18),
    "cyan": (0.10, 0.80, 0.88),
    "blue": (0.10, 0.20, 0.85),
    "purple": (0.50, 0.12, 0.65),
    "pink": (1.00, 0.60, 0.78),
    "white": (1.00, 1.00, 1.00),
    "black": (0.03, 0.03, 0.03),
}
POSITIONS = ("center", "left", "right", "top", "bottom")
SIZES = ("medium", "small", "big")
RELATIONS = ("left of", "right of", "above", "below")
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

_CENTRES = {"center": (0.5, 0.5), "left": (0.28, 0.5), "right": (0.72, 0.5), "top": (0.5, 0.28), "bottom": (0.5, 0.72)}
_RADII_CENTER = {"small": (0.13, 0.16), "medium": (0.22, 0.26), "big": (0.34, 0.39)}
_RADII_ASIDE = {"small": (0.11, 0.13), "medium": (0.17, 0.20), "big": (0.24, 0.26)}
_RADII_PAIR = {"small": (0.10, 0.12), "medium": (0.16, 0.18), "big": (0.21, 0.23)}


@dataclass(frozen=True)
class World:
    """What scenes are drawn from: names, and the share of each kind (weights run along POSITIONS and SIZES)."""

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    position_weights: tuple[float, ...] = (0.52, 0.12, 0.12, 0.12, 0.12)
    size_weights: tuple[float, ...] = (0.5, 0.25, 0.25)
    two_object_share: float = 0.28
    jitter: float = 0.03
    holdout_one_in: int = 10


@dataclass(frozen=True)
class Item:
    """One object; x, y and radius are fractions of the image side, y points down."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """One or two objects on a solid background; with two, the first stands in `relation` to the second."""

    items: tuple[Item, ...]
    background: str
    position: str
    relation: str | None = None


WORLD = World()


def is_held_out(colour: str, shape: str, background: str, one_in: int = WORLD.holdout_one_in) -> bool:
    """Tell whether this (colour, shape, background) triple is kept out of all training, by a hash of its names."""
    digest = hashlib.blake2b(f"{colour}|{shape}|{background}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % one_in == 0


def scene_is_held_out(scene: Scene, world: World = WORLD) -> bool:
    """Tell whether any object of the scene, with the background, is a held-out triple."""
    return any(is_held_out(item.colour, item.shape, scene.background, world.holdout_one_in) for item in scene.items)


def held_out_triples(world: World = WORLD) -> list[tuple[str, str, str]]:
    """List every held-out (colour, shape, background), object colour and background being different."""
    triples = product(world.colours, world.shapes, world.colours)
    return [(c, s, b) for c, s, b in triples if c != b and is_held_out(c, s, b, world.holdout_one_in)]


def _around(rng: random.Random, centre: float, jitter: float) -> float:
    return centre + rng.uniform(-jitter, jitter)


def place_single(rng: random.Random, colour: str, shape: str, background: str, position: str, size: str) -> Scene:
    """Place one object of given looks; only its exact place and radius are drawn by lot."""
    radii = _RADII_CENTER if position == "center" else _RADII_ASIDE
    x, y = (_around(rng, centre, WORLD.jitter) for centre in _CENTRES[position])
    item = Item(shape, colour, size, x, y, rng.uniform(*radii[size]))
    return Scene((item,), background, position)


def _place_pair(rng: random.Random, looks: list[tuple[str, str, str]], background: str, jitter: float) -> Scene:
    relation = rng.choice(RELATIONS)
    low, high = 0.27, 0.73
    first, second = (low, high) if relation in ("left of", "above") else (high, low)
    items = []
    for (colour, shape, size), along in zip(looks, (first, second), strict=True):
        centre = (along, 0.5) if relation in ("left of", "right of") else (0.5, along)
        x, y = (_around(rng, value, jitter) for value in centre)
        items.append(Item(shape, colour, size, x, y, rng.uniform(*_RADII_PAIR[size])))
    return Scene(tuple(items), background, "center", relation)


def draw_scene(rng: random.Random, world: World = WORLD) -> Scene:
    """Draw one scene by lot, held-out triples included."""
    background = rng.choice(world.colours)
    inks = [colour for colour in world.colours if colour != background]
    if rng.random() >= world.two_object_share:
        position = rng.choices(POSITIONS, world.position_weights)[0]
        size = rng.choices(SIZES, world.size_weights)[0]
        return place_single(rng, rng.choice(inks), rng.choice(world.shapes), background, position, size)
    looks: list[tuple[str, str, str]] = []
    while len({look[:2] for look in looks}) < 2:
        sizes = rng.choices(SIZES, (0.8, 0.1, 0.1), k=2)
        looks = [(rng.choice(inks), rng.choice(world.shapes), size) for size in sizes]
    return _place_pair(rng, looks, background, world.jitter)


def scene_at(seed: int, index: int, world: World = WORLD) -> Scene:
    """Return training scene number `index` of the stream `seed`; never a held-out one."""
    rng = random.Random(f"scene/{seed}/{index}")
    for _ in count():
        scene = draw_scene(rng, world)
        if not scene_is_held_out(scene, world):
            return scene
    raise AssertionError("unreachable")


def twin_of(scene: Scene, seed: int, world: World = WORLD) -> Scene:
    """Return the scene with one object's shape (mostly) or colour changed; never a held-out one."""
    rng = random.Random(f"twin/{seed}/{scene}")
    for _ in count():
        place = rng.randrange(len(scene.items))
        item = scene.items[place]
        if rng.random() < 0.75:
            changed = replace(item, shape=rng.choice([shape for shape in world.shapes if shape != item.shape]))
        else:
            inks = [colour for colour in world.colours if colour not in (item.colour, scene.background)]
            changed = replace(item, colour=rng.choice(inks))
        twin = replace(scene, items=(*scene.items[:place], changed, *scene.items[place + 1 :]))
        if not scene_is_held_out(twin, world):
            return twin
    raise AssertionError("unreachable")


def held_out_at(seed: int, index: int, world: World = WORLD) -> Scene:
    """Return test scene number `index`: one centred object whose triple no training stream holds."""
    rng = random.Random(f"held-out/{seed}/{index}")
    colour, shape, background = rng.choice(held_out_triples(world))
    return place_single(rng, colour, shape, background, "center", "medium")


def scenes(seed: int, start: int = 0, world: World = WORLD) -> Iterator[Scene]:
    """Yield the training stream `seed` from `start` on, without end."""
    return (scene_at(seed, index, world) for index in count(start))
