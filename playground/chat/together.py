"""Answers of one model that are made at the same time, token by token in one step for all. Runs on one thread.

Each answer is an iterator that pauses whenever the others may go on; what it wants read next is noted before the pause,
and the first who asks for its logits afterwards has the step done for all who noted something. Models whose caches
cannot be joined (`logits_torch.can_rewind`), and other runtimes, make their answers one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from playground.chat.decode import in_chunks, logits_of, read_on
from playground.chat.generate import Answer
from playground.chat.text_model import AnyText
from playground.errors import Cancelled
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

    from playground.chat.batch_torch import BatchLogits, Row
    from playground.chat.logits_torch import TorchLogits


SHORT = 256  # tokens of a prompt that is read together with others


class Together:
    """The answers that one model is making."""

    def __init__(self) -> None:
        self._batch: BatchLogits | None = None
        self._starting: dict[Answer, list[int]] = {}
        self._started: dict[Answer, tuple[Row, BatchLogits, torch.Tensor]] = {}
        self._wanted: dict[Row, list[int]] = {}
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
            with one.ended(), closing(logits_of(loaded, one.room, one.ids, one.shown)) as source:
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
            while one.take(read_on(source, one.ids, cancel)):  # type: ignore[arg-type]
                yield
        finally:
            self._alone = False

    def _joined(self, one: Answer, source: TorchLogits, cancel: CancelToken) -> Iterator[None]:
        row, batch, logits = yield from self._begun(one, source, cancel)
        try:
            while one.take(logits):
                while row.length < len(one.ids):
                    self._wanted[row] = one.ids[row.length :]
                    yield
                    if cancel.cancelled:
                        raise Cancelled
                    logits = yield from self._logits_of(row, batch)
        finally:
            self._wanted.pop(row, None)
            self._found.pop(row, None)
            if batch is self._batch:
                source.receive(self._left(batch, row), one.ids[: row.length])

    def _begun(
        self, one: Answer, source: TorchLogits, cancel: CancelToken
    ) -> Generator[None, None, tuple[Row, BatchLogits, torch.Tensor]]:
        """Reads the prompt: a short one with those of the others who begin now, else by itself, in chunks."""
        from playground.chat.logits_torch import keeps_kernels

        if source.held(len(one.ids)) or len(one.ids) > SHORT or keeps_kernels(source.model):
            logits = yield from in_chunks(source, one.ids, cancel)
            batch = self._batch_for(source)
            return batch.join(*source.give()), batch, logits
        self._starting[one] = list(one.ids)
        try:
            yield
            if cancel.cancelled:
                raise Cancelled
            if one in self._starting:
                self._start(source)
            if one not in self._started:
                raise copy.copy(self._error)
            return self._started.pop(one)
        finally:
            self._starting.pop(one, None)
            begun = self._started.pop(one, None)
            if begun is not None and begun[1] is self._batch:
                self._left(begun[1], begun[0])  # cancelled between its prompt and its first token

    def _start(self, source: TorchLogits) -> None:
        batch, starting = self._batch_for(source), self._starting
        self._starting = {}
        try:
            begun = batch.start(list(starting.values()))
        except BaseException as error:
            self._error, self._batch = error, None
            raise
        self._started |= {one: (row, batch, logits) for one, (row, logits) in zip(starting, begun, strict=True)}

    def _batch_for(self, source: TorchLogits) -> BatchLogits:
        from playground.chat.batch_torch import BatchLogits

        if self._batch is None:
            self._batch = BatchLogits(source.model)
        return self._batch

    def _left(self, batch: BatchLogits, row: Row) -> DynamicCache:
        own = batch.leave(row)
        if not len(batch):
            self._batch = None  # it refers to the model, which could not be freed
        return own

    def _logits_of(self, row: Row, batch: BatchLogits) -> Generator[None, None, torch.Tensor]:
        while row not in self._found:
            if batch is not self._batch:
                raise copy.copy(self._error)
            if batch.rows - self._wanted.keys():
                yield  # somebody has begun, and has not said yet what follows the prompt
                continue
            wanted, self._wanted = self._wanted, {}
            try:
                self._found = batch.step(wanted)
            except BaseException as error:
                self._error, self._batch = error, None  # its cache is half a step on; the others meet the same error
                raise
        return self._found.pop(row)
