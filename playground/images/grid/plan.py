"""What a grid will make: up to three axes of values over one request, in cells that have a place and an order.

The place of a cell (x fastest, then y, then z) is independent of the order in which cells run: the axis whose change
costs most changes least often, so that every model is loaded once. Whatever is random is drawn when the plan is made,
so that a plan that is resumed makes the same pictures. Imports no torch.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Any

from playground.errors import InvalidRequest
from playground.images.grid.axes import AXES, Axis, Value, axis_named, parse
from playground.images.request import SEED
from playground.protocol import ImageRequest

SCHEMA = 1
MOST_CELLS = 400
PLACES = ("X", "Y", "Z")
_REPEATABLE = ("search",)
# Of pictures from pictures alone, or of how a request is run.
_NOT_KEPT = {
    "image", "mask", "style", "strength", "style_strength", "feather", "masked_content", "area", "padding",
    "owner", "preview_every", "batch_size", "kind",
}  # fmt: skip


@dataclass(frozen=True)
class Values:
    """An axis by its name, with its values."""

    axis: str
    values: tuple[Value, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What stands in the margin for each."""
        return tuple(value.label for value in self.values)


@dataclass(frozen=True)
class Cell:
    """One picture to make: `index` counts the places, `at` is (x, y, z)."""

    index: int
    at: tuple[int, int, int]
    request: ImageRequest
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One request, and the values of X, Y and Z; None where there is no such axis."""

    base: ImageRequest
    axes: tuple[Values | None, Values | None, Values | None]

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many values X, Y and Z have; 1 where there is no axis."""
        x, y, z = (len(axis.values) if axis else 1 for axis in self.axes)
        return x, y, z

    @property
    def count(self) -> int:
        """How many cells there are."""
        x, y, z = self.shape
        return x * y * z

    @property
    def named(self) -> list[tuple[str, Values]]:
        """The axes that there are, with "X", "Y" or "Z"."""
        return [(place, axis) for place, axis in zip(PLACES, self.axes, strict=True) if axis is not None]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell by its place."""
        x, y, z = self.shape
        found = []
        for index, (c, b, a) in enumerate(product(range(z), range(y), range(x))):
            request, labels = self.base, []
            for axis, at in zip(self.axes, (a, b, c), strict=True):
                if axis is not None:
                    request = AXES[axis.axis].change(request, axis.values[at].value)
                    labels.append(axis.values[at].label)
            found.append(Cell(index, (a, b, c), request, tuple(labels)))
        return tuple(found)

    @property
    def order(self) -> tuple[int, ...]:
        """The indices of the cells in the order in which they run."""

        def costliest_first(cell: Cell) -> tuple[int, ...]:
            return tuple(cell.at[number] for number in outer)

        costs = [AXES[axis.axis].cost if axis else -1.0 for axis in self.axes]
        outer = sorted(range(3), key=lambda number: (-costs[number], -number))
        return tuple(cell.index for cell in sorted(self.cells, key=costliest_first))

    def label(self, index: int) -> str:
        """A cell's place in words: "Steps 4, Guidance 3"."""
        labels = self.cells[index].labels
        return ", ".join(f"{axis.axis} {label}" for (_, axis), label in zip(self.named, labels, strict=True))


def planned(
    base: ImageRequest, asked: Sequence[tuple[str, str]], models: Mapping[str, str], chosen: Sequence[str] = ()
) -> Plan:
    """The plan of a request, of X, Y and Z as (axis, values) with "" for no axis, and of the models that were chosen.

    Several chosen models are an axis by themselves where none is the Model: the first free one of Y, X and Z; a Model
    axis without values takes them.

    Raises:
        InvalidRequest: names the axis and the value that cannot be.
    """
    asked = [(name or "", text or "") for name, text in asked]
    names = [name for name, _ in asked]
    if len(chosen) > 1 and "Model" not in names:
        free = next((place for place in (1, 0, 2) if not names[place]), None)
        if free is None:
            raise InvalidRequest(
                f"{len(chosen)} models are chosen, and all three axes are taken.",
                "Choose one, or put Model on an axis.",
            )
        asked[free] = ("Model", "")
    found: list[Values | None] = []
    for place, (name, text) in zip(PLACES, asked, strict=True):
        found.append(_values(place, name, text, models, chosen))
    _check_axes([axis for axis in found if axis])
    drawn = _drawn(replace(base, model=chosen[0] if chosen else base.model, batch_size=1, preview_every=0), found)
    plan = Plan(drawn, (found[0], found[1], found[2]))
    if plan.count > MOST_CELLS:
        sides = " × ".join(str(side) for side in plan.shape if side > 1)
        raise InvalidRequest(
            f"{sides} are {plan.count:,} cells; a grid has at most {MOST_CELLS}.", "Take fewer values."
        )
    _ = plan.cells  # a prompt that does not fit its axes is told now
    return plan


