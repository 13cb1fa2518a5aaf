"""A conversation as Markdown that a person reads, and back. Pure.

What is shown is written: the path of every shown column, thoughts and documents folded. Comments that no viewer shows
mark where each part begins, so that any text inside is read back exactly; a line of text that looks like such a comment
gets a backslash in front, one more if it has some. Other versions, figures, pictures and sound are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from playground.errors import InvalidRequest
from playground.protocol import ToolCall
from playground.talks.columns import MOST_COLUMNS, Column, Conversation
from playground.talks.texts import title_line
from playground.talks.tree import Attached, Node, NodeState, chain

VERSION = 1

_MARK = re.compile(r"<!-- playground:(\w+)(?: (\{.*\}))? -->")
_LIKE_A_MARK = re.compile(r"^(\\*)<!-- playground:", re.MULTILINE)
_ESCAPED_MARK = re.compile(r"^\\(\\*<!-- playground:)", re.MULTILINE)
_LIKE_A_FOLD = re.compile(r"<(\\*/?(?:details|summary))", re.IGNORECASE)
_ESCAPED_FOLD = re.compile(r"<\\(\\*/?(?:details|summary))", re.IGNORECASE)


def to_markdown(talk: Conversation, title: str) -> str:
    """The conversation under its title, one section a column."""
    parts = [f"# {title_line(title)}\n\n{_mark('conversation', version=VERSION)}\n\n"]
    for i in range(talk.shown):
        parts += _column(talk.column(i))
    return "".join([*parts, _mark("end"), "\n"])


def from_markdown(text: str) -> tuple[str, Conversation]:
    """The title and the conversation that `to_markdown` wrote; it may have been edited between the marks.

    Raises:
        InvalidRequest: there are no marks, or they do not fit together.
    """
    text = text.replace("\r\n", "\n") if text.count("\r\n") == text.count("\n") else text
    parts = list(_parts(text))
    if not parts or parts[0].kind != "conversation":
        raise InvalidRequest(
            "This Markdown is no conversation: its marks are missing.", "Choose a file that was exported here."
        )
    version = parts[0].values.get("version")
    if version != VERSION:
        raise InvalidRequest(
            f"The conversation has version {version!r}, and this app reads up to {VERSION}.", "Update the app."
        )
    columns: list[tuple[Column, list[Node]]] = []
    for part in parts[1:]:
        if part.kind == "end":
            break
        if part.kind == "column":
            columns.append((Column(part.value("model")), []))
        elif not columns:
            raise _misplaced(part)
        elif part.kind == "system" and not columns[-1][1]:
            columns[-1] = (replace(columns[-1][0], system_prompt=part.text), [])
        else:
            _read(columns[-1][1], part)
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise InvalidRequest(f"The conversation has {len(columns)} columns; 1 to {MOST_COLUMNS} are possible.")
    read = tuple(replace(column, tree=chain(turns)) for column, turns in columns)
    first_line = text.lstrip().split("\n", 1)[0]
    return title_line(first_line.removeprefix("#")), Conversation(read, len(read))


# --- writing -------------------------------------------------------------------------------------------------------


def _column(column: Column) -> list[str]:
    parts = [f"{_mark('column', model=column.model)}\n## {_shown(column.model)}\n\n"]
    if column.system_prompt:
        parts.append(_part("system", "### System prompt", column.system_prompt))
    for node in column.tree.path:
        parts += _turn(node)
    return parts


def _turn(node: Node) -> list[str]:
    when = {"created": node.created} if node.created else {}
    if node.role == "tool":
        heading = f"**Result of {_shown(node.name)}**"
        return [_part("result", heading, node.content, id=node.tool_call_id, name=node.name, error=node.error, **when)]
    if node.role == "user":
        documents = [_fold("document", document.name, document.text, name=document.name) for document in node.documents]
        left_out = _left_out(node)
        return [_part("user", f"### You{left_out}", node.content, **when), *documents]
    ended = {} if node.state == "done" else {"state": "stopped" if node.state == "running" else node.state}
    facts = {**ended, **({"error": node.error, "hint": node.hint} if node.error else {})}
    parts = [f"{_mark('assistant', model=node.model, **facts, **when)}\n### {_shown(node.model)}\n\n"]
    if node.reasoning:
        parts.append(_fold("reasoning", "Reasoning", node.reasoning))
    parts.append(_part("answer", "", node.content))
    for wish in node.tool_calls:
        parts.append(_part("call", f"**Calls {_shown(wish.name)}**", wish.arguments, id=wish.id, name=wish.name))
    return parts


def _left_out(node: Node) -> str:
    counts = [(len(node.images), "picture"), (len(node.audio), "recording")]
    named = [f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n]
    return f" (with {' and '.join(named)}, not in this file)" if named else ""


def _part(kind: str, heading: str, text: str, **values: Any) -> str:
    return f"{_mark(kind, **values)}\n{heading}\n\n{_escaped(text)}\n\n"


def _fold(kind: str, summary: str, text: str, **values: Any) -> str:
    opened = f"<details><summary>{_shown(summary)}</summary>"
    inside = _LIKE_A_FOLD.sub(r"<\\\1", _escaped(text))
    return f"{_mark(kind, **values)}\n{opened}\n\n{inside}\n\n</details>\n\n"


def _mark(kind: str, **values: Any) -> str:
    told = json.dumps(values, ensure_ascii=False).replace(">", "\\u003e") if values else ""
    return f"<!-- playground:{kind}{' ' if told else ''}{told} -->"


def _shown(name: str) -> str:
    """A name as it may stand in a heading: one line, no markup."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", title_line(name))


