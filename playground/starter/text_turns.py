"""What one training conversation is made of, and how its wording is varied.

Knows nothing of tokens or models; every function draws from the random.Random that it is handed.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class Turn:
    """One exchange; `thought` is what a reasoning model writes before the answer."""

    user: str
    answer: str
    thought: str


@dataclass(frozen=True)
class Dialogue:
    """A conversation; `system` is empty where there is no system prompt."""

    turns: tuple[Turn, ...]
    system: str = ""
    thinking: bool = True


def held_out(kind: str, *values: object) -> bool:
    """Whether an item is kept out of the training stream: one in ten, by the SHA-256 of its name."""
    text = "|".join([kind, *map(str, values)])
    return hashlib.sha256(text.encode()).digest()[0] % 10 == 0


def expand(rng: random.Random, pattern: str) -> str:
    """A pattern with every `{a|b|c}` replaced by one of its choices, innermost first."""
    while found := _CHOICE.search(pattern):
        pattern = pattern[: found.start()] + rng.choice(found[1].split("|")) + pattern[found.end() :]
    return pattern


def fill(text: str, **slots: object) -> str:
    """Text with `[key]` replaced by the value of that key; raises KeyError for an unknown key."""
    return _SLOT.sub(lambda found: str(slots[found[1]]), text)


def capital(text: str) -> str:
    """Text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def say(rng: random.Random, pattern: str, **slots: object) -> str:
    """One clean wording of a pattern, first letter in upper case: how the model speaks."""
    return capital(" ".join(fill(expand(rng, pattern), **slots).split()))


def ask(rng: random.Random, pattern: str, **slots: object) -> str:
    """One human wording of a pattern: casing, punctuation and typing slips vary, slot values stay exact."""
    text = " ".join(expand(rng, pattern).split())
    return fill(_roughen(rng, text), **slots)


def _roughen(rng: random.Random, text: str) -> str:
    style = rng.random()
    if style < 0.5:
        text = text if text.startswith("[") else capital(text)
    elif style < 0.82:
        text = _map_outside_slots(text, str.lower)
    elif style < 0.85:
        text = _map_outside_slots(text, str.upper)
    if rng.random() < 0.12:
        text = _slip(rng, text)
    if rng.random() < 0.1:
        text = text.replace("'", "")
    ending = rng.random()
    if ending < 0.4:
        text = text.rstrip("?.!")
    elif ending < 0.45 and text[-1] in "?!":
        text += text[-1] * rng.randint(1, 2)
    if rng.random() < 0.07:
        opening = rng.choice(
            ["hey, ", "ok, ", "so, ", "um ", "and ", "please, ", "now ", "Hey, ", "OK, ", "Hi! ", "hi, "]
        )
        text = opening + text
    elif rng.random() < 0.05:
        text = text.rstrip("?.!") + rng.choice([" please", ", please", " pls", ", please?", " thanks"])
    return text


def _map_outside_slots(text: str, change) -> str:  # type: ignore[no-untyped-def]
    return "".join(part if part.startswith("[") else change(part) for part in re.split(r"(\[\w+\])", text))


def _slip(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    able = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not able:
        return text
    at = rng.choice(able)
    word = words[at]
    i = rng.randrange(1, len(word) - 1)
    words[at] = rng.choice(
        [word[:i] + word[i + 1] + word[i] + word[i + 2 :], word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:]]
    )
    return " ".join(words)
