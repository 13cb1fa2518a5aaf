"""A whole stream of the Responses API, event by event, in the order in which the API sends them.

The SDK's own types are the oracle: `checked` validates each event, and `strangers` makes one event of every type of the
SDK's union that the answer itself does not need.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 140,
}
THOUGHT = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "First add."}, {"type": "summary_text", "text": "Then check."}],
    "encrypted_content": "gAAAA-secret",
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "add",
    "arguments": '{"a": 1, "b": 2}',
    "status": "completed",
}
TEXT = "It is 3, dear 🦊."


def message(text: str = TEXT, item_id: str = "msg_1") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def response(status: str, output: Iterable[dict] = (), **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1.0,
        "model": "some-model",
        "status": status,
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    } | more


def numbered(events: Iterable[dict]) -> list[dict[str, Any]]:
    return [{"sequence_number": number} | event for number, event in enumerate(events)]


def opening() -> list[dict]:
    return [
        {"type": "response.queued", "response": response("queued")},
        {"type": "response.created", "response": response("in_progress")},
        {"type": "response.in_progress", "response": response("in_progress")},
    ]


def thinking() -> list[dict]:
    at = {"item_id": "rs_1", "output_index": 0}
    events: list[dict] = [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": THOUGHT | {"summary": [], "encrypted_content": "half"},
        }
    ]
    for index, part in enumerate(THOUGHT["summary"]):
        place = at | {"summary_index": index}
        events.append({"type": "response.reasoning_summary_part.added", "part": part | {"text": ""}} | place)
        words = part["text"].split(" ")
        for word in [words[0], " " + words[1]]:
            events.append({"type": "response.reasoning_summary_text.delta", "delta": word} | place)
        events.append({"type": "response.reasoning_summary_text.done", "text": part["text"]} | place)
        events.append({"type": "response.reasoning_summary_part.done", "part": part} | place)
    return [*events, {"type": "response.output_item.done", "output_index": 0, "item": THOUGHT}]


def calling() -> list[dict]:
    at = {"item_id": "fc_1", "output_index": 1}
    return [
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": CALL | {"arguments": "", "status": "in_progress"},
        },
        {"type": "response.function_call_arguments.delta", "delta": '{"a": 1,'} | at,
        {"type": "response.function_call_arguments.delta", "delta": ' "b": 2}'} | at,
        {"type": "response.function_call_arguments.done", "arguments": CALL["arguments"], "name": "add"} | at,
        {"type": "response.output_item.done", "output_index": 1, "item": CALL},
    ]


def speaking(text: str = TEXT, item_id: str = "msg_1") -> list[dict]:
    at = {"item_id": item_id, "output_index": 2, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    begun = message(text, item_id) | {"content": [], "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": 2, "item": begun},
        {"type": "response.content_part.added", "part": empty} | at,
        *(
            {"type": "response.output_text.delta", "delta": text[i : i + 5], "logprobs": []} | at
            for i in range(0, len(text), 5)
        ),
        {"type": "response.output_text.done", "text": text, "logprobs": []} | at,
        {"type": "response.content_part.done", "part": empty | {"text": text}} | at,
        {"type": "response.output_item.done", "output_index": 2, "item": message(text, item_id)},
    ]


def refusing(text: str = "I cannot help with that.") -> list[dict]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "refusal", "refusal": text}
    return [
        {"type": "response.content_part.added", "part": part | {"refusal": ""}} | at,
        {"type": "response.refusal.delta", "delta": text[:8]} | at,
        {"type": "response.refusal.delta", "delta": text[8:]} | at,
        {"type": "response.refusal.done", "refusal": text} | at,
        {"type": "response.output_item.done", "output_index": 0, "item": message() | {"content": [part]}},
    ]


def completed(*output: dict, usage: dict | None = USAGE) -> list[dict]:
    return [{"type": "response.completed", "response": response("completed", output, usage=usage)}]


def incomplete(reason: str, *output: dict) -> list[dict]:
    details = {"incomplete_details": {"reason": reason}, "usage": USAGE}
    return [{"type": "response.incomplete", "response": response("incomplete", output, **details)}]


def failed(code: str, text: str) -> list[dict]:
    error = {"error": {"code": code, "message": text}}
    return [{"type": "response.failed", "response": response("failed", **error)}]


def whole() -> list[dict[str, Any]]:
    """A thought in two parts, an answer, the end."""
    return numbered([*opening(), *thinking(), *speaking(), *completed(THOUGHT, message())])


def sse(events: Iterable[dict], newline: str = "\n") -> bytes:
    """The events on the wire."""
    lines = ([f"event: {event['type']}", f"data: {json.dumps(event, ensure_ascii=False)}", "", ""] for event in events)
    return "".join(newline.join(one) for one in lines).encode()


def pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """`data` in chunks of these sizes over and over."""
    found, sizes = [], [size for size in sizes if size > 0] or [len(data)]
    while data:
        size = sizes[len(found) % len(sizes)]
        found.append(data[:size])
        data = data[size:]
    return found


# --- the SDK's types as an oracle ----------------------------------------------------------------------------------


def all_types() -> set[str]:
    """The names of every event type that the SDK knows."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(union)}


def checked(events: Iterable[dict]) -> None:
    """Raises where an event is not what the SDK says it is."""
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in events:
        adapter.validate_python(event, strict=False)


def strangers(needed: Iterable[str]) -> list[dict[str, Any]]:
    """One event of each type that is not in `needed`, made of the fields that its class requires."""
    union = get_args(ResponseStreamEvent)[0]
    made = [_sample(kind) for kind in get_args(union)]
    return [event for event in made if event["type"] not in set(needed)]


def _sample(kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _sample(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return _sample(arguments[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {n: _sample(f.annotation) for n, f in kind.model_fields.items() if f.is_required()}
    return {str: "stranger", int: 0, float: 0.0, bool: False}.get(kind, {} if origin is dict else [])
