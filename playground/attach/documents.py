"""A file that a user attaches, as the text that a model reads under a heading. Knows names and bytes; opens nothing.

PDFs and zipped projects have modules of their own, which are asked from here.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from playground.attach.encodings import decoded
from playground.errors import InvalidRequest

Kind = Literal["text", "markdown", "csv", "code", "pdf", "project"]

MOST_BYTES = 32 * 2**20
MOST_NAME = 120

MARKDOWN = {".md", ".markdown", ".mdx"}
TABLES = {".csv": ",", ".tsv": "\t"}
# What follows the three backticks: names that every highlighter knows.
CODE = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), "python"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "javascript"),
    **dict.fromkeys((".ts", ".tsx", ".mts"), "typescript"),
    **dict.fromkeys((".c", ".h"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu"), "cpp"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "bash"),
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    **dict.fromkeys((".xml", ".svg", ".xsd"), "xml"),
    **dict.fromkeys((".json", ".jsonl", ".ipynb", ".geojson"), "json"),
    **dict.fromkeys((".ini", ".cfg", ".conf", ".properties"), "ini"),
    **dict.fromkeys((".kt", ".kts"), "kotlin"),
    **dict.fromkeys((".r", ".rmd"), "r"),
    **dict.fromkeys((".ex", ".exs"), "elixir"),
    **dict.fromkeys((".tex", ".bib"), "latex"),
    ".cs": "csharp",
    ".css": "css",
    ".scss": "scss",
    ".dart": "dart",
    ".diff": "diff",
    ".patch": "diff",
    ".erl": "erlang",
    ".fs": "fsharp",
    ".go": "go",
    ".hs": "haskell",
    ".java": "java",
    ".jl": "julia",
    ".lua": "lua",
    ".m": "matlab",
    ".php": "php",
    ".pl": "perl",
    ".proto": "protobuf",
    ".ps1": "powershell",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sql": "sql",
    ".swift": "swift",
    ".toml": "toml",
    ".vue": "vue",
    ".zig": "zig",
}
NAMED = {"dockerfile": "dockerfile", "makefile": "makefile", "cmakelists.txt": "cmake"}
# Files that people try to attach and that are no text; each with what to do.
ELSEWHERE = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"), "Attach it as a picture."),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg", ".m4a"), "Attach it as a recording."),
    **dict.fromkeys((".docx", ".doc", ".odt", ".pptx", ".rtf", ".epub"), "Save it as PDF or as plain text."),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".parquet"), "Save the sheet as CSV."),
}


@dataclass(frozen=True)
class Document:
    """A file as text. `body` is its content, `about` what the heading says of it, `language` that of code.

    `notes` are sentences for the user, such as in which encoding the file was read.
    """

    name: str
    kind: Kind
    body: str
    about: str = ""
    language: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the model reads: a heading, then the content, fenced where its form matters."""
        about = f" ({self.about})" if self.about else ""
        return f"Document {self.name}{about}:\n\n{fenced(self.body, self.language) if self.language else self.body}"


def document(name: str, data: bytes) -> Document:
    """The file as a document; what kind it is says its name.

    Raises:
        InvalidRequest: the file is too large, empty, no text, or cannot be read; one sentence that names it.
    """
    shown = shown_name(name)
    if len(data) > MOST_BYTES:
        raise InvalidRequest(
            f"{shown} has {len(data) / 2**20:.0f} MiB; at most {MOST_BYTES // 2**20} MiB are read.",
            "Attach a part of it.",
        )
    ending = PurePosixPath(shown.lower()).suffix
    if ending == ".pdf" or data[:5] == b"%PDF-":
        from playground.attach.pdf import pdf_document

        return pdf_document(shown, data)
    if ending == ".zip":
        from playground.attach.project_zip import project_document

        return project_document(shown, data)
    if ending in ELSEWHERE:
        raise InvalidRequest(f"{shown} cannot be read as text.", ELSEWHERE[ending])
    text, notes = decoded(shown, data)
    if not text.strip():
        raise InvalidRequest(f"{shown} is empty.", "Choose another file.")
    if ending in TABLES:
        return Document(shown, "csv", text, _size_of_table(text, TABLES[ending]), "csv", notes)
    language = CODE.get(ending) or NAMED.get(shown.lower(), "")
    if language:
        return Document(shown, "code", text, language=language, notes=notes)
    return Document(shown, "markdown" if ending in MARKDOWN else "text", text, notes=notes)


def shown_name(name: str) -> str:
    """The last part of a path as one printable line, not too long; the ending stays."""
    last = re.split(r"[/\\]", name)[-1]
    whole = last.encode("utf-8", "replace").decode()
    line = " ".join("".join(c if c.isprintable() else " " for c in whole).split()) or "file"
    if len(line) <= MOST_NAME:
        return line
    ending = PurePosixPath(line).suffix[:20]
    return line[: MOST_NAME - len(ending) - 1] + "…" + ending


def fenced(text: str, language: str) -> str:
    """The text between backticks, more of them than stand in it in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    ended = text if text.endswith("\n") else text + "\n"
    return f"{fence}{language}\n{ended}{fence}"


def _size_of_table(text: str, comma: str) -> str:
    """Rows and columns of a table; empty where it cannot be parsed."""
    first_line = text.lstrip().split("\n", 1)[0]
    if comma == ",":  # many a CSV file of continental Europe has semicolons
        comma = max(",;\t", key=first_line.count)
    rows = csv.reader(io.StringIO(text), delimiter=comma)
    try:
        first = next(rows)
        count = 1 + sum(1 for row in rows if row)
    except (csv.Error, StopIteration):  # a field of over 128 KiB, or a stray quote: the text is all that can be told
        return ""
    columns = f"{len(first)} column{'s' if len(first) != 1 else ''}"
    return f"CSV, {count:,} rows with the first, {columns}"
