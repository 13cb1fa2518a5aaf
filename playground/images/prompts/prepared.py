"""The prompts of each picture of a request: variants chosen by the picture's seed, then parsed. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playground.images.prompts.nodes import Prompt, Text
from playground.images.prompts.parse import parse
from playground.images.prompts.steps import plain_text
from playground.images.prompts.variants import choose
from playground.images.prompts.wildcards import wildcard_lines


@dataclass(frozen=True)
class Prepared:
    """What one picture is made of: the texts with their variants chosen, what they mean, and hints."""

    prompt: str
    negative: str
    positive: Prompt
    unwanted: Prompt
    hints: tuple[str, ...] = ()

    def templates(self, prompt: str, negative: str) -> dict[str, str]:
        """For the picture's record: the texts as they were written, where variants were chosen in them."""
        pairs = {"prompt_template": (prompt, self.prompt), "negative_prompt_template": (negative, self.negative)}
        return {key: written for key, (written, chosen) in pairs.items() if written != chosen}


def prepared(
    prompt: str, negative: str, seed: int, count: int, wildcards: Path | None = None, stride: int = 1
) -> tuple[Prepared, ...]:
    """The prompts of `count` pictures, of which picture i has seed + stride i; `wildcards` is their files' folder."""
    lines = wildcard_lines(wildcards)
    out = []
    for index in range(count):
        chosen = choose(prompt, seed + stride * index, "prompt", lines)
        unwanted = choose(negative, seed + stride * index, "negative prompt", lines)
        positive, negated = parse(chosen.text), parse(unwanted.text, joins=False)
        hints = (*chosen.hints, *positive.hints, *unwanted.hints, *negated.hints)
        out.append(Prepared(chosen.text, unwanted.text, positive, negated, tuple(dict.fromkeys(hints))))
    return tuple(out)


def notices(prompts: tuple[Prepared, ...], model: str, *, reads_syntax: bool) -> list[str]:
    """What the user should be told: hints, LoRAs that are not applied, and syntax that `model` does not read."""
    told = [hint for one in prompts for hint in one.hints]
    for name in dict.fromkeys(tag.name for one in prompts for tag in one.unwanted.loras):
        told.append(f"The LoRA {name!r} stands in the negative prompt, where it is left out; write it in the prompt.")
    if not reads_syntax and (bare := [one for one in prompts if _loses(one)]):
        told.append(
            f"{model} reads plain text, in which weights, steps, AND and BREAK mean nothing; it was given: "
            f"“{_short(plain_text(bare[0].positive))}”."
        )
    return list(dict.fromkeys(told))


def _loses(one: Prepared) -> bool:
    """Whether there is more than text in it."""
    parts = (*one.positive.parts, *one.unwanted.parts)
    return len(parts) > 2 or any(not isinstance(node, Text) for part in parts for node in part.nodes)


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}…"
