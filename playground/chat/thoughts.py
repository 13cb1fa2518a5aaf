"""Thoughts in a prompt: those of earlier answers where the model read its own, and an answer that is unfinished.

Templates drop thoughts from the text they are given, each in its own way, and trim what is around them; so a mark goes
through the template in a thought's place. An unfinished answer goes behind the generation prompt, which is what stood
before it when it was begun; transformers' `continue_final_message` renders it as a past turn instead, where templates
trim it, drop its thought or put an empty one before it. Knows no weights.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.templates import rendered, template_of
from playground.errors import InvalidRequest
from playground.protocol import Message

if TYPE_CHECKING:
    from playground.chat.templates import Tokenizer

Keep = Literal["none", "turn", "all"]  # of earlier thoughts: "turn" those after the user's last message

_EMPTY = rf"(?:{OPEN}\s*{CLOSE}\s*)?"


def kept_thoughts(messages: Sequence[Message], keep: Keep) -> dict[int, str]:
    """The thoughts that are read again, by their messages' places."""
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    return {
        i: message.reasoning
        for i, message in enumerate(messages)
        if message.role == "assistant" and message.reasoning and (keep == "all" or (keep == "turn" and i > last))
    }


def marked(messages: Sequence[Message], keep: Keep) -> tuple[list[Message], dict[str, str]]:
    """The messages with a mark before the text of each whose thought is kept, and the thoughts by their marks."""
    found, key = {}, secrets.token_hex(8)
    ready = list(messages)
    for i, thought in kept_thoughts(messages, keep).items():
        mark = f"zq{key}n{i}q"
        found[mark] = thought
        ready[i] = replace(ready[i], content=mark + ready[i].content)
    return ready, found


def unmarked(text: str, marks: dict[str, str], opening: str) -> str:
    """The rendered text with thoughts in the place of their marks, and of empty thoughts that a template put there."""
    for mark, thought in marks.items():
        whole = f"{opening}{thought}{CLOSE}"
        text = re.sub(_EMPTY + mark, lambda _, whole=whole: whole, text)  # type: ignore[misc]
    return text


def opening_of(tokenizer: Tokenizer) -> str:
    """How a thought begins in this model's format: `<think>`, with the blanks that its template puts after it."""
    try:
        text = rendered(tokenizer, [Message("user", "x")], think=True)
    except InvalidRequest:
        return OPEN
    return text[text.rindex(OPEN) :] if text.rstrip().endswith(OPEN) else OPEN


def is_spaced(tokenizer: Tokenizer) -> bool:
    """Whether line breaks stand around `</think>` in this model's format, as the template's own words show.

    Models that were trained so go on thinking after a bare tag: https://github.com/ggml-org/llama.cpp/pull/22162.
    """
    template = template_of(tokenizer)
    return f"{CLOSE}\\n\\n" in template or f"{CLOSE}\n\n" in template or opening_of(tokenizer).endswith("\n")


def unfinished(prompt: str, message: Message, *, think: bool) -> str:
    """What of an unfinished answer stands behind a rendered prompt.

    Without `think` a thought that it has is closed, and the answer follows.
    """
    if not message.reasoning:
        return message.content
    opening = "" if prompt.rstrip().endswith(OPEN) else OPEN
    closed = bool(message.content) or not think
    return opening + message.reasoning + (CLOSE if closed else "") + message.content
