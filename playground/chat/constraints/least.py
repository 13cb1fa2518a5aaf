"""The shortest JSON text of every node, and the schema without the parts that have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from playground.chat.constraints.leaves import least_leaf
from playground.chat.constraints.nodes import (
    Anything,
    Either,
    Fields,
    Items,
    Never,
    Node,
    Number,
    Ref,
    Text,
    Values,
    written,
)
from playground.errors import InvalidRequest

MAX_LEAST = 100_000  # bytes
MAX_ROUNDS = 20_000  # looks at a definition


class Least:
    """Shortest texts over narrowed definitions; a node that needs itself has none."""

    def __init__(self, definitions: Mapping[str, Node]) -> None:
        self._named: dict[str, bytes] = {}
        users: dict[str, list[str]] = {}
        for name, node in definitions.items():
            for used in set(references(node)):
                users.setdefault(used, []).append(name)
        waiting = dict.fromkeys(definitions)
        for _ in range(MAX_ROUNDS):
            if not waiting:
                return
            name, _ = waiting.popitem()
            found = self.of(definitions[name])
            if found is not None and (name not in self._named or len(found) < len(self._named[name])):
                self._named[name] = found
                waiting |= dict.fromkeys(users.get(name, ()))
        raise InvalidRequest("The references of the schema are too entangled.", "Simplify it.")

    def of(self, node: Node) -> bytes | None:
        """The shortest text of the node; None where it has none, or only one that is longer than an answer can be."""
        text = self._of(node)
        return None if text is not None and len(text) > MAX_LEAST else text

    def _of(self, node: Node) -> bytes | None:
        match node:
            case Anything():
                return b"0"
            case Values(values):
                return min((written(value).encode() for value in values), key=len)
            case Text() | Number():
                return least_leaf(node)
            case Items(prefix, rest, least):
                return _joined((self.of(prefix[i] if i < len(prefix) else rest) for i in range(least)), b"[", b"]")
            case Fields(named, required):
                members = [self.member(name, named[name]) for name in required]
                missing = node.least - len(required)
                if missing > 0:  # narrowed, so that one more is all that can be asked
                    found = [text for text in self.others(node) if text is not None]
                    if not found:
                        return None
                    members.append(min(found, key=len))
                return _joined(members, b"{", b"}")
            case Either(options):
                texts = [text for text in map(self.of, options) if text is not None]
                return min(texts, key=len, default=None)
            case Ref(name):
                return self._named.get(name)
        return None

    def member(self, name: str, node: Node) -> bytes | None:
        """The shortest text of a property: its name, a colon and its value."""
        text = self.of(node)
        return None if text is None else written(name).encode() + b":" + text

    def others(self, node: Fields) -> Iterable[bytes | None]:
        """The shortest texts of the properties that may be left out."""
        for name, part in node.named.items():
            if name not in node.required:
                yield self.member(name, part)
        for pattern, part in node.patterns:
            text, key = self.of(part), least_leaf(Text(patterns=(pattern,)))
            yield None if text is None or key is None else key + b":" + text
        text = self.of(node.rest)
        yield None if text is None else b'"' + b"x" * (1 + max(map(len, node.named), default=0)) + b'":' + text


def references(node: Node) -> Iterator[str]:
    """The names that a node refers to, those that its parts refer to among them."""
    match node:
        case Ref(name):
            yield name
        case Items(prefix, rest):
            for part in (*prefix, rest):
                yield from references(part)
        case Fields(named=named, patterns=patterns, rest=rest):
            for part in (*named.values(), *(part for _, part in patterns), rest):
                yield from references(part)
        case Either(options):
            for part in options:
                yield from references(part)


def _joined(parts: Iterable[bytes | None], before: bytes, after: bytes) -> bytes | None:
    found: list[bytes] = []
    for part in parts:
        if part is None:
            return None
        found.append(part)
    return before + b",".join(found) + after


def without_endless(node: Node, least: Least) -> Node:
    """The node without what can never be written to its end; Never where that is all of it."""
    if least.of(node) is None:
        return node if isinstance(node, Never) else Never("it has no end")
    match node:
        case Items(prefix, rest, _, most):
            kept = tuple(without_endless(item, least) for item in prefix)
            ends = next((i for i, item in enumerate(kept) if isinstance(item, Never)), None)
            if ends is not None:
                return replace(node, prefix=kept[:ends], rest=Never(""), most=ends if most is None else min(ends, most))
            return replace(node, prefix=kept, rest=without_endless(rest, least))
        case Fields(named, _, patterns, rest):
            return replace(
                node,
                named={name: without_endless(part, least) for name, part in named.items()},
                patterns=tuple((pattern, without_endless(part, least)) for pattern, part in patterns),
                rest=without_endless(rest, least),
            )
        case Either(options):
            kept = tuple(without_endless(option, least) for option in options if least.of(option) is not None)
            return kept[0] if len(kept) == 1 else replace(node, options=kept)
    return node
