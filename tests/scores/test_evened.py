"""Two answers at one pace: nothing on the page tells which side was slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playground.scores.evened import Evened

MOVES = st.lists(st.tuples(st.sampled_from(["a", "b", "end a", "end b", "tick"]), st.integers(1, 30)), max_size=60)


def lengths(one: Evened) -> tuple[int, int]:
    return len(one.shown("a")), len(one.shown("b"))


@given(MOVES)
def test_running_sides_show_the_same_and_never_less_than_before(moves: list[tuple[str, int]]) -> None:
    one = Evened()
    before = (0, 0)
    for move, count in moves:
        if move in ("a", "b") and not one.ended[move]:
            one.feed(move, "x" * count)
        elif move.startswith("end"):
            one.end(move[-1])
        one.advance(count if move == "tick" else 0)
        now = lengths(one)
        assert now[0] >= before[0]
        assert now[1] >= before[1]
        if not any(one.ended.values()):
            assert now[0] == now[1] <= min(map(len, one.texts.values()))
        before = now


@given(MOVES)
def test_swapped_sides_look_the_same_swapped(moves: list[tuple[str, int]]) -> None:
    one, other = Evened(), Evened()
    swap = {"a": "b", "b": "a", "end a": "end b", "end b": "end a", "tick": "tick"}
    for move, count in moves:
        for target, said in ((one, move), (other, swap[move])):
            if said in ("a", "b") and not target.ended[said]:
                target.feed(said, "x" * count)
            elif said.startswith("end"):
                target.end(said[-1])
            target.advance(count if said == "tick" else 0)
        assert lengths(one) == lengths(other)[::-1]


@given(st.text(max_size=50), st.text(max_size=50), st.integers(1, 9))
def test_both_are_shown_whole_in_the_end(first: str, second: str, step: int) -> None:
    one = Evened()
    one.feed("a", first)
    one.feed("b", second)
    one.end("b")
    one.end("a")
    while one.advance(step):
        pass
    assert (one.shown("a"), one.shown("b")) == (first, second)


def test_nothing_is_shown_before_both_have_begun() -> None:
    one = Evened()
    one.feed("a", "a fast answer")
    assert one.advance(100)
    assert lengths(one) == (0, 0)
    one.feed("b", "slow")
    one.advance(100)
    assert (one.shown("a"), one.shown("b")) == ("a fa", "slow")
