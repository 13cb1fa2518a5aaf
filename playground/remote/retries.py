"""What may be asked again, and after how long: only before the first token, and never in silence. Knows no models.

A rate limit, a server's failure and a lost connection pass; a wrong key, a wrong name and a used-up quota do not. A
parameter that a model refuses is left out of the next try.
"""

from __future__ import annotations

import random
from typing import Any

from playground.remote.endpoint import Endpoint
from playground.remote.openai_errors import code_of, retry_after

TRIES = 3
BACKOFF_S = 0.5
MAX_WAIT_S = 20.0  # a server that asks for more is better told of at once
_PASSING = {408, 409, 429, 500, 502, 503, 504, 529}
_REFUSED = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}
_NEEDED = {"model", "messages", "input", "instructions", "tools", "stream", "text", "response_format"}
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class StreamEnded(Exception):
    """The connection was closed in good order before the answer had come to an end."""


def wait_before(error: Exception, attempt: int, endpoint: Endpoint, backoff_s: float = BACKOFF_S) -> float | None:
    """Seconds to wait before try number `attempt` + 1 (the first is 1), or None where another makes no sense."""
    import httpx2
    import openai

    if attempt >= TRIES:
        return None
    wait = backoff_s * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
    if isinstance(error, openai.APIStatusError):
        headers = error.response.headers
        if code_of(error) == "insufficient_quota" or headers.get("x-should-retry") == "false":
            return None
        if error.status_code not in _PASSING and headers.get("x-should-retry") != "true":
            return None
        asked = retry_after(headers)
        wait = wait if asked is None else max(asked, 0.0)
        return wait if wait <= MAX_WAIT_S else None
    if isinstance(error, StreamEnded):
        return wait
    if isinstance(error, openai.APITimeoutError):
        return wait if isinstance(error.__cause__, httpx2.ConnectTimeout) else None
    if isinstance(error, openai.APIConnectionError):
        nobody = endpoint.loopback and isinstance(error.__cause__, httpx2.ConnectError)
        return None if nobody else wait
    return None


def without_refused(error: Exception, body: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """The arguments without the parameter that the server names as not known, and its name; None where it names none.

    The two names of the limit on new tokens stand for each other. What the request is about is never left out.
    """
    name = getattr(error, "param", None)
    if getattr(error, "status_code", None) not in (400, 422) or code_of(error) not in _REFUSED:
        return None
    if not isinstance(name, str) or name.split(".")[0].split("[")[0] in _NEEDED:
        return None
    smaller = without(body, name)
    return None if smaller is None else (smaller, name)


def without(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A copy of the arguments without the one called `name` (`reasoning.summary`), or None where it is not there."""
    if name in _LIMITS:
        value = body.get(name)
        return None if value is None else {k: v for k, v in body.items() if k != name} | {_LIMITS[name]: value}
    smaller = _without(body, name.split("."))
    if smaller is None and isinstance(extra := body.get("extra_body"), dict):
        found = _without(extra, name.split("."))
        smaller = None if found is None else body | {"extra_body": found}
    return smaller


def _without(body: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    """A copy without the value at `path`, or None where there is none."""
    first, *rest = path
    if first not in body:
        return None
    others = {name: value for name, value in body.items() if name != first}
    if not rest:
        return others
    inner = _without(body[first], rest) if isinstance(body[first], dict) else None
    return None if inner is None else others | ({first: inner} if inner else {})
