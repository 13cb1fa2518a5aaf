"""A model's vocabulary as the grammar engine sees it, made once a tokenizer."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from playground.chat.text_model import AnyText, end_ids
from playground.errors import InvalidRequest

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_made: weakref.WeakKeyDictionary[Any, dict[frozenset[int], LLTokenizer]] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def vocabulary(loaded: AnyText) -> LLTokenizer:
    """The vocabulary of a loaded model with all ids that end its answers; making it takes up to a second.

    Ids past the tokenizer's own (a model's output may be padded) are in no grammar.

    Raises:
        InvalidRequest: nothing can bind the answers of a model with this tokenizer.
    """
    tokenizer, ends = loaded.tokenizer, end_ids(loaded)
    with _making:
        of_ends = _made.setdefault(tokenizer, {})
        if ends not in of_ends:
            of_ends[ends] = _vocabulary(loaded.card.name, tokenizer, ends)
        return of_ends[ends]


def _vocabulary(name: str, tokenizer: Any, ends: Iterable[int]) -> LLTokenizer:
    from llguidance import LLTokenizer
    from tokenizers import Tokenizer

    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is None:
        raise InvalidRequest(
            f"The answers of {name} cannot be bound, since its tokenizer is not one of the fast ones.",
            "Ask without a schema, or choose another build of the model.",
        )
    core = Tokenizer.from_str(core.to_str())  # the model's own may be cutting and padding
    core.no_truncation()
    core.no_padding()
    size = core.get_vocab_size(with_added_tokens=True)
    known = sorted(i for i in ends if i < size)
    if not known:
        raise InvalidRequest(
            f"The answers of {name} cannot be bound, since no token ends them.", "Choose another model."
        )
    try:
        return LLTokenizer(core.to_str(), eos_token=known)
    except ValueError as error:
        raise InvalidRequest(
            f"The answers of {name} cannot be bound: {str(error).splitlines()[0]}.",
            "Choose another build of the model.",
        ) from None
