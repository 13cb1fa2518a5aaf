"""The axes of a grid as data: what each is called, what values it takes, what it costs, what it changes.

An axis more is a row more in `AXES`. Its values are of JSON's kinds, so that a plan can be kept. `cost` is what a
change of the value costs beside the sampling itself, from 0 to 1: 1 loads another model. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from playground.errors import InvalidRequest
from playground.images.grid import prompts
from playground.images.grid.values import MOST_VALUES, Item, joined, numbers, split, whole_numbers
from playground.images.request import CLIP_SKIP, GUIDANCE, SEED, SIDE, SIDE_STEP, STEPS
from playground.images.sampler_names import our_sampler
from playground.images.samplers import closest, samplers, schedules_of
from playground.protocol import ImageRequest

Kind = Literal["model", "choice", "whole", "number", "seed", "size", "search", "order"]
Change = Callable[[ImageRequest, Any], ImageRequest]


@dataclass(frozen=True)
class Value:
    """One value of an axis: what a request is changed with, and what stands in the margin."""

    value: Any
    label: str


@dataclass(frozen=True)
class Axis:
    """One thing that a grid can vary. `fields` are those of a request that it sets; `example` fills an empty field.

    `limits`: the smallest and the largest number. `choices`: every value of a "choice"; those of a "model" are the
    models there are.
    """

    name: str
    kind: Kind
    fields: tuple[str, ...]
    change: Change
    example: str
    info: str
    cost: float = 0.0
    limits: tuple[float, float] = (0.0, 1.0)
    choices: tuple[str, ...] = ()

    @property
    def fills(self) -> bool:
        """Whether all its values can be written down."""
        return self.kind in ("model", "choice")


def parse(axis: Axis, text: str, models: Mapping[str, str]) -> tuple[Value, ...]:
    """The axis' values out of a list; `models` are the names of the image models by id.

    The same value twice is taken once, apart from random seeds.

    Raises:
        InvalidRequest: names the value that cannot be, and what can.
    """
    if not isinstance(text, str):
        raise InvalidRequest(f"The values of {axis.name} must be text, got {text!r}."[:200])
    items = split(text)
    if not items:
        raise InvalidRequest(f"{axis.name} has no values.", f"For example: {axis.example}")
    found = _READERS[axis.kind](axis, items, models)
    kept: dict[str, Value] = {}
    for number, value in enumerate(found):
        drawn = axis.kind == "seed" and value.value == -1
        kept.setdefault(f"#{number}" if drawn else repr(value.value), value)
    return tuple(kept.values())


def every(axis: Axis, models: Mapping[str, str]) -> str:
    """The list of all values of an axis that can be filled in; "" for the others."""
    return joined(list(models) if axis.kind == "model" else axis.choices) if axis.fills else ""


def axis_named(name: object) -> Axis:
    """The axis; InvalidRequest names the closest."""
    if not isinstance(name, str) or name not in AXES:
        near = ", ".join(closest(name, tuple(AXES)))
        raise InvalidRequest(f"There is no axis {str(name)[:60]!r}.", f"Try {near}.")
    return AXES[name]


# --- reading ---------------------------------------------------------------------------------------------------------


def _models(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    known = {name.lower(): model for model, name in models.items()} | {model.lower(): model for model in models}
    found = []
    for item in items:
        model = known.get(item.text.lower())
        if model is None:
            near = ", ".join(closest(item.text, tuple(models))) or "a model under Models"
            raise InvalidRequest(f"There is no image model {item.text[:60]!r}.", f"Try {near}.")
        found.append(Value(model, models[model]))
    return found


def _choices(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    known = {choice.lower(): choice for choice in axis.choices}
    found = []
    for item in items:
        choice = known.get(item.text.lower())
        if choice is None and axis.name == "Sampler" and (ours := our_sampler(item.text)) is not None and not ours[1]:
            choice = ours[0]
        if choice is None:
            near = ", ".join(closest(item.text, axis.choices))
            raise InvalidRequest(f"There is no {axis.name.lower()} {item.text[:60]!r}.", f"Try {near}.")
        found.append(Value(choice, choice))
    return found


def _within(axis: Axis, written: str, number: float) -> None:
    low, high = axis.limits
    if not low <= number <= high:
        of = "" if written == f"{number:g}" else f" from {written!r}"
        raise InvalidRequest(f"{axis.name} must be {low:g} to {high:.10g}, got {number:.10g}{of}.")


def _whole(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    found = []
    for written, number in whole_numbers(items):
        if not (axis.kind == "seed" and number == -1):
            _within(axis, written, number)
        found.append(Value(number, "random" if axis.kind == "seed" and number == -1 else str(number)))
    return found


def _numbers(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    found = []
    for written, number in numbers(items):
        _within(axis, written, number)
        found.append(Value(number, f"{number:g}"))
    return found


def _sizes(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    found = []
    for item in items:
        match = re.fullmatch(r"(\d{1,6})(?:\s*[xX×]\s*(\d{1,6}))?", item.text.strip())
        if match is None:
            raise InvalidRequest(f"{item.text[:40]!r} is not a size.", "Write width x height, for example 512x768.")
        width, height = int(match[1]), int(match[2] or match[1])
        for side in (width, height):
            _within(axis, item.text, side)
        found.append(Value([width, height], f"{width} × {height}"))
    return found


def _search(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    searched = items[0].text
    if not searched:
        raise InvalidRequest(f"The first value of {axis.name} is empty, and it is what is searched for.")
    return [Value([searched, item.text], item.text or "(nothing)") for item in items]


def _orders(axis: Axis, items: Sequence[Item], models: Mapping[str, str]) -> list[Value]:
    phrases = [item.text for item in items]
    if not all(phrases):
        raise InvalidRequest("A phrase to order is empty.", "Leave it out.")
    return [Value(list(order), ", ".join(order)) for order in prompts.orders(phrases, MOST_VALUES)]


_READERS: dict[str, Callable[[Axis, Sequence[Item], Mapping[str, str]], list[Value]]] = {
    "model": _models, "choice": _choices, "whole": _whole, "seed": _whole, "number": _numbers, "size": _sizes,
    "search": _search, "order": _orders,
}  # fmt: skip


# --- changing --------------------------------------------------------------------------------------------------------


def _sets(field: str) -> Change:
    return lambda request, value: replace(request, **{field: value})


def _sized(request: ImageRequest, value: Any) -> ImageRequest:
    return replace(request, width=value[0], height=value[1])


def _searched(field: Literal["prompt", "negative_prompt"]) -> Change:
    def change(request: ImageRequest, value: Any) -> ImageRequest:
        changed: dict[str, Any] = {field: prompts.replaced(getattr(request, field), *value)}
        return replace(request, **changed)

    return change


def _ordered(request: ImageRequest, value: Any) -> ImageRequest:
    return replace(request, prompt=prompts.reordered(request.prompt, value))


_SCHEDULES = tuple(dict.fromkeys(schedule for name in samplers() for schedule in schedules_of(name)))
_SIDES = (float(SIDE[0]), float(SIDE[1]))
_SIDES_INFO = f"Pixels, in multiples of {SIDE_STEP}."
_ROWS = (
    Axis("Model", "model", ("model",), _sets("model"), "starter-sd, starter-sd-small",
         "Ids or names; empty takes the models chosen above.", 1.0),
    Axis("Sampler", "choice", ("sampler",), _sets("sampler"), "Euler a, DPM++ 2M, DDIM", "Names of samplers.", 0.1,
         choices=samplers()),
    Axis("Schedule", "choice", ("schedule",), _sets("schedule"), "Automatic, Karras", "Names of schedules.", 0.1,
         choices=_SCHEDULES),
    Axis("Steps", "whole", ("steps",), _sets("steps"), "4-20 (+4)", "Whole numbers or ranges.", limits=STEPS),
    Axis("Guidance", "number", ("guidance_scale",), _sets("guidance_scale"), "1-9 (+2)", "Numbers or ranges.",
         limits=GUIDANCE),
    Axis("Guidance rescale", "number", ("guidance_rescale",), _sets("guidance_rescale"), "0, 0.35, 0.7",
         "Numbers from 0 to 1."),
    Axis("Eta", "number", ("eta",), _sets("eta"), "0-1 [3]", "Numbers from 0 to 1, for samplers that have it."),
    Axis("Seed", "seed", ("seed",), _sets("seed"), "1-4", "Whole numbers or ranges; -1 draws one.", limits=SEED),
    Axis("Variation seed", "seed", ("variation_seed",), _sets("variation_seed"), "1-4",
         "Whole numbers or ranges; -1 draws one. Needs a variation strength.", limits=SEED),
    Axis("Variation strength", "number", ("variation_strength",), _sets("variation_strength"), "0-0.4 (+0.1)",
         "Numbers from 0 to 1."),
    Axis("CLIP skip", "whole", ("clip_skip",), _sets("clip_skip"), "1-3", "1 is the text encoder's own layer.", 0.2,
         limits=CLIP_SKIP),
    Axis("Width", "whole", ("width",), _sets("width"), "96, 128, 192", _SIDES_INFO, 0.3, limits=_SIDES),
    Axis("Height", "whole", ("height",), _sets("height"), "96, 128, 192", _SIDES_INFO, 0.3, limits=_SIDES),
    Axis("Size", "size", ("width", "height"), _sized, "128x128, 192x128", "Width x height in pixels.", 0.3,
         limits=_SIDES),
    Axis("Prompt search-replace", "search", ("prompt",), _searched("prompt"), "red, blue, green",
         "The first is searched in the prompt; each takes its place.", 0.2),
    Axis("Prompt order", "order", ("prompt",), _ordered, "a red circle, a blue star",
         "Phrases of the prompt, in every order.", 0.2),
    Axis("Negative prompt search-replace", "search", ("negative_prompt",), _searched("negative_prompt"),
         "dark, blurred", "The first is searched in the negative prompt; each takes its place.", 0.2),
)  # fmt: skip
AXES: dict[str, Axis] = {axis.name: axis for axis in _ROWS}
