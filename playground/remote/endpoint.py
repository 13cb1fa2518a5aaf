"""Where an API card's requests go, whether they may, and what they hold. Knows no HTTP."""

from __future__ import annotations

import importlib.util
import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.protocol import ChatRequest
from playground.settings import Settings

OPENAI_HOST = "api.openai.com"
UNNAMED = "default"  # a card's source when the server is to be asked for its model


@dataclass(frozen=True)
class Endpoint:
    """One address and the model's name there; `host` is what may be shown (no user, no path)."""

    base_url: str
    host: str
    model: str
    loopback: bool
    openai: bool


def endpoint_of(card: ModelCard, settings: Settings) -> Endpoint:
    """The card's own address, else the one of the settings; the settings' model name, else the card's.

    Raises:
        ModelUnavailable: the address is not an http or https URL.
    """
    url = card.base_url or settings.openai_base_url
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        parts, name, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not name:
        raise ModelUnavailable(
            f"The address of {card.name} is not an http or https URL.",
            "Correct base_url in its card, or PLAYGROUND_OPENAI_BASE_URL.",
        )
    host = f"{name}:{port}" if port else name
    return Endpoint(url, host, settings.openai_model or card.source, _is_loopback(name), name == OPENAI_HOST)


def key_for(card: ModelCard, endpoint: Endpoint, settings: Settings) -> str:
    """The key to send there, or nothing: `OPENAI_API_KEY` is never shown to a server that only a card names.

    `PLAYGROUND_OPENAI_API_KEY` was set for this app, so it goes wherever its cards go.
    """
    if card.base_url and not endpoint.openai and settings.openai_api_key is None:
        return ""
    return settings.api_key


def unavailable(card: ModelCard, settings: Settings) -> ModelUnavailable | None:
    """Why this card cannot be asked from here, or None. Looks at settings only, never at the network."""
    if importlib.util.find_spec("openai") is None:
        return ModelUnavailable(
            f"{card.name} needs the openai package, which is not installed.", 'Run: pip install "openai>=3,<4"'
        )
    try:
        endpoint = endpoint_of(card, settings)
    except ModelUnavailable as error:
        return error
    if endpoint.openai and not key_for(card, endpoint, settings):
        return ModelUnavailable(
            f"{card.name} needs an API key.", "Set the environment variable OPENAI_API_KEY and start again."
        )
    return None


def body_of(asked: ChatRequest, checked: ChatRequest, card: ModelCard, endpoint: Endpoint) -> dict[str, Any]:
    """The arguments of a streamed chat completion.

    Reasoning models take no sampling values; what OpenAI's API does not know goes only to other servers, and only
    where it was asked for.
    """
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": m.role, "content": m.content} for m in checked.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if card.can("reasoning-api"):
        body["max_completion_tokens"] = checked.max_new_tokens
        if checked.reasoning_effort:
            body["reasoning_effort"] = checked.reasoning_effort
        return body
    body |= {"max_tokens": checked.max_new_tokens, "temperature": checked.temperature, "top_p": checked.top_p}
    if checked.seed is not None:
        body["seed"] = checked.seed
    if checked.stop:
        body["stop"] = list(checked.stop)
    if not endpoint.openai:
        extra = {name: getattr(checked, name) for name in _EXTRA if getattr(asked, name) is not None}
        if extra:
            body["extra_body"] = extra
    return body


def notices_of(asked: ChatRequest, checked: ChatRequest, card: ModelCard, endpoint: Endpoint) -> list[str]:
    """What the user asked for and this endpoint does not take."""
    reasoning = card.can("reasoning-api")
    given = []
    if reasoning or endpoint.openai:
        names = _EXTRA + (("temperature", "top_p", "seed") if reasoning else ())
        given = [name for name in names if getattr(asked, name) is not None]
        given += ["stop"] if reasoning and checked.stop else []
    if checked.reasoning_effort and not reasoning:
        given.append("reasoning_effort")
    said = [f"{card.name} takes no {', '.join(given)}: not sent."] if given else []
    if endpoint.model != card.source:
        said.append(f"Answered by {endpoint.model}, as PLAYGROUND_OPENAI_MODEL says.")
    return said


_EXTRA = ("top_k", "min_p", "repetition_penalty")


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
