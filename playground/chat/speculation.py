"""An answer of which the next tokens are guessed and then checked, several in one pass of the model.

Every token is drawn from the logits of its own place, with the answer's own sampler and its one generator, and a guess
counts only while it is the token drawn: the answer is the one that would come without guesses, bound or not, at any
temperature. As far as rounding goes, that is: in 16 bit several tokens at once round otherwise than one, as any other
batch does. Knows nothing of where guesses come from.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from playground.chat.decode import in_chunks
from playground.chat.draft_model import DraftModel, check_vocabularies
from playground.chat.lookup import PromptLookup
from playground.chat.request import PROMPT_LOOKUP
from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled, InvalidRequest
from playground.protocol import CancelToken, ChatRequest, ChatStats

if TYPE_CHECKING:
    from playground.chat.generate import Answer
    from playground.chat.logits_torch import TorchLogits

PLAIN = 4  # passes without guesses at the beginning, which tell what a token costs by itself


class Guesser(Protocol):
    """Guesses what follows; `most` is how many tokens at once are worth it."""

    most: int

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that may follow `ids`, which only ever grows from call to call."""

    def close(self) -> None:
        """Frees what it holds."""


class Speculation:
    """The guesses of one answer, and what came of them. `name` is what users know the guesser by."""

    def __init__(self, guesser: Guesser, name: str) -> None:
        self.name = name
        self.drafted = self.accepted = 0
        self._guesser = guesser
        self._plain: list[float] = []  # seconds a token of the first passes
        self._seconds = 0.0
        self._tokens = 0

    def passes(self, one: Answer, source: TorchLogits, cancel: CancelToken) -> Iterator[None]:
        """Makes an answer to its end, pausing after each pass; can be left at a pause, with `one.ids` to go on from.

        Raises:
            Cancelled: before a token.
        """
        logits = yield from in_chunks(source, one.ids, cancel)
        more = one.take(logits)
        while more:
            yield
            began, base = time.perf_counter(), len(one.ids)
            more = self._pass(one, source, cancel)
            seconds, tokens = time.perf_counter() - began, len(one.ids) - base
            self._seconds += seconds
            self._tokens += tokens
            if len(self._plain) < PLAIN:
                self._plain.append(seconds / max(tokens, 1))

    def _pass(self, one: Answer, source: TorchLogits, cancel: CancelToken) -> bool:
        """One pass of the model over what it has not read and the guesses. Returns whether more is to come."""
        if cancel.cancelled:
            raise Cancelled
        base = len(one.ids)
        most = source.ahead(base, min(self._guesser.most, one.room - base - 1))
        guess = self._guesser.guess(one.ids, most) if most > 0 and len(self._plain) >= PLAIN else []
        each = source.read(one.ids[source.held(base) :] + guess, 1 + len(guess))  # (1 + guesses, V)
        new: list[int] = []
        more = True
        while more and new == guess[: len(new)]:
            if cancel.cancelled:
                raise Cancelled
            more = one.take(each[len(new) : len(new) + 1])
            new = one.ids[base:]
        right = next((i for i, (a, b) in enumerate(zip(guess, new, strict=False)) if a != b), min(len(guess), len(new)))
        self.drafted += len(guess)
        self.accepted += right
        source.rewind(base + right)
        return more

    def told(self, stats: ChatStats) -> tuple[ChatStats, str]:
        """The figures with those of the guesses, and a sentence on what they brought; empty where nothing was guessed.

        The speed-up compares the whole answer with the median of its first passes, which were made without guesses.
        """
        stats = replace(stats, drafted=self.drafted, accepted=self.accepted)
        if not self.drafted:
            return stats, ""
        said = f"{self.name}: {self.accepted} of {self.drafted} drafted tokens were right"
        if len(self._plain) == PLAIN and self._seconds > 0:
            said += f", about {statistics.median(self._plain) * self._tokens / self._seconds:.2f} times as fast"
        return stats, f"{said}."

    def close(self) -> None:
        self._guesser.close()


def speculate(
    one: Answer, loaded: AnyText, request: ChatRequest, draft: AnyText | None, cancel: CancelToken
) -> tuple[Speculation | None, str]:
    """What guesses for an answer as the request wants it, or None and why it is made without guesses.

    Raises:
        InvalidRequest: the draft has another vocabulary; names both.
    """
    from playground.chat.logits_torch import can_rewind, rope_switch

    model = torch_model(loaded)
    if model is None or not can_rewind(model):
        return None, f"{loaded.card.name} answers without drafts: its cache cannot take guesses back."
    if one.shown is not None:
        return None, f"{loaded.card.name} answers without drafts, since there are pictures or sounds to read."
    if getattr(loaded, "steps", None) is not None:
        return None, f"{loaded.card.name} answers without drafts: its steps are compiled for one token."
    if request.speculation == PROMPT_LOOKUP:
        return Speculation(PromptLookup(), "Prompt lookup"), ""
    if draft is None:
        return None, f"{loaded.card.name} answers without drafts: there is no draft model beside it."
    drafting = torch_model(draft)
    if drafting is None or not can_rewind(drafting) or rope_switch(drafting.config):
        # longrope's factors stand in the model, which may answer in another thread meanwhile
        return None, f"{loaded.card.name} answers without drafts: {draft.card.name} cannot be run as one."
    check_vocabularies(loaded, draft)
    try:
        guesser = DraftModel(loaded, draft, request, len(one.ids), one.twin, cancel)
    except InvalidRequest as error:
        return None, f"{loaded.card.name} answers without drafts. {error.message}"
    return Speculation(guesser, draft.card.name), ""