def _values(place: str, name: str, text: str, models: Mapping[str, str], chosen: Sequence[str]) -> Values | None:
    if not name:
        return None
    axis = axis_named(name)
    try:
        if axis.kind == "model" and not text.strip() and chosen:
            return Values(name, tuple(Value(model, models.get(model, model)) for model in dict.fromkeys(chosen)))
        return Values(name, parse(axis, text, models))
    except InvalidRequest as error:
        raise InvalidRequest(f"{place}: {error.message}", error.hint) from None


def _check_axes(axes: Sequence[Values]) -> None:
    if not axes:
        raise InvalidRequest("No axis is chosen.", "Choose what X should vary, for example Steps.")
    owners: dict[str, Axis] = {}
    for axis in (AXES[one.axis] for one in axes):
        for field in axis.fields:
            other = owners.setdefault(field, axis)
            both = {other.kind, axis.kind}
            if other is not axis and not both <= {"search", "order"}:
                raise InvalidRequest(f"{other.name} and {axis.name} set the same thing.", "Take one of them away.")
    names = [one.axis for one in axes]
    for name in names:
        if names.count(name) > 1 and AXES[name].kind not in _REPEATABLE:
            raise InvalidRequest(f"{name} is on two axes.", "Take one of them away.")


def _drawn(base: ImageRequest, axes: list[Values | None]) -> ImageRequest:
    """The request with its seeds drawn; those of the axes are drawn in place."""
    for place, axis in enumerate(axes):
        if axis is not None and AXES[axis.axis].kind == "seed":
            values = [Value(_fresh(), "") if value.value == -1 else value for value in axis.values]
            axes[place] = Values(axis.axis, tuple(Value(value.value, str(value.value)) for value in values))
    base = replace(base, seed=_fresh() if base.seed in (None, -1) else base.seed)
    # Without one drawn here every cell would draw its own, and the grid would compare that as well.
    vary = base.variation_strength or any(axis and axis.axis == "Variation strength" for axis in axes)
    if vary and base.variation_seed in (None, -1):
        base = replace(base, variation_seed=_fresh())
    return base


def _fresh() -> int:
    return secrets.randbelow(SEED[1] + 1)


# --- as JSON ---------------------------------------------------------------------------------------------------------


def request_record(request: ImageRequest) -> dict[str, Any]:
    """The request's fields that a picture from text has and JSON can hold."""
    found = {f.name: getattr(request, f.name) for f in fields(request) if f.name not in _NOT_KEPT}
    return {
        name: value for name, value in found.items() if value is None or isinstance(value, bool | int | float | str)
    }


def plan_record(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    axes = [
        axis and {"axis": axis.axis, "values": [{"value": v.value, "label": v.label} for v in axis.values]}
        for axis in plan.axes
    ]
    return {"schema": SCHEMA, "base": request_record(plan.base), "axes": axes}


def to_json(plan: Plan) -> str:
    """The plan as text."""
    return json.dumps(plan_record(plan), ensure_ascii=True, allow_nan=False)


def from_json(text: str) -> Plan:
    """The plan that `to_json` wrote.

    Raises:
        InvalidRequest: it is damaged, of a later version, or has an axis that is not known here.
    """
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            raise InvalidRequest(f"The grid's plan has version {found['schema']!r}; this app reads {SCHEMA}.")
        known = {f.name for f in fields(ImageRequest)} - _NOT_KEPT
        kept = {name: value for name, value in found["base"].items() if name in known}
        base = ImageRequest(**kept, preview_every=0)
        x, y, z = (
            axis
            and Values(axis_named(axis["axis"]).name, tuple(Value(v["value"], str(v["label"])) for v in axis["values"]))
            for axis in found["axes"]
        )
        plan = Plan(base, (x, y, z))
        if not 1 <= plan.count <= MOST_CELLS:
            raise InvalidRequest(f"The grid's plan has {plan.count} cells.")
        _ = plan.cells
    except (ValueError, TypeError, KeyError, RecursionError, IndexError) as error:
        raise InvalidRequest(f"The grid's plan is damaged: {type(error).__name__}.", "Delete it.") from None
    return plan
