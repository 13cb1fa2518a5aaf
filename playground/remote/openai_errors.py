"""What went wrong with an API, in one sentence and a hint. No text from here ever holds a key."""

from __future__ import annotations

import re

from playground.errors import InvalidRequest, ModelUnavailable, PlaygroundError
from playground.remote.endpoint import Endpoint

MAX_TOLD = 300  # characters of a server's own message


def told(error: Exception, endpoint: Endpoint, key: str, timeout_s: float, begun: bool) -> PlaygroundError:
    """The error of the openai package (or of parsing its stream) as a sentence; `begun`: text had arrived already."""
    import openai

    host = endpoint.host
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable(f"{host} sent nothing for {timeout_s:g} seconds.", "Try again later.")
    if isinstance(error, openai.APIConnectionError):
        if begun:
            return broken(endpoint)
        hint = "Start the server there" if endpoint.loopback else "Check the network"
        return ModelUnavailable(f"{host} cannot be reached.", f"{hint}, or correct the address.")
    if isinstance(error, openai.APIStatusError):
        return _status(error, endpoint, key)
    if isinstance(error, openai.APIError):
        return ModelUnavailable(f"{host} reported an error: {scrubbed(error.message, key)}", "Try again.")
    return ModelUnavailable(f"{host} sent something that is not a chat completion.", "Check the address of the API.")


def broken(endpoint: Endpoint) -> PlaygroundError:
    """The stream ended before the answer did."""
    return ModelUnavailable(
        f"The connection to {endpoint.host} broke in the middle of the answer.", "What came is kept; try again."
    )


def scrubbed(text: str, key: str) -> str:
    """A server's message in one line, without the key or anything that looks like one."""
    text = " ".join(str(text).split())
    if key:
        text = text.replace(key, "[key]")
    text = re.sub(r"\b(sk|pk|Bearer)[-_ ][\w*.\-]{4,}", "[key]", text)
    text = text if len(text) <= MAX_TOLD else text[: MAX_TOLD - 1] + "…"
    return text if text.endswith((".", "…", "!", "?")) else text + "."


def _status(error: Exception, endpoint: Endpoint, key: str) -> PlaygroundError:
    import openai

    assert isinstance(error, openai.APIStatusError)
    host, status = endpoint.host, error.status_code
    if status == 401:
        return ModelUnavailable(
            f"{host} does not accept the API key.",
            "Check OPENAI_API_KEY, or set PLAYGROUND_OPENAI_API_KEY for a server of your own.",
        )
    if status == 403:
        return ModelUnavailable(
            f"{host} does not let this key use {endpoint.model}.", "Ask for access there, or choose another model."
        )
    if status == 404:
        return ModelUnavailable(
            f"{host} knows no model {endpoint.model!r} at this address.",
            "Name another with PLAYGROUND_OPENAI_MODEL, or correct the address.",
        )
    if status == 429:
        wait = error.response.headers.get("retry-after", "")
        hint = f"Wait {wait} seconds" if wait.isdigit() else "Wait a minute"
        return ModelUnavailable(
            f"{host} takes no more requests for now: its rate limit or quota is used up.", f"{hint}, or check the plan."
        )
    if status >= 500:
        return ModelUnavailable(f"{host} failed with status {status}.", "Try again in a minute.")
    return InvalidRequest(
        f"{host} refused the request (status {status}): {scrubbed(_message(error), key)}", "Change the settings."
    )


def _message(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        found = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(found, str):
            return found
    return "no reason given"
