"""What a prompt says at one step: texts with their weights, brackets resolved."""

from __future__ import annotations

from dataclasses import dataclass

from playground.images.prompts.nodes import MAX_WEIGHT, Alternating, Break, Nodes, Prompt, Scheduled, Text, Weighted


@dataclass(frozen=True)
class Fragment:
    """A stretch of text of one weight; `text` None begins a new chunk."""

    text: str | None
    weight: float = 1.0


BREAK = Fragment(None)
Fragments = tuple[Fragment, ...]


def at_step(nodes: Nodes, step: int, steps: int) -> Fragments:
    """The fragments that hold in step `step` of `steps`, from 0; neighbours differ in weight."""
    found: list[tuple[str | None, float]] = []
    _collect(nodes, step, steps, 1.0, found)
    merged: list[tuple[list[str], float] | None] = []
    for text, weight in found:
        last = merged[-1] if merged else None
        if text is None:
            merged.append(None)
        elif last is not None and last[1] == weight:
            last[0].append(text)
        else:
            merged.append(([text], weight))
    return tuple(BREAK if one is None else Fragment("".join(one[0]), one[1]) for one in merged)


def changes(prompt: Prompt) -> bool:
    """Whether the prompt says different things at different steps."""
    return any(_changes(part.nodes) for part in prompt.parts)


def plain_text(prompt: Prompt) -> str:
    """What a model reads that knows no syntax: the words of the first step, parts joined by commas."""
    texts = []
    for part in prompt.parts:
        fragments = at_step(part.nodes, 0, 1)
        texts.append("".join(" " if one.text is None else one.text for one in fragments))
    return ", ".join(texts)


def _collect(nodes: Nodes, step: int, steps: int, weight: float, found: list[tuple[str | None, float]]) -> None:
    for node in nodes:
        if isinstance(node, Text):
            found.append((node.text, weight))
        elif isinstance(node, Break):
            found.append((None, 1.0))
        elif isinstance(node, Weighted):
            inner = min(max(weight * node.weight, -MAX_WEIGHT), MAX_WEIGHT)
            _collect(node.nodes, step, steps, inner, found)
        elif isinstance(node, Scheduled):
            when = node.when if isinstance(node.when, int) else node.when * steps
            _collect(node.before if step < when else node.after, step, steps, weight, found)
        elif isinstance(node, Alternating):
            _collect(node.options[step % len(node.options)], step, steps, weight, found)


def _changes(nodes: Nodes) -> bool:
    return any(
        isinstance(node, Scheduled | Alternating) or (isinstance(node, Weighted) and _changes(node.nodes))
        for node in nodes
    )
