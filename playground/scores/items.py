"""The built-in benchmark items and the rule by which an answer counts. Knows nothing of engines.

assets/bench/chat.jsonl: `turns` alternate user and assistant and end with the user; `rule` is one of RULES; an answer
that holds a word of `refuse` does not count. assets/bench/images.jsonl: `id` and `prompt`.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from playground.catalog import ASSETS
from playground.errors import PlaygroundError
from playground.protocol import Message

T = TypeVar("T")

CHAT_ITEMS = ASSETS / "bench" / "chat.jsonl"
IMAGE_ITEMS = ASSETS / "bench" / "images.jsonl"


@dataclass(frozen=True)
class ChatItem:
    """One question of the mini-suite, with the answers that count."""

    id: str
    task: str
    turns: tuple[str, ...]
    expected: tuple[str, ...]
    rule: str
    system: str = ""
    refuse: tuple[str, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """The conversation up to the question."""
        turns = (Message("assistant" if i % 2 else "user", text) for i, text in enumerate(self.turns))
        return (*((Message("system", self.system),) if self.system else ()), *turns)


@dataclass(frozen=True)
class ImageItem:
    id: str
    prompt: str


def normalise(text: str) -> str:
    """Lower case, no articles, words apart by one space, no punctuation except the minus of a number."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    words = re.findall(r"-?\d+(?:\.\d+)?|[^\W\d_]+", text)
    return " ".join(word for word in words if word not in {"a", "an", "the"})


def _contains(answer: str, expected: str) -> bool:
    return f" {normalise(expected)} " in f" {normalise(answer)} "


def _last_number(answer: str, expected: str) -> bool:
    # A minus counts only where it stands before a number, not between two: "7-4".
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", answer.replace("\N{MINUS SIGN}", "-"))
    numbers = re.findall(r"(?<![\d-])-\d+|\d+", plain)
    return bool(numbers) and int(numbers[-1]) == int(expected)


RULES: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda answer, expected: normalise(answer) == normalise(expected),
    "contains": _contains,
    "contains_upper": lambda answer, expected: _contains(answer, expected) and answer == answer.upper(),
    "last_number": _last_number,
}


def is_right(answer: str, item: ChatItem) -> bool:
    """Whether the answer counts under the item's rule."""
    if any(_contains(answer, word) for word in item.refuse):
        return False
    return any(RULES[item.rule](answer, expected) for expected in item.expected)


def chat_items(path: Path = CHAT_ITEMS) -> list[ChatItem]:
    """The items of the mini-suite; PlaygroundError names the line of a malformed one."""

    def item(row: dict[str, Any]) -> ChatItem:
        for key in ("turns", "expected", "refuse"):
            row[key] = tuple(row.get(key, ()))
        made = ChatItem(**row)
        if made.rule not in RULES or len(made.turns) % 2 == 0 or not made.expected:
            raise ValueError(f"rule {made.rule!r}, {len(made.turns)} turns, {len(made.expected)} expected answers")
        return made

    return _read(path, item)


def image_items(path: Path = IMAGE_ITEMS) -> list[ImageItem]:
    """The prompts that pictures are scored on."""
    return _read(path, lambda row: ImageItem(**row))


def fingerprint(path: Path) -> str:
    """First 16 hex digits of the file's SHA-256: figures compare only where it is the same."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _read(path: Path, make: Callable[[dict[str, Any]], T]) -> list[T]:
    found: list[T] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(make(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise PlaygroundError(f"{path}, line {number}: {error}.", "Correct the benchmark file.") from None
    return found
