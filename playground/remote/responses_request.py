"""A chat request as the arguments of the Responses API, which keeps nothing there (`store` is off). Knows no HTTP.

What the model thought goes back to it as its own encrypted items, within a turn of tools and on later turns, unless the
user wants earlier thoughts dropped; an answer that was changed, or made elsewhere, goes back as text.
https://cookbook.openai.com/examples/responses_api/reasoning_items
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playground.catalog import ModelCard
from playground.protocol import ChatRequest, Message
from playground.remote.continuing import check_goes_on
from playground.remote.endpoint import Endpoint
from playground.remote.parameters import family_of, fitted
from playground.remote.schemas import bound_schema
from playground.remote.turns import image_url, own_items, parameters_of, system_of


def responses_arguments(
    asked: ChatRequest, checked: ChatRequest, card: ModelCard, endpoint: Endpoint
) -> tuple[dict[str, Any], list[str]]:
    """The arguments of `client.responses.create`, and what the user should be told about them.

    Raises:
        InvalidRequest: the answer is to be bound in a way that is not known there, a file is of no known kind, or an
            unfinished answer shall be gone on with.
    """
    check_goes_on(checked, card, endpoint)
    effort, refused, said = fitted(asked, card, endpoint)
    system, turns = system_of(checked.messages)
    body: dict[str, Any] = {
        "model": endpoint.model,
        "input": input_items(turns, endpoint, checked.keep_reasoning),
        "stream": True,
        "store": False,
        "max_output_tokens": checked.max_new_tokens,
    }
    if system:
        body["instructions"] = system
    if endpoint.openai:
        body["stream_options"] = {"include_obfuscation": False}
    if family_of(card, endpoint).reasons:
        body["include"] = ["reasoning.encrypted_content"]
        body["reasoning"] = {"summary": "auto"} | ({"effort": effort} if effort else {})
    for name in ("temperature", "top_p"):
        if name not in refused:
            body[name] = getattr(checked, name)
    if checked.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": parameters_of(tool),
                "strict": False,  # arguments are checked where they are used
            }
            for tool in checked.tools
        ]
        choice = checked.tool_choice
        plain = choice in ("auto", "none", "required")
        body["tool_choice"] = choice if plain else {"type": "function", "name": choice}
    if checked.json_schema:
        schema, strict, why = bound_schema(checked.json_schema)
        body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": strict}}
        if why:
            said.append(why)
    return body, said


def input_items(turns: Sequence[Message], endpoint: Endpoint, keep_reasoning: bool | None) -> list[dict[str, Any]]:
    """The conversation without its system prompt as input items; `keep_reasoning` False drops past turns' thoughts."""
    last_user = max((i for i, message in enumerate(turns) if message.role == "user"), default=-1)
    items: list[dict[str, Any]] = []
    for index, message in enumerate(turns):
        if message.role == "tool":
            items.append({"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content})
        elif message.role == "assistant":
            kept = keep_reasoning is not False or index > last_user
            items += (own_items(message, endpoint) if kept else []) or _plain(message)
        else:
            items.append({"role": message.role, "content": _content(message)})
    return items


def _plain(message: Message) -> list[dict[str, Any]]:
    """An answer as text and calls, without ids, so that the API does not miss the thoughts before them."""
    items: list[dict[str, Any]] = []
    if message.content:
        items.append({"role": "assistant", "content": message.content})
    items += [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return items


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": message.content}] if message.content else []
    return parts + [{"type": "input_image", "detail": "auto", "image_url": image_url(d)} for d in message.images]
