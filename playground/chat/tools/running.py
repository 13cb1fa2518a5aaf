"""Runs one call of one tool: bounded in time, stopped with the user's request, whatever it raises told in a sentence.

Knows nothing of models, approval or the conversation.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import time
from contextlib import suppress
from typing import Any

from playground.chat.tools.tool import Output, Tool, ToolError
from playground.errors import Cancelled, PlaygroundError
from playground.protocol import CancelToken

log = logging.getLogger(__name__)

POLL_S = 0.05  # how often a waiting call looks at its cancel token
GRACE_S = 1.0  # for a coroutine to end after it was cancelled
MAX_RESULT_CHARACTERS = 8_000


async def run_tool(tool: Tool, arguments: dict[str, Any], cancel: CancelToken) -> Output:
    """What the tool returns for validated arguments; long text is cut and says so.

    A plain function runs on a thread of its own. Threads cannot be ended: one that ignores its cancel token goes on
    unheard after its time, and does not hold up the end of the program.

    Raises:
        ToolError: the tool failed, returned what cannot be told, or took too long.
        Cancelled: the user stopped the request.
    """
    own = CancelToken()
    work = asyncio.ensure_future(_started(tool, arguments, own))
    try:
        if not await ended(work, cancel, tool.timeout_s):
            raise ToolError(f"{tool.spec.name} took longer than {tool.timeout_s:g} seconds")
        result = work.result()
    except PlaygroundError:
        raise
    except Exception as error:
        log.exception("the tool %s failed", tool.spec.name)
        said = " ".join(str(error).split())[:200]
        raise ToolError(f"{tool.spec.name} failed with {type(error).__name__}{f': {said}' if said else ''}") from None
    finally:
        own.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=GRACE_S)
    return _output(tool, result)


async def ended(work: asyncio.Future[Any], cancel: CancelToken, timeout_s: float | None = None) -> bool:
    """Waits for `work`; False when the time is over first. Raises Cancelled when the user stops."""
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        if cancel.cancelled:
            raise Cancelled
        left = POLL_S if until is None else min(POLL_S, until - time.monotonic())
        done, _ = await asyncio.wait({work}, timeout=max(left, 0))
        if done:
            return True
        if until is not None and time.monotonic() >= until:
            return False


async def _started(tool: Tool, arguments: dict[str, Any], cancel: CancelToken) -> Any:
    if inspect.iscoroutinefunction(tool.run):
        return await tool.run(arguments, cancel)
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def tell(result: Any, error: BaseException | None) -> None:
        if not outcome.done():
            outcome.set_result((result, error))

    def work() -> None:
        found: tuple[Any, BaseException | None]
        try:
            found = tool.run(arguments, cancel), None
        except BaseException as error:  # noqa: BLE001  # told on the loop
            found = None, error
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(tell, *found)

    threading.Thread(target=work, name=f"tool-{tool.spec.name}", daemon=True).start()
    result, error = await outcome
    if error is not None:
        raise error if isinstance(error, Exception) else ToolError(f"{tool.spec.name} ended its thread")
    return result


def _output(tool: Tool, result: Any) -> Output:
    if isinstance(result, Output):
        return Output(_told(result.text), result.images)
    if isinstance(result, str):
        return Output(_told(result))
    try:
        return Output(_told(json.dumps(result, ensure_ascii=False, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        raise ToolError(f"{tool.spec.name} returned {type(result).__name__}, which is not text") from None


def _told(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return f"{text[:MAX_RESULT_CHARACTERS]}… (cut: {MAX_RESULT_CHARACTERS:,} of {len(text):,} characters)"
