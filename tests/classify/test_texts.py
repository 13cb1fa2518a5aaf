"""Texts out of lines, CSV files and lists; what is wrong names its line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.classify.label_sets import label_sets
from playground.classify.records import task
from playground.classify.texts import columns_of, items_of_csv, items_of_lines, items_of_list, truth_of
from playground.errors import InvalidRequest

ONE = task(("positive", "negative"))
MANY = task(("spam", "hate; speech", "violence"), multi_label=True)


def test_lines_with_and_without_a_truth() -> None:
    items = items_of_lines("I love it\tPositive\n\n  The sky is blue  \r\nBad\tnegative\n", ONE)
    assert [(i.text, i.truth, i.line) for i in items] == [
        ("I love it", ("positive",), 1), ("The sky is blue", None, 3), ("Bad", ("negative",), 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no texts"), ("\n \n", "no texts"), ("fine\nwell\tgood", "Line 2: 'good'"), ("\tpositive", "Line 1"),
        ("a\n" * 10_001, "10,001"), (7, "7"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_used_are_named(text: object, said: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        items_of_lines(text, ONE)
    assert said in str(error.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_column_and_its_truth(delimiter: str) -> None:
    rows = [["id", "review", "label"], ["1", 'Great, "really"\ngreat; yes', "POSITIVE"], ["", "", ""], ["2", "Bad", ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    data = out.getvalue().encode("utf-8-sig")
    assert columns_of(data) == ("id", "review", "label")
    items = items_of_csv(data, ONE, "review", "label")
    assert [(i.text, i.truth, i.line) for i in items] == [
        ('Great, "really"\ngreat; yes', ("positive",), 2), ("Bad", None, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"), (b"text,label\na,positive\n,negative\n", "Line 3 has no text"),
        (b"text,label\na,good\n", "Line 2: 'good'"), (b"text\na,b\n", "Line 2 has 2 cells"),
        (b'text\n"open\n', "no CSV at line 2"), (b"other,label\na,positive\n", "no column 'text'"),
        (b"text\n" + b"\0\1\2" * 50, "is no text"), (b"x" * 20_000_001, "20 MB"),
        (b"x" * 200_000 + b"\na\n", "no CSV at line 1"), (b"," * 1_000_000, "1,000,001 columns"),
        (b"text\n" + b"a\n" * 10_001, "more than 10,000 texts"), (b"text,label\n", "no texts"),
        (b"text\n" + b"x" * 200_000, "no CSV at line 2"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_say_where(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        items_of_csv(data, ONE, "text", "label" if b"label" in data[:20] else "")
    assert said in str(error.value)


def test_several_truths_in_a_cell() -> None:
    assert truth_of("spam|violence", MANY) == ("spam", "violence")
    assert truth_of("spam; Violence ;spam", MANY) == ("spam", "violence")
    assert truth_of("Hate; Speech", MANY) == ("hate; speech",)
    assert truth_of("none", MANY) == ()
    with pytest.raises(InvalidRequest, match="'theft'"):
        truth_of("spam; theft", MANY)
    with pytest.raises(InvalidRequest, match="none"):
        truth_of("none", ONE)


def test_lists_as_programs_send_them() -> None:
    assert items_of_list(["x", "y"], ["positive", None], ONE)[0].truth == ("positive",)
    assert items_of_list(["x"], [[]], MANY)[0].truth == ()
    assert items_of_list(["x"], None, ONE)[0].truth is None
    for texts, truths in (
        (["x", 7], None),
        (["x"], ["y"]),
        (["x"], ["positive", "negative"]),
        (["x"], [[]]),
        ("x", None),
    ):
        with pytest.raises(InvalidRequest):
            items_of_list(texts, truths, ONE)


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.sampled_from(["positive", ""]))))
def test_what_a_csv_writer_wrote_is_read(rows: list[tuple[str, str]]) -> None:
    rows = [(text.strip(), truth) for text, truth in rows if text.strip()]
    out = io.StringIO()
    csv.writer(out).writerows([("text", "truth"), *rows])
    if rows:
        items = items_of_csv(out.getvalue().encode(), ONE, "text", "truth")
        assert [(i.text, i.truth) for i in items] == [(text, (t,) if t else None) for text, t in rows]


@pytest.mark.parametrize("one", label_sets(), ids=lambda one: one.id)
def test_ready_label_sets_can_be_asked_and_their_examples_fit(one) -> None:  # type: ignore[no-untyped-def]
    asked = task(one.labels, multi_label=one.multi_label, descriptions=one.descriptions)
    assert one.examples
    items = items_of_list([text for text, _ in one.examples], [list(labels) for _, labels in one.examples], asked)
    assert all(one.descriptions)
    assert all(item.truth is not None for item in items)


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": 2}, {"threshold": "high"}, {"samples": 0}, {"samples": 51}, {"samples": 2.5}, {"seed": -1},
        {"temperature": float("nan")}, {"method": "magic"}, {"samples": True},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(values: dict) -> None:
    with pytest.raises(InvalidRequest):
        task(("a", "b"), **values)
