"""A list of messages as OpenAI's API takes it, read into a conversation of one column. Pure; fetches nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from playground.errors import InvalidRequest
from playground.protocol import ToolCall
from playground.talks.columns import Column, Conversation
from playground.talks.tree import Node, chain, clean

MOST_MESSAGES = 10_000

_TEXTS = ("text", "input_text", "output_text", "refusal")


@dataclass
class _Content:
    """What one message holds, by kind; `notes` say what was left out."""

    text: str = ""
    images: list[bytes] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def from_messages(messages: Sequence[Any], model: str) -> tuple[Conversation, tuple[str, ...]]:
    """The conversation, of `model`, and one sentence for each kind of thing that was changed or left out.

    System and developer messages become the system prompt; two user's messages in a row become one.

    Raises:
        InvalidRequest: an entry is no message; says which.
    """
    if not messages or len(messages) > MOST_MESSAGES:
        raise InvalidRequest(f"The list has {len(messages)} messages; 1 to {MOST_MESSAGES} are read.")
    system: list[str] = []
    notes: list[str] = []
    turns: list[Node] = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise InvalidRequest(f"Entry {number} of the list is no message with a role.", "Check the file.")
        role, content = message["role"], _content(message.get("content"), number)
        notes += content.notes
        if role in ("system", "developer"):
            if turns:
                notes.append("A system message in the middle was moved to the system prompt.")
            system.append(content.text)
        elif role == "user":
            _ask(turns, content, notes)
        elif role == "assistant":
            turns.append(_answer(message, content, number, model))
        elif role == "tool" and turns and turns[-1].role != "user":
            call_id, name = clean(_str(message, "tool_call_id", number)), clean(_str(message, "name", number))
            name = name or _name_of(turns, call_id)
            turns.append(Node(0, 0, "tool", content.text, tool_call_id=call_id, name=name))
        else:
            raise InvalidRequest(f"Message {number} has role {role[:40]!r}, which cannot stand there.")
    prompt = "\n\n".join(text for text in system if text.strip())
    return Conversation((Column(model, prompt, tree=chain(turns)),), 1), tuple(dict.fromkeys(notes))


def _ask(turns: list[Node], content: _Content, notes: list[str]) -> None:
    """Adds a user's turn, or more of the last one."""
    if not turns or turns[-1].role != "user":
        turns.append(Node(0, 0, "user", content.text, images=tuple(content.images), audio=tuple(content.audio)))
        return
    last = turns[-1]
    notes.append("User's messages in a row were joined.")
    turns[-1] = replace(
        last,
        content="\n\n".join(filter(None, (last.content, content.text))),
        images=(*last.images, *content.images),
        audio=(*last.audio, *content.audio),
    )


def _answer(message: Mapping[str, Any], content: _Content, number: int, model: str) -> Node:
    reasoning = _str(message, "reasoning_content", number) or _str(message, "reasoning", number)
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise InvalidRequest(f"The tool calls of message {number} are no list.", "Check the file.")
    return Node(
        0,
        0,
        "assistant",
        content.text,
        reasoning=clean(reasoning),
        tool_calls=tuple(_call(call, number) for call in calls),
        model=model,
    )


def _call(call: Any, number: int) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise InvalidRequest(f"A tool call of message {number} has no function.", "Check the file.")
    call_id, name = _str(call, "id", number), _str(function, "name", number)
    return ToolCall(clean(call_id), clean(name), clean(_str(function, "arguments", number)))


def _content(content: Any, number: int) -> _Content:
    if content is None or isinstance(content, str):
        return _Content(clean(content or ""))
    if not isinstance(content, list):
        raise InvalidRequest(f"The content of message {number} is neither text nor a list of parts.")
    found, texts = _Content(), []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in _TEXTS:
            texts.append(clean(_str(part, "refusal" if kind == "refusal" else "text", number)))
        elif kind in ("image_url", "input_image"):
            url = part.get("image_url")
            url = url.get("url") if isinstance(url, Mapping) else url
            _take(found.images, url, number, found.notes)
        elif kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
            found.audio.append(_decoded(part["input_audio"].get("data"), number))
        else:
            found.notes.append(f"A part of the kind {str(kind)[:40]!r} was left out.")
    found.text = "\n".join(texts)
    return found


def _take(images: list[bytes], url: Any, number: int, notes: list[str]) -> None:
    """Takes a picture that the URL itself holds; nothing is ever fetched."""
    if isinstance(url, str) and url.startswith("data:") and ";base64," in url[:200]:
        images.append(_decoded(url.split(",", 1)[1], number))
    else:
        notes.append("Pictures at web addresses were left out: nothing is fetched.")


def _decoded(data: Any, number: int) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidRequest(f"A file in message {number} is no base64.", "Check the file.") from None


def _str(values: Mapping[str, Any], name: str, number: int) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} of message {number} must be text, got {type(value).__name__}.", "Check the file.")
    return value


def _name_of(turns: Sequence[Node], call_id: str) -> str:
    last = next((node for node in reversed(turns) if node.role == "assistant"), None)
    calls = last.tool_calls if last else ()
    return next((wish.name for wish in calls if wish.id == call_id), "")
