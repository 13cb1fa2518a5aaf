"""How a plan, its files on their way and what was found in them look. All that a model wrote is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePosixPath

from playground.code.check import Report
from playground.code.plan import Plan, in_order
from playground.ui.code_run import Asking
from playground.ui.code_writing import Part, Writing
from playground.ui.words import note, seconds, waiting

MOST_SHOWN = 30  # problems, names
SMALL = (
    '{"files": [{"path": "main.py", "purpose": "Prints a greeting.", "exports": ["main"], "imports": []}], '
    '"packages": []}'
)
EMPTY = (
    '<div class="pg-empty"><b>No plan yet</b><span>Say what should be written and press Plan. Small models, the '
    "starter models among them, plan and program badly: with those, write the plan yourself in the box below, and "
    "expect to correct the files. A plan is JSON of this form; Example plan fills in a longer one.</span>"
    f"<code>{escape(SMALL)}</code></div>"
)
LANGUAGES = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), "python"),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), "javascript"),
    **dict.fromkeys((".ts", ".tsx"), "typescript"),
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    **dict.fromkeys((".sh", ".bash"), "shell"),
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cpp", ".cc", ".hpp"), "cpp"),
    ".md": "markdown",
    ".json": "json",
    ".css": "css",
    ".sql": "sql",
    ".tex": "latex",
    ".r": "r",
    ".jinja": "jinja2",
}


def language_of(path: str) -> str | None:
    """By which rules a file is coloured; None for none."""
    if PurePosixPath(path).name.lower() == "dockerfile":
        return "dockerfile"
    return LANGUAGES.get(PurePosixPath(path.lower()).suffix)


def plan_html(plan: Plan, problems: Sequence[str]) -> str:
    """The plan as a table, what is wrong with it above."""
    rows = "".join(
        f'<tr><th scope="row">{escape(file.path)}</th><td>{escape(file.purpose)}</td>'
        f"<td>{_names(file.exports)}</td><td>{_taken(file.imports)}</td></tr>"
        for file in plan.files
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("File", "What it is for", "Exports", "Takes"))
    table = (
        '<div class="pg-scroll" role="region" tabindex="0" aria-label="The plan"><table class="pg-table pg-plan">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    count = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    packages = f" Packages to install: {', '.join(plan.packages)}." if plan.packages else ""
    order = [file.path for file in in_order(plan)]
    written = f", written in the order {', '.join(order)}" if 1 < len(order) <= 8 and not problems else ""
    return _problems(problems) + table + note(f"{count}{written}.{packages}")


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in problems[:MOST_SHOWN])
    more = len(problems) - MOST_SHOWN
    items += f"<li>and {more} more</li>" if more > 0 else ""
    return (
        '<div class="pg-problem" role="alert"><span>The plan cannot be written yet:</span>'
        f'<ul>{items}</ul><span class="pg-hint">Correct it below, or press Plan again.</span></div>'
    )


def _names(names: Sequence[str]) -> str:
    shown = " ".join(f"<code>{escape(name)}</code>" for name in names[:MOST_SHOWN])
    return shown + (f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else "")


def _taken(imports: Sequence[object]) -> str:
    lines = []
    for one in imports:
        names, path = one.names, one.path  # type: ignore[attr-defined]
        lines.append(f"{_names(names) or 'all'} from {escape(path)}")
    return "<br>".join(lines)


def asking_html(state: Asking) -> str:
    """What a plan on its way waits for, or how far it is."""
    attempt = ", second try, since the first had problems" if state.attempt > 1 else ""
    if state.waiting:
        return waiting(f"{state.waiting}{attempt}, {seconds(state.seconds)}")
    return waiting(f"The plan is written{attempt}: about {state.tokens:,} tokens, {seconds(state.seconds)}")


def writing_html(state: Writing) -> str:
    """Which file is written, how far it is, and how far all are."""
    total = len(state.parts)
    ready = sum(part.state not in ("waiting", "writing") for part in state.parts.values())
    if not state.now:
        return waiting("Looking over the files" if ready == total else "Starting", ready / max(1, total))
    attempt = state.parts[state.now].attempt
    text = f"{state.now}, file {state.index} of {total}" + (f", try {attempt}" if attempt > 1 else "")
    if state.waiting:
        text += f": {state.waiting}, {seconds(state.seconds)}"
    else:
        speed = f", {state.live_speed:.0f} tok/s" if state.live_speed is not None else ""
        text += f": about {state.live_tokens:,} tokens{speed}, {seconds(state.seconds)}"
    return waiting(text, ready / max(1, total))


def files_html(parts: Mapping[str, Part], shown: str) -> str:
    """The files with their states and figures; a click on one shows it. `shown` is the one that is."""
    rows = "".join(_file(part, part.path == shown) for part in parts.values())
    heads = (("File", ""), ("State", ""), ("Lines", "pg-num"), ("Tokens", "pg-num"), ("tok/s", "pg-num"))
    head = "".join(f'<th scope="col" class="{css}">{name}</th>' for name, css in (*heads, ("Time", "pg-num")))
    return (
        '<div class="pg-scroll" role="region" tabindex="0" aria-label="The files"><table class="pg-table pg-written">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _file(part: Part, shown: bool) -> str:
    name = escape(part.path)
    if part.text or part.state == "writing":
        pressed = str(shown).lower()
        name = f'<button type="button" data-act="show" data-key="{name}" aria-pressed="{pressed}">{name}</button>'
    text = "" if part.state == "writing" else part.text  # a list that changes at each token cannot be clicked
    cells = [
        f"{text.count(chr(10)) + (not text.endswith(chr(10))):,}" if text else "",
        f"{part.tokens:,}" if part.tokens else "",
        f"{part.tokens_per_s:.0f}" if part.tokens_per_s is not None else "",
        seconds(part.seconds) if part.seconds else "",
    ]
    figures = "".join(f'<td class="pg-num">{cell}</td>' for cell in cells)
    css = ' class="pg-selected"' if shown else ""
    return f'<tr{css}><th scope="row">{name}</th><td>{_state(part)}</td>{figures}</tr>'


def _state(part: Part) -> str:
    if part.state == "writing":
        again = f", try {part.attempt}" if part.attempt > 1 else ""
        return f'<span class="pg-live pg-chosen">writing{again}</span>'
    if part.state == "not whole":
        return f'<span class="pg-wrong">not whole</span> {escape(part.error)}'
    if part.state == "lacks names":
        return f'<span class="pg-wrong">lacks</span> {_names(part.missing)}'
    return '<span class="pg-right">done</span>' if part.state == "done" else "waiting"


def report_html(report: Report | None) -> str:
    """What the check over all files found."""
    if report is None:
        return ""
    items = "".join(
        f"<li>{escape(p.path)}{f', line {p.line}' if p.line else ''}: {escape(p.text)}</li>"
        for p in report.problems[:MOST_SHOWN]
    )
    more = len(report.problems) - MOST_SHOWN
    items += f"<li>and {more} more</li>" if more > 0 else ""
    state = "pg-right" if report.ok else "pg-wrong"
    listed = f"<ul>{items}</ul>" if items else ""
    return (
        f'<div class="pg-code pg-checked"><b class="{state}">{"Checked" if report.ok else "Look at this"}</b>'
        f"<span>{escape(report.summary)} Nothing was run.</span>{listed}</div>"
    )


def ended_html(parts: Mapping[str, Part], stopped: bool) -> str:
    """What there is after writing, and what Write does next."""
    done = sum(part.state == "done" for part in parts.values())
    total = len(parts)
    if done == total:
        return note(f"Done: {'the file is' if total == 1 else f'all {total} files are'} written.")
    begin = "Stopped" if stopped else "Ended"
    return note(f"{begin}: {done} of {total} files are done. Write goes on with the others.")
