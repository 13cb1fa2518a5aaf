"""The prompt syntax: every example of the conformance list, and what holds for any text."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.images.prompts.parse import parse
from playground.images.prompts.prepared import notices, prepared
from playground.images.prompts.printing import printed
from playground.images.prompts.steps import Fragment, at_step, changes, plain_text
from playground.images.prompts.variants import choose
from playground.images.prompts.wildcards import wildcard_lines
from tests.images.prompt_conformance import LITERAL, LORAS, PARTS, SCHEDULES, STEPS, WEIGHTS


def said(text: str, step: int = 0) -> tuple[Fragment, ...]:
    return at_step(parse(text).parts[0].nodes, step, STEPS)


def words(text: str, step: int = 0) -> str:
    return "".join(fragment.text or "" for fragment in said(text, step))


def none(name: str) -> None:
    return None


def test_the_conformance_list_has_at_least_sixty_examples() -> None:
    assert len(WEIGHTS) + len(LITERAL) + len(SCHEDULES) + len(PARTS) + len(LORAS) >= 60


@pytest.mark.parametrize("text", WEIGHTS)
def test_weights(text: str) -> None:
    found = [(f.text, f.weight) if f.text is not None else None for f in said(text)]
    wanted = WEIGHTS[text]
    assert [f and f[0] for f in found] == [w and w[0] for w in wanted]
    assert [f[1] for f in found if f] == pytest.approx([w[1] for w in wanted if w])


@pytest.mark.parametrize("text", LITERAL)
def test_what_has_no_meaning_is_text_with_a_hint(text: str) -> None:
    assert words(text) == LITERAL[text]
    assert parse(text).hints


@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules(text: str) -> None:
    starts = SCHEDULES[text]
    wanted = [starts[max(s for s in starts if s <= step)] for step in range(STEPS)]
    assert [words(text, step) for step in range(STEPS)] == wanted
    assert not parse(text).hints


@pytest.mark.parametrize("text", PARTS)
def test_parts(text: str) -> None:
    found = parse(text)
    assert [(plain_text(type(found)((part,))), part.weight) for part in found.parts] == PARTS[text]


@pytest.mark.parametrize("text", LORAS)
def test_loras_are_taken_out_of_the_text(text: str) -> None:
    left, tags = LORAS[text]
    assert words(text) == left
    assert [(tag.name, tag.text_encoder, tag.unet) for tag in parse(text).loras] == tags


def test_and_joins_nothing_in_a_negative_prompt() -> None:
    found = parse("a AND b", joins=False)
    assert plain_text(found) == "a AND b"
    assert found.hints == ("AND in a negative prompt joins no prompts and is taken as text.",)


def test_a_hint_names_the_bracket() -> None:
    (hint,) = parse("a red (ball").hints
    assert hint == "The bracket ( at character 7 has no partner and is taken as text; write \\( to say so."


SYNTAX = st.lists(
    st.sampled_from(
        ["(", ")", "[", "]", ":", "|", "\\", "\\(", "1.3", "0.5", ".5", "3", " ", "AND", " AND ", "BREAK", "<lora:x:1>",
         "<", ">", "a", "b c", ",", "{", "}", "__w__", "-", "é"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(SYNTAX, st.text(max_size=60)))
def test_any_text_parses_and_printing_keeps_its_meaning(text: str) -> None:
    first = parse(text)
    again = parse(printed(first))
    assert again.parts == first.parts
    assert again.loras == first.loras
    assert not [hint for hint in again.hints if "partner" in hint]


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_characters="()[]{}\\<_", exclude_categories=["Cs"]), max_size=80))
def test_plain_text_is_untouched(text: str) -> None:
    if re.search(r"\b(AND|BREAK)\b", text):
        return
    (one,) = prepared(text, text, 5, 1)
    assert one.prompt == text
    assert not one.hints
    assert said(text) == ((Fragment(text),) if text else ())
    assert not changes(one.positive)


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000 + "a" + ")" * 10_000, "(" * 100_000, "[|" * 30_000 + "]" * 30_000, "([)]" * 25_000, "\\(" * 50_000,
     " " * 100_000, "(a:" * 20_000 + "1)" * 20_000, " AND" * 25_000, "<lora:" * 16_000, "BREAK" * 20_000],
    ids=lambda text: text[:6],
)  # fmt: skip
def test_hostile_text_gets_a_meaning(text: str) -> None:
    found = parse(text)
    assert at_step(found.parts[0].nodes, 0, 5) is not None
    assert parse(printed(found)).parts == found.parts


def test_brackets_beyond_the_depth_are_text_and_it_is_said() -> None:
    (hint,) = parse("(" * 100 + "a" + ")" * 100).hints
    assert hint == "Brackets are nested 100 deep; those beyond 64 are taken as text."
    assert words("(" * 100 + "a" + ")" * 100) == "(" * 36 + "a" + ")" * 36


def test_weights_are_held_within_a_hundred() -> None:
    assert said("((a:90):90)")[0].weight == 100
    assert parse("(a:999999)").hints == ("The weight 999999 is taken as 100.",)


def test_variants_are_chosen_by_the_seed_and_evenly() -> None:
    drawn = Counter(choose("{a|b|c}", seed, "prompt", none).text for seed in range(600))
    assert set(drawn) == {"a", "b", "c"}
    assert min(drawn.values()) > 150
    assert choose("{a|b|c}", 5, "prompt", none) == choose("{a|b|c}", 5, "prompt", none)


def test_several_of_a_variant_are_never_the_same_twice() -> None:
    for seed in range(50):
        two = choose("{2$$a|b|c}", seed, "prompt", none).text.split(", ")
        assert len(set(two)) == 2
        assert set(two) <= {"a", "b", "c"}
        assert 1 <= len(choose("{1-2$$ and $$a|b|c}", seed, "prompt", none).text.split(" and ")) <= 2
    assert choose("{9$$a|b}", 1, "prompt", none).text in ("a, b", "b, a")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("{a}", "a"), ("{a|{b|b}}{c|c}", None), (r"\{a\|b\}", r"\{a\|b\}"), ("{a", "{a"), ("a}", "a}"), ("{}", "")],
)
def test_variants_nest_and_can_be_escaped(text: str, wanted: str | None) -> None:
    found = choose(text, 1, "prompt", none).text
    assert found == wanted if wanted is not None else found in ("ac", "bc")


def test_a_wildcard_is_a_line_of_its_file(tmp_path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "colour.txt").write_text("# colours\nred\n\n{dark|dark} __more/blue__\n", encoding="utf-8")
    (tmp_path / "more" / "blue.txt").write_text("navy", encoding="utf-8")
    lines = wildcard_lines(tmp_path)
    drawn = {choose("a __colour__ ball", seed, "prompt", lines).text for seed in range(30)}
    assert drawn == {"a red ball", "a dark navy ball"}


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "link", "missing", "empty"])
def test_no_wildcard_leads_out_of_the_folder(tmp_path, name: str) -> None:
    folder = tmp_path / "wildcards"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "empty.txt").write_text("# nothing\n", encoding="utf-8")
    lines = wildcard_lines(folder)
    assert not lines(name)
    found = choose(f"a __{name}__ b", 1, "prompt", lines)
    assert "secret" not in found.text.replace(name, "")
    assert found.text == f"a __{name}__ b"


def test_wildcards_that_name_each_other_come_to_an_end(tmp_path) -> None:
    (tmp_path / "w.txt").write_text("__w__ __w__", encoding="utf-8")
    found = choose("__w__", 1, "prompt", wildcard_lines(tmp_path))
    assert len(found.text) < 5000
    assert any("without an end" in hint for hint in found.hints)


def test_picture_i_is_prepared_with_seed_plus_i() -> None:
    batch = prepared("{a|b|c|d}", "{x|y}", 40, 3)
    alone = [prepared("{a|b|c|d}", "{x|y}", 40 + i, 1)[0] for i in range(3)]
    assert list(batch) == alone
    assert batch[0].templates("{a|b|c|d}", "{x|y}") == {
        "prompt_template": "{a|b|c|d}",
        "negative_prompt_template": "{x|y}",
    }
    assert prepared("a", "", 1, 1)[0].templates("a", "") == {}


def test_what_does_not_apply_is_said_once() -> None:
    prompts = prepared("a (red:1.3) ball", "[x|y]<lora:shiny:0.8>", 1, 2)
    assert notices(prompts, "Flux", reads_syntax=True) == [
        "The LoRA 'shiny' stands in the negative prompt, where it is left out; write it in the prompt."
    ]
    told = notices(prompts, "Flux", reads_syntax=False)
    assert len(told) == 2
    assert told[1].startswith("Flux reads plain text")
    assert "a red ball" in told[1]
    assert not notices(prepared("a red ball, 10:15", "", 1, 1), "Flux", reads_syntax=False)
