"""What is kept between visits: generations, scores, blind battles and votes. SQLite by default, any SQLAlchemy URL.

Every row belongs to an owner, and every read filters by it: nobody is shown another's rows. Knows nothing of models.
SQLAlchemy is imported when a `Store` is made, so that the records here can be used without it.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest, PlaygroundError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, RowMapping, Table

SCHEMA = 1
BUSY_S = 10.0  # how long a writer waits for another before it gives up


@dataclass(frozen=True)
class Generation:
    """One finished request. `path` names the file that holds the result, empty where the result is text."""

    id: str
    kind: str
    model: str
    request: dict[str, Any]
    result: dict[str, Any]
    path: str
    created: datetime


@dataclass(frozen=True)
class ScoreRow:
    """One measured figure and everything needed to measure it again.

    `metric` ends in its version ("chat.ttft@1"); `low` and `high` are what `interval` says they are; `n` counts what
    the value was computed from; `date` is ISO 8601 in UTC.
    """

    metric: str
    value: float
    unit: str
    n: int
    model: str
    revision: str
    date: str
    low: float | None = None
    high: float | None = None
    interval: str = ""
    dtype: str = ""
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """One side of a battle: who answered, and what (text, or the path of a picture)."""

    model: str
    text: str = ""
    path: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BattleRecord:
    """A battle with its names; `choice` is empty until the vote."""

    id: str
    kind: str
    prompt: str
    a: Contender
    b: Contender
    choice: str
    created: datetime


class Store:
    """All tables behind one SQLAlchemy URL; safe to share between threads. Tables are made on first use.

    Raises (here and in every method):
        PlaygroundError: the URL is no URL, its driver is missing, or the database is locked or cannot be written.
        InvalidRequest: the owner is empty.
    """

    def __init__(self, url: str) -> None:
        self._engine = _open(url)
        self._name = self._engine.url.render_as_string(hide_password=True)
        self._metadata = _tables()
        self._ready: list[MetaData] = []
        self._setup = threading.Lock()
        # An in-memory SQLite database is one connection, on which transactions of several threads would mix.
        self._one_at_a_time = threading.Lock() if _in_memory(self._engine) else nullcontext()

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    # --- generations ---

    def add_generation(
        self, owner: str, kind: str, model: str, request: Mapping[str, Any], result: Mapping[str, Any], path: str = ""
    ) -> str:
        """Keeps a finished request and returns its id; bytes inside are kept as their length and SHA-256."""
        values = {"kind": kind, "model": model, "request": _to_json(request), "result": _to_json(result), "path": path}
        return self._insert("generations", owner, [values])[0]

    def generations(
        self, owner: str, kind: str | None = None, model: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Generation]:
        """The owner's generations, newest first."""
        rows = self._select("generations", owner, {"kind": kind, "model": model}, limit, offset)
        return [_generation(row) for row in rows]

    def generation(self, owner: str, generation_id: str) -> Generation:
        """One of the owner's generations; InvalidRequest where the owner has none of this id."""
        rows = self._select("generations", owner, {"id": generation_id}, 1)
        if not rows:
            raise InvalidRequest(f"There is no generation {generation_id!r} of yours.", "Reload the list.")
        return _generation(rows[0])

    def delete_generation(self, owner: str, generation_id: str) -> Generation:
        """Deletes one of the owner's generations and returns what it was, so that its file can go too."""
        gone = self.generation(owner, generation_id)
        table = self._table("generations")
        with self._begin() as connection:
            connection.execute(table.delete().where(table.c.owner == owner, table.c.id == generation_id))
        return gone

    # --- scores ---

    def add_scores(self, owner: str, rows: Sequence[ScoreRow]) -> list[str]:
        """Keeps measured figures; an older figure of the same metric stays."""
        values = [{"metric": row.metric, "model": row.model, "record": _to_json(asdict(row))} for row in rows]
        return self._insert("scores", owner, values) if values else []

    def scores(self, owner: str, model: str | None = None, metric: str | None = None) -> list[ScoreRow]:
        """The owner's figures, newest first."""
        rows = self._select("scores", owner, {"model": model, "metric": metric})
        return [ScoreRow(**json.loads(row["record"])) for row in rows]

    # --- battles and votes ---

    def add_battle(self, owner: str, kind: str, prompt: str, a: Contender, b: Contender) -> str:
        """Keeps a battle with its sides as they are shown, and returns its id."""
        values = {"kind": kind, "prompt": prompt, "a": _to_json(asdict(a)), "b": _to_json(asdict(b))}
        return self._insert("battles", owner, [values])[0]

    def battle(self, owner: str, battle_id: str) -> BattleRecord:
        """One of the owner's battles; InvalidRequest where the owner has none of this id."""
        rows = self._select("battles", owner, {"id": battle_id}, 1)
        if not rows:
            raise InvalidRequest(f"There is no battle {battle_id!r} of yours.", "Start a new one.")
        votes = self._select("votes", owner, {"battle": battle_id}, 1)
        return _battle(rows[0], votes[0]["choice"] if votes else "")

    def battles(self, owner: str, kind: str | None = None) -> list[BattleRecord]:
        """The owner's battles, newest first."""
        choices = {row["battle"]: row["choice"] for row in self._select("votes", owner, {})}
        return [_battle(row, choices.get(row["id"], "")) for row in self._select("battles", owner, {"kind": kind})]

    def add_vote(self, owner: str, battle_id: str, choice: str) -> None:
        """Keeps the one vote of a battle; InvalidRequest for a battle of somebody else and for a second vote."""
        from sqlalchemy.exc import IntegrityError

        self.battle(owner, battle_id)
        try:
            self._insert("votes", owner, [{"battle": battle_id, "choice": choice}])
        except IntegrityError:  # the unique constraint decides, so that two votes at once cannot both win
            raise InvalidRequest(f"Battle {battle_id!r} has its vote already.", "Start a new battle.") from None

    # --- access ---

    def _table(self, name: str) -> Table:
        return self._metadata.tables[name]

    def _insert(self, name: str, owner: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        _checked(owner)
        common = {"owner": owner, "created": datetime.now(UTC).replace(tzinfo=None), "schema": SCHEMA}
        full = [{"id": uuid.uuid4().hex, **common, **row} for row in rows]
        with self._begin() as connection:
            connection.execute(self._table(name).insert(), full)
        return [row["id"] for row in full]

    def _select(
        self, name: str, owner: str, where: Mapping[str, str | None], limit: int | None = None, offset: int = 0
    ) -> list[RowMapping]:
        """Rows of this owner, newest first; conditions whose value is None are left out."""
        _checked(owner)
        table = self._table(name)
        query = table.select().where(table.c.owner == owner).order_by(table.c.seq.desc())
        for column, value in where.items():
            if value is not None:
                query = query.where(table.c[column] == value)
        if limit is not None:
            query = query.limit(limit).offset(offset)
        with self._begin() as connection:
            return list(connection.execute(query).mappings())

    def _begin(self) -> AbstractContextManager[Connection]:
        return self.transaction(self._metadata)

    @contextmanager
    def transaction(
        self, tables: MetaData, prepare: Callable[[Connection], None] = lambda _: None
    ) -> Iterator[Connection]:
        """A transaction; what the database refuses comes out as a PlaygroundError, except for IntegrityError.

        `tables` may be another module's own. They are made on first use, then `prepare` runs once, to bring what an
        earlier version left up to date.
        """
        from sqlalchemy.exc import DBAPIError, IntegrityError

        try:
            self._create(tables, prepare)
            with self._one_at_a_time, self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise _told(self._name, error.orig or error) from error

    def _create(self, tables: MetaData, prepare: Callable[[Connection], None]) -> None:
        from sqlalchemy.exc import DBAPIError

        with self._setup:
            tries = 0
            while not any(made is tables for made in self._ready):
                try:
                    with self._one_at_a_time, self._engine.begin() as connection:
                        tables.create_all(connection)
                        prepare(connection)
                    self._ready.append(tables)
                except DBAPIError as error:
                    # Another process made a table between the look and the CREATE: look again.
                    tries += 1
                    if "exist" not in str(error.orig) or tries > len(tables.tables):
                        raise


def _open(url: str) -> Engine:
    import sqlalchemy as sa
    from sqlalchemy.pool import StaticPool

    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sa.create_engine(parsed, pool_pre_ping=True)
        arguments: dict[str, Any] = {"check_same_thread": False, "timeout": BUSY_S}
        if parsed.database in (None, "", ":memory:"):
            return sa.create_engine(parsed, connect_args=arguments, poolclass=StaticPool)
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args=arguments)
    except sa.exc.ArgumentError:  # its text repeats the URL, which may hold a password
        raise PlaygroundError(
            "The database URL cannot be read.", "Give one like sqlite:////home/ana/playground.sqlite3."
        ) from None
    except ModuleNotFoundError as error:
        raise PlaygroundError(
            f"The database needs the Python package {error.name}.", "Install it, or leave --database-url away."
        ) from None
    except OSError as error:
        raise PlaygroundError(
            f"The folder of the database cannot be made: {error}.", "Choose another with PLAYGROUND_DATA_DIR."
        ) from None

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


