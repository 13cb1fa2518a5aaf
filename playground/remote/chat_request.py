"""A chat request as the arguments of Chat Completions, in the dialect of the server that is asked. Knows no HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from playground.catalog import ModelCard
from playground.protocol import ChatRequest, Message
from playground.remote.continuing import add_continuation, check_goes_on
from playground.remote.endpoint import Endpoint
from playground.remote.parameters import family_of, fitted
from playground.remote.schemas import bound_schema
from playground.remote.turns import audio_part, image_url, parameters_of

_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_THOUGHTS = ("vllm", "sglang", "llama.cpp", "transformers")  # their templates read an earlier answer's thoughts


def chat_arguments(
    asked: ChatRequest, checked: ChatRequest, card: ModelCard, endpoint: Endpoint
) -> tuple[dict[str, Any], list[str]]:
    """The arguments of `client.chat.completions.create`, and what the user should be told about them.

    `asked` is the request as it came, `checked` the same with the card's defaults. Values that OpenAI's API does not
    know go in `extra_body`, and only where they were asked for.

    Raises:
        InvalidRequest: the answer is to be bound in a way that is not known there, a file is of no known kind, or the
            server cannot go on with an unfinished answer.
    """
    check_goes_on(checked, card, endpoint)
    effort, refused, said = fitted(asked, card, endpoint)
    last_user = max((i for i, m in enumerate(checked.messages) if m.role == "user"), default=-1)
    kept = checked.keep_reasoning is not False
    body: dict[str, Any] = {
        "model": endpoint.model,
        # The thoughts of a running chain of calls always go back with their results.
        "messages": [_message(m, endpoint, kept or i > last_user) for i, m in enumerate(checked.messages)],
        "stream": True,
    }
    if endpoint.kind != "mistral":  # it counts without being asked, and refuses what it does not know
        body["stream_options"] = {"include_usage": True}
    body[_limit(card, endpoint)] = checked.max_new_tokens
    if effort and "reasoning_effort" not in refused:
        body["reasoning_effort"] = effort
    for name in ("temperature", "top_p"):
        if name not in refused:
            body[name] = getattr(checked, name)
    extra: dict[str, Any] = {}
    if checked.stop and "stop" not in refused:
        body["stop"] = list(checked.stop)
    if checked.seed is not None and "seed" not in refused:
        if endpoint.kind == "mistral":
            extra["random_seed"] = checked.seed
        else:
            body["seed"] = checked.seed
    for name in ("presence_penalty", "frequency_penalty"):
        if getattr(asked, name) is not None and name not in refused:
            body[name] = getattr(checked, name)
    for name in ("top_k", "min_p", "repetition_penalty"):
        if getattr(asked, name) is not None and name not in refused:
            own = "repeat_penalty" if endpoint.kind == "llama.cpp" and name == "repetition_penalty" else name
            extra[own] = getattr(checked, name)
    _add_tools(body, checked, refused)
    _add_format(body, extra, checked, endpoint, said)
    add_continuation(body, extra, checked, endpoint)
    if extra:
        body["extra_body"] = extra
    return body, said


def _limit(card: ModelCard, endpoint: Endpoint) -> str:
    """The name of the limit on new tokens: the older one is refused by reasoning models, the newer by older servers."""
    newer = endpoint.kind == "openai" or family_of(card, endpoint).sampling != "yes"
    return "max_completion_tokens" if newer else "max_tokens"


def _add_tools(body: dict[str, Any], checked: ChatRequest, refused: Any) -> None:
    if not checked.tools:
        return
    body["tools"] = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": parameters_of(tool)},
        }
        for tool in checked.tools
    ]
    if "tool_choice" in refused:
        return
    choice = checked.tool_choice
    named = {"type": "function", "function": {"name": choice}}
    body["tool_choice"] = choice if choice in ("auto", "none", "required") else named


def _add_format(
    body: dict[str, Any], extra: dict[str, Any], checked: ChatRequest, endpoint: Endpoint, said: list[str]
) -> None:
    """What binds the answer, in the server's own words."""
    if checked.json_schema:
        schema, strict, why = bound_schema(checked.json_schema)
        form: dict[str, Any] = {"name": "answer", "schema": schema}
        if endpoint.kind in ("openai", "azure", "mistral"):
            form["strict"] = strict
            if why:
                said.append(why)
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    elif checked.regex:
        if endpoint.kind == "vllm":
            extra["structured_outputs"] = {"regex": checked.regex}
        else:
            extra["regex"] = checked.regex
    elif checked.choices:
        if endpoint.kind == "vllm":
            extra["structured_outputs"] = {"choice": list(checked.choices)}
        elif endpoint.kind == "sglang":
            extra["regex"] = "(" + "|".join(map(re.escape, checked.choices)) + ")"
        else:  # llama.cpp, by a grammar; a JSON string is written like a literal of GBNF
            extra["grammar"] = "root ::= " + " | ".join(json.dumps(c, ensure_ascii=False) for c in checked.choices)


def _message(message: Message, endpoint: Endpoint, kept: bool) -> dict[str, Any]:
    """The message as the server takes it; `kept`: with its thought."""
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": _call_id(message.tool_call_id, endpoint),
            "content": message.content,
        } | ({"name": message.name} if endpoint.kind == "mistral" and message.name else {})
    if message.role == "user" and (message.images or message.audio):
        parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
        parts += [{"type": "image_url", "image_url": {"url": image_url(data)}} for data in message.images]
        parts += [{"type": "input_audio", "input_audio": audio_part(data)} for data in message.audio]
        return {"role": "user", "content": parts}
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "assistant":
        if message.reasoning and kept and endpoint.kind in _THOUGHTS:
            row["reasoning_content"] = message.reasoning
            if endpoint.kind == "vllm":
                row["reasoning"] = message.reasoning  # the name since 0.11
        if message.tool_calls:
            if not message.content and endpoint.kind in ("openai", "azure"):
                row["content"] = None
            row["tool_calls"] = [
                {
                    "id": _call_id(call.id, endpoint),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.tool_calls
            ]
    return row


def _call_id(call_id: str, endpoint: Endpoint) -> str:
    """The id as the server takes it: Mistral's API wants nine letters and digits, whoever made the call."""
    if endpoint.kind != "mistral" or _MISTRAL_ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]
