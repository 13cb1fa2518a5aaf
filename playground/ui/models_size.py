"""What a model takes, as HTML: its forms against the budget, its parts, and the builds that it exists in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from playground.ui.words import count, size

Row = Mapping[str, Any]


def size_html(report: Row) -> str:
    """The report of `python -m playground.doctor MODEL`, for people. Facts that are not known are left out."""
    facts = []
    if report.get("parameters"):
        facts.append(f"{count(report['parameters'])} parameters")
    if report.get("context"):
        facts.append(f"{report['context']:,} tokens of context")
    if report.get("download_bytes"):
        facts.append(f"{size(report['download_bytes'])} to download")
    facts.append(f"budget {size(report['budget_bytes'])}")
    blocks = [_forms(report), _parts(report), _working(report), _builds(report)]
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
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<h3>{escape(caption)}</h3><div class="pg-size-scroll" tabindex="0"><table class="pg-size-table">'
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _forms(report: Row) -> str:
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
    head = ["Held as", "Weights", "Cache a token", "Cache at full context", "Fits here"]
    if rows and not any(row[2] for row in rows):
        head, rows = [head[0], head[1], head[4]], [[row[0], row[1], row[4]] for row in rows]
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