def _in_memory(engine: Engine) -> bool:
    return engine.url.get_backend_name() == "sqlite" and engine.url.database in (None, "", ":memory:")


def _tables() -> MetaData:
    import sqlalchemy as sa

    metadata = sa.MetaData()

    def table(name: str, *columns: Any) -> None:
        sa.Table(
            name,
            metadata,
            sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
            sa.Column("id", sa.String(32), unique=True, nullable=False),
            sa.Column("owner", sa.String(200), index=True, nullable=False),
            sa.Column("created", sa.DateTime, nullable=False),
            sa.Column("schema", sa.Integer, nullable=False),
            *columns,
        )

    def text(name: str, kind: Callable[[], Any] = sa.Text) -> Any:
        return sa.Column(name, kind(), nullable=False)

    table("generations", *map(text, ("kind", "model", "request", "result", "path")))
    table("scores", *map(text, ("metric", "model", "record")))
    table("battles", *map(text, ("kind", "prompt", "a", "b")))
    battle = sa.Column("battle", sa.String(32), sa.ForeignKey("battles.id"), unique=True, nullable=False)
    table("votes", battle, text("choice"))
    return metadata


def _checked(owner: str) -> None:
    if not owner:  # an empty owner would be shared by everyone who has no name
        raise InvalidRequest("The store needs an owner for every row, got ''.", "Reload the page for a new session.")


