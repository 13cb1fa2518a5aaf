"""Makes of a schema one that is written to its end: texts, numbers and arrays get bounds where they have none, objects
only the properties that the schema speaks of. Whatever fits the narrower schema fits the schema."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, lcm

from playground.chat.constraints.apart import separated
from playground.chat.constraints.least import Least, references, without_endless
from playground.chat.constraints.meet import either
from playground.chat.constraints.nodes import (
    BOOLEAN,
    NULL,
    Anything,
    Either,
    Fields,
    Items,
    Never,
    Node,
    Number,
    Ref,
    Text,
)
from playground.chat.constraints.patterns import Pattern
from playground.chat.constraints.schema import (
    MAX_DECIMALS,
    MAX_EXACT,
    MAX_ITEMS,
    MAX_LENGTH,
    MAX_STEP,
    Definitions,
    coefficient,
    refused,
)
from playground.errors import InvalidRequest

LENGTH = 400  # characters of a text without maxLength
ITEMS = 20  # of an array without maxItems
PROPERTIES = 10  # of an object of which the schema names none
WHOLE = Fraction(10**15)  # of an integer without bounds, up and down
BROAD = Fraction(10**9)  # of another number
DECIMALS = 6
DIGITS = 15  # of which every decimal number is a float that reads back the same
LEVELS = 3  # of arrays and objects within an object of which nothing is said
KEY = Pattern(r"^[^\x00-\x1f\x7f]{1,40}$", bounded=True)  # names that the schema does not give
MAX_INLINE = 32  # references that are written out for `oneOf`


@dataclass(frozen=True)
class Narrowed:
    """A schema of which every value can be written: its root and what that refers to, with the shortest texts."""

    root: Node
    definitions: dict[str, Node]
    least: Least


def narrowed(root: Node, definitions: Definitions) -> Narrowed:
    """The narrower schema.

    Raises:
        InvalidRequest: no value fits, or a keyword cannot bind an answer.
    """
    work = _Narrowing(definitions)
    root = work.narrow(root)
    _check_circles(root, work.nodes)
    least = Least(work.nodes)
    if least.of(root) is None:
        why = root.reason if isinstance(root, Never) else "what it requires never ends, never fits or is endlessly long"
        raise InvalidRequest(f"No JSON fits the schema: {why}.", "Correct the schema.")
    kept = {name: without_endless(node, least) for name, node in work.nodes.items() if least.of(node) is not None}
    return Narrowed(without_endless(root, least), kept, least)


def _check_circles(root: Node, nodes: dict[str, Node]) -> None:
    """Refuses references that come back to themselves with no array or object between: readers follow these forever."""
    done: set[str] = set()

    def follow(node: Node, path: tuple[str, ...]) -> None:
        for option in node.options if isinstance(node, Either) else (node,):
            if isinstance(option, Either):
                follow(option, path)
            elif isinstance(option, Ref) and option.name in path:
                raise InvalidRequest("A reference of the schema leads back to itself.", "Take it out.")
            elif isinstance(option, Ref) and option.name not in done:
                follow(nodes[option.name], (*path, option.name))
                done.add(option.name)

    for node in (root, *nodes.values()):
        follow(node, ())


class _Narrowing:
    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self.nodes: dict[str, Node] = {}
        self._short: dict[str, str] = {}
        self._long: dict[str, str] = {}
        self._inline = 0

    def narrow(self, root: Node) -> Node:
        """The node; all that it refers to is in `nodes` afterwards, under names without slashes."""
        node = self._node(root)
        waiting = [node]
        while waiting:
            for short in references(waiting.pop()):
                if short not in self.nodes:
                    self.nodes[short] = self._node(self._definitions.resolve(self._long[short]))
                    waiting.append(self.nodes[short])
        return node

    def _node(self, node: Node) -> Node:
        self._definitions.count()
        match node:
            case Anything():
                return self._anything(LEVELS)
            case Text():
                return _text(node)
            case Number():
                return _number(node)
            case Items():
                return self._items(node)
            case Fields():
                return self._fields(node)
            case Either(options, one, where):
                if one:
                    options = self._separated(node)
                return either(Either(tuple(self._node(option) for option in options), where=where))
            case Ref(name):
                short = self._short.setdefault(name, f"d{len(self._short)}")
                self._long[short] = name
                return Ref(short)
        return node

    def _separated(self, node: Either) -> tuple[Node, ...]:
        found = separated(node.options, self._definitions)
        if isinstance(found, tuple):
            first, second = found
            raise refused(
                "oneOf",
                node.where.rpartition("/")[0] or node.where,
                f"its options {first} and {second} cannot be told apart, so that both could fit",
            )
        for before, after in zip(node.options, found, strict=True):
            self._inline += isinstance(before, Ref) and before is not after
        if self._inline > MAX_INLINE:
            raise refused("oneOf", node.where, "its options refer to themselves and have to be kept apart")
        return tuple(found)

    def _anything(self, levels: int) -> Node:
        short = f"any{levels}"
        if short not in self.nodes:
            options: list[Node] = [_text(Text()), _number(Number()), BOOLEAN, NULL]
            if levels:
                inner = self._anything(levels - 1)
                options.append(Items(rest=inner, most=ITEMS))
                options.append(Fields(patterns=((KEY, inner),), rest=Never("it has another form"), most=PROPERTIES))
            self.nodes[short] = Either(tuple(options))
        return Ref(short)

    def _items(self, node: Items) -> Node:
        prefix = tuple(self._node(item) for item in node.prefix)
        ends = next((i for i, item in enumerate(prefix) if isinstance(item, Never)), None)
        most = node.most
        if ends is not None:
            prefix, most = prefix[:ends], ends if most is None else min(ends, most)
        rest = self._node(node.rest) if most is None or most > len(prefix) else Never("there is no room")
        if isinstance(rest, Never):
            most = len(prefix) if most is None else min(len(prefix), most)
        if most is None:
            most = max(ITEMS, len(prefix), 2 * node.least)
        if most < node.least:
            return Never(f"an array of {node.least} items is asked for where {most} can be")
        return Items(prefix[:most], rest, node.least, min(most, MAX_ITEMS))

    def _fields(self, node: Fields) -> Node:
        named = {name: self._node(part) for name, part in node.named.items()}
        for name in node.required:
            if isinstance(part := named[name], Never):
                return Never(f"the property {name!r} is required and cannot be: {part.reason}")
        patterns = tuple((pattern, self._node(part)) for pattern, part in node.patterns)
        free = isinstance(node.rest, Anything)
        most = node.most
        if free and (named or patterns) and node.least <= len(named):
            rest: Node = Never("the schema does not speak of it")
        else:
            rest = self._node(node.rest)
        optional = [name for name, part in named.items() if name not in node.required and not isinstance(part, Never)]
        if not isinstance(rest, Never) and not patterns and not named:
            patterns, rest = ((KEY, rest),), Never("its name is too long")
        others = any(not isinstance(part, Never) for _, part in patterns) or not isinstance(rest, Never)
        least = max(0, node.least - len(node.required))
        more = None if most is None else max(0, most - len(node.required))
        if most is not None and most < len(node.required):
            return Never(f"more than {most} properties are required")
        if not others:
            patterns, rest = (), Never("the schema does not speak of it")
            if least > len(optional):
                return Never(f"{node.least} properties are asked for where {len(named)} can be")
            if least == len(optional):
                optional, least = [], 0
                node = replace(node, required=tuple(n for n in named if not isinstance(named[n], Never)))
            if more is not None and more >= len(optional):
                more = None
            if more == 0:
                named = {name: part for name, part in named.items() if name in node.required}
                optional, more = [], None
            if least > 1 or (more is not None and more > 1):
                raise refused(
                    "minProperties" if least > 1 else "maxProperties",
                    node.where,
                    "of the optional properties the engine counts none or one only",
                )
        elif optional and (least or more is not None):
            raise refused(
                "minProperties" if least else "maxProperties",
                node.where,
                "the engine cannot count optional properties together with others",
            )
        elif least > 1:
            raise refused("minProperties", node.where, "the engine could write a name twice")
        elif more is None and not optional:
            more = PROPERTIES
        total = len(node.required)
        return Fields(
            named,
            tuple(name for name in named if name in node.required),
            patterns,
            rest,
            total + least if least else 0,
            None if more is None else total + more,
        )


def _text(node: Text) -> Node:
    if node.most is not None:
        return replace(node, most=max(node.least, min(node.most, MAX_LENGTH)))
    if node.patterns and not node.least and any(pattern.bounded for pattern in node.patterns):
        return node
    return replace(node, most=max(LENGTH, 2 * node.least))


def _number(node: Number) -> Node:
    """Closed ends, and a step: of the schema, or as fine as a float holds between the ends."""
    broad = WHOLE if node.whole else BROAD
    low, high = node.low, node.high
    if low is None:
        low = -broad if high is None else max(Fraction(-MAX_EXACT), min(-broad, high - broad))
    if high is None:
        high = min(Fraction(MAX_EXACT), max(broad, low + broad))
    ends = (low, node.low_open and node.low is not None, high, node.high_open and node.high is not None)
    if node.whole or node.step is not None:
        step = node.step or Fraction(1)
        if node.whole:
            step = Fraction(lcm(step.numerator, step.denominator), step.denominator)
        return _on(step, node.whole or step.denominator == 1, *ends)
    room = DIGITS - len(str(int(max(abs(low), abs(high)))))
    for decimals in sorted({min(DECIMALS, max(0, room)), min(MAX_DECIMALS, max(0, room))}):
        found = _on(Fraction(1, 10**decimals), decimals == 0, *ends)
        if not isinstance(found, Never):
            return found
    return found


def _on(step: Fraction, whole: bool, low: Fraction, low_open: bool, high: Fraction, high_open: bool) -> Node:
    """The multiples of `step` within the ends."""
    first, last = ceil(low / step) * step, floor(high / step) * step
    first += step if low_open and first == low else 0
    last -= step if high_open and last == high else 0
    if first > last:
        return Never("no number lies within its bounds")
    if coefficient(step) >= MAX_STEP:  # of several that were merged
        raise refused("multipleOf", "a number", f"{float(step)} has too many digits")
    return Number(whole, first, last, step=None if whole and step == 1 else step)
