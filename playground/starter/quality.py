"""quality.json of a starter model's folder: what was measured of it, when and on what; written and read here alone."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playground.starter.export import folder_bytes
from playground.starter.figures import Figure

FILE = "quality.json"


def write_quality(folder: Path, figures: Sequence[Figure], seconds: float, **more: object) -> dict[str, Any]:
    """Write figures that took `seconds` to measure, and `more` about how, into a model folder; return the record."""
    import torch

    record = {
        "figures": [figure.record() for figure in figures],
        **more,
        "seconds": round(seconds, 1),
        "bytes": folder_bytes(folder),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    (folder / FILE).write_text(json.dumps(record, indent=2) + "\n")
    return record


def read_quality(folder: Path) -> tuple[dict[str, Any], list[Figure]]:
    """Return the record of a model folder and its figures; raises FileNotFoundError before it was measured."""
    record = json.loads((folder / FILE).read_text())
    names = Figure.__dataclass_fields__
    return record, [Figure(**{key: value for key, value in row.items() if key in names}) for row in record["figures"]]