def _told(name: str, error: BaseException) -> PlaygroundError:
    text = str(error).strip().rstrip(".")
    if "locked" in text or "busy" in text:
        return PlaygroundError(f"The database {name} is locked by another program.", "Close it, then try again.")
    if "readonly" in text or "unable to open" in text or "disk" in text:
        return PlaygroundError(
            f"The database {name} cannot be written: {text}.", "Choose another folder with PLAYGROUND_DATA_DIR."
        )
    return PlaygroundError(f"The database {name} failed: {text}.", "Check --database-url and the log.")


def _to_json(value: Mapping[str, Any]) -> str:
    def digest(part: object) -> dict[str, Any]:
        if isinstance(part, bytes):
            return {"bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
        raise TypeError(f"{type(part).__name__} cannot be kept as JSON")

    return json.dumps(dict(value), default=digest, ensure_ascii=False, allow_nan=False)


def _generation(row: RowMapping) -> Generation:
    request, result = json.loads(row["request"]), json.loads(row["result"])
    return Generation(row["id"], row["kind"], row["model"], request, result, row["path"], _utc(row["created"]))


def _battle(row: RowMapping, choice: str) -> BattleRecord:
    a, b = (Contender(**json.loads(row[side])) for side in ("a", "b"))
    return BattleRecord(row["id"], row["kind"], row["prompt"], a, b, choice, _utc(row["created"]))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
