"""The shortest way to the end of JSON that fits a schema, from wherever it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator

from playground.chat.constraints.accepts import accepts, found_in
from playground.chat.constraints.engine import leaf
from playground.chat.constraints.leaves import engine_schema, rest_of_text
from playground.chat.constraints.narrow import Narrowed
from playground.chat.constraints.nodes import (
    Either,
    Fields,
    Items,
    Never,
    Node,
    Number,
    Ref,
    Resolve,
    Text,
    Values,
    written,
)
from playground.chat.constraints.partial import Frame, Partial, partial
from playground.chat.constraints.reach import shortest


class SchemaCloser:
    """Ends JSON of a narrowed schema. Works on the text alone; whoever uses an end has the engine confirm it."""

    def __init__(self, schema: Narrowed) -> None:
        self._schema = schema
        self._least = schema.least
        # By the identity of nodes, which all live as long as this: those of the schema, and those in `_parts`.
        self._texts: dict[int, str | None] = {}  # shortest texts
        self._parts: dict[int, list[Node]] = {}  # listed arrays and objects, as nodes of their parts

    def rest(self, text: str) -> str | None:
        """What ends the text; None within an escape, or where the text does not fit."""
        state = partial(text)
        if state is None:
            return None
        if state.whole:
            return ""
        return self._rest(self._schema.root, state, 0, sure=True)

    def heaviest(self) -> str:
        """The longest text that one more value may need to its end."""
        nodes = [node for root in (self._schema.root, *self._schema.definitions.values()) for node in _all(root)]
        texts = (self._shortest(node) or "" for node in nodes if node is not self._schema.root)
        return max(texts, key=len, default="")

    # --- one place -------------------------------------------------------------------------------------------------

    def _resolve(self, name: str) -> Node:
        node: Node = Ref(name)
        while isinstance(node, Ref):
            node = self._schema.definitions[node.name]
        return node

    def _shortest(self, node: Node) -> str | None:
        if id(node) not in self._texts:
            text = self._least.of(node)
            self._texts[id(node)] = None if text is None else text.decode()
        return self._texts[id(node)]

    def _rest(self, node: Node, state: Partial, level: int, sure: bool) -> str | None:
        """What ends the value that begins with the frame at `level`, or the leaf. `sure`: no other node could be meant,
        so that what is whole in it fits."""
        if isinstance(node, Ref):
            node = self._resolve(node.name)
        if isinstance(node, Either):
            options = [option for option in _flat(node, self._resolve) if _could_be(option, state, level)]
            ends = [self._rest(option, state, level, sure and len(options) == 1) for option in options]
            return min((end for end in ends if end is not None), key=len, default=None)
        if level == len(state.frames):
            return self._shortest(node) if state.leaf is None else self._of_leaf(node, state.leaf)
        frame = state.frames[level]
        if isinstance(node, Values):
            ends = [self._rest(part, state, level, sure=False) for part in self._spelled(node)]
            return min((end for end in ends if end is not None), key=len, default=None)
        if isinstance(node, Fields) and frame.mapping:
            return self._of_object(node, state, level, sure)
        if isinstance(node, Items) and not frame.mapping:
            return self._of_array(node, state, level, sure)
        return None

    def _of_leaf(self, node: Node, raw: str) -> str | None:
        match node:
            case Values(values):
                texts = [text for text in map(written, values) if text.startswith(raw)]
                return min(texts, key=len)[len(raw) :] if texts else None
            case Text() if raw[0] == '"':
                rest = rest_of_text(node, json.loads(raw + '"'))
                return None if rest is None else written(rest)[1:]
            case Number():
                number = leaf(engine_schema(node)).deep_copy()
                data = list(raw.encode())
                if number.try_consume_tokens(data) < len(data):
                    return None
                end = shortest(number)
                return None if end is None else end.decode()
        return None

    def _spelled(self, node: Values) -> list[Node]:
        """The listed arrays and objects as nodes of their parts."""
        if id(node) not in self._parts:
            self._parts[id(node)] = [_spelled(value) for value in node.values if isinstance(value, dict | list)]
        return self._parts[id(node)]

    # --- arrays and objects ----------------------------------------------------------------------------------------

    def _of_array(self, node: Items, state: Partial, level: int, sure: bool) -> str | None:
        frame = state.frames[level]
        if not sure and not all(accepts(_at(node, i), item, self._resolve) for i, item in enumerate(frame.items)):
            return None
        count = len(frame.items)
        text = ""
        inner = level + 1 < len(state.frames) or (state.leaf is not None)
        if frame.stage == "value" or inner:
            end = self._rest(_at(node, count), state, level + 1, sure)
            if end is None:
                return None
            text, count = end, count + 1
        items = [self._shortest(_at(node, i)) for i in range(count, node.least)]
        if None in items:
            return None
        return text + "," * (count > 0 and bool(items)) + ",".join(map(str, items)) + "]"

    def _of_object(self, node: Fields, state: Partial, level: int, sure: bool) -> str | None:
        frame = state.frames[level]
        if not sure and not all(
            accepts(part, value, self._resolve) for name, value in frame.members.items() for part in _parts(node, name)
        ):
            return None
        if frame.stage == "in name":
            assert state.leaf is not None
            ends = [
                self._named(node, frame, name, part, name_rest)
                for name, part, name_rest in self._names(node, frame, state.leaf)
            ]
            return min((end for end in ends if end is not None), key=len, default=None)
        if frame.stage in ("name", "value"):
            parts = _parts(node, frame.name)
            if len(parts) != 1:
                return None
            if frame.stage == "name":
                return self._named(node, frame, frame.name, parts[0], "")
            end = self._rest(parts[0], state, level + 1, sure)
            tail = self._tail(node, frame, frame.name)
            return None if end is None or tail is None else end + tail
        if frame.stage == "comma":
            ends = [self._named(node, frame, name, part, rest) for name, part, rest in self._names(node, frame, "")]
            return min((end for end in ends if end is not None), key=len, default=None)
        tail = self._tail(node, frame, None)
        return tail if tail is None or frame.stage == "done" else tail.removeprefix(",")

    def _named(self, node: Fields, frame: Frame, name: str, part: Node, rest_of_name: str) -> str | None:
        """The end after a name: what lacks of it, its value, and all that is required."""
        value, tail = self._shortest(part), self._tail(node, frame, name)
        return None if value is None or tail is None else f"{rest_of_name}:{value}{tail}"

    def _names(self, node: Fields, frame: Frame, begun: str) -> Iterator[tuple[str, Node, str]]:
        """The names that may come now and begin so, with their values and the rest of their text."""
        taken = set(frame.members)
        for name, part in _later(node, frame):
            text = written(name)
            if name not in taken and text.startswith(begun) and not isinstance(part, Never):
                yield name, part, text[len(begun) :]
        if any(name not in taken for name in node.required):
            return
        start = json.loads(begun + '"') if begun else ""
        for pattern, part in node.patterns:
            if isinstance(part, Never):
                continue
            rest = rest_of_text(Text(patterns=(pattern,)), start)
            if rest is not None and start + rest not in node.named:
                yield start + rest, part, written(start + rest)[len(begun) :]
        if not isinstance(node.rest, Never):
            name = start
            while name in node.named or any(found_in(pattern, name) for pattern, _ in node.patterns) or not name:
                if len(name) > len(start) + 50:
                    return
                name += "x"
            yield name, node.rest, written(name)[len(begun) :]

    def _tail(self, node: Fields, frame: Frame, name: str | None) -> str | None:
        """All that is required and not there yet, each after a comma, and the bracket."""
        have = {*frame.members} | ({name} if name is not None else set())
        texts = []
        for required in node.required:
            if required not in have:
                value = self._shortest(node.named[required])
                if value is None:
                    return None
                texts.append(f",{written(required)}:{value}")
        if len(have) + len(texts) < node.least:  # by one at most, as narrowed
            others = [text.decode() for text in self._least.others(node) if text is not None]
            if not others:
                return None
            texts.append("," + min(others, key=len))
        return "".join(texts) + "}"


def _at(node: Items, i: int) -> Node:
    return node.prefix[i] if i < len(node.prefix) else node.rest


def _parts(node: Fields, name: str) -> list[Node]:
    if name in node.named:
        return [node.named[name]]
    return [part for pattern, part in node.patterns if found_in(pattern, name)] or [node.rest]


def _later(node: Fields, frame: Frame) -> Iterator[tuple[str, Node]]:
    """The properties that may still come, up to the next that is required: the engine keeps their order."""
    if any(name not in node.named for name in frame.members):
        return
    names = list(node.named)
    last = max((names.index(name) for name in frame.members), default=-1)
    for name in names[last + 1 :]:
        yield name, node.named[name]
        if name in node.required:
            return


def _flat(node: Either, resolve: Resolve) -> Iterator[Node]:
    """The options, of those that are several by themselves each."""
    for option in node.options:
        found = resolve(option.name) if isinstance(option, Ref) else option
        if isinstance(found, Either):
            yield from _flat(found, resolve)
        else:
            yield found


def _could_be(node: Node, state: Partial, level: int) -> bool:
    """Whether the kind of node fits what is open."""
    if level < len(state.frames):
        wanted = Fields if state.frames[level].mapping else Items
        return isinstance(node, wanted | Values)
    if state.leaf is None:
        return True
    return isinstance(node, Values | Text if state.leaf[0] == '"' else Values | Number)


def _spelled(value: object) -> Node:
    """A single array or object as a node of its parts."""
    if isinstance(value, dict):
        named: dict[str, Node] = {name: Values((part,)) for name, part in value.items()}
        return Fields(named, tuple(named), rest=Never("it is a single value"))
    assert isinstance(value, list)
    return Items(tuple(Values((part,)) for part in value), Never("it is a single value"), len(value), len(value))


def _all(node: Node) -> Iterator[Node]:
    """The node and all parts of it."""
    yield node
    match node:
        case Items(prefix, rest):
            inner: tuple[Node, ...] = (*prefix, rest)
        case Fields(named=named, patterns=patterns, rest=rest):
            inner = (*named.values(), *(part for _, part in patterns), rest)
        case Either(options):
            inner = options
        case _:
            inner = ()
    for part in inner:
        yield from _all(part)
