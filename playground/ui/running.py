"""What each visitor has running, so that Stop reaches it at once: one cancel token for each session and place."""

from __future__ import annotations

import threading

from playground.protocol import CancelToken


class Running:
    """Cancel tokens by session and place ("chat-0", "image"). A place runs one thing at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str], CancelToken] = {}

    def start(self, session: str, place: str) -> CancelToken:
        """A token for new work at this place; what still ran there is cancelled."""
        token = CancelToken()
        with self._lock:
            before = self._tokens.get((session, place))
            self._tokens[session, place] = token
        if before is not None:
            before.cancel()
        return token

    def finish(self, session: str, place: str, token: CancelToken) -> None:
        """Cancels the token and forgets it, unless newer work took its place."""
        token.cancel()
        with self._lock:
            if self._tokens.get((session, place)) is token:
                del self._tokens[session, place]

    def stop(self, session: str, prefix: str = "", forget: bool = False) -> int:
        """Cancels everything of this session whose place begins with `prefix`; returns how many there were.

        `forget` takes the place away as well, for what is cleared from the page and must not come back.
        """
        with self._lock:
            found = {k: t for k, t in self._tokens.items() if k[0] == session and k[1].startswith(prefix)}
            if forget:
                for key in found:
                    del self._tokens[key]
        for token in found.values():
            token.cancel()
        return len(found)

    def holds(self, session: str, place: str, token: CancelToken) -> bool:
        """Whether this work may still change the page: nothing newer took its place, and it was not cleared away."""
        with self._lock:
            return self._tokens.get((session, place)) is token

    def token(self, session: str, place: str) -> CancelToken | None:
        """The token of what runs at this place, None where nothing does."""
        with self._lock:
            return self._tokens.get((session, place))

    def any(self, session: str, prefix: str = "") -> bool:
        """Whether anything of this session runs at a place that begins with `prefix`."""
        with self._lock:
            return any(s == session and place.startswith(prefix) for s, place in self._tokens)
