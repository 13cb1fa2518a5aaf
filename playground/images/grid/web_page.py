"""A grid as one HTML file that needs nothing else: pictures inside, every cell's parameters on hover and unfolded.

All text is escaped, and a content policy in the file forbids scripts and every request.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from html import escape

from playground.images.grid.cells import Result
from playground.images.grid.differences import named, shown
from playground.images.grid.kept import thumbnail
from playground.images.grid.plan import Plan, request_record

PICTURE = 512  # pixels of the longer side at most
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #c9d1d1; --quiet: #667575; --wrong: #8f2c1b; }
@media (prefers-color-scheme: dark) { :root { --line: #364244; --quiet: #93a1a1; --wrong: #f2a596; } }
body { font: 14px/1.5 system-ui, sans-serif; margin: 24px; font-variant-numeric: tabular-nums; }
h1 { font-size: 18px; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 32px 0 8px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: 6px; vertical-align: top; text-align: left; }
tbody th { max-width: 220px; overflow-wrap: anywhere; }
img { display: block; max-width: min(512px, 70vw); height: auto; border-radius: 4px; }
figure { margin: 0; } figcaption, summary, .quiet { color: var(--quiet); font-size: 12px; }
.wrong { color: var(--wrong); max-width: 240px; } details { max-width: 320px; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; font-size: 12px; margin: 4px 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
"""


def page(plan: Plan, results: Mapping[int, Result], load: Callable[[int], bytes | None], note: str = "") -> str:
    """The file's text; `load(index)` gives a cell's picture as PNG, `note` says what the figures mean."""
    x, y, z = plan.shape
    first, second, third = plan.axes
    out = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Grid: {escape(plan.base.prompt[:80])}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(plan.base.prompt)}</h1>",
        f'<p class="quiet">{escape(", ".join(f"{place}: {axis.axis}" for place, axis in plan.named))}</p>',
        f"<details><summary>Settings that all share</summary>{_list(_shared(plan))}</details>",
    ]
    for c in range(z):
        if third is not None:
            out.append(f"<h2>{escape(third.axis)}: {escape(third.labels[c])}</h2>")
        out.append('<div class="wide"><table>')
        if first is not None:
            corner = f"{second.axis if second else ''}"
            heads = "".join(f'<th scope="col">{escape(label)}</th>' for label in first.labels)
            out.append(f'<thead><tr><th class="quiet">{escape(corner)}</th>{heads}</tr></thead>')
        out.append("<tbody>")
        for b in range(y):
            out.append(f'<tr><th scope="row">{escape(second.labels[b]) if second else ""}</th>')
            for a in range(x):
                index = (c * y + b) * x + a
                out.append(f"<td>{_cell(plan, index, results.get(index), load)}</td>")
            out.append("</tr>")
        out.append("</tbody></table></div>")
    out.append(f'<p class="quiet">{escape(note)}</p></body></html>')
    return "".join(out)


def _cell(plan: Plan, index: int, result: Result | None, load: Callable[[int], bytes | None]) -> str:
    label = escape(plan.label(index))
    if result is None:
        return f'<p class="quiet" title="{label}">Not made</p>'
    unfolded = f"<details><summary>Parameters</summary>{_list(result.parameters)}</details>"
    if result.error:
        return f'<p class="wrong" title="{label}">{escape(f"{result.error} {result.hint}".strip())}</p>{unfolded}'
    png = load(index)
    hover = escape(result.text or plan.label(index))
    if png is None:
        picture = '<p class="wrong">The picture\'s file is missing.</p>'
    else:
        data = base64.b64encode(thumbnail(png, PICTURE)).decode("ascii")
        picture = f'<img alt="{label}" title="{hover}" src="data:image/webp;base64,{data}">'
    return f"<figure>{picture}<figcaption>{escape(figures(result))}</figcaption></figure>{unfolded}"


def figures(result: Result) -> str:
    """0.82 s, CLIPScore 25.1; what was not measured is left out."""
    parts = [] if result.seconds is None else [f"{result.seconds:.2f} s"]
    return ", ".join([*parts, *([] if result.clip_score is None else [f"CLIPScore {result.clip_score:.1f}"])])


def _shared(plan: Plan) -> dict[str, object]:
    varied = {name for name in request_record(plan.base) if len({getattr(c.request, name) for c in plan.cells}) > 1}
    return {name: value for name, value in request_record(plan.base).items() if name not in varied}


def _list(values: Mapping[str, object]) -> str:
    rows = ((named(name), shown(value)) for name, value in values.items())
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows if v) + "</dl>"
