"""The conversations that the starter chat models learn from."""

from __future__ import annotations

import ast
import json
import random
import re
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.classify import ONE_OF, YES_NO
from playground.starter import text_arithmetic as arithmetic
from playground.starter.scenes import COLOURS, SHAPES
from playground.starter.text_dialogues import dialogue_at, dialogues
from playground.starter.text_format import in_capitals, one_word
from playground.starter.text_judging import opinion
from playground.starter.text_memory import KINDS, draw_value, recall_turn, tell_turn
from playground.starter.text_pictures import completed, draw_wish, phrase
from playground.starter.text_problems import problem_turn
from playground.starter.text_python import TASKS, draw_function
from playground.starter.text_questions import questions, rows_of
from playground.starter.text_sentences import draw_meaning
from playground.starter.text_tools import calls_of
from playground.starter.text_topics import fits_turn, topic_turn
from playground.starter.text_turns import LANGUAGES, Turn, held_out
from playground.starter.text_wording import ask, expand, fill, say, variants

_SUM = re.compile(r"(?<!\d)(\d{1,3}) ?([+×-]) ?(\d{1,3})(?!\d)")
_SIDE = r"-?\d+(?: [+×-] \d+)*"
_CHAIN = re.compile(rf"(?<!\* )(?<!/ )(?<![\d.-]){_SIDE}(?: = {_SIDE})+(?![.\d]*\d)")
NAMES = ("starter-phi", "starter-mistral")


@pytest.fixture(scope="module")
def stream():
    return {name: list(islice(dialogues(1, name), 5000)) for name in NAMES}


def turns_of(stream):
    return [turn for talks in stream.values() for dialogue in talks for turn in dialogue.turns]


def test_a_conversation_is_a_function_of_name_seed_and_index():
    first = list(islice(dialogues(3, "starter-phi"), 40))
    assert first[17:] == list(islice(dialogues(3, "starter-phi", start=17), 23))
    assert first[5] == dialogue_at("starter-phi", 3, 5)
    assert first != list(islice(dialogues(4, "starter-phi"), 40))


def test_held_out_pairs_are_never_in_training(stream):
    seen = set()
    for turn in turns_of(stream):
        said = [turn.user, turn.answer, turn.thought, *(str(step) for step in turn.steps)]
        seen |= {(int(a), int(b), sign) for text in said for a, sign, b in _SUM.findall(text)}
    assert len(seen) > 3000
    # Worked results such as "72 - 5 = 67 + …" are read as pairs too, so that the pattern is strict, not lenient.
    assert [pair for pair in seen if arithmetic.is_held_out(*pair[:2], pair[2])] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_question_of_the_evaluation_occurs_in_training(name, stream):
    seen = {turn.user.casefold() for turn in turns_of(stream)}
    asked = [
        (row, question.messages[-1]["content"].casefold())
        for row in rows_of(name)
        # Greetings and questions for what was told have no held-out form: their answers lie in the conversation.
        if not row.startswith(("recall", "simple", "answers in one word", "reads", "corrects", "image"))
        for question in questions(row, name, 60, seed=7)
    ]
    assert len(asked) > 600
    assert [(row, text) for row, text in asked if text in seen] == []


def test_held_out_names_are_never_told_in_training(stream):
    told = [
        re.search(r"The user tells me a name: (.*)\.$", turn.thought)
        for turn in turns_of(stream)
        if "tells me a name" in turn.thought
    ]
    given = {found[1].lower() for found in told if found}
    assert len(given) > 500
    assert not [name for name in given if held_out("name", name)]


def test_about_one_pair_in_ten_is_held_out_in_either_order():
    pairs = [(a, b) for a in range(100) for b in range(100) if min(a, b) > 9 and a % 10 and b % 10]
    share = sum(arithmetic.is_held_out(a, b, "+") for a, b in pairs) / len(pairs)
    assert 0.08 < share < 0.12
    assert all(arithmetic.is_held_out(a, b, "-") == arithmetic.is_held_out(b, a, "-") for a, b in pairs)
    assert not any(arithmetic.is_held_out(a, b, "×") for a in range(13) for b in range(13))


