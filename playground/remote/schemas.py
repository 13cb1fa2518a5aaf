"""JSON Schemas for APIs: whether one may be enforced there, and whether an answer keeps to it. Fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from playground.errors import InvalidRequest
from playground.remote.turns import json_object

PATTERN_S = 0.2  # a pattern may need exponential time on one text

# https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas"
_STRICT = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "title",
    "$ref", "$defs", "definitions", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "$schema", "$id",
}  # fmt: skip
_INNER = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


class _Unchecked(Exception):
    """Why a check could not be made, in half a sentence."""


def bound_schema(text: str) -> tuple[dict[str, Any], bool, str]:
    """The schema, whether OpenAI-like APIs can enforce it (`strict`), and else a sentence on why not.

    Raises:
        InvalidRequest: it is not a JSON object, or not a JSON Schema.
    """
    schema = json_object(text, "The JSON Schema's contents")
    _checked(schema)
    try:
        why = _not_strict(schema)
    except RecursionError:
        raise InvalidRequest("The JSON Schema is nested too deeply.", "Make it flatter.") from None
    said = f"The API follows this schema without being bound to it, since {why}; the answer is checked." if why else ""
    return schema, not why, said


def mismatch(answer: str, schema_text: str) -> str:
    """One sentence on how an answer breaks its schema, or on why that could not be checked; "" where it fits."""
    import jsonschema
    import referencing
    import referencing.exceptions

    try:
        value = json.loads(answer)
    except (ValueError, RecursionError) as error:
        return f"The answer is not JSON: {error}."
    schema = json_object(schema_text, "The JSON Schema's contents")
    if any("patternProperties" in part for part in _parts(schema)):
        return "The answer was not checked against patternProperties, whose patterns may take too long."
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    bounded = jsonschema.validators.extend(kind, {"pattern": _pattern})
    try:
        broken = next(iter(bounded(schema, registry=referencing.Registry()).iter_errors(value)), None)
    except referencing.exceptions.Unresolvable as missing:
        return f"The answer was not checked: the schema refers to {missing.ref!r}, which is not in it."
    except RecursionError:
        return "The answer was not checked: the schema refers to itself without an end."
    except _Unchecked as why:
        return f"The answer was not checked: {why}."
    if broken is None:
        return ""
    where = "/".join(str(part) for part in broken.absolute_path) or "the top"
    return f"The answer breaks its schema at {where}: {_short(broken.message)}."


def _checked(schema: dict[str, Any]) -> None:
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise InvalidRequest(
            f"The JSON Schema is not valid at {where}: {_short(error.message)}.", "Correct it."
        ) from None
    except RecursionError:
        raise InvalidRequest("The JSON Schema is nested too deeply.", "Make it flatter.") from None


def _not_strict(schema: dict[str, Any]) -> str:
    """Why the API cannot enforce this schema, in half a sentence; "" where it can."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return "its top is not an object"
    for part in _parts(schema):
        if unknown := sorted(set(part) - _STRICT):
            return f"it uses {unknown[0]!r}"
        if "properties" in part or part.get("type") == "object":
            if part.get("additionalProperties") is not False:
                return "an object in it allows further properties"
            if set(part.get("required", ())) != set(part.get("properties", {})):
                return "an object in it has optional properties"
    return ""


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema, itself first; values of enum, const and the like are no schemas."""
    if isinstance(schema, list):
        for one in schema:
            yield from _parts(one)
    if not isinstance(schema, dict):
        return
    yield schema
    for name, value in schema.items():
        if name in _INNER and isinstance(value, dict):
            for one in value.values():
                yield from _parts(one)
        elif name not in ("enum", "const", "default", "examples", "required", "type"):
            yield from _parts(value)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Any]:
    import jsonschema
    import regex  # like `re`, with a time limit; transformers needs it too

    if not isinstance(instance, str):
        return
    try:
        found = regex.search(pattern, instance, timeout=PATTERN_S)
    except TimeoutError:
        raise _Unchecked(f"the pattern {_short(pattern, 60)!r} takes too long on it") from None
    except regex.error as error:
        raise _Unchecked(f"the pattern {_short(pattern, 60)!r} cannot be read, {error}") from None
    if not found:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _short(text: str, limit: int = 200) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"
