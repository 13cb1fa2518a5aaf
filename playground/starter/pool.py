"""A pool of ready scenes, so that training does not wait for rendering; old scenes make way for new ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from playground.starter.captions import caption
from playground.starter.render import IMAGE_SIZE, render
from playground.starter.scenes import WORLD, Scene, World, scene_at, twin_of


class ScenePool:
    """Scenes of one training stream with what was made of their pictures; captions are worded anew at each use.

    `make` maps pictures (B, 3, height, width) in [0, 1] to what is kept, one row a picture (latents, bytes); `picture`
    is their (height, width). With `twins`, each scene is followed by one that differs in one fact, and batches hold
    both: a model that compares has to look closely. Counts are then even. `world` may be changed between refreshes.
    """

    def __init__(
        self,
        make: Callable[[Tensor], Tensor],
        *,
        seed: int,
        size: int,
        first: int = 0,
        twins: bool = False,
        world: World = WORLD,
        picture: tuple[int, int] = (IMAGE_SIZE, IMAGE_SIZE),
    ) -> None:
        if twins and size % 2:
            raise ValueError(f"a pool of twins has an even size, got {size}")
        self.make, self.seed, self.next, self.twins, self.world = make, seed, first, twins, world
        self.picture = picture
        self.scenes: list[Scene] = []
        parts = [self._fresh(min(256, size - start)) for start in range(0, size, 256)]
        self.rows = torch.cat([rows for _, rows in parts])
        self.scenes = [scene for scenes, _ in parts for scene in scenes]
        self._oldest = 0

    def _fresh(self, count: int) -> tuple[list[Scene], Tensor]:
        wanted = count // 2 if self.twins else count
        fresh = [scene_at(self.seed, index, self.world) for index in range(self.next, self.next + wanted)]
        self.next += wanted
        if self.twins:
            fresh = [either for scene in fresh for either in (scene, twin_of(scene, self.seed, self.world))]
        return fresh, self.make(torch.stack([render(scene, *self.picture) for scene in fresh]))

    def refresh(self, count: int) -> None:
        """Replace the `count` oldest scenes by the next ones of the stream; `count` at most the pool's size."""
        fresh, rows = self._fresh(count)
        for offset in range(count):
            slot = (self._oldest + offset) % len(self.scenes)
            self.scenes[slot], self.rows[slot] = fresh[offset], rows[offset]
        self._oldest = (self._oldest + count) % len(self.scenes)

    def batch(self, step: int, count: int) -> tuple[Tensor, list[str], list[Scene]]:
        """Return `count` rows, their captions and their scenes, drawn by the seed and the step."""
        rng = random.Random(f"batch/{self.seed}/{step}")
        if self.twins:
            pairs = rng.sample(range(len(self.scenes) // 2), count // 2)
            slots = [slot for pair in pairs for slot in (2 * pair, 2 * pair + 1)]
        else:
            slots = rng.sample(range(len(self.scenes)), count)
        chosen = [self.scenes[slot] for slot in slots]
        return self.rows[slots], [caption(scene, rng) for scene in chosen], chosen
