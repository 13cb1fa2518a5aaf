"""Styles: texts by name that are written around a prompt and its negative part. Read from files; no torch.

Ours is `styles.toml` below the data folder, a list of `[[style]]` with `name`, `prompt` and `negative_prompt`; A1111's
`styles.csv` (columns name, prompt, negative_prompt) is read beside it, and a few come with the app. In a style's text
`{prompt}` stands for what was typed; a text without it follows after a comma, as in A1111.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import ImageRequest

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "styles.toml"
FILE, CSV = "styles.toml", "styles.csv"
PLACE = "{prompt}"
MOST_BYTES = 2_000_000
MOST_STYLES = 2000
MOST_NAME = 120
MOST_TEXT = 8000
MOST_AT_ONCE = 20


@dataclass(frozen=True)
class Style:
    """One style; an empty text leaves that prompt as it is. `source` is the file that it stands in."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    source: str = ""


def styles(data: Path) -> dict[str, Style]:
    """All styles by name: those of the data folder first, `styles.toml` before `styles.csv`, then the shipped ones.

    Raises:
        PlaygroundError: a file is damaged; the sentence has its name and the place.
    """
    found: dict[str, Style] = {}
    for path, read in ((data / FILE, from_toml), (data / CSV, from_csv)):
        text = _text_of(path)
        for style in read(text, path.name) if text else ():
            found.setdefault(style.name, style)
    for style in shipped():
        found.setdefault(style.name, style)
    return found


@cache
def shipped() -> tuple[Style, ...]:
    """The styles that come with the app."""
    return tuple(from_toml(SHIPPED.read_text(encoding="utf-8"), "the app"))


def from_toml(text: str, source: str = FILE) -> list[Style]:
    """The styles of our file.

    Raises:
        PlaygroundError: it is no TOML, or a style has an unknown key or a value that is no text.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlaygroundError(f"{source} is damaged: {str(error)[:120]}.", "Mend or remove the file.") from None
    rows = document.get("style", [])
    if set(document) - {"style"} or not isinstance(rows, list):
        raise PlaygroundError(f"{source} holds something other than [[style]] entries.", "Mend the file.")
    found = []
    for number, row in enumerate(rows, 1):
        known = {"name", "prompt", "negative_prompt"}
        if not isinstance(row, dict) or set(row) - known or not all(isinstance(v, str) for v in row.values()):
            raise PlaygroundError(
                f"Style {number} of {source} must have texts for name, prompt and negative_prompt alone.",
                "Mend the file.",
            )
        found.append(_style(row.get("name", ""), row.get("prompt", ""), row.get("negative_prompt", ""), source, number))
    return _bounded(found, source)


def from_csv(text: str, source: str = CSV) -> list[Style]:
    """The styles of A1111's file; rows without a name, which divide its list, are left out.

    Raises:
        PlaygroundError: there is no column `name`, or the table cannot be read.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise PlaygroundError(f"{source} is damaged: {error}.", "Mend or remove the file.") from None
    if rows and "name" not in rows[0]:
        raise PlaygroundError(f"{source} has no column called name.", "Its first line is name,prompt,negative_prompt.")
    found = []
    for number, row in enumerate(rows, 1):
        name = (row.get("name") or "").strip()
        # Older versions called the column of the prompt "text".
        prompt = row.get("prompt") if row.get("prompt") is not None else row.get("text")
        if name and (prompt or row.get("negative_prompt")):
            found.append(_style(name, prompt or "", row.get("negative_prompt") or "", source, number))
    return _bounded(found, source)


def applied(prompt: str, negative_prompt: str, chosen: Sequence[Style]) -> tuple[str, str]:
    """Both prompts with the styles written into them, one after the other."""
    for style in chosen:
        prompt, negative_prompt = _merged(prompt, style.prompt), _merged(negative_prompt, style.negative_prompt)
    return prompt, negative_prompt


def styled(request: ImageRequest, names: object, data: Path) -> ImageRequest:
    """The request with styles written into its prompts, and what was typed kept beside them for the record.

    Raises:
        InvalidRequest: a name is unknown.
        PlaygroundError: as `styles`.
    """
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InvalidRequest(f"styles must be a list of names, got {str(names)[:60]!r}.")
    if not names:
        return request
    if len(names) > MOST_AT_ONCE:
        raise InvalidRequest(f"At most {MOST_AT_ONCE} styles are taken at once, got {len(names)}.", "Choose fewer.")
    known = styles(data)
    for name in names:
        if name not in known:
            raise InvalidRequest(f"There is no style {name[:60]!r}.", "Choose one of the list; reload it if it is old.")
    prompt, negative = applied(request.prompt, request.negative_prompt, [known[name] for name in names])
    return replace(
        request,
        prompt=prompt,
        negative_prompt=negative,
        styles=tuple(names),
        typed_prompt=request.prompt,
        typed_negative_prompt=request.negative_prompt,
    )


def _merged(text: str, style: str) -> str:
    if PLACE in style:
        return style.replace(PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part) if style.strip() else text


def _style(name: str, prompt: str, negative: str, source: str, number: int) -> Style:
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_NAME or max(len(prompt), len(negative)) > MOST_TEXT:
        raise PlaygroundError(
            f"Style {number} of {source} must have a name of 1 to {MOST_NAME} characters and texts of at most "
            f"{MOST_TEXT:,}.",
            "Mend the file.",
        )
    return Style(name, prompt, negative, source)


def _bounded(found: list[Style], source: str) -> list[Style]:
    if len(found) > MOST_STYLES:
        raise PlaygroundError(f"{source} has {len(found):,} styles; at most {MOST_STYLES:,} are read.", "Shorten it.")
    return found


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PlaygroundError(f"{path.name} has over {MOST_BYTES / 1e6:.0f} MB.", "Shorten it.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise PlaygroundError(f"{path.name} is no UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        raise PlaygroundError(f"{path.name} cannot be read: {error.strerror or error}.") from None
