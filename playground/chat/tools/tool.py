"""A function that a model may call, with what the app must know to run it safely. Runs nothing itself."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from playground.errors import PlaygroundError
from playground.protocol import CancelToken, ToolSpec

TIMEOUT_S = 60.0


class ToolError(PlaygroundError):
    """A tool cannot do what was asked. The model reads the message, so that it can ask better."""


@dataclass(frozen=True)
class Output:
    """What a tool gives back: text that the model reads, and encoded pictures for the person alone."""

    text: str
    images: tuple[bytes, ...] = ()


# Values are a JSON object; other than text and Output, whatever JSON can hold may be returned.
Run: TypeAlias = Callable[[dict[str, Any], CancelToken], Output | str | Mapping[str, Any] | Awaitable[Any]]


@dataclass(frozen=True)
class Tool:
    """A registered function.

    `run` takes the validated arguments and a token that is cancelled when the user stops or the time is over; it is
    either a coroutine function, or a plain function, which gets a thread of its own. `has_effects`: it changes
    something outside the conversation, so that each call needs approval; true unless its author says otherwise.
    """

    spec: ToolSpec
    run: Run
    has_effects: bool = True
    timeout_s: float = TIMEOUT_S


def make_tool(
    name: str,
    description: str,
    properties: Mapping[str, Mapping[str, Any]],
    run: Run,
    *,
    required: Sequence[str] | None = None,
    has_effects: bool = True,
    timeout_s: float = TIMEOUT_S,
) -> Tool:
    """A tool whose arguments are an object of `properties` (a JSON Schema each); all required unless said otherwise."""
    needed = list(properties if required is None else required)
    parameters: dict[str, Any] = {"type": "object", "properties": {k: dict(v) for k, v in properties.items()}}
    if needed:
        parameters["required"] = needed
    spec = ToolSpec(name, description, json.dumps(parameters, ensure_ascii=False))
    return Tool(spec, run, has_effects, timeout_s)
