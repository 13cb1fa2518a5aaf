"""The conversations that the starter chat models learn from."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from playground.starter import text_arithmetic as arithmetic
from playground.starter.text_dialogues import dialogues
from playground.starter.text_facts import opinion
from playground.starter.text_memory import draw_value, recall_turn, tell_turn
from playground.starter.text_pictures import picture_turn
from playground.starter.text_social import unknown_turn
from playground.starter.text_turns import ask, expand, fill, held_out, say
from playground.starter.text_words import COLOURS, NAMES, SHAPES

_SUM = re.compile(r"(?<!\d)(\d{1,3}) ?([+-]) ?(\d{1,3})(?!\d)")


def test_one_seed_gives_one_stream_and_another_seed_another():
    first = list(islice(dialogues(3, "starter-phi", False), 50))
    assert first == list(islice(dialogues(3, "starter-phi", False), 50))
    assert first != list(islice(dialogues(4, "starter-phi", False), 50))


@pytest.mark.parametrize("name", ["starter-phi", "starter-mistral"])
def test_held_out_pairs_are_never_in_the_training_stream(name):
    seen = set()
    for dialogue in islice(dialogues(1, name, True), 20_000):
        for turn in dialogue.turns:
            for a, sign, b in _SUM.findall(f"{turn.user} . {turn.answer} . {turn.thought}"):
                seen.add((int(a), int(b), sign))
    assert len(seen) > 3000
    assert [pair for pair in seen if arithmetic.is_held_out(*pair)] == []


def test_about_one_pair_in_ten_is_held_out_in_either_order():
    pairs = [(a, b) for a in range(100) for b in range(100) if max(a, b) > 19]
    share = sum(arithmetic.is_held_out(a, b, "+") for a, b in pairs) / len(pairs)
    assert 0.08 < share < 0.12
    assert all(arithmetic.is_held_out(a, b, "-") == arithmetic.is_held_out(b, a, "-") for a, b in pairs)
    assert not any(arithmetic.is_held_out(a, b, "+") for a in range(20) for b in range(20))


def test_held_out_names_are_never_in_the_training_stream():
    kept = {name.lower() for name in NAMES if held_out("name", name)}
    assert len(kept) > 8
    # "Will" and "Grace" could be ordinary words; a held-out name is looked for only where a user gives a name.
    told = [
        turn.thought
        for dialogue in islice(dialogues(2, "starter-mistral", True), 10_000)
        for turn in dialogue.turns
        if turn.thought.startswith("The user tells me a name:")
    ]
    given = {thought.split(": ")[1].split(".")[0].lower() for thought in told}
    assert len(given) > 200
    assert not kept & given


@pytest.mark.parametrize("name", ["starter-phi", "starter-mistral"])
def test_every_sum_in_the_stream_is_right(name):
    checked = 0
    for dialogue in islice(dialogues(5, name, True), 5000):
        for turn in dialogue.turns:
            for a, sign, b, result in re.findall(r"^(\d+) ([+-]) (\d+) = (-?\d+)", turn.answer):
                assert int(result) == (int(a) + int(b) if sign == "+" else int(a) - int(b))
                checked += 1
    assert checked > 1000


@pytest.mark.parametrize(("a", "b", "sign"), [(47, 38, "+"), (999, 1, "+"), (5, 5, "+"), (71, 15, "-"), (15, 71, "-")])
def test_the_working_ends_in_the_result_and_every_step_is_true(a, b, sign):
    text = arithmetic.columns(a, b, sign)
    assert text.endswith(f"Result {a + b if sign == '+' else a - b}.")
    for step in re.findall(r"[\d][\d +-]* = \d+", text):
        left, right = step.split(" = ")
        parts = left.split()
        total = int(parts[0])
        for operation, value in zip(parts[1::2], parts[2::2], strict=True):
            total += int(value) if operation == "+" else -int(value)
        assert total == int(right)


def test_wording_varies_and_slots_stay_exact():
    rng = random.Random(0)
    wordings = {ask(rng, "{what is|what's} my {favourite|favorite} number, [v]?", v="X9y") for _ in range(300)}
    assert len(wordings) > 50
    assert all("X9y" in text for text in wordings)


def test_patterns_leave_no_braces_and_an_unknown_slot_is_an_error():
    rng = random.Random(0)
    assert expand(rng, "{a|{b|c}} d") in {"a d", "b d", "c d"}
    assert say(rng, "{hello} [who]", who="Ana") == "Hello Ana"
    with pytest.raises(KeyError):
        fill("[who]")
    for dialogue in islice(dialogues(9, "starter-mistral", True), 3000):
        for turn in dialogue.turns:
            assert not set("{}[]|") & set(turn.user + turn.answer + turn.thought), turn


def test_recall_answers_with_the_last_value_and_admits_what_was_never_told():
    rng = random.Random(1)
    value = draw_value(rng, "name")
    assert value in tell_turn(rng, "name", value).user
    assert value in recall_turn(rng, "name", value).answer
    assert "not told" in recall_turn(rng, "name", None).answer


def test_picture_prompts_keep_what_was_asked_and_name_two_different_colours():
    rng = random.Random(2)
    for _ in range(500):
        turn = picture_turn(rng)
        named = [word for word in turn.answer.split() if word in COLOURS]
        assert len(named) >= 2
        assert len(set(named)) == len(named)
        assert any(shape in turn.answer for shape in SHAPES)
        wanted = turn.thought.split(". So ")[0] if ". So " in turn.thought else ""
        assert all(word in turn.answer for word in wanted.split() if word in COLOURS + SHAPES)


def test_held_out_subjects_and_sentences_are_apart_from_training():
    rng = random.Random(3)
    assert unknown_turn(rng, training=False).answer.startswith(("I do not know", "Sorry"))
    sentences = {opinion(rng, True).lower() for _ in range(300)}
    share = sum(held_out("opinion", text) for text in sentences) / len(sentences)
    assert 0.03 < share < 0.2
