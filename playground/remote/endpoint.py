"""Where an API card's requests go and whether they may. Knows addresses, keys and settings; knows no HTTP."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.settings import Settings
from playground.sources import Api, ServerKind, Source, from_environment, host_of, is_loopback, is_openai, kind_of

UNNAMED = "default"  # a card's source when the server is to be asked for its model
OPENAI_KEY = "OPENAI_API_KEY"
KEYS = {"azure": "AZURE_OPENAI_API_KEY", "mistral": "MISTRAL_API_KEY"}  # sent to those hosts where no other is named


@dataclass(frozen=True)
class Endpoint:
    """One address and how it is spoken to.

    `host` is what may be shown (no user, no path). `model` is the name that is sent, `family` the model's own name, by
    which its parameters are looked up: a deployment may be called anything. `loopback`: this machine answers there.
    `leaves`: text sent there leaves this machine. `key_env`: the variable that holds the key, "" for no particular one.
    """

    base_url: str
    host: str
    model: str
    family: str
    kind: ServerKind
    api: Api
    loopback: bool
    leaves: bool
    key_env: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def openai(self) -> bool:
        """Whether this is OpenAI's own API."""
        return is_openai(host_of(self.base_url))

    @property
    def named(self) -> bool:
        """Whether the server need not be asked which model it has."""
        return self.model != UNNAMED


def endpoint_of(card: ModelCard, settings: Settings) -> Endpoint:
    """The place of the card's origin, else its own address, else that of the settings, whose model name goes first.

    Raises:
        ModelUnavailable: the address is missing, or is not an http or https URL.
    """
    origin = card.origin
    named = origin.base_url if origin else card.base_url or settings.openai_base_url
    url = from_environment(named)
    if not url:
        raise ModelUnavailable(
            f"The address of {card.name} is not set.", f"Set the environment variable {named[1:]} and start again."
        )
    try:
        parts = urlsplit(url)
        name, port = host_of(url), parts.port
    except ValueError:
        parts, name, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not name:
        raise ModelUnavailable(
            f"The address of {card.name} is not an http or https URL.",
            "Correct base_url in its card, or PLAYGROUND_OPENAI_BASE_URL.",
        )
    host = f"{name}:{port}" if port else name
    loopback = is_loopback(name)
    if origin is None:
        model = settings.openai_model or card.source
        kind = kind_of(name)
        api: Api = "responses" if kind == "openai" else "chat"
        return Endpoint(url, host, model, model, kind, api, loopback, not loopback, KEYS.get(kind, ""))
    api = origin.api or ("responses" if origin.kind == "openai" else "chat")
    base_url, model, query = _azure(card, origin, url, api) if origin.kind == "azure" else (url, card.source, ())
    leaves = not loopback or bool(origin.leaves_machine)
    known = KEYS.get(origin.kind, "") if kind_of(name) == origin.kind else ""
    return Endpoint(
        base_url, host, model, card.source, origin.kind, api, loopback, leaves, origin.key_env or known, query
    )


def key_for(card: ModelCard, endpoint: Endpoint, settings: Settings) -> str:
    """The key to send there, or nothing: `OPENAI_API_KEY` is never shown to a server that only a card names.

    A card may name a variable of its own. `PLAYGROUND_OPENAI_API_KEY` was set for this app, so it goes wherever other
    cards go.
    """
    if endpoint.key_env and endpoint.key_env != OPENAI_KEY:
        return os.environ.get(endpoint.key_env, "")
    if (card.base_url or card.origin) and not endpoint.openai and settings.openai_api_key is None:
        return ""
    return settings.api_key


def unavailable(card: ModelCard, settings: Settings) -> ModelUnavailable | None:
    """Why this card cannot be asked from here, or None. Looks at settings only, never at the network."""
    try:
        endpoint = endpoint_of(card, settings)
    except ModelUnavailable as error:
        return error
    if settings.local_only and endpoint.leaves:
        return ModelUnavailable(
            f"{card.name} would send your text to {endpoint.host}, and this app is set to local only.",
            "Choose a model on this machine, or start without --local-only (PLAYGROUND_LOCAL_ONLY).",
        )
    if importlib.util.find_spec("openai") is None:
        return ModelUnavailable(
            f"{card.name} needs the openai package, which is not installed.", 'Run: pip install "openai>=3,<4"'
        )
    if (endpoint.openai or endpoint.key_env) and not key_for(card, endpoint, settings):
        return ModelUnavailable(
            f"{card.name} needs an API key.",
            f"Set the environment variable {endpoint.key_env or OPENAI_KEY} and start again.",
        )
    return None


def leaves_machine(card: ModelCard, settings: Settings) -> bool:
    """Whether text that is sent to this card's model leaves this machine."""
    if card.backend != "openai":
        return False
    try:
        return endpoint_of(card, settings).leaves
    except ModelUnavailable:
        return True  # an address that is not known yet is not one of this machine


def _azure(card: ModelCard, origin: Source, url: str, api: Api) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Address, model name and query of an Azure resource.

    With an api_version: `/openai/deployments/NAME/chat/completions?api-version=…`, and `/openai/responses`.
    Without: the v1 API, whose paths are OpenAI's. An address that has a path already is taken as it is.
    """
    deployment = from_environment(origin.deployment) or card.source
    version = from_environment(origin.api_version)
    query = (("api-version", version),) if version else ()
    root = url.rstrip("/")
    if urlsplit(root).path:
        return root, deployment, query
    if not version:
        return f"{root}/openai/v1", deployment, query
    if api == "chat":
        return f"{root}/openai/deployments/{quote(deployment, safe='')}", deployment, query
    return f"{root}/openai", deployment, query
