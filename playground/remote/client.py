"""The HTTP client of one request: what is sent along, what may come back, how long is waited. Knows no models.

A server may be hostile or broken: redirects are not followed, since they could lead a text off this machine; packed
answers are not unpacked; one event and one error page have a limit in bytes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from playground.errors import ModelUnavailable
from playground.remote.endpoint import Endpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_S = 10.0
EVENT_BYTES = 32 * 2**20  # the last event of the Responses API holds the whole answer again
ERROR_BYTES = 2**20
NO_KEY = "none"  # the client insists on one

# Others need no more: the client would also send the user's OpenAI organisation and facts about this machine.
_SENT = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent"}
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def opened(endpoint: Endpoint, key: str, timeout_s: float) -> AsyncOpenAI:
    """A client for one request, to be closed after it. The first takes a second, so call it off the event loop."""
    import openai

    async def request_hook(request: Any) -> None:
        request.headers["accept-encoding"] = "identity"
        if not endpoint.openai:
            for name in set(request.headers) - _SENT - {"authorization"}:
                del request.headers[name]
        if endpoint.kind == "azure":
            request.headers.pop("authorization", None)
            request.headers["api-key"] = key
        elif key:
            request.headers["authorization"] = f"Bearer {key}"
        elif request.headers.get("authorization") == f"Bearer {NO_KEY}":
            del request.headers["authorization"]

    async def response_hook(response: Any) -> None:
        packed = response.headers.pop("content-encoding", "identity") != "identity"
        response.stream = _bounded(response.stream, endpoint.host, events=response.is_success, packed=packed)

    timeout = openai.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    client = openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=key or NO_KEY,
        timeout=timeout,
        default_query=dict(endpoint.query),
        max_retries=0,  # a hidden second try would be counted as the model's time
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=timeout,
            follow_redirects=False,
            trust_env=not endpoint.loopback,  # a proxy could not reach this machine's loopback
            event_hooks={"request": [request_hook], "response": [response_hook]},
        ),
    )
    _ = client.responses if endpoint.api == "responses" else client.chat.completions  # imported here, in this thread
    return client


def _bounded(stream: Any, host: str, *, events: bool, packed: bool) -> Any:
    """The same stream, with a limit on what stands between two blank lines, or on the whole of an error page.

    Reading it raises ModelUnavailable where one event is too long, or packed; an error page just ends.
    """
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            if packed and events:
                raise ModelUnavailable(
                    f"{host} sent a packed answer, which was not asked for.", "Check what stands before the server."
                )
            held, tail = 0, b""
            async for part in stream:
                ends = [match.end() for match in _BLANK_LINE.finditer(tail + part)] if events else []
                held = len(tail + part) - ends[-1] if ends else held + len(part)
                tail = part[-3:]
                if packed or (held > ERROR_BYTES and not events):
                    return
                if held > EVENT_BYTES:
                    raise ModelUnavailable(
                        f"{host} sent more than {EVENT_BYTES // 2**20} MB without an end.",
                        "Check the address of the API.",
                    )
                yield part

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
