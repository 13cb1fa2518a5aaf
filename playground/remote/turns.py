"""A conversation made ready for an API: files as data URLs, a provider's own items.

Knows no endpoint's arguments; `chat_request` and `responses_request` put the parts together.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from playground.errors import InvalidRequest
from playground.protocol import Message, ToolSpec
from playground.remote.endpoint import Endpoint


def system_of(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The system prompt, "" for none, and the other messages."""
    if messages and messages[0].role == "system":
        return messages[0].content, messages[1:]
    return "", messages


def image_url(data: bytes) -> str:
    """An encoded picture as a data URL.

    Raises:
        InvalidRequest: it is no PNG, JPEG, WebP or GIF.
    """
    kinds = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}
    kind = next((kind for mark, kind in kinds.items() if data.startswith(mark)), "")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind = "webp"
    if not kind:
        raise InvalidRequest("A picture is not a PNG, JPEG, WebP or GIF file.", "Convert it first.")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def audio_part(data: bytes) -> dict[str, str]:
    """An encoded sound as the API's `input_audio`.

    Raises:
        InvalidRequest: it is neither WAV nor MP3.
    """
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        kind = "wav"
    elif data.startswith(b"ID3") or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0):
        kind = "mp3"
    else:
        raise InvalidRequest("A sound is neither a WAV nor an MP3 file.", "Convert it first.")
    return {"data": base64.b64encode(data).decode(), "format": kind}


def parameters_of(tool: ToolSpec) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments.

    Raises:
        InvalidRequest: it is not a JSON object.
    """
    return json_object(tool.parameters or "{}", f"The parameters of the tool {tool.name}")


def json_object(text: str, what: str) -> dict[str, Any]:
    """The JSON object in `text`; `what` begins the sentence of the InvalidRequest that is raised otherwise."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{what} are not JSON: {error}.", "Correct them.") from None
    if not isinstance(found, dict):
        raise InvalidRequest(f"{what} are not a JSON object.", "Write them within { }.")
    return found


# --- a provider's own items ----------------------------------------------------------------------------------------


def kept(items: Iterable[dict[str, Any]], endpoint: Endpoint) -> tuple[str, ...]:
    """Output items as JSON, each with who made it: only there can an encrypted thought be read again."""
    return tuple(
        json.dumps({"host": endpoint.host, "model": endpoint.model, "item": item}, ensure_ascii=False) for item in items
    )


def own_items(message: Message, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The items of an answer that this endpoint made, or nothing: another made them, or the answer was changed since.

    Nothing also where the items do not stand on their own: a thought that nothing follows is refused by the API.
    """
    items: list[dict[str, Any]] = []
    for text in message.items:
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            return []
        if not isinstance(row, dict) or (row.get("host"), row.get("model")) != (endpoint.host, endpoint.model):
            return []
        if not isinstance(row.get("item"), dict):
            return []
        items.append(row["item"])
    calls = {item.get("call_id") for item in items if item.get("type") == "function_call"}
    same = text_of(items) == message.content and calls == {call.id for call in message.tool_calls}
    return items if same and items and items[-1].get("type") != "reasoning" else []


def text_of(items: Iterable[dict[str, Any]]) -> str:
    """The answer that these output items hold, as it was shown."""
    texts = []
    for item in items:
        if item.get("type") == "message":
            content = item.get("content")
            parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
            texts.append("".join(str(part.get("text", "")) for part in parts if part.get("type") == "output_text"))
    return SEPARATOR.join(text for text in texts if text)


SEPARATOR = "\n\n"  # between two messages of one answer
