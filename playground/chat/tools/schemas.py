"""Checks functions that are offered to a model: their names, and the JSON Schema of their arguments.

A schema comes from whoever registers a function, so that its size is bounded, it refers to nothing outside itself, and
what cannot be checked in bounded time is refused by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from playground.chat.time_limit import OutOfTime, time_limit
from playground.errors import InvalidRequest
from playground.protocol import ToolSpec

MAX_TOOLS = 64
MAX_DESCRIPTION = 4_000
MAX_SCHEMA = 30_000
MAX_ALL = 100_000  # characters of all tools together
MAX_DEPTH = 40
MAX_PATTERN = 500
MAX_REPEATS = 100_000  # all counts in braces multiplied
MAX_SECONDS = 2.0  # of processor time for one schema; ordinary ones take milliseconds

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
CHOICES = ("auto", "none", "required")
_REFUSED = ("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef", "$id", "$anchor")
_LOCAL_REF = re.compile(r"#/(\$defs|definitions)/([^/~%]+)")
_ONE = ("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_TABLES = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


def checked_tools(tools: object, tool_choice: object) -> tuple[tuple[ToolSpec, ...], str]:
    """The offered functions and how the model may choose among them.

    Raises:
        InvalidRequest: a name, a description, a schema or the choice is not valid; names it.
    """
    if not isinstance(tools, list | tuple):
        raise InvalidRequest(f"tools must be a list, got {_shown(tools)}.")
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(f"At most {MAX_TOOLS} tools are taken, got {len(tools)}.", "Offer fewer.")
    names: set[str] = set()
    for spec in tools:
        check_spec(spec)
        if spec.name in names:
            raise InvalidRequest(f"Two tools are called {spec.name!r}.", "Give each a name of its own.")
        names.add(spec.name)
    total = sum(len(spec.description) + len(spec.parameters) for spec in tools)
    if total > MAX_ALL:
        raise InvalidRequest(f"The tools have {total:,} characters; at most {MAX_ALL:,} are taken.", "Offer fewer.")
    choice = "auto" if tool_choice in (None, "") else tool_choice
    if not isinstance(choice, str) or choice not in (*CHOICES, *names):
        known = ", ".join((*CHOICES, *sorted(names)))
        raise InvalidRequest(f"tool_choice must be one of {known}, got {_shown(choice)}.")
    if choice == "required" and not tools:
        raise InvalidRequest("tool_choice is 'required', and there are no tools.", "Offer a tool, or choose auto.")
    return tuple(tools), choice


def read_specs(value: object) -> tuple[ToolSpec, ...]:
    """Functions as the OpenAI API and JSON files write them, with or without {"type": "function"} around; checked.

    Text is read as JSON, and one function may stand for a list of one.

    Raises:
        InvalidRequest: it is no list of functions, or one of them is not valid.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except (ValueError, RecursionError):
            raise InvalidRequest("The tools are not JSON.", 'Give a list of {"name", "description", …}.') from None
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list | tuple):
        raise InvalidRequest(f"The tools must be a list, got {_shown(value)}.")
    specs = []
    for one in listed:
        function = (
            one.get("function", one) if isinstance(one, dict) and one.get("type", "function") == "function" else one
        )
        if not isinstance(function, dict) or "name" not in function:
            raise InvalidRequest(f"A tool must be a function with a name, got {_shown(one)}.")
        parameters = json.dumps(function["parameters"], ensure_ascii=False) if function.get("parameters") else ""
        specs.append(ToolSpec(function["name"], function.get("description") or "", parameters))
    return checked_tools(specs, "auto")[0]


def check_spec(spec: object) -> None:
    """Raises InvalidRequest unless this is a function that can be offered."""
    if not isinstance(spec, ToolSpec):
        raise InvalidRequest(f"A tool must have a name, a description and parameters, got {_shown(spec)}.")
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        raise InvalidRequest(
            f"A tool's name must have 1 to 64 letters, digits, _ or -, got {_shown(spec.name)}.", "Rename it."
        )
    if spec.name in CHOICES:
        raise InvalidRequest(f"A tool cannot be called {spec.name!r}, which is a tool choice.", "Rename it.")
    if not isinstance(spec.description, str) or len(spec.description) > MAX_DESCRIPTION:
        raise InvalidRequest(f"The description of {spec.name} must be text of at most {MAX_DESCRIPTION:,} characters.")
    try:
        spec.description.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(f"The description of {spec.name} holds half a character.", "Type it again.") from None
    check_schema(spec.name, schema_of(spec))


