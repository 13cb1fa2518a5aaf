"""Each owner's last run in a file of its own, so that a reload or a restart loses nothing. Knows no page.

The file is replaced whole, so that a reader never finds half a run.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playground.classify.records import Item, Result, Speed, Verdict, task
from playground.errors import PlaygroundError
from playground.whole_files import write_whole

log = logging.getLogger(__name__)

SCHEMA = 1
MOST_FILES = 500  # a public page sees many owners; only the recent ones come back


def written(result: Result, files: Sequence[str] = ()) -> str:
    """The run as JSON, for `read`, with the paths of the files that were made of it."""
    asked = result.task.asked
    found = {
        "schema": SCHEMA,
        "task": {name: value for name, value in asdict(result.task).items() if name != "asked"} | asdict(asked),
        "items": [[item.text, item.truth, item.line] for item in result.items],
        "models": result.models,
        "verdicts": [asdict(verdict) for of in result.verdicts.values() for verdict in of.values()],
        "speeds": {model: asdict(speed) for model, speed in result.speeds.items()},
        "notes": result.notes,
        "failures": result.failures,
        "stopped": result.stopped,
        "files": list(files),
    }
    return json.dumps(found, ensure_ascii=False)


def read(text: str) -> tuple[Result, tuple[str, ...]]:
    """The run and the files that `written` wrote.

    Raises:
        ValueError, KeyError, TypeError, PlaygroundError: it is something else.
    """
    found: dict[str, Any] = json.loads(text)
    if found["schema"] != SCHEMA:
        raise ValueError(f"schema {found['schema']!r} is not {SCHEMA}")
    items = tuple(Item(text, None if truth is None else tuple(truth), line) for text, truth, line in found["items"])
    asked = found["task"]
    result = Result(task(asked.pop("labels"), **asked), items, tuple(found["models"]))
    for verdict in found["verdicts"]:
        result.add(Verdict(**verdict | {"probabilities": tuple(verdict["probabilities"])}))
    result.speeds = {model: Speed(**speed) for model, speed in found["speeds"].items()}
    result.notes, result.failures, result.stopped = found["notes"], found["failures"], found["stopped"]
    return result, tuple(found["files"])


def keep(folder: Path, owner: str, text: str) -> None:
    """Keeps a run that `written` wrote as the owner's last one."""
    write_whole(_path(folder, owner), text.encode())
    kept = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in kept[:-MOST_FILES]:
        file.unlink(missing_ok=True)


def last(folder: Path, owner: str) -> tuple[Result, tuple[str, ...]] | None:
    """The owner's last run with its files; None where there is none, or one of another version, which the log tells."""
    path = _path(folder, owner)
    try:
        return read(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, PlaygroundError) as error:
        log.warning("the last classification cannot be read: %s", error)
        return None


def _path(folder: Path, owner: str) -> Path:
    """A name that tells nobody whose it is."""
    return folder / f"{hashlib.sha256(owner.encode()).hexdigest()[:32]}.json"
