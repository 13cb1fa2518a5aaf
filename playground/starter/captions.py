"""Put a scene into words; wording varies and details are left out at random, but nothing said is untrue."""

from __future__ import annotations

import random

from playground.starter.scenes import INVERSE, Item, Scene

SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle", "circle", "disc"),
    "square": ("square",),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "diamond": ("diamond",),
    "ring": ("ring", "ring", "ring", "donut"),
    "cross": ("cross", "cross", "plus"),
    "hexagon": ("hexagon",),
    "moon": ("moon", "moon", "crescent"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {"purple": ("purple", "purple", "violet")}
SIZE_WORDS = {"medium": ("",), "small": ("small", "small", "tiny", "little"), "big": ("big", "big", "large", "huge")}
POSITION_WORDS: dict[str, tuple[str, ...]] = {
    "center": ("", "", "", "in the center", "in the middle"),
    "left": ("on the left", "on the left side", "at the left"),
    "right": ("on the right", "on the right side", "at the right"),
    "top": ("at the top", "at the top", "on the top"),
    "bottom": ("at the bottom", "at the bottom", "on the bottom"),
}
RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "on top of", "over"),
    "below": ("below", "under", "beneath"),
}
OPENINGS = ("a picture of", "an image of", "a drawing of", "a picture with")
GROUNDS = ("on a {} background", "on a {} background", "on a {} background", "on {}", "against a {} background")


def with_article(words: str) -> str:
    """Put "a" or "an" before a noun phrase."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def name_item(item: Item, rng: random.Random, *, drop: bool = True) -> str:
    """Name one object without an article; with `drop`, its size or colour is sometimes left unsaid."""
    size = rng.choice(SIZE_WORDS[item.size])
    if drop and rng.random() < 0.1:
        size = ""
    colour = "" if drop and rng.random() < 0.04 else rng.choice(COLOUR_WORDS.get(item.colour, (item.colour,)))
    return " ".join(word for word in (size, colour, rng.choice(SHAPE_WORDS[item.shape])) if word)


def _tags(scene: Scene, rng: random.Random) -> str:
    parts = [name_item(item, rng) for item in scene.items]
    if scene.position != "center":
        parts.append(scene.position)
    parts.append(f"{rng.choice(COLOUR_WORDS.get(scene.background, (scene.background,)))} background")
    return ", ".join(parts)


def caption(scene: Scene, rng: random.Random) -> str:
    """Describe a scene in one phrase, such as "a red circle left of a blue square on a white background"."""
    if rng.random() < 0.12:
        return _tags(scene, rng)
    names = [with_article(name_item(item, rng)) for item in scene.items]
    if scene.relation is not None:
        relation = scene.relation
        if rng.random() < 0.3:
            names, relation = names[::-1], INVERSE[relation]
        joint = "and" if rng.random() < 0.2 else rng.choice(RELATION_WORDS[relation])
        words = [names[0], joint, names[1]]
    else:
        words = [names[0], rng.choice(POSITION_WORDS[scene.position]) if rng.random() > 0.03 else ""]
    background = rng.choice(COLOUR_WORDS.get(scene.background, (scene.background,)))
    fate = rng.random()
    if fate < 0.82:
        ground = rng.choice(GROUNDS).format(background)
        words.append(ground.replace("a orange", "an orange"))
    elif fate < 0.90:
        said = " ".join(word for word in words if word)
        words = [f"{said},", f"{background} background"]
    if rng.random() < 0.15:
        words.insert(0, rng.choice(OPENINGS))
    said = " ".join(word for word in words if word)
    if said.startswith(("a ", "an ")) and scene.relation is None and rng.random() < 0.08:
        return said.split(" ", 1)[1]
    return said


def plain_caption(scene: Scene) -> str:
    """Describe a scene fully in the plainest words, the same each time; used to measure."""
    parts = []
    for item in scene.items:
        size = "" if item.size == "medium" else item.size
        parts.append(with_article(" ".join(word for word in (size, item.colour, item.shape) if word)))
    if scene.relation is not None:
        parts.insert(1, scene.relation)
    elif scene.position != "center":
        parts.append(POSITION_WORDS[scene.position][0])
    return " ".join([*parts, "on", with_article(f"{scene.background} background")])
