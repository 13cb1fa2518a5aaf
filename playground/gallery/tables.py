"""The table of pictures, and how the pictures of earlier versions, which were kept as generations, come into it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

SCHEMA = 1
KINDS = ("text_to_image", "image_to_image", "inpaint", "style_transfer")
_AT_ONCE = 500


@cache
def made() -> MetaData:
    """The table, the same in every database."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    metadata = sa.MetaData()
    text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    sa.Table(
        "pictures",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), unique=True, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("deleted", moment),
        sa.Column("path", text, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("prompt", text, nullable=False),
        sa.Column("search", text, nullable=False),
        sa.Column("seed", sa.BigInteger),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("seconds", sa.Float),
        sa.Column("score", sa.Float),
        sa.Column("favourite", sa.Boolean, nullable=False),
        sa.Column("parameters", text, nullable=False),
        sa.Index("pictures_by_owner", "owner", "created"),
    )
    return metadata


def prepare(connection: Connection) -> None:
    """Brings in the pictures that are among the generations only; each keeps its id, so that none comes twice."""
    import sqlalchemy as sa

    if not sa.inspect(connection).has_table("generations"):
        return
    pictures = made().tables["pictures"]
    plain: list[Any] = [
        sa.column(name) for name in ("seq", "id", "owner", "kind", "model", "request", "result", "path")
    ]
    old = sa.table("generations", *plain, sa.column("created", pictures.c.created.type))
    known = sa.select(pictures.c.id)
    query = sa.select(old).where(old.c.path != "", old.c.kind.in_(KINDS), old.c.id.not_in(known)).order_by(old.c.seq)
    rows = []
    for row in connection.execute(query).mappings():
        values = values_of(
            row["kind"], row["model"], json.loads(row["request"]), json.loads(row["result"]), row["path"]
        )
        rows.append({"id": row["id"], "owner": row["owner"], "created": row["created"], **values})
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(pictures.insert(), rows[start : start + _AT_ONCE])


def values_of(kind: str, model: str, asked: Mapping[str, Any], result: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A picture's columns from what was asked for and what came of it."""
    prompt = str(asked.get("prompt") or "")
    return {
        "schema": SCHEMA,
        "deleted": None,
        "path": path,
        "kind": kind,
        "model": model,
        "prompt": prompt,
        "search": folded(prompt),
        "seed": _whole(asked.get("seed")),
        "width": _whole(asked.get("width")),
        "height": _whole(asked.get("height")),
        "seconds": result.get("seconds"),
        "score": None,
        "favourite": False,
        "parameters": str(result.get("parameters") or ""),
    }


def folded(text: str) -> str:
    """The text as it is searched: one form for every width and case of a letter, nothing that a database refuses."""
    whole = text.encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", whole.replace("\0", " ")).casefold()


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None
