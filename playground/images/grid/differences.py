"""What differs between two cells: settings by name, and the pixels."""

from __future__ import annotations

from dataclasses import dataclass

from playground.images.grid.axes import AXES
from playground.images.grid.cells import Result
from playground.images.pictures import rgb_picture
from playground.images.verify import compared

NAMES = {"prompt": "Prompt", "negative_prompt": "Negative prompt", "dtype": "Number format", "model_hash": "Model hash"}
NAMES |= {axis.fields[0]: axis.name for axis in AXES.values() if len(axis.fields) == 1 and axis.fields[0] not in NAMES}
_FOLLOW = {"revision", "model_hash"}  # of the model, which is named already


@dataclass(frozen=True)
class Setting:
    """One setting that differs; its values as text, "" where a cell has none."""

    name: str
    first: str
    second: str


def named(field: str) -> str:
    """What a parameter is called on the page."""
    return NAMES.get(field, field.replace("_", " ").capitalize())


def shown(value: object) -> str:
    """A parameter's value as text."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def differences(first: Result, second: Result) -> list[Setting]:
    """The settings that differ, in the order of the parameters."""
    one, two = first.parameters, second.parameters
    found = []
    for field in dict.fromkeys([*one, *two]):
        if one.get(field) != two.get(field) and not (field in _FOLLOW and one.get("model") != two.get("model")):
            found.append(Setting(named(field), shown(one.get(field)), shown(two.get(field))))
    return found


def pixels(first: bytes, second: bytes) -> str:
    """How far two pictures are apart, in one sentence."""
    found = compared(rgb_picture(first), rgb_picture(second))
    if found.identical:
        return "Every pixel is the same."
    if found.mean is None or found.changed is None:
        (w, h), (v, g) = found.sizes
        return f"The pictures have different sizes: {w} × {h} and {v} × {g}."
    return f"{found.changed:.0%} of the pixels differ; the mean difference is {found.mean:.1f} of 255."
