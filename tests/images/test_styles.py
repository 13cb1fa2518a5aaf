"""Styles: our file and A1111's, the placeholder, what is refused; and that the record tells what was typed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.metadata import read_metadata
from playground.images.styles import Style, applied, from_csv, shipped, styled, styles
from tests.images.conftest import ask, pictures

A1111 = 'name,prompt,negative_prompt\n─────,,\n"Film, old","{prompt}, film grain","modern\n3d"\nNeat,,blurry\n'


def test_a1111s_file_is_read_with_quotes_line_breaks_and_dividers():
    assert from_csv(A1111, "styles.csv") == [
        Style("Film, old", "{prompt}, film grain", "modern\n3d", "styles.csv"),
        Style("Neat", "", "blurry", "styles.csv"),
    ]
    assert from_csv("\ufeffname,text,negative_prompt\nOld,soft,\n")[0].prompt == "soft"
    assert from_csv("") == []


@pytest.mark.parametrize(
    ("typed", "style", "merged"),
    [
        ("a cat", "oil painting", "a cat, oil painting"),
        ("a cat", "oil of {prompt}, {prompt}", "oil of a cat, a cat"),
        ("a cat", "", "a cat"),
        ("", "blurry", "blurry"),
        (" a cat ", "x", "a cat, x"),
        ("{prompt}", "of {prompt}", "of {prompt}"),
    ],
)
def test_a_style_is_written_around_or_after_the_prompt(typed, style, merged):
    assert applied(typed, typed, [Style("s", style, style)]) == (merged, merged)


def test_several_styles_follow_one_another():
    two = [Style("a", "a drawing of {prompt}", "x"), Style("b", "in ink", "y")]
    assert applied("a cat", "", two) == ("a drawing of a cat, in ink", "x, y")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_style_leaves_the_prompts_alone(prompt, negative):
    assert applied(prompt, negative, []) == (prompt, negative)
    assert applied(prompt, negative, [Style("s")]) == (prompt, negative)


def test_files_of_the_data_folder_come_before_the_shipped_ones(tmp_path):
    assert list(styles(tmp_path)) == [style.name for style in shipped()]
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nNeat,from csv,\nMine,c,\n")
    (tmp_path / "styles.toml").write_text('[[style]]\nname = "Mine"\nprompt = "t"\n')
    found = styles(tmp_path)
    assert list(found)[:2] == ["Mine", "Neat"]
    assert (found["Mine"].prompt, found["Mine"].source) == ("t", "styles.toml")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("styles.toml", "[[style", "styles.toml is damaged"),
        ("styles.toml", "style = 1", "other than"),
        ("styles.toml", "[other]", "other than"),
        ("styles.toml", '[[style]]\nprompt = "x"', "Style 1 of styles.toml must have a name"),
        ("styles.toml", '[[style]]\nname = "x"\nprompt = 3', "Style 1 of styles.toml must have texts"),
        ("styles.toml", '[[style]]\nname = "x"\nweight = "3"', "Style 1 of styles.toml must have texts"),
        ("styles.csv", "a,b\n1,2\n", "no column called name"),
        ("styles.csv", f"name,prompt\nx,{'y' * 9000}\n", "Style 1 of styles.csv must have a name"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(PlaygroundError, match=sentence):
        styles(tmp_path)


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / "styles.csv").write_bytes(b"name\n\xff\xfe\n")
    with pytest.raises(PlaygroundError, match=r"styles.csv is no UTF-8"):
        styles(tmp_path)


def test_the_record_tells_the_whole_prompt_and_what_was_typed(draw, tmp_path):
    wanted = styled(ask(prompt="a cup", steps=1), ["On white", "Fewer flaws"], tmp_path)
    names = ("prompt", "negative_prompt", "styles", "typed_prompt", "typed_negative_prompt")
    made = pictures(draw(steps=1, **{name: getattr(wanted, name) for name in names})[0])[0]
    record = read_metadata(made.png)
    assert record["prompt"] == "a cup on a white background"
    assert record["negative_prompt"].startswith("blurry, ")
    assert (record["styles"], record["typed_prompt"]) == (["On white", "Fewer flaws"], "a cup")
    assert made.parameters.startswith("a cup on a white background\nNegative prompt: blurry")


@pytest.mark.parametrize(
    ("names", "said"), [(["Gone"], "no style 'Gone'"), ("On white", "list of names"), ([1], "list")]
)
def test_a_style_that_is_not_there_is_refused(tmp_path, names, said):
    with pytest.raises(InvalidRequest, match=said):
        styled(ask(), names, tmp_path)
