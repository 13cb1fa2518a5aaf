"""The rows of a batch as a table, and that as CSV, JSON Lines or Parquet.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula, so that in CSV such a text gets an apostrophe
before it (as OWASP advises); plain numbers and the other forms stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from playground.batches.records import Row, Spec
from playground.errors import InvalidRequest, PlaygroundError

FORMS = ("csv", "jsonl", "parquet")
INTEGERS = ("line", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "seed", "group")
COLUMNS = (
    "line", "model", "prompt", "answer", "reasoning", "truth", "right", "reasoning_tokens", "completion_tokens",
    "prompt_tokens", "cached_tokens", "seconds", "stop_reason", "seed", "group", "error",
)  # fmt: skip

_FORMULA = re.compile(r"[\s\x00]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")


def table(spec: Spec, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows in the order of the items and models, with what was asked; groups are counted from 1."""
    place = {model: at for at, model in enumerate(spec.models)}
    found = []
    for row in sorted(rows, key=lambda row: (row.index, place.get(row.model, len(place)))):
        item = spec.items[row.index]
        values = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
        values |= {"line": item.line, "prompt": item.prompt, "truth": item.truth or None}
        values |= {"group": None if row.group is None else row.group + 1, "error": row.error or None}
        found.append({name: values[name] for name in COLUMNS})
    return found


def export(spec: Spec, rows: Sequence[Row], form: str) -> bytes:
    """The table as a file.

    Raises:
        InvalidRequest: there is no such form.
        PlaygroundError: Parquet needs a package that is not here.
    """
    if form not in FORMS:
        raise InvalidRequest(f"The form must be one of {', '.join(FORMS)}, got {form!r}.")
    found = table(spec, rows)
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode("utf-8", "replace")
    return _csv(found) if form == "csv" else _parquet(found)


def _csv(found: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow([_safe(row[name]) for name in COLUMNS])
    return out.getvalue().encode("utf-8", "replace")


def _safe(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "\ufffd")
    return "'" + text if _FORMULA.match(text) and not _NUMBER.match(text) else text


def _parquet(found: Sequence[dict[str, Any]]) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise PlaygroundError(
            "Parquet needs the Python package pyarrow, which is not installed.",
            "Install it with pip install pyarrow, or take CSV or JSON Lines.",
        ) from None
    kinds = {name: pyarrow.int64() for name in INTEGERS} | {"seconds": pyarrow.float64(), "right": pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([_whole(row) for row in found], schema=schema), out)
    return out.getvalue()


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """Texts as UTF-8 can hold them."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