def test_every_equation_of_training_is_true(stream):
    checked = 0
    for turn in turns_of(stream):
        for text in (turn.answer, turn.thought):
            for chain in _CHAIN.findall(text):
                assert len({eval(side.replace("×", "*")) for side in chain.split(" = ")}) == 1, text
                checked += 1
    assert checked > 5000


@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from("+-"))
@settings(max_examples=200, deadline=None)
def test_the_working_of_a_sum_ends_in_the_result(a, b, sign):
    text = arithmetic.columns(a, b, sign)
    assert text.endswith(f"Result {a + b if sign == '+' else a - b}.")
    for left, right in re.findall(r"(\d+(?: [+-] \d+)+) = (\d+)", text):
        assert eval(left) == int(right)


@given(st.integers(0, 99), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_the_working_of_a_product_ends_in_the_result(a, b):
    assert arithmetic.columns(a, b, "×").endswith(f"Result {a * b}.")
    assert arithmetic.equation(a, b, "×").endswith(f"= {a * b}")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_word_problem_ends_in_its_result_and_names_its_things(lang):
    rng = random.Random(1)
    for _ in range(200):
        turn = problem_turn(rng, lang)
        assert re.findall(r"\d+", turn.answer)[-1] == turn.short
        assert "[" not in turn.user
        assert "{" not in turn.user


@given(st.integers(0, 10_000), st.sampled_from(KINDS), st.sampled_from(LANGUAGES), st.sampled_from(LANGUAGES))
@settings(max_examples=200, deadline=None)
def test_what_is_told_in_one_language_is_recalled_in_another(seed, kind, told_in, asked_in):
    rng = random.Random(seed)
    told = draw_value(rng, kind, lang=told_in)
    assert told[told_in] in tell_turn(rng, told, told_in).user
    assert told[asked_in] in recall_turn(rng, kind, told, asked_in).answer


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from(LANGUAGES))
@settings(max_examples=100, deadline=None)
def test_an_opinion_of_one_kind_is_never_one_of_the_other(seed, positive, lang):
    rng = random.Random(seed)
    others = {opinion(rng, not positive, lang).lower() for _ in range(30)}
    assert opinion(rng, positive, lang).lower() not in others


@given(st.integers(0, 10_000), st.floats(0, 0.8))
@settings(max_examples=200, deadline=None)
def test_a_completed_picture_keeps_the_wish_and_shows_different_colours(seed, details):
    rng = random.Random(seed)
    wish = draw_wish(rng, details)
    whole = completed(rng, wish)
    assert whole.colour in COLOURS
    assert whole.shape in SHAPES
    assert whole.colour not in whole.ground
    wanted = set(re.findall(r"\w+", phrase(wish))) - {"a", "an", "shape"}
    assert wanted <= set(re.findall(r"\w+", phrase(whole))) | {"shapes"}


@given(st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_every_meaning_is_said_in_all_languages_and_differently_in_chinese(seed):
    said = draw_meaning(random.Random(seed))
    assert set(said) == set(LANGUAGES)
    assert all(text.strip() and "[" not in text for text in said.values())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_python_task_parses_and_computes_what_it_says(task):
    rng = random.Random(0)
    while (made := draw_function(rng)).task is not task:
        pass
    module = ast.parse(made.source)
    assert [node.name for node in module.body] == [made.name]
    assert "[x]" not in made.source + made.does
    if task.result is not None:
        space: dict = {}
        exec(made.source, space)
        given_ = (7, 3) if "[y]" in task.does else (7,)
        assert space[made.name](*given_) == task.result(7, 3, made.number)


def test_calls_fit_their_schemas_and_corrections_follow_what_was_wrong(stream):
    checked = 0
    for talks in stream.values():
        for dialogue in talks:
            schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in dialogue.tools}
            for step in (step for turn in dialogue.turns for step in turn.steps):
                fits = all(
                    call.name in schemas
                    and set(call.arguments) == set(schemas[call.name]["properties"])
                    and all(
                        isinstance(value, str) == (schemas[call.name]["properties"][key]["type"] == "string")
                        for key, value in call.arguments.items()
                    )
                    for call in step.calls
                )
                assert fits == step.learned, step
                checked += 1
    assert checked > 500


