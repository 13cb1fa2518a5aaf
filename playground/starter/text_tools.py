"""Conversations with tools: call the one that fits, read its result, correct a rejected call, or call none."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from playground.starter.text_names import coined
from playground.starter.text_tool_kinds import KINDS, Kind, any_kind
from playground.starter.text_tool_offers import Tool, draw_tool, draw_values, told
from playground.starter.text_turns import Call, Step, Turn, held_out, note
from playground.starter.text_wording import ask, fill, pick

NO_TOOL = "I do not know that. I have no tool for it."
_BLOCK = re.compile(r"(?:<\|tool_call\|>|\[TOOL_CALLS\])\s*(\[.*\])\s*(?:<\|/tool_call\|>)?\s*", re.DOTALL)


def as_json(value: Any) -> str:
    """JSON as the chat templates write it."""
    return json.dumps(value, ensure_ascii=False)


def calls_of(text: str) -> list[Call] | None:
    """The calls in an answer; None where it holds none, or none that parses.

    Reads both formats: a JSON list of {"name", "arguments"} between `<|tool_call|>` and `<|/tool_call|>`, or after
    `[TOOL_CALLS]`.
    """
    found = _BLOCK.fullmatch(text.strip())
    if not found:
        return None
    try:
        listed = json.loads(found[1])
    except json.JSONDecodeError:
        return None
    if not all(isinstance(one, dict) and set(one) == {"name", "arguments"} for one in listed):
        return None
    if not all(isinstance(one["name"], str) and isinstance(one["arguments"], dict) for one in listed):
        return None
    return [Call(one["name"], one["arguments"]) for one in listed]


def draw_kind(rng: random.Random, training: bool = True, lang: str = "en") -> Kind:
    """A kind of tool that is asked for in the language; four in ten are of a kind of their own."""
    if lang == "en" and rng.random() < 0.4:
        return any_kind(rng, training)
    return pick(rng, [kind for kind in KINDS if lang in kind.asked])


def offered(rng: random.Random, wanted: Tool | None, training: bool = True) -> tuple[Tool, ...]:
    """One to four tools in any order, `wanted` among them, all of different kinds and names."""
    tools = [wanted] if wanted else []
    for _ in range(pick(rng, (0, 0, 1, 1, 2, 3)) + (0 if wanted else 1)):
        tool = draw_tool(rng, draw_kind(rng, training))
        if all(tool.kind.about != other.kind.about and tool.name != other.name for other in tools):
            tools.append(tool)
    rng.shuffle(tools)
    return tuple(tools)


def schemas(tools: tuple[Tool, ...]) -> tuple[dict[str, Any], ...]:
    """What a chat template gets as `tools`."""
    return tuple(tool.schema for tool in tools)


def _arguments(tool: Tool, values: dict[str, Any]) -> dict[str, Any]:
    return {tool.called[key]: value for key, value in values.items()}


def _why(call: Call) -> str:
    given = ", ".join(f"{key} {value}" for key, value in call.arguments.items())
    return f"A tool fits: {call.name} with {given}."


def _request(rng: random.Random, tool: Tool, lang: str, training: bool) -> tuple[str, dict[str, Any]]:
    """A request for the tool, and its values; held-out values are apart."""
    while True:
        values = draw_values(rng, tool.kind, training)
        if len(tool.kind.parameters) == 1 or held_out("call", tool.kind.about, as_json(values)) != training:
            return ask(rng, tool.kind.asked[lang], lang, **values), values


def _answered(rng: random.Random, tool: Tool, values: dict[str, Any], lang: str) -> tuple[str, str]:
    """What the tool returns, as text, and how it is told."""
    result = tool.kind.result(rng, values)
    text = as_json(result) if len(result) > 1 or rng.random() < 0.75 else str(next(iter(result.values())))
    return text, fill(told(rng, tool.kind, lang), **values, **result)


def call_turn(rng: random.Random, tool: Tool, lang: str = "en", training: bool = True) -> Turn:
    """A request that the tool serves: call, result, answer."""
    user, values = _request(rng, tool, lang, training)
    call = Call(tool.name, _arguments(tool, values))
    result, answer = _answered(rng, tool, values, lang)
    step = Step((call,), (result,), note(lang, _why(call)))
    return Turn(user, answer, note(lang, "The tool answered. I tell it."), steps=(step,))


def two_calls_turn(rng: random.Random, first: Tool, second: Tool) -> Turn:
    """Two requests in one message, served by two calls at once."""
    users, calls, results, answers = [], [], [], []
    for tool in (first, second):
        user, values = _request(rng, tool, "en", True)
        result, answer = _answered(rng, tool, values, "en")
        users.append(user if user[-1] in "?.!" else user + ".")
        calls.append(Call(tool.name, _arguments(tool, values)))
        results.append(result)
        answers.append(answer)
    step = Step(tuple(calls), tuple(results), "Two calls. " + " ".join(_why(call) for call in calls))
    return Turn(
        pick(rng, (" ", " And ", " Also: ")).join(users),
        " ".join(answers),
        "Both tools answered. I tell it.",
        steps=(step,),
    )


def corrected_turn(rng: random.Random, tool: Tool, lang: str = "en", training: bool = True) -> Turn:
    """A call that is rejected, with the reason, then the right one; the wrong call is shown and not learned."""
    user, values = _request(rng, tool, lang, training)
    call = Call(tool.name, _arguments(tool, values))
    wrong, reason = _spoiled(rng, tool, call)
    result, answer = _answered(rng, tool, values, lang)
    steps = (
        Step((wrong,), (as_json({"error": reason}) if rng.random() < 0.7 else f"Error: {reason}",),
             note(lang, _why(wrong)), learned=False),
        Step((call,), (result,), note(lang, f"The call was rejected: {reason}. I correct it. {_why(call)}")),
    )  # fmt: skip
    return Turn(user, answer, note(lang, "The tool answered. I tell it."), steps=steps)


def _spoiled(rng: random.Random, tool: Tool, call: Call) -> tuple[Call, str]:
    """A wrong call and why it is refused."""
    key = pick(rng, tuple(call.arguments))
    value = call.arguments[key]
    kind = rng.randrange(4)
    if kind == 0:
        name = pick(rng, (coined(rng), call.name + "s", "run_" + call.name))
        return Call(name, call.arguments), f"no tool is called {name}"
    if kind == 1:
        rest = {k: v for k, v in call.arguments.items() if k != key}
        return Call(call.name, rest), f"{key} is missing"
    if kind == 2:
        other = pick(rng, ("input", "arg", "x", key + "s", coined(rng)))
        renamed = {other if k == key else k: v for k, v in call.arguments.items()}
        return Call(call.name, renamed), f"{other} is not a parameter, {key} is missing"
    is_number = not isinstance(value, str)
    bad = str(value) if is_number else rng.randint(1, 99)
    wanted = "a number" if is_number else "a string"
    return Call(call.name, {**call.arguments, key: bad}), f"{key} must be {wanted}, got {as_json(bad)}"


def no_tool_turn(rng: random.Random, tools: tuple[Tool, ...], training: bool = True) -> Turn:
    """A request that a tool would serve, if it were offered."""
    while True:
        tool = draw_tool(rng, draw_kind(rng, training))
        if all(tool.kind.about != other.kind.about for other in tools) and "Calculate" not in tool.kind.about:
            break
    user, _ = _request(rng, tool, "en", training)
    return Turn(user, NO_TOOL, "No tool fits. I say so.")
