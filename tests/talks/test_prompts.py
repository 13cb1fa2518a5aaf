"""The prompt library: variables are found and filled, prompts are each owner's own, the shipped ones stay."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.store import Store
from playground.talks.prompts import Prompts, fill, shipped, variables


@pytest.fixture
def prompts():
    return Prompts(Store("sqlite://"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Translate {{text}} into {{ language }}.", ("text", "language")),
        ("{{a}} {{b}} {{a}}", ("a", "b")),
        ("{{kind of thing}} {{größe_2}} {{a-b}}", ("kind of thing", "größe_2", "a-b")),
        ("{a} {{}} {{ }} {{1}} {{a.b}} {{a|upper}} {{ {x} }} {% if a %} {{" + "x" * 41 + "}}", ()),
        ("{{{a}}}", ("a",)),
    ],
)
def test_variables_are_found(text, found):
    assert variables(text) == found


def test_variables_are_filled_and_values_are_not_read_again():
    text = "Translate {{text}} into {{ language }}: {{text}} {{}} \\1"
    assert fill(text, {"text": "{{language}} \\g<0>", "language": "French"}) == (
        "Translate {{language}} \\g<0> into French: {{language}} \\g<0> {{}} \\1"
    )


def test_a_missing_value_is_told_by_name():
    with pytest.raises(InvalidRequest) as told:
        fill("{{a}} {{b c}} {{d}}", {"a": "1", "d": " "})
    assert told.value.message == "The prompt needs a value for {{b c}}, {{d}}."


@given(st.text(), st.text(min_size=1).filter(str.strip))
@settings(deadline=None)
def test_a_text_without_variables_stays_as_it_is(text, value):
    if not variables(text):
        assert fill(text, {"x": value}) == text
    assert fill("{{x}}", {"x": value}) == value


def test_a_prompt_is_kept_changed_and_deleted(prompts):
    made = prompts.add("ana", " My\nprompt ", "Say {{word}}.")
    assert (made.name, made.text, made.shipped) == ("My prompt", "Say {{word}}.", False)
    assert prompts.get("ana", made.id) == made
    assert prompts.listed("ana")[0] == made
    changed = prompts.change("ana", made.id, "Mine", "Say {{word}} twice.")
    assert prompts.get("ana", made.id) == changed
    prompts.delete("ana", made.id)
    assert prompts.listed("ana") == list(shipped())


def test_names_are_unique_for_one_owner(prompts):
    made, other = prompts.add("ana", "A", "x"), prompts.add("ana", "B", "y")
    prompts.add("ben", "A", "z")
    with pytest.raises(InvalidRequest, match="'A' of yours already"):
        prompts.add("ana", "A", "x")
    with pytest.raises(InvalidRequest, match="'A' of yours already"):
        prompts.change("ana", other.id, "A", "x")
    assert [p.text for p in prompts.listed("ana") if not p.shipped] == ["x", "y"]
    assert prompts.change("ana", made.id, "A", "new").text == "new"


def test_no_owner_reaches_anothers_prompt(prompts):
    made = prompts.add("ana", "A", "secret")
    assert all(p.shipped for p in prompts.listed("ben"))
    reaches = [
        lambda owner: prompts.get(owner, made.id),
        lambda owner: prompts.change(owner, made.id, "B", "x"),
        lambda owner: prompts.delete(owner, made.id),
    ]
    for reach in reaches:
        with pytest.raises(InvalidRequest, match="of yours"):
            reach("ben")
    more = [prompts.listed, lambda owner: prompts.add(owner, "A", "x")]
    assert len(reaches) + len(more) == len([name for name in vars(Prompts) if not name.startswith("_")])
    for reach in [*reaches, *more]:
        with pytest.raises(InvalidRequest, match="owner"):
            reach("")
    assert prompts.get("ana", made.id) == made


def test_shipped_prompts_are_whole_and_read_only(prompts):
    assert len(shipped()) >= 8
    assert len({prompt.name for prompt in shipped()}) == len(shipped())
    for prompt in shipped():
        assert variables(prompt.text)
        assert prompt.text.count("{{") == len(prompt.text.split("{{")) - 1 >= len(variables(prompt.text))
        assert prompts.get("ana", prompt.id) == prompt
        for change in (
            lambda p=prompt: prompts.change("ana", p.id, "x", "y"),
            lambda p=prompt: prompts.delete("a", p.id),
        ):
            with pytest.raises(InvalidRequest, match="comes with the app"):
                change()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("", "x", "name"), ("n" * 101, "x", "101"), ("a", " ", "empty"), ("a", "x" * 100_001, "100,001"), (3, "x", "int")],
)
def test_what_cannot_be_kept_is_told(prompts, name, text, told):
    with pytest.raises(InvalidRequest, match=told):
        prompts.add("ana", name, text)


def test_a_library_has_an_end(prompts, monkeypatch):
    monkeypatch.setattr("playground.talks.prompts.MOST_PROMPTS", 1)
    prompts.add("ana", "A", "x")
    with pytest.raises(InvalidRequest, match="1 prompts"):
        prompts.add("ana", "B", "x")