def schema_of(spec: ToolSpec) -> dict[str, Any]:
    """The JSON Schema of the function's arguments, read; none given means an object without properties."""
    if not isinstance(spec.parameters, str) or len(spec.parameters) > MAX_SCHEMA:
        raise InvalidRequest(f"The parameters of {spec.name} must be JSON of at most {MAX_SCHEMA:,} characters.")
    try:
        schema = json.loads(spec.parameters or '{"type": "object", "properties": {}}', parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        raise InvalidRequest(f"The parameters of {spec.name} are not JSON: {said[:200]}.", "Correct them.") from None
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"The parameters of {spec.name} must be the JSON Schema of an object.", 'Begin with {"type": "object", …}.'
        )
    return schema


def check_schema(name: str, schema: dict[str, Any]) -> None:
    """Raises InvalidRequest unless this is JSON Schema (2020-12) that can be checked in bounded time."""
    import jsonschema
    import regex

    try:
        for part in _parts(schema, 0):
            for keyword in _REFUSED:
                if keyword in part:
                    raise InvalidRequest(f"The schema of {name} uses {keyword}, which is not supported here.")
            if not _is_local(part.get("$ref", "#"), schema):
                raise InvalidRequest(
                    f"The schema of {name} refers to {_shown(part['$ref'])}, which is not in it.",
                    "Put it under $defs, and refer to #/$defs/NAME.",
                )
            for pattern in (part.get("pattern", ""), *_table(part, "patternProperties")):
                _check_pattern(name, pattern)
        with time_limit(MAX_SECONDS, lambda file: "jsonschema" in file):
            jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        at = "/".join(map(str, error.absolute_path)) or "its top"
        said = " ".join(error.message.split())[:200]
        raise InvalidRequest(f"The schema of {name} is not valid at {at}: {said}.", "Correct it.") from None
    except regex.error as error:
        raise InvalidRequest(f"The schema of {name} has a pattern that cannot be read: {error}.") from None
    except (OutOfTime, RecursionError):
        raise InvalidRequest(f"The schema of {name} is too large to be checked.", "Make it simpler.") from None


def _parts(schema: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The schema and every schema within it."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if not isinstance(schema, dict):
        return
    yield schema
    inner = [schema[key] for key in _ONE if key in schema]
    inner += [part for key in _LISTS if isinstance(schema.get(key), list) for part in schema[key]]
    inner += [part for key in _TABLES for part in _table(schema, key).values()]
    for part in inner:
        yield from _parts(part, depth + 1)


def _check_pattern(name: str, pattern: Any) -> None:
    """Refuses patterns that cannot be read, or whose counted repeats would take much memory to compile."""
    import regex

    if not isinstance(pattern, str):
        return  # the schema of schemas says so
    repeats = math.prod(max(1, int(count)) for count in re.findall(r"\d+(?=\})", pattern[:MAX_PATTERN]))
    if len(pattern) > MAX_PATTERN or repeats > MAX_REPEATS:
        raise InvalidRequest(f"The schema of {name} has a pattern that is too large, {_shown(pattern)}.", "Shorten it.")
    regex.compile(pattern)


def _is_local(reference: Any, schema: dict[str, Any]) -> bool:
    """Whether a reference is the schema itself, or stands among its definitions."""
    if reference == "#":
        return True
    found = _LOCAL_REF.fullmatch(reference) if isinstance(reference, str) else None
    return found is not None and found[2] in _table(schema, found[1])


def _table(schema: dict[str, Any], key: str) -> dict[str, Any]:
    found = schema.get(key)
    return found if isinstance(found, dict) else {}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def names_of(tools: Sequence[ToolSpec]) -> str:
    """The functions' names in one line, for a sentence."""
    return ", ".join(spec.name for spec in tools)