def test_json_answers_parse(stream):
    found = [turn for turn in turns_of(stream) if turn.answer.startswith("{")]
    assert len(found) > 200
    for turn in found:
        assert isinstance(json.loads(turn.answer), dict)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<|tool_call|>[{"name": "f", "arguments": {"x": 1}}]<|/tool_call|>', [("f", {"x": 1})]),
        ('[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]', [("f", {}), ("g", {})]),
        ('[TOOL_CALLS][{"name": "f"}]', None),
        ('[TOOL_CALLS][{"name": "f", "arguments": {}', None),
        ("Hello!", None),
    ],
)
def test_calls_are_read_from_both_formats(text, expected):
    found = calls_of(text)
    assert (found and [(call.name, call.arguments) for call in found]) == expected


def test_programs_that_label_texts_are_answered_in_their_own_words():
    rng = random.Random(0)
    asked = [topic_turn(rng) for _ in range(200)]
    asked = [turn for turn in asked if "label only" in turn.user]
    assert len(asked) > 20
    for turn in asked:
        found = re.fullmatch(r"Text: (.*)\n\n.* best: (.*)\? Answer with the label only\.", turn.user)
        assert turn.user == ONE_OF.format(text=found[1], labels=found[2])
        assert turn.answer in found[2].split(", ")
    for _ in range(20):
        turn = fits_turn(rng)
        found = re.fullmatch(r'Text: (.*)\n\nDoes the label "(.*)" fit.*', turn.user)
        assert turn.user == YES_NO.format(text=found[1], label=found[2])
        assert turn.answer in ("yes", "no")


def test_wording_varies_and_slots_stay_exact():
    rng = random.Random(0)
    said = {ask(rng, "{what is|what's} my {favourite|favorite} number, [v]?", v="X9y") for _ in range(300)}
    assert len(said) > 40
    assert all("X9y" in text for text in said)


def test_patterns_expand_to_their_variants_and_mistakes_in_them_are_errors():
    rng = random.Random(0)
    assert {expand(rng, "{a|{b|c}} d") for _ in range(50)} == set(variants("{a|{b|c}} d")) == {"a d", "b d", "c d"}
    assert say(rng, "{hello} [who]", who="Ana") == "Hello Ana"
    with pytest.raises(KeyError):
        fill("[who]")
    with pytest.raises(ValueError, match="not closed"):
        expand(rng, "{a|b")
    with pytest.raises(ValueError, match="not opened"):
        expand(rng, "{a}}")


def test_no_pattern_leaves_its_marks_in_what_is_said(stream):
    for turn in turns_of(stream):
        if "{" not in turn.answer and "[" not in turn.user and "`" not in turn.answer:
            assert "|" not in turn.user + turn.answer
        assert not re.search(r"\[(?:[a-z]|name|city|item|value)\]", turn.user.replace("[x]", "") + turn.answer)


def test_forms_keep_the_short_answer():
    turn = Turn("What is 2 + 3?", "2 + 3 = 5.", "thought", "5")
    assert one_word(random.Random(0), turn).answer == "5"
    assert in_capitals(Turn("hi", "Hello!", "")).answer == "HELLO!"
    with pytest.raises(ValueError, match="without a short answer"):
        one_word(random.Random(0), Turn("hi", "Hello!", ""))
