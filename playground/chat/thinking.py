"""When the thought of one answer is ended although the model would go on, and with which tokens.

A thought ends when its budget is used up, when the user wants the answer now, or when drafts of the answer stay the
same. The tokens that end it count as prompt, so that `reasoning_tokens` is what the model itself thought and never
more than the budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.chat.auto_effort import effort_of
from playground.chat.context import Prompt
from playground.chat.effort import budget_of
from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.text_model import AnyText
from playground.chat.thoughts import is_spaced
from playground.protocol import CancelToken, ChatRequest

if TYPE_CHECKING:
    import torch

    from playground.chat.probes import Probes
    from playground.chat.stream import Stream


def thinks_for(request: ChatRequest) -> bool:
    """Whether a checked request lets a model think at all."""
    return effort_of(request) != "none" and request.reasoning_budget != 0


class Thinking:
    """Ends the thoughts of one answer of a model that thinks."""

    def __init__(self, loaded: AnyText, request: ChatRequest, prompt: Prompt, cancel: CancelToken) -> None:
        self.effort = effort_of(request)
        self.budget = budget_of(
            self.effort, request.reasoning_budget, context=prompt.context_size, room=prompt.max_new_tokens
        )
        self.ended = ""  # what ended a thought: "budget", "answer now" or "stable"
        self._tokenizer, self._cancel = loaded.tokenizer, cancel
        self._asked = request.reasoning_budget
        self.probes: Probes | None = None
        if request.stable_probes:
            from playground.chat.probes import Probes

            room = len(prompt.ids) + prompt.max_new_tokens
            self.probes = Probes(loaded, request.stable_probes, request.probe_every or 1, room, cancel)

    def closing(self, stream: Stream, ids: list[int]) -> list[int]:
        """Tokens that must come next to end the thought that `stream` is in; empty while it may go on.

        Reads the model where a draft of the answer is due.
        """
        if not stream.inside:
            return []
        reason = self._reason(stream)
        if not reason and self.probes is not None and self.probes.due(stream.thought):
            reason = "stable" if self.probes.settled(stream.thought, ids, self._tag(stream)) else ""
        if not reason:
            return []
        self.ended = reason
        return self._tag(stream)

    def without_another(self, logits: torch.Tensor, stream: Stream) -> torch.Tensor:
        """The logits, (1, V), without a new thought where one was ended, so that its end is one."""
        if not self.ended or not stream.may_open:
            return logits
        opening = self._tokens(OPEN)
        if len(opening) == 1:
            logits = logits.clone()
            logits[:, opening[0]] = float("-inf")
        return logits

    def said(self, stream: Stream) -> list[str]:
        """What the user should know of it at the end."""
        probes, said = self.probes, []
        if self.ended == "budget":
            whose = "its budget" if self.budget == self._asked else f"the budget of reasoning effort {self.effort}"
            said = [f"The thought was ended after {stream.thought} tokens, {whose}."]
        elif self.ended == "answer now":
            said = [f"The thought was ended after {stream.thought} tokens, as you asked."]
        elif self.ended == "stable" and probes is not None:
            said = [
                f"The thought was ended after {stream.thought} tokens, since {probes.same} drafts of the answer in a "
                "row were the same."
            ]
        if probes is not None and probes.count:
            drafts = "1 draft" if probes.count == 1 else f"{probes.count} drafts"
            said.append(
                f"{drafts} of {probes.tokens} tokens took {probes.seconds:.2f} seconds, and {probes.read} tokens were "
                "read for them."
            )
        return said

    def close(self) -> None:
        """Frees what the drafts hold."""
        if self.probes is not None:
            self.probes.close()

    def _tag(self, stream: Stream) -> list[int]:
        tag = stream.closing
        if is_spaced(self._tokenizer):
            tag = ("\n" if tag == CLOSE else "") + tag + "\n\n"
        return self._tokens(tag)

    def _reason(self, stream: Stream) -> str:
        if self._cancel.wants_answer:
            return "answer now"
        if self.budget is not None and stream.thought >= self.budget:
            return "budget"
        return ""

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
