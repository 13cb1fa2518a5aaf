"""The pictures of each owner: added, searched, marked, deleted and brought back.

Every row has an owner, and every statement here asks for it: an id alone opens nothing. Knows paths, reads no picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest
from playground.gallery.tables import folded, made, prepare, values_of
from playground.store import Store

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, RowMapping

MOST_LISTED = 500
MOST_AT_ONCE = 1000  # pictures that one call marks or deletes
MOST_QUERY = 500
MOST_WORDS = 20
KEPT_AFTER_DELETE = timedelta(days=30)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """One picture; `created` in UTC, sizes in pixels, `seconds` and `score` None where nothing was measured."""

    id: str
    path: str
    kind: str
    model: str
    prompt: str
    seed: int | None
    width: int | None
    height: int | None
    seconds: float | None
    score: float | None
    favourite: bool
    parameters: str
    created: datetime

    @property
    def there(self) -> bool:
        """Whether its file is where it was put."""
        return Path(self.path).is_file()


@dataclass(frozen=True)
class Search:
    """What to look for; an empty value means anything. `words`: parts of words that the prompt holds, all of them.

    `since` and `until` are days in UTC, as YYYY-MM-DD, both included.
    """

    words: str = ""
    model: str = ""
    seed: int | None = None
    since: str = ""
    until: str = ""
    favourites: bool = False
    least_score: float | None = None


class Pictures:
    """The pictures in a store; safe to share between threads.

    Raises (in every method):
        InvalidRequest: the owner is empty, or has no picture of this id.
        PlaygroundError: the database is locked or cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metadata = made()
        self._table = self._metadata.tables["pictures"]

    def add(
        self, owner: str, kind: str, model: str, asked: Mapping[str, Any], result: Mapping[str, Any], path: str
    ) -> str:
        """Keeps a finished picture, among the generations too, and returns its id."""
        picture_id = self._store.add_generation(owner, kind, model, asked, result, path)
        values = values_of(kind, model, asked, result, path)
        with self._begin() as connection:
            # The first use of the table may just have brought it in, from the generations.
            known = self._table.select().where(self._table.c.id == picture_id)
            if connection.execute(known).first() is None:
                row = {"id": picture_id, "owner": _checked(owner), "created": _now(), **values}
                connection.execute(self._table.insert(), row)
        return picture_id

    def search(self, owner: str, search: Search, limit: int = 60, offset: int = 0) -> list[Kept]:
        """The owner's pictures that fit, newest first."""
        table = self._table
        query = table.select().where(self._fitting(owner, search)).order_by(table.c.created.desc(), table.c.seq.desc())
        query = query.limit(max(0, min(limit, MOST_LISTED))).offset(max(0, offset))
        with self._begin() as connection:
            return [_kept(row) for row in connection.execute(query).mappings()]

    def count(self, owner: str, search: Search = Search()) -> int:  # frozen
        """How many of the owner's pictures fit."""
        import sqlalchemy as sa

        query = sa.select(sa.func.count()).select_from(self._table).where(self._fitting(owner, search))
        with self._begin() as connection:
            return int(connection.execute(query).scalar_one())

    def models(self, owner: str) -> list[str]:
        """The ids of the models that the owner has pictures of."""
        import sqlalchemy as sa

        query = sa.select(self._table.c.model).distinct().where(self._owned(owner)).order_by(self._table.c.model)
        with self._begin() as connection:
            return [str(model) for model in connection.execute(query).scalars()]

    def get(self, owner: str, picture_id: str) -> Kept:
        """One of the owner's pictures."""
        return self.several(owner, [picture_id])[0]

    def several(self, owner: str, ids: Sequence[str]) -> list[Kept]:
        """Some of the owner's pictures, in the order of `ids`."""
        wanted = _ids(ids)
        query = self._table.select().where(self._owned(owner) & self._table.c.id.in_(wanted))
        with self._begin() as connection:
            found = {row["id"]: _kept(row) for row in connection.execute(query).mappings()}
        missing = [one for one in wanted if one not in found]
        if missing:
            raise _missing(missing[0])
        return [found[one] for one in wanted]

    def favourite(self, owner: str, ids: Sequence[str], favourite: bool = True) -> None:
        """Marks pictures as favourites, or takes the mark off."""
        self._change(owner, ids, favourite=favourite)

    def rate(self, owner: str, picture_id: str, score: float | None) -> None:
        """Keeps a picture's score."""
        self._change(owner, [picture_id], score=score)

    def delete(self, owner: str, ids: Sequence[str]) -> None:
        """Takes pictures out of the gallery; `restore` brings them back within 30 days."""
        self._change(owner, ids, deleted=_now())

    def restore(self, owner: str, ids: Sequence[str]) -> None:
        """Brings deleted pictures back."""
        wanted = _ids(ids)
        mine = (self._table.c.owner == _checked(owner)) & self._table.c.id.in_(wanted)
        with self._begin() as connection:
            changed = connection.execute(self._table.update().where(mine).values(deleted=None))
            if changed.rowcount != len(wanted):
                connection.rollback()
                raise _missing(wanted[0])

    def purge(self, owner: str) -> list[str]:
        """Forgets what this owner deleted over 30 days ago; returns the ids. Their files go first, in one place.

        A file that cannot be removed keeps its row, for the next time.
        """
        table = self._table
        old = (table.c.owner == _checked(owner)) & (table.c.deleted < _now() - KEPT_AFTER_DELETE)
        with self._begin() as connection:
            rows = list(connection.execute(table.select().where(old)).mappings())
        gone = []
        for row in rows:
            try:
                Path(row["path"]).unlink(missing_ok=True)
            except OSError:
                continue
            self._store.delete_generation(owner, row["id"])
            with self._begin() as connection:
                connection.execute(table.delete().where(old & (table.c.id == row["id"])))
            gone.append(str(row["id"]))
        return gone

    def _change(self, owner: str, ids: Sequence[str], **values: Any) -> None:
        wanted = _ids(ids)
        mine = self._owned(owner) & self._table.c.id.in_(wanted)
        with self._begin() as connection:
            changed = connection.execute(self._table.update().where(mine).values(**values))
            if changed.rowcount != len(wanted):  # all or none
                connection.rollback()
                raise _missing(wanted[0])

    def _begin(self) -> Any:
        return self._store.transaction(self._metadata, prepare)

    def _owned(self, owner: str) -> ColumnElement[bool]:
        return (self._table.c.owner == _checked(owner)) & self._table.c.deleted.is_(None)

    def _fitting(self, owner: str, search: Search) -> ColumnElement[bool]:
        table = self._table
        fits = self._owned(owner)
        if not isinstance(search.words, str) or len(search.words) > MOST_QUERY:
            raise InvalidRequest(f"A search has at most {MOST_QUERY} characters.", "Search for fewer words.")
        words = list(dict.fromkeys(folded(search.words).split()))
        if len(words) > MOST_WORDS:
            raise InvalidRequest(f"A search has at most {MOST_WORDS} words, got {len(words)}.", "Search for fewer.")
        for word in words:
            fits &= table.c.search.contains(word, autoescape=True)
        if search.model:
            fits &= table.c.model == search.model
        if search.seed is not None:
            fits &= table.c.seed == search.seed
        if search.since:
            fits &= table.c.created >= datetime.combine(_day("since", search.since), time())
        if search.until:
            fits &= table.c.created < datetime.combine(_day("until", search.until) + timedelta(days=1), time())
        if search.favourites:
            fits &= table.c.favourite.is_(True)
        if search.least_score is not None:
            fits &= table.c.score >= search.least_score
        return fits


