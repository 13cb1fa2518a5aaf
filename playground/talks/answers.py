"""A question, its answer and the results of tools, as they come into a tree. Pure; knows nothing of engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from playground.errors import InvalidRequest
from playground.protocol import ChatStats, TokenKind, ToolCall
from playground.talks.tree import ROOT, Attached, Node, NodeState, Tree, added, clean, put


def send(
    tree: Tree,
    content: str,
    *,
    documents: Sequence[Attached] = (),
    images: Sequence[bytes] = (),
    audio: Sequence[bytes] = (),
    created: str = "",
) -> Tree:
    """The user's next turn, at the end of the path.

    Raises:
        InvalidRequest: nothing is asked, or an answer on the path is still being written.
    """
    if not content.strip() and not documents and not images and not audio:
        raise InvalidRequest("The message is empty.", "Write a message first.")
    if tree.leaf != ROOT and tree.node(tree.leaf).state == "running":
        raise InvalidRequest("The last answer is still being written.", "Wait for it, or stop it.")
    return added(
        tree,
        Node(
            0,
            tree.leaf,
            "user",
            clean(content),
            documents=tuple(documents),
            images=tuple(images),
            audio=tuple(audio),
            created=created,
        ),
    )


def begin(tree: Tree, model: str, *, created: str = "") -> Tree:
    """An empty answer by this model to the end of the path, which is a question or a tool's result; it is the new leaf.

    This is no step that undo takes back: it belongs to what it answers.
    """
    if tree.leaf == ROOT or tree.node(tree.leaf).role == "assistant":
        raise InvalidRequest("There is no question to answer.", "Write a message first.")
    answer = Node(0, tree.leaf, "assistant", model=model, state="running", created=created)
    return added(tree, answer, step=False)


def extend(tree: Tree, node_id: int, text: str, kind: TokenKind = "answer") -> Tree:
    """The running answer `node_id` with more text; it need not be on the path."""
    node = running_answer(tree, node_id)
    if kind == "reasoning":
        return put(tree, replace(node, reasoning=node.reasoning + clean(text)))
    return put(tree, replace(node, content=node.content + clean(text)))


def call(tree: Tree, node_id: int, wish: ToolCall) -> Tree:
    """The running answer `node_id` with one more tool call."""
    node = running_answer(tree, node_id)
    kept = replace(wish, id=clean(wish.id), name=clean(wish.name), arguments=clean(wish.arguments))
    return put(tree, replace(node, tool_calls=(*node.tool_calls, kept)))


def end(
    tree: Tree,
    node_id: int,
    *,
    stats: ChatStats | None = None,
    items: Sequence[str] = (),
    reasoning_s: float | None = None,
    stopped: bool = False,
    error: str = "",
    hint: str = "",
    notes: Sequence[str] = (),
) -> Tree:
    """The running answer `node_id`, ended: well, by the user (`stopped`), or by an error; what arrived stays."""
    state: NodeState = "failed" if error else "stopped" if stopped else "done"
    ended = replace(
        running_answer(tree, node_id),
        stats=stats,
        items=tuple(map(clean, items)),
        reasoning_s=reasoning_s,
        state=state,
        error=clean(error),
        hint=clean(hint),
        notes=tuple(map(clean, notes)),
    )
    return put(tree, ended)


def result(
    tree: Tree,
    of: ToolCall,
    content: str,
    *,
    error: str = "",
    seconds: float | None = None,
    images: Sequence[bytes] = (),
    created: str = "",
) -> Tree:
    """What a tool gave back for a call of the answer on the path, after results that are already there."""
    state: NodeState = "failed" if error else "done"
    asked = next((node for node in reversed(tree.path) if node.role == "assistant"), None)
    if asked is None or of.id not in {wish.id for wish in asked.tool_calls}:
        raise InvalidRequest(f"No call {of.id!r} of {of.name} waits for a result.", "Ask again.")
    node = Node(
        0,
        tree.leaf,
        "tool",
        clean(content),
        tool_call_id=of.id,
        name=of.name,
        state=state,
        error=clean(error),
        seconds=seconds,
        images=tuple(images),
        created=created,
    )
    return added(tree, node, step=False)


def settle(tree: Tree) -> Tree:
    """Every answer that was running when the app ended, as stopped: what arrived stays."""
    for node in tree.running:
        tree = end(tree, node.id, stopped=True, reasoning_s=node.reasoning_s)
    return tree


def running_answer(tree: Tree, node_id: int) -> Node:
    node = tree.node(node_id)
    if node.state != "running":
        raise InvalidRequest(f"The answer {node_id} has ended.", "Regenerate it, or go on from it.")
    return node
