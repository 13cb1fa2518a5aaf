"""Binds one answer of one model: what chooses its tokens, when it is over, and what to say of it at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playground.chat.constraints.bound import BoundSampler, Thoughts
from playground.chat.constraints.check import misfit
from playground.chat.constraints.grammar import compiled
from playground.chat.constraints.matcher import Binding
from playground.chat.constraints.spec import Spec
from playground.chat.constraints.tokens import vocabulary
from playground.chat.context import Prompt
from playground.chat.reasoning import CLOSE, OPEN
from playground.chat.sampling import Sampler
from playground.chat.text_model import AnyText, end_ids
from playground.errors import InvalidRequest


@dataclass(frozen=True)
class BoundAnswer:
    """A running answer that is bound by `spec`."""

    spec: Spec
    binding: Binding
    sampler: BoundSampler
    budget: int

    @property
    def over(self) -> bool:
        """Whether the answer is whole and nothing can follow."""
        return self.binding.over

    def verdict(self, text: str, reason: str) -> tuple[str, list[str]]:
        """The stop reason of the finished text, and what the user should know.

        An answer that was ended early but fits is "closed"; one that does not fit, for whatever cause that is no stop
        of the user's, "misfit"; one that the budget cut stays "length".
        """
        said = []
        if self.sampler.cut:
            said.append("The thought was ended to leave room for the answer.")
        if reason == "stopped":
            return reason, said
        name = "JSON" if self.spec.kind == "json_schema" else "answer"
        if reason == "length" and not self.binding.whole:
            said.append(f"The budget of {self.budget} tokens ran out before the {name} was complete.")
            return reason, said
        why = misfit(self.spec, text)
        if why:
            cut = "was cut at a stop text and " if reason == "stop string" else ""
            said.append(f"The answer {cut}does not fit the {self.spec.name}: {why}.")
            return ("misfit" if reason == "end" else reason), said
        if self.binding.closed or reason == "length":
            cause = "it went too deep" if self.binding.too_deep else f"the budget of {self.budget} tokens ran low"
            said.append(f"The {name} was ended early, in the shortest way that fits, since {cause}.")
            return "closed", said
        return reason, said


def bind(
    loaded: AnyText, spec: Spec, sampler: Sampler, prompt: Prompt, *, may_think: bool, inside: Callable[[], bool] | None
) -> BoundAnswer:
    """What binds an answer to `prompt`.

    Args:
        may_think: whether a thought may come before the answer.
        inside: whether the text is within a thought now; None for a model that does not think.

    Raises:
        InvalidRequest: the spec cannot bind an answer of this model, or even the shortest answer is too long.
    """
    binding = Binding(compiled(spec), vocabulary(loaded))
    budget = prompt.max_new_tokens
    thoughts, least = None, binding.least
    if inside is not None:
        opening, closing = (
            tuple(loaded.tokenizer(tag, add_special_tokens=False)["input_ids"]) for tag in (OPEN, CLOSE)
        )
        thoughts = Thoughts(opening, closing, may_think, inside)
        least += len(closing) if prompt.inside_thought else 0
    if least > budget:
        raise InvalidRequest(
            f"The shortest answer that fits the {spec.name} has {least} tokens, and there is room for {budget}.",
            "Raise max_new_tokens, or ask for less.",
        )
    bound = BoundSampler(sampler, binding, len(prompt.ids), budget, end_ids(loaded), thoughts)
    return BoundAnswer(spec, binding, bound, budget)
