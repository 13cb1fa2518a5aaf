"""Batches kept in the store: their spec once, then each row as it comes. Every row has an owner through its batch.

A batch is found again by the hash of its spec, so that the same one asked twice is the same one resumed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from playground.batches.records import Row, Spec, Thought, checked, row_from, spec_from, thought_from, to_json
from playground.errors import InvalidRequest
from playground.store import Store

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, MetaData, RowMapping

SCHEMA = 1
MOST_BATCHES = 200  # of one owner
MOST_NAME = 100


@dataclass(frozen=True)
class Summary:
    """One line of the list; times in UTC. `done` counts answers, `failed` the errors among them."""

    id: str
    name: str
    models: tuple[str, ...]
    total: int
    done: int
    failed: int
    created: datetime
    updated: datetime


class Batches:
    """The batches in a store; safe to share between threads.

    Raises (in every method):
        InvalidRequest: the owner is empty, or has no batch of this id.
        PlaygroundError: the database is locked or cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metadata = made()
        self._batches = self._metadata.tables["batches"]
        self._rows = self._metadata.tables["batch_rows"]

    def open(self, owner: str, spec: Spec, name: str = "") -> str:
        """The id of the owner's batch with this spec, which is kept as a new one where there is none."""
        from sqlalchemy.exc import IntegrityError

        spec = checked(spec)
        if found := self.find(owner, spec):
            return found
        table, now, batch_id = self._batches, _now(), uuid.uuid4().hex
        row = {"id": batch_id, "owner": owner, "created": now, "updated": now, "schema": SCHEMA}
        row |= {"name": _name(name) or _name(spec.items[0].prompt), "hash": spec.hash, "spec": to_json(spec)}
        row |= {"models": "\n".join(spec.models), "total": spec.total}
        mine = table.select().with_only_columns(table.c.seq).where(table.c.owner == owner)
        try:
            with self._begin() as connection:
                if len(connection.execute(mine).all()) >= MOST_BATCHES:
                    raise InvalidRequest(f"There are {MOST_BATCHES} batches of yours already.", "Delete some first.")
                connection.execute(table.insert(), row)
        except IntegrityError:  # another window kept the same one in between
            return self.find(owner, spec)
        return batch_id

    def find(self, owner: str, spec: Spec) -> str:
        """The id of the owner's batch with this spec; '' where there is none."""
        table = self._batches
        mine = (table.c.owner == _checked(owner)) & (table.c.hash == checked(spec).hash)
        with self._begin() as connection:
            found = connection.execute(table.select().where(mine)).mappings().first()
        return str(found["id"]) if found is not None else ""

    def one_by_one(self, owner: str, spec: Spec) -> list[Row]:
        """The rows of the same batch without groups, where it has run to its end; else none."""
        found = self.find(owner, spec.plain) if spec.groups else ""
        rows = self.results(owner, found)[0] if found else []
        return rows if len(rows) == spec.total else []

    def spec(self, owner: str, batch_id: str) -> Spec:
        """What was asked."""
        with self._begin() as connection:
            return spec_from(self._row(connection, owner, batch_id)["spec"])

    def put(self, owner: str, batch_id: str, *results: Row | Thought) -> None:
        """Keeps results, each in place of an earlier one for the same model and item or group."""
        table = self._rows
        with self._begin() as connection:
            self._touch(connection, owner, batch_id)
            for result in results:
                thought = isinstance(result, Thought)
                place = result.group if isinstance(result, Thought) else result.index
                row = {"batch": batch_id, "thought": thought, "item": place, "model": result.model}
                same = [table.c[name] == value for name, value in row.items()]
                connection.execute(table.delete().where(*same))
                connection.execute(table.insert(), row | {"failed": bool(result.error), "record": to_json(result)})

    def results(self, owner: str, batch_id: str) -> tuple[list[Row], list[Thought]]:
        """All answers by item and model, and all thoughts by group."""
        table = self._rows
        with self._begin() as connection:
            spec = spec_from(self._row(connection, owner, batch_id)["spec"])
            query = table.select().where(table.c.batch == batch_id).order_by(table.c.item)
            found = list(connection.execute(query).mappings())
        place = {model: at for at, model in enumerate(spec.models)}
        rows = [row_from(row["record"]) for row in found if not row["thought"]]
        rows.sort(key=lambda row: (row.index, place.get(row.model, 0)))
        return rows, [thought_from(row["record"]) for row in found if row["thought"]]

    def listed(self, owner: str, limit: int = 50) -> list[Summary]:
        """The owner's batches, last changed first."""
        import sqlalchemy as sa

        table, rows = self._batches, self._rows
        query = table.select().where(table.c.owner == _checked(owner))
        query = query.order_by(table.c.updated.desc(), table.c.seq.desc()).limit(limit)
        with self._begin() as connection:
            found = list(connection.execute(query).mappings())
            counts = (
                sa.select(rows.c.batch, rows.c.failed, sa.func.count())
                .where(rows.c.batch.in_([row["id"] for row in found]), rows.c.thought.is_(False))
                .group_by(rows.c.batch, rows.c.failed)
            )
            counted = {(batch, bool(failed)): n for batch, failed, n in connection.execute(counts)}
        return [_summary(row, counted) for row in found]

    def delete(self, owner: str, batch_id: str) -> None:
        """Deletes a batch with all its rows."""
        with self._begin() as connection:
            self._row(connection, owner, batch_id)
            connection.execute(self._rows.delete().where(self._rows.c.batch == batch_id))
            connection.execute(self._batches.delete().where(self._mine(owner, batch_id)))

    # --- access ---

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._store.transaction(self._metadata)

    def _mine(self, owner: str, batch_id: str) -> ColumnElement[bool]:
        return (self._batches.c.owner == _checked(owner)) & (self._batches.c.id == batch_id)

    def _touch(self, connection: Connection, owner: str, batch_id: str) -> None:
        """The first statement writes, so that SQLite takes its lock before anything is read."""
        done = connection.execute(self._batches.update().where(self._mine(owner, batch_id)).values(updated=_now()))
        if done.rowcount != 1:
            raise _missing(batch_id)

    def _row(self, connection: Connection, owner: str, batch_id: str) -> RowMapping:
        found = connection.execute(self._batches.select().where(self._mine(owner, batch_id))).mappings().first()
        if found is None:
            raise _missing(batch_id)
        return found


