"""What went wrong with an API, in one sentence and a hint. No text from here ever holds a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from playground.errors import InvalidRequest, ModelUnavailable, PlaygroundError
from playground.remote.endpoint import OPENAI_KEY, Endpoint

MAX_TOLD = 300  # characters of a server's own message
KEPT = "What came is kept; try again."
_TOO_LONG = ("context_length_exceeded", "string_above_max_length")
_FILTERED = ("content_filter", "content_policy_violation", "invalid_prompt")


def told(error: Exception, endpoint: Endpoint, key: str, timeout_s: float, begun: bool) -> PlaygroundError:
    """The error of the openai package (or of parsing its stream) as a sentence; `begun`: text had arrived already."""
    import openai

    host = endpoint.host
    if isinstance(error, openai.APITimeoutError):
        if begun:
            return ModelUnavailable(f"{host} fell silent for {timeout_s:g} seconds in the middle of the answer.", KEPT)
        return ModelUnavailable(f"{host} sent nothing for {timeout_s:g} seconds.", "Try again later.")
    if isinstance(error, openai.APIConnectionError):
        if begun:
            return broken(endpoint)
        hint = "Start the server there" if endpoint.loopback else "Check the network"
        return ModelUnavailable(f"{host} cannot be reached.", f"{hint}, or correct the address.")
    if isinstance(error, openai.APIStatusError):
        return _status(error, endpoint, key)
    if isinstance(error, openai.APIError):
        return reported(getattr(error, "code", None), error.message, endpoint, key, begun)
    what = "a chat completion" if endpoint.api == "chat" else "a response"
    hint = KEPT if begun else "Check the address of the API."
    return ModelUnavailable(f"{host} sent something that is not {what}.", hint)


def broken(endpoint: Endpoint, begun: bool = True) -> PlaygroundError:
    """The stream ended before the answer did."""
    if not begun:
        return ModelUnavailable(f"{endpoint.host} closed the connection without an answer.", "Try again in a minute.")
    return ModelUnavailable(f"The connection to {endpoint.host} broke in the middle of the answer.", KEPT)


def reported(code: Any, message: Any, endpoint: Endpoint, key: str, begun: bool) -> PlaygroundError:
    """An error that came within a stream."""
    text = scrubbed(message if isinstance(message, str) and message else str(code or "no reason given"), key)
    when = " in the middle of the answer" if begun else ""
    return ModelUnavailable(f"{endpoint.host} reported an error{when}: {text}", KEPT if begun else "Try again.")


def scrubbed(text: str, key: str) -> str:
    """A server's message in one line, without the key or anything that looks like one."""
    text = " ".join(str(text).split())
    if key:
        text = text.replace(key, "[key]")
    text = re.sub(r"\b(sk|pk|Bearer)[-_ ][\w*.\-]{4,}", "[key]", text)
    text = text if len(text) <= MAX_TOLD else text[: MAX_TOLD - 1] + "…"
    return text if text.endswith((".", "…", "!", "?")) else text + "."


def code_of(error: Exception) -> str:
    """The server's own name for an error, "" where it gives none."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, from `retry-after-ms` or `retry-after` (RFC 9110, seconds or a date)."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(name, "")) / scale
        except ValueError:
            continue
        if 0 <= wait < 1e9:
            return wait
    try:
        return max(parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _status(error: Any, endpoint: Endpoint, key: str) -> PlaygroundError:
    host, status, code = endpoint.host, error.status_code, code_of(error)
    if 300 <= status < 400:
        return ModelUnavailable(
            f"{host} sends its visitors elsewhere, which is not followed (status {status}).", "Correct the address."
        )
    if status == 401:
        own = "" if endpoint.key_env else ", or set PLAYGROUND_OPENAI_API_KEY for a server of your own"
        return ModelUnavailable(f"{host} does not accept the API key.", f"Check {endpoint.key_env or OPENAI_KEY}{own}.")
    if status == 402:
        return ModelUnavailable(f"{host} asks for payment first.", "Check the account there.")
    if status == 403:
        return ModelUnavailable(
            f"{host} does not let this key use {endpoint.model}.", "Ask for access there, or choose another model."
        )
    if status == 404:
        return _not_found(endpoint)
    if status == 408:
        return ModelUnavailable(f"{host} gave up waiting for the request.", "Try again.")
    if status == 429:
        return _too_many(error, endpoint)
    if status >= 500:
        return ModelUnavailable(f"{host} failed with status {status}.", "Try again in a minute.")
    if code in _TOO_LONG or status == 413:
        return InvalidRequest(
            f"The conversation is longer than {endpoint.model} takes at {host}.", "Shorten it, or begin a new one."
        )
    if code in _FILTERED:
        return InvalidRequest(
            f"The content filter of {host} turned the conversation away: {scrubbed(message_of(error), key)}",
            "Change the message.",
        )
    return InvalidRequest(
        f"{host} refused the request (status {status}): {scrubbed(message_of(error), key)}", "Change the settings."
    )


def _not_found(endpoint: Endpoint) -> PlaygroundError:
    what = "deployment" if endpoint.kind == "azure" else "model"
    lacks = " or has no Responses API" if endpoint.api == "responses" and not endpoint.openai else ""
    return ModelUnavailable(
        f"{endpoint.host} knows no {what} {endpoint.model!r} at this address{lacks}.",
        "Correct the deployment or the address in its card."
        if endpoint.kind == "azure"
        else "Name another with PLAYGROUND_OPENAI_MODEL, or correct the address.",
    )


def _too_many(error: Any, endpoint: Endpoint) -> PlaygroundError:
    if code_of(error) == "insufficient_quota":
        return ModelUnavailable(f"The quota of this key is used up at {endpoint.host}.", "Check the plan there.")
    wait = retry_after(error.response.headers)
    hint = "Wait a minute" if wait is None else f"Wait {wait:.0f} seconds"
    return ModelUnavailable(
        f"{endpoint.host} takes no more requests for now: its rate limit or quota is used up.",
        f"{hint}, or check the plan.",
    )


def message_of(error: Exception) -> str:
    """The server's own words about an error."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        found = inner.get("message") or inner.get("detail") if isinstance(inner, dict) else inner
        if isinstance(found, str):
            return found
    return "no reason given"
