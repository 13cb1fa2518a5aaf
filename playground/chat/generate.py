"""One answer of one text model: which token follows, and when it ends. Is told what the model says, but for drafts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from playground.catalog import ModelCard
from playground.chat.constraints.spec import spec_of
from playground.chat.context import Prompt, can_think, encode, files_of, fit
from playground.chat.sampling import Chooser, Sampler, fresh_seed
from playground.chat.stream import Emit, Stream
from playground.chat.text_model import AnyText, end_ids
from playground.chat.thinking import Thinking, thinks_for
from playground.chat.tools.turn import ToolTurn, tools_of
from playground.errors import Cancelled, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ChatStats, Message, Notice, ToolCalled

if TYPE_CHECKING:
    import torch

    from playground.chat.logits_torch import TorchLogits
    from playground.chat.speculation import Speculation


def answer(
    loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit, draft: AnyText | None = None
) -> ChatStats:
    """Runs a checked request by itself, emitting Tokens and Notices, and returns its figures.

    Ends within one token of a cancel, with what there is; `stop_reason` is then "stopped", otherwise "end", "length",
    "stop string" or "tool calls", whose ToolCalled come last. Stop texts count in the answer, not in thoughts or calls.
    End tokens are not counted as completion; the beginning of a forced call and the end that is put to a thought
    count as prompt. A bound answer may also be "closed" or "misfit", see `playground.chat.constraints.answer`. `draft`
    guesses where the request names a card.

    Raises:
        InvalidRequest: the last message does not fit the model's context, the answer cannot be bound, a base model is
            offered tools, or the draft has another vocabulary.
        OutOfMemory: the device has no room for the cache.
    """
    from playground.chat.decode import logits_of, read_on

    one = Answer(loaded, request, cancel, emit)
    speculation = one.speculate(draft)
    with one.ended(), closing(logits_of(loaded, one.room, one.ids, one.say, one.shown)) as logits:
        if speculation is not None:
            with closing(speculation):
                for _ in speculation.passes(one, cast("TorchLogits", logits), cancel):
                    pass
        else:
            while one.take(read_on(logits, one.ids, cancel)):
                pass
    return one.stats()


class Answer:
    """One answer in the making: is told logits, says which tokens go on, and streams what that means in text.

    Whoever makes it reads `ids`, the prompt and the answer so far, and hands over the logits after them.
    """

    def __init__(self, loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> None:
        started = time.perf_counter()
        self._loaded, self._cancel, self._emit, self._column = loaded, cancel, emit, request.column
        self._request = request
        self._speculation: Speculation | None = None
        thinks = can_think(loaded)
        may_think = thinks_for(request)
        tools = tools_of(loaded, request, thinks=thinks)
        files = files_of(loaded, request.messages, cancel)
        self._prompt = fit(
            loaded,
            request.messages,
            request.max_new_tokens or 1,
            think=may_think,
            tools=tools,
            keep_reasoning=bool(request.keep_reasoning),
            files=files,
        )
        self.shown = files.shown(self._prompt.messages) if files is not None else None
        may_think = may_think and not self._prompt.answered
        for text in _notices(loaded.card, request, self._prompt, thinks):
            self.say(text)
        self._thinking = Thinking(loaded, request, self._prompt, cancel) if thinks else None
        self._seed = fresh_seed() if request.seed is None else request.seed
        self._turn = None
        if tools is not None and tools.tools:
            ids, inside = self._prompt.ids, self._prompt.inside_thought
            self._turn = ToolTurn(loaded, request, tools, ids, self._seed, thinks=thinks and may_think, inside=inside)
            if self._prompt.answered:
                self._turn.feed(request.messages[-1].content)  # it may end within a call
        self._stream = Stream(request, loaded, self._prompt, thinks, emit, started, self._turn)
        self._ends = end_ids(loaded)
        self._reason = ""
        self._sampler = Sampler(request, self._seed)
        self._chooser: Chooser = self._sampler
        self._bound = None
        spec = spec_of(request)
        if spec is not None:
            from playground.chat.constraints.answer import bind

            now = (lambda: self._stream.inside) if thinks else None
            self._bound = bind(loaded, spec, self._sampler, self._prompt, may_think=may_think, inside=now)
            self._chooser = self._bound.sampler
        self.ids = list(self._prompt.ids)
        self.cached: int | None = None  # tokens of the prompt that were not read again
        self._tools, self._think = tools, may_think
        dropped = self._prompt.dropped_turns  # where turns are missing, the prompt begins unlike others
        self.shared = () if dropped else shared_part(request.messages, request.shared_characters)
        self.shared_key = (self.shared, may_think, request.tools, request.tool_choice)

    def beginning(self, ends: Sequence[str]) -> list[list[int]]:
        """The prompts of what the request shares with others, each going on with one of these texts."""
        *before, last = self.shared
        messages = [[*before, replace(last, content=last.content + end)] for end in ends]
        think = self._think or not can_think(self._loaded)
        return [encode(self._loaded.tokenizer, said, think=think, tools=self._tools)[1] for said in messages]

    @property
    def room(self) -> int:
        """Tokens of prompt and answer together, at most."""
        return len(self._prompt.ids) + self._prompt.max_new_tokens

    def speculate(self, draft: AnyText | None) -> Speculation | None:
        """What guesses this answer's tokens, as its request wants it; says so where nothing can. `draft`: the model of
        the card that the request names, where it could be had.

        Raises:
            InvalidRequest: the draft has another vocabulary.
        """
        if self._request.speculation:
            from playground.chat.speculation import speculate

            self._speculation, why = speculate(self, self._loaded, self._request, draft, self._cancel)
            if why:
                self.say(why)
        return self._speculation

    def twin(self) -> Sampler:
        """A sampler that draws, without what binds the answer, as the answer will."""
        return self._sampler.twin()

    def say(self, text: str) -> None:
        """Tells the user a sentence beside the answer."""
        self._emit(Notice(text))

    def take(self, logits: torch.Tensor) -> bool:
        """Goes on by one token, given the logits after `ids`, (1, V), and by those that stand without logits after it.

        Where a thought must end or a call of a tool begin now, that comes instead. Returns whether more is to come.
        """
        if self._end_thought() or self._begin_call():
            return not self._reason
        if self._thinking is not None and self._thinking.ended:
            logits = self._thinking.without_another(logits, self._stream)
        token: int | None = self._chooser.choose(logits, self.ids)
        while token is not None:
            self._go_on(token)
            token = None if self._reason or self._cancel.cancelled else self._chooser.forced(self.ids)
        return not self._reason

    def _end_thought(self) -> bool:
        """Puts the end of the thought into the answer, once it is due."""
        return self._put(self._thinking.closing(self._stream, self.ids) if self._thinking is not None else [])

    def _begin_call(self) -> bool:
        """Puts the beginning of a forced call into the answer, once it is due."""
        return self._put(self._turn.push(self._stream.inside, self._cancel) if self._turn is not None else [])

    def _put(self, ids: list[int]) -> bool:
        """Puts in tokens that the model did not choose, if any; an answer without room for them ends."""
        if not ids:
            return False
        if len(ids) >= self._stream.room:
            self._reason = "length"
        else:
            self.ids += ids
            self._stream.push(ids)
        return True

    def _go_on(self, token: int) -> None:
        if token in self._ends:
            self._reason = "end"
            return
        self.ids.append(token)
        self._stream.feed(token)
        if self._stream.stopped:
            self._reason = "stop string"
        elif (self._bound is not None and self._bound.over) or (self._turn is not None and self._turn.done):
            self._reason = "end"
        elif self._stream.room <= 0:
            self._reason = "length"

    @contextmanager
    def ended(self) -> Iterator[None]:
        """The block in which it is made: a cancel ends it with what there is, and a full device with an error."""
        import torch

        try:
            yield
        except Cancelled:
            self._reason = "stopped"
        except torch.OutOfMemoryError:
            raise OutOfMemory(
                f"{self._loaded.card.name} ran out of memory on {self._loaded.device} "
                f"after {self._stream.count} tokens.",
                "Unload another model, or ask for a shorter answer.",
            ) from None
        finally:
            if self._thinking is not None:
                self._thinking.close()

    def stats(self) -> ChatStats:
        """Sends what was held back and the calls, and gives the figures."""
        stopped = self._reason == "stopped"
        self._stream.finish(stopped)
        if self._bound is not None:
            self._reason, said = self._bound.verdict(self._stream.answer, self._reason)
            for text in said:
                self.say(text)
        for text in self._thinking.said(self._stream) if self._thinking is not None else []:
            self.say(text)
        calls = self._turn.calls(stopped, self._cancel) if self._turn is not None else []
        for call in calls:
            self._emit(ToolCalled(self._column, call))
        reason = "tool calls" if calls and self._reason == "end" else self._reason
        stats = replace(self._stream.stats(self._prompt, reason, self._seed), cached_tokens=self.cached)
        if self._speculation is not None:
            stats, told = self._speculation.told(stats)
            if told:
                self.say(told)
        if self._thinking is None:
            return stats
        probes = self._thinking.probes
        return replace(
            stats,
            reasoning_effort=self._thinking.effort or "",
            thought_end=self._thinking.ended,
            probes=probes.count if probes is not None else 0,
            probe_tokens=probes.tokens if probes is not None else 0,
        )


def shared_part(messages: Sequence[Message], characters: int) -> tuple[Message, ...]:
    """The messages that the first `characters` of all texts lie in, the last one cut there; it is not a system message.

    Empty where nothing is shared, or more than there is.
    """
    part: list[Message] = []
    for message in messages if characters else ():
        part.append(replace(message, content=message.content[:characters]))
        characters -= len(message.content)
        if characters < 0 and message.role != "system":
            return tuple(part)
        if characters < 0:
            return ()
    return ()


def _notices(card: ModelCard, request: ChatRequest, prompt: Prompt, thinks: bool) -> list[str]:
    """What the user should know of how the request was changed to fit."""
    said = []
    effort = request.reasoning_effort
    if not thinks:
        asked = [f"reasoning effort {effort}"] if effort not in (None, "none", "auto") else []
        asked += ["a budget for thoughts"] if request.reasoning_budget else []
        asked += ["probing for a stable answer"] if request.stable_probes else []
        if asked:
            said.append(f"{card.name} does not think before it answers, so {' and '.join(asked)} changes nothing.")
    if prompt.dropped_turns:
        turns = "turn was" if prompt.dropped_turns == 1 else f"{prompt.dropped_turns} turns were"
        said.append(f"The oldest {turns} left out, since {card.name} reads {prompt.context_size} tokens at most.")
    if prompt.lost_thoughts:
        said.append(
            f"{card.name} was not told {prompt.lost_thoughts} of its earlier thoughts: its template drops them."
        )
    if prompt.max_new_tokens < (request.max_new_tokens or 1):
        said.append(f"The context leaves {prompt.max_new_tokens} tokens for the answer, not {request.max_new_tokens}.")
    return said
