"""Read a prompt back into the facts that it asks a picture of the starter image world for.

A small grammar over the phrases that `prompt_words` finds; no model, no pictures, no torch. Prompts may be sentences
or tags. Words that it does not know are reported and otherwise passed over, never guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from playground.scores.prompt_words import Token, tokens_of
from playground.starter.words import PLACES_OF_RELATION
from playground.starter.world import INVERSE


@dataclass(frozen=True)
class WantedObject:
    """One object, or several of the same looks, that a prompt asks for; None is what it leaves open."""

    shape: str | None
    colour: str | None = None
    size: str | None = None
    count: int | None = 1
    outline: bool | None = None


@dataclass(frozen=True)
class Wanted:
    """What a prompt asks for; None is what it leaves open.

    The first of two objects stands in `relation` to the second: one of `world.RELATIONS`, or "beside". Of three,
    "left of" means from left to right and "above" from top to bottom. `background` are the colours in the order of
    `world.Ground`, though of stripes and checks either may come first; a colour unsaid beside one said is None.
    `unknown` are the words without a meaning here, in their order.
    """

    objects: tuple[WantedObject, ...]
    relation: str | None = None
    position: str | None = None
    background: tuple[str | None, ...] | None = None
    ground: str | None = None
    direction: str | None = None
    style: str | None = None
    unknown: tuple[str, ...] = ()


_TWO = "(?:CnC)?"
# Patterns over the letters of `Token.kind`, in the order of trying; the first that is found is the ground.
_GROUNDS = [
    (kind, re.compile(f"o?a?(?:{pattern})"))
    for kind, pattern in (
        ("gradient", "V?GK?fa?Cma?C|V?C[mn]CV?GK?|V?GK?zCnC|V?GK?"),
        ("stripes", f"K[zw]a?V?{_TWO}V?T|V?{_TWO}V?TK?|V?{_TWO}V?tK|V?t{_TWO}K"),
        ("checks", f"K[zw]a?{_TWO}X|X{_TWO}K|XzCnC|{_TWO}XK?"),
        ("dots", "p?CK?wCD|CDoa?CK?|CdCK|CnCDK|CnCdK|CK?wD|KwC?D|C?[Dd]K"),
        ("solid", "p?CK|KzC|oC(?![CSMZLlN])"),
    )
]


def _take_ground(tokens: list[Token], wanted: Wanted) -> tuple[list[Token], Wanted]:
    """Return the tokens with a stop in place of the ground's, and what is wanted with the ground."""
    kinds = "".join(token.kind for token in tokens)
    for ground, pattern in _GROUNDS:
        match = pattern.search(kinds)
        if match is None:
            continue
        inside = tokens[match.start() : match.end()]
        colours: list[str | None] = [token.value for token in inside if token.kind == "C"]
        direction = next((token.value for token in inside if token.kind == "V"), None)
        if ground == "dots" and re.search("C[Dd]", match.group()):
            if len(colours) == 1:
                colours.insert(0, None)
            elif re.search("C(Do|d)", match.group()):
                colours.reverse()
        rest = [*tokens[: match.start()], Token(",", None, ","), *tokens[match.end() :]]
        return rest, replace(wanted, ground=ground, background=tuple(colours) or None, direction=direction)
    return tokens, wanted


def _take_objects(tokens: list[Token]) -> tuple[list[WantedObject], list[Token]]:
    """Return the objects in their order, and what is left of the tokens, with the kind "#" for each object."""
    objects: list[WantedObject] = []
    rest: list[Token] = []
    looks: dict[str, str | None] = {}
    for token in tokens:
        if token.kind == "l" and rest and rest[-1].kind == "#" and not looks:
            # A "star outline", not the outline of something to come.
            objects[-1] = replace(objects[-1], outline=True)
        elif token.kind in "CZNLUl":
            looks[token.kind] = token.value
        elif token.kind in "SM":
            objects.append(_object(token, looks))
            rest.append(Token("#", None, token.text))
            looks = {}
        elif token.kind not in "azmf-?":
            rest.append(token)
    if len(objects) == 1 and looks:
        objects[0] = _completed(objects[0], looks)
    return objects, rest


def _object(shape: Token, looks: dict[str, str | None]) -> WantedObject:
    number = looks.get("N")
    count = int(number) if number else (1 if shape.kind == "S" else None)
    outline = True if "L" in looks or "l" in looks else (False if "U" in looks else None)
    return WantedObject(shape.value, looks.get("C"), looks.get("Z"), count, outline)


def _completed(wanted: WantedObject, looks: dict[str, str | None]) -> WantedObject:
    """Add looks that were said after the only object, as in "a circle, red" or "a star in blue"."""
    later = _object(Token("S", wanted.shape, ""), looks)
    return replace(
        wanted,
        colour=wanted.colour or later.colour,
        size=wanted.size or later.size,
        outline=later.outline if wanted.outline is None else wanted.outline,
    )


def _relate(objects: list[WantedObject], rest: list[Token]) -> tuple[list[WantedObject], str | None, str | None]:
    """Return the objects in the order that the relation needs, the relation and the position."""
    places = [token.value for token in rest if token.kind == "P"]
    said = [token for token in rest if token.kind in "RIAEQ"]
    if len(objects) == 2 and len(places) == 2:
        two = {pair: relation for relation, pair in PLACES_OF_RELATION.items()}
        return objects, two.get((str(places[0]), str(places[1]))), None
    position = places[0] if places else None
    if len(objects) == 2 and said:
        token = said[0]
        last = rest and [one.kind for one in rest if one.kind != ","][-1] in "RI"
        turned = token.kind == "A" or (token.value == "inside" and last)
        relation = "beside" if token.kind == "E" else "inside" if token.kind in "AI" else token.value
        return objects[::-1] if turned else objects, relation, position
    if len(objects) > 2 and said:
        if said[0].kind == "Q":
            return objects, said[0].value, position
        if len(said) == len(objects) - 1 and all(one.value == other.value for one, other in pairwise(said)):
            relation = said[0].value or ""
            if relation in ("right of", "below"):
                return objects[::-1], INVERSE[relation], position
            return objects, relation or None, position
    return objects, None, position


def expected(prompt: str) -> Wanted | None:
    """Return what a prompt asks for; None when it names no object, no ground and no style of the world."""
    tokens = tokens_of(prompt)
    styles = [token.value for token in tokens if token.kind == "Y"]
    unknown = tuple(token.text for token in tokens if token.kind == "?")
    wanted = Wanted((), style=styles[0] if styles else None, unknown=unknown)
    rest, wanted = _take_ground([token for token in tokens if token.kind not in "Y-"], wanted)
    objects, rest = _take_objects(rest)
    objects, relation, position = _relate(objects, rest)
    wanted = replace(wanted, objects=tuple(objects), relation=relation, position=position)
    return wanted if wanted != Wanted((), unknown=unknown) else None
