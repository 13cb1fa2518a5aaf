"""Where the objects of a scene stand and how big they are; tells also whether a scene is sound.

Sizes are relative to the layout: an object alone in the middle has more room than one of a pair. Knows no pixels,
no words and no held-out triples.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from playground.starter.colours import fades_in_gradient
from playground.starter.world import WORLD, Ground, Item, Scene

# No shape reaches farther than this many radii from its centre along x or y (a test measures it).
REACH = 1.1
MARGIN, GAP = 0.008, 0.02
# Outlines are this many radii thick. Thinner ones, of small objects, would be lost at 128 pixels.
STROKE = 0.2
SMALLEST_OUTLINED, SMALLEST_PIXELATED = 0.13, 0.12
# A ring is an outline already.
NEVER_OUTLINED = ("ring",)

_LOW, _HIGH = 0.27, 0.73
CENTRES = {
    "center": (0.5, 0.5),
    "left": (_LOW, 0.5),
    "right": (_HIGH, 0.5),
    "top": (0.5, _LOW),
    "bottom": (0.5, _HIGH),
    "top left": (_LOW, _LOW),
    "top right": (_HIGH, _LOW),
    "bottom left": (_LOW, _HIGH),
    "bottom right": (_HIGH, _HIGH),
}
# Lowest and highest radius by the place in a layout, then by size; in a trio and between others nothing is big.
RADII: dict[str, dict[str, tuple[float, float]]] = {
    "center": {"small": (0.13, 0.16), "medium": (0.22, 0.26), "big": (0.34, 0.38)},
    "aside": {"small": (0.11, 0.13), "medium": (0.16, 0.185), "big": (0.22, 0.24)},
    "pair": {"small": (0.10, 0.12), "medium": (0.15, 0.175), "big": (0.195, 0.21)},
    "trio": {"small": (0.085, 0.10), "medium": (0.13, 0.14)},
    "count": {"small": (0.09, 0.105), "medium": (0.13, 0.14), "big": (0.17, 0.185)},
    "inner": {"small": (0.11, 0.135)},
    "outer": {"big": (0.34, 0.38)},
}
# The middle (x, y) and radius, in radii, of the largest circle inside a shape: there is room for another object.
ROOMS = {
    "circle": (0.0, 0.0, 1.0),
    "square": (0.0, 0.0, 0.85),
    "triangle": (0.0, 0.28, 0.575),
    "diamond": (0.0, 0.0, 0.64),
    "hexagon": (0.0, 0.0, 0.9),
    "heart": (0.0, -0.08, 0.68),
    "ring": (0.0, 0.0, 0.49),
    "drop": (0.0, 0.33, 0.7),
}
# How far a corner is from the centre at most, in radii.
CORNER_REACH = 1.32


@dataclass(frozen=True)
class Looks:
    """How one object looks, wherever it stands."""

    shape: str
    colour: str
    size: str = "medium"
    outline: bool = False


def looks_of(item: Item) -> Looks:
    """Return how an object looks."""
    return Looks(item.shape, item.colour, item.size, item.outline)


def _put(rng: random.Random, looks: Looks, place: str, x: float, y: float, jitter: float) -> Item:
    radius = rng.uniform(*RADII[place][looks.size])
    nearest = REACH * radius + MARGIN
    x, y = (min(max(v + rng.uniform(-jitter, jitter), nearest), 1 - nearest) for v in (x, y))
    return Item(looks.shape, looks.colour, looks.size, x, y, radius, looks.outline)


def put_single(rng: random.Random, looks: Looks, position: str, jitter: float) -> tuple[Item, ...]:
    """Place one object at a position of the picture."""
    place = "center" if position == "center" else "aside"
    return (_put(rng, looks, place, *CENTRES[position], jitter),)


def put_pair(rng: random.Random, looks: tuple[Looks, ...], relation: str, jitter: float) -> tuple[Item, ...]:
    """Place two objects, the first standing in `relation` to the second."""
    if relation == "inside":
        outer = _put(rng, looks[1], "outer", 0.5, 0.5, jitter)
        dx, dy, _ = ROOMS.get(outer.shape, (0.0, 0.0, 0.0))
        x, y = outer.x + dx * outer.radius, outer.y + dy * outer.radius
        return _put(rng, looks[0], "inner", x, y, 0.005), outer
    first, second = (_LOW, _HIGH) if relation in ("left of", "above") else (_HIGH, _LOW)
    sideways = relation in ("left of", "right of")
    centres = [(along, 0.5) if sideways else (0.5, along) for along in (first, second)]
    return tuple(_put(rng, one, "pair", *centre, jitter) for one, centre in zip(looks, centres, strict=True))


_ROW, _COLUMN = ((0.18, 0.5), (0.5, 0.5), (0.82, 0.5)), ((0.5, 0.18), (0.5, 0.5), (0.5, 0.82))
_PEAK, _VALLEY = ((0.5, 0.28), (0.27, 0.72), (0.73, 0.72)), ((0.27, 0.28), (0.73, 0.28), (0.5, 0.72))
_SPREADS = {
    2: (((_LOW, 0.5), (_HIGH, 0.5)), ((0.5, _LOW), (0.5, _HIGH))),
    3: (_ROW, _COLUMN, _PEAK, _VALLEY),
    4: (((_LOW, _LOW), (_HIGH, _LOW), (_LOW, _HIGH), (_HIGH, _HIGH)),),
}


def put_trio(rng: random.Random, looks: tuple[Looks, ...], relation: str | None, jitter: float) -> tuple[Item, ...]:
    """Place three objects from left to right ("left of"), from top to bottom ("above") or in a triangle (None)."""
    spread = {"left of": _ROW, "above": _COLUMN, None: rng.choice((_PEAK, _VALLEY))}[relation]
    return tuple(_put(rng, one, "trio", *centre, jitter / 2) for one, centre in zip(looks, spread, strict=True))


def put_count(rng: random.Random, looks: Looks, number: int, jitter: float) -> tuple[Item, ...]:
    """Place two to four objects of the same looks and radius in a row, a column, a triangle or a square."""
    spread = rng.choice(_SPREADS[number])
    radius = rng.uniform(*RADII["count"][looks.size])
    shifts = [(rng.uniform(-jitter, jitter) / 2, rng.uniform(-jitter, jitter) / 2) for _ in spread]
    return tuple(
        Item(looks.shape, looks.colour, looks.size, x + right, y + down, radius, looks.outline)
        for (x, y), (right, down) in zip(spread, shifts, strict=True)
    )


def fits_inside(inner: Item, outer: Item) -> bool:
    """Tell whether one object lies inside another with some of the other to be seen all around."""
    if outer.shape not in ROOMS:
        return False
    dx, dy, room = ROOMS[outer.shape]
    away = ((outer.x + dx * outer.radius - inner.x) ** 2 + (outer.y + dy * outer.radius - inner.y) ** 2) ** 0.5
    room -= STROKE if outer.outline else 0.0
    return away + CORNER_REACH * inner.radius + GAP <= room * outer.radius


def _faults(scene: Scene) -> Iterator[bool]:
    items, ground = scene.items, scene.ground
    for item in items:
        nearest = REACH * item.radius + MARGIN - 1e-9
        yield not (nearest <= item.x <= 1 - nearest and nearest <= item.y <= 1 - nearest)
        yield item.colour in ground.colours
        yield item.outline and (item.shape in NEVER_OUTLINED or item.radius < SMALLEST_OUTLINED)
        yield scene.style == "pixel" and item.radius < SMALLEST_PIXELATED
        if ground.kind == "gradient" and ground.second is not None:
            yield fades_in_gradient(item.colour, ground.colour, ground.second)
    # A shadow on black is none.
    yield scene.style == "shadow" and "black" in ground.colours
    if scene.relation == "inside":
        yield items[0].colour == items[1].colour or not fits_inside(items[0], items[1])
    else:
        for one, other in combinations(items, 2):
            apart = REACH * (one.radius + other.radius) + GAP
            yield abs(one.x - other.x) < apart and abs(one.y - other.y) < apart
    if scene.layout in ("pair", "trio"):
        yield len({(item.shape, item.colour) for item in items}) < len(items)


def is_sound(scene: Scene) -> bool:
    """Tell whether all of a scene can be seen: inside the picture, apart from each other, not lost in the ground."""
    return not any(_faults(scene))


def place_single(
    rng: random.Random,
    colour: str,
    shape: str,
    background: str | Ground,
    position: str,
    size: str,
    *,
    outline: bool = False,
    style: str = "flat",
) -> Scene:
    """Place one object of given looks; only its exact place and radius are drawn by lot. A string is a solid ground."""
    ground = Ground("solid", background) if isinstance(background, str) else background
    items = put_single(rng, Looks(shape, colour, size, outline), position, WORLD.jitter)
    return Scene(items, ground, style, "single", position)
