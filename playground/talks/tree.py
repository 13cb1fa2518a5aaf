"""One column's conversation as a tree of turns of which one path is shown. Frozen records, and how a path moves.

Nothing is ever taken out of a tree: a new version, an edit and a continued answer are siblings of what they replace,
and undo goes back to the path before. Ids are places in the tree, so that a parent always has a smaller one. What users
do to a tree stands in `answers` and `versions`, what a model reads of it in `reading`. Knows nothing of pages or files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from playground.errors import InvalidRequest
from playground.protocol import ChatStats, ToolCall

Role = Literal["user", "assistant", "tool"]
NodeState = Literal["running", "done", "stopped", "failed"]

ROOT = 0  # the parent of first turns; no node has this id


@dataclass(frozen=True)
class Attached:
    """A document that belongs to a user's turn; `text` is what the model reads, heading and all."""

    name: str
    text: str


@dataclass(frozen=True)
class Node:
    """One turn. `created` is ISO 8601 in UTC, empty where unknown.

    `model` is the card that answered, with `stats` its figures and `items` the provider's own output items as JSON. An
    assistant's node whose `edited` is true was written over by the user; one that goes on from another begins with
    `begun` characters of that one's content and thought. A tool's node is the result of the call `tool_call_id`, which
    ran for `seconds`; its `images` are for the person alone. `notes` are sentences that came with an answer.
    """

    id: int
    parent: int
    role: Role
    content: str = ""
    reasoning: str = ""
    reasoning_s: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    items: tuple[str, ...] = ()
    documents: tuple[Attached, ...] = ()
    images: tuple[bytes, ...] = ()
    audio: tuple[bytes, ...] = ()
    model: str = ""
    stats: ChatStats | None = None
    state: NodeState = "done"
    error: str = ""
    hint: str = ""
    begun: tuple[int, int] = (0, 0)
    edited: bool = False
    created: str = ""
    seconds: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """`nodes[i]` has the id i + 1. The path shown runs from a first turn to `leaf`; `ROOT` there shows nothing.

    `rests[i]` is the last leaf that was shown beneath node i + 1; `past` holds the leaves that undo goes back to.
    """

    nodes: tuple[Node, ...] = ()
    leaf: int = ROOT
    rests: tuple[int, ...] = ()
    past: tuple[int, ...] = ()

    def node(self, node_id: int) -> Node:
        """The node with this id; InvalidRequest where there is none."""
        if not isinstance(node_id, int) or not 0 < node_id <= len(self.nodes):
            raise InvalidRequest(f"This conversation has no turn {node_id!r}.", "Reload the page.")
        return self.nodes[node_id - 1]

    @property
    def path(self) -> tuple[Node, ...]:
        """The turns that are shown, oldest first."""
        return path_to(self, self.leaf)

    @property
    def running(self) -> tuple[Node, ...]:
        """The answers that are still being written, on the path or beside it."""
        return tuple(node for node in self.nodes if node.state == "running")


def path_to(tree: Tree, node_id: int) -> tuple[Node, ...]:
    """The turns from the first one down to this node."""
    found = []
    while node_id != ROOT:
        node = tree.node(node_id)
        found.append(node)
        node_id = node.parent
    return tuple(reversed(found))


def children(tree: Tree, node_id: int) -> tuple[Node, ...]:
    """What follows directly on this node, oldest first; of `ROOT`, the first turns."""
    return tuple(node for node in tree.nodes if node.parent == node_id)


def versions(tree: Tree, node_id: int) -> tuple[int, ...]:
    """The ids of this turn and of all others written in its place, oldest first."""
    node = tree.node(node_id)
    return tuple(other.id for other in children(tree, node.parent) if other.role == node.role)


def clean(text: str) -> str:
    """The text with halves of characters joined or replaced, so that UTF-8 can hold it."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def chain(nodes: Iterable[Node]) -> Tree:
    """A tree in which each of these turns follows on the one before it; ids and parents are set here."""
    placed = tuple(replace(node, id=place, parent=place - 1) for place, node in enumerate(nodes, 1))
    return Tree(placed, len(placed), (len(placed),) * len(placed))


def added(tree: Tree, node: Node, *, step: bool = True) -> Tree:
    """The tree with this node, whose id is set here, as the end of the path; a `step` can be undone."""
    new = replace(node, id=len(tree.nodes) + 1)
    return shown(replace(tree, nodes=(*tree.nodes, new), rests=(*tree.rests, new.id)), new.id, step=step)


def shown(tree: Tree, leaf: int, *, step: bool = True) -> Tree:
    """The tree with the path that ends at this leaf; a `step` can be undone."""
    rests = list(tree.rests)
    for node in path_to(tree, leaf):
        rests[node.id - 1] = leaf
    past = (*tree.past, tree.leaf) if step and leaf != tree.leaf else tree.past
    return replace(tree, leaf=leaf, rests=tuple(rests), past=past)


def put(tree: Tree, node: Node) -> Tree:
    """The tree with this node in place of the one with its id."""
    at = node.id - 1
    return replace(tree, nodes=(*tree.nodes[:at], node, *tree.nodes[at + 1 :]))
