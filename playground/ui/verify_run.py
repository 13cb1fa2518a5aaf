"""A verification on the page and over the API: progress, the verdict in words, and its figures as a row."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from html import escape
from typing import Any

from playground.errors import PlaygroundError
from playground.protocol import CancelToken, Failed, Loading, Queued, Step
from playground.ui.context import AppContext
from playground.ui.words import loading, note, problem, queued, stepping, waiting


async def verifying(context: AppContext, data: bytes, owner: str, cancel: CancelToken) -> AsyncGenerator[str]:
    """HTML to show, from the first wait to the verdict or the sentence on why there is none."""
    from playground.images.verify import Verdict, verify

    yield waiting("Making the picture again")
    try:
        async with aclosing(verify(context.engine, context.catalog, data, cancel, owner)) as events:
            ended = False
            async for event in events:
                if isinstance(event, Queued):
                    yield waiting(queued(event))
                elif isinstance(event, Loading):
                    yield waiting(loading(event), event.fraction)
                elif isinstance(event, Step):
                    yield waiting(stepping(event), event.index / max(1, event.total))
                elif isinstance(event, Failed):
                    ended = True
                    yield problem(event)
                elif isinstance(event, Verdict):
                    ended = True
                    yield verdict_html(event)
    except PlaygroundError as error:
        yield problem(Failed.of(error))
        return
    if not ended:
        yield note("Stopped. Nothing was compared.")


def verdict_html(verdict: Any) -> str:
    """What came out, and what is different now."""
    mark = "pg-same" if verdict.difference.identical else "pg-apart"
    lines = "".join(f"<li>{escape(line)}</li>" for line in verdict.environment)
    why = f"<span>Different from when it was made:</span><ul>{lines}</ul>" if lines else ""
    if not lines and not verdict.difference.identical:
        why = "<span>Everything that the picture says of where it was made is the same here.</span>"
    return f'<div class="pg-verified {mark}" role="status"><b>{escape(verdict.sentence)}</b>{why}</div>'


def verdict_row(verdict: Any) -> dict[str, Any]:
    """The figures of a verdict as JSON."""
    found = verdict.difference
    return {
        "identical": found.identical,
        "largest_difference": found.largest,
        "mean_difference": found.mean,
        "changed_pixels": found.changed,
        "environment": list(verdict.environment),
        "model": verdict.model,
        "summary": verdict.sentence,
    }


def progress_row(event: Any) -> Mapping[str, Any] | None:
    """How far a verification is, None for an event that says nothing of it."""
    if isinstance(event, Step):
        return {"step": event.index, "steps": event.total, "seconds_left": event.seconds_left}
    if isinstance(event, Loading):
        return {"loading": event.fraction}
    return {"queue": event.position} if isinstance(event, Queued) else None
