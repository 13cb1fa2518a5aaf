"""The pictures and sounds of a conversation as a part of its prompt. Knows neither templates nor architectures.

A mark that nobody could have typed stands for each file while the template is rendered; it becomes the model's own
placeholders afterwards, so that what a user or a document writes is never taken for a file.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from playground.chat.senses.sounds import samples_of
from playground.chat.tools.markup import harmless
from playground.errors import InvalidRequest
from playground.protocol import Message

if TYPE_CHECKING:
    from playground.models.senses import Senses

MOST_FILES = 32  # pictures and recordings of one conversation


@dataclass(frozen=True)
class Shown:
    """What the model is given beside the ids of a prompt.

    `values` are the arguments of `forward`, `key` tells prompts with other files or another order of them apart.
    """

    values: dict[str, Any]
    key: int
    senses: Senses


@dataclass(frozen=True, eq=False)
class _File:
    data: bytes
    opened: Any  # a picture in RGB, or samples
    ids: tuple[int, ...]
    is_picture: bool


@dataclass
class SensePrompt:
    """The files of one conversation for one model, each decoded once."""

    senses: Senses
    special: tuple[str, ...]
    check: Callable[[], None] = lambda: None
    _mark: str = field(default_factory=lambda: f"zq{secrets.token_hex(8)}")
    _files: list[_File] = field(default_factory=list)
    _known: dict[tuple[bool, bytes], int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, senses: Senses, tokenizer: Any, messages: Sequence[Message], check: Callable[[], None]
    ) -> SensePrompt | None:
        """That of a conversation; None where it holds no files.

        Raises:
            InvalidRequest: too many files, or one that cannot be read.
        """
        count = sum(len(message.images) + len(message.audio) for message in messages)
        if not count:
            return None
        if count > MOST_FILES:
            raise InvalidRequest(f"The conversation holds {count} pictures and recordings; at most {MOST_FILES}.")
        special = tuple(str(tokenizer.convert_ids_to_tokens(id_)) for id_ in sorted(senses.placeholders))
        made = cls(senses, special, check)
        for message in messages:
            for data in message.images:
                made._open(data, True)
            for data in message.audio:
                made._open(data, False)
        return made

    def told(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation with marks where its files belong: before the text of their message."""
        found = []
        for message in messages:
            at = [self._known[True, data] for data in message.images]
            at += [self._known[False, data] for data in message.audio]
            marks = "".join(f"{self._mark}x{number}y" for number in at)
            found.append(replace(message, content=marks + harmless(message.content, self.special)))
        return found

    def ids(self, tokenizer: Any, text: str, messages: Sequence[Message]) -> list[int]:
        """The ids of these messages' rendered prompt, placeholders in place of the marks.

        Raises:
            InvalidRequest: the template has left a file out or moved it.
        """
        parts = re.split(rf"{self._mark}x(\d+)y", text)
        if [self._files[int(number)] for number in parts[1::2]] != self._of(messages):
            raise InvalidRequest(
                "The model's chat template leaves pictures or sounds out.", "Choose another build of the model."
            )
        ids: list[int] = []
        for i, part in enumerate(parts):
            if i % 2:
                ids += self._files[int(part)].ids
            elif part:
                ids += tokenizer(part, add_special_tokens=False)["input_ids"]
        return ids

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the files of these messages."""
        return sum(len(file.ids) for file in self._of(messages))

    def shown(self, messages: Sequence[Message]) -> Shown | None:
        """What the model is given for the files of these messages; None where they hold none."""
        files = self._of(messages)
        if not files:
            return None
        pictures = [file.opened for file in files if file.is_picture]
        sounds = [file.opened for file in files if not file.is_picture]
        digest = hashlib.sha256()
        for file in files:
            digest.update(b"picture" if file.is_picture else b"sound")
            digest.update(hashlib.sha256(file.data).digest())
        values = self.senses.values(pictures, sounds, self.check)
        return Shown(values, int.from_bytes(digest.digest()[:8], "big"), self.senses)

    def _of(self, messages: Sequence[Message]) -> list[_File]:
        found = []
        for message in messages:
            found += [self._files[self._known[True, data]] for data in message.images]
            found += [self._files[self._known[False, data]] for data in message.audio]
        return found

    def _open(self, data: bytes, is_picture: bool) -> None:
        from playground.images.pictures import rgb_picture

        if (is_picture, data) in self._known:
            return
        self.check()
        if is_picture:
            opened: Any = rgb_picture(data)
            ids = self.senses.picture_ids(opened.width, opened.height)
        else:
            opened = samples_of(data, self.senses.rate)
            ids = self.senses.sound_ids(len(opened))
        self._known[is_picture, data] = len(self._files)
        self._files.append(_File(data, opened, tuple(ids), is_picture))
