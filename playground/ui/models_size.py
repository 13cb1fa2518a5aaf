"""What a model takes, as HTML: its forms against the budget, its parts, and the builds that it exists in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from playground.ui.words import count, size

Row = Mapping[str, Any]


def size_html(report: Row, *, can_add: bool = False) -> str:
    """The report of `python -m playground.doctor MODEL`, for people. Facts that are not known are left out.

    `can_add`: quantized forms come with a button that puts them on the list (data-act "form", data-key the
    quantization and the model's name with a colon between them).
    """
    facts = []
    if report.get("parameters"):
        facts.append(f"{count(report['parameters'])} parameters")
    if report.get("context"):
        facts.append(f"{report['context']:,} tokens of context")
    if report.get("download_bytes"):
        facts.append(f"{size(report['download_bytes'])} to download")
    facts.append(f"budget {size(report['budget_bytes'])}")
    blocks = [_forms(report, can_add), _parts(report), _working(report), _builds(report)]
    notes = "".join(f'<p class="pg-note">{escape(text)}</p>' for text in report.get("notes", ()))
    return (
        f'<section class="pg-size" aria-label="What {escape(report["id"])} takes"><header><b>{escape(report["id"])}</b>'
        f'<button type="button" class="pg-button" data-act="close" data-key="">Close</button></header>'
        f'<p>{escape(report.get("verdict", ""))}</p><div class="pg-facts">{escape(" · ".join(facts))}</div>{notes}'
        f"{''.join(block for block in blocks if block)}</section>"
    )


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return (
        f'<h3>{escape(caption)}</h3><div class="pg-size-scroll" tabindex="0"><table class="pg-size-table">'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class _Button(str):
    """A cell that is HTML already."""


def _cell(cell: str) -> str:
    return f"<td>{cell if isinstance(cell, _Button) else escape(cell)}</td>"


def _add_button(report: Row, form: Row) -> str:
    if form["form"] in (form["dtype"], "as stored"):
        return ""
    key, label = f"{form['form']}:{report['id']}", f"Add {report['id']} in {form['form']} to the list"
    return _Button(
        f'<button type="button" class="pg-button" data-act="form" data-key="{escape(key)}" '
        f'aria-label="{escape(label)}">Add to the list</button>'
    )


def _forms(report: Row, can_add: bool) -> str:
    rows = []
    for form in report.get("forms", ()):
        reach = "does not fit"
        if form["fits"]:
            reach = "fits"
            if form.get("context"):
                reach = f"{form['context']:,} tokens"
            if form.get("largest"):
                best = form["largest"]
                how = {"whole": "", "tiled": ", decoded in tiles", "staged": ", part by part"}[best["plan"]]
                reach = f"{best['side']} x {best['side']}{how}"
        cache = size(form["kv_per_token"]) if form.get("kv_per_token") else ""
        full = size(form["kv_full"]) if form.get("kv_full") else ""
        rows.append([form["form"], size(form["weights"]), cache, full, reach])
        if can_add:
            rows[-1].append(_add_button(report, form))
    head = ["Held as", "Weights", "Cache a token", "Cache at full context", "Fits here", *([""] if can_add else [])]
    shown = [i for i in range(len(head)) if i == 5 or any(row[i] for row in rows)]
    head, rows = [head[i] for i in shown], [[row[i] for i in shown] for row in rows]
    return _table("What fits", head, rows)


def _parts(report: Row) -> str:
    rows = [
        [
            part["name"],
            count(part["parameters"]),
            size(part["stored_bytes"]),
            ", ".join(part["stored_dtypes"]),
            size(part["bytes"]) if part["bytes"] is not None else "",
        ]
        for part in report.get("components", ())
    ]
    return _table("Parts", ["Part", "Parameters", "Stored", "as", f"Loaded ({report.get('form') or ''})"], rows)


def _working(report: Row) -> str:
    rows = [
        [f"{w['side']} x {w['side']}", str(w["batch"]), size(w["step"]), size(w["plain"]), size(w["tiled"])]
        for w in report.get("working", ())
    ]
    return _table("Work beside the weights", ["Size", "At once", "A step", "Decode", "Decode in tiles"], rows)


def _builds(report: Row) -> str:
    names = {"gguf": "GGUF", "onnx": "ONNX", "browser": "in the browser"}
    rows = [
        [b["name"], names[b["format"]], size(b["bytes"]), "fits" if b["fits"] else "does not fit", b["source"]]
        for b in report.get("builds", ())
    ]
    return _table("Other builds", ["Build", "For", "Size", "Here", "Where"], rows)
