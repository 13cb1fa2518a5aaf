"""Patterns with choices and slots, and the slips of people who type: how wording varies.

`{a|b|c}` is a choice, which may hold others; `[key]` is a slot. Every function draws from the random.Random that it is
handed.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

_SLOT = re.compile(r"\[(\w+)\]")
_SLOT_OR_TEXT = re.compile(r"(\[\w+\])")
_OPENINGS = ("hey, ", "ok, ", "so, ", "um ", "and ", "please, ", "now ", "Hey, ", "OK, ", "Hi! ", "hi, ")
_ENDINGS = (" please", ", please", " pls", ", please?", " thanks")
_OTHER_OPENINGS = {
    "es": ("oye, ", "bueno, ", "y ", "Por favor, ", "ok, ", "Hola, "),
    "fr": ("alors, ", "et ", "ok, ", "Bonjour, ", "dis, ", "Bon, "),
    "de": ("also, ", "und ", "ok, ", "Hallo, ", "du, ", "Bitte: "),
    "zh": ("请问，", "那么，", "嗯，", "你好，", "好，"),
}
_Node = tuple["str | tuple[_Node, ...]", ...]
T = TypeVar("T")


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """One item of a sequence; several times the speed of `rng.choice`."""
    return items[int(rng.random() * len(items))]


def expand(rng: random.Random, pattern: str) -> str:
    """A pattern with every `{a|b|c}` replaced by one of its choices."""
    return pattern if "{" not in pattern else _draw(rng, _parse(pattern))


@cache
def _parse(pattern: str) -> _Node:
    node, at = _sequence(pattern, 0)
    if at != len(pattern):
        raise ValueError(f"a choice is closed that was not opened, at {at} of {pattern!r}")
    return node


def _sequence(text: str, at: int) -> tuple[_Node, int]:
    parts: list[str | tuple[_Node, ...]] = []
    start = at
    while at < len(text) and text[at] != "}":
        if text[at] == "{":
            parts.append(text[start:at])
            options: list[_Node] = []
            while True:
                option, at = _option(text, at + 1)
                options.append(option)
                if at >= len(text):
                    raise ValueError(f"a choice is not closed in {text!r}")
                if text[at] == "}":
                    break
            parts.append(tuple(options))
            start = at = at + 1
        else:
            at += 1
    parts.append(text[start:at])
    return tuple(parts), at


def _option(text: str, at: int) -> tuple[_Node, int]:
    """One choice up to its `|` or `}`, with the choices inside it."""
    depth, end = 0, at
    while end < len(text) and not (depth == 0 and text[end] in "|}"):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return _sequence(text[at:end], 0)[0], end


def _draw(rng: random.Random, node: _Node) -> str:
    return "".join(part if isinstance(part, str) else _draw(rng, pick(rng, part)) for part in node)


def variants(pattern: str) -> list[str]:
    """Every expansion of a pattern."""
    return _variants_of(_parse(pattern))


def _variants_of(node: _Node) -> list[str]:
    found = [""]
    for part in node:
        options = [part] if isinstance(part, str) else [text for option in part for text in _variants_of(option)]
        found = [text + option for text in found for option in options]
    return found


def fill(text: str, /, **slots: object) -> str:
    """Text with `[key]` replaced by the value of that key; raises KeyError for an unknown key."""
    return _SLOT.sub(lambda found: str(slots[found[1]]), text) if "[" in text else text


def capital(text: str) -> str:
    """Text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def say(rng: random.Random, pattern: str, /, **slots: object) -> str:
    """One clean wording of a pattern, first letter in upper case: how the model speaks."""
    return capital(fill(" ".join(expand(rng, pattern).split()), **slots))


def ask(rng: random.Random, pattern: str, lang: str = "en", /, **slots: object) -> str:
    """One human wording of a pattern: casing, punctuation and typing slips vary, slot values stay exact."""
    text = " ".join(expand(rng, pattern).split())
    return fill(_roughen(rng, text) if lang == "en" else _roughen_other(rng, text, lang), **slots)


def _roughen(rng: random.Random, text: str) -> str:
    style = rng.random()
    if style < 0.56:
        text = text if text.startswith("[") else capital(text)
    elif style < 0.84:
        text = _outside_slots(text, str.lower)
    elif style < 0.86:
        text = _outside_slots(text, str.upper)
    if rng.random() < 0.08:
        text = _slip(rng, text)
    if rng.random() < 0.1:
        text = text.replace("'", "")
    ending = rng.random()
    if ending < 0.35:
        text = text.rstrip("?.!") or text
    elif ending < 0.38 and text[-1] in "?!":
        text += text[-1] * rng.randint(1, 2)
    if rng.random() < 0.05:
        text = pick(rng, _OPENINGS) + text
    elif rng.random() < 0.04:
        text = text.rstrip("?.!") + pick(rng, _ENDINGS)
    return text


def _roughen_other(rng: random.Random, text: str, lang: str) -> str:
    style = rng.random()
    if lang == "zh":
        if style < 0.3:
            text = text.rstrip("？。！") or text
        elif style < 0.4:
            text = text.replace("？", "?").replace("，", ",").replace("！", "!")
    elif style < 0.62:
        text = _capital_after_sign(text)
    else:
        text = _outside_slots(text, str.lower)
    if lang in ("es", "fr") and rng.random() < 0.15:
        text = _outside_slots(text, _without_accents)
    if lang == "es" and rng.random() < 0.45:
        text = text.lstrip("¿¡")
        text = text.replace(" ¿", " ").replace(" ¡", " ")
    if lang != "zh":
        if rng.random() < 0.3:
            text = text.rstrip(" ?.!") or text
        elif lang == "fr" and rng.random() < 0.4:
            text = text.replace(" ?", "?").replace(" !", "!")
        if rng.random() < 0.05:
            text = _slip(rng, text)
    if rng.random() < 0.05:
        text = pick(rng, _OTHER_OPENINGS[lang]) + text
    return text


def _capital_after_sign(text: str) -> str:
    return text if text.startswith("[") else text[:1] + capital(text[1:]) if text[:1] in "¿¡" else capital(text)


def _without_accents(text: str) -> str:
    kept = [c for c in unicodedata.normalize("NFD", text) if c == "\u0303" or not unicodedata.combining(c)]
    return unicodedata.normalize("NFC", "".join(kept))


def _outside_slots(text: str, change: Callable[[str], str]) -> str:
    if "[" not in text:
        return change(text)
    return "".join(part if part.startswith("[") else change(part) for part in _SLOT_OR_TEXT.split(text))


def _slip(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    able = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not able:
        return text
    at = pick(rng, able)
    word = words[at]
    i = rng.randrange(1, len(word) - 1)
    words[at] = pick(
        rng,
        (word[:i] + word[i + 1] + word[i] + word[i + 2 :], word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:]),
    )
    return " ".join(words)
