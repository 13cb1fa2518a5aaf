"""Put a scene into words; wording varies and details are left out at random, but nothing said is untrue.

How a ground is worded is in `ground_words`, the words themselves in `words`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from playground.starter.ground_words import plain_ground, say_ground, tag_ground
from playground.starter.words import (
    ANY_SHAPE,
    AROUND_WORDS,
    BESIDE_WORDS,
    COLOUR_WORDS,
    FILLED_WORDS,
    NUMBER_WORDS,
    OPENINGS,
    OUTLINE_NOUNS,
    OUTLINED_WORDS,
    PLACES_OF_RELATION,
    POSITION_WORDS,
    RELATION_WORDS,
    ROW_WORDS,
    SHAPE_WORDS,
    SIZE_WORDS,
    STYLE_OPENINGS,
    STYLE_TAGS,
    STYLE_WITH,
    plural,
    with_article,
)
from playground.starter.world import INVERSE, Item, Scene

# How often what a user would type is left unsaid: a colour, a shape, the ground.
DROP = 0.07
SYNONYM = 0.15
TAGS = 0.14


def choose(rng: random.Random, name: str, words: dict[str, tuple[str, ...]], synonym: float = SYNONYM) -> str:
    """Return a name, or now and then one of its synonyms."""
    return rng.choice(words[name]) if words[name] and rng.random() < synonym else name


def _size(item: Item, rng: random.Random) -> list[str]:
    if rng.random() >= (0.03 if item.size == "medium" else 0.92):
        return []
    return [choose(rng, item.size, SIZE_WORDS, 1.0 if item.size == "medium" else 0.4)]


def _filling(item: Item, rng: random.Random) -> list[str]:
    if item.outline and rng.random() < 0.94:
        return [rng.choice(OUTLINED_WORDS) if rng.random() < 0.3 else OUTLINED_WORDS[0]]
    return [FILLED_WORDS[0]] if not item.outline and rng.random() < 0.02 else []


def name_item(item: Item, rng: random.Random, number: int = 1) -> str:
    """Name one object, or the looks of several, without an article; details are sometimes left unsaid."""
    size, filling = _size(item, rng), _filling(item, rng)
    colour = [choose(rng, item.colour, COLOUR_WORDS)] if rng.random() >= DROP else []
    shapeless = bool(colour) and rng.random() < DROP
    noun = rng.choice(ANY_SHAPE) if shapeless else choose(rng, item.shape, SHAPE_WORDS)
    order = [size, filling, colour] if rng.random() < 0.5 else [size, colour, filling]
    if rng.random() < 0.1:
        rng.shuffle(order)
    adjectives = [word for part in order for word in part]
    if adjectives and adjectives[-1] == OUTLINED_WORDS[0] and rng.random() < 0.3:
        adjectives.pop()
        noun = f"{noun} {OUTLINE_NOUNS[0]}"
    return " ".join([*adjectives, plural(noun) if number > 1 else noun])


def _one(item: Item, rng: random.Random) -> str:
    """Name one object with an article, or as "one", or as the outline of itself."""
    name = name_item(item, rng)
    if item.outline and "outlined" in name and rng.random() < 0.25:
        return f"the outline of {with_article(name.replace('outlined ', ''))}"
    return f"{rng.choice(NUMBER_WORDS[1])} {name}" if rng.random() < 0.03 else with_article(name)


def _several(scene: Scene, rng: random.Random) -> str:
    number = len(scene.items)
    word, digit = NUMBER_WORDS[number]
    return f"{word if rng.random() < 0.65 else digit} {name_item(scene.items[0], rng, number)}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _pair(scene: Scene, names: list[str], rng: random.Random) -> str:
    first, second = names
    relation = scene.relation or ""
    way = rng.random()
    if relation == "inside":
        if way < 0.65:
            return f"{first} {_relation(relation, rng)} {second}"
        return f"{second} {rng.choice(AROUND_WORDS)} {first}" if way < 0.85 else f"{second} with {first} inside"
    if way < 0.1:
        here, there = (POSITION_WORDS[place][0] for place in PLACES_OF_RELATION[relation])
        return f"{first} {here} and {second} {there}"
    if way < 0.4:
        first, second, relation = second, first, INVERSE[relation]
    if way > 0.9:
        return f"{first} and {second}"
    if way > 0.86 and relation in ("left of", "right of"):
        return f"{first} {rng.choice(BESIDE_WORDS)} {second}"
    return f"{first} {_relation(relation, rng)} {second}"


def _relation(relation: str, rng: random.Random) -> str:
    return rng.choice(RELATION_WORDS[relation]) if rng.random() < 0.5 else relation


def _subject(scene: Scene, rng: random.Random, *, articles: bool = True) -> str:
    """Say which objects there are and how they stand to each other."""
    if scene.layout == "count":
        return _several(scene, rng)
    names = [_one(item, rng) if articles else name_item(item, rng) for item in scene.items]
    if scene.layout == "pair":
        return _pair(scene, names, rng)
    if scene.layout == "trio":
        if scene.relation is not None and rng.random() < 0.7:
            return f"{_listed(names)} {rng.choice(ROW_WORDS[scene.relation])}"
        rng.shuffle(names)
        return _listed(names)
    return names[0]


def _place(scene: Scene, rng: random.Random) -> str:
    """Say where a single object is, or nothing; the middle goes mostly without saying."""
    if scene.layout != "single" or rng.random() > (0.2 if scene.position == "center" else 0.97):
        return ""
    words = POSITION_WORDS[scene.position]
    return words[0] if rng.random() < 0.6 else rng.choice(words)


def _style(scene: Scene, rng: random.Random) -> tuple[str, str, str]:
    """Return what is said of the style before the objects, after them, and at the end; at most one of the three."""
    if rng.random() > (0.05 if scene.style == "flat" else 0.94):
        return rng.choice(OPENINGS) if rng.random() < 0.12 else "", "", ""
    way = rng.random()
    if STYLE_OPENINGS[scene.style] and way < 0.5:
        return rng.choice(STYLE_OPENINGS[scene.style]), "", ""
    if way < 0.75:
        return "", rng.choice(STYLE_WITH[scene.style]), ""
    return "", "", rng.choice(STYLE_TAGS[scene.style])


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part).replace(" ,", ",")


def _tags(scene: Scene, rng: random.Random) -> str:
    """Describe a scene as a list of tags, such as "red circle, white background, flat"."""
    parts = [_subject(scene, rng, articles=False)]
    if scene.layout == "single" and scene.position != "center" and rng.random() < 0.95:
        parts.append(rng.choice((scene.position, *POSITION_WORDS[scene.position][:1])))
    if rng.random() >= DROP:
        parts.append(tag_ground(scene.ground, rng))
    if rng.random() < (0.2 if scene.style == "flat" else 0.95):
        parts.insert(rng.choice((0, len(parts), len(parts))), rng.choice(STYLE_TAGS[scene.style]))
    return ", ".join(parts)


def caption(scene: Scene, rng: random.Random) -> str:
    """Describe a scene in one phrase, such as "a red circle left of a blue square on a white background"."""
    if rng.random() < TAGS:
        return _tags(scene, rng)
    opening, with_style, ending = _style(scene, rng)
    subject, place = _subject(scene, rng), _place(scene, rng)
    ground = say_ground(scene.ground, rng) if rng.random() >= DROP else ""
    if ground and not opening and rng.random() < 0.03:
        text = _joined(f"{ground},", subject, place, with_style)
    elif place and not opening and rng.random() < 0.08:
        text = _joined(f"{place},", subject, with_style, ground)
    elif place and ground and scene.ground.kind == "solid" and rng.random() < 0.15:
        text = _joined(opening, subject, with_style, ground, place)
    else:
        text = _joined(opening, subject, place, with_style, ground)
    if ending:
        text = f"{text}, {ending}"
    if scene.layout == "single" and text.startswith(("a ", "an ")) and not opening and rng.random() < 0.08:
        text = text.split(" ", 1)[1]
    return text + "." if rng.random() < 0.03 else text


def _plain_item(item: Item, number: int = 1) -> str:
    size = "" if item.size == "medium" else item.size
    noun = plural(item.shape) if number > 1 else item.shape
    words = _joined(size, "outlined" if item.outline else "", item.colour, noun)
    return f"{NUMBER_WORDS[number][0]} {words}" if number > 1 else with_article(words)


def plain_caption(scene: Scene) -> str:
    """Describe a scene fully in the plainest words, the same each time; used to measure."""
    names = [_plain_item(item) for item in scene.items]
    if scene.layout == "count":
        subject = _plain_item(scene.items[0], len(scene.items))
    elif scene.layout == "pair":
        subject = _joined(names[0], scene.relation or "and", names[1])
    elif scene.layout == "trio":
        subject = _joined(_listed(names), ROW_WORDS[scene.relation][0] if scene.relation else "")
    else:
        subject = _joined(names[0], POSITION_WORDS[scene.position][0] if scene.position != "center" else "")
    openings = STYLE_OPENINGS[scene.style]
    opening = openings[0] if scene.style != "flat" and openings else ""
    shadow = STYLE_WITH["shadow"][0] if scene.style == "shadow" else ""
    return _joined(opening, subject, shadow, plain_ground(scene.ground))
