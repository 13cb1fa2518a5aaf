"""Batches in HTML: the first prompts, groups, progress, rows and totals. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from playground.batches.kept import Summary
from playground.batches.progress import ModelProgress
from playground.batches.records import Groups, Item, Row, Spec, Thought
from playground.batches.running import Ended, GaveUp
from playground.batches.totals import comparisons, thinking_tokens, totals
from playground.protocol import Failed
from playground.ui.words import ago, bar, note, problem, seconds

SHOWN_ITEMS = 5
SHOWN_ROWS = 100  # the newest; all are in the files
SHOWN_GROUPS = 50
SHOWN_TEXT = 300  # characters of a cell


def preview_html(items: Sequence[Item], columns: Sequence[str]) -> str:
    """The first prompts as they will be asked."""
    truths = any(item.truth for item in items)
    heads = ["Line", "Prompt", *(["Truth"] if truths else [])]
    rows = [
        [str(item.line), _short(item.prompt), *([_short(item.truth)] if truths else [])] for item in items[:SHOWN_ITEMS]
    ]
    more = f"{len(items):,} prompts" if len(items) != 1 else "1 prompt"
    named = f"; columns: {', '.join(columns)}" if len(columns) > 1 else ""
    return note(f"{more}{named}.") + _table(heads, rows, "The first prompts", numbers={0})


def groups_html(items: Sequence[Item], groups: Groups) -> str:
    """Each group with its lines; the first stands for it."""
    several = sum(len(group) > 1 for group in groups)
    rows = [
        [str(number), _short(items[group[0]].prompt), ", ".join(str(items[i].line) for i in group[:40])]
        for number, group in enumerate(groups[:SHOWN_GROUPS], 1)
    ]
    left = f" The first {SHOWN_GROUPS} are shown." if len(groups) > SHOWN_GROUPS else ""
    said = f"{len(items):,} prompts in {len(groups):,} groups, {several:,} of them with more than one.{left}"
    return note(said) + _table(["Group", "Thought about", "Lines"], rows, "Groups", numbers={0})


def progress_html(
    names: Mapping[str, str], progress: Mapping[str, ModelProgress], waiting: Mapping[str, str], stoppable: bool = True
) -> str:
    """A line with a bar for each model: 12 of 40, 231 tok/s, about 14 s left, 1 error."""
    lines = []
    for model, one in progress.items():
        parts = [f"{names.get(model, model)}: {one.done:,} of {one.total:,}"]
        if one.tokens_per_s is not None:
            parts.append(f"{one.tokens_per_s:.0f} tok/s")
        if one.seconds_left is not None and one.done < one.total and stoppable:
            parts.append(f"about {seconds(one.seconds_left)} left")
        if one.failed:
            parts.append("1 error" if one.failed == 1 else f"{one.failed:,} errors")
        if model in waiting and stoppable:
            parts.append(waiting[model])
        text = ", ".join(parts)
        fraction = one.done / one.total if one.total else 1.0
        lines.append(f'<div class="pg-wait"><span>{escape(text)}</span>{bar(fraction, text)}</div>')
    return "".join(lines)


def thinking_html(name: str, done: int, total: int, waiting: str = "") -> str:
    """The reasoner's progress over the groups."""
    text = f"{name} thinks about each group: {done} of {total}" + (f", {waiting}" if waiting else "")
    return f'<div class="pg-wait"><span>{escape(text)}</span>{bar(done / max(1, total), text)}</div>'


