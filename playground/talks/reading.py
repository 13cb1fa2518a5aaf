"""What a model reads of a conversation: the path of its own tree and no other. Pure.

A turn that came to nothing is shown and not sent, since many chat templates refuse two questions in a row; what arrived
before a stop or an error is sent like any answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from playground.protocol import Message
from playground.talks.tree import Node, Tree, path_to


def messages(tree: Tree, node_id: int | None = None, system_prompt: str = "") -> tuple[Message, ...]:
    """The conversation down to this node, or to the end of the path.

    Of an answer that is still being written, this is what its model is asked with: all before it, and where it goes on
    from another answer, that one's text as a last, unfinished assistant's message. The question at the end stays
    whether it is answered or not; of the turns before it, only those with an answer.
    """
    path = path_to(tree, tree.leaf if node_id is None else node_id)
    begun: tuple[Message, ...] = ()
    open_turn = bool(path) and path[-1].role != "assistant"
    if path and path[-1].state == "running":
        *before, answer = path
        path, open_turn = tuple(before), True
        begun = _begun(answer)
    turns = _turns(path)
    asked = len(turns) - 1 if open_turn else None
    sent = [_said(turn) if i == asked else _closed(_said(turn)) for i, turn in enumerate(turns)]
    kept = [said for i, said in enumerate(sent) if i == asked or _answered(said)]
    system = (Message("system", system_prompt),) if system_prompt.strip() else ()
    return (*system, *(message for said in kept for message in said), *begun)


def text_of(node: Node) -> str:
    """The text of a turn as the model reads it: attached documents first, then what was written."""
    return "\n\n".join(part for part in (*(d.text for d in node.documents), node.content) if part)


def _begun(answer: Node) -> tuple[Message, ...]:
    """The part of a running answer that stood before it was asked to go on."""
    content, reasoning = answer.begun
    if not content and not reasoning:
        return ()
    return (Message("assistant", answer.content[:content], answer.reasoning[:reasoning]),)


def _turns(path: Sequence[Node]) -> list[list[Node]]:
    turns: list[list[Node]] = []
    for node in path:
        if node.role == "user" or not turns:
            turns.append([node])
        else:
            turns[-1].append(node)
    return turns


def _said(turn: Sequence[Node]) -> list[Message]:
    """The messages of one turn, without calls that have no result, which every API refuses."""
    said: list[Message] = []
    waiting: set[str] = set()
    for i, node in enumerate(turn):
        if node.role == "user":
            said.append(Message("user", text_of(node), images=node.images, audio=node.audio))
        elif node.role == "tool" and node.tool_call_id in waiting:
            waiting.remove(node.tool_call_id)
            said.append(Message("tool", node.content, tool_call_id=node.tool_call_id, name=node.name))
        elif node.role == "assistant":
            waiting = _calls_with_results(node, turn[i + 1 :])
            if waiting:
                said.append(Message("assistant", node.content, node.reasoning, node.tool_calls, node.items))
            elif node.content.strip():
                items = () if node.tool_calls else node.items  # a provider's items hold the call as well
                said.append(Message("assistant", node.content, node.reasoning, items=items))
    return said


def _closed(said: list[Message]) -> list[Message]:
    """The messages of a past turn without calls at its end on whose results nothing was said."""
    while said and said[-1].role == "tool":
        while said[-1].role == "tool":
            said.pop()
        called = said.pop()
        if called.content.strip():
            said.append(Message("assistant", called.content, called.reasoning))
    return said


def _calls_with_results(node: Node, after: Sequence[Node]) -> set[str]:
    """The ids of this answer's calls if every one of them has its result before the next answer, else none."""
    called = {wish.id for wish in node.tool_calls}
    given: set[str] = set()
    for follower in after:
        if follower.role != "tool":
            break
        given.add(follower.tool_call_id)
    return called if called <= given else set()


def _answered(said: Sequence[Message]) -> bool:
    return any(message.role == "assistant" and message.content.strip() for message in said)