def _day(name: str, value: object) -> date:
    try:
        day = date.fromisoformat(str(value)[:10])
        if day < date(9999, 12, 31):
            return day
    except ValueError:
        pass
    raise InvalidRequest(f"{name} must be a day as YYYY-MM-DD, got {str(value)[:40]!r}.")


def _ids(ids: object) -> list[str]:
    if isinstance(ids, str):
        ids = [ids]
    if not isinstance(ids, list | tuple) or not ids or not all(isinstance(i, str) for i in ids):
        raise InvalidRequest("ids must be a list of picture ids.", "/gallery_search has them.")
    if len(ids) > MOST_AT_ONCE:
        raise InvalidRequest(f"At most {MOST_AT_ONCE} pictures are taken at once, got {len(ids)}.", "Choose fewer.")
    for one in ids:
        if not _ID.fullmatch(one):
            raise _missing(one)
    return list(dict.fromkeys(ids))


def _kept(row: RowMapping) -> Kept:
    names = [name for name in Kept.__dataclass_fields__ if name != "created"]
    return Kept(**{name: row[name] for name in names}, created=row["created"].replace(tzinfo=UTC))


def _missing(picture_id: str) -> InvalidRequest:
    return InvalidRequest(f"There is no picture {picture_id[:40]!r} of yours.", "Search again.")


def _checked(owner: str) -> str:
    if not owner:  # an empty owner would be shared by everyone who has no name
        raise InvalidRequest("Every picture needs an owner, got ''.", "Reload the page for a new session.")
    return owner


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
