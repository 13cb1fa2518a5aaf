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

    def stop(self, session: str, prefix: str = "") -> int:
        """Cancels everything of this session whose place begins with `prefix`; returns how many there were."""
        with self._lock:
            found = [t for (s, place), t in self._tokens.items() if s == session and place.startswith(prefix)]
        for token in found:
            token.cancel()
        return len(found)

    def any(self, session: str, prefix: str = "") -> bool:
        """Whether anything of this session runs at a place that begins with `prefix`."""
        with self._lock:
            return any(s == session and place.startswith(prefix) for s, place in self._tokens)
