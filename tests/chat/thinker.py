"""A tiny model that thinks, made to say given texts: one while it thinks, another once the thought is over."""

from __future__ import annotations

from collections.abc import Callable

import torch

from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from tests.chat.tiny import loaded

HELLO = (Message("user", "Hello there"),)


def thinker(say: Callable[[str], str] | None = None, **values) -> LoadedText:
    """A tiny model that thinks, with random weights; with `say` it is made to say something.

    `say` gets all that was read, as text, and names what comes next: the first token of that is made certain, and
    nothing to say is the end token. It is for answers that are made alone, over a cache of their own.
    """
    model = loaded("mistral", capabilities=("thinking",), **values)
    if say is None:
        return model
    words, seen, plain = model.tokenizer, {}, model.model.forward

    def forward(input_ids, past_key_values, **rest):
        held = past_key_values.get_seq_length()
        output = plain(input_ids=input_ids, past_key_values=past_key_values, **rest)
        read = seen.get(id(past_key_values), [])[:held] + input_ids[0].tolist()
        seen[id(past_key_values)] = read
        ahead = words(say(words.decode(read)), add_special_tokens=False)["input_ids"] or [words.eos_token_id]
        output.logits = torch.zeros_like(output.logits)
        output.logits[0, -1, ahead[0]] = 50.0
        return output

    model.model.forward = forward
    return model


def following(follow: dict[str, str], **values) -> LoadedText:
    """A tiny model that thinks, whose next token is certain after some tokens and the random weights' own after others.

    That depends on the last token alone, so that it holds in a batch too.
    """
    model = loaded("mistral", capabilities=("thinking",), **values)
    words, plain = model.tokenizer, model.model.forward
    named = {words.convert_tokens_to_ids(a): words.convert_tokens_to_ids(b) for a, b in follow.items()}

    def forward(input_ids, **rest):
        output = plain(input_ids=input_ids, **rest)
        for i, last in enumerate(input_ids[:, -1].tolist()):
            if last in named:
                output.logits[i, -1, named[last]] = 1e4
        return output

    model.model.forward = forward
    return model


def script(thought: str, reply: str | Callable[[str], str]) -> Callable[[str], str]:
    """Says `<think>thought</think>reply`, and the reply as soon as the thought is closed; a callable reply is told the
    thought as it was when it was closed."""

    def say(read: str) -> str:
        said = read.rpartition("<|assistant|>")[2]
        open_tag, tag, rest = said.rpartition("</think>")
        if tag:
            answered = reply if isinstance(reply, str) else reply(open_tag.removeprefix("<think>"))
            return answered.removeprefix(rest) if answered.startswith(rest) else ""
        whole = f"<think>{thought}</think>"
        return whole.removeprefix(said) if whole.startswith(said) else ""

    return say


def ask(model: LoadedText, cancel: CancelToken | None = None, **values) -> tuple[list[Event], ChatStats]:
    """A greedy answer."""
    values = {"messages": HELLO, "temperature": 0, "max_new_tokens": 120} | values
    request = checked_chat(ChatRequest(model.card.id, **values), model.card)
    events: list[Event] = []
    stats = answer(model, request, cancel or CancelToken(), events.append)
    return events, stats


def text_of(events: list[Event], kind: str = "answer") -> str:
    return "".join(e.text for e in events if isinstance(e, Token) and e.kind == kind)


def notices(events: list[Event]) -> str:
    return " ".join(e.text for e in events if isinstance(e, Notice))
