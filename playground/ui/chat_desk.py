"""The conversation that a visitor has open: held here while the page lives, saved after each change.

A page names the conversation that it shows, so that a restart of the app or a reload finds it again in the store.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playground.errors import InvalidRequest
from playground.talks.answers import settle
from playground.talks.columns import Conversation, conversation, on_tree, settled
from playground.talks.kept import ChangedElsewhere, Conversations

if TYPE_CHECKING:
    from playground.attach.documents import Document
    from playground.chat.tools.tool import Tool
    from playground.protocol import ToolCall
    from playground.store import Store

MOST_DESKS = 500  # sessions whose conversation is held in memory; older ones are read from the store again


@dataclass
class Approval:
    """A call of a tool that waits for the user."""

    call: ToolCall
    tool: Tool
    answer: asyncio.Future[bool]


@dataclass
class Attachment:
    """A file that goes with the next message: a document, or an encoded picture or sound. `tokens` None is unknown."""

    name: str
    document: Document | None = None
    image: bytes = b""
    audio: bytes = b""
    notes: tuple[str, ...] = ()


@dataclass
class Desk:
    """What one session has open. `due`: columns whose running answer is still to be asked for; `chosen`: the turn of
    each column that was clicked last."""

    owner: str
    talk: Conversation
    id: str = ""
    title: str = ""
    revision: int = 0
    due: dict[int, int] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    approvals: dict[int, Approval] = field(default_factory=dict)
    attached: list[Attachment] = field(default_factory=list)
    saved: Conversation | None = None
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever asked in it."""
        return not any(column.tree.nodes for column in self.talk.columns)

    def put_aside(self, i: int) -> None:
        """Ends what column `i` still writes, for a step that replaces it."""
        self.due.pop(i, None)
        self.chosen.pop(i, None)
        self.talk = on_tree(self.talk, i, settle)


class Desks:
    """The open conversation of each session."""

    def __init__(self, store: Callable[[], Store], models: Callable[[], Sequence[str]]) -> None:
        self._store, self._models = store, models
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._kept: Conversations | None = None

    @property
    def kept(self) -> Conversations:
        """The store's conversations; every method reads or writes the disk, so they are called in threads."""
        if self._kept is None:
            self._kept = Conversations(self._store())
        return self._kept

    async def at(self, session: str, owner: str, opened: object) -> Desk:
        """The desk of this session, with the conversation `opened` where the page shows one that is not on it."""
        desk = self._desks.get(session)
        if desk is None or desk.owner != owner:
            desk = await self._found(owner, opened) if isinstance(opened, str) and opened else None
            # Another call of the session may have come first while the store was read.
            held = self._desks.get(session)
            desk = held if held is not None and held.owner == owner else desk or self._fresh(owner)
        self._desks[session] = desk
        self._desks.move_to_end(session)
        while len(self._desks) > MOST_DESKS:
            self._desks.popitem(last=False)
        return desk

    def held(self, session: str) -> Desk | None:
        """The desk of this session, where it has one."""
        return self._desks.get(session)

    async def open(self, session: str, owner: str, conversation_id: str) -> Desk:
        """Puts one of the owner's conversations on the desk; InvalidRequest where there is none of this id.

        Windows of one owner that show the same conversation share a desk, so that neither overwrites the other.
        """
        self._desks[session] = desk = self._shared(owner, conversation_id) or await self._read(owner, conversation_id)
        return desk

    def put(self, session: str, owner: str, talk: Conversation, title: str = "") -> Desk:
        """Puts a conversation on the desk that is not kept yet."""
        self._desks[session] = desk = Desk(owner, talk, title=title)
        return desk

    def fresh(self, session: str, owner: str, models: Sequence[str], shown: int) -> Desk:
        """Puts an empty conversation with these models on the desk."""
        known = [model for model in models if model] or list(self._models())
        return self.put(session, owner, Conversation(conversation(known[:4]).columns, max(1, min(shown, len(known)))))

    async def save(self, desk: Desk) -> None:
        """Keeps what is on the desk, if it changed and something was asked.

        What was changed in another window meanwhile is left alone: this one goes on as a copy.
        """
        async with desk.saving:
            talk = desk.talk
            if desk.empty or talk is desk.saved:
                return
            if desk.id:
                try:
                    summary = await asyncio.to_thread(lambda: self.kept.save(desk.owner, desk.id, talk, desk.revision))
                except ChangedElsewhere:
                    summary = await asyncio.to_thread(lambda: self.kept.add(desk.owner, talk, f"{desk.title} (copy)"))
            else:
                summary = await asyncio.to_thread(lambda: self.kept.add(desk.owner, talk, desk.title))
            desk.id, desk.title, desk.revision, desk.saved = summary.id, summary.title, summary.revision, talk

    async def _found(self, owner: str, opened: str) -> Desk | None:
        try:
            return self._shared(owner, opened) or await self._read(owner, opened)
        except InvalidRequest:
            return None  # deleted, or of another owner: the page starts a new one

    async def _read(self, owner: str, conversation_id: str) -> Desk:
        kept = await asyncio.to_thread(lambda: self.kept.get(owner, conversation_id))
        desk = Desk(owner, settled(kept.talk), kept.summary.id, kept.summary.title, kept.summary.revision)
        desk.saved = kept.talk if desk.talk == kept.talk else None
        if desk.saved is not None:
            desk.talk = desk.saved
        # Another window may have opened it while it was read.
        return self._shared(owner, conversation_id) or desk

    def _shared(self, owner: str, conversation_id: str) -> Desk | None:
        return next((d for d in self._desks.values() if d.owner == owner and d.id == conversation_id), None)

    def _fresh(self, owner: str) -> Desk:
        models = list(self._models())
        return Desk(owner, conversation(models[:4]))


def now() -> str:
    """The time, as a turn notes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
