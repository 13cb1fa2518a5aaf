"""The prompt library: prompts with variables like `{{language}}`, a user's own and those that come with the app.

A variable is letters, digits, `_`, `-` and spaces between double braces; other braces are text. What is filled in is
never read for variables again. Those that come with the app stand in assets/prompts.toml and cannot be changed.
"""

from __future__ import annotations

import re
import tomllib
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from playground.errors import InvalidRequest
from playground.store import Store
from playground.talks.tables import MOST_NAME, SCHEMA, made, prepare
from playground.talks.texts import title_line
from playground.talks.tree import clean

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "prompts.toml"
MOST_CHARACTERS = 100_000
MOST_PROMPTS = 2000

_VARIABLE = re.compile(r"\{\{\s*([^\W\d][\w -]{0,39}?)\s*\}\}")


@dataclass(frozen=True)
class Prompt:
    """One prompt; a `shipped` one is read-only, and its id is its name."""

    id: str
    name: str
    text: str
    shipped: bool = False


def variables(text: str) -> tuple[str, ...]:
    """The names of the variables of a prompt, each once, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The prompt with a value in place of every variable.

    Raises:
        InvalidRequest: a variable has no value, or a blank one; names every such one.
    """
    missing = [name for name in variables(text) if not str(values.get(name) or "").strip()]
    if missing:
        named = ", ".join("{{" + name + "}}" for name in missing)
        raise InvalidRequest(f"The prompt needs a value for {named}.", "Fill it in.")
    return _VARIABLE.sub(lambda found: str(values[found[1]]), text)


@cache
def shipped() -> tuple[Prompt, ...]:
    """The prompts that come with the app."""
    with SHIPPED.open("rb") as file:
        return tuple(
            Prompt(p["name"], p["name"], p["text"].strip(), shipped=True) for p in tomllib.load(file)["prompt"]
        )


class Prompts:
    """A user's own prompts in the store, with the shipped ones.

    Raises (in every method):
        InvalidRequest: the owner is empty, or has no prompt of this id; a name or a text cannot be kept.
        PlaygroundError: the database is locked or cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metadata = made()
        self._prompts = self._metadata.tables["prompts"]

    def listed(self, owner: str) -> list[Prompt]:
        """The owner's prompts by name, then the shipped ones."""
        table = self._prompts
        query = table.select().where(self._owned(owner)).order_by(table.c.name)
        with self._begin() as connection:
            own = [Prompt(row["id"], row["name"], row["text"]) for row in connection.execute(query).mappings()]
        return [*own, *shipped()]

    def get(self, owner: str, prompt_id: str) -> Prompt:
        """One of the owner's prompts, or a shipped one by its name."""
        with self._begin() as connection:
            found = connection.execute(self._prompts.select().where(self._mine(owner, prompt_id))).mappings().first()
        if found is not None:
            return Prompt(found["id"], found["name"], found["text"])
        for prompt in shipped():
            if prompt.id == prompt_id:
                return prompt
        raise _missing(prompt_id)

    def add(self, owner: str, name: str, text: str) -> Prompt:
        """Keeps a new prompt; no two of one owner have the same name."""
        from sqlalchemy.exc import IntegrityError

        prompt = Prompt(uuid.uuid4().hex, _name(name), _text(text))
        if sum(not other.shipped for other in self.listed(owner)) >= MOST_PROMPTS:
            raise InvalidRequest(f"There are {MOST_PROMPTS} prompts of yours already.", "Delete some first.")
        now = datetime.now(UTC).replace(tzinfo=None)
        row = {"id": prompt.id, "owner": owner, "created": now, "updated": now, "schema": SCHEMA}
        try:
            with self._begin() as connection:
                connection.execute(self._prompts.insert(), {**row, "name": prompt.name, "text": prompt.text})
        except IntegrityError:
            raise _taken(prompt.name) from None
        return prompt

    def change(self, owner: str, prompt_id: str, name: str, text: str) -> Prompt:
        """Gives one of the owner's prompts a name and a text."""
        from sqlalchemy.exc import IntegrityError

        prompt = Prompt(prompt_id, _name(name), _text(text))
        new = {"name": prompt.name, "text": prompt.text, "updated": datetime.now(UTC).replace(tzinfo=None)}
        try:
            with self._begin() as connection:
                done = connection.execute(self._prompts.update().where(self._mine(owner, prompt_id)).values(**new))
        except IntegrityError:
            raise _taken(prompt.name) from None
        if done.rowcount != 1:
            raise _missing(prompt_id)
        return prompt

    def delete(self, owner: str, prompt_id: str) -> None:
        """Deletes one of the owner's prompts."""
        with self._begin() as connection:
            done = connection.execute(self._prompts.delete().where(self._mine(owner, prompt_id)))
        if done.rowcount != 1:
            raise _missing(prompt_id)

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._store.transaction(self._metadata, prepare)

    def _owned(self, owner: str) -> ColumnElement[bool]:
        if not owner:  # an empty owner would be shared by everyone who has no name
            raise InvalidRequest("Every prompt needs an owner, got ''.", "Reload the page for a new session.")
        return self._prompts.c.owner == owner

    def _mine(self, owner: str, prompt_id: str) -> ColumnElement[bool]:
        return self._owned(owner) & (self._prompts.c.id == prompt_id)


def _name(name: str) -> str:
    line = title_line(name)
    if not 1 <= len(line) <= MOST_NAME:
        raise InvalidRequest(f"A prompt's name has 1 to {MOST_NAME} characters, got {len(line)}.", "Name it shortly.")
    return line


def _text(text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequest("The prompt is empty.", "Write a text.")
    if len(text) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"The prompt has {len(text):,} characters; at most {MOST_CHARACTERS:,} are kept.", "Shorten it."
        )
    return clean(text).replace("\0", " ")


def _missing(prompt_id: str) -> InvalidRequest:
    if any(prompt.id == prompt_id for prompt in shipped()):
        return InvalidRequest(f"The prompt {prompt_id!r} comes with the app and stays as it is.", "Save a copy of it.")
    return InvalidRequest(f"There is no prompt {prompt_id!r} of yours.", "Reload the list.")


def _taken(name: str) -> InvalidRequest:
    return InvalidRequest(f"There is a prompt {name!r} of yours already.", "Choose another name.")
