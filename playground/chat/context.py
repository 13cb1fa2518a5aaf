"""A conversation as the tokens that a model reads, cut so that the answer fits too. Knows templates, not weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.templates import rendered, template_of
from playground.chat.text_model import AnyText, context_size
from playground.chat.thoughts import Keep, kept_thoughts, marked, opening_of, unfinished, unmarked
from playground.errors import Cancelled, InvalidRequest
from playground.protocol import CancelToken, Message

if TYPE_CHECKING:
    from playground.chat.senses.prompt import SensePrompt
    from playground.chat.templates import Tokenizer
    from playground.chat.tools.formats import ToolPrompt

LEAST_ROOM = 16  # tokens of answer below which a prompt counts as too long
BEGUN = 16  # tokens of an unfinished answer that settle how the next one is spelt


@dataclass(frozen=True)
class Prompt:
    """What goes into the model, and what had to give way for it.

    `max_new_tokens` is at most what was asked for; `inside_thought`: `<think>` is open at its end; `answered`: an
    answer has begun there. `lost_thoughts`: earlier ones that should have been kept and for which the template has no
    place. `begun`: how many tokens at its end settle the spelling of what comes, since they are of an answer that is
    gone on with. `messages` are those that were not left out.
    """

    ids: tuple[int, ...]
    max_new_tokens: int
    dropped_turns: int
    context_size: int | None
    inside_thought: bool
    answered: bool = False
    lost_thoughts: int = 0
    begun: int = 0
    messages: tuple[Message, ...] = ()


def fit(
    loaded: AnyText,
    messages: Sequence[Message],
    max_new_tokens: int,
    *,
    think: bool = True,
    tools: ToolPrompt | None = None,
    keep_reasoning: bool = False,
    files: SensePrompt | None = None,
) -> Prompt:
    """The prompt of a checked conversation; the oldest turns are left out until prompt and answer fit.

    The system prompt, the tools and the last user message with what followed it always stay, and a call is never
    parted from its result. Where these alone leave less than `max_new_tokens`, the answer is shortened; `think=False`
    asks a model that can think for a direct answer. It reads its thoughts since the last user message again, which
    are those of a running chain of calls, and with `keep_reasoning` all earlier ones.
    `files` are the pictures and sounds of the conversation, which stay or go with their turns.

    Raises:
        InvalidRequest: the last message alone does not fit, the template refuses the conversation, or a model that does
            not think should go on from a thought.
    """
    size = context_size(loaded)
    thinks = can_think(loaded)
    keep: Keep = "none" if not thinks else "all" if keep_reasoning else "turn"
    last = messages[-1]
    goes_on = last.role == "assistant"
    if goes_on and not last.content and not thinks:
        raise InvalidRequest(
            f"{loaded.card.name} does not think, so it cannot go on from a thought.", "Choose a model that thinks."
        )
    system = [m for m in messages if m.role == "system"]
    turns = turns_of([m for m in messages if m.role != "system"])
    cache: dict[int, tuple[str, list[int]]] = {}

    def kept(dropped: int) -> list[Message]:
        return [*system, *(m for turn in turns[dropped:] for m in turn)]

    def prompt_without(dropped: int) -> tuple[str, list[int]]:
        if dropped not in cache:
            said = kept(dropped)
            cache[dropped] = encode(
                loaded.tokenizer, said, think=think or not thinks, tools=tools, keep=keep, files=files
            )
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
        count = files.count(kept(dropped)) if files is not None else 0
        of_files = f", {count} of them for its pictures and sounds" if count else ""
        raise InvalidRequest(
            f"The message has {len(ids)} tokens{with_system}{of_files}, and {loaded.card.name} takes at most "
            f"{(size or 0) - min(LEAST_ROOM, max_new_tokens)} of its {size}.",
            "Shorten it, or choose a model with a longer context.",
        )
    said = kept(dropped)
    thoughts = kept_thoughts([m for m in said if m.role != "system"], keep)
    return Prompt(
        tuple(ids),
        room,
        dropped,
        size,
        inside_thought=thinks and think and not last.content if goes_on else text.rstrip().endswith(OPEN),
        answered=goes_on and bool(last.content.strip()),
        lost_thoughts=sum(thought not in text for thought in thoughts.values()),
        begun=min(BEGUN, len(ids)) if goes_on else 0,
        messages=tuple(said),
    )


def files_of(loaded: AnyText, messages: Sequence[Message], cancel: CancelToken) -> SensePrompt | None:
    """The pictures and sounds of a conversation, decoded; None where it holds none.

    Raises:
        InvalidRequest: one cannot be read, or the model takes none.
        Cancelled: between two files.
    """
    seen, heard = any(m.images for m in messages), any(m.audio for m in messages)
    if not seen and not heard:
        return None
    from playground.chat.senses.prompt import SensePrompt

    senses = getattr(loaded, "senses", None)
    if senses is None or (seen and not senses.sees) or (heard and not senses.rate):
        what = "seeing" if seen and not (senses and senses.sees) else "hearing"
        raise InvalidRequest(
            f"{loaded.card.name} is loaded without what {what} takes.",
            "Choose a model of a class that can, in the files of transformers.",
        )
    if not template_of(loaded.tokenizer):
        raise InvalidRequest(
            f"{loaded.card.name} has no chat template, so it cannot be told where a file stands.", "Choose another."
        )

    def check() -> None:
        if cancel.cancelled:
            raise Cancelled

    return SensePrompt.of(senses, loaded.tokenizer, messages, check)


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
    keep: Keep | None = None,
    files: SensePrompt | None = None,
) -> tuple[str, list[int]]:
    """The rendered prompt, with a thought that is given at its end, and its ids; a base model gets the bare texts."""
    if not template_of(tokenizer):
        *before, last = messages
        said = "\n\n".join(m.content for m in (before if last.role == "assistant" else messages))
        text = said + (last.content if last.role == "assistant" else "")
        return text, list(tokenizer(text)["input_ids"])
    if files is not None:
        text = render(tokenizer, files.told(messages), think=think, tools=tools, keep=keep)
        return text, files.ids(tokenizer, text, messages)
    text = render(tokenizer, messages, think=think, tools=tools, keep=keep)
    return text, list(tokenizer(text, add_special_tokens=False)["input_ids"])


def render(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    think: bool,
    tools: ToolPrompt | None = None,
    keep: Keep | None = None,
) -> str:
    """The text that the chat template makes of the conversation, up to where the answer begins or goes on.

    Without `think`, an empty thought stands before the answer, put there by the template or else here. `tools` says in
    which format tools, calls and results stand; without it there are none. `keep`: which thoughts are in it; by itself
    those of a running chain of calls, where `tools` says that the model thinks.
    """
    if keep is None:
        keep = "turn" if tools is not None and tools.thinks else "none"
    *before, last = messages
    if last.role == "assistant":
        if keep == "none":
            last = replace(last, reasoning="")
        # A thought of its own stands in the place of the empty one.
        text = render(tokenizer, before, think=think or bool(last.reasoning), tools=tools, keep=keep)
        return text + unfinished(text, last, think=think)
    messages, marks = marked(messages, keep)
    if tools is not None:
        messages = tools.told(messages)
    if messages[0].role == "system" and not _takes_system(tokenizer):
        messages = _system_into_user(messages)
    text = rendered(tokenizer, messages, think=think, tools=tools.schemas if tools is not None else None)
    if tools is not None:
        text = tools.finished(text)
    if marks:
        text = unmarked(text, marks, opening_of(tokenizer))
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
