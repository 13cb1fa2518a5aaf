"""Tools as an application offers them: a kind with one of its names and parameter names, so that a model must read.

Knows schemas, not conversations.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from playground.starter.text_tool_kinds import Kind, Values
from playground.starter.text_wording import expand, pick


@dataclass(frozen=True)
class Tool:
    """One offered tool: its kind, its name, and what its parameters are called (by their first names)."""

    kind: Kind
    name: str
    called: dict[str, str]
    schema: Values


def draw_tool(rng: random.Random, kind: Kind) -> Tool:
    """A tool of the kind, with a name, parameter names and a schema as an application would offer it."""
    called: dict[str, str] = {}
    properties: Values = {}
    brief = rng.random() < 0.5
    for parameter in kind.parameters:
        free = [name for name in parameter.names if name not in called.values()]
        name = free[0] if rng.random() < 0.5 else pick(rng, free)
        called[parameter.names[0]] = name
        described: Values = {"type": parameter.type}
        if parameter.choices:
            described["enum"] = list(parameter.choices)
        if not brief and parameter.about:
            described["description"] = parameter.about
        properties[name] = described
    parameters: Values = {"type": "object", "properties": properties}
    if rng.random() < 0.7:
        parameters["required"] = list(properties)
    name = pick(rng, kind.names)
    function = {"name": name, "description": kind.about + pick(rng, ("", ".")), "parameters": parameters}
    return Tool(kind, name, called, {"type": "function", "function": function})


def draw_values(rng: random.Random, kind: Kind, training: bool) -> Values:
    """What a user asks of a kind: a value for each parameter, by its first name."""
    if kind.together:
        return kind.together(rng)
    values = {parameter.names[0]: parameter.draw(rng, training) for parameter in kind.parameters}
    while len(values) > 1 and len(set(map(str, values.values()))) < len(values):
        values = {parameter.names[0]: parameter.draw(rng, training) for parameter in kind.parameters}
    return values


def told(rng: random.Random, kind: Kind, lang: str) -> str:
    """How the result of a kind is told, as a pattern with slots."""
    return expand(rng, kind.told[lang])
