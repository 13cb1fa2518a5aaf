"""How a tool format writes a call, and the plain JSON of calls, functions and results. Knows no templates."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playground.protocol import ToolCall, ToolSpec

# The strictest rule for ids that models know: Mistral's templates refuse all others.
ID = re.compile(r"[A-Za-z0-9]{9}")


@dataclass(frozen=True)
class CallMarkup:
    """How one call is written: `open` + `lead` + NAME + `joint` + ARGUMENTS, and at last `close`, if there is one."""

    open: str
    close: str
    lead: str
    joint: str

    def beginning(self, name: str) -> str:
        """The text of a call of `name` up to its arguments, without the blanks that belong to their first token."""
        return f"{self.open}{self.lead}{name}{self.joint}".rstrip()


def function_of(spec: ToolSpec) -> dict[str, Any]:
    """The function as models are told of it."""
    parameters = json.loads(spec.parameters or '{"type": "object", "properties": {}}')
    return {"name": spec.name, "description": spec.description, "parameters": parameters}


def schema_for_template(spec: ToolSpec) -> dict[str, Any]:
    """The function in the form that chat templates and the OpenAI API take."""
    return {"type": "function", "function": function_of(spec)}


def value_of(text: str) -> Any:
    """The JSON value that a text is, or else the text: arguments that do not parse, a result that is a sentence."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def call_json(call: ToolCall, *, with_id: bool = False) -> str:
    """The call as JSON, its arguments as the model wrote them where they are JSON."""
    arguments = call.arguments if not isinstance(value_of(call.arguments), str) else as_json(call.arguments)
    identity = f', "id": {as_json(short_id(call.id))}' if with_id else ""
    return f'{{"name": {as_json(call.name)}, "arguments": {arguments}{identity}}}'


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def short_id(identity: str) -> str:
    """The id itself where it has nine letters and digits, else nine that stand for it."""
    return identity if ID.fullmatch(identity) else made_id(identity)


def made_id(*parts: object) -> str:
    """Nine letters and digits that are always the same for these parts."""
    letters = string.ascii_letters + string.digits
    number = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest(), "big")
    found = ""
    for _ in range(9):
        number, digit = divmod(number, len(letters))
        found += letters[digit]
    return found


def harmless(text: str, names: Sequence[str]) -> str:
    """The text without these special tokens, which would end the tool's turn: a blank stands after their first letter.

    What a tool returns may come from anywhere, and must not speak for the system or the user.
    """
    for name in names:
        if len(name) > 1:
            text = text.replace(name, f"{name[0]} {name[1:]}")
    return text


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
