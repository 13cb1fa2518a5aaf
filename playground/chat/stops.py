"""Cuts a stream at the first stop text, also where it is split over chunks. Knows nothing of models."""

from __future__ import annotations

from playground.chat.reasoning import held_back


class StopFilter:
    """Passes text on until a stop text is seen; the stop text and what follows are left out."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """The text that is certain to stay; the start of a possible stop text is held back."""
        if not self._stops or self.hit:
            return "" if self.hit else text
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:  # the one that ends first, so that it does not matter how the text was chunked
            self.hit, self._held = True, ""
            return text[: min(found)[1]]
        keep = len(text) - held_back(text, self._stops)
        self._held = text[keep:]
        return text[:keep]

    def finish(self) -> str:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, ""
        return held
