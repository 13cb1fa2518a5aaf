"""The tables of kept conversations and prompts, and the search over their texts. Knows SQL, nothing of trees.

A search is for parts of words, without regard to case and width of letters, in every database alike: by a trigram index
(SQLite's FTS5) where there is one, by LIKE elsewhere and for parts of under three characters. The index is kept by
triggers, so that it fits whatever wrote a row; a SQLite without FTS5 takes the triggers off, and the next one with it
builds the index anew.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from playground.talks.texts import MOST_TITLE

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, MetaData, Table

SCHEMA = 1
LEAST_INDEXED = 3  # characters; a trigram index finds nothing shorter
MOST_NAME = 100

_INDEX = """CREATE VIRTUAL TABLE IF NOT EXISTS conversation_search USING fts5(
    search, content='conversations', content_rowid='seq', tokenize='trigram case_sensitive 1')"""
_REBUILD = "INSERT INTO conversation_search(conversation_search) VALUES ('rebuild')"
_PROBE = "CREATE VIRTUAL TABLE temp.fts5_probe USING fts5(x, tokenize='trigram')"
_FIND = "SELECT rowid FROM conversation_search WHERE conversation_search MATCH :match"
_TRIGGERS = {
    "conversation_search_add": """AFTER INSERT ON conversations BEGIN
        INSERT INTO conversation_search(rowid, search) VALUES (new.seq, new.search);
        END""",
    "conversation_search_remove": """AFTER DELETE ON conversations BEGIN
        INSERT INTO conversation_search(conversation_search, rowid, search) VALUES ('delete', old.seq, old.search);
        END""",
    "conversation_search_change": """AFTER UPDATE OF search ON conversations BEGIN
        INSERT INTO conversation_search(conversation_search, rowid, search) VALUES ('delete', old.seq, old.search);
        INSERT INTO conversation_search(rowid, search) VALUES (new.seq, new.search);
        END""",
}


@cache
def made() -> MetaData:
    """The tables, the same in every database; long texts and files get a type that holds them in MySQL, too."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    metadata = sa.MetaData()
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    blob = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

    def table(name: str, *columns: Any) -> None:
        sa.Table(
            name,
            metadata,
            sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
            sa.Column("id", sa.String(32), unique=True, nullable=False),
            sa.Column("owner", sa.String(200), index=True, nullable=False),
            sa.Column("created", moment, nullable=False),
            sa.Column("updated", moment, nullable=False),
            sa.Column("schema", sa.Integer, nullable=False),
            *columns,
        )

    table(
        "conversations",
        sa.Column("deleted", moment),
        sa.Column("title", sa.String(MOST_TITLE), nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("body", text, nullable=False),
        sa.Column("search", text, nullable=False),
    )
    sa.Table(
        "conversation_files",
        metadata,
        sa.Column("conversation", sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("data", blob, nullable=False),
    )
    table(
        "prompts",
        sa.Column("name", sa.String(MOST_NAME), nullable=False),
        sa.Column("text", text, nullable=False),
        sa.UniqueConstraint("owner", "name"),
    )
    return metadata


def prepare(connection: Connection) -> None:
    """Makes the index of a SQLite that has FTS5, or takes its triggers off one that has not."""
    if connection.dialect.name != "sqlite":
        return
    if not indexable(connection):
        for name in _TRIGGERS:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        return
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if set(_TRIGGERS) <= {row[0] for row in connection.exec_driver_sql(query)}:
        return
    connection.exec_driver_sql(_INDEX)
    for name, body in _TRIGGERS.items():
        connection.exec_driver_sql(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")
    connection.exec_driver_sql(_REBUILD)


def indexable(connection: Connection) -> bool:
    """Whether this connection is to a SQLite with FTS5 and its trigram tokenizer (3.34 or later)."""
    from sqlalchemy.exc import DBAPIError

    if connection.dialect.name != "sqlite":
        return False
    try:
        connection.exec_driver_sql(_PROBE)
    except DBAPIError:
        return False
    connection.exec_driver_sql("DROP TABLE temp.fts5_probe")
    return True


def holds_all(table: Table, terms: list[str], *, indexed: bool) -> ColumnElement[bool]:
    """The condition that a row's `search` text holds every one of these terms."""
    import sqlalchemy as sa

    long = [term for term in terms if indexed and len(term) >= LEAST_INDEXED]
    conditions: list[ColumnElement[bool]] = [
        table.c.search.contains(term, autoescape=True) for term in terms if term not in long
    ]
    if long:
        match = " AND ".join('"' + term.replace('"', '""') + '"' for term in long)
        found = sa.text(_FIND).bindparams(match=match).columns(sa.column("rowid", sa.Integer))
        conditions.append(table.c.seq.in_(found))
    return sa.and_(*conditions)