def rows_html(spec: Spec, rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """The newest rows as a table, in the order of the prompts."""
    if not rows:
        return ""
    truths = any(item.truth for item in spec.items)
    heads = ["Line", "Model", "Prompt", "Answer", *(["Truth", "Right"] if truths else [])]
    heads += ["Thought", "Tokens", "Time", "Ended"]
    numbers = {0, len(heads) - 4, len(heads) - 3, len(heads) - 2}
    place = {model: at for at, model in enumerate(spec.models)}
    shown = sorted(rows[-SHOWN_ROWS:], key=lambda row: (row.index, place.get(row.model, 0)))
    cells = []
    for row in shown:
        item = spec.items[row.index]
        line = [str(item.line), names.get(row.model, row.model), _short(item.prompt), _short(row.answer)]
        if row.error:
            line[3] = f"{row.error} {row.hint}".strip()
        if truths:
            line += [_short(item.truth), "" if row.right is None else "right" if row.right else "wrong"]
        line += [_figure(row.reasoning_tokens), _figure(row.completion_tokens)]
        line += ["" if row.seconds is None else seconds(row.seconds), "error" if row.error else row.stop_reason]
        cells.append(line)
    left = note(f"The newest {SHOWN_ROWS} of {len(rows):,} rows; the files hold all.") if len(rows) > SHOWN_ROWS else ""
    return left + _table(heads, cells, "Answers", numbers=numbers)


def totals_html(
    spec: Spec, rows: Sequence[Row], thoughts: Sequence[Thought], names: Mapping[str, str], plain: Sequence[Row] = ()
) -> str:
    """What each model took, and how right it was where truths were given; `plain`: the same batch one by one."""
    truths = [item.truth for item in spec.items]
    heads = ["Model", "Answers", "Errors", "Prompt tokens", "not read again", "Tokens", "of them thought", "Right"]
    cells = []
    for model in spec.models:
        one = totals(model, rows, truths)
        right = "" if one.accuracy is None else f"{one.right} of {one.judged} ({one.accuracy:.0%})"
        figures = (one.prompt_tokens, one.cached_tokens, one.completion_tokens, one.reasoning_tokens)
        line = [names.get(model, model), f"{one.answers:,} of {len(spec.items):,}", f"{one.failed:,}"]
        cells.append([*line, *map(_figure, figures), right])
    said = ""
    if spec.groups:
        count, tokens = len(spec.groups), thinking_tokens(thoughts)
        told = "" if tokens is None else f", {tokens:,} tokens in all"
        said = note(f"{names.get(spec.reasoner, spec.reasoner)} thought once for each of {count} groups{told}.")
    if plain and len(rows) == spec.total:
        said += "".join(note(line) for line in comparisons(spec, rows, thoughts, plain))
    return said + _table(heads, cells, "Totals", numbers=set(range(2, 7)))


def ended_html(ended: Ended | None, gave_up: Sequence[GaveUp], failed: Failed | None, names: Mapping[str, str]) -> str:
    """How the run ended, and what is left to do."""
    html = problem(failed) if failed is not None else ""
    for one in gave_up:
        said = Failed(
            f"{names.get(one.model, one.model)} failed so often that {one.left:,} prompts were left: {one.error}",
            "Resume tries them again.",
        )
        html += problem(said)
    if ended is not None and ended.left:
        html += note(f"{'Stopped' if ended.stopped else 'Done'}: {ended.left:,} answers are missing or errors. Resume "
                     "asks for these alone.")  # fmt: skip
    elif ended is not None:
        html += note("Done: every prompt has its answer.")
    return html


def list_html(summaries: Sequence[Summary], now: float) -> str:
    """Earlier batches with their buttons."""
    if not summaries:
        return ""
    rows = []
    for one in summaries:
        name, key = escape(one.name), escape(one.id)
        left = one.total - one.done + one.failed
        buttons = _button("show", key, "Show", one.name)
        if left:
            buttons += _button("resume", key, "Resume", one.name)
        buttons += _button("delete", key, "Delete", one.name)
        errors = f", {one.failed:,} errors" if one.failed else ""
        rows.append(
            f'<tr><th scope="row">{name}</th><td>{escape(", ".join(one.models))}</td>'
            f'<td class="pg-num">{one.done:,} of {one.total:,}{errors}</td>'
            f"<td>{ago(max(0.0, now - one.updated.timestamp()))}</td><td>{buttons}</td></tr>"
        )
    heads = '<th scope="col">Batch</th><th scope="col">Models</th><th scope="col" class="pg-num">Answers</th>'
    heads += '<th scope="col">Changed</th><th scope="col"></th>'
    return (
        '<div class="pg-scroll" tabindex="0" role="region" aria-label="Earlier batches"><table class="pg-table">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _button(act: str, key: str, label: str, name: str) -> str:
    return (
        f'<button type="button" class="pg-button" data-act="{act}" data-key="{key}" '
        f'aria-label="{label}: {escape(name)}">{label}</button> '
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], label: str, numbers: set[int]) -> str:
    def css(at: int) -> str:
        return ' class="pg-num"' if at in numbers else ""

    head = "".join(f'<th scope="col"{css(i)}>{escape(text)}</th>' for i, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{css(i)}>{escape(text)}</td>" for i, text in enumerate(row)) + "</tr>" for row in rows
    )
    return (
        f'<div class="pg-scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table class="pg-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"


def _figure(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
