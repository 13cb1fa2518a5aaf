"""A conversation of 1 to 4 columns, each a tree of its own with its own model, parameters and seed. Pure functions.

What a user sends goes to one column or to all that are shown; what a model answers goes into its own column alone. A
column that is taken off the page keeps its tree. Knows nothing of engines or pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, ToolSpec
from playground.talks.answers import begin, send, settle
from playground.talks.reading import messages
from playground.talks.tree import Attached, Node, Tree
from playground.talks.versions import branch, clear, questions

MOST_COLUMNS = 4


@dataclass(frozen=True)
class Parameters:
    """The settings of one column, in the words of `ChatRequest`; None is the card's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_new_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    reasoning_budget: int | None = None
    keep_reasoning: bool | None = None
    tool_choice: str = "auto"
    json_schema: str = ""
    regex: str = ""
    choices: tuple[str, ...] = ()
    stable_probes: int | None = None
    speculation: str = ""


@dataclass(frozen=True)
class Column:
    """One model with its side of the conversation.

    `tools` are names of functions that it may call; `waiting` are user's turns of a replay that are still to be sent.
    """

    model: str
    system_prompt: str = ""
    parameters: Parameters = field(default_factory=Parameters)
    seed: int | None = None
    tools: tuple[str, ...] = ()
    tree: Tree = field(default_factory=Tree)
    waiting: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """Up to four columns, of which the first `shown` are on the page."""

    columns: tuple[Column, ...]
    shown: int

    def column(self, i: int) -> Column:
        """Column `i` from 0; InvalidRequest where it is not shown."""
        if not isinstance(i, int) or not 0 <= i < self.shown:
            raise InvalidRequest(f"This conversation has no column {i!r}.", "Add a model first.")
        return self.columns[i]


def conversation(models: Sequence[str]) -> Conversation:
    """An empty conversation with one column a model."""
    if not 1 <= len(models) <= MOST_COLUMNS:
        raise InvalidRequest(f"A conversation has 1 to {MOST_COLUMNS} models, got {len(models)}.")
    return Conversation(tuple(Column(model) for model in models), len(models))


def show(talk: Conversation, count: int, model: str) -> Conversation:
    """The conversation with its first `count` columns on the page; new ones are of this model and empty."""
    if not 1 <= count <= MOST_COLUMNS:
        raise InvalidRequest(f"A conversation has 1 to {MOST_COLUMNS} columns, got {count}.")
    more = tuple(Column(model) for _ in range(count - len(talk.columns)))
    return Conversation((*talk.columns, *more), count)


def put_column(talk: Conversation, i: int, column: Column) -> Conversation:
    """The conversation with this column in place of column `i`."""
    talk.column(i)
    return replace(talk, columns=(*talk.columns[:i], column, *talk.columns[i + 1 :]))


def on_tree(talk: Conversation, i: int, change: Callable[[Tree], Tree]) -> Conversation:
    """The conversation with one of the steps of `answers` and `versions` made in column `i`."""
    column = talk.column(i)
    return put_column(talk, i, replace(column, tree=change(column.tree)))


def on_all(talk: Conversation, change: Callable[[Tree], Tree]) -> Conversation:
    """The conversation with the same step made in every shown column."""
    for i in range(talk.shown):
        talk = on_tree(talk, i, change)
    return talk


def ask(
    talk: Conversation,
    content: str,
    to: int | None = None,
    *,
    documents: Sequence[Attached] = (),
    images: Sequence[bytes] = (),
    audio: Sequence[bytes] = (),
    created: str = "",
) -> Conversation:
    """The conversation with one user's turn more, in column `to` or in all that are shown."""

    def asked(tree: Tree) -> Tree:
        return send(tree, content, documents=documents, images=images, audio=audio, created=created)

    return on_all(talk, asked) if to is None else on_tree(talk, to, asked)


def answering(talk: Conversation, i: int, *, created: str = "") -> Conversation:
    """The conversation with an empty answer begun in column `i`, by the model of that column."""
    return on_tree(talk, i, lambda tree: begin(tree, talk.column(i).model, created=created))


def request(
    talk: Conversation, i: int, node_id: int | None = None, *, owner: str = "", tools: Sequence[ToolSpec] = ()
) -> ChatRequest:
    """What column `i` asks its model for: the running answer `node_id`, by default the end of its path.

    `tools` are the functions on offer, of which the column's own choice is sent.

    Raises:
        InvalidRequest: the column chose a tool that is not on offer.
    """
    column = talk.column(i)
    offered = {tool.name: tool for tool in tools}
    unknown = next((name for name in column.tools if name not in offered), None)
    if unknown is not None:
        raise InvalidRequest(f"There is no tool {unknown!r}.", "Take it off this column, or add it.")
    return ChatRequest(
        model=column.model,
        messages=messages(column.tree, node_id, column.system_prompt),
        column=i,
        seed=column.seed,
        owner=owner,
        tools=tuple(offered[name] for name in column.tools),
        **asdict(column.parameters),
    )


# --- over columns --------------------------------------------------------------------------------------------------


def replay(talk: Conversation, source: int, target: int) -> Conversation:
    """The user's turns of column `source`, waiting to be sent to column `target` from the start, one after the other.

    The target begins with an empty path; its former turns stay in its tree, and undo brings them back. No answer of the
    source goes with it. `next_waiting` sends them.
    """
    asked = questions(talk.column(source).tree)
    if not asked:
        raise InvalidRequest(f"Column {source + 1} has nothing to replay.", "Write a message first.")
    column = talk.column(target)
    return put_column(talk, target, replace(column, tree=clear(column.tree), waiting=asked))


def next_waiting(talk: Conversation, i: int, *, created: str = "") -> Conversation:
    """The conversation with the next user's turn of a replay sent in column `i`; unchanged where none waits."""
    column = talk.column(i)
    if not column.waiting:
        return talk
    turn, *later = column.waiting
    tree = send(
        column.tree,
        turn.content,
        documents=turn.documents,
        images=turn.images,
        audio=turn.audio,
        created=created,
    )
    return put_column(talk, i, replace(column, tree=tree, waiting=tuple(later)))


def branched(talk: Conversation, i: int, node_id: int) -> Conversation:
    """A conversation of its own that begins with column `i` down to this turn: same model, same parameters."""
    column = talk.column(i)
    return Conversation((replace(column, tree=branch(column.tree, node_id), waiting=()),), 1)


def settled(talk: Conversation) -> Conversation:
    """The conversation with every answer that was being written when the app ended as stopped."""
    return replace(talk, columns=tuple(replace(column, tree=settle(column.tree)) for column in talk.columns))
