"""What a diffusion model sees when: from large single objects to the whole world, and in which sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

from playground.starter.scenes import WORLD, World

# Shapes take the longest to learn, and are learned first from single filled objects, large and in the middle of a
# solid ground: a model that met the whole world at once knew no shape after 5,000 steps that this way took 2,000.
EASY = World(
    layout_weights=(0.85, 0.1, 0.0, 0.05),
    position_weights=(0.84, *(0.02,) * 8),
    size_weights=(0.55, 0.05, 0.4),
    ground_weights=(0.96, 0.01, 0.01, 0.01, 0.01),
    style_weights=(0.97, 0.01, 0.01, 0.01),
    outline_share=0.02,
)


def between(one: World, other: World, share: float) -> World:
    """Return the world whose weights lie `share` (0 to 1) of the way from `one` to `other`; names are `other`'s."""
    mixed: dict[str, object] = {}
    for field in fields(World):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if field.name.endswith("_weights"):
            sums = sum(before), sum(after)
            pairs = zip(before, after, strict=True)
            mixed[field.name] = tuple((1 - share) * a / sums[0] + share * b / sums[1] for a, b in pairs)
        elif isinstance(before, float):
            mixed[field.name] = (1 - share) * before + share * after
    return replace(other, **mixed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Course:
    """The order of things: `easy` until step `ramp[0]`, the full `world` from `ramp[1]` on, mixed between.

    Every other picture size gets its turn with `odd_share`; sizes are (height, width) in pixels. `pool` scenes are
    kept ready, and `refresh` of them replaced a step.
    """

    easy: World = EASY
    world: World = WORLD
    ramp: tuple[int, int] = (2000, 4500)
    size: tuple[int, int] = (128, 128)
    odd_sizes: tuple[tuple[int, int], ...] = ((64, 64), (96, 96), (160, 160), (192, 192), (128, 192), (192, 128))
    odd_share: float = 0.12
    pool: int = 4096
    refresh: int = 4

    def world_at(self, step: int) -> World:
        """Return the world of a step."""
        start, end = self.ramp
        return between(self.easy, self.world, min(1.0, max(0.0, (step - start) / max(1, end - start))))

    def size_at(self, step: int) -> tuple[int, int]:
        """Return (height, width) of a step's pictures."""
        rng = random.Random(f"size/{step}")
        odd = self.odd_sizes and step >= self.ramp[0] and rng.random() < self.odd_share
        return rng.choice(self.odd_sizes) if odd else self.size


COURSE = Course()
