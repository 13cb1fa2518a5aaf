"""Conversations as JSON and back, checked whole: what is read here may come from anywhere. Knows no files, no store.

The form has a version number. A later version of this file reads the earlier ones.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest
from playground.talks.columns import MOST_COLUMNS, Conversation
from playground.talks.tree import ROOT, Tree

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = "playground.conversation"
VERSION = 1
MOST_NODES = 100_000


def to_json(talk: Conversation, title: str = "") -> bytes:
    """The conversation as UTF-8 JSON: `{"format", "version", "columns", "shown"}`, without what is at its default.

    A title stands beside them as `title`; `from_json` leaves it alone.
    """
    envelope = {
        "format": FORMAT,
        "version": VERSION,
        **({"title": title} if title else {}),
        **_adapter().dump_python(talk, mode="json", exclude_defaults=True),
    }
    return _any_adapter().dump_json(envelope)


def from_json(data: bytes | str) -> Conversation:
    """The conversation that `to_json` wrote.

    Raises:
        InvalidRequest: this is no JSON, no conversation, of a later version, or it does not hang together.
    """
    from pydantic import ValidationError

    try:
        envelope = _any_adapter().validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(f"This is no JSON: {_first(error)}.", "Choose a file that was exported here.") from None
    if not isinstance(envelope, dict) or envelope.get("format") != FORMAT:
        raise InvalidRequest("This JSON is no conversation.", "Choose a file that was exported here.")
    version = envelope.get("version")
    if version != VERSION:
        raise InvalidRequest(
            f"The conversation has version {version!r}, and this app reads up to {VERSION}.", "Update the app."
        )
    _check_size(envelope)
    try:
        talk = _adapter().validate_python({k: v for k, v in envelope.items() if k not in ("format", "version")})
    except ValidationError as error:
        raise InvalidRequest(f"The conversation cannot be read: {_first(error)}.", "Export it again.") from None
    _check(talk)
    return talk


def _check_size(envelope: dict[str, Any]) -> None:
    """Raises InvalidRequest for more turns than anybody writes, before a record is made of each."""
    columns = envelope.get("columns")
    trees = [column.get("tree") for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    nodes = [tree.get("nodes") for tree in trees if isinstance(tree, dict)]
    count = sum(len(some) for some in nodes if isinstance(some, list))
    if count > MOST_NODES:
        raise InvalidRequest(f"The conversation has {count:,} turns; at most {MOST_NODES:,} are read.")


def _check(talk: Conversation) -> None:
    """Raises InvalidRequest unless every id leads somewhere and no turn is its own ancestor."""
    if not 1 <= len(talk.columns) <= MOST_COLUMNS or not 1 <= talk.shown <= len(talk.columns):
        raise InvalidRequest(
            f"The conversation has {len(talk.columns)} columns of which {talk.shown} are shown; 1 to {MOST_COLUMNS} "
            "are possible.",
            "Export it again.",
        )
    for number, column in enumerate(talk.columns, 1):
        broken = _broken(column.tree)
        if broken:
            raise InvalidRequest(f"The conversation cannot be read: column {number} {broken}.", "Export it again.")


def _broken(tree: Tree) -> str:
    """What does not hang together in this tree, '' where all does."""
    count = len(tree.nodes)
    for place, node in enumerate(tree.nodes, 1):
        if node.id != place:
            return f"has turn {node.id} in place {place}"
        if not ROOT <= node.parent < place:
            return f"has turn {place} after turn {node.parent}"
        content, reasoning = node.begun
        if not (0 <= content <= len(node.content) and 0 <= reasoning <= len(node.reasoning)):
            return f"has turn {place} go on from more than it holds"
    if not all(ROOT <= leaf <= count for leaf in (tree.leaf, *tree.past)):
        return "shows a turn that it does not have"
    if len(tree.rests) != count:
        return f"remembers {len(tree.rests)} places of {count} turns"
    # Whatever was shown beneath a turn was shown beneath one of its children too, so no walk to the leaf is needed.
    beneath = {(node.parent, tree.rests[node.id - 1]) for node in tree.nodes}
    for place, rest in enumerate(tree.rests, 1):
        if rest != place and (place, rest) not in beneath:
            return f"remembers turn {rest} beneath turn {place}"
    return ""


@cache
def _adapter() -> TypeAdapter[Conversation]:
    from pydantic import ConfigDict, TypeAdapter, with_config

    form = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")  # for everything inside, too
    return TypeAdapter(with_config(form)(Conversation))


@cache
def _any_adapter() -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Any)


def _first(error: Any) -> str:
    """The first of a validation error's complaints, where it is and what it is, short."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    text = f"{place}: {first['msg']}" if place else first["msg"]
    return text if len(text) <= 200 else text[:199] + "…"
