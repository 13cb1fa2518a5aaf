"""Records of a batch, judging, grouping and totals."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.batches.judging import judged
from playground.batches.records import Groups, Row, Spec, Thought, checked, row_from, spec_from, thought_from, to_json
from playground.batches.similar import grouped, merge, similarity, split, vectors
from playground.batches.totals import compared, thinking_tokens, totals
from playground.errors import InvalidRequest
from tests.batches.making import items, spec

WORDS = st.text("ab cé7", max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(0, 99))
def test_a_spec_comes_back_with_its_hash(prompts: list[str], seed: int) -> None:
    what = Spec(("a", "b"), items(*prompts), prefix="p", seed=seed, groups=(tuple(range(len(prompts))),), reasoner="a")
    assert spec_from(to_json(what)) == what
    assert spec_from(to_json(what)).hash == what.hash
    for other in (replace(what, seed=seed + 1), replace(what, models=("b", "a")), replace(what, prefix="q")):
        assert other.hash != what.hash


def test_rows_and_thoughts_come_back() -> None:
    row = Row(3, "a", "x", right=False, seconds=0.5, group=2)
    assert row_from(to_json(row)) == row
    thought = Thought(1, "a", "hm", completion_tokens=4)
    assert thought_from(to_json(thought)) == thought


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"models": ()}, "1 to 8 different models"),
        ({"models": ("a", "a")}, "1 to 8 different models"),
        ({"items": ()}, "no prompts"),
        ({"items": tuple(reversed(items("x", "y")))}, "not numbered"),
        ({"seed": -1}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"match": "vaguely"}, "match must be one of"),
        ({"groups": ((0,), (1, 2))}, "needs a model that thinks"),
        ({"groups": ((0,), (1,)), "reasoner": "a"}, "every prompt once"),
        ({"groups": ((0, 1), (1, 2)), "reasoner": "a"}, "every prompt once"),
        ({"groups": ((0, 1, 2), ()), "reasoner": "a"}, "has no prompts"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        checked(replace(spec(), **changes))


def test_a_blank_prefix_is_none_and_what_is_shared_is_counted() -> None:
    assert checked(spec(prefix=" \n")).prefix == ""
    what = spec(prefix="Be short.", head=2)
    request = what.request("a", what.items[0], "me")
    assert [m.role for m in request.messages] == ["system", "user"]
    assert request.shared_characters == len("Be short.") + 2
    assert request.seed == what.seed_of(what.items[0]) < 2**53


# --- judging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "truth", "match", "right"),
    [
        ("7 + 5 = 12. The answer is 12.", "12", "contains", True),
        ("It is 112.", "12", "contains", False),
        ("PARIS, of course", "paris", "contains", True),
        ("new york city", "New  York", "contains", True),
        ("York, New", "New York", "contains", False),
        ("Paris.", "paris", "exact", True),
        ("It is Paris.", "paris", "exact", False),
        ("First 3, then 1,200.0", "1200", "number", True),
        ("12 and then 13", "12", "number", False),
        ("none", "12", "number", False),
        ("-4", "4", "number", False),
        ("x", "word", "number", None),
        ("x", "", "contains", None),
        ("x", "?!", "contains", None),
        ("\uff11\uff12", "12", "contains", True),
    ],
)
def test_answers_are_judged(answer: str, truth: str, match: str, right: bool | None) -> None:
    assert judged(answer, truth, match) is right


# --- grouping --------------------------------------------------------------------------------------------------------


def by_hand(texts: list[str]) -> np.ndarray:
    """The matrix of similarities from the formula, with dense vectors."""
    flat = [f" {' '.join(text.casefold().split())} " for text in texts]
    grams = [Counter(t[i : i + 3] for i in range(max(1, len(t) - 2))) for t in flat]
    names = sorted(set().union(*grams))
    counts = np.array([[gram[name] for name in names] for gram in grams], dtype=float)
    weights = counts * (1 + np.log(len(texts) / (counts > 0).sum(0)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights @ weights.T


@given(st.lists(st.text("abc d", max_size=10), min_size=1, max_size=8), st.sampled_from([0.2, 0.5, 0.9]))
def test_every_item_is_as_similar_to_the_first_of_its_group_as_is_said(texts: list[str], threshold: float) -> None:
    matrix = by_hand(texts)
    groups = grouped(items(*texts), threshold)
    checked(Spec(("a",), items(*texts), groups=groups, reasoner="a"))
    for number, group in enumerate(groups):
        assert list(group) == sorted(group)
        for index in group[1:]:
            own = matrix[group[0], index]
            assert own >= threshold - 1e-6
            earlier = [matrix[other[0], index] for other in groups if other[0] < index]
            assert own >= max(earlier) - 1e-6
        assert all(matrix[group[0], other[0]] < threshold + 1e-6 for other in groups[:number])


def test_questions_of_one_kind_are_one_group() -> None:
    what = items(
        "What is 12 plus 5?", "What colour is the sky?", "What is 17 plus 8?", "Which colour is the sky at night?"
    )
    assert grouped(what, 0.4) == ((0, 2), (1, 3))
    assert grouped(what, 1.0) == ((0,), (1,), (2,), (3,))
    assert math.isclose(similarity("The  Cat", "the cat"), 1.0)
    assert similarity("cat", "dog") == 0.0
    assert all(math.isclose(sum(w * w for w in v.values()), 1) for v in vectors(["a", "", "the cat"]))
    for wrong in (0, 1.1, math.nan, True, "x"):
        with pytest.raises(InvalidRequest, match="similarity must be"):
            grouped(what, wrong)  # type: ignore[arg-type]


GROUPS: Groups = ((0, 2), (1,), (3, 4, 5))


def test_groups_are_split_and_merged() -> None:
    assert split(GROUPS, 2, [4]) == ((0, 2), (1,), (3, 5), (4,))
    assert split(GROUPS, 2) == ((0, 2), (1,), (3,), (4,), (5,))
    assert merge(GROUPS, 2, 0) == ((1,), (3, 4, 5, 0, 2))
    for wrong in ((0, [0, 2]), (0, [1]), (0, [0, 7])):
        with pytest.raises(InvalidRequest, match="cannot be split"):
            split(GROUPS, *wrong)
    with pytest.raises(InvalidRequest, match="no group 4"):
        split(GROUPS, 3)
    with pytest.raises(InvalidRequest, match="with itself"):
        merge(GROUPS, 1, 1)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8))
def test_splitting_and_merging_lose_no_item(steps: list[tuple[int, int]]) -> None:
    groups = GROUPS
    for one, other in steps:
        try:
            groups = merge(groups, one, other) if one < 4 else split(groups, other)
        except InvalidRequest:
            continue
        assert sorted(i for group in groups for i in group) == list(range(6))


# --- totals ----------------------------------------------------------------------------------------------------------


def test_totals_sum_what_is_known_and_an_error_with_a_truth_is_not_right() -> None:
    rows = [
        Row(0, "a", right=True, completion_tokens=3, prompt_tokens=5, seconds=1.0),
        Row(1, "a", right=False, completion_tokens=4, seconds=2.0),
        Row(2, "a", error="x"),
        Row(0, "b", right=True, completion_tokens=100),
    ]
    found = totals("a", rows, ["t", "t", "t"])
    assert (found.answers, found.failed, found.judged, found.right) == (3, 1, 3, 1)
    assert (found.completion_tokens, found.prompt_tokens, found.reasoning_tokens) == (7, 5, None)
    assert found.accuracy == 1 / 3
    assert totals("c", rows).accuracy is None
    thoughts = [Thought(0, "a", completion_tokens=3), Thought(1, "a", error="x")]
    assert thinking_tokens(thoughts) == 3
    once, each = totals("a", rows[:2], ["t"] * 3), totals("b", rows)
    assert compared("a", once, thoughts, each) == (
        "a: 10 tokens written with 2 thoughts, 100 one by one (10% of it); right 1 of 2 (50%) against 1 of 1 (100%)."
    )
