"""What an API takes of a chat request: by the server's dialect, and at OpenAI and Azure by the model's family.

A table of facts with their sources, read on 2026-11-21; knows no HTTP. What a server rejects all the same is learned by
the engine from its answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from playground.catalog import ModelCard
from playground.chat.auto_effort import effort_of
from playground.errors import InvalidRequest, ModelUnavailable
from playground.protocol import ChatRequest
from playground.remote.endpoint import Endpoint, endpoint_of
from playground.settings import Settings
from playground.sources import ServerKind

Sampling = Literal["yes", "no", "without reasoning"]

SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
# What may not be left out of a request in silence: the answer would not be what was asked for.
BINDING = ("json_schema", "regex", "choices", "images", "audio")
LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class Family:
    """What OpenAI's models of one name take. `efforts` is empty for models that do not reason."""

    name: str
    pattern: str
    efforts: tuple[str, ...]
    sampling: Sampling
    source: str

    @property
    def reasons(self) -> bool:
        return bool(self.efforts)


_SDK = "openai-python 3.52, types/chat/completion_create_params.py"
_MATRIX = "https://community.openai.com/t/1371738 (measured against the API)"
_AZURE = "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning"

# The first that fits counts. Newer models than those measured take the row of the newest.
FAMILIES = (
    Family("o-series", r"o\d", ("low", "medium", "high"), "no", f"{_SDK}; {_MATRIX}; {_AZURE}"),
    Family("gpt-5 chat", r"gpt-5-chat", (), "yes", _MATRIX),
    Family("gpt-5.x chat", r"gpt-5\.\d+-chat", ("medium",), "no", _MATRIX),
    Family("gpt-5 pro", r"gpt-5-pro", ("high",), "no", _MATRIX),
    Family("gpt-5.x pro", r"gpt-5\.\d+-pro", ("medium", "high", "xhigh"), "no", _MATRIX),
    Family("gpt-5.x codex max", r"gpt-5\.(1-codex-max|[2-9]-codex)", ("low", "medium", "high", "xhigh"), "no", _MATRIX),
    Family("gpt-5 codex", r"gpt-5(\.\d+)?-codex", ("low", "medium", "high"), "no", _MATRIX),
    Family("gpt-5.1", r"gpt-5\.1", ("none", "low", "medium", "high"), "no", _MATRIX),
    Family("gpt-5.x", r"gpt-5\.\d+", ("none", "low", "medium", "high", "xhigh"), "without reasoning", _MATRIX),
    Family("gpt-5", r"gpt-5", ("minimal", "low", "medium", "high"), "no", f"{_MATRIX}; {_AZURE}"),
    Family("gpt-6", r"gpt-[6-9]", ("low", "medium", "high"), "no", "no source: the smallest common choice"),
    Family("gpt-4 and before", r"(chat)?gpt-(3|4)", (), "yes", _SDK),
)
REASONING = Family("reasoning model", "", ("low", "medium", "high"), "no", "no source: the smallest common choice")
OPEN = Family("reasoning model", "", ("low", "medium", "high"), "yes", "vLLM, SGLang: reasoning_effort of gpt-oss")
PLAIN = Family("model", "", (), "yes", "no source: what a plain chat model takes")

_BEYOND = ("top_k", "min_p", "repetition_penalty")
_NO_BUDGET = "This API takes an effort, not a number of tokens to think."
_SERVERS: dict[ServerKind, dict[str, str]] = {
    "openai": {name: f"OpenAI's API has no {name}." for name in _BEYOND}
    | {"regex": "OpenAI's API binds answers by JSON Schema only.", "reasoning_budget": _NO_BUDGET}
    | {"choices": "OpenAI's API binds answers by JSON Schema only."},
    "mistral": {name: f"Mistral's API has no {name}." for name in _BEYOND}
    | {"regex": "Mistral's API binds answers by JSON Schema only.", "reasoning_budget": _NO_BUDGET}
    | {"choices": "Mistral's API binds answers by JSON Schema only."},
    "vllm": {"reasoning_budget": _NO_BUDGET},
    "sglang": {"reasoning_budget": _NO_BUDGET},
    "llama.cpp": {
        "regex": "llama.cpp's server binds answers by JSON Schema or grammar, not by a regular expression.",
        "reasoning_budget": "llama.cpp's server sets the budget where it is started.",
    },
    "transformers": {name: f"transformers serve refuses requests with {name}." for name in _BEYOND}
    | {
        "presence_penalty": "transformers serve ignores presence_penalty.",
        "frequency_penalty": "transformers serve turns frequency_penalty into another penalty.",
        "json_schema": "transformers serve ignores the format of an answer.",
        "regex": "transformers serve ignores the format of an answer.",
        "choices": "transformers serve ignores the format of an answer.",
        "reasoning_effort": "transformers serve ignores reasoning_effort.",
        "reasoning_budget": "transformers serve has no budget for reasoning.",
        "tool_choice": "transformers serve ignores tool_choice.",
    },
    "vendor": {
        "regex": "There is no form for regular expressions that all such servers know.",
        "choices": "There is no form for choice lists that all such servers know.",
        "reasoning_budget": _NO_BUDGET,
    },
}
_SERVERS["azure"] = _SERVERS["openai"]
_RESPONSES = {
    name: f"The Responses API has no {name}." for name in ("seed", "stop", "presence_penalty", "frequency_penalty")
} | {"audio": "The Responses API takes no audio."}