@cache
def made() -> MetaData:
    """The tables, the same in every database; long texts get a type that holds them in MySQL, too."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    metadata = sa.MetaData()
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    sa.Table(
        "batches",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), unique=True, nullable=False),
        sa.Column("owner", sa.String(200), index=True, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("updated", moment, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("name", sa.String(MOST_NAME), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("models", text, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("spec", text, nullable=False),
        sa.UniqueConstraint("owner", "hash"),
    )
    sa.Table(
        "batch_rows",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("batch", sa.String(32), sa.ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
        sa.Column("thought", sa.Boolean, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("model", sa.String(300), nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.UniqueConstraint("batch", "thought", "item", "model"),
    )
    return metadata


def missing(spec: Spec, rows: Sequence[Row], *, retry: bool = True) -> dict[str, list[int]]:
    """The items that each model still has to answer; with `retry` also those that ended in an error."""
    done = {(row.model, row.index) for row in rows if not (retry and row.error)}
    return {model: [item.index for item in spec.items if (model, item.index) not in done] for model in spec.models}


def _summary(row: RowMapping, counted: dict[tuple[Any, bool], int]) -> Summary:
    good, bad = (counted.get((row["id"], failed), 0) for failed in (False, True))
    models = tuple(str(row["models"]).split("\n"))
    made_at, changed = (row[name].replace(tzinfo=UTC) for name in ("created", "updated"))
    return Summary(row["id"], row["name"], models, row["total"], good + bad, bad, made_at, changed)


def _name(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MOST_NAME else line[: MOST_NAME - 1] + "…"


def _checked(owner: str) -> str:
    if not owner:  # an empty owner would be shared by everyone who has no name
        raise InvalidRequest("Every batch needs an owner, got ''.", "Reload the page for a new session.")
    return owner


def _missing(batch_id: str) -> InvalidRequest:
    return InvalidRequest(f"There is no batch {batch_id!r} of yours.", "Reload the list.")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
