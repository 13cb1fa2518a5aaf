"""Cut a prompt for the starter image models into the phrases of their world; knows no grammar and no pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from playground.starter import words


@dataclass(frozen=True)
class Token:
    """A phrase of a prompt: a letter for its kind, so that grammar is a pattern over letters, and what it means.

    Kinds that mean something: C colour, S shape, M several of a shape, Z size, N number, R relation, I "in", A the
    other way round of "inside", E beside, Q from one side to the other, P position, Y style, V direction. Others: L
    outlined, l outline (noun), U filled, K background, G gradient, T stripes, t striped, X checks, D dots, d dotted,
    p plain, a article, o "on", w "with", n "and", f "from", m "to", z "of", "-" filler, "," any stop, "?" unknown.
    """

    kind: str
    value: str | None
    text: str


_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")
# Attention marks of prompts, such as (red:1.3) or [blue].
_MARKS = re.compile(r":\s*[\d.]+\s*(?=[)\]])|[()\[\]{}]")
_FILLERS = (
    "is are there that has it its very nice simple clean please draw paint show me make generate create picture image "
    "illustration drawing coloured colored colour color style this each some"
)
# What people write besides the words of the captions.
_MORE: tuple[tuple[str, str | None, str], ...] = (
    ("Y", "shadow", "shadow|shadows|soft shadows|with shadows|with soft shadows|with a drop shadow"),
    ("Y", "pencil", "pencil|sketch|sketched|hand-drawn|in pencil style"),
    ("Y", "pixel", "pixel|pixels|8-bit|in pixel art style|as pixels"),
    ("Y", "flat", "no shadow|without shadow|without shadows|flat design|in flat style"),
    ("R", "inside", "inside of"),
    ("R", "below", "underneath"),
    ("P", "center", "center|centre|middle|centered|centred"),
    ("P", "left", "to the left"),
    ("P", "right", "to the right"),
    ("P", "top", "on top"),
    ("S", None, "thing"),
    ("M", None, "things"),
    ("N", "1", "a single|single"),
    ("N", "2", "a pair of|a couple of|both"),
    ("K", None, "background|backdrop|ground"),
    ("G", None, "gradient"),
    ("t", None, "stripy"),
    ("X", None, "checked|chessboard"),
    ("D", None, "polka dot|dot"),
    ("d", None, "polka-dotted"),
    ("n", None, "&"),
    ("a", None, "a|an|the"),
    ("o", None, "on|against"),
    ("w", None, "with"),
    ("n", None, "and"),
    ("f", None, "from"),
    ("m", None, "to"),
    ("z", None, "of"),
    ("-", None, _FILLERS.replace(" ", "|")),
)


def _caption_words() -> Iterable[tuple[str, str | None, Iterable[str]]]:
    """Yield kind, meaning and phrases of all that captions are made of."""
    for name in words.SHAPE_WORDS:
        spelled = words.spellings(name, words.SHAPE_WORDS)
        yield "S", name, spelled
        yield "M", name, map(words.plural, spelled)
    yield "S", None, words.ANY_SHAPE
    yield "M", None, map(words.plural, words.ANY_SHAPE)
    for kind, named in (("C", words.COLOUR_WORDS), ("Z", words.SIZE_WORDS)):
        for name in named:
            yield kind, name, words.spellings(name, named)
    for number, spelled in words.NUMBER_WORDS.items():
        yield "N", str(number), spelled
    tables: tuple[tuple[str, Mapping[str, Iterable[str]]], ...] = (
        ("P", words.POSITION_WORDS),
        ("R", {name: [word for word in some if word != "in"] for name, some in words.RELATION_WORDS.items()}),
        ("Q", words.ROW_WORDS),
        ("Y", words.STYLE_WITH),
        ("Y", words.STYLE_TAGS),
        ("Y", {name: [some.rsplit(" ", 1)[0] for some in all_] for name, all_ in words.STYLE_OPENINGS.items()}),
    )
    for kind, table in tables:
        for name, phrases in table.items():
            yield kind, name, phrases
    for name in words.POSITION_WORDS:
        yield "P", name, (name, f"{name} corner", f"in the {name}", f"on the {name}", f"at the {name}")
    for kind, phrases in (
        ("I", ["in"]),
        ("A", words.AROUND_WORDS),
        ("E", words.BESIDE_WORDS),
        ("L", words.OUTLINED_WORDS),
        ("l", words.OUTLINE_NOUNS),
        ("U", words.FILLED_WORDS),
        ("T", words.STRIPES_WORDS),
        ("t", words.STRIPED_WORDS),
        ("X", (*words.CHECKERED_WORDS, *words.CHECKS_WORDS)),
        ("D", words.DOTS_WORDS),
        ("d", words.DOTTED_WORDS),
        ("p", words.PLAIN_WORDS),
        ("-", [opening.rsplit(" ", 1)[0] for opening in words.OPENINGS]),
    ):
        yield kind, None, phrases
    for name in words.DIRECTION_WORDS:
        yield "V", name, (name, f"{name}ly")


@cache
def _lexicon() -> dict[str, Token]:
    table: dict[str, Token] = {}
    more = ((kind, value, phrases.split("|")) for kind, value, phrases in _MORE)
    for kind, value, phrases in (*_caption_words(), *more):
        for phrase in phrases:
            table.setdefault(phrase, Token(kind, value, phrase))
    return table


@cache
def _longest() -> int:
    return max(len(phrase.split()) for phrase in _lexicon())


def tokens_of(prompt: str) -> list[Token]:
    """Cut a prompt into the longest phrases of the world's words; a word that is none of them has the kind "?"."""
    table = _lexicon()
    pieces = _WORD.findall(_MARKS.sub(" ", prompt.lower()))
    found: list[Token] = []
    start = 0
    while start < len(pieces):
        for length in range(min(_longest(), len(pieces) - start), 0, -1):
            token = table.get(" ".join(pieces[start : start + length]))
            if token is not None:
                break
        else:
            word = pieces[start]
            token = Token("?" if word[0].isalnum() else ",", None, word)
        found.append(token)
        start += length
    return found
