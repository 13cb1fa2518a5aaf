"""Where else a model can be asked: the address of an API, what it costs there, and whether text leaves this machine.

Knows addresses and environment variables by name, never a key's value. The addresses of a private resource stand in the
environment too: a value that begins with `$` names the variable that holds it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

ServerKind = Literal["openai", "azure", "mistral", "vllm", "sglang", "llama.cpp", "transformers", "vendor"]
Api = Literal["responses", "chat"]

# Only such names, so that no catalog can have a secret put into an address or another program's secret sent as a key.
_VARIABLE = re.compile(r"\$(AZURE|OPENAI|PLAYGROUND)_[A-Z0-9_]*(ENDPOINT|URL|DEPLOYMENT|VERSION)")
_OPENAI = ("api.openai.com",)
_AZURE = ("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com")
_MISTRAL = ("api.mistral.ai",)


class Price(BaseModel):
    """US dollars for a million tokens; always an estimate, with its date and source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)
    cached_input_per_million: float | None = Field(default=None, ge=0)
    dated: str
    source: str


class Source(BaseModel):
    """One place that serves a model, besides its card's own.

    `kind` says whose dialect is spoken there; "vendor" is any other OpenAI-compatible API. `base_url`, `deployment` and
    `api_version` may be `$AZURE_OPENAI_ENDPOINT` and the like. Azure is asked at `https://NAME.openai.azure.com` (or
    `….services.ai.azure.com`) by its v1 API, or with an `api_version` by the dated one. `model` is the model's name,
    `deployment` that of the deployment where it differs, `key_env` the environment variable that holds the key. `api`:
    None takes Responses at OpenAI and Chat Completions elsewhere. `leaves_machine`: None lets the address decide; True
    is for a gateway on this machine that passes text on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: ServerKind = "vendor"
    base_url: str = Field(min_length=1)
    model: str = ""
    deployment: str = ""
    api_version: str = ""
    api: Api | None = None
    key_env: str = Field(default="", pattern=r"^([A-Z][A-Z0-9_]*_API_KEY)?$")
    price: Price | None = None
    region: str = ""
    capabilities: tuple[str, ...] | None = None
    leaves_machine: bool | None = None
    note: str = ""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Source:
        for name in ("base_url", "deployment", "api_version"):
            value = getattr(self, name)
            if value.startswith("$") and not _VARIABLE.fullmatch(value):
                raise ValueError(f"{name} may not be read from {value}")
        given = "" if self.base_url.startswith("$") else host_of(self.base_url)
        if self.leaves_machine is False and not is_loopback(given):
            raise ValueError("only a loopback address stays on this machine")
        if self.key_env == "OPENAI_API_KEY" and not is_openai(given):
            raise ValueError("OPENAI_API_KEY goes to api.openai.com only; name another variable")
        if (self.deployment or self.api_version) and self.kind != "azure":
            raise ValueError("deployment and api_version belong to kind azure")
        return self


def from_environment(value: str) -> str:
    """`value`, or for `$NAME` what that environment variable holds now, "" where it is not set."""
    return os.environ.get(value[1:], "") if _VARIABLE.fullmatch(value) else value


def host_of(url: str) -> str:
    """The host's name in lower case, without port, user or path; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def kind_of(host: str) -> ServerKind:
    """Whose API a host is, by its name; "vendor" where that does not say."""
    if is_openai(host):
        return "openai"
    return "azure" if _within(host, _AZURE) else "mistral" if _within(host, _MISTRAL) else "vendor"


def is_openai(host: str) -> bool:
    """Whether this is OpenAI's API, worldwide or in a region (`eu.api.openai.com`)."""
    return _within(host, _OPENAI)


def is_loopback(host: str) -> bool:
    """Whether this name is this machine, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _within(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith("." + domain) for domain in domains)
