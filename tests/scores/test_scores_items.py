"""Rules by which answers count, and intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import PlaygroundError
from playground.scores.estimates import accuracy, mean, median, wilson
from playground.scores.items import RULES, chat_items, image_items, is_right, normalise


@pytest.mark.parametrize(
    ("rule", "answer", "expected", "right"),
    [
        ("exact", "Rome.", "Rome", True),
        ("exact", "The capital is Rome.", "Rome", False),
        ("contains", "You have a cat.", "cat", True),
        ("contains", "You have a caterpillar.", "cat", False),
        ("contains", "", "cat", False),
        ("contains_upper", "SATURDAY COMES AFTER FRIDAY.", "saturday", True),
        ("contains_upper", "Saturday comes after Friday.", "saturday", False),
        ("last_number", "57 + 51 = 108.", "108", True),
        ("last_number", "108 is more than 57.", "108", False),
        ("last_number", "The sum is 1,208.", "1208", True),
        ("last_number", "7-4=3", "3", True),
        ("last_number", "It is -3", "3", False),
        ("last_number", "It is −3", "-3", True),
        ("last_number", "12-3", "3", True),
        ("last_number", "none", "3", False),
    ],
)
def test_rules(rule, answer, expected, right):
    assert RULES[rule](answer, expected) is right


def test_a_refused_word_spoils_the_answer():
    item = next(item for item in chat_items() if item.refuse)
    assert is_right(f"{item.expected[0]}.", item)
    assert not is_right(f"{item.expected[0]} or {item.refuse[0]}", item)


def test_items_are_well_formed():
    items = chat_items()
    assert 30 <= len(items) <= 40
    assert len({item.id for item in items}) == len(items)
    assert {item.task for item in items} == {"arithmetic", "recall", "instruction"}
    assert all(item.messages()[-1].role == "user" for item in items)
    assert len(image_items()) == 8
    assert len({item.prompt for item in image_items()}) == 8


def test_a_question_does_not_hold_its_own_answer():
    for item in chat_items():
        if item.task == "arithmetic":
            assert not is_right(item.turns[-1], item), item.id


def test_a_malformed_line_is_named(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text('{"id":"a","task":"t","turns":["x"],"expected":["y"],"rule":"guess"}\n')
    with pytest.raises(PlaygroundError, match=r"line 1.*guess"):
        chat_items(path)


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_0_and_1(case):
    successes, n = case
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert high - low > 0


@given(st.integers(0, 20), st.integers(2, 50))
def test_wilson_narrows_with_n(successes, factor):
    low, high = wilson(successes, 20)
    low2, high2 = wilson(successes * factor, 20 * factor)
    assert high2 - low2 < high - low


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for successes, n in ((0, 36), (17, 36), (36, 36), (3, 10)):
        known = binomtest(successes, n).proportion_ci(0.95, method="wilson")
        assert wilson(successes, n) == pytest.approx((known.low, known.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_nonsense(successes, n):
    with pytest.raises(ValueError, match=str(n)):
        wilson(successes, n)


def test_estimates_of_known_values():
    assert median([3.0, 1.0, 2.0]).value == 2.0
    assert accuracy([True, True, False, False]).value == 50
    alone = mean([4.0])
    assert (alone.value, alone.low, alone.n) == (4.0, None, 1)
