"""The values of one axis out of what a person typed: comma lists with CSV quoting, and ranges of numbers.

A comma or a line break separates; `"a, b"` is one value, and `""` in quotes is a quote. Ranges are written as A1111
writes them, with both ends included:

    1-5           1, 2, 3, 4, 5          5-1           5, 4, 3, 2, 1
    1-10 (+2)     1, 3, 5, 7, 9          10-5 (-3)     10, 7
    1-3 (+0.5)    1, 1.5, 2, 2.5, 3      1-10 [5]      1, 3, 5, 7, 10
    0-1 [5]       0, 0.25, 0.5, 0.75, 1

A range by a number of values is cut to whole numbers where the axis takes whole numbers. Here A1111 differs: there a
range downwards without a step is empty, and one of decimals may pass its end by a step.

Knows numbers and texts, no axes and no requests. Everything is bounded: at most 400 values, of at most 20,000
characters in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from playground.errors import InvalidRequest

MOST_VALUES = 400
MOST_TEXT = 20_000
_LONGEST_NUMBER = 60

_NUMBER = r"[+-]?\s*(?:\d+(?:\.\d*)?|\.\d+)"
_ONE = re.compile(_NUMBER)
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\)|\[\s*(\d+)\s*\])?")
_HINT = "Write numbers with commas between, or a range such as 1-10, 1-10 (+2) or 1-10 [5]."


@dataclass(frozen=True)
class Item:
    """One item of a list as it was written; `quoted` ones keep their blanks and may be empty."""

    text: str
    quoted: bool = False


def split(text: str) -> list[Item]:
    """The items of a comma list; empty ones that are not in quotes are left out.

    Raises:
        InvalidRequest: a quote is not closed, something follows a closed one, or the text is too long.
    """
    if len(text) > MOST_TEXT:
        raise InvalidRequest(f"The values have {len(text):,} characters; at most {MOST_TEXT:,} are taken.")
    found: list[Item] = []
    at = 0
    while at < len(text):
        while at < len(text) and text[at] in " \t\r\f\v":
            at += 1
        if at < len(text) and text[at] == '"':
            item, at = _quoted(text, at)
        else:
            end = at
            while end < len(text) and text[end] not in ",\n":
                end += 1
            item, at = Item(text[at:end].strip()), end + 1
        if item.text or item.quoted:
            found.append(item)
        if len(found) > MOST_VALUES:
            raise InvalidRequest(
                f"An axis has at most {MOST_VALUES} values, and this list has more.", "Leave some out."
            )
    return found


def joined(values: Sequence[str]) -> str:
    """The list that `split` reads as these values."""
    return ", ".join(_written(value) for value in values)


def whole_numbers(items: Sequence[Item]) -> list[tuple[str, int]]:
    """The whole numbers that the items stand for, each with the item that it came from.

    Raises:
        InvalidRequest: an item is no number and no range, one of its numbers is not whole, or there are too many.
    """
    found: list[tuple[str, int]] = []
    for text, number, counted in _numbers(items):
        if number != int(number) and not counted:
            raise InvalidRequest(
                f"Whole numbers are needed, and {text!r} gives {_plain(number)}.", "Leave decimals out."
            )
        found.append((text, int(number)))
    return found


def numbers(items: Sequence[Item]) -> list[tuple[str, float]]:
    """As `whole_numbers`, of numbers that may have decimals."""
    return [(text, float(number)) for text, number, _ in _numbers(items)]


def _numbers(items: Sequence[Item]) -> Iterator[tuple[str, Decimal, bool]]:
    """(item, number, whether it is one of an evenly spaced count) for all, at most MOST_VALUES."""
    count = 0
    for item in items:
        text = item.text.strip()
        if len(text) > _LONGEST_NUMBER:
            raise InvalidRequest(f"{text[:40] + '…'!r} is not a number or a range of numbers.", _HINT)
        if _ONE.fullmatch(text):
            values, counted = [_decimal(text)], False
        elif match := _RANGE.fullmatch(text):
            counted = match[4] is not None
            values = _spaced(text, match) if counted else _stepped(text, match)
        else:
            raise InvalidRequest(f"{text!r} is not a number or a range of numbers.", _HINT)
        count += len(values)
        _check_count(text, count)
        for number in values:
            yield text, number, counted


def _stepped(text: str, match: re.Match[str]) -> list[Decimal]:
    start, end = _decimal(match[1]), _decimal(match[2])
    step = _decimal(match[3]) if match[3] else Decimal(1 if end >= start else -1)
    if step == 0:
        raise InvalidRequest(f"The step of {text!r} is 0.", "Give another, for example (+1).")
    if (end - start) * step < 0:
        down = "down" if end < start else "up"
        raise InvalidRequest(
            f"{text!r} goes {down}, but its step is {_plain(step)}.", f"Turn the sign around: ({_signed(-step)})."
        )
    count = int((end - start) / step) + 1
    _check_count(text, count)
    return [start + step * i for i in range(count)]


def _spaced(text: str, match: re.Match[str]) -> list[Decimal]:
    start, end, count = _decimal(match[1]), _decimal(match[2]), int(match[4])
    if count < 1:
        raise InvalidRequest(f"{text!r} asks for {count} values.", "Ask for at least one, for example [5].")
    _check_count(text, count)
    if count == 1:
        return [start]
    return [round(start + (end - start) * i / (count - 1), 6) for i in range(count)]


def _check_count(text: str, count: int) -> None:
    if count > MOST_VALUES:
        raise InvalidRequest(
            f"With {text!r} there are {count:,} values; an axis has at most {MOST_VALUES}.", "Take a larger step."
        )


def _quoted(text: str, at: int) -> tuple[Item, int]:
    """The item whose quote opens at `at`, and where the next one begins."""
    begun, at, parts = at, at + 1, []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise InvalidRequest(
                f"The quote that opens at {text[begun : begun + 20]!r} is not closed.",
                'Close it, or write a quote itself as "".',
            )
        parts.append(text[at:end])
        at = end + 1
        if text[at : at + 1] != '"':
            break
        parts.append('"')
        at += 1
    end = at
    while end < len(text) and text[end] not in ",\n":
        end += 1
    if text[at:end].strip():
        raise InvalidRequest(
            f"{text[at:end].strip()[:20]!r} follows a closed quote.", 'Put a comma between, or write a quote as "".'
        )
    return Item("".join(parts), True), end + 1


def _written(value: str) -> str:
    plain = value and value == value.strip() and not any(sign in value for sign in ',"\n')
    return value if plain else '"' + value.replace('"', '""') + '"'


def _decimal(text: str) -> Decimal:
    return Decimal(re.sub(r"\s", "", text))


def _plain(number: Decimal) -> str:
    return f"{float(number):g}"


def _signed(number: Decimal) -> str:
    return f"{float(number):+g}"
