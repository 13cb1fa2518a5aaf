"""An unfinished answer that an API shall go on with: which servers can, and in which form. Knows no HTTP.

vLLM: docs.vllm.ai, chat API, `continue_final_message`. SGLang: examples/runtime/openai_chat_with_response_prefill.py.
llama.cpp goes on with an assistant's last message by itself, but not while the model may think (pull request 15404).
Mistral: `prefix` of an assistant's message, https://docs.mistral.ai/api; its answer may begin with the text again.
"""

from __future__ import annotations

from typing import Any

from playground.catalog import ModelCard
from playground.errors import InvalidRequest
from playground.protocol import ChatRequest
from playground.remote.endpoint import Endpoint
from playground.sources import ServerKind

_FIELDS: dict[ServerKind, dict[str, Any]] = {
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
    "sglang": {"continue_final_message": True},
    "llama.cpp": {"chat_template_kwargs": {"enable_thinking": False}},
    "mistral": {},
}


def goes_on(request: ChatRequest) -> bool:
    """Whether the request is for the rest of an answer."""
    return request.messages[-1].role == "assistant"


def check_goes_on(request: ChatRequest, card: ModelCard, endpoint: Endpoint) -> None:
    """Raises InvalidRequest where the request is for the rest of an answer and this API cannot give it."""
    if not goes_on(request):
        return
    if endpoint.api == "responses" or endpoint.kind not in _FIELDS:
        raise InvalidRequest(
            f"The API of {card.name} cannot go on with an unfinished answer.", "Ask it to go on, in a message."
        )
    if not request.messages[-1].content:
        raise InvalidRequest(
            f"The API of {card.name} cannot go on from within a thought.", "Ask again, or continue on a local model."
        )


def add_continuation(body: dict[str, Any], extra: dict[str, Any], request: ChatRequest, endpoint: Endpoint) -> None:
    """Asks for the rest of the last message, in the server's own words."""
    if not goes_on(request):
        return
    extra.update(_FIELDS[endpoint.kind])
    if endpoint.kind == "mistral":
        body["messages"][-1]["prefix"] = True


class Echo:
    """Takes the text that an answer goes on with from its beginning, where the server says it again."""

    def __init__(self, begun: str) -> None:
        self._begun, self._held = begun, ""

    def feed(self, text: str) -> str:
        """What is new; text that may be the old one is held back until that is known."""
        if not self._begun:
            return text
        self._held += text
        if self._begun.startswith(self._held) and self._begun != self._held:
            return ""
        new = self._held.removeprefix(self._begun)
        self._begun = self._held = ""
        return new

    def finish(self) -> str:
        """What was held back and was not the whole of it."""
        held, self._held, self._begun = self._held, "", ""
        return held


def echo_of(request: ChatRequest, endpoint: Endpoint) -> Echo:
    """What to take from the answer's beginning: nothing but where the server may repeat."""
    return Echo(request.messages[-1].content if goes_on(request) and endpoint.kind == "mistral" else "")
