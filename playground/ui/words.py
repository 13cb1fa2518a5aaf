"""Figures and short pieces of HTML, worded the same way on every tab. All text from outside is escaped here."""

from __future__ import annotations

from html import escape

from playground.models.sizes import human as size  # one way to write bytes: 18.3 MB, 7.6 GB
from playground.protocol import ChatStats, Failed, Loading, Queued, Step

__all__ = ["ago", "bar", "chat_figures", "count", "empty", "loading", "note", "problem", "queued", "seconds", "size",
           "stepping", "waiting"]  # fmt: skip

ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def seconds(value: float) -> str:
    """0.08 s, 1.2 s, 14 s, 2 min 5 s."""
    if value < 0.995:
        return f"{value:.2f} s"
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value // 60:.0f} min {value % 60:.0f} s"


def ago(value: float) -> str:
    """just now, 12 min ago, 3 h ago; coarse, so that a list that shows it seldom changes under the reader's hand."""
    if value < 60:
        return "just now"
    return f"{value / 60:.0f} min ago" if value < 90 * 60 else f"{value / 3600:.0f} h ago"


def count(value: float) -> str:
    """Parameters: 3.4 M, 14.7 B."""
    for unit, divisor in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= divisor:
            return f"{value / divisor:.1f} {unit}"
    return f"{value:.0f}"


def bar(fraction: float | None, label: str) -> str:
    """A thin progress bar; None moves without saying how far."""
    if fraction is None:
        return f'<div class="pg-bar pg-bar-open" role="progressbar" aria-label="{escape(label)}"><i></i></div>'
    percent = max(0.0, min(1.0, fraction)) * 100
    return (
        f'<div class="pg-bar" role="progressbar" aria-label="{escape(label)}" aria-valuenow="{percent:.0f}" '
        f'aria-valuemin="0" aria-valuemax="100"><i style="width:{percent:.1f}%"></i></div>'
    )


def waiting(text: str, fraction: float | None = None) -> str:
    """One line of what is waited for, with its bar."""
    return f'<div class="pg-wait"><span>{escape(text)}</span>{bar(fraction, text)}</div>'


def queued(event: Queued) -> str:
    """Second in line, about 10 s."""
    place = ORDINALS[event.position - 1] if 1 <= event.position <= len(ORDINALS) else f"Number {event.position}"
    eta = f", about {seconds(event.eta_s)}" if event.eta_s is not None else ""
    return f"{place} in line{eta}"


def loading(event: Loading) -> str:
    """Loading starter-sd 62 %: reading the weights."""
    percent = f" {event.fraction:.0%}".replace("%", " %") if event.fraction is not None else ""
    text = f": {event.text}" if event.text else ""
    return f"Loading {event.model}{percent}{text}"


def stepping(event: Step) -> str:
    """Step 12 of 20, 0.8 s left."""
    left = f", {seconds(event.seconds_left)} left" if event.seconds_left is not None else ""
    return f"Step {event.index} of {event.total}{left}"


def problem(event: Failed, who: str = "") -> str:
    """An error in the place of the result: what went wrong, then what to do."""
    name = f"<b>{escape(who)}</b> " if who and who not in event.error else ""
    hint = f'<span class="pg-hint">{escape(event.hint)}</span>' if event.hint else ""
    return f'<div class="pg-problem" role="alert">{name}<span>{escape(event.error)}</span>{hint}</div>'


def note(text: str) -> str:
    """A quiet sentence."""
    return f'<div class="pg-note">{escape(text)}</div>'


def empty(title: str, text: str) -> str:
    """An empty state that says what to do."""
    return f'<div class="pg-empty"><b>{escape(title)}</b><span>{escape(text)}</span></div>'


def chat_figures(stats: ChatStats) -> str:
    """0.08 s first, 231 tok/s, 14 in, 4 out; and under it how full the context is. Unknown figures are left out."""
    parts = []
    if stats.ttft_s is not None:
        parts.append(f"{seconds(stats.ttft_s)} first")
    if stats.tokens_per_s is not None:
        parts.append(f"{stats.tokens_per_s:.0f} tok/s")
    if stats.prompt_tokens is not None:
        parts.append(f"{stats.prompt_tokens:,} in")
    if stats.completion_tokens is not None:
        parts.append(f"{stats.completion_tokens:,} out")
    if stats.cost is not None:
        parts.append(f"about ${stats.cost:.5f}")
    if stats.seed is not None:
        parts.append(f"seed {stats.seed}")
    ends = {"length": "cut at max new tokens", "cancelled": "stopped", "stopped": "stopped", "context": "context full"}
    if stats.stop_reason in ends:
        parts.append(ends[stats.stop_reason])
    if stats.dropped_turns:
        parts.append(f"{stats.dropped_turns} oldest turns left out")
    line = f'<div class="pg-figures">{escape(", ".join(parts))}</div>' if parts else ""
    if stats.context_used is None or not stats.context_size:
        return line
    text = f"context {stats.context_used:,} of {stats.context_size:,}"
    return (
        f'{line}<div class="pg-context"><span>{text}</span>{bar(stats.context_used / stats.context_size, text)}</div>'
    )
