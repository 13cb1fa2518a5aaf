"""What the Chain section shows of a run: where it is, and its pictures in rows by step. All text is escaped here."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from playground.images.chain.events import StepFailed
from playground.ui.chain_run import Following, Shot, data_uri, title_of
from playground.ui.words import bar, empty, note, problem, seconds

NOTHING = empty(
    "No pictures yet",
    "Put steps together, or take one of the examples, and run. Every step's pictures come in a row of their own.",
)


def status_html(state: Following) -> str:
    """The steps with how far each is, the live preview, and how it ended."""
    if state.failed is not None:
        return problem(state.failed)
    rows = "".join(_step_line(state, number) for number in range(1, len(state.chain.steps) + 1))
    return f'<div class="pg-chain-run">{_live(state)}<ol>{rows}</ol>{_end(state)}</div>'


def rows_html(state: Following) -> str:
    """One row of pictures for each step that has any."""
    parts = []
    for number, step in enumerate(state.chain.steps, 1):
        shots = state.of_step(number)
        failures = [one for one in state.failures if one.step == number]
        if not shots and not failures:
            continue
        pictures = "".join(map(_tile, shots))
        parts.append(
            f'<section class="pg-chain-row"><h3>{number} · {escape(title_of(step.do))}</h3>'
            f"{''.join(map(_failure, failures))}<div>{pictures}</div></section>"
        )
    read = "".join(_failure(one) for one in state.failures if one.step == 0)
    return read + "".join(parts)


def _step_line(state: Following, number: int) -> str:
    step = state.chain.steps[number - 1]
    count, done = state.counts.get(number), len(state.of_step(number))
    failed = sum(one.step == number for one in state.failures)
    running = number == state.now and state.ended is None
    kind = "now" if running else "done" if done and not failed else "apart" if failed else "next"
    told = ""
    if count is not None:
        told = f"{done} of {count}" if count > 1 or failed else ""
        if failed:
            told += f", {failed} failed"
        elif not running and done:
            took = sum(shot.made.seconds for shot in state.of_step(number))
            told = f"{told}, {seconds(took)}" if told else seconds(took)
    word = {"now": "running", "done": "done", "apart": "failed", "next": "not run yet"}[kind]
    return (
        f'<li class="pg-chain-{kind}"><span>{escape(title_of(step.do))}</span>'
        f'<small>{escape(told)}<i class="pg-spoken">{word}</i></small></li>'
    )


def _live(state: Following) -> str:
    if state.ended is not None:
        return ""
    count = state.counts.get(state.now, 1)
    title = title_of(state.chain.steps[state.now - 1].do) if state.now else "Starting"
    which = f", picture {min(state.picture + 1, count)} of {count}" if count > 1 else ""
    where = f"{title}, step {state.now} of {len(state.chain.steps)}{which}" if state.now else title
    image = ""
    if state.preview is not None:
        form = "png" if state.preview.startswith(b"\x89PNG") else "jpeg"
        image = f'<img class="pg-preview" alt="Preview" src="{data_uri(state.preview, form)}">'
    return (
        f'<div class="pg-painting">{image}<div class="pg-painting-words"><b>{escape(where)}</b>'
        f"<span>{escape(state.text)}</span>{bar(state.fraction, state.text or 'Starting')}</div></div>"
    )


def _end(state: Following) -> str:
    said = "".join(map(note, state.notices))
    if state.ended is None:
        return said
    through, failed = state.ended.through, state.ended.failed
    if state.ended.stopped:
        made = len(state.shots)
        return said + note(f"Stopped. {made} picture{'s' if made != 1 else ''} made before that stay.")
    words = f"{through} picture{'s' if through != 1 else ''} came through in {seconds(state.ended.seconds)}."
    if failed:
        words += f" {failed} did not; the reason stands with the step."
    return said + note(words)


def _tile(shot: Shot) -> str:
    made = shot.made
    caption = f"{made.name} · {made.width} × {made.height}"
    if not shot.path:
        source = data_uri(shot.data, made.form)
        caption += " · could not be kept: save it from here"
    else:
        source = f"gradio_api/file={quote(shot.path)}"
    alt = escape(f"{title_of(made.do)}: {made.prompt[:200] or made.name}")
    return (
        f'<figure><a href="{escape(source)}" target="_blank" rel="noopener" title="Open it in full size">'
        f'<img alt="{alt}" src="{escape(source)}" loading="lazy"></a>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _failure(one: StepFailed) -> str:
    who = f"{title_of(one.do)}, {one.name}:"
    return problem(one.failed, who)
