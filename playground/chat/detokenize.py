"""Token ids into text, piece by piece, never half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground.chat.templates import Tokenizer

BROKEN = "\ufffd"  # what decoders write for bytes that are not (yet) a character


class Detokenizer:
    """Decodes a short window: the tokens not yet whole, after those just before them, which settle their spacing.

    The pieces together are the decoded text. Special tokens are left out. `before`: tokens that it goes on from.
    """

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int] = ()) -> None:
        self._decode = decoder_of(tokenizer)
        self._before = list(before)
        self._before_text = self._decode(self._before) if before else ""
        self._pending: list[int] = []
        self._sent = 0  # characters of the pending tokens that have gone out

    def feed(self, token: int) -> str:
        """The new text; empty while bytes of a character are missing."""
        self._pending.append(token)
        text = self._text()
        piece = self._rest(text.rstrip(BROKEN))
        if text and not text.endswith(BROKEN):
            self._before, self._pending, self._sent = self._pending, [], 0
            self._before_text = self._decode(self._before)
        return piece

    def finish(self) -> str:
        """What is left: bytes that never became a character, as U+FFFD."""
        piece = self._rest(self._text())
        self._before, self._pending, self._sent, self._before_text = [], [], 0, ""
        return piece

    def _text(self) -> str:
        if not self._pending:
            return ""
        whole = self._decode(self._before + self._pending)
        if whole.startswith(self._before_text):
            return whole[len(self._before_text) :]
        return self._decode(self._pending)  # byte-fallback decoders rewrite a whole run while it is incomplete

    def _rest(self, text: str) -> str:
        piece = text[self._sent :]
        self._sent = max(self._sent, len(text))
        return piece


def decoder_of(tokenizer: Tokenizer) -> Callable[[Sequence[int]], str]:
    """A function from ids to text without special tokens; a fast tokenizer's core decodes several times faster."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is not None:
        return lambda ids: core.decode(list(ids), skip_special_tokens=True)
    return lambda ids: str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
