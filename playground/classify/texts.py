"""Texts to classify, out of pasted lines or a CSV file, with the truth where it stands beside them. Knows no model."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from playground.attach.encodings import decoded
from playground.chat.questions import MAX_TEXTS, checked_texts
from playground.classify.records import Item, Task
from playground.errors import InvalidRequest

MAX_BYTES = 20_000_000
MAX_COLUMNS = 1000
NO_LABEL = ("none", "-", "[]", "(none)")  # the truth of a text that no label fits, where several may


def items_of_lines(text: object, task: Task) -> tuple[Item, ...]:
    """One text a line, blank lines left out; a tab parts a text from its true label.

    Raises:
        InvalidRequest: there is none, or too much; or a truth is none of the labels, naming the line.
    """
    if not isinstance(text, str):
        raise InvalidRequest(f"The texts must be lines of text, got {repr(text)[:40]}.")
    items = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        body, tab, truth = line.rpartition("\t")
        body = (body if tab else line).strip()
        if not line.strip():
            continue
        if not body:
            raise InvalidRequest(f"Line {number} has a label and no text.", "Write the text before the tab.")
        try:
            items.append(Item(body, truth_of(truth, task) if tab else None, number))
        except InvalidRequest as error:
            hint = "Write one of the labels after the tab, or use a CSV file for texts with tabs."
            raise InvalidRequest(f"Line {number}: {error.message}", hint) from None
    checked_texts([item.text for item in items])
    return tuple(items)


def columns_of(data: bytes, name: str = "The file") -> tuple[str, ...]:
    """The names in a CSV file's first line; one without a name is called by its place."""
    return tuple(_table(data, name, most=0)[0])


def items_of_csv(data: bytes, task: Task, text_column: str = "", truth_column: str = "") -> tuple[Item, ...]:
    """The texts of a column, the first by default, with the truth of another; a blank truth is not known.

    Columns are parted by commas, semicolons or tabs, whichever gives the first line most; lines without any cell are
    left out. Several true labels are parted by ";" or "|"; "none" says that no label fits.

    Raises:
        InvalidRequest: it is no CSV, or has no such column; or a text is missing or a truth is none of the labels,
            naming the line.
    """
    header, rows = _table(data, "The file")
    at = _column(header, text_column or header[0])
    truth_at = _column(header, truth_column) if truth_column else None
    items = []
    for line, row in rows:
        text = row[at].strip() if at < len(row) else ""
        if not text:
            raise InvalidRequest(f"Line {line} has no text in the column {header[at]!r}.", "Fill it, or delete it.")
        cell = row[truth_at] if truth_at is not None and truth_at < len(row) else ""
        try:
            items.append(Item(text, truth_of(cell, task) if cell.strip() else None, line))
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {line}: {error.message}", error.hint) from None
    checked_texts([item.text for item in items])
    return tuple(items)


def truth_of(cell: object, task: Task) -> tuple[str, ...]:
    """The true labels that a cell names, without regard to case; several are parted by ";" or "|".

    Raises:
        InvalidRequest: it names what is no label, or several where one is chosen.
    """
    if not isinstance(cell, str):
        raise InvalidRequest(f"A truth must be text, got {repr(cell)[:40]}.", "Give a label.")
    known = {label.casefold(): label for label in task.labels}
    whole = cell.strip().casefold()
    if whole in known:
        return (known[whole],)
    if task.multi_label and whole in NO_LABEL:
        return ()
    names = [name.strip() for name in re.split(r"[;|]", cell)] if task.multi_label else [cell.strip()]
    for name in names:
        if name.casefold() not in known:
            raise InvalidRequest(
                f"{name[:40]!r} is none of the labels {_listed(task.labels)}.", "Correct it, or add it to the labels."
            )
    return tuple(dict.fromkeys(known[name.casefold()] for name in names))


def items_of_list(texts: object, truths: object, task: Task) -> tuple[Item, ...]:
    """Texts and truths as two lists of one length, as programs send them; the truth is a label, a list, or None.

    Raises:
        InvalidRequest: as above, naming the place in the list from 1.
    """
    found = checked_texts(texts)
    known: Sequence[object] = truths if isinstance(truths, list | tuple) else [None] * len(found)
    if truths is not None and truths != [] and len(known) != len(found):
        raise InvalidRequest(f"There are {len(known)} truths for {len(found)} texts.", "Give one for each, or None.")
    items = []
    for number, (text, truth) in enumerate(zip(found, known or [None] * len(found), strict=True), 1):
        if not isinstance(text, str):
            raise InvalidRequest(f"Text {number} must be text, got {repr(text)[:40]}.")
        try:
            if isinstance(truth, list | tuple):
                labels: tuple[str, ...] | None = tuple(name for one in truth for name in truth_of(one, task))
                if len(set(labels or ())) != 1 and not task.multi_label:
                    raise InvalidRequest(f"One label is true here, got {len(labels or ())}.", "Give one.")
            else:
                labels = None if truth is None or truth == "" else truth_of(truth, task)
        except InvalidRequest as error:
            raise InvalidRequest(f"Text {number}: {error.message}", error.hint) from None
        items.append(Item(text, labels, number))
    return tuple(items)


def _table(data: bytes, name: str, most: int = MAX_TEXTS) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each line that has a cell with its number; with `most` 0 no more than the header is read."""
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"{name} has {len(data) / 1e6:.0f} MB; at most 20 MB are taken.", "Split it.")
    text, _ = decoded(name, data)
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text.split("\n", 1)[0]), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        first = next(reader, [])
        if not first or len(first) > MAX_COLUMNS:
            what = "is empty" if not first else f"has {len(first):,} columns; at most {MAX_COLUMNS:,} are taken"
            raise InvalidRequest(f"{name} {what}.", "Give a CSV file whose first line names the columns.")
        header = [cell.strip() or f"column {i}" for i, cell in enumerate(first, 1)]
        begins = reader.line_num + 1
        for row in reader if most else ():
            if any(cell.strip() for cell in row):
                if len(row) > len(header):
                    raise InvalidRequest(
                        f"Line {begins} has {len(row)} cells, and the first line has {len(header)}.",
                        "Put texts that hold a comma in double quotes.",
                    )
                if len(rows) == most:
                    raise InvalidRequest(
                        f"{name} has more than {most:,} texts, which is what is taken at once.", "Split it."
                    )
                rows.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InvalidRequest(f"{name} is no CSV at line {reader.line_num}: {error}.", "Correct its quotes.") from None
    return header, rows


def _delimiter(line: str) -> str:
    """What parts the first line's cells: the mark that gives most of them, where quotes may hide some."""

    def cells(mark: str) -> int:
        try:
            return len(next(csv.reader([line[:100_000]], delimiter=mark), []))
        except csv.Error:
            return 0

    return max(",;\t", key=cells)


def _column(header: Sequence[str], name: str) -> int:
    if name not in header:
        raise InvalidRequest(f"There is no column {name[:60]!r}.", f"The columns are {_listed(header)}.")
    return header.index(name)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:30] for name in names[:8])
    return shown if len(names) <= 8 else f"{shown}, and {len(names) - 8} more"
