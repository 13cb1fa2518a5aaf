"""Tokens guessed by a smaller model that shares the vocabulary (Leviathan et al., 2023, arXiv:2211.17192).

The draft reads the conversation in its own template and then the answer, and draws with a twin of the answer's own
sampler: the same noise over similar likelihoods mostly gives the same token, also at high temperatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from playground.chat.context import can_think, fit
from playground.chat.decode import logits_of, read_on
from playground.chat.text_model import AnyText, torch_model
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest

if TYPE_CHECKING:
    from playground.chat.sampling import Sampler


class DraftModel:
    """Guesses with a model of its own.

    Args:
        draft: shares the vocabulary of `loaded` (`check_vocabularies`).
        start: tokens of the answering model's prompt, after which the answer begins.
        twin: gives a sampler that draws as the answer's will.

    Raises:
        InvalidRequest: the conversation does not fit the draft's context.
    """

    most = 5

    def __init__(
        self,
        loaded: AnyText,
        draft: AnyText,
        request: ChatRequest,
        start: int,
        twin: Callable[[], Sampler],
        cancel: CancelToken,
    ) -> None:
        think = request.reasoning_effort != "none" and can_think(loaded)
        prompt = fit(draft, request.messages, request.max_new_tokens or 1, think=think)
        self._prompt, self._room = list(prompt.ids), prompt.max_new_tokens
        self._start, self._twin, self._cancel = start, twin, cancel
        self._size = _size(draft)
        self._to_draft, self._to_main = _translations(loaded, draft)
        self._own = list(prompt.ids)  # the prompt and the answer, in the draft's ids
        self._translated = 0  # tokens of the answer among them
        self._source = logits_of(draft, len(self._prompt) + self._room, self._prompt)

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that the draft would write after `ids`, which only ever grows from call to call.

        Raises:
            Cancelled: between two tokens.
        """
        for token in ids[self._start + self._translated :]:
            own = self._to_draft.get(token, token)
            if own is not None and own < self._size:
                self._own.append(own)
        self._translated = len(ids) - self._start
        sampler, seen, sequence, found = self._twin(), list(ids), list(self._own), []
        for _ in range(min(most, self._room - (len(sequence) - len(self._prompt)))):
            chosen = sampler.choose(read_on(self._source, sequence, self._cancel), seen)
            ours = self._to_main.get(chosen, chosen)
            if ours is None:
                break
            found.append(ours)
            seen.append(ours)
            sequence.append(chosen)
        self._source.rewind(len(self._own) - 1)  # the last is read again, where nothing that it knows follows
        return found

    def close(self) -> None:
        """Keeps the draft's cache for the next turn, where there is room."""
        self._source.close()


def check_vocabularies(loaded: AnyText, draft: AnyText) -> None:
    """That a token of one model is the same text for the other, special ones apart, which are matched by their names.

    Raises:
        InvalidRequest: it is not; names both.
    """
    if _words(loaded) != _words(draft):
        raise InvalidRequest(
            f"{draft.card.name} cannot draft for {loaded.card.name}: their vocabularies differ.",
            "Choose a draft of the same family, or prompt lookup.",
        )


def _words(loaded: AnyText) -> dict[str, int]:
    tokenizer: Any = loaded.tokenizer
    added = tokenizer.get_added_vocab()
    return {text: token for text, token in tokenizer.get_vocab().items() if text not in added}


def _translations(loaded: AnyText, draft: AnyText) -> tuple[dict[int, int | None], dict[int, int | None]]:
    """Tokens whose ids differ, from the answering model's to the draft's and back; None where the other has none.

    Ids that no text belongs to, such as those that pad a vocabulary, are guessed for nobody.
    """
    tokenizers: tuple[Any, Any] = loaded.tokenizer, draft.tokenizer
    ours, theirs = (tokenizer.get_added_vocab() for tokenizer in tokenizers)
    to_draft = {token: theirs.get(text) for text, token in ours.items()}
    to_main = {token: ours.get(text) for text, token in theirs.items()}
    known = set(tokenizers[0].get_vocab().values())
    to_main |= {token: None for token in range(_size(draft)) if token not in known and token not in to_main}
    return to_draft, to_main


def _size(draft: AnyText) -> int:
    """Ids that the draft can read."""
    model = torch_model(draft)
    assert model is not None, "a draft runs in torch (`speculation.speculate`)"
    return int(model.config.get_text_config().vocab_size)
