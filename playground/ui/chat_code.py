"""The files of an answer that holds several: their list, what the check over all of them found, and a zip to save."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from playground.code.check import check
from playground.code.files import files_in
from playground.code.pack import packed
from playground.errors import PlaygroundError
from playground.whole_files import write_whole

MOST_SHOWN = 20  # problems
FENCES = ("```", "~~~")


@lru_cache(maxsize=256)
def code_html(content: str, folder: Path) -> str:
    """The files that the answer names, as HTML; empty where it names none. The zip is written into `folder`."""
    if not any(fence in content for fence in FENCES):
        return ""
    try:
        found = files_in(content)
        if not found.files:
            return ""
        report, data = check(found.files), packed(found.files)
    except PlaygroundError as error:
        return f'<div class="pg-note">{escape(error.message)}</div>'
    path = folder / f"{hashlib.sha256(data).hexdigest()}.zip"
    if not path.exists():
        write_whole(path, data)
    names = "".join(f"<li>{escape(file.path)}</li>" for file in found.files)
    problems = "".join(
        f"<li>{escape(p.path)}{f', line {p.line}' if p.line else ''}: {escape(p.text)}</li>"
        for p in report.problems[:MOST_SHOWN]
    )
    more = len(report.problems) - MOST_SHOWN
    problems += f"<li>and {more} more</li>" if more > 0 else ""
    notes = "".join(f"<li>{escape(text)}</li>" for text in found.notes)
    link = f'<a href="gradio_api/file={quote(str(path))}" download="files.zip">Save as a zip</a>'
    listed = (
        f"<details><summary>What was found</summary><ul>{problems}{notes}</ul></details>" if problems or notes else ""
    )
    return (
        f'<div class="pg-code"><b>{len(found.files)} file{"s" * (len(found.files) > 1)}</b> {link}'
        f'<ul class="pg-attached">{names}</ul><span>{escape(report.summary)}</span>{listed}</div>'
    )
