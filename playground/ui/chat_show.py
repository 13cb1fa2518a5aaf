"""A column's path as the chatbot shows it: thoughts and calls of tools in folds, answers, errors. Pure, no gradio.

Every shown message belongs to one turn; `Shown.nodes` says to which, so that a click on a message finds its turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from typing import Any

from playground.protocol import ToolCall
from playground.talks.tree import Node, Tree, versions
from playground.ui.words import note, seconds

ERROR_ID = "error"
MOST_RESULT = 4000  # characters of a tool's result that are shown

Picture = Callable[[bytes], str]


@dataclass
class Shown:
    """The chatbot's messages, and of each the id of its turn."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)

    def add(self, node: Node, role: str, content: Any, metadata: dict[str, Any] | None = None) -> None:
        self.messages.append({"role": role, "content": content, "metadata": metadata or {}})
        self.nodes.append(node.id)


def shown(tree: Tree, picture: Picture) -> Shown:
    """The path of a tree; `picture` gives the file of an encoded picture, from which the page may show it."""
    found = Shown()
    path = tree.path
    results = {node.tool_call_id: node for node in path if node.role == "tool"}
    for node in path:
        if node.role == "user":
            _add_question(found, node, picture)
        elif node.role == "assistant":
            _add_answer(found, node, results, picture)
    return found


def _add_question(found: Shown, node: Node, picture: Picture) -> None:
    for image in node.images:
        found.add(node, "user", {"path": picture(image), "alt_text": "attached picture"})
    names = "".join(f"<li>{escape(document.name)}</li>" for document in node.documents)
    sounds = "".join(f"<li>sound {i + 1}</li>" for i in range(len(node.audio)))
    if names or sounds:
        found.add(node, "user", f'<ul class="pg-attached">{names}{sounds}</ul>')
    if node.content.strip():
        found.add(node, "user", node.content)


def _add_answer(found: Shown, node: Node, results: dict[str, Node], picture: Picture) -> None:
    if node.reasoning.strip():
        running = node.state == "running" and not node.content.strip() and not node.tool_calls
        status = "pending" if running else "done"
        found.add(node, "assistant", node.reasoning, {"title": thought_title(node, running), "status": status})
    if node.content.strip():
        found.add(node, "assistant", node.content)
    for wish in node.tool_calls:
        result = results.get(wish.id)
        pending = result is None and node.state == "running"
        status = "pending" if pending else "done"
        found.add(node, "assistant", call_text(wish, result), {"title": call_title(wish, result), "status": status})
        for image in result.images if result is not None else ():
            found.add(node, "assistant", {"path": picture(image), "alt_text": f"made by {wish.name}"})
    if node.error:
        hint = f"<small>{escape(node.hint)}</small>" if node.hint else ""
        found.add(node, "assistant", f'<div class="pg-problem">{escape(node.error)}{hint}</div>', {"id": ERROR_ID})


def thought_title(node: Node, running: bool) -> str:
    """Thought for 0.4 s, 31 tokens."""
    if running:
        return "Thinking"
    time = f" for {seconds(node.reasoning_s)}" if node.reasoning_s is not None else ""
    count = node.stats.reasoning_tokens if node.stats is not None else None
    return f"Thought{time}" + (f", {count} tokens" if count else "")


def call_title(wish: ToolCall, result: Node | None) -> str:
    """calculate, 0.02 s, chosen with 93 %."""
    parts = [wish.name or "a tool"]
    if result is not None:
        parts += [seconds(result.seconds)] if result.seconds is not None else []
        parts += [result.error] if result.error else []
    if wish.chance is not None:
        parts.append(f"chosen with {wish.chance:.0%}".replace("%", " %"))
    return "Tool: " + ", ".join(parts)


def call_text(wish: ToolCall, result: Node | None) -> str:
    """The arguments and the result of a call, as code."""
    text = f"Arguments\n{_code(wish.arguments)}"
    return text if result is None else f"{text}\n\nResult\n{_code(result.content)}"


def _code(text: str) -> str:
    """The text in a fence that nothing in it can close, JSON indented."""
    with suppress(ValueError):  # a model's arguments may be anything
        text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    if len(text) > MOST_RESULT:
        text = f"{text[:MOST_RESULT]}\n… {len(text) - MOST_RESULT:,} characters more"
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def version_label(tree: Tree, node_id: int) -> str:
    """2 of 3; empty for a turn that was written once."""
    ids = versions(tree, node_id)
    return f"{ids.index(node_id) + 1} of {len(ids)}" if len(ids) > 1 else ""


def notes_html(notes: Sequence[str]) -> str:
    """Sentences that came with an answer."""
    return "".join(note(text) for text in notes)


def last_answer(tree: Tree) -> Node | None:
    """The answer at the end of the path; None where it ends with a question."""
    return next((node for node in reversed(tree.path) if node.role == "assistant"), None)
