"""Conversations kept in the store: saved, listed, searched, renamed, deleted and brought back.

Every row has an owner, and every statement here asks for it: an id alone opens nothing. Pictures and sound lie beside
the tree, once each, so that a save writes what is new. Knows nothing of pages or models.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest
from playground.store import Store
from playground.talks.columns import Conversation
from playground.talks.packing import packed, unpacked
from playground.talks.tables import SCHEMA, holds_all, indexable, made, prepare
from playground.talks.texts import folded_line, search_text, snippet, terms_of, title_line, title_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, RowMapping

MOST_KEPT = 5000  # conversations of one owner
MOST_LISTED = 200
KEPT_AFTER_DELETE = timedelta(days=30)


class ChangedElsewhere(InvalidRequest):
    """The conversation was saved from another window after it was read here."""


@dataclass(frozen=True)
class Summary:
    """One line of the list; times in UTC."""

    id: str
    title: str
    created: datetime
    updated: datetime
    revision: int


@dataclass(frozen=True)
class Found:
    """One result of a search, with the text around the first thing found; '' where only the title holds it."""

    summary: Summary
    snippet: str


@dataclass(frozen=True)
class Kept:
    """A conversation as it was saved; the next save of it names this `summary.revision`."""

    summary: Summary
    talk: Conversation


class Conversations:
    """The conversations in a store; safe to share between threads.

    Raises (in every method):
        InvalidRequest: the owner is empty, or has no conversation of this id.
        PlaygroundError: the database is locked or cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metadata = made()
        self._conversations = self._metadata.tables["conversations"]
        self._files = self._metadata.tables["conversation_files"]
        self._indexed: bool | None = None

    # --- writing ---

    def add(self, owner: str, talk: Conversation, title: str = "") -> Summary:
        """Keeps a new conversation; without a title it is called by its first question."""
        body, files = packed(talk)
        if self.count(owner) >= MOST_KEPT:
            raise InvalidRequest(f"There are {MOST_KEPT:,} conversations of yours already.", "Delete some first.")
        now = _now()
        row: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "owner": owner,
            "created": now,
            "updated": now,
            "schema": SCHEMA,
            "deleted": None,
            "title": title_line(title) or title_of(talk),
            "named": bool(title_line(title)),
            "revision": 1,
            "body": body,
        }
        row["search"] = search_text(row["title"], talk)
        with self._begin() as connection:
            connection.execute(self._conversations.insert(), row)
            self._add_files(connection, row["id"], files)
        return _summary(row)

    def save(self, owner: str, conversation_id: str, talk: Conversation, revision: int) -> Summary:
        """Keeps the conversation as it is now, over the `revision` that was read or saved last.

        Raises:
            ChangedElsewhere: somebody else saved it since; nothing is written.
        """
        body, files = packed(talk)
        with self._begin() as connection:
            # The first statement writes, so that SQLite takes its lock before anything is read.
            mine = self._mine(owner, conversation_id) & (self._conversations.c.revision == revision)
            taken = connection.execute(self._conversations.update().where(mine).values(revision=revision + 1))
            row = self._row(connection, owner, conversation_id)
            if taken.rowcount != 1:
                raise ChangedElsewhere(
                    f"The conversation {row['title']!r} was changed in another window.",
                    "Reload it, or save yours as a copy.",
                )
            title = row["title"] if row["named"] else title_of(talk)
            new = {"title": title, "body": body, "search": search_text(title, talk), "updated": _now()}
            connection.execute(self._update(owner, conversation_id).values(**new))
            self._add_files(connection, conversation_id, files)
        return _summary({**row, **new})

    def rename(self, owner: str, conversation_id: str, title: str) -> Summary:
        """Gives the conversation a title, which later questions do not change."""
        wanted = title_line(title)
        if not wanted:
            raise InvalidRequest("A title must have at least one letter.", "Type one.")
        with self._begin() as connection:
            connection.execute(self._update(owner, conversation_id).values(title=wanted, named=True))
            row = self._row(connection, owner, conversation_id)
            _, texts = str(row["search"]).split("\n", 1)
            search = f"{folded_line(wanted)}\n{texts}"
            connection.execute(self._update(owner, conversation_id).values(search=search))
        return _summary(row)

    def delete(self, owner: str, conversation_id: str, *, for_good: bool = False) -> None:
        """Takes the conversation off all lists; `restore` brings it back within 30 days, unless it is `for_good`.

        What this owner deleted longer ago is removed on the way.
        """
        table, now = self._conversations, _now()
        with self._begin() as connection:
            mine = (table.c.owner == _checked(owner)) & (table.c.id == conversation_id)
            if not for_good:
                mine &= table.c.deleted.is_(None)
            gone = connection.execute(table.update().where(mine).values(deleted=now))
            if gone.rowcount != 1:
                raise _missing(conversation_id)
            old = table.c.deleted < now - KEPT_AFTER_DELETE
            if for_good:
                old |= table.c.id == conversation_id
            self._remove(connection, (table.c.owner == owner) & old)

    def restore(self, owner: str, conversation_id: str) -> Summary:
        """Brings a deleted conversation back."""
        with self._begin() as connection:
            table = self._conversations
            mine = (table.c.owner == _checked(owner)) & (table.c.id == conversation_id)
            connection.execute(table.update().where(mine).values(deleted=None))
            return _summary(self._row(connection, owner, conversation_id))

    def copy(self, owner: str, conversation_id: str) -> Summary:
        """Keeps the conversation a second time, under the same title, for both to go on apart."""
        kept = self.get(owner, conversation_id)
        return self.add(owner, kept.talk, kept.summary.title)

    # --- reading ---

    def get(self, owner: str, conversation_id: str) -> Kept:
        """One of the owner's conversations."""
        with self._begin() as connection:
            row = self._row(connection, owner, conversation_id)
            query = self._files.select().where(self._files.c.conversation == row["id"])
            files = {found["sha256"]: bytes(found["data"]) for found in connection.execute(query).mappings()}
        return Kept(_summary(row), unpacked(row["body"], files))

    def listed(self, owner: str, limit: int = 50, offset: int = 0, *, deleted: bool = False) -> list[Summary]:
        """The owner's conversations, last changed first; with `deleted`, those that can be brought back."""
        return [_summary(row) for row in self._page(self._owned(owner, deleted), limit, offset)]

    def count(self, owner: str) -> int:
        """How many conversations the owner has."""
        import sqlalchemy as sa

        query = sa.select(sa.func.count()).select_from(self._conversations).where(self._owned(owner))
        with self._begin() as connection:
            return int(connection.execute(query).scalar_one())

    def search(self, owner: str, query: str, limit: int = 50, offset: int = 0) -> list[Found]:
        """The owner's conversations whose title and texts together hold every part of the query, last changed first.

        Texts of all versions in all columns count, thoughts do not.
        """
        terms, mine = terms_of(query), self._owned(owner)
        if self._indexed is None:
            with self._begin() as connection:
                self._indexed = indexable(connection)
        held = holds_all(self._conversations, terms, indexed=self._indexed)
        rows = self._page(mine & held, limit, offset, "body")
        return [Found(_summary(row), snippet(unpacked(row["body"], None), terms)) for row in rows]

    # --- access ---

    def _begin(self) -> Any:
        return self._store.transaction(self._metadata, prepare)

    def _owned(self, owner: str, deleted: bool = False) -> ColumnElement[bool]:
        table = self._conversations
        gone = table.c.deleted.is_not(None) if deleted else table.c.deleted.is_(None)
        return (table.c.owner == _checked(owner)) & gone

    def _mine(self, owner: str, conversation_id: str) -> ColumnElement[bool]:
        return self._owned(owner) & (self._conversations.c.id == conversation_id)

    def _update(self, owner: str, conversation_id: str) -> Any:
        return self._conversations.update().where(self._mine(owner, conversation_id))

    def _row(self, connection: Connection, owner: str, conversation_id: str) -> RowMapping:
        query = self._conversations.select().where(self._mine(owner, conversation_id))
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise _missing(conversation_id)
        return row

    def _page(self, where: ColumnElement[bool], limit: int, offset: int, *more: str) -> list[RowMapping]:
        import sqlalchemy as sa

        table = self._conversations
        columns = [table.c[name] for name in ("id", "title", "created", "updated", "revision", *more)]
        query = sa.select(*columns).where(where).order_by(table.c.updated.desc(), table.c.seq.desc())
        query = query.limit(max(0, min(limit, MOST_LISTED))).offset(max(0, offset))
        with self._begin() as connection:
            return list(connection.execute(query).mappings())

    def _add_files(self, connection: Connection, conversation_id: str, files: Mapping[str, bytes]) -> None:
        if not files:
            return
        import sqlalchemy as sa

        query = sa.select(self._files.c.sha256).where(self._files.c.conversation == conversation_id)
        there = set(connection.execute(query).scalars())
        new = [{"conversation": conversation_id, "sha256": k, "data": v} for k, v in files.items() if k not in there]
        if new:
            connection.execute(self._files.insert(), new)

    def _remove(self, connection: Connection, where: ColumnElement[bool]) -> None:
        import sqlalchemy as sa

        table = self._conversations
        ids = sa.select(table.c.id).where(where)
        connection.execute(self._files.delete().where(self._files.c.conversation.in_(ids)))
        connection.execute(table.delete().where(where))


# --- shared --------------------------------------------------------------------------------------------------------


def _summary(row: RowMapping | Mapping[str, Any]) -> Summary:
    created, updated = (row[name].replace(tzinfo=UTC) for name in ("created", "updated"))
    return Summary(row["id"], row["title"], created, updated, row["revision"])


def _checked(owner: str) -> str:
    if not owner:  # an empty owner would be shared by everyone who has no name
        raise InvalidRequest("Every conversation needs an owner, got ''.", "Reload the page for a new session.")
    return owner


def _missing(conversation_id: str) -> InvalidRequest:
    return InvalidRequest(f"There is no conversation {conversation_id!r} of yours.", "Reload the list.")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
