"""The word diff of two answers gives both back, finds what a person would, and stays cheap on long ones."""

from __future__ import annotations

import random
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.talks import diff as module
from playground.talks.diff import word_diff, words


def sides(runs) -> tuple[str, str]:
    first = "".join(run.text for run in runs if run.kind != "added")
    return first, "".join(run.text for run in runs if run.kind != "removed")


def pairs(runs) -> list[tuple[str, str]]:
    return [(run.kind, run.text) for run in runs]


WORDY = st.lists(st.sampled_from(["a", "b", "the", "cat", " ", "  ", "\n", ".", "你", "好", "don't", "🙂"])).map(
    "".join
)


@given(WORDY | st.text(), WORDY | st.text())
@settings(max_examples=300, deadline=None)
def test_the_runs_give_both_texts_back(first, second):
    runs = word_diff(first, second)
    assert sides(runs) == (first, second)
    assert all(run.text for run in runs)
    kinds = [run.kind for run in runs]
    assert not any(x == y or (x, y) == ("added", "removed") for x, y in pairwise(kinds))


@given(WORDY | st.text())
@settings(deadline=None)
def test_a_text_does_not_differ_from_itself(text):
    assert pairs(word_diff(text, text)) == ([("same", text)] if text else [])
    assert "".join(words(text)) == text


def test_changes_are_whole_words():
    assert pairs(word_diff("The cat sat on the mat.", "The dog sat on a mat!")) == [
        ("same", "The "),
        ("removed", "cat"),
        ("added", "dog"),
        ("same", " sat on "),
        ("removed", "the"),
        ("added", "a"),
        ("same", " mat"),
        ("removed", "."),
        ("added", "!"),
    ]
    assert words("don't stop, it’s 3.5 größer_x") == [
        "don't", " ", "stop", ",", " ", "it’s", " ", "3", ".", "5", " ", "größer_x"
    ]  # fmt: skip


def test_chinese_is_compared_by_characters():
    assert pairs(word_diff("今天天气很好", "今天天气不好")) == [
        ("same", "今天天气"),
        ("removed", "很"),
        ("added", "不"),
        ("same", "好"),
    ]


def test_space_between_two_changes_is_changed_with_them():
    assert pairs(word_diff("one two three four", "eins zwei drei four")) == [
        ("removed", "one two three"),
        ("added", "eins zwei drei"),
        ("same", " four"),
    ]


def test_what_was_moved_in_or_out_is_one_run():
    assert pairs(word_diff("a c", "a b c")) == [("same", "a "), ("added", "b "), ("same", "c")]
    assert pairs(word_diff("", "x")) == [("added", "x")]
    assert pairs(word_diff("x", "")) == [("removed", "x")]


def test_as_much_is_found_the_same_as_difflib_finds():
    """On texts as two models write them: sentences of one with some words replaced, dropped and put in."""
    rng = random.Random(7)
    vocabulary = [f"w{int(rng.paretovariate(0.7))}" for _ in range(2000)]
    ours = theirs = 0
    for _ in range(20):
        first = [rng.choice(vocabulary) for _ in range(150)]
        second = [w for w in first if rng.random() > 0.1]
        for _ in range(15):
            second.insert(rng.randrange(len(second)), rng.choice(vocabulary))
        runs = word_diff(" ".join(first), " ".join(second))
        ours += sum(len(run.text.split()) for run in runs if run.kind == "same")
        plain = SequenceMatcher(None, first, second, autojunk=False)
        theirs += sum(block.size for block in plain.get_matching_blocks())
    assert ours >= 0.97 * theirs


@pytest.mark.parametrize("vocabulary", [1, 2, 50, 300, 5000])
def test_long_answers_are_compared_with_a_bounded_number_of_pairs(vocabulary):
    rng = random.Random(vocabulary)
    first, second = (" ".join(f"w{rng.randrange(vocabulary)}" for _ in range(5000)) for _ in range(2))
    assert sides(word_diff(first, second)) == (first, second)
    frequent = module._frequent(words(first), words(second))
    left, counts = Counter(words(first)), Counter(words(second))
    assert sum(n * counts[word] for word, n in left.items() if word not in frequent) <= module.MOST_PAIRS


def test_too_long_answers_are_told():
    with pytest.raises(InvalidRequest, match=r"60,001 words"):
        word_diff("a " * 15_000, "b " * 15_000 + "c")
