"""What the image world consists of: the names, the records of a scene, and which triples are held out.

Knows nothing of pixels, wording, or how scenes are laid out (`layouts`) and drawn by lot (`scenes`). No torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import product

from playground.starter.colours import COLOURS

SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "diamond",
    "ring",
    "cross",
    "hexagon",
    "moon",
    "arrow",
    "drop",
    "rectangle",
    "crown",
)
SIZES = ("medium", "small", "big")
POSITIONS = ("center", "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right")
RELATIONS = ("left of", "right of", "above", "below", "inside")
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
GROUND_KINDS = ("solid", "gradient", "stripes", "dots", "checks")
STYLES = ("flat", "shadow", "pixel", "pencil")
LAYOUTS = ("single", "pair", "trio", "count")
COUNTS = (2, 3, 4)


@dataclass(frozen=True)
class World:
    """What scenes are drawn from, and the share of each kind; weights run along the tuple of the same name."""

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    layout_weights: tuple[float, ...] = (0.55, 0.25, 0.08, 0.12)
    position_weights: tuple[float, ...] = (0.44, *(0.07,) * 8)
    size_weights: tuple[float, ...] = (0.5, 0.25, 0.25)
    relation_weights: tuple[float, ...] = (0.21, 0.21, 0.21, 0.21, 0.16)
    count_weights: tuple[float, ...] = (0.34, 0.33, 0.33)
    ground_weights: tuple[float, ...] = (0.7, 0.1, 0.08, 0.06, 0.06)
    style_weights: tuple[float, ...] = (0.8, 0.07, 0.07, 0.06)
    outline_share: float = 0.15
    jitter: float = 0.03
    holdout_one_in: int = 10


@dataclass(frozen=True)
class Item:
    """One object; x, y are fractions of width and height, y pointing down, radius of the shorter side.

    No shape reaches farther than `layouts.REACH` radii from its centre along x or y.
    """

    shape: str
    colour: str
    size: str
    x: float
    y: float
    radius: float
    outline: bool = False


@dataclass(frozen=True)
class Ground:
    """What is behind the objects.

    A gradient runs from `colour` to `second`, downwards when `direction` is "vertical", else to the right. Stripes
    are vertical or horizontal bands that begin with `colour` at the left or top. Dots of `second` lie on `colour`.
    Checks begin with `colour` at the top left. Solid grounds have no second colour, and only gradients and stripes
    have a direction.
    """

    kind: str
    colour: str
    second: str | None = None
    direction: str | None = None

    @property
    def colours(self) -> tuple[str, ...]:
        """The one or two colours of the ground."""
        return (self.colour,) if self.second is None else (self.colour, self.second)


@dataclass(frozen=True)
class Scene:
    """Objects on a ground, drawn in one style.

    By `layout`: "single" is one object at `position`; in a "pair" the first stands in `relation` to the second; a
    "trio" runs from left to right (relation "left of"), from top to bottom ("above"), or stands in a triangle (None);
    "count" is two to four objects of the same looks. All but singles are centred as a whole.
    """

    items: tuple[Item, ...]
    ground: Ground
    style: str = "flat"
    layout: str = "single"
    position: str = "center"
    relation: str | None = None

    @property
    def background(self) -> str:
        """The main colour of the ground."""
        return self.ground.colour


WORLD = World()
# One filled object in the middle of a solid ground, nothing else.
PLAIN_WORLD = World(
    layout_weights=(1.0, 0.0, 0.0, 0.0),
    position_weights=(1.0, *(0.0,) * 8),
    size_weights=(1.0, 0.0, 0.0),
    ground_weights=(1.0, 0.0, 0.0, 0.0, 0.0),
    style_weights=(1.0, 0.0, 0.0, 0.0),
    outline_share=0.0,
)


@cache
def is_held_out(colour: str, shape: str, background: str, one_in: int = WORLD.holdout_one_in) -> bool:
    """Tell whether this (colour, shape, background) triple is kept out of all training, by a hash of its names."""
    digest = hashlib.blake2b(f"{colour}|{shape}|{background}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % one_in == 0


def scene_is_held_out(scene: Scene, world: World = WORLD) -> bool:
    """Tell whether any object of the scene is, with any colour of the ground, a held-out triple."""
    pairs = product(scene.items, scene.ground.colours)
    return any(is_held_out(item.colour, item.shape, ground, world.holdout_one_in) for item, ground in pairs)


def held_out_triples(world: World = WORLD) -> list[tuple[str, str, str]]:
    """List every held-out (colour, shape, background), object colour and background being different."""
    triples = product(world.colours, world.shapes, world.colours)
    return [(c, s, b) for c, s, b in triples if c != b and is_held_out(c, s, b, world.holdout_one_in)]
