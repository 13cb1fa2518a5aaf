"""Grids in HTML: the line about a plan, the table, one cell, what differs, and the list. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from playground.images.grid.cells import Result
from playground.images.grid.differences import Setting, named, shown
from playground.images.grid.kept import Summary
from playground.images.grid.outlook import Outlook
from playground.images.grid.plan import Plan
from playground.ui.words import ago, bar, empty, note, seconds

MOST_SHOWN = 12  # values of an axis in the line
NOTHING = empty(
    "No grid yet",
    "A grid makes one picture for each pair of values: put Steps on X with 2, 4, 8 and Guidance on Y with 1-7 (+3), "
    "and see at a glance what both do. Click Example on the left, then Run.",
)


def outlook_html(plan: Plan, found: Outlook) -> str:
    """12 cells, 2 models, 96 steps in all; the values of each axis; what cannot be made."""
    cells = f"{found.cells} cells" if found.cells != 1 else "1 cell"
    models = f"{found.models} models" if found.models != 1 else "1 model"
    sizes = ", ".join(f"{w} × {h}" for w, h in found.sizes[:4]) + (", …" if len(found.sizes) > 4 else "")
    pictures = found.cells - len(found.refused)
    line = f"{cells}, {models}, {pictures} pictures of {sizes}, {found.steps:,} steps in all."
    rows = "".join(
        f"<div><dt>{place}: {escape(axis.axis)}</dt><dd>{escape(_some(axis.labels))}</dd></div>"
        for place, axis in plan.named
    )
    refused = ""
    if found.refused:
        told = list(dict.fromkeys(found.refused.values()))
        many = f"{len(found.refused)} cells" if len(found.refused) > 1 else "1 cell"
        more = f" And {len(told) - 2} more reasons." if len(told) > 2 else ""
        refused = note(f"{many} cannot be made: {' '.join(told[:2])}{more}")
    return f'<div class="pg-plan-line"><b>{escape(line)}</b><dl>{rows}</dl>{refused}</div>'


def table_html(
    plan: Plan,
    results: Mapping[int, Result],
    url: Callable[[int], str],
    *,
    now: int | None = None,
    running: bool = False,
    opened: int | None = None,
    pair: tuple[int | None, int | None] = (None, None),
) -> str:
    """A table for each value of Z; a finished cell is a button that opens it. `url(index)` is where its picture is."""
    x, y, z = plan.shape
    first, second, third = plan.axes
    out = []
    for c in range(z):
        said = f"{third.axis}: {third.labels[c]}" if third else "Grid"
        if third:
            out.append(f'<h3 class="pg-h3">{escape(said)}</h3>')
        out.append(
            f'<div class="pg-scroll" tabindex="0" role="region" aria-label="{escape(said)}"><table class="pg-grid">'
        )
        if first is None and second:
            out.append(f'<thead><tr><td class="pg-axis"><span>{escape(second.axis)} ↓</span></td></tr></thead>')
        if first:
            axes = f"<span>{escape(second.axis)} ↓</span><span>{escape(first.axis)} →</span>" if second else ""
            corner = f'<td class="pg-axis">{axes}</td>' if second else ""
            heads = "".join(f'<th scope="col">{_label(label)}</th>' for label in first.labels)
            out.append(f"<thead><tr>{corner}{heads}</tr></thead>")
        out.append("<tbody>")
        for b in range(y):
            out.append(f'<tr><th scope="row">{_label(second.labels[b])}</th>' if second else "<tr>")
            for a in range(x):
                index = (c * y + b) * x + a
                marks = "".join(letter for letter, at in zip("AB", pair, strict=True) if at == index)
                cell = _cell(plan, index, results.get(index), url, index == now, running, marks)
                out.append(f'<td class="{"pg-cell-open" if index == opened else ""}">{cell}</td>')
            out.append("</tr>")
        out.append("</tbody></table></div>")
    return "".join(out)


def _cell(
    plan: Plan, index: int, result: Result | None, url: Callable[[int], str], now: bool, running: bool, marks: str
) -> str:
    label = escape(plan.label(index))
    if now:
        return f'<div class="pg-cell pg-cell-now" title="{label}"><span class="pg-live">Painting</span></div>'
    if result is None:
        words = "Waiting" if running else "Not made"
        return f'<div class="pg-cell pg-cell-wait" title="{label}"><span>{words}</span></div>'
    press = f'type="button" data-act="open" data-key="{index}"'
    if result.error:
        words = escape(f"{result.error} {result.hint}".strip())
        return f'<button {press} class="pg-cell pg-cell-failed" title="{words}"><span>{words}</span></button>'
    badge = "".join(f'<i class="pg-mark">{letter}</i>' for letter in marks)
    picture = f'<img loading="lazy" alt="{label}" src="{escape(url(index))}">'
    return (
        f'<button {press} class="pg-cell" aria-label="Open {label}" title="{label}">{picture}{badge}</button>'
        f'<span class="pg-cell-figures">{escape(figures(result))}</span>'
    )


def figures(result: Result) -> str:
    """0.82 s · CLIP 25.1; what was not measured is left out."""
    parts = [] if result.seconds is None else [seconds(result.seconds)]
    return " · ".join([*parts, *([] if result.clip_score is None else [f"CLIP {result.clip_score:.1f}"])])


def progress_html(plan: Plan, done: int, failed: int, now: int | None, doing: str, left_s: float | None) -> str:
    """5 of 12, Steps 8, Guidance 3: Step 2 of 8, about 9 s left."""
    text = f"{done} of {plan.count}"
    if failed:
        text += f", {failed} failed"
    if now is not None:
        text += f". {plan.label(now)}: {doing}"
    if left_s is not None:
        text += f", about {seconds(left_s)} left"
    return f'<div class="pg-wait"><span>{escape(text)}</span>{bar(done / max(1, plan.count), text)}</div>'


def ended_html(plan: Plan, results: Mapping[int, Result], stopped: bool) -> str:
    """How a run ended."""
    failed = sum(bool(one.error) for one in results.values())
    left = plan.count - len(results)
    if stopped and left:
        return note(
            f"Stopped: {len(results) - failed} of {plan.count} cells have their picture. Resume makes the rest."
        )
    if failed or left:
        cells = f"{failed + left} cells have" if failed + left > 1 else "1 cell has"
        return note(f"Done: {cells} no picture. A failed one says why; Resume tries it again.")
    return note(f"Done: all {plan.count} cells have their picture." if plan.count > 1 else "Done.")


def cell_html(plan: Plan, result: Result) -> str:
    """One cell's place, parameters and figures."""
    problem = ""
    if result.error:
        words = escape(f"{result.error} {result.hint}".strip())
        problem = f'<div class="pg-problem" role="alert">{words}</div>'
    rows = [(named(name), shown(value)) for name, value in result.parameters.items()]
    rows += [("Seconds", "" if result.seconds is None else f"{result.seconds:.2f}")]
    rows += [("Loading", seconds(result.load_s) if result.load_s else "")]
    rows += [("CLIPScore", "" if result.clip_score is None else f"{result.clip_score:.2f}")]
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in rows if v)
    text = escape(result.text)
    said = "".join(map(note, result.notices))
    whole = f"<details><summary>As text</summary><pre>{text}</pre></details>" if text else ""
    title = escape(plan.label(result.index))
    about = f'{problem}<div class="pg-about"><p>{title}</p></div>'
    return f'{about}<div class="pg-settings"><dl>{body}</dl>{said}{whole}</div>'


