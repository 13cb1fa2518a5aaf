"""Compare what a picture shows with what a prompt asks for, fact by fact; knows no pixels and no grammar."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, permutations

from playground.scores.prompt_facts import Wanted, WantedObject
from playground.scores.scene_reader import ObjectReading, SceneReading, position_of, relation_of

_MOST_WANTED = 4
# Patterns that look the same with their colours the other way round.
_EITHER_ORDER = ("stripes", "checks")


@dataclass(frozen=True)
class Adherence:
    """Which facts of a prompt a picture shows; None is a fact that the prompt leaves open.

    A fact of several objects (colour, shape, size, outline) holds when it does for each that the prompt names.
    `count` is that there are as many objects as asked for and no others.
    """

    shape: bool | None = None
    colour: bool | None = None
    size: bool | None = None
    outline: bool | None = None
    count: bool | None = None
    relation: bool | None = None
    position: bool | None = None
    background: bool | None = None
    ground: bool | None = None
    style: bool | None = None

    @property
    def facts(self) -> dict[str, bool]:
        """The facts that the prompt asks for, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def all_right(self) -> bool:
        """Whether the picture shows all that the prompt asks for."""
        return all(self.facts.values())


def _singly(wanted: tuple[WantedObject, ...]) -> tuple[WantedObject, ...]:
    """Return each wanted object as often as it is wanted, at most four in all; some (None) are two or more."""
    return tuple(one for one in wanted for _ in range(2 if one.count is None else one.count))[:_MOST_WANTED]


def _agrees(thing: ObjectReading | None, one: WantedObject, fact: str) -> bool | None:
    asked = getattr(one, fact)
    return None if asked is None else thing is not None and getattr(thing, fact) == asked


_WEIGHTS = {"shape": 4, "colour": 4, "outline": 2, "size": 1}


def _likeness(things: tuple[ObjectReading | None, ...], singles: tuple[WantedObject, ...]) -> int:
    pairs = list(zip(things, singles, strict=True))
    return sum(
        weight * (_agrees(thing, one, fact) is True) for fact, weight in _WEIGHTS.items() for thing, one in pairs
    )


def _matched(
    reading: SceneReading, singles: tuple[WantedObject, ...], relation: str | None
) -> tuple[ObjectReading | None, ...]:
    """Return the object read for each wanted one, None where there are too few: the best of all matchings."""
    objects: tuple[ObjectReading | None, ...] = reading.objects[: 2 * _MOST_WANTED - 2]
    objects += (None,) * (len(singles) - len(objects))
    return max(
        permutations(objects, len(singles)),
        key=lambda things: (_likeness(things, singles), _is_related(things, relation) is True),
    )


def _is_related(things: tuple[ObjectReading | None, ...], relation: str | None) -> bool | None:
    if relation is None or len(things) < 2:
        return None
    for first, second in pairwise(things):
        if first is None or second is None:
            return False
        found = relation_of(first, second)
        if found not in (("left of", "right of") if relation == "beside" else (relation,)):
            return False
    return True


def _counted(reading: SceneReading, wanted: tuple[WantedObject, ...]) -> bool | None:
    if not wanted:
        return None
    least = sum(2 if one.count is None else one.count for one in wanted)
    exact = all(one.count is not None for one in wanted)
    return len(reading.objects) == least if exact else len(reading.objects) >= least


def _on_background(reading: SceneReading, wanted: Wanted) -> bool | None:
    if wanted.background is None:
        return None
    found: tuple[str | None, ...] = (reading.ground.colour, reading.ground.second)
    asked = (*wanted.background, None)[:2]
    orders = [asked, asked[::-1]] if reading.ground.kind in _EITHER_ORDER else [asked]
    if wanted.ground in (None, "solid") and len(wanted.background) == 1 and reading.ground.second is not None:
        return False
    return any(all(name in (None, there) for name, there in zip(order, found, strict=True)) for order in orders)


def agreement(reading: SceneReading, wanted: Wanted) -> Adherence:
    """Tell which of the facts that a prompt asks for a picture shows, its objects matched as well as they can be."""
    singles = _singly(wanted.objects)
    things = _matched(reading, singles, wanted.relation) if singles else ()

    def holds(fact: str) -> bool | None:
        said = [
            value
            for thing, one in zip(things, singles, strict=True)
            if (value := _agrees(thing, one, fact)) is not None
        ]
        return all(said) if said else None

    position = None
    if wanted.position is not None and things:
        position = things[0] is not None and position_of(reading, things[0]) == wanted.position
    ground = None
    if wanted.ground is not None:
        ground = reading.ground.kind == wanted.ground and wanted.direction in (None, reading.ground.direction)
    return Adherence(
        shape=holds("shape"),
        colour=holds("colour"),
        size=holds("size"),
        outline=holds("outline"),
        count=_counted(reading, wanted.objects),
        relation=_is_related(things, wanted.relation),
        position=position,
        background=_on_background(reading, wanted),
        ground=ground,
        style=None if wanted.style is None else reading.style == wanted.style,
    )
