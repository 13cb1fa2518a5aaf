"""Conversations out to files and in again: JSON with everything, Markdown to read; foreign message lists come in, too.

What comes in may be anything and of any size; it is refused in one sentence, or read whole. Touches no disk.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from playground.errors import InvalidRequest
from playground.talks.columns import Conversation
from playground.talks.markdown import from_markdown, to_markdown
from playground.talks.message_list import from_messages
from playground.talks.records import FORMAT, from_json, to_json
from playground.talks.texts import title_line

MOST_BYTES = 64 * 2**20
# Parsed JSON takes up to 60 bytes for one of the file: what costs memory is how many parts it has, not its letters.
MOST_PARTS = 2_000_000

Form = Literal["json", "markdown"]


@dataclass(frozen=True)
class Exported:
    """A file to hand out."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Imported:
    """What a file held; `notes` are sentences on what was changed or left out of a foreign one."""

    title: str
    talk: Conversation
    notes: tuple[str, ...] = ()


def export(talk: Conversation, title: str, form: Form) -> Exported:
    """The conversation as a file: "json" loses nothing, "markdown" is what is shown."""
    if form == "markdown":
        return Exported(file_name(title, "md"), to_markdown(talk, title).encode())
    if form != "json":
        raise InvalidRequest(f"A conversation is exported as json or markdown, not as {form!r}.")
    return Exported(file_name(title, "json"), to_json(talk, title_line(title)))


def import_file(data: bytes, model: str) -> Imported:
    """The conversation in this file, whichever of the forms it has.

    `model` is the card that a list of OpenAI-style messages goes on with: `[{"role", "content"}, …]`, or an object with
    such `messages`, such as the body of a request.

    Raises:
        InvalidRequest: the file is too large, not UTF-8, or none of these; says what is wrong.
    """
    if len(data) > MOST_BYTES:
        raise InvalidRequest(
            f"The file has {len(data) / 2**20:.0f} MiB; at most {MOST_BYTES // 2**20} MiB are read.",
            "Choose a smaller one.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The file is no text: byte {error.start} is not UTF-8.", "Choose a JSON or Markdown file."
        ) from None
    if text.lstrip()[:1] not in ("{", "["):
        title, talk = from_markdown(text)
        return Imported(title, talk)
    if sum(map(text.count, ",[{")) > MOST_PARTS:
        raise InvalidRequest(f"The file has more than {MOST_PARTS:,} parts.", "Choose one conversation of them.")
    found = _parsed(text)
    if isinstance(found, dict) and found.get("format") == FORMAT:
        named = found.get("title")
        return Imported(title_line(named) if isinstance(named, str) else "", from_json(text))
    messages = found.get("messages") if isinstance(found, dict) else found
    if not isinstance(messages, list):
        raise InvalidRequest(
            "This JSON holds neither a conversation nor a list of messages.", "Choose a file that was exported here."
        )
    talk, notes = from_messages(messages, model)
    return Imported("", talk, notes)


def file_name(title: str, ending: str) -> str:
    """A file name that every system takes, made of the title's letters and digits."""
    stem = "-".join(re.findall(r"\w+", title_line(title)))[:60].strip("-_") or "conversation"
    return f"{stem}.{ending}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be parsed"
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequest(f"This is no JSON: {what}{where}.", "Choose a file that was exported here.") from None
