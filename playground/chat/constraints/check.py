"""Whether a finished text is what was asked for, by readers that took no part in writing it, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from playground.chat.constraints.automaton import automaton
from playground.chat.constraints.engine import byte_tokenizer, matcher
from playground.chat.constraints.grammar import compiled
from playground.chat.constraints.patterns import Unsupported, checked
from playground.chat.constraints.spec import Spec, parsed_schema

MAX_STEPS = 100_000  # keywords of the schema tried on parts of the text
MAX_SECONDS = 1.0  # for a pattern that only a backtracking engine reads


class _TooLong(Exception):
    pass


def misfit(spec: Spec, text: str) -> str:
    """Why the text is not what the spec asks for, in a few words; empty where it is."""
    try:
        if spec.kind == "json_schema":
            return _json_misfit(parsed_schema(spec.text), text)
        if spec.kind == "regex":
            return "" if automaton(spec.text, True).matches(text) else "the expression does not match all of it"
        if spec.kind == "choices":
            return "" if text in json.loads(spec.text) else "it is none of the choices"
        state, data = matcher(byte_tokenizer(), compiled(spec).grammar), list(text.encode())
        whole = state.try_consume_tokens(data) == len(data) and state.is_accepting()
        return "" if whole else "the grammar does not take it"
    except (_TooLong, RecursionError, TimeoutError):
        return "it took too long to check"


def _json_misfit(schema: Any, text: str) -> str:
    import jsonschema
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        return f"it is no JSON ({error})"
    steps = iter(range(MAX_STEPS))
    plain = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    keywords = {name: _counted(_KEYWORDS.get(name, check), steps) for name, check in plain.VALIDATORS.items()}
    bounded = jsonschema.validators.extend(plain, keywords)
    found = bounded(schema, format_checker=plain.FORMAT_CHECKER, registry=Registry())  # which fetches nothing
    try:
        wrong = next(found.iter_errors(value), None)
    except Unresolvable as missing:
        return f"the schema refers to {missing.ref!r}, which is not in it"
    return "" if wrong is None else f"at {wrong.json_path}, {wrong.message[:200]}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _counted(check: Callable[..., Any], steps: Iterator[int]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Iterator[Any]:
        if next(steps, None) is None:
            raise _TooLong
        yield from check(*arguments) or ()

    return counted


# --- keywords with patterns, which jsonschema leaves to an engine that may take forever ----------------------------


@lru_cache(maxsize=256)
def _reader(pattern: str) -> Callable[[str], bool]:
    try:
        return automaton(checked(pattern).text).matches
    except Unsupported:  # as in the schemas of others, who bind their answers themselves
        import regex

        return lambda text: regex.search(pattern, text, timeout=MAX_SECONDS) is not None


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(value, "string") and not _reader(pattern)(value):
        yield ValidationError(f"{value[:60]!r} does not match {pattern[:60]!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for pattern, part in patterns.items():
        for name in value:
            if _reader(pattern)(name):
                yield from validator.descend(value[name], part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not validator.is_type(value, "object"):
        return
    patterns = schema.get("patternProperties", {})
    for name in value:
        if name in schema.get("properties", {}) or any(_reader(pattern)(name) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"the property {name[:60]!r} is not foreseen")
        else:
            yield from validator.descend(value[name], allowed, path=name)


_KEYWORDS: dict[str, Callable[..., Any]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}
