"""The arguments of a call: read, and validated by JSON Schema before anything runs; why not, in words for the model.

The words are short, name the argument and show the wrong value, so that a model can correct itself.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.chat.time_limit import OutOfTime, time_limit
from playground.chat.tools.schemas import names_of, schema_of
from playground.chat.tools.tool import ToolError
from playground.protocol import ToolCall, ToolSpec

MAX_CHARACTERS = 100_000
MAX_SAID = 3  # problems told at once
MAX_SECONDS = 1.0  # of processor time
PATTERN_SECONDS = 0.2
_TYPES = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class InvalidCall(ToolError):
    """A call that cannot be run as it is: no such function, no JSON, or arguments that its schema refuses."""


@dataclass(frozen=True)
class CallCount:
    """How many calls a model made, and how many of them could be run as they were."""

    calls: int
    valid: int


def count_calls(calls: Sequence[ToolCall], tools: Sequence[ToolSpec]) -> CallCount:
    """Counts the calls that name an offered function and whose arguments its schema takes."""
    return CallCount(len(calls), sum(why_invalid(call, tools) == "" for call in calls))


def why_invalid(call: ToolCall, tools: Sequence[ToolSpec]) -> str:
    """What is wrong with the call; empty where it can be run."""
    try:
        checked_arguments(call, tools)
    except InvalidCall as error:
        return error.message
    return ""


def checked_arguments(call: ToolCall, tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The call's arguments, valid for the schema of the function that it names.

    Raises:
        InvalidCall: the function is not offered, or its schema does not take the arguments.
    """
    spec = next((spec for spec in tools if spec.name == call.name), None)
    if not call.name:
        raise InvalidCall('the call is not JSON of the form {"name": …, "arguments": {…}}')
    if spec is None:
        raise InvalidCall(f"no tool is called {call.name[:64]}, there are {names_of(tools) or 'none'}")
    arguments = read_arguments(call.arguments)
    try:
        with time_limit(MAX_SECONDS, lambda file: "jsonschema" in file):
            problems = [said for _, said in zip(range(MAX_SAID), _problems(spec, arguments), strict=False)]
    except (OutOfTime, TimeoutError, RecursionError, OverflowError):
        raise InvalidCall("the arguments are too large to be checked") from None
    if problems:
        raise InvalidCall(", ".join(problems))
    return arguments


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments as a dict; no text means none.

    Raises:
        InvalidCall: they are not a JSON object.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidCall(f"the arguments have {len(text):,} characters, at most {MAX_CHARACTERS:,} are taken")
    try:
        found = json.loads(text.strip() or "{}", parse_constant=_no_constant)
    except RecursionError:
        raise InvalidCall("the arguments are nested too deep") from None
    except ValueError as error:
        raise InvalidCall(f"the arguments are not JSON: {str(error)[:100]}") from None
    if not isinstance(found, dict):
        raise InvalidCall(f"the arguments must be an object, got {_shown(found)}")
    return found


def _problems(spec: ToolSpec, arguments: dict[str, Any]) -> Iterator[str]:
    """What is wrong, each once, in the order of the schema's own validation."""
    told: set[str] = set()
    for error in _validator(spec).iter_errors(arguments):
        for said in _said(error):
            if said not in told:
                told.add(said)
                yield said


@functools.lru_cache(maxsize=256)
def _validator(spec: ToolSpec) -> Any:
    """A validator that fetches nothing."""
    import referencing

    return _validator_class()(schema_of(spec), registry=referencing.Registry())


@functools.cache
def _validator_class() -> Any:
    """Validators of JSON Schema 2020-12 whose regular expressions end in time."""
    import jsonschema

    return jsonschema.validators.extend(
        jsonschema.Draft202012Validator,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
        },
    )


def _found(pattern: str, text: str) -> bool:
    import regex

    return regex.search(pattern, text, timeout=PATTERN_SECONDS) is not None


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    import jsonschema

    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield jsonschema.ValidationError(f"must match {pattern}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for key, value in instance.items():
            if _found(pattern, key):
                yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, inner: Any, instance: Any, schema: Any) -> Iterator[Any]:
    import jsonschema

    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [k for k in instance if k not in known and not any(_found(pattern, k) for pattern in patterns)]
    if isinstance(inner, bool):
        if extra and not inner:
            yield jsonschema.ValidationError("extra", instance=instance)
        return
    for key in extra:
        yield from validator.descend(instance[key], inner, path=key)


def _said(error: Any) -> list[str]:
    """One validation error in the model's words."""
    at = ".".join(map(str, error.absolute_path))
    what, instance, wanted = error.validator, error.instance, error.validator_value
    if what in ("required", "additionalProperties") and isinstance(instance, dict):
        known = error.schema.get("properties", {})
        prefix = f"{at}." if at else ""
        unknown = [f"{prefix}{key[:40]} is not a parameter" for key in instance if key not in known]
        missing = [f"{prefix}{key} is missing" for key in error.schema.get("required", ()) if key not in instance]
        return [*unknown, *missing] if what == "required" or unknown else ["a parameter is not allowed"]
    name = at or "the call"
    if what == "type":
        kinds = [wanted] if isinstance(wanted, str) else list(wanted)
        return [f"{name} must be {' or '.join(_TYPES.get(kind, kind) for kind in kinds)}, got {_shown(instance)}"]
    if what == "enum":
        return [f"{name} must be one of {', '.join(map(_shown, wanted))}, got {_shown(instance)}"]
    if what == "const":
        return [f"{name} must be {_shown(wanted)}, got {_shown(instance)}"]
    if what in _BOUNDS:
        return [f"{name} must {_BOUNDS[what].format(wanted)}, got {_shown(instance)}"]
    return [f"{name} does not fit {what} {_shown(wanted)}, got {_shown(instance)}"]


_BOUNDS = {
    "minimum": "be at least {}",
    "maximum": "be at most {}",
    "exclusiveMinimum": "be above {}",
    "exclusiveMaximum": "be below {}",
    "multipleOf": "be a multiple of {}",
    "minLength": "have at least {} characters",
    "maxLength": "have at most {} characters",
    "pattern": "match {}",
    "minItems": "have at least {} items",
    "maxItems": "have at most {} items",
}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
