"""A classification in HTML: progress, figures, confusion matrices and the texts. All outside text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from playground.classify.metrics import Figures
from playground.classify.records import Item, Result, Verdict, margin, predicted, right
from playground.classify.run import Progress
from playground.classify.tables import agreements_of, figures_of
from playground.protocol import Failed, Loading, Queued
from playground.ui.words import empty, loading, note, problem, queued, seconds, waiting

MOST_ROWS = 200  # on the page; the files have all
MOST_BARS = 6  # labels of one cell, the likeliest ones
MOST_TEXT = 400  # characters of a text in the table
SHOW = ("All", "Wrong", "Models differ")

Names = Mapping[str, str]

EMPTY = empty(
    "Nothing classified yet",
    "Click one of the examples: it fills in texts and labels and runs at once. Or paste your own texts, one a line.",
)


def progress_html(steps: Mapping[str, Progress], names: Names) -> str:
    """A bar for each model that is under way."""
    lines = []
    for model, step in steps.items():
        name = names.get(model, model)
        if step.waiting is not None and not step.done:
            line = queued(step.waiting) if isinstance(step.waiting, Queued) else loading(step.waiting)
            fraction = step.waiting.fraction if isinstance(step.waiting, Loading) else None
            lines.append(waiting(f"{name}: {line}", fraction))
        else:
            left = f", about {seconds(step.seconds_left)} left" if step.seconds_left and step.done < step.total else ""
            lines.append(waiting(f"{name}: {step.done:,} of {step.total:,}{left}", step.done / max(1, step.total)))
    return "".join(lines)


def figures_html(result: Result, names: Names) -> str:
    """What each model came to: how many texts, speed, accuracy with its interval, F1; and how far models agree."""
    heads = ["Model", "Texts", "Accuracy", "Macro F1", "Texts/s", "Latency", "p95", "Probability is"]
    titles = {
        "Accuracy": "texts of which every label is right, of those with a truth; 95 % Wilson interval",
        "Macro F1": "mean of the labels' F1",
        "Texts/s": "while it worked, queue and load left out",
        "Latency": "median seconds from when a text was begun, with those that it was read together with",
        "p95": "95 of 100 texts took at most this long",
    }
    if result.task.multi_label:
        heads[2:4] = ["Exact match", "Micro F1", "Macro F1"]
        titles["Exact match"] = titles["Accuracy"]
        titles["Micro F1"] = "F1 over all labels of all texts together"
    head = "".join(f'<th scope="col" title="{escape(titles.get(name, name))}">{escape(name)}</th>' for name in heads)
    rows = "".join(_figures_row(result, model, names) for model in result.models)
    table = _scroll("Figures of each model", f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>")
    failures = "".join(problem(Failed(text), names.get(model, model)) for model, text in result.failures.items())
    notes = "".join(
        note(f"{names.get(model, model)}: {text}") for model in result.models for text in result.notes.get(model, ())
    )
    agreed = "".join(
        note(
            f"{names.get(one.first, one.first)} and {names.get(one.second, one.second)} agree on {one.share:.1%} of "
            f"{one.n:,} texts" + (f", Cohen's kappa {one.kappa:.2f}." if one.kappa is not None else ".")
        )
        for one in agreements_of(result)
    )
    return failures + table + agreed + notes


def matrices_html(result: Result, names: Names) -> str:
    """Each label's precision and recall, and which label was taken for which, for every model with a truth."""
    parts = []
    for model in result.models:
        found = figures_of(result, model)
        if found is not None:
            name = names.get(model, model)
            parts.append(f'<div class="pg-matrix">{_labels_table(found, name)}{_matrix(found, name)}</div>')
    return f'<div class="pg-matrices">{"".join(parts)}</div>' if parts else ""


