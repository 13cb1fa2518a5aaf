"""One answer that is bound: which tokens may come, and an end in time.

While the budget is ample every token that the grammar allows may come. As it runs low, each token is tried first: one
after which the answer could not be ended any more is not taken, and the shortest end is written instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.chat.constraints.ends import closer_of
from playground.chat.constraints.engine import matcher, reason
from playground.chat.constraints.grammar import Compiled
from playground.errors import PlaygroundError

if TYPE_CHECKING:
    import torch
    from llguidance import LLTokenizer

MAX_OPEN = 32  # arrays and objects within each other, which readers take without trouble
MAX_SKIP = 64  # tokens between two looks at the end


class Binding:
    """Follows an answer token by token; `left` is always how many tokens may still come, the next among them.

    `closed`: the end was written because the budget left nothing else, or because JSON went `too_deep`.
    """

    def __init__(self, grammar: Compiled, vocabulary: LLTokenizer) -> None:
        self.closed = self.too_deep = False
        self._vocabulary = vocabulary
        self._ends = frozenset(vocabulary.eos_tokens)
        self._matcher = matcher(vocabulary, grammar.grammar)
        self._check()
        self._closer = closer_of(grammar)
        self._text = b""
        self._depth = _Depth() if grammar.schema is not None else None
        self._queue: list[int] = []  # the end that is being written
        self._end = self._to_end()  # of the answer as it stands, None where it is not known
        self._after: tuple[int, list[int]] | None = None  # the token that was tried last, and the end after it
        self._skip = 0  # tokens before the next look at the end
        self._step = len(self._vocabulary.tokenize_str(self._closer.heaviest())) + 8  # by which a token may put it off
        self.least = len(self._end or ())  # tokens of the shortest answer

    @property
    def whole(self) -> bool:
        """Whether what is written fits and may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def over(self) -> bool:
        """Whether what is written fits and nothing is to follow."""
        return bool(self._matcher.is_stopped()) or (self.closed and not self._queue)

    def forced(self, left: int) -> list[int]:
        """Tokens that come next, whatever the model thinks; none where it has a choice."""
        if self._queue:
            return self._queue[:left]
        if self.over or self._near(left):
            return []
        tokens = list(self._matcher.compute_ff_tokens())[:left]
        return tokens[: next((i for i, token in enumerate(tokens) if token in self._ends), len(tokens))]

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits (1, V) with minus infinity for what may not come.

        Raises:
            PlaygroundError: no token may come, or the grammar has grown too complex to follow.
        """
        import numpy as np
        import torch

        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        size = logits.shape[-1]
        allowed = np.unpackbits(bits, bitorder="little", count=self._vocabulary.vocab_size)[:size]
        allowed[[end for end in self._ends if end < size]] = self.whole  # some are text as well
        if not allowed.any():
            raise PlaygroundError(
                "No token of the model goes on with the answer as it is bound.", "Bind it in another way."
            )
        banned = torch.from_numpy(np.pad(allowed, (0, size - len(allowed))) == 0)
        return logits.masked_fill(banned.to(logits.device), float("-inf"))

    def checked(self, token: int, left: int) -> int:
        """The token; or where after it the rest of the budget would not be enough to end, the first of the end, which
        is an end token where the answer is whole."""
        if token in self._ends:
            return token
        piece = self._vocabulary.decode_bytes([token])
        deep = self._depth is not None and self._depth.after(piece) > MAX_OPEN
        if not deep and not self._near(left):
            return token
        if self._end is None:
            self._end = self._to_end()
        after = None if deep else self._to_end(token)
        if after is not None and len(after) < left:
            self._after = token, after
            return token
        if self._end is None:  # it stands within a character or an escape, which the next tokens end
            return token
        self.closed, self.too_deep = True, deep
        self._queue = list(self._end)
        return self._queue[0] if self._queue else min(self._ends)

    def accept(self, token: int) -> None:
        """Takes the token that comes next.

        Raises:
            PlaygroundError: the grammar has grown too complex to follow.
        """
        if token in self._ends:
            return
        self._matcher.consume_token(token)
        self._check()
        piece = self._vocabulary.decode_bytes([token])
        self._text += piece
        if self._depth is not None:
            self._depth.feed(piece)
        self._skip -= 1
        self._queue = self._queue[1:]
        self._end = self._after[1] if self._after is not None and self._after[0] == token else None
        self._after = None

    def _near(self, left: int) -> bool:
        """Whether the next token has to be tried; if not, some may come before this is asked again."""
        if self._skip > 0:
            return False
        if self._end is None:
            self._end = self._to_end()
        needed = len(self._end or ()) + 2 * self._step
        self._skip = max(0, min(MAX_SKIP, (left - needed) // self._step))
        return not self._skip

    def _to_end(self, token: int | None = None) -> list[int] | None:
        """The tokens that end the answer, or the answer and `token`, as short as is found; None where nothing is."""
        lead = [] if token is None else [token]
        try:
            rest = self._closer.rest((self._text + self._vocabulary.decode_bytes(lead)).decode())
        except UnicodeDecodeError:  # within a character
            return None
        if rest is None:
            return None
        for tokens in (self._vocabulary.tokenize_str(rest), self._vocabulary.greedy_tokenize(rest)):
            tried = self._matcher.deep_copy()
            if not self._ends.isdisjoint(tokens):
                continue
            if tried.try_consume_tokens([*lead, *tokens]) == len(lead) + len(tokens) and tried.is_accepting():
                return list(tokens)
        return None

    def _check(self) -> None:
        why = reason(self._matcher)
        if why:
            raise PlaygroundError(f"The answer cannot be bound any further: {why}.", "Simplify what binds it.")


class _Depth:
    """Counts the arrays and objects that are open in JSON that comes in pieces."""

    def __init__(self) -> None:
        self._state = (0, False, False)  # open brackets, within a string, after a backslash

    def after(self, piece: bytes) -> int:
        """The depth after the piece, which is not taken."""
        return self._read(piece)[0]

    def feed(self, piece: bytes) -> None:
        self._state = self._read(piece)

    def _read(self, piece: bytes) -> tuple[int, bool, bool]:
        depth, inside, escaped = self._state
        for byte in piece:
            if inside:
                inside = escaped or byte != 0x22
                escaped = byte == 0x5C and not escaped
            elif byte == 0x22:
                inside = True
            elif byte in b"[{":
                depth += 1
            elif byte in b"]}":
                depth -= 1
        return depth, inside, escaped
