"""A spec as a grammar of the engine, checked, bounded in time, and kept for the next use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from playground.chat.constraints.automaton import automaton
from playground.chat.constraints.engine import json_grammar, trouble
from playground.chat.constraints.leaves import engine_schema
from playground.chat.constraints.narrow import Narrowed, narrowed
from playground.chat.constraints.patterns import Unsupported, checked
from playground.chat.constraints.schema import read_schema
from playground.chat.constraints.spec import Spec, parsed_schema
from playground.errors import InvalidRequest


@dataclass(frozen=True)
class Compiled:
    """`grammar` is what llguidance's matchers take; `schema` the narrowed JSON Schema where the spec is one."""

    spec: Spec
    grammar: str
    schema: Narrowed | None = None


@lru_cache(maxsize=32)
def compiled(spec: Spec) -> Compiled:
    """The grammar of a spec.

    Raises:
        InvalidRequest: it cannot bind an answer; names the keyword or construct.
    """
    if spec.kind == "json_schema":
        return _of_schema(spec)
    if spec.kind == "regex":
        return _of_regex(spec)
    grammar = _choices(json.loads(spec.text)) if spec.kind == "choices" else spec.text
    found = _lark(grammar)
    why = trouble(found)
    if why:
        raise InvalidRequest(f"The {spec.name} cannot bind an answer: {why}.", "Correct it.")
    return Compiled(spec, found)


def _of_schema(spec: Spec) -> Compiled:
    root, definitions = read_schema(parsed_schema(spec.text))
    schema = narrowed(root, definitions)
    whole: dict[str, Any] = {"$ref": "#/$defs/root"}
    whole["$defs"] = {"root": engine_schema(schema.root)}
    whole["$defs"] |= {name: engine_schema(node) for name, node in schema.definitions.items()}
    grammar = json_grammar(whole)
    why = trouble(grammar)
    if why:
        raise InvalidRequest(f"The JSON Schema cannot bind an answer: {why}.", "Simplify it.")
    return Compiled(spec, grammar, schema)


def _of_regex(spec: Spec) -> Compiled:
    try:
        pattern = checked(spec.text)
        automaton(spec.text, True)
    except Unsupported as unsupported:
        raise InvalidRequest(
            f"The regular expression {spec.text[:60]!r} cannot bind an answer: it has {unsupported}.",
            "Write it without.",
        ) from None
    rule = f"/{_slashed(pattern.text)}/"
    if pattern.ascii_only:
        grammar = _lark(f"start: ANSWER\nANSWER: {rule} & /[\\t\\n\\r\\x20-\\x7e]*/")
    else:
        grammar = _lark(f"start: {rule}")
    why = trouble(grammar)
    if why:
        raise InvalidRequest(
            f"The regular expression {spec.text[:60]!r} cannot bind an answer: {why}.", "Write it in another way."
        )
    return Compiled(spec, grammar)


def _slashed(pattern: str) -> str:
    """The pattern as it stands between slashes, with ASCII's digits and word characters as in JSON Schema."""
    from llguidance import regex_to_lark

    return str(regex_to_lark(pattern, "dw")).replace("\n", "\\n")


def _choices(choices: list[str]) -> str:
    return "start: " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def _lark(text: str) -> str:
    from llguidance import LLMatcher

    return str(LLMatcher.grammar_from_lark(text))
