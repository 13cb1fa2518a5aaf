"""The score table as HTML: facts, what others published, what was measured here. Pure; all text is escaped.

A figure that was not measured is an empty cell, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from playground.ui.words import count, seconds, size

Row = dict[str, Any]

# key, heading, lower is better (None: no better)
MEASURED = (
    ("load_s", "Load", "time to load"),
    ("ttft_s", "First token", "time to the first token"),
    ("tokens_per_s", "Speed", "tokens a second"),
    ("seconds_per_image", "Picture", "seconds for one picture"),
    ("peak_memory_bytes", "Memory", "highest memory"),
    ("quality", "Quality", "share of right answers, or CLIPScore"),
)
KINDS = {"chat": "text", "image": "image", "clip": "ruler"}


def figure(row: Row, key: str) -> str:
    """A figure with its unit, '' where there is none."""
    value = row.get(key)
    if value is None:
        return ""
    if key == "tokens_per_s":
        return f"{value:.0f} tok/s"
    if key == "peak_memory_bytes":
        return size(value)
    if key == "quality":
        unit = (row["measured"].get("quality") or {}).get("unit", "")
        return f"{value:.1f} %" if unit == "%" else f"{value:.1f} {unit}".strip()
    return seconds(value)


def filtered(rows: Sequence[Row], kind: str, licence: str, measured: bool, search: str) -> list[Row]:
    """The rows that pass every filter."""
    words = search.lower().split()
    found = []
    for row in rows:
        text = f"{row['name']} {row['id']} {row['licence']} {row['kind']}".lower()
        if kind not in ("all", row["kind"]) or licence not in ("Any", row["licence"]):
            continue
        if (measured and not row["measured"]) or not all(word in text for word in words):
            continue
        found.append(row)
    return found


def ordered(rows: Sequence[Row], key: str, down: bool) -> list[Row]:
    """By one column; rows without a value come last either way."""
    if not key:
        return list(rows)
    have = [row for row in rows if row.get(key) is not None]
    have.sort(key=lambda row: str(row[key]).lower() if isinstance(row[key], str) else row[key], reverse=down)
    return have + [row for row in rows if row.get(key) is None]


def table_html(rows: Sequence[Row], selected: str, sort: str, down: bool) -> str:
    """The table; its headings sort, its names select."""
    if not rows:
        return '<div class="pg-empty"><b>No model fits</b><span>Loosen a filter, or clear the search.</span></div>'

    def head(key: str, label: str, title: str = "", number: bool = False) -> str:
        order = f' aria-sort="{"descending" if down else "ascending"}"' if key == sort else ""
        arrow = (" ↓" if down else " ↑") if key == sort else ""
        css = ' class="pg-num"' if number else ""
        return (
            f'<th scope="col"{css}{order}><button type="button" data-act="sort" data-key="{key}" '
            f'title="{escape(title or label)}">{label}{arrow}</button></th>'
        )

    groups = (
        '<tr class="pg-groups"><th colspan="6" scope="colgroup">Facts</th><th scope="colgroup">Published elsewhere</th>'
        f'<th colspan="{len(MEASURED)}" scope="colgroup">Measured here</th></tr>'
    )
    heads = (
        head("name", "Model")
        + head("kind", "Kind")
        + head("licence", "Licence")
        + head("parameters", "Size", "parameters", number=True)
        + head("context", "Takes", "context in tokens, or the size of its pictures in pixels", number=True)
        + head("state", "State")
        + '<th scope="col">Claims</th>'
        + "".join(head(key, label, title, number=True) for key, label, title in MEASURED)
    )
    body = "".join(_row(row, row["id"] == selected) for row in rows)
    return (
        '<div class="pg-scroll" tabindex="0" role="region" aria-label="Scores">'
        f'<table class="pg-table"><thead>{groups}<tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(row: Row, selected: bool) -> str:
    claims = ", ".join(f"{p['name']} {p['value']:g}{_unit(p['unit'])}" for p in row["published"])
    cells = "".join(f'<td class="pg-num">{escape(figure(row, key))}</td>' for key, _, _ in MEASURED)
    parameters = count(row["parameters"]) if row["parameters"] else ""
    size_px = f"{row['native_size']} px" if row["native_size"] else ""
    takes = f"{row['context']:,}" if row["context"] else size_px
    chosen = ' class="pg-selected"' if selected else ""
    return (
        f'<tr{chosen}><th scope="row"><button type="button" data-act="row" data-key="{escape(row["id"])}" '
        f'aria-pressed="{str(selected).lower()}">{escape(row["name"])}</button></th>'
        f"<td>{KINDS[row['kind']]}</td><td>{escape(row['licence'])}</td><td class='pg-num'>{parameters}</td>"
        f"<td class='pg-num'>{takes}</td><td>{_state(row['state'])}</td>"
        f"<td class='pg-claims'>{escape(claims)}</td>{cells}</tr>"
    )


def _facts(row: Row) -> str:
    """Licence with its link, and the price with its date and source where there is one."""
    licence = f" {_link(row['licence_url'])}" if row["licence_url"] else ""
    lines = f"<dt>Licence: <b>{escape(row['licence'])}</b></dt><dd>{licence}</dd>"
    if price := row["price"]:
        what = f"${price['input_per_million']:g} in, ${price['output_per_million']:g} out for a million tokens"
        lines += f"<dt>Price, an estimate: <b>{what}</b></dt><dd>{escape(price['dated'])} {_link(price['source'])}</dd>"
    return f"<dl>{lines}</dl>"


def _state(state: str | None) -> str:
    if not state:
        return ""
    return f'<span class="pg-state pg-state-{state.replace(" ", "-")}">{state}</span>'


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def how_html(row: Row | None, explain: Any) -> str:
    """How each figure of the selected row came about, and who published the others."""
    if row is None:
        return '<div class="pg-note">Click a model to see how its figures came about.</div>'
    parts = [f"<h3>{escape(row['name'])}</h3>", _facts(row)]
    measured = [(label, figure(row, key), explain(row, key)) for key, label, _ in MEASURED if row.get(key) is not None]
    if measured:
        lines = "".join(f"<dt>{label}: <b>{escape(v)}</b></dt><dd>{escape(text)}</dd>" for label, v, text in measured)
        parts.append(f"<h4>Measured here</h4><dl>{lines}</dl>")
    else:
        parts.append("<p>Nothing was measured here yet: press Measure.</p>")
    if row["published"]:
        lines = "".join(
            f"<dt>{escape(p['name'])}: <b>{p['value']:g}{escape(_unit(p['unit']))}</b></dt>"
            f"<dd>{_link(p['source'])}{' ' + escape(p['note']) if p['note'] else ''}</dd>"
            for p in row["published"]
        )
        parts.append(f"<h4>Published elsewhere, not checked here</h4><dl>{lines}</dl>")
    return f'<div class="pg-how">{"".join(parts)}</div>'


def _link(source: str) -> str:
    """A source as a link, where it is one."""
    if not source.startswith(("https://", "http://")):
        return escape(source)
    return f'<a href="{escape(source)}" target="_blank" rel="noopener noreferrer">{escape(source)}</a>'
