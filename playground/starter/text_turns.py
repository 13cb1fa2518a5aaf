"""What one training conversation is made of, and what is kept out of training.

Knows nothing of tokens, models or wording; `text_wording` varies how a question is put.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

LANGUAGES = ("en", "es", "fr", "de", "zh")
LANGUAGE_NAMES = {"en": "English", "es": "Spanish", "fr": "French", "de": "German", "zh": "Chinese"}


@dataclass(frozen=True)
class Call:
    """One call of a tool, as the model writes it."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Calls before the answer and what came back, one text a call; an unlearned step is shown, not learned."""

    calls: tuple[Call, ...]
    results: tuple[str, ...]
    thought: str
    learned: bool = True


@dataclass(frozen=True)
class Turn:
    """One exchange; `thought` is what a reasoning model writes before the answer.

    `short` is the answer as one word or number, empty where there is none.
    """

    user: str
    answer: str
    thought: str
    short: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """A conversation; `system` is empty where there is no system prompt, `tools` holds JSON Schemas of functions.

    `target` is the one message of the last exchange to learn, counted from its calls, where a reasoning model sees the
    calls before it without their thoughts; None learns the whole exchange, thoughts kept.
    """

    turns: tuple[Turn, ...]
    system: str = ""
    thinking: bool = True
    tools: tuple[Mapping[str, Any], ...] = ()
    target: int | None = None


@cache
def _kept(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 10 == 0


def held_out(kind: str, *values: object) -> bool:
    """Whether an item is kept out of the training stream: one in ten, by the SHA-256 of its name."""
    return _kept("|".join([kind, *map(str, values)]))


def words(text: str, separator: str | None = None) -> tuple[str, ...]:
    """The parts of a list written as text, at spaces or at a separator; line breaks count as spaces."""
    return tuple(" ".join(part.split()) for part in text.split(separator))


def note(lang: str, thought: str) -> str:
    """A thought that first says in which language to answer, unless that is English."""
    return thought if lang == "en" else f"{LANGUAGE_NAMES[lang]}. {thought}"