def rows_html(result: Result, names: Names, show: str = "All") -> str:
    """The texts with each model's labels and the probabilities as bars; at most 200 of those to be shown."""
    chosen = [i for i in range(len(result.items)) if _shown(result, i, show)]
    if not chosen:
        waits = any(len(result.of(m)) < len(result.items) for m in result.models)
        text = "No text is finished yet." if show == "All" and waits else f"No text fits “{show}”."
        return empty("Nothing to show", text)
    truth = any(item.truth is not None for item in result.items)
    head = '<th scope="col">Line</th><th scope="col">Text</th>' + ('<th scope="col">Truth</th>' if truth else "")
    head += "".join(f'<th scope="col">{escape(names.get(m, m))}</th>' for m in result.models)
    body = "".join(_row(result, i, names, truth) for i in chosen[:MOST_ROWS])
    more = note(f"{len(chosen) - MOST_ROWS:,} more are in the files below.") if len(chosen) > MOST_ROWS else ""
    return _scroll("Texts with their labels", f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", "pg-texts") + more


# --- pieces ---


def _shown(result: Result, index: int, show: str) -> bool:
    item, task = result.items[index], result.task
    verdicts = [v for m in result.models if (v := result.of(m).get(index)) is not None]
    if show == "Wrong":
        return any(right(task, item, v) is False for v in verdicts)
    if show == "Models differ":
        return len({predicted(task, v) for v in verdicts if not v.error}) > 1
    return bool(verdicts)


def _figures_row(result: Result, model: str, names: Names) -> str:
    found, speed = figures_of(result, model), result.speeds.get(model)
    verdicts = result.of(model)
    failed = sum(bool(v.error) for v in verdicts.values())
    texts = f"{len(verdicts):,} of {len(result.items):,}" + (f", {failed:,} failed" if failed else "")
    cells = [texts]
    if found is None:
        cells += [""] * (3 if result.task.multi_label else 2)
    else:
        cells.append(f"{found.accuracy:.1%} ({found.low:.0%} to {found.high:.0%}), n = {found.n:,}")
        f1 = [found.micro_f1, found.macro_f1] if result.task.multi_label else [found.macro_f1]
        cells += [_share(value) for value in f1]
    if speed is None:
        cells += ["", "", ""]
    else:
        cells += [f"{speed.texts_per_s:.1f}", seconds(speed.median_s), seconds(speed.p95_s)]
    kinds = {verdict.method for verdict in verdicts.values()}
    counts = f"share of {result.task.samples} samples"
    calibrated = ", calibrated" if result.task.calibrate else ""
    cells.append({"likelihood": f"likelihood{calibrated}", "samples": counts}[kinds.pop()] if kinds else "")
    row = "".join(f'<td class="pg-num">{escape(cell)}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(names.get(model, model))}</th>{row}</tr>'


def _labels_table(found: Figures, name: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(one.label)}</th><td class="pg-num">{_share(one.precision)}</td>'
        f'<td class="pg-num">{_share(one.recall)}</td><td class="pg-num">{_share(one.f1)}</td>'
        f'<td class="pg-num">{one.support:,}</td></tr>'
        for one in found.labels
    )
    head = "".join(f'<th scope="col">{h}</th>' for h in ("Label", "Precision", "Recall", "F1", "True"))
    caption = f"<caption>{escape(name)}: each label</caption>"
    return _scroll(f"{name}: each label", f"{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>")


def _matrix(found: Figures, name: str) -> str:
    """Rows are the truth; a cell is the darker, the more of its row it holds."""
    if found.confusion is None:
        return ""
    labels = [one.label for one in found.labels]
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    rows = ""
    for i, counts in enumerate(found.confusion):
        cells = "".join(_cell(counts, i, j, labels) for j in range(len(labels)))
        rows += f'<tr><th scope="row">{escape(labels[i])}</th>{cells}</tr>'
    caption = f"<caption>{escape(name)}: truth in rows, answer in columns</caption>"
    return _scroll(
        f"{name}: confusion matrix",
        f'{caption}<thead><tr><th scope="col">Truth</th>{head}</tr></thead><tbody>{rows}</tbody>',
        "pg-confusion",
    )


def _cell(counts: Sequence[int], i: int, j: int, labels: Sequence[str]) -> str:
    share = counts[j] / max(1, sum(counts))
    kind = "good" if i == j else "warn"
    title = f"{counts[j]} of {sum(counts)} texts that are {labels[i]} were taken for {labels[j]}"
    style = f"background: color-mix(in srgb, var(--pg-{kind}) {share * 45:.0f}%, transparent) !important"
    return f'<td class="pg-num" style="{style}" title="{escape(title)}">{counts[j]}</td>'


def _row(result: Result, index: int, names: Names, truth: bool) -> str:
    item = result.items[index]
    text = item.text if len(item.text) <= MOST_TEXT else item.text[: MOST_TEXT - 1] + "…"
    known = f"<td>{escape(_named(item.truth) if item.truth is not None else '')}</td>" if truth else ""
    cells = "".join(_verdict_cell(result, item, result.of(m).get(index)) for m in result.models)
    return f'<tr><td class="pg-num">{item.line}</td><td class="pg-text">{escape(text)}</td>{known}{cells}</tr>'


def _verdict_cell(result: Result, item: Item, verdict: Verdict | None) -> str:
    if verdict is None:
        return "<td></td>"
    if verdict.error:
        return f'<td class="pg-wrong">{escape(verdict.error)}</td>'
    task = result.task
    labels = predicted(task, verdict)
    held = {
        True: ' <span class="pg-right">✓ right</span>',
        False: ' <span class="pg-wrong">✗ wrong</span>',
        None: "",
    }[right(task, item, verdict)]
    ranked = sorted(zip(task.labels, verdict.probabilities, strict=True), key=lambda pair: -pair[1])[:MOST_BARS]
    bars = "".join(_bar(label, p, label in labels) for label, p in ranked)
    clear = f"margin {margin(task, verdict):.2f}"
    if verdict.samples:
        clear += f", {verdict.samples} samples" + (f", {verdict.invalid} invalid" if verdict.invalid else "")
    if verdict.seconds is not None:
        clear += f", {seconds(verdict.seconds)}"
    return (
        f'<td><b>{escape(_named(labels))}</b>{held}<div class="pg-shares">{bars}</div>'
        f'<div class="pg-note">{escape(clear)}</div></td>'
    )


def _bar(label: str, p: float, chosen: bool) -> str:
    css = "pg-share pg-chosen" if chosen else "pg-share"
    return (
        f'<div class="{css}"><span class="pg-share-bar" aria-hidden="true"><i style="width:{p * 100:.1f}%"></i></span>'
        f"<span>{p:.1%}</span><span>{escape(label)}</span></div>"
    )


def _named(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "none"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _scroll(label: str, inner: str, css: str = "") -> str:
    return (
        f'<div class="pg-scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="pg-table {css}">{inner}</table></div>'
    )
