"""Prompts out of files: what was written is what is read, and every complaint names its line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.batches import reading
from playground.batches.building import items_of
from playground.batches.reading import form_of, read
from playground.errors import InvalidRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NAMES = st.lists(st.text("abcdé_", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)


@settings(max_examples=100)
@given(data=st.data(), names=NAMES, delimiter=st.sampled_from(",;\t"))
def test_csv_comes_back_as_it_was_written(data: st.DataObject, names: list[str], delimiter: str) -> None:
    full = TEXT.filter(str.strip)
    rows = data.draw(st.lists(st.lists(full, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    table = read(out.getvalue().encode(), "csv") if len(names) > 1 or delimiter == "," else None
    if table is not None:
        assert table.columns == tuple(names)
        assert [list(line.values.values()) for line in table.lines] == rows


@given(rows=st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=3), TEXT, min_size=1), min_size=1, max_size=6))
def test_json_lines_come_back_as_they_were_written(rows: list[dict[str, str]]) -> None:
    table = read("\n".join(json.dumps(row) for row in rows), "jsonl")
    assert [line.values for line in table.lines] == rows
    assert [line.number for line in table.lines] == list(range(1, len(rows) + 1))


@given(st.lists(TEXT.map(lambda t: t.replace("\n", " ").strip()), min_size=1, max_size=8))
def test_lines_come_back_without_blank_ones(lines: list[str]) -> None:
    wanted = [(i, line) for i, line in enumerate(lines, 1) if line]
    if not wanted:
        with pytest.raises(InvalidRequest, match="no prompts"):
            read("\n".join(lines), "lines")
        return
    table = read("\n".join(lines), "lines")
    assert [(line.number, line.values["prompt"]) for line in table.lines] == wanted


@settings(max_examples=200)
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=100)), form=st.sampled_from(reading.FORMS))
def test_any_input_is_read_or_refused_in_a_sentence(data: bytes | str, form: str) -> None:
    try:
        table = read(data, form)
    except InvalidRequest as error:
        assert error.message.endswith(".")  # noqa: PT017
        return
    assert table.lines


@pytest.mark.parametrize(
    ("data", "form", "says"),
    [
        ("a,b\n1,2\n\n3\n", "csv", "Line 4 has 1 cells, and the header has 2"),
        ('a,b\n1,"x\ny"\n3\n', "csv", "Line 4 has 1 cells"),
        ('a,b\n1,2\n"x,2\n', "csv", "Line 3 is not CSV"),
        ("a,a\n1,2\n", "csv", "names 'a' twice"),
        ("a,\n1,2\n", "csv", "Column 2 of the header in line 1 has no name"),
        ("a\n", "csv", "no prompts"),
        ('{"a": 1}\n{"a": \n', "jsonl", "Line 2 is not JSON"),
        ('{"a": NaN}', "jsonl", "Line 1 is not JSON: NaN is no number"),
        ("[1]", "jsonl", "Line 1 holds a list"),
        ('{"a": "\\ud800"}', "jsonl", "Line 1 holds half a character in 'a'"),
        ("[" * 100_000, "jsonl", "Line 1 is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "jsonl", "Line 1 is not JSON"),
        (b"ok\n\xff\n", "lines", "Line 2 is not UTF-8"),
        ("ok\n\ud800", "lines", "Line 2 holds half a character"),
        (" \n\t\n", "lines", "no prompts"),
        ("x", "xml", "must be one of"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(data: bytes | str, form: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read(data, form)


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 40)
    with pytest.raises(InvalidRequest, match="at most"):
        read("x" * 41, "lines")
    monkeypatch.undo()
    with pytest.raises(InvalidRequest, match="Line 10001 is past"):
        read("x\n" * 10_001, "lines")
    with pytest.raises(InvalidRequest, match="Line 2 has 100,001 characters"):
        read("x\n" + "y" * 100_001, "lines")
    with pytest.raises(InvalidRequest, match="201 columns"):
        read(",".join(map(str, range(201))) + "\n", "csv")
    with pytest.raises(InvalidRequest, match="By line 3 there are over 200 fields"):
        read("\n".join(json.dumps({f"{i}-{j}": "" for j in range(100)}) for i in range(3)), "jsonl")
    assert len(read('"' + "y" * 90_000 + '"\n' + '"' + "x" * 99_000 + '"', "csv").lines) == 1


def test_a_mark_at_the_beginning_and_other_line_ends_are_no_part_of_prompts() -> None:
    assert [line.values for line in read("\ufeffa\r\n1\r\n2".encode(), "csv").lines] == [{"a": "1"}, {"a": "2"}]
    assert [line.values["prompt"] for line in read(b"\xef\xbb\xbfone\r\ntwo\x0c\r\n", "lines").lines] == ["one", "two"]


def test_the_form_is_told_by_name_or_beginning() -> None:
    found = [form_of("x.CSV"), form_of("x.tsv"), form_of("x.jsonl"), form_of("x.txt"), form_of("", ' {"a": 1}')]
    assert found == ["csv", "csv", "jsonl", "lines", "jsonl"]


# --- items -----------------------------------------------------------------------------------------------------------

TABLE = read("question,answer,kind\nWho?,me,a\nWhat?,it,b\n", "csv")


def test_a_column_is_chosen_and_another_is_the_truth() -> None:
    items, head = items_of(TABLE, "question", truth="answer")
    assert [(i.index, i.line, i.prompt, i.truth, i.varying) for i in items] == [
        (0, 2, "Who?", "me", "Who?"),
        (1, 3, "What?", "it", "What?"),
    ]
    assert head == 0
    assert items_of(TABLE, truth="question")[0][0].prompt == "me"


def test_a_template_is_filled_and_its_constant_beginning_is_shared() -> None:
    template = "Say {{ this }}: {{question}} is {{kind}} {{x"
    with pytest.raises(InvalidRequest, match="no column 'this'"):
        items_of(TABLE, template=template)
    items, head = items_of(TABLE, template="Say {{!}} to: {{question}} is {{kind}} {{x")
    assert [item.prompt for item in items] == ["Say {{!}} to: Who? is a {{x", "Say {{!}} to: What? is b {{x"]
    assert items[0].varying == "Who?\na"
    assert items[0].prompt[:head] == items[1].prompt[:head] == "Say {{!}} to: "


@given(before=st.text("{} !\n", max_size=12), after=st.text("{} !\n", max_size=5))
def test_the_shared_head_is_the_same_in_every_prompt(before: str, after: str) -> None:
    items, head = items_of(TABLE, template=before + "{{question}}" + after)
    assert len({item.prompt[:head] for item in items}) == 1
    assert items[0].prompt[:head] == before[:head]


def test_what_a_line_lacks_is_said_with_its_line() -> None:
    table = read('{"a": "x", "b": "y"}\n\n{"a": " "}\n', "jsonl")
    with pytest.raises(InvalidRequest, match="Line 3 has nothing in 'a'"):
        items_of(table, "a")
    with pytest.raises(InvalidRequest, match=r"Line 3: The prompt needs a value for \{\{a\}\}, \{\{b\}\}"):
        items_of(table, template="{{a}} {{b}}")
    with pytest.raises(InvalidRequest, match="names no column"):
        items_of(table, template="Hello")
    with pytest.raises(InvalidRequest, match="no column 'z'"):
        items_of(table, "z")
    with pytest.raises(InvalidRequest, match="no column for the prompts"):
        items_of(read("x\n", "lines"), truth="prompt")
