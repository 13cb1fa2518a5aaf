"""Drafts of the answer while a model still thinks: once they stay the same, more thought changes nothing.

Every so many tokens of a thought the thought is closed for a moment and the beginning of the answer is decoded
greedily, on a sequence of its own beside the answer's, so that it works in the same way whether answers are made alone
or together. That sequence has read the prompt and the thought so far, and is cut back to them after a draft. After
"answer convergence" as a sign to stop: Liu and Wang 2025, https://arxiv.org/abs/2506.02536.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence

from playground.chat.decode import Logits, logits_of, read_on
from playground.chat.detokenize import decoder_of
from playground.chat.text_model import AnyText, end_ids
from playground.protocol import CancelToken

DRAFT = 24  # tokens of a draft at most


class Probes:
    """The drafts of one answer; whoever makes it closes them. They are free where the answer itself is bound.

    Args:
        same: drafts in a row that have to be the same.
        every: tokens of thought from one draft to the next.
        room: tokens that prompt and answer may have together.
    """

    def __init__(self, loaded: AnyText, same: int, every: int, room: int, cancel: CancelToken) -> None:
        self._loaded, self.same, self._every, self._room, self._cancel = loaded, same, every, room, cancel
        self._decode, self._ends = decoder_of(loaded.tokenizer), end_ids(loaded)
        self._source: Logits | None = None
        self._probed = 0  # tokens of thought at the last draft
        self._alike = 0
        self.draft = ""  # the last one
        self.count = self.tokens = self.read = 0
        self.seconds = 0.0

    def due(self, thought: int) -> bool:
        """Whether it is time for a draft, after so many tokens of thought."""
        return thought >= self._probed + self._every

    def settled(self, thought: int, ids: list[int], closing: Sequence[int]) -> bool:
        """Makes a draft; whether the last ones were all the same, and not blank.

        Args:
            thought: tokens of it so far.
            ids: prompt and answer so far, which end within the thought.
            closing: what would end it.

        Raises:
            Cancelled: while it reads.
        """
        self._probed = thought
        began = time.perf_counter()
        draft = self._made(ids, closing)
        self.seconds += time.perf_counter() - began
        self.count += 1
        self._alike = self._alike + 1 if draft and draft == self.draft else int(bool(draft))
        self.draft = draft
        return self._alike >= self.same

    def close(self) -> None:
        """Frees the sequence."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _made(self, ids: list[int], closing: Sequence[int]) -> str:
        """The beginning of the answer that would be given now, made plain."""
        if self._source is None:
            self._source = logits_of(self._loaded, self._room)
        source, draft = self._source, list[int]()
        before = [*ids, *closing]
        for _ in range(min(DRAFT, self._room - len(before))):
            read = [*before, *draft]
            self.read += len(read) - source.held(len(read))
            token = int(read_on(source, read, self._cancel).argmax(dim=-1))
            if token in self._ends:
                break
            draft.append(token)
        self.tokens += len(draft)
        source.rewind(len(ids))
        return plain(self._decode(draft))


def plain(text: str) -> str:
    """A draft without what does not matter: case, blanks, forms of characters, marks at its ends."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.strip(" .,;:!?¡¿。，、！？\"'`*_()[]{}")
