"""Prompts out of text: one a line, CSV with a header (RFC 4180), or JSON Lines. Every complaint names its line.

Sizes are bounded before anything is parsed. Knows nothing of models or templates.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playground.errors import InvalidRequest

FORMS = ("lines", "csv", "jsonl")
MOST_BYTES = 20_000_000
MOST_ITEMS = 10_000
MOST_COLUMNS = 200
MOST_CELL = 100_000  # characters
PROMPT = "prompt"  # the one column of plain lines, and of JSON Lines that are texts


@dataclass(frozen=True)
class Line:
    """One record: the line of the input that it begins on, from 1, and its values by column."""

    number: int
    values: dict[str, str]


@dataclass(frozen=True)
class Table:
    """What was read. Records of JSON Lines may lack columns."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def form_of(name: str, text: str = "") -> str:
    """The form that a file's name says, else the one that its beginning looks like."""
    ending = name.lower().rpartition(".")[2]
    if ending in ("csv", "tsv"):
        return "csv"
    if ending in ("jsonl", "ndjson") or text.lstrip()[:1] == "{":
        return "jsonl"
    return "lines"


def read(data: bytes | str, form: str) -> Table:
    """The records of an input.

    Raises:
        InvalidRequest: it is too large, not UTF-8, not of this form, or empty; names the line.
    """
    if form not in FORMS:
        raise InvalidRequest(f"The form must be one of {', '.join(FORMS)}, got {form!r}.")
    text = _text(data)
    table = {"lines": _plain, "csv": _csv, "jsonl": _jsonl}[form](text)
    if not table.lines:
        raise InvalidRequest("The input holds no prompts.", "Write at least one, each on a line of its own.")
    return table


def _text(data: bytes | str) -> str:
    size = len(data)
    if size > MOST_BYTES:
        raise InvalidRequest(
            f"The input has {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are taken.", "Cut it into parts."
        )
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError as error:
            line = data.count("\n", 0, error.start) + 1
            raise InvalidRequest(f"Line {line} holds half a character.", "Type it again.") from None
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"Line {line} is not UTF-8 text.", "Save the file as UTF-8.") from None


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, by number; only line feeds end one, so that other marks stay within texts."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _plain(text: str) -> Table:
    found: list[Line] = []
    for number, line in _numbered(text):
        _count(found, number)
        found.append(Line(number, {PROMPT: _cell(line.strip(), number, PROMPT)}))
    return Table((PROMPT,), tuple(found))


def _csv(text: str) -> Table:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)  # the first of them where none is there
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] = ()
    found: list[Line] = []
    number = 1
    try:
        for cells in reader:
            if not columns:
                columns = _header(cells, number) if any(cell.strip() for cell in cells) else ()
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(columns):
                    raise InvalidRequest(
                        f"Line {number} has {len(cells)} cells, and the header has {len(columns)}.",
                        "Put texts that hold the delimiter into double quotes.",
                    )
                _count(found, number)
                values = {name: _cell(cell, number, name) for name, cell in zip(columns, cells, strict=True)}
                found.append(Line(number, values))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InvalidRequest(f"Line {number} is not CSV: {error}.", "Check its quotes.") from None
    return Table(columns, tuple(found))


def _header(cells: list[str], number: int) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    if len(names) > MOST_COLUMNS:
        raise InvalidRequest(
            f"The header has {len(names)} columns; at most {MOST_COLUMNS} are taken.", "Leave some out."
        )
    if "" in names:
        raise InvalidRequest(f"Column {names.index('') + 1} of the header in line {number} has no name.", "Name it.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"The header in line {number} names {twice[:60]!r} twice.", "Rename one of them.")
    return names


def _jsonl(text: str) -> Table:
    found: list[Line] = []
    columns: dict[str, None] = {}
    for number, line in _numbered(text):
        _count(found, number)
        try:
            value = json.loads(line, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise InvalidRequest(f"Line {number} is not JSON: {said}.", "Write one object a line.") from None
        if isinstance(value, str):
            value = {PROMPT: value}
        if not isinstance(value, dict):
            raise InvalidRequest(f"Line {number} holds {_kind(value)}, not an object.", "Write one object a line.")
        values = {name: _cell(_as_text(part), number, name) for name, part in value.items()}
        columns |= dict.fromkeys(values)
        if len(columns) > MOST_COLUMNS:
            raise InvalidRequest(f"By line {number} there are over {MOST_COLUMNS} fields.", "Leave some out.")
        found.append(Line(number, values))
    return Table(tuple(columns), tuple(found))


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "nothing" if value is None else "a single value"


def _count(found: list[Line], number: int) -> None:
    if len(found) >= MOST_ITEMS:
        raise InvalidRequest(
            f"Line {number} is past the {MOST_ITEMS:,} prompts that a batch takes.", "Cut the input into parts."
        )


def _cell(text: str, number: int, name: str) -> str:
    if len(text) > MOST_CELL:
        raise InvalidRequest(
            f"Line {number} has {len(text):,} characters in {name[:60]!r}; at most {MOST_CELL:,} are taken.",
            "Shorten it, or give what is the same in all as the shared prefix.",
        )
    try:
        text.encode()
    except UnicodeEncodeError:  # an escaped half of a character in JSON
        raise InvalidRequest(f"Line {number} holds half a character in {name[:60]!r}.", "Type it again.") from None
    return text
