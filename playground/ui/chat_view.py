"""What the page shows of the conversation on a desk, as values and updates of the column components."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from playground.catalog import Catalog
from playground.settings import Settings
from playground.talks.columns import MOST_COLUMNS
from playground.talks.diff import word_diff
from playground.talks.tree import Node, Tree
from playground.ui.chat_code import code_html
from playground.ui.chat_desk import Approval, Desk
from playground.ui.chat_show import Shown, last_answer, notes_html, shown, version_label
from playground.ui.outputs import outputs_folder
from playground.ui.words import chat_figures, note
from playground.whole_files import write_whole

ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}
HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)
ON, OFF = gr.update(interactive=True), gr.update(interactive=False)


class View:
    """Turns desks into updates. Pictures of a conversation become files of the outputs folder, under their hashes."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings, self._catalog = settings, catalog

    def shown(self, desk: Desk, i: int) -> Shown:
        """The messages of column `i`."""
        return shown(desk.talk.columns[i].tree, self.picture)

    def picture(self, data: bytes) -> str:
        """A file of the outputs folder with these bytes, under a name that only they give."""
        ending = next((end for mark, end in ENDINGS.items() if data.startswith(mark)), ".png")
        path = outputs_folder(self._settings) / "chat" / f"{hashlib.sha256(data).hexdigest()}{ending}"
        if not path.exists():
            write_whole(path, data)
        return str(path)

    # --- a column ---

    def column(self, desk: Desk, i: int, *, busy: bool = False, line: str = "", thinks: bool = False) -> list[Any]:
        """The updates of `ColumnParts.shown` for column `i`; `line` stands for the figures while it is busy."""
        if i >= len(desk.talk.columns):
            return [[], "", OFF, HIDDEN, HIDDEN, "", HIDDEN, HIDDEN, HIDDEN, HIDDEN, OFF, OFF]
        tree = desk.talk.columns[i].tree
        approval = desk.approvals.get(i)
        node = self.acted_on(desk, i)
        label = version_label(tree, node.id) if node is not None else ""
        versions = gr.update(visible=bool(label) and not busy)
        can_go_on = node is not None and node.role == "assistant" and node.id == tree.leaf and not node.tool_calls
        return [
            self.shown(desk, i).messages,
            line if busy else self.figures(desk, i),
            gr.update(interactive=busy),
            gr.update(visible=busy and thinks),
            gr.update(visible=approval is not None),
            wish_html(approval) if approval is not None else "",
            gr.update(visible=bool(tree.path) and not busy),
            versions,
            gr.update(value=f"<span>{escape(label)}</span>", visible=bool(label) and not busy),
            versions,
            gr.update(interactive=can_go_on),
            gr.update(interactive=node is not None),
        ]

    def acted_on(self, desk: Desk, i: int) -> Node | None:
        """The turn that the bar of a column acts on: the one that was clicked last, else the last answer."""
        tree = desk.talk.columns[i].tree
        chosen = desk.chosen.get(i)
        found = next((node for node in tree.path if node.id == chosen), None)
        return found or last_answer(tree)

    def figures(self, desk: Desk, i: int) -> str:
        """The figures of the last answer, and what there is to say of it."""
        tree = desk.talk.columns[i].tree
        node = last_answer(tree)
        if node is None or tree.path[-1].role == "user":
            return ""
        stopped = note("Stopped.") if node.state == "stopped" else ""
        empty = node.state == "done" and not node.content.strip() and not node.tool_calls
        silent = note("The model ended without an answer.") if empty else ""
        edited = note("This answer was edited.") if node.edited else ""
        line = chat_figures(node.stats) if node.stats is not None else ""
        chosen = self.acted_on(desk, i)
        place = note(self._place(tree, chosen)) if chosen is not None and chosen.id != node.id else ""
        said = [text for text in node.notes if text != "Stopped."]
        return line + stopped + silent + edited + notes_html(said) + self.code(node) + place

    def code(self, node: Node) -> str:
        """The files of an answer; it takes a while the first time for a long one, so that runners ask in a thread."""
        return code_html(node.content, outputs_folder(self._settings) / "chat") if node.state != "running" else ""

    @staticmethod
    def _place(tree: Tree, chosen: Node) -> str:
        whose = "Your message" if chosen.role == "user" else "The answer"
        text = " ".join(chosen.content.split())
        return f"{whose} “{text[:40]}{'…' if len(text) > 40 else ''}” is selected: the buttons act on it."

    # --- all of it ---

    def everything(self, desk: Desk, busy: Sequence[bool]) -> list[Any]:
        """Visibility, model and contents of each of the four columns, in this order."""
        count = desk.talk.shown
        boxes = [gr.update(visible=i < count) for i in range(MOST_COLUMNS)]
        models = [desk.talk.columns[i].model if i < len(desk.talk.columns) else gr.skip() for i in range(MOST_COLUMNS)]
        models = [model if not isinstance(model, str) or model in self._catalog else None for model in models]
        parts = [update for i in range(MOST_COLUMNS) for update in self.column(desk, i, busy=busy[i])]
        return [*boxes, *models, *parts]

    def name(self, desk: Desk, i: int) -> str:
        """Column 2, Starter Mistral."""
        model = desk.talk.columns[i].model
        return f"Column {i + 1}, {self._catalog[model].name if model in self._catalog else model}"

    def targets(self, desk: Desk, everyone: str) -> list[tuple[str, int]]:
        """Choices of a column, or all."""
        return [(everyone, -1), *((self.name(desk, i), i) for i in range(desk.talk.shown))]

    def answers(self, desk: Desk) -> list[tuple[str, str]]:
        """All finished answers of the shown columns' paths, newest first, as choices for a comparison."""
        found = []
        for i in range(desk.talk.shown):
            tree = desk.talk.columns[i].tree
            questions = 0
            for node in tree.path:
                questions += node.role == "user"
                if node.role != "assistant" or not node.content.strip():
                    continue
                for number, version in enumerate(_versions(tree, node), 1):
                    which = f", version {number}" if len(_versions(tree, node)) > 1 else ""
                    found.append((questions, i, f"{self.name(desk, i)}, answer {questions}{which}", f"{i}.{version}"))
        return [(text, value) for _, _, text, value in sorted(found, key=lambda row: (-row[0], row[1]))]


def _versions(tree: Tree, node: Node) -> list[int]:
    from playground.talks.tree import versions

    return [i for i in versions(tree, node.id) if tree.node(i).content.strip()]


def wish_html(approval: Approval) -> str:
    """The call that waits for a yes."""
    try:
        arguments = json.dumps(json.loads(approval.call.arguments), indent=1, ensure_ascii=False)
    except ValueError:
        arguments = approval.call.arguments
    return (
        f'<div class="pg-wish" role="alert"><b>{escape(approval.call.name)}</b> wants to run: '
        f"{escape(approval.tool.spec.description)}<pre>{escape(arguments[:2000])}</pre></div>"
    )


def diff_html(first: str, second: str) -> str:
    """The word diff of two texts."""
    marks = {"same": "span", "removed": "del", "added": "ins"}
    runs = "".join(f"<{marks[r.kind]}>{escape(r.text)}</{marks[r.kind]}>" for r in word_diff(first, second))
    return f'<div class="pg-diff">{runs}</div>'
