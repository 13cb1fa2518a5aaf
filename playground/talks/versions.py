"""Other versions of turns in a tree, and the way back: regenerate, go on, edit, leaf through, undo, branch, replay.

Pure functions; nothing here takes a turn out of the tree.
"""

from __future__ import annotations

from dataclasses import replace

from playground.errors import InvalidRequest
from playground.talks.tree import ROOT, Node, Tree, added, chain, clean, path_to, shown, versions


def regenerate(tree: Tree, model: str, node_id: int | None = None, *, created: str = "") -> Tree:
    """A new, empty version of the answer that `node_id` belongs to; of the last one where that is None."""
    path = tree.path if node_id is None else path_to(tree, node_id)
    asked = next((node for node in reversed(path) if node.role == "user"), None)
    if asked is None:
        raise InvalidRequest("There is no answer to write anew.", "Write a message first.")
    return added(tree, Node(0, asked.id, "assistant", model=model, state="running", created=created))


def go_on(tree: Tree, model: str, *, from_reasoning: bool = False, created: str = "") -> Tree:
    """A new version of the last answer that begins with all of its text, or `from_reasoning` with its thought alone."""
    last = None if tree.leaf == ROOT else tree.node(tree.leaf)
    if last is None or last.role != "assistant" or last.state == "running":
        raise InvalidRequest("There is no finished answer to go on from.", "Write a message first.")
    if last.tool_calls:
        raise InvalidRequest("An answer that calls a tool cannot go on before the result.", "Regenerate it.")
    begun = last.reasoning if from_reasoning else last.reasoning + last.content
    if not begun.strip():
        what = "thought" if from_reasoning else "text"
        raise InvalidRequest(f"The last answer has no {what} to go on from.", "Regenerate it.")
    return added(
        tree,
        Node(
            0,
            last.parent,
            "assistant",
            "" if from_reasoning else last.content,
            reasoning=last.reasoning,
            model=model,
            state="running",
            begun=(0 if from_reasoning else len(last.content), len(last.reasoning)),
            created=created,
        ),
    )


def edit(tree: Tree, node_id: int, content: str, *, created: str = "") -> Tree:
    """A new version of a user's or an assistant's turn with this text; the path ends there.

    What was attached to a user's turn stays with it. An edited answer keeps its model and loses its figures, which
    were measured on other words.
    """
    node = tree.node(node_id)
    if node.role == "tool":
        raise InvalidRequest("The result of a tool cannot be edited.", "Edit the question, or regenerate the answer.")
    if node.state == "running":
        raise InvalidRequest("The answer is still being written.", "Wait for it, or stop it.")
    if not content.strip():
        raise InvalidRequest("The edited text is empty.", "Write something, or take the turn back with Undo.")
    new = replace(
        node,
        content=clean(content),
        items=(),
        tool_calls=(),
        stats=None,
        state="done",
        error="",
        hint="",
        begun=(0, 0),
        edited=node.role == "assistant",
        created=created,
    )
    return added(tree, new)


def choose(tree: Tree, node_id: int) -> Tree:
    """The path through this node, down to where it was last left."""
    tree.node(node_id)
    return shown(tree, tree.rests[node_id - 1])


def leaf_through(tree: Tree, node_id: int, by: int) -> Tree:
    """The path through the version `by` places after this one (before it, where negative); unchanged at either end."""
    all_versions = versions(tree, node_id)
    at = all_versions.index(node_id) + by
    return choose(tree, all_versions[at]) if 0 <= at < len(all_versions) else tree


def undo(tree: Tree) -> Tree:
    """The path as it was before the last step: a question with its answer, a new version, an edit, a choice.

    Where there was none, nothing changes. `taken_back` says which question this took off the path.
    """
    if not tree.past:
        return tree
    *past, leaf = tree.past
    return replace(shown(tree, leaf, step=False), past=tuple(past))


def take_back(tree: Tree) -> Tree:
    """The path without its last question and what followed, however many steps led there."""
    asked = next((node for node in reversed(tree.path) if node.role == "user"), None)
    return tree if asked is None else shown(tree, asked.parent)


def taken_back(before: Tree, after: Tree) -> str:
    """The first question that stood on the path before and does so no longer; '' where none did."""
    kept = {node.id for node in after.path}
    return next((node.content for node in before.path if node.role == "user" and node.id not in kept), "")


def clear(tree: Tree) -> Tree:
    """An empty path: the next question starts afresh, and undo brings the former path back."""
    return shown(tree, ROOT)


def branch(tree: Tree, node_id: int) -> Tree:
    """A tree of its own that holds the path to this node and nothing else; an answer still running is as stopped."""
    path = path_to(tree, node_id)
    return chain(replace(node, state="stopped") if node.state == "running" else node for node in path)


def questions(tree: Tree) -> tuple[Node, ...]:
    """The user's turns on the path, to be sent to another model one after the other."""
    return tuple(node for node in tree.path if node.role == "user")
