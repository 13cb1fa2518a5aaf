"""A conversation as the tokens that a model reads, cut so that the answer fits too. Knows templates, not weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.templates import rendered, template_of
from playground.chat.text_model import AnyText, context_size
from playground.errors import InvalidRequest
from playground.protocol import Message

if TYPE_CHECKING:
    from playground.chat.templates import Tokenizer
    from playground.chat.tools.formats import ToolPrompt

LEAST_ROOM = 16  # tokens of answer below which a prompt counts as too long


@dataclass(frozen=True)
class Prompt:
    """What goes into the model, and what had to give way for it.

    `max_new_tokens` is at most what was asked for; `inside_thought`: the template opened `<think>` already.
    """

    ids: tuple[int, ...]
    max_new_tokens: int
    dropped_turns: int
    context_size: int | None
    inside_thought: bool


def fit(
    loaded: AnyText,
    messages: Sequence[Message],
    max_new_tokens: int,
    *,
    think: bool = True,
    tools: ToolPrompt | None = None,
    thought: str = "",
) -> Prompt:
    """The prompt of a checked conversation; the oldest turns are left out until prompt and answer fit.

    The system prompt, the tools and the last user message with what followed it always stay, and a call is never
    parted from its result. Where these alone leave less than `max_new_tokens`, the answer is shortened; `think=False`
    asks a model that can think for a direct answer. `thought` is put before the answer as the model's own.

    Raises:
        InvalidRequest: the last message alone does not fit, or the template refuses the conversation.
    """
    size = context_size(loaded)
    system = [m for m in messages if m.role == "system"]
    turns = turns_of([m for m in messages if m.role != "system"])
    cache: dict[int, tuple[str, list[int]]] = {}

    def prompt_without(dropped: int) -> tuple[str, list[int]]:
        if dropped not in cache:
            kept = [m for turn in turns[dropped:] for m in turn]
            thinks = think or bool(thought) or not can_think(loaded)
            cache[dropped] = encode(loaded.tokenizer, [*system, *kept], think=thinks, tools=tools, thought=thought)
        return cache[dropped]

    def fits(dropped: int) -> bool:
        return size is None or len(prompt_without(dropped)[1]) + max_new_tokens <= size

    dropped, most = 0, len(turns) - 1
    if not fits(0):  # the prompt shrinks with every turn that is left out, so the least number is found by halves
        low, high = 0, most
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle + 1, high)
        dropped = low
    text, ids = prompt_without(dropped)
    room = max_new_tokens if size is None else min(max_new_tokens, size - len(ids))
    if room < min(LEAST_ROOM, max_new_tokens):
        with_system = " with the system prompt" if system else ""
        raise InvalidRequest(
            f"The message has {len(ids)} tokens{with_system}, and {loaded.card.name} takes at most "
            f"{(size or 0) - min(LEAST_ROOM, max_new_tokens)} of its {size}.",
            "Shorten it, or choose a model with a longer context.",
        )
    return Prompt(tuple(ids), room, dropped, size, text.rstrip().endswith(OPEN))


def turns_of(messages: Sequence[Message]) -> list[list[Message]]:
    """Turns, oldest first: each begins with a user's message and holds the answers to it."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user" or not turns:
            turns.append([message])
        else:
            turns[-1].append(message)
    return turns


def can_think(loaded: AnyText) -> bool:
    """Whether the card or the template says that the model thinks before it answers."""
    return loaded.card.can("thinking") or OPEN in template_of(loaded.tokenizer)


def encode(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    think: bool,
    tools: ToolPrompt | None = None,
    thought: str = "",
) -> tuple[str, list[int]]:
    """The rendered prompt, with a thought that is given at its end, and its ids; a base model gets the bare texts."""
    if not template_of(tokenizer):
        text = "\n\n".join(m.content for m in messages)
        return text, list(tokenizer(text)["input_ids"])
    text = render(tokenizer, messages, think=think, tools=tools)
    if thought:
        text = (text if text.rstrip().endswith(OPEN) else text + OPEN) + thought + CLOSE
    return text, list(tokenizer(text, add_special_tokens=False)["input_ids"])


def render(tokenizer: Tokenizer, messages: Sequence[Message], *, think: bool, tools: ToolPrompt | None = None) -> str:
    """The text that the chat template makes of the conversation, up to where the answer begins.

    Without `think`, an empty thought stands before the answer, put there by the template or else here. `tools` says in
    which format tools, calls and results stand; without it there are none.
    """
    if tools is not None:
        messages = tools.told(messages)
    if messages[0].role == "system" and not _takes_system(tokenizer):
        messages = _system_into_user(messages)
    text = rendered(tokenizer, messages, think=think, tools=tools.schemas if tools is not None else None)
    if tools is not None:
        text = tools.finished(text)
    if think:
        return text
    if text.rstrip().endswith(OPEN):
        return text + CLOSE
    return text if text.rstrip().endswith(CLOSE) else text + OPEN + CLOSE


def _takes_system(tokenizer: Tokenizer) -> bool:
    """Tried with a probe, since templates drop or refuse system messages without saying so beforehand."""
    probe = "probe-5d41402a"
    try:
        return probe in rendered(tokenizer, [Message("system", probe), Message("user", "x")], think=True)
    except InvalidRequest:
        return False


def _system_into_user(messages: Sequence[Message]) -> list[Message]:
    system, *rest = messages
    at = next(i for i, m in enumerate(rest) if m.role == "user")
    merged = Message("user", f"{system.content}\n\n{rest[at].content}")
    return [*rest[:at], merged, *rest[at + 1 :]]
