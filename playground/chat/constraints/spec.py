"""What binds an answer, with its size bounded. Knows nothing of engines; imports nothing heavy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from playground.errors import InvalidRequest
from playground.protocol import ChatRequest

Kind = Literal["json_schema", "regex", "choices", "grammar"]

MAX_SCHEMA = 200_000  # characters, as of the others below
MAX_DEPTH = 64  # brackets within brackets
MAX_REGEX = 2_000
MAX_GRAMMAR = 50_000
MAX_CHOICES = 1_000
MAX_CHOICE = 1_000
MAX_ALL_CHOICES = 100_000


@dataclass(frozen=True)
class Spec:
    """`text` is the schema as JSON, the regular expression, the list of choices as JSON, or the grammar in Lark."""

    kind: Kind
    text: str

    @property
    def name(self) -> str:
        """As a person calls it."""
        return {"json_schema": "JSON Schema", "regex": "regular expression"}.get(self.kind, self.kind)


def spec_of(request: ChatRequest) -> Spec | None:
    """What binds the answer to a request; None where it is free.

    Raises:
        InvalidRequest: more than one thing binds it, or it has the wrong type, size or form.
    """
    given: list[Spec] = []
    for kind, limit in (("json_schema", MAX_SCHEMA), ("regex", MAX_REGEX), ("grammar", MAX_GRAMMAR)):
        text = getattr(request, kind, "")
        if not isinstance(text, str):
            raise InvalidRequest(f"{kind} must be text, got a {type(text).__name__}.")
        if len(text) > limit:
            raise InvalidRequest(f"{kind} has {len(text):,} characters; at most {limit:,} are taken.", "Shorten it.")
        if text:
            given.append(Spec(kind, text))  # type: ignore[arg-type]  # one of Kind
    if request.choices:
        given.append(Spec("choices", json.dumps(_choices(request.choices))))
    if len(given) > 1:
        names = " and ".join(spec.kind for spec in given)
        raise InvalidRequest(f"Only one thing can bind an answer, got {names}.", "Keep one of them.")
    if not given:
        return None
    spec = given[0]
    _check_utf8(spec.kind, spec.text)
    if spec.kind == "json_schema":
        parsed_schema(spec.text)
    return spec


def check_bound(request: ChatRequest) -> None:
    """Compiles what binds the answer of a local model, so that an error is told before the model is loaded.

    Raises:
        InvalidRequest: it cannot bind an answer; names the keyword or construct. Or tools are offered, whose calls
            would not fit it.
    """
    spec = spec_of(request)
    if spec is not None:
        if request.tools and request.tool_choice != "none":
            raise InvalidRequest(
                f"An answer that a {spec.name} binds cannot call tools.", "Set the tool choice to none, or ask freely."
            )
        from playground.chat.constraints.grammar import compiled

        compiled(spec)


def parsed_schema(text: str) -> Any:
    """The schema as Python values: an object or a boolean.

    Raises:
        InvalidRequest: it is no JSON, too deep, or neither an object nor a boolean.
    """
    depth = _depth(text)
    if depth > MAX_DEPTH:
        raise InvalidRequest(
            f"json_schema is nested {depth} deep; at most {MAX_DEPTH} is taken.",
            "Move inner parts to $defs and refer to them.",
        )
    try:
        schema = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"json_schema is no JSON: {error}.", "Check its quotes, commas and brackets.") from None
    if not isinstance(schema, dict | bool):
        raise InvalidRequest(f"json_schema must be an object, got {json.dumps(schema)[:60]}.")
    _check_utf8("json_schema", json.dumps(schema, ensure_ascii=False))
    return schema


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings, without recursion."""
    deepest = depth = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _choices(choices: object) -> list[str]:
    if not isinstance(choices, list | tuple) or not all(isinstance(choice, str) for choice in choices):
        raise InvalidRequest(f"choices must be a list of texts, got {repr(choices)[:60]}.", 'Give ["yes", "no"].')
    if len(choices) > MAX_CHOICES:
        raise InvalidRequest(f"At most {MAX_CHOICES:,} choices are taken, got {len(choices):,}.", "Use fewer.")
    for choice in choices:
        if not 0 < len(choice) <= MAX_CHOICE:
            raise InvalidRequest(f"A choice must have 1 to {MAX_CHOICE:,} characters, got {repr(choice)[:60]}.")
        _check_utf8("A choice", choice)
    if len(set(choices)) < len(choices):
        twice = next(choice for i, choice in enumerate(choices) if choice in choices[:i])
        raise InvalidRequest(f"The choice {twice[:40]!r} stands there twice.", "Give each choice once.")
    total = sum(map(len, choices))
    if total > MAX_ALL_CHOICES:
        raise InvalidRequest(f"The choices have {total:,} characters; at most {MAX_ALL_CHOICES:,} are taken.")
    return list(choices)


def _check_utf8(what: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds half a character.", "Type it again.") from None
