"""A checked pattern as an automaton (Thompson, 1968): whether a text matches, in linear time, and the shortest end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from playground.chat.constraints.patterns import (
    ANY,
    Chain,
    Chars,
    Choice,
    Edge,
    Part,
    Ranges,
    Repeat,
    Unsupported,
    parsed,
)

MAX_STATES = 40_000
FAR = 10**9
PREFERRED = "x0aA -._:/"  # characters to fill with, of those that a pattern takes


@dataclass
class Automaton:
    """States by number: 0 is the start, 1 the end. Free steps come without a character; edges of the text are free
    steps at its start, or at its end, only."""

    free: list[list[int]] = field(default_factory=list)
    at_start: list[list[int]] = field(default_factory=list)
    at_end: list[list[int]] = field(default_factory=list)
    steps: list[list[tuple[Ranges, int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._state()
        self._state()
        self._far: list[int] = []
        self._way: list[tuple[str, int] | None] = []

    def start(self) -> frozenset[int]:
        """The states before the first character."""
        return self._spread([0], self.at_start)

    def after(self, states: Iterable[int], character: str) -> frozenset[int]:
        """The states after one more character; none where the text cannot go on so."""
        code = ord(character)
        return self._spread(to for s in states for ranges, to in self.steps[s] if _within(ranges, code))

    def ends(self, states: Iterable[int]) -> bool:
        """Whether the text may end here."""
        return 1 in self._spread(states, self.at_end)

    def matches(self, text: str) -> bool:
        states = self.start()
        for character in text:
            states = self.after(states, character)
            if not states:
                return False
        return self.ends(states)

    def distance(self, states: Iterable[int]) -> int:
        """The fewest characters to an end, `FAR` for no end."""
        self._measure()
        return min((self._far[s] for s in states), default=FAR)

    def rest(self, states: Iterable[int]) -> str | None:
        """The shortest text to an end; None where there is no end."""
        self._measure()
        state = min(states, key=lambda s: self._far[s], default=None)
        if state is None or self._far[state] >= FAR:
            return None
        text = ""
        while (way := self._way[state]) is not None:
            text += way[0]
            state = way[1]
        return text

    def longest_rest(self) -> str:
        """The shortest text to an end from where that is longest."""
        self._measure()
        return self.rest([max((s for s, far in enumerate(self._far) if far < FAR), key=lambda s: self._far[s])]) or ""

    def ways(self, states: Iterable[int]) -> set[Ranges]:
        """The characters of every way on."""
        return {ranges for state in states for ranges, _ in self.steps[state]}

    # --- making ----------------------------------------------------------------------------------------------------

    def add(self, part: Part, begin: int, end: int) -> None:
        """Puts `part` between two states."""
        match part:
            case Chars(ranges):
                if ranges:
                    self.steps[begin].append((ranges, end))
            case Edge(at_end):
                (self.at_end if at_end else self.at_start)[begin].append(end)
            case Chain(parts):
                for inner in parts:
                    after = self._state()
                    self.add(inner, begin, after)
                    begin = after
                self.free[begin].append(end)
            case Choice(options):
                for option in options:
                    self.add(option, begin, end)
            case Repeat(inner, least, most):
                for _ in range(least):
                    after = self._state()
                    self.add(inner, begin, after)
                    begin = after
                if most is None:
                    loop, after = self._state(), self._state()
                    self.free[begin].append(loop)
                    self.add(inner, loop, after)
                    self.free[after].append(loop)
                    begin = loop
                for _ in range((most or least) - least):
                    self.free[begin].append(end)
                    after = self._state()
                    self.add(inner, begin, after)
                    begin = after
                self.free[begin].append(end)

    def _state(self) -> int:
        if len(self.free) >= MAX_STATES:
            raise Unsupported("too many parts when its repetitions are written out")
        for row in (self.free, self.at_start, self.at_end):
            row.append([])
        self.steps.append([])
        return len(self.free) - 1

    def _spread(self, states: Iterable[int], edges: list[list[int]] | None = None) -> frozenset[int]:
        """The states with all that free steps lead to."""
        found = set(states)
        waiting = list(found)
        while waiting:
            state = waiting.pop()
            for to in (*self.free[state], *(edges[state] if edges else ())):
                if to not in found:
                    found.add(to)
                    waiting.append(to)
        return frozenset(found)

    def _measure(self) -> None:
        """Distances to an end, by breadth first backwards."""
        if self._far:
            return
        size = len(self.free)
        back_free: list[list[int]] = [[] for _ in range(size)]
        back_end: list[list[int]] = [[] for _ in range(size)]
        back_steps: list[list[tuple[int, str]]] = [[] for _ in range(size)]
        for state in range(size):
            for to in self.free[state]:
                back_free[to].append(state)
            for to in self.at_end[state]:
                back_end[to].append(state)
            for ranges, to in self.steps[state]:
                back_steps[to].append((state, _one_of(ranges, True) or _one_of(ranges, False)))
        far, way = [FAR] * size, [None] * size  # type: list[int], list[tuple[str, int] | None]
        waiting = deque([1])
        far[1] = 0
        while waiting:  # at the end of the text
            state = waiting.popleft()
            for before in (*back_free[state], *back_end[state]):
                if far[before]:
                    far[before] = 0
                    waiting.append(before)
        queue = deque(state for state in range(size) if far[state] == 0)
        while queue:
            state = queue.popleft()
            for before in back_free[state]:
                if far[before] > far[state]:
                    far[before], way[before] = far[state], way[state]
                    queue.appendleft(before)
            for before, character in back_steps[state]:
                if far[before] > far[state] + 1:
                    far[before], way[before] = far[state] + 1, (character, state)
                    queue.append(before)
        self._far, self._way = far, way


@lru_cache(maxsize=256)
def automaton(pattern: str, whole: bool = False) -> Automaton:
    """The automaton of a checked pattern: of texts in which it is found, or with `whole` of texts that it is.

    Raises:
        Unsupported: it has too many states.
    """
    found = Automaton()
    if whole:
        found.add(parsed(pattern), 0, 1)
        return found
    found.steps[0].append((ANY, 0))
    last = found._state()
    found.add(parsed(pattern), 0, last)
    found.free[last].append(1)
    # Past an end of the text no character comes, so that the loop of what follows stands on the state before.
    found.steps[last].append((ANY, last))
    return found


def shortest_text(
    patterns: tuple[str, ...], prefix: str = "", least: int = 0, *, ascii_only: bool = False, whole: bool = False
) -> str | None:
    """The shortest text after `prefix` with which all patterns match and `least` characters are reached.

    None where there is none, or where a few thousand looks do not find it.
    """
    machines = [automaton(pattern, whole) for pattern in patterns]
    states = [machine.start() for machine in machines]
    for character in prefix:
        states = [machine.after(s, character) for machine, s in zip(machines, states, strict=True)]
    if len(machines) == 1:
        rest = machines[0].rest(states[0])
        if rest is None or (len(prefix) + len(rest) >= least and not (ascii_only and not rest.isascii())):
            return rest
    seen = {(tuple(states), min(len(prefix), least))}
    queue = deque([(states, "")])
    for _ in range(4_000):
        if not queue:
            return None
        states, text = queue.popleft()
        size = len(prefix) + len(text)
        if size >= least and all(machine.ends(s) for machine, s in zip(machines, states, strict=True)):
            return text
        ways: set[Ranges] = {ANY}
        for machine, s in zip(machines, states, strict=True):
            ways = {both for a in ways for b in machine.ways(s) if (both := _common(a, b))}
        for character in dict.fromkeys(c for ranges in sorted(ways) if (c := _one_of(ranges, ascii_only))):
            new = [machine.after(s, character) for machine, s in zip(machines, states, strict=True)]
            key = (tuple(new), min(size + 1, least))
            if key not in seen and all(m.distance(s) < FAR for m, s in zip(machines, new, strict=True)):
                seen.add(key)
                queue.append((new, text + character))
    return None


def _within(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _common(a: Ranges, b: Ranges) -> Ranges:
    parts = ((max(low, first), min(high, last)) for low, high in a for first, last in b)
    return tuple(sorted((low, high) for low, high in parts if low <= high))


def _one_of(ranges: Ranges, ascii_only: bool) -> str:
    """A character of the ranges that is easy to read; empty where ASCII is asked for and has none."""
    for character in PREFERRED:
        if _within(ranges, ord(character)):
            return character
    for low, high in ranges:
        for code in range(max(low, 0x21), min(high, 0x7E) + 1):
            if chr(code) not in '"\\':
                return chr(code)
    for code in (ord('"'), ord("\\"), 10, 9, 13):
        if _within(ranges, code):
            return chr(code)
    if ascii_only:
        return ""
    for low, high in ranges:
        for code in range(max(low, 0xA0), high + 1):
            if not 0xD800 <= code <= 0xDFFF:
                return chr(code)
    return chr(ranges[0][0]) if ranges else ""
