"""How many tokens a text takes."""

from __future__ import annotations

from playground.chat.request import check_text
from playground.chat.text_model import AnyText, context_size


def count_tokens(loaded: AnyText, text: str) -> tuple[int, int | None]:
    """(tokens of the bare text, context size of the model).

    Raises:
        InvalidRequest: `text` is not text.
    """
    check_text("The text to count", text)
    return len(loaded.tokenizer(text, add_special_tokens=False)["input_ids"]), context_size(loaded)