def compare_html(
    plan: Plan, first: Result, second: Result, found: Sequence[Setting], pixels: str, resized: bool = False
) -> str:
    """Two cells beside each other: what differs first, then both texts."""
    heads = f'<th scope="col">What differs</th><th scope="col">A: cell {first.index + 1}</th>'
    heads += f'<th scope="col">B: cell {second.index + 1}</th>'
    rows = [(one.name, one.first, one.second) for one in found]
    measured = {"Seconds": (first.seconds, second.seconds), "CLIPScore": (first.clip_score, second.clip_score)}
    for name, values in measured.items():
        one, two = ("" if value is None else f"{value:.2f}" for value in values)
        if one or two:
            rows.append((name, one, two))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(one)}</td><td>{escape(two)}</td></tr>'
        for name, one, two in rows
    )
    same = note("Their settings are the same.") if not found else ""
    shrunk = note("They have different sizes, so that both are shown at the size of the larger.") if resized else ""
    texts = "".join(_text_of(plan, letter, one) for letter, one in (("A", first), ("B", second)))
    return (
        f'{same}<div class="pg-scroll" tabindex="0" role="region" aria-label="What differs"><table '
        f'class="pg-table pg-differs"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        f'{note(pixels)}{shrunk}<div class="pg-settings">{texts}</div>'
    )


def _text_of(plan: Plan, letter: str, result: Result) -> str:
    words = escape(result.text or plan.label(result.index))
    return f"<details><summary>Parameters of {letter}</summary><pre>{words}</pre></details>"


def list_html(summaries: Sequence[Summary], now: float) -> str:
    """Earlier grids with their buttons."""
    if not summaries:
        return note("None yet. Every grid is kept here and can be resumed, also after a restart.")
    rows = []
    for one in summaries:
        key = escape(one.id)
        buttons = ""
        if not one.error:
            buttons += _button("show", key, "Show", one.name)
            buttons += _button("resume", key, "Resume", one.name) if one.done < one.total else ""
        buttons += _button("delete", key, "Delete", one.name)
        failed = f", {one.failed} failed" if one.failed else ""
        done = escape(one.error) or f"{one.done} of {one.total}{failed}"
        rows.append(
            f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.axes)}</td><td class="pg-num">{done}</td>'
            f"<td>{ago(max(0.0, now - one.changed))}</td><td>{buttons}</td></tr>"
        )
    heads = '<th scope="col">Grid</th><th scope="col">Axes</th><th scope="col" class="pg-num">Pictures</th>'
    heads += '<th scope="col">Changed</th><th scope="col"></th>'
    return (
        '<div class="pg-scroll" tabindex="0" role="region" aria-label="Earlier grids"><table class="pg-table pg-grids">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _button(act: str, key: str, label: str, name: str) -> str:
    return (
        f'<button type="button" class="pg-button" data-act="{act}" data-key="{key}" '
        f'aria-label="{label}: {escape(name)}">{label}</button> '
    )


def _label(text: str) -> str:
    return f"<span>{escape(text if len(text) <= 120 else text[:119] + '…')}</span>"


def _some(labels: Sequence[str]) -> str:
    shown_labels = [label if len(label) <= 60 else label[:59] + "…" for label in labels[:MOST_SHOWN]]
    more = f" and {len(labels) - MOST_SHOWN} more" if len(labels) > MOST_SHOWN else ""
    return " · ".join(shown_labels) + more
