"""The values of an axis: lists, quotes, ranges as A1111 documents them, and one sentence for what cannot be."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.images.grid.axes import AXES, every, parse
from playground.images.grid.prompts import orders, reordered, replaced
from playground.images.grid.values import MOST_VALUES, Item, joined, numbers, split, whole_numbers

MODELS = {"starter-sd": "Starter SD", "starter-sd-small": "Starter SD small", "odd": "Odd, with a comma"}


def wholes(text: str) -> list[int]:
    return [number for _, number in whole_numbers(split(text))]


def values(axis: str, text: str) -> list:
    return [value.value for value in parse(AXES[axis], text, MODELS)]


def labels(axis: str, text: str) -> list[str]:
    return [value.label for value in parse(AXES[axis], text, MODELS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # the examples of A1111's own documentation, then ours
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-5 (+2)", [1, 3, 5]),
        ("10-5 (-3)", [10, 7]),
        ("1-3 (+0.5)", [1, 1.5, 2, 2.5, 3]),
        ("1-10 [5]", [1, 3.25, 5.5, 7.75, 10]),
        ("0.0-1.0 [6]", [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ("1-10 (+2)", [1, 3, 5, 7, 9]),
        ("5-1", [5, 4, 3, 2, 1]),
        ("-3 - -1", [-3, -2, -1]),
        ("1--1", [1, 0, -1]),
        ("1-0 (-0.25)", [1, 0.75, 0.5, 0.25, 0]),
        ("0-0.3 (+0.1)", [0, 0.1, 0.2, 0.3]),
        ("1-2 (+0.4)", [1, 1.4, 1.8]),
        ("7, 3-4 ,.5", [7, 3, 4, 0.5]),
        ("4-9 [1]", [4]),
        ("5-5", [5]),
        ("+3, - 2", [3, -2]),
        ("1\n2\n\n3,", [1, 2, 3]),
    ],
)
def test_numbers_and_ranges(text, expected):
    assert [number for _, number in numbers(split(text))] == expected


def test_a_count_of_whole_numbers_is_cut_as_a1111_cuts_it():
    assert wholes("1-10 [5]") == [1, 3, 5, 7, 10]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("red", "'red' is not a number"),
        ("1-", "'1-' is not a number"),
        ("1e9", "'1e9'"),
        ("nan", "'nan'"),
        ("__import__('os')", "__import__"),
        ("1-5 (0)", "step of '1-5 (0)' is 0"),
        ("1-5 (-1)", "goes up, but its step is -1"),
        ("5-1 (+1)", "goes down, but its step is 1"),
        ("1-5 [0]", "0 values"),
        ("0-99999999999999999999", "values; an axis has at most 400"),
        ("0-1 (+0.0000000001)", "at most 400"),
        ("1-3 [999999]", "999,999 values"),
        ("1-300, 1-300", "600 values"),
        ("9" * 100, "not a number"),
        ('"1, 2', "is not closed"),
        ('"1" 2', "'2' follows a closed quote"),
        ("1," * 30_000, "60,000 characters"),
    ],
)
def test_what_cannot_be_is_named(text, said):
    with pytest.raises(InvalidRequest) as error:
        numbers(split(text))
    assert said in str(error.value)


def test_whole_numbers_refuse_decimals():
    with pytest.raises(InvalidRequest, match=r"'1-2 \(\+0.5\)' gives 1.5"):
        wholes("1-2 (+0.5)")


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 20))
def test_a_range_is_what_counting_gives(start, end, step):
    sign = 1 if end >= start else -1
    expected = [start + i * step * sign for i in range(abs(end - start) // step + 1)]
    assert wholes(f"{start}-{end} ({step * sign:+d})") == expected


@given(st.decimals(-30, 30, places=2), st.decimals(-30, 30, places=2), st.integers(2, 40))
def test_a_count_has_both_ends_and_equal_gaps(start, end, count):
    found = [number for _, number in numbers(split(f"{start}-{end} [{count}]"))]
    assert len(found) == count
    assert (found[0], found[-1]) == (float(start), float(end))
    gap = (float(end) - float(start)) / (count - 1)
    assert all(abs(b - a - gap) < 1e-5 for a, b in pairwise(found))


@given(st.lists(st.text(max_size=12), max_size=20))
def test_what_is_joined_is_split_again(texts):
    assert [item.text for item in split(joined(texts))] == texts


@given(st.lists(st.lists(st.text('ab ,"x', max_size=6), min_size=1, max_size=5), min_size=1, max_size=4))
def test_lists_are_read_as_csv_is(rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    assert [item.text for item in split(out.getvalue())] == [cell for row in rows for cell in row]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    for axis in AXES.values():
        try:
            found = parse(axis, text, MODELS)
        except InvalidRequest:
            continue
        else:
            assert 1 <= len(found) <= MOST_VALUES


def test_choices_are_known_by_any_case_and_by_other_apps_names():
    assert values("Sampler", "euler a, dpm++ 2m, k_euler") == ["Euler a", "DPM++ 2M", "Euler"]
    assert values("Model", 'starter-sd, starter sd small, "odd, with a comma"') == [
        "starter-sd", "starter-sd-small", "odd",
    ]  # fmt: skip
    with pytest.raises(InvalidRequest, match=r"no sampler 'Eulr'. Try Euler"):
        values("Sampler", "Eulr")
    with pytest.raises(InvalidRequest, match="no image model 'sd-9'"):
        values("Model", "sd-9")


def test_the_list_that_fills_a_choice_gives_every_value():
    for name in ("Sampler", "Schedule"):
        assert values(name, every(AXES[name], MODELS)) == list(AXES[name].choices)
    assert values("Model", every(AXES["Model"], MODELS)) == list(MODELS)
    assert every(AXES["Steps"], MODELS) == ""


def test_limits_are_those_of_a_request_and_name_the_value():
    with pytest.raises(InvalidRequest, match="Steps must be 1 to 150, got 0"):
        values("Steps", "0-4")
    with pytest.raises(InvalidRequest, match=r"Eta must be 0 to 1, got 1\.5"):
        values("Eta", "0-2 (+0.5)")
    with pytest.raises(InvalidRequest, match="Size must be 64 to 2048, got 9000"):
        values("Size", "9000x64")


def test_sizes_and_seeds():
    assert values("Size", "128, 192x128, 96 × 64") == [[128, 128], [192, 128], [96, 64]]
    assert values("Seed", "3, 3, -1, -1") == [3, -1, -1]
    with pytest.raises(InvalidRequest, match="'big' is not a size"):
        values("Size", "big")


def test_search_and_replace_keeps_quoted_blanks_and_the_empty_text():
    assert values("Prompt search-replace", 'red, " dark blue", ""') == [
        ["red", "red"], ["red", " dark blue"], ["red", ""],
    ]  # fmt: skip
    assert labels("Prompt search-replace", 'red, ""') == ["red", "(nothing)"]
    assert replaced("a red ball, red", "red", "blue") == "a blue ball, blue"
    with pytest.raises(InvalidRequest, match="'green' is not in 'a red ball'"):
        replaced("a red ball", "green", "blue")


def test_an_order_moves_phrases_and_leaves_what_stands_between():
    assert reordered("a cat and a dog; night", ("a dog", "a cat")) == "a dog and a cat; night"
    assert reordered("x, y, z", ("z", "x", "y")) == "z, x, y"
    with pytest.raises(InvalidRequest, match="overlap"):
        reordered("a red ball", ("a red", "red ball"))
    with pytest.raises(InvalidRequest, match="'bird' is not in"):
        reordered("a cat", ("bird", "a cat"))


@given(st.lists(st.text("abcde", min_size=2, max_size=5), min_size=2, max_size=4, unique=True))
def test_every_order_has_the_same_words(words):
    phrases = [f"<{word}>" for word in words]
    prompt = " and ".join(phrases)
    found = [reordered(prompt, order) for order in orders(phrases, 400)]
    assert len(set(found)) == len(found)
    assert found[0] == prompt
    assert all(sorted(text.split(" and ")) == sorted(phrases) for text in found)


def test_orders_are_bounded():
    with pytest.raises(InvalidRequest, match="at most five"):
        orders([str(i) for i in range(6)], 400)
    with pytest.raises(InvalidRequest, match="'a' is there twice"):
        orders(["a", "a"], 400)
    with pytest.raises(InvalidRequest, match="at least two"):
        orders(["a"], 400)


def test_an_item_says_whether_it_was_quoted():
    assert split('a, "b ", c d ') == [Item("a"), Item("b ", True), Item("c d")]
