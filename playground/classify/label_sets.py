"""Ready sets of labels with what each means: assets/label_sets.toml. Pure data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache

from playground.catalog import ASSETS

FILE = ASSETS / "label_sets.toml"


@dataclass(frozen=True)
class LabelSet:
    """One set; `examples` are texts with their true labels."""

    id: str
    name: str
    about: str
    multi_label: bool
    labels: tuple[str, ...]
    descriptions: tuple[str, ...]
    examples: tuple[tuple[str, tuple[str, ...]], ...]


@cache
def label_sets() -> tuple[LabelSet, ...]:
    """The sets that come with the app, in their order."""
    with FILE.open("rb") as file:
        return tuple(_set(entry) for entry in tomllib.load(file)["set"])


def _set(entry: dict) -> LabelSet:
    return LabelSet(
        entry["id"],
        entry["name"],
        entry["about"],
        entry["multi_label"],
        tuple(entry["labels"]),
        tuple(entry["labels"].values()),
        tuple((one["text"], tuple(one["labels"])) for one in entry["examples"]),
    )
