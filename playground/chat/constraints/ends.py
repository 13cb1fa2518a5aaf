"""The shortest way to the end of a bound answer, whatever binds it."""

from __future__ import annotations

import json
from typing import Protocol

from playground.chat.constraints.automaton import automaton, shortest_text
from playground.chat.constraints.closing import SchemaCloser
from playground.chat.constraints.engine import byte_tokenizer, matcher
from playground.chat.constraints.grammar import Compiled
from playground.chat.constraints.patterns import ASCII, checked
from playground.chat.constraints.reach import shortest


class Closer(Protocol):
    """Says how a text may end."""

    def rest(self, text: str) -> str | None:
        """What ends the text, as short as is found; None where nothing is found."""

    def heaviest(self) -> str:
        """The longest text that one more token may put between here and the end, as far as is known."""


def closer_of(grammar: Compiled) -> Closer:
    """The closer of a compiled spec."""
    if grammar.schema is not None:
        return SchemaCloser(grammar.schema)
    if grammar.spec.kind == "regex":
        return RegexCloser(grammar.spec.text)
    if grammar.spec.kind == "choices":
        return ChoiceCloser(json.loads(grammar.spec.text))
    return GrammarCloser(grammar.grammar)


class ChoiceCloser:
    """Ends one of a list of texts."""

    def __init__(self, choices: list[str]) -> None:
        self._choices = sorted(choices, key=len)

    def rest(self, text: str) -> str | None:
        return next((choice[len(text) :] for choice in self._choices if choice.startswith(text)), None)

    def heaviest(self) -> str:
        return self._choices[-1]


class RegexCloser:
    """Ends a text that the whole expression has to match; goes on from the text that it was last asked about."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._ascii_only = checked(pattern).ascii_only
        self._machine = automaton(pattern, True)
        self._text = ""
        self._states = self._machine.start()

    def rest(self, text: str) -> str | None:
        if self._ascii_only:
            return shortest_text((self._pattern, ASCII), text, ascii_only=True, whole=True)
        if not text.startswith(self._text):
            self._text, self._states = "", self._machine.start()
        for character in text[len(self._text) :]:
            self._states = self._machine.after(self._states, character)
        self._text = text
        return self._machine.rest(self._states)

    def heaviest(self) -> str:
        return self._machine.longest_rest()


class GrammarCloser:
    """Ends a text of any grammar by trying bytes; goes on from the text that it was last asked about."""

    def __init__(self, grammar: str) -> None:
        self._fresh = matcher(byte_tokenizer(), grammar)
        self._text = b""
        self._state = self._fresh.deep_copy()
        self._known = b""  # an end of the text

    def rest(self, text: str) -> str | None:
        data = text.encode()
        if not data.startswith(self._text):
            self._text, self._state, self._known = b"", self._fresh.deep_copy(), b""
        new = data[len(self._text) :]
        if self._state.try_consume_tokens(list(new)) < len(new):
            return None
        self._text = data
        if self._known.startswith(new) and self._known != new:
            self._known = self._known[len(new) :]
        else:
            self._known = shortest(self._state) or b""
            if not self._known and not self._state.is_accepting():
                return None
        return self._known.decode("utf-8", "replace")

    def heaviest(self) -> str:
        return "x" * 64
