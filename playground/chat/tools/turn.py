"""The tool side of one answer of a local model: its calls read out of the stream, a forced call begun, chances told.

Knows tokens and text; runs no tools.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.sampling import GREEDY_BELOW
from playground.chat.templates import template_of
from playground.chat.text_model import AnyText
from playground.chat.tools.formats import ToolPrompt
from playground.chat.tools.likelihood import name_chances
from playground.chat.tools.markup import ID, made_id
from playground.chat.tools.probing import tool_prompt
from playground.chat.tools.reading import CallSplitter, Said, calls_in
from playground.errors import Cancelled, InvalidRequest, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ToolCall

MAX_SCORED = 4  # calls of an answer whose chance is told; each has the prompt read once more


def tools_of(loaded: AnyText, request: ChatRequest, *, thinks: bool) -> ToolPrompt | None:
    """What the model is told of tools, in its format; None where there are none now and were none before.

    Raises:
        InvalidRequest: a base model, which has no chat template, is offered tools.
    """
    offered = () if request.tool_choice == "none" else request.tools
    if not template_of(loaded.tokenizer):
        if offered:
            raise InvalidRequest(
                f"{loaded.card.name} is a base model, which cannot be told of tools.",
                "Choose another model, or set the tool choice to none.",
            )
        return None
    return tool_prompt(loaded.tokenizer, offered, request.messages, thinks=thinks)


class ToolTurn:
    """Reads the calls of one answer. Text goes in by `feed`, and what is no call comes out.

    Args:
        request: checked; its tools are offered.
        prompt: ids of the prompt, after which the answer begins.
        thinks: the model thinks first; a forced call waits until it has. `inside`: the prompt opens the thought.
    """

    def __init__(
        self,
        loaded: AnyText,
        request: ChatRequest,
        tools: ToolPrompt,
        prompt: Sequence[int],
        seed: int,
        *,
        thinks: bool,
        inside: bool,
    ) -> None:
        self._loaded, self._request, self._seed = loaded, request, seed
        self._markup = tools.format.markup
        self._splitter = CallSplitter(self._markup.open, self._markup.close)
        self._names = [spec.name for spec in tools.tools]
        self._prompt = list(prompt)
        self._ids: list[int] = []
        self._pieces: list[str] = []
        self._marks = _hidden_marks(loaded, (self._markup.open, self._markup.close))
        self._forced: dict[str, float] | None = None  # chances of the name that was forced
        wanted = request.tool_choice not in ("auto", "none")
        self._steps = (["open thought"] if thinks and not inside else []) + ["call"] if wanted else []

    # --- what the stream asks ---

    @property
    def done(self) -> bool:
        """The calls are over, and what follows is the model going on without their results."""
        return self._splitter.done

    def hidden(self, token: int) -> str:
        """The text of a token that decoding leaves out although it begins or ends a call; empty for all others."""
        return self._marks.get(token, "")

    def heard(self, token: int, piece: str) -> None:
        """Takes note of a token of the answer and the text that it brought."""
        self._ids.append(token)
        self._pieces.append(piece)

    def feed(self, text: str) -> str:
        """The part of the answer's text that is none of a call."""
        return self._splitter.feed(text)

    def finish(self, stopped: bool) -> str:
        """What was held back, at the end; a call that the user's stop cut off is shown as text."""
        text = self._splitter.finish()
        return text + self._splitter.cut if stopped else text

    # --- a call that must come ---

    def push(self, thinking: bool, cancel: CancelToken) -> list[int]:
        """Tokens that must come next, empty while the model goes on by itself. `thinking`: within its thought."""
        if not self._steps or thinking:
            return []
        if self._steps.pop(0) == "open thought":
            return self._tokens(OPEN)
        name = self._request.tool_choice
        if name == "required":
            self._forced = name_chances(
                self._loaded, self._prompt + self._ids, self._markup.open + self._markup.lead, self._names, cancel
            )
            name = self._drawn(self._forced)
        return self._tokens(self._markup.beginning(name))

    def _drawn(self, chances: dict[str, float]) -> str:
        temperature = self._request.temperature or 0.0
        if temperature < GREEDY_BELOW:
            return max(chances, key=lambda name: chances[name])
        top = max(chances.values())
        weights = [(chance / top) ** (1 / temperature) for chance in chances.values()]
        return random.Random(self._seed).choices(list(chances), weights)[0]

    def _tokens(self, text: str) -> list[int]:
        return list(self._loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    # --- the calls ---

    def calls(self, stopped: bool, cancel: CancelToken) -> list[ToolCall]:
        """The calls of the whole answer, with the chance of each name where it was offered with others.

        A call that the end of the answer cut off comes too, unless the user stopped it.
        """
        blocks = list(self._splitter.blocks)
        if self._splitter.cut and not stopped:
            blocks.append(self._splitter.cut.removeprefix(self._markup.open))
        said = [call for block in blocks for call in calls_in(block)]
        starts = self._name_starts(said)
        found: list[ToolCall] = []
        for i, call in enumerate(said):
            chance = None
            if not stopped and i < MAX_SCORED:
                chance = self._chance(call, starts[i], first=i == 0, cancel=cancel)
            found.append(ToolCall(self._id(call, i, found), call.name, call.arguments, chance))
        return found

    def _id(self, call: Said, index: int, before: Sequence[ToolCall]) -> str:
        """The id that the model gave, or one that is always the same for this seed and place."""
        if ID.fullmatch(call.id) and all(call.id != other.id for other in before):
            return call.id
        return made_id(self._seed, len(self._request.messages), index)

    def _chance(self, call: Said, start: int | None, *, first: bool, cancel: CancelToken) -> float | None:
        if call.name not in self._names:
            return None
        if first and self._forced is not None:
            return self._forced[call.name]
        if start is None or (first and self._request.tool_choice != "auto"):
            return None
        import torch

        # Tokens that lie wholly before the call, then its text up to the name.
        text = "".join(self._pieces)
        block = text.rfind(self._markup.open, 0, start)
        ends = list(accumulate(map(len, self._pieces)))
        count = bisect_right(ends, max(block, 0))
        written = ends[count - 1] if count else 0
        before = self._prompt + self._ids[:count]
        try:
            return name_chances(self._loaded, before, text[written:start], self._names, cancel)[call.name]
        except (Cancelled, OutOfMemory, torch.OutOfMemoryError):
            return None  # the call itself is whole

    def _name_starts(self, said: Sequence[Said]) -> list[int | None]:
        """Where each call's name begins in the answer's text; None where it is not found."""
        text = "".join(self._pieces)
        at = max(0, text.find(self._markup.open, text.rfind(CLOSE) + 1))  # a thought may rehearse the call
        starts: list[int | None] = []
        for call in said:
            name = re.compile(rf'"name"\s*:\s*"(?={re.escape(call.name)}")').search(text, at) if call.name else None
            starts.append(name.end() if name else None)
            at = name.end() if name else at
        return starts


def _hidden_marks(loaded: AnyText, marks: Sequence[str]) -> dict[int, str]:
    """Marks that are special tokens, which decoding leaves out."""
    found: dict[int, str] = {}
    for mark in marks:
        ids = list(loaded.tokenizer(mark, add_special_tokens=False)["input_ids"]) if mark else []
        if len(ids) == 1 and not str(loaded.tokenizer.decode(ids, skip_special_tokens=True)).strip():
            found[ids[0]] = mark
    return found
