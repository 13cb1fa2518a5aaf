"""Measure how often the scene reader reads rendered scenes right, fact by fact; knows no models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from playground.scores.scene_reader import ObjectReading, SceneReading, position_of, read_scene, relation_of
from playground.starter.world import Item, Scene

if TYPE_CHECKING:
    from torch import Tensor

# What a scene is judged by as a whole; style, size and outline are reported beside it.
JOINT = ("count", "colour", "shape", "background", "position", "relation")


@dataclass(frozen=True)
class Treatment:
    """What is done to a rendered scene before it is read.

    Sides in pixels, standard deviation of a blur in pixels and of noise in [0, 1].
    """

    side: int = 128
    blur: float = 0.0
    noise: float = 0.0


def treated(scene: Scene, treatment: Treatment, seed: int = 0) -> Tensor:
    """Render a scene (3, side, side) and blur it and add noise to it as an autoencoder would."""
    import torch

    from playground.starter.render import render

    picture = render(scene, treatment.side).numpy()
    if treatment.blur:
        picture = ndimage.gaussian_filter(picture, (0, treatment.blur, treatment.blur))
    if treatment.noise:
        picture = picture + np.random.default_rng(seed).normal(0, treatment.noise, picture.shape)
    return torch.from_numpy(np.clip(picture, 0, 1).astype(np.float32))


def _matched(objects: Sequence[ObjectReading], items: Sequence[Item]) -> tuple[ObjectReading, ...]:
    """Return the objects in the order of the items that they are nearest to."""

    def apart(order: tuple[ObjectReading, ...]) -> float:
        pairs = zip(order, items, strict=True)
        return sum(abs(o.x - i.x) + abs(o.y - i.y) + abs(o.radius - i.radius) for o, i in pairs)

    return min(permutations(objects), key=apart)


def facts_right(reading: SceneReading, scene: Scene) -> dict[str, bool]:
    """Tell which facts of a scene were read right; facts that it has not (its relation, say) are left out."""
    ground, wanted = reading.ground, scene.ground
    right = {
        "count": len(reading.objects) == len(scene.items),
        "background": (ground.colour, ground.second) == (wanted.colour, wanted.second),
        "ground": (ground.kind, ground.direction) == (wanted.kind, wanted.direction),
        "style": reading.style == scene.style,
    }
    per_object = ("colour", "shape", "size", "outline")
    if not right["count"]:
        right |= dict.fromkeys(per_object, False)
        right |= {"position": False} if scene.layout == "single" else {}
        right |= {"relation": False} if scene.layout == "pair" else {}
    else:
        objects = _matched(reading.objects, scene.items)
        for fact in per_object:
            right[fact] = all(getattr(o, fact) == getattr(i, fact) for o, i in zip(objects, scene.items, strict=True))
        if scene.layout == "single":
            right["position"] = position_of(reading, objects[0]) == scene.position
        if scene.layout == "pair":
            right["relation"] = relation_of(objects[0], objects[1]) == scene.relation
    right["joint"] = all(right.get(fact, True) for fact in JOINT)
    return right


def measure(scenes: Iterable[Scene], treatment: Treatment) -> dict[str, tuple[int, int]]:
    """Return of each fact, and of the joint ones by style, ground and layout, how many are right and of how many."""
    right: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for index, scene in enumerate(scenes):
        facts = facts_right(read_scene(treated(scene, treatment, index)), scene)
        groups = (scene.style, scene.ground.kind, scene.layout)
        for name, value in (*facts.items(), *((f"joint: {group}", facts["joint"]) for group in groups)):
            right[name] += value
            total[name] += 1
    return {name: (right[name], total[name]) for name in sorted(total)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each accuracy with its number of scenes."""
    from argparse import ArgumentParser
    from itertools import islice

    from playground.starter.scenes import scenes

    parser = ArgumentParser(prog="python -m playground.scores.scene_reader", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="how many scenes")
    parser.add_argument("--seed", type=int, default=1000, help="of the stream of scenes")
    parser.add_argument("--side", type=int, default=128, help="of the pictures in pixels")
    parser.add_argument("--blur", type=float, default=0.0, help="standard deviation in pixels")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation, of [0, 1]")
    options = parser.parse_args(arguments)
    treatment = Treatment(options.side, options.blur, options.noise)
    for name, (right, total) in measure(islice(scenes(options.seed), options.count), treatment).items():
        print(f"{name:20s} {right / total:7.2%}  n={total}")
