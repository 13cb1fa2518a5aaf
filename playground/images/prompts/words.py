"""Names that stand in a prompt as words, and what the tokenizer is given in their place. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from playground.images.prompts.nodes import Alternating, Node, Nodes, Prompt, Scheduled, Text, Weighted


def words_in(prompt: Prompt, names: Collection[str]) -> set[str]:
    """Those of `names`, in lower case, that stand in the prompt as whole words, in upper or lower case."""
    texts = "\n".join(_texts(prompt)).lower()
    near = [name for name in names if name in texts]
    return {match.group().lower() for match in _pattern(near).finditer(texts)} & set(near) if near else set()


def with_words(prompt: Prompt, given: Mapping[str, str]) -> Prompt:
    """The prompt with each word of `given`, by its name in lower case, replaced."""
    if not given:
        return prompt
    pattern = _pattern(given)

    def written(text: str) -> str:
        return pattern.sub(lambda match: given.get(match.group().lower(), match.group()), text)

    return replace(prompt, parts=tuple(replace(part, nodes=_mapped(part.nodes, written)) for part in prompt.parts))


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    """The longest name first, so that a name that begins another does not hide it."""
    longest = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)


def _texts(prompt: Prompt) -> Iterator[str]:
    def walk(nodes: Nodes) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, Text):
                yield node.text
            elif isinstance(node, Weighted):
                yield from walk(node.nodes)
            elif isinstance(node, Scheduled):
                yield from walk(node.before)
                yield from walk(node.after)
            elif isinstance(node, Alternating):
                for option in node.options:
                    yield from walk(option)

    for part in prompt.parts:
        yield from walk(part.nodes)


def _mapped(nodes: Nodes, written: Callable[[str], str]) -> Nodes:
    def one(node: Node) -> Node:
        if isinstance(node, Text):
            return Text(written(node.text))
        if isinstance(node, Weighted):
            return replace(node, nodes=_mapped(node.nodes, written))
        if isinstance(node, Scheduled):
            return replace(node, before=_mapped(node.before, written), after=_mapped(node.after, written))
        if isinstance(node, Alternating):
            return Alternating(tuple(_mapped(option, written) for option in node.options))
        return node

    return tuple(one(node) for node in nodes)