def family_of(card: ModelCard, endpoint: Endpoint) -> Family:
    """The family of the model that answers there; outside OpenAI and Azure only the card tells."""
    if endpoint.kind in ("openai", "azure"):
        name = endpoint.family.lower().removeprefix("openai/")
        if found := next((family for family in FAMILIES if re.match(family.pattern, name)), None):
            return found
    if not card.can("reasoning-api"):
        return PLAIN
    return REASONING if endpoint.kind in ("openai", "azure", "vendor") else OPEN


def efforts(card: ModelCard, settings: Settings) -> tuple[str, ...]:
    """The reasoning efforts that this API card takes, from least to most; empty where it takes none."""
    try:
        return _efforts(card, endpoint_of(card, settings))
    except ModelUnavailable:
        return ()


def rejects(card: ModelCard, settings: Settings) -> dict[str, str]:
    """What of a ChatRequest this card does not take, by name, each with a sentence that says why.

    Empty for local cards, whose engine speaks for itself, and where the address is not known.
    """
    if card.backend != "openai":
        return {}
    try:
        endpoint = endpoint_of(card, settings)
    except ModelUnavailable:
        return {}
    return rejected(card, endpoint)


def rejected(card: ModelCard, endpoint: Endpoint, effort: str | None = None) -> dict[str, str]:
    """The same for an endpoint that is known, and a request with this reasoning effort."""
    family = family_of(card, endpoint)
    found = dict(_SERVERS[endpoint.kind]) | {"speculation": "Whether tokens are drafted is up to the server."}
    if endpoint.api == "responses":
        found |= _RESPONSES
    if not _efforts(card, endpoint):
        found.setdefault("reasoning_effort", f"{card.name} has no reasoning effort.")
    if family.sampling == "no":
        found |= dict.fromkeys(SAMPLING, f"{card.name} is a reasoning model, which takes no sampling values.")
    elif family.sampling == "without reasoning" and effort != "none":
        found |= dict.fromkeys(SAMPLING, f"{card.name} takes sampling values only with reasoning effort none.")
    found["stable_probes"] = f"{card.name} runs behind an API, which lets nobody look into its thoughts."
    if family.sampling != "yes":
        found.setdefault("stop", f"{card.name} is a reasoning model, which takes no stop texts.")
        found.setdefault("seed", f"{card.name} is a reasoning model, which takes no seed.")
    return found


def fitted(asked: ChatRequest, card: ModelCard, endpoint: Endpoint) -> tuple[str | None, Mapping[str, str], list[str]]:
    """The effort to send, what is not sent with its reason, and what the user should be told.

    An effort that the model does not know becomes the nearest that it does, and a user who chose it is told.

    Raises:
        InvalidRequest: the answer should be bound, or see or hear something, in a way that is not possible there.
    """
    said: list[str] = []
    effort, known = effort_of(asked), _efforts(card, endpoint)
    if effort and known and effort not in known:
        nearest = min(known, key=lambda e: (abs(LADDER.index(e) - LADDER.index(effort)), LADDER.index(e)))
        if asked.reasoning_effort != "auto":
            said.append(f"{card.name} takes reasoning effort {', '.join(known)}: {effort} was sent as {nearest}.")
        effort = nearest
    refused = rejected(card, endpoint, effort)
    wanted = [name for name in refused if _asked_for(asked, name)]
    for name in wanted:
        if name in BINDING:
            raise InvalidRequest(refused[name], "Leave it away in this column, or choose another model for it.")
    if wanted:
        reasons = list(dict.fromkeys(refused[name] for name in wanted))
        said.insert(0, f"Not sent to {card.name}: {', '.join(wanted)}. {' '.join(reasons)}")
    return (effort if known else None), refused, said


def _efforts(card: ModelCard, endpoint: Endpoint) -> tuple[str, ...]:
    if endpoint.kind == "transformers":
        return ()
    if endpoint.kind == "mistral" and card.can("reasoning-api"):
        return ("none", "high")  # https://docs.mistral.ai/capabilities/reasoning/adjustable
    return family_of(card, endpoint).efforts


def _asked_for(asked: ChatRequest, name: str) -> bool:
    """Whether the user set this value: defaults that a server does not take are not worth a word."""
    if name in ("images", "audio"):
        return any(getattr(message, name) for message in asked.messages)
    if name == "stable_probes":
        return bool(asked.stable_probes)
    if name == "tool_choice":
        return bool(asked.tools) and asked.tool_choice != "auto"
    return getattr(asked, name) not in (None, "", ())
