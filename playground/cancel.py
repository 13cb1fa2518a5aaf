"""What a user says to a running request, told across threads and processes."""

from __future__ import annotations

import threading
import time

POLL_S = 0.02


class CancelToken:
    """What the user says to a running request: to stop, to end its thought and answer, or to leave a picture out.

    Engines look at it once a step or token.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._answer = threading.Event()
        self._skip = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    def answer_now(self) -> None:
        """Asks for the answer at the next token; without an effect on what does not think."""
        self._answer.set()

    def skip(self) -> None:
        """Asks to leave out the pictures that are being made, and to go on with the next; others ignore it."""
        self._skip.set()

    def take_skip(self) -> bool:
        """Whether the user wants what is being made left out; says so once for each time it was asked."""
        wanted = self._skip.is_set()
        self._skip.clear()
        return wanted

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    @property
    def wants_answer(self) -> bool:
        return self._answer.is_set()

    def wait(self, timeout: float) -> bool:
        """Blocks up to `timeout` seconds; True as soon as the request is cancelled."""
        return self._event.wait(timeout)

    def __getstate__(self) -> tuple[bool, bool]:
        return self.cancelled, self.wants_answer

    def __setstate__(self, state: tuple[bool, bool]) -> None:
        CancelToken.__init__(self)
        for event, is_set in zip((self._event, self._answer), state, strict=True):
            if is_set:
                event.set()


class Linked(CancelToken):
    """Is cancelled when its parent is, and wants an answer when it does; cancelling it leaves the parent alone.

    An engine may cancel the token it was given when its stream ends, and the parent may have other work to do.
    """

    _parent: CancelToken | None = None

    def __init__(self, parent: CancelToken) -> None:
        super().__init__()
        self._parent = parent

    @property
    def cancelled(self) -> bool:
        return super().cancelled or (self._parent is not None and self._parent.cancelled)

    @property
    def wants_answer(self) -> bool:
        return super().wants_answer or (self._parent is not None and self._parent.wants_answer)

    def take_skip(self) -> bool:
        return super().take_skip() or (self._parent is not None and self._parent.take_skip())

    def wait(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while not self.cancelled and (left := until - time.monotonic()) > 0:
            super().wait(min(left, POLL_S))
        return self.cancelled
