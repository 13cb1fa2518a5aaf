"""Answers of one model that are made at the same time, token by token in one step for all. Runs on one thread.

Each answer is an iterator that pauses whenever the others may go on; what it wants read next is noted before the pause,
and the first who asks for its logits afterwards has the step done for all who noted something. Models whose caches
cannot be joined (`logits_torch.can_rewind`), and other runtimes, make their answers one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from playground.chat.decode import in_chunks, logits_of, read_on
from playground.chat.generate import Answer
from playground.chat.text_model import AnyText
from playground.errors import Cancelled
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch

    from playground.chat.batch_torch import BatchLogits, Row
    from playground.chat.logits_torch import TorchLogits


class Together:
    """The answers that one model is making."""

    def __init__(self) -> None:
        self._batch: BatchLogits | None = None
        self._wanted: dict[Row, int] = {}
        self._found: dict[Row, torch.Tensor] = {}
        self._error: BaseException = RuntimeError("no step has failed")
        self._alone = False  # an answer that cannot be joined by others is being made
        self.active = 0

    def make(self, one: Answer, loaded: AnyText, cancel: CancelToken) -> Iterator[None]:
        """Makes an answer to its end, pausing after each token.

        Raises: as `generate.answer`.
        """
        self.active += 1
        try:
            with one.ended_by(cancel), closing(logits_of(loaded, one.room, one.ids)) as source:
                if getattr(source, "joins", False):
                    yield from self._joined(one, source, cancel)  # type: ignore[arg-type]
                else:
                    yield from self._by_itself(one, source, cancel)
        finally:
            self.active -= 1

    def _by_itself(self, one: Answer, source: object, cancel: CancelToken) -> Iterator[None]:
        while self._alone:
            if cancel.cancelled:
                raise Cancelled
            yield
        self._alone = True
        try:
            while one.take(read_on(source, one.ids, cancel)) is not None:  # type: ignore[arg-type]
                yield
        finally:
            self._alone = False

    def _joined(self, one: Answer, source: TorchLogits, cancel: CancelToken) -> Iterator[None]:
        from playground.chat.batch_torch import BatchLogits

        logits = yield from in_chunks(source, one.ids, cancel)
        token = one.take(logits)
        if token is None:
            return
        if self._batch is None or not len(self._batch):
            self._batch = BatchLogits(source.model)
        batch = self._batch
        row = batch.join(*source.give())
        try:
            while token is not None:
                self._wanted[row] = token
                yield
                if cancel.cancelled:
                    raise Cancelled
                token = one.take(self._logits_of(row, batch))
        finally:
            self._wanted.pop(row, None)
            self._found.pop(row, None)
            if batch is self._batch:
                source.receive(batch.leave(row), one.ids[: row.length])
                if not len(batch):
                    self._batch = None  # it refers to the model, which could not be freed

    def _logits_of(self, row: Row, batch: BatchLogits) -> torch.Tensor:
        if row in self._found:
            return self._found.pop(row)
        if batch is not self._batch:
            raise copy.copy(self._error)
        wanted, self._wanted = self._wanted, {}
        try:
            self._found = batch.step(wanted)
        except BaseException as error:
            self._error, self._batch = error, None  # its cache is half a step on; the others meet the same error
            raise
        return self._found.pop(row)