def _escaped(text: str) -> str:
    return _LIKE_A_MARK.sub(r"\\\g<0>", text)


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    kind: str
    values: dict[str, Any]
    text: str
    line: int

    def value(self, name: str) -> str:
        """A text out of the mark; '' where it is not there."""
        value = self.values.get(name, "")
        if not isinstance(value, str):
            raise InvalidRequest(f"The mark in line {self.line} has {name} {value!r}.", "Export it again.")
        return value


def _parts(text: str) -> Iterator[_Part]:
    """Every mark with the text up to the next one; what stands before the first is skipped."""
    kind, begun = "", 0
    values: dict[str, Any] = {}
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        found = _MARK.fullmatch(line)
        if not found:
            lines.append(line)
            continue
        if kind:
            yield _Part(kind, values, _text(kind, lines), begun)
        kind, values, begun, lines = found[1], _values(found[2], number), number, []
    if kind:
        yield _Part(kind, values, _text(kind, lines), begun)


def _values(told: str | None, line: int) -> dict[str, Any]:
    try:
        values = json.loads(told or "{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidRequest(f"The mark in line {line} cannot be read.", "Export it again.")
    return values


def _text(kind: str, lines: list[str]) -> str:
    """The text of a part: without its heading and the blank line after it, and without the one at its end."""
    body = "\n".join(lines[2:] if lines[1:2] == [""] else lines[1:]).removesuffix("\n")
    if kind in ("reasoning", "document"):
        body = _ESCAPED_FOLD.sub(r"<\1", body.removesuffix("\n\n</details>"))
    return _ESCAPED_MARK.sub(r"\1", body)


def _read(turns: list[Node], part: _Part) -> None:
    """Adds one part to the turns of a column, or to the last of them."""
    last = turns[-1] if turns else None
    role = last.role if last else None
    if part.kind in ("user", "assistant") or (part.kind == "result" and role in ("assistant", "tool")):
        turns.append(_begun(part))
    elif last and role == "user" and part.kind == "document":
        turns[-1] = replace(last, documents=(*last.documents, Attached(part.value("name"), part.text)))
    elif last and role == "assistant" and part.kind == "reasoning":
        turns[-1] = replace(last, reasoning=part.text)
    elif last and role == "assistant" and part.kind == "answer":
        turns[-1] = replace(last, content=part.text)
    elif last and role == "assistant" and part.kind == "call":
        wish = ToolCall(part.value("id"), part.value("name"), part.text)
        turns[-1] = replace(last, tool_calls=(*last.tool_calls, wish))
    else:
        raise _misplaced(part)


def _begun(part: _Part) -> Node:
    """The turn that a part begins; an answer's text comes with a part of its own."""
    error, created = part.value("error"), part.value("created")
    if part.kind == "user":
        return Node(0, 0, "user", part.text, created=created)
    if part.kind == "result":
        call_id, name = part.value("id"), part.value("name")
        state: NodeState = "failed" if error else "done"
        return Node(0, 0, "tool", part.text, tool_call_id=call_id, name=name, state=state, error=error, created=created)
    told = part.value("state") or "done"
    if told not in ("done", "stopped", "failed"):
        raise InvalidRequest(f"The mark in line {part.line} has state {told!r}.", "Export it again.")
    state = cast(NodeState, told)
    model, hint = part.value("model"), part.value("hint")
    return Node(0, 0, "assistant", model=model, state=state, error=error, hint=hint, created=created)


def _misplaced(part: _Part) -> InvalidRequest:
    return InvalidRequest(f"The mark {part.kind!r} in line {part.line} stands where none can.", "Export it again.")
