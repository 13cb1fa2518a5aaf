"""Bound answers of running models: what ends parses and validates, thoughts are free, and the budget is kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator

from playground.bench.random_schemas import random_schema
from playground.chat.constraints.answer import bind
from playground.chat.constraints.matcher import MAX_OPEN, Binding
from playground.chat.constraints.spec import spec_of
from playground.chat.constraints.tokens import vocabulary
from playground.chat.context import fit
from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.chat.sampling import Sampler
from playground.errors import InvalidRequest, PlaygroundError
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from tests.chat.test_generate import forced
from tests.chat.test_runtimes import starter
from tests.chat.tiny import loaded

WIDE = {"max_position_embeddings": 2048, "original_max_position_embeddings": 2048}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    },
    "required": ["name", "age"],
}


@pytest.fixture(scope="module")
def wide() -> LoadedText:
    return loaded("phi3", **WIDE)


@pytest.fixture(scope="module")
def phi() -> LoadedText:
    return starter("starter-phi")


@pytest.fixture(scope="module")
def mistral() -> LoadedText:
    return starter("starter-mistral")


def ask(
    model: Any, cancel: CancelToken | None = None, text: str = "Anna is 12.", **values: Any
) -> tuple[str, ChatStats, str]:
    """(answer, figures, notices)."""
    values = {"temperature": 0, "max_new_tokens": 200} | values
    if "schema" in values:
        values["json_schema"] = json.dumps(values.pop("schema"))
    request = checked_chat(ChatRequest(model.card.id, (Message("user", text),), **values), model.card)
    events: list[Event] = []
    stats = answer(model, request, cancel or CancelToken(), events.append)
    said = "".join(e.text for e in events if isinstance(e, Token) and e.kind == "answer")
    return said, stats, " ".join(e.text for e in events if isinstance(e, Notice))


def check(schema: Any, text: str) -> None:
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(text))


@pytest.mark.parametrize("seed", range(24))
def test_every_run_of_a_random_schema_ends_and_validates(wide: LoadedText, seed: int) -> None:
    schema = random_schema(seed)
    text, stats, _ = ask(wide, schema=schema, temperature=1.0, seed=seed, max_new_tokens=400)
    assert stats.stop_reason in ("end", "closed")
    check(schema, text)


@pytest.mark.parametrize("seed", range(200, 208))
def test_runs_of_a_shipped_model_end_within_little(phi: LoadedText, seed: int) -> None:
    schema = random_schema(seed, depth=2)
    text, stats, said = ask(phi, schema=schema, temperature=1.0, seed=seed, max_new_tokens=64)
    assert stats.stop_reason in ("end", "closed")
    assert ("ended early" in said) == (stats.stop_reason == "closed")
    assert stats.completion_tokens is not None
    assert stats.completion_tokens <= 64
    check(schema, text)


@pytest.mark.parametrize("values", [{}, {"temperature": 1.0}, {"temperature": 3.0, "top_p": 0.3}, {"top_k": 1},
                                    {"temperature": 1.0, "repetition_penalty": 1.8, "min_p": 0.5}])  # fmt: skip
def test_filters_act_after_the_mask(phi: LoadedText, values: dict[str, Any]) -> None:
    text, stats, _ = ask(phi, schema=PERSON, seed=1, **values)
    assert stats.stop_reason in ("end", "closed")
    check(PERSON, text)


def test_one_seed_gives_one_answer_and_another_seed_another(wide: LoadedText) -> None:
    first, again, other = (ask(wide, schema=PERSON, temperature=1.0, seed=seed)[0] for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize("pattern", [r"\d{3}-\d{4}", r"[A-Z][a-z]+( [a-z]+){0,3}\.", r"(yes|no)!?", r"\W{2,5}", ".*x"])
def test_a_regular_expression_is_matched_whole(wide: LoadedText, pattern: str) -> None:
    for seed in range(3):
        text, stats, _ = ask(wide, regex=pattern, temperature=1.0, seed=seed, max_new_tokens=40)
        assert stats.stop_reason in ("end", "closed")
        assert re.fullmatch(pattern, text), text


def test_choices_are_all_that_is_said(wide: LoadedText) -> None:
    choices = ("yes", "yes, but", "naïve 🙂", 'say "no"', "a\nb")
    found = {ask(wide, choices=choices, temperature=2.0, seed=seed, top_p=1.0)[0] for seed in range(12)}
    assert found <= set(choices)
    assert len(found) > 1


def test_a_grammar_binds_other_formats(wide: LoadedText) -> None:
    lark = 'start: row ("\\n" row)*\nrow: NUM "," NUM\nNUM: /[0-9]{1,3}/'
    text, stats, _ = ask(wide, grammar=lark, temperature=1.0, seed=1, max_new_tokens=30)
    assert stats.stop_reason in ("end", "closed")
    assert re.fullmatch(r"\d{1,3},\d{1,3}(\n\d{1,3},\d{1,3})*", text)
    with pytest.raises(InvalidRequest, match="The grammar cannot bind an answer"):
        ask(wide, grammar="start: missing")


def test_the_mask_is_what_makes_the_answer_fit(phi: LoadedText) -> None:
    free, _, _ = ask(phi)
    with pytest.raises(ValueError):
        json.loads(free)
    check(PERSON, ask(phi, schema=PERSON)[0])


def test_ids_past_the_vocabulary_are_never_chosen(wide: LoadedText) -> None:
    spec = spec_of(ChatRequest("m", (), regex="[ab]{3}"))
    from playground.chat.constraints.grammar import compiled

    assert spec is not None
    binding = Binding(compiled(spec), vocabulary(wide))
    size = len(wide.tokenizer)
    for width in (size - 9, size, size + 50):  # a model's output may be padded, and in theory cut
        masked = binding.mask(torch.zeros(1, width))
        assert masked.shape == (1, width)
        texts = {wide.tokenizer.decode([i]) for i in torch.isfinite(masked[0]).nonzero().flatten().tolist()}
        assert texts <= {"a", "b", "aa", "ab", "ba", "bb"}
        assert texts


# --- the budget ----------------------------------------------------------------------------------------------------


def test_a_budget_below_the_shortest_answer_is_refused_before_anything_is_said(wide: LoadedText) -> None:
    with pytest.raises(InvalidRequest, match=r"shortest answer that fits the JSON Schema has \d+ tokens"):
        ask(wide, schema=PERSON, max_new_tokens=8)


@pytest.mark.parametrize("budget", range(19, 60, 4))
def test_whatever_the_budget_the_answer_ends_within_it(wide: LoadedText, budget: int) -> None:
    text, stats, said = ask(wide, schema=PERSON, temperature=1.5, seed=budget, max_new_tokens=budget)
    assert stats.stop_reason in ("end", "closed")
    assert stats.completion_tokens is not None
    assert stats.completion_tokens <= budget
    assert (f"budget of {budget} tokens ran low" in said) == (stats.stop_reason == "closed")
    check(PERSON, text)


def test_the_context_is_a_budget_too() -> None:
    text, stats, said = ask(loaded("mistral"), schema=PERSON, max_new_tokens=1000, text="the cat and " * 22)
    assert "leaves" in said
    assert stats.context_used is not None
    assert stats.context_used <= 256
    check(PERSON, text)


def test_a_budget_that_runs_out_midway_says_so(wide: LoadedText, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Binding, "checked", lambda self, token, left: token)  # nothing closes it in time
    schema = {"type": "string", "minLength": 5, "maxLength": 3000}
    text, stats, said = ask(wide, schema=schema, max_new_tokens=30, temperature=1.0, seed=1)
    assert stats.stop_reason == "length"
    assert "30 tokens ran out before the JSON was complete" in said
    assert not text.endswith('"')


def test_endless_nesting_is_closed_before_readers_give_up(wide: LoadedText) -> None:
    schema = {"$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}, "maxItems": 1}}, "$ref": "#/$defs/l"}
    deep = forced(loaded("phi3", **WIDE), "[" * 300, end=False)
    text, stats, said = ask(deep, schema=schema, max_new_tokens=300)
    assert (text, stats.stop_reason) == ("[" * MAX_OPEN + "]" * MAX_OPEN, "closed")
    assert "too deep" in said


def test_a_cancel_stops_within_a_token_and_claims_nothing(wide: LoadedText) -> None:
    cancel, events = CancelToken(), []
    request = ChatRequest("m", (Message("user", "Hello"),), temperature=0.0, json_schema=json.dumps(PERSON))

    def emit(event: Event) -> None:
        events.append(event)
        cancel.cancel()

    stats = answer(wide, checked_chat(request, wide.card), cancel, emit)
    assert stats.stop_reason == "stopped"
    assert stats.completion_tokens == 1
    assert len(events) == 1


def test_a_stop_text_that_cuts_the_json_is_told(phi: LoadedText) -> None:
    text, stats, said = ask(phi, schema=PERSON, stop=('"age"',))
    assert stats.stop_reason == "stop string"
    assert "cut at a stop text" in said
    assert text.startswith('{"name"')


# --- thoughts ------------------------------------------------------------------------------------------------------


def test_a_thinking_model_thinks_freely_and_answers_in_schema(mistral: LoadedText) -> None:
    events: list[Event] = []
    question = (Message("user", "Is 7 greater than 5? Answer yes or no."),)
    request = ChatRequest("m", question, temperature=0.0, json_schema='{"enum": ["yes", "no"]}', max_new_tokens=120)
    stats = answer(mistral, checked_chat(request, mistral.card), CancelToken(), events.append)
    thought = "".join(e.text for e in events if isinstance(e, Token) and e.kind == "reasoning")
    said = "".join(e.text for e in events if isinstance(e, Token) and e.kind == "answer")
    free: list[Event] = []
    answer(mistral, checked_chat(replace(request, json_schema=""), mistral.card), CancelToken(), free.append)
    assert thought == "".join(e.text for e in free if isinstance(e, Token) and e.kind == "reasoning") != ""
    assert json.loads(said) in ("yes", "no")
    assert stats.reasoning_tokens is not None
    assert stats.reasoning_tokens > 2


def test_without_effort_the_answer_comes_at_once(mistral: LoadedText) -> None:
    text, stats, _ = ask(mistral, schema=PERSON, reasoning_effort="none")
    assert stats.reasoning_tokens == 0
    check(PERSON, text)


THINKER = {"capabilities": ("thinking",), "max_position_embeddings": 1024}


def test_a_thought_that_never_ends_leaves_room_for_the_answer() -> None:
    model = forced(loaded("mistral", **THINKER), "<think>" + "the cat " * 200, end=False)
    text, stats, said = ask(model, schema=PERSON, max_new_tokens=150)
    assert "The thought was ended" in said
    check(PERSON, text)
    assert stats.reasoning_tokens is not None
    assert stats.completion_tokens is not None
    assert 20 < stats.reasoning_tokens < stats.completion_tokens <= 150


def test_an_end_within_the_thought_begins_the_answer() -> None:
    model = forced(loaded("mistral", **THINKER), "<think>the cat<|end|>" + "{" * 400)
    text, stats, said = ask(model, schema=PERSON, max_new_tokens=150)
    check(PERSON, text)
    assert said == "" or "early" in said
    assert stats.reasoning_tokens is not None
    assert 0 < stats.reasoning_tokens < 12


def test_a_tag_in_pieces_is_a_tag() -> None:
    from tests.chat.tiny import tokenizer

    model = loaded("mistral", **THINKER)
    words = tokenizer()
    pieces = [words.convert_tokens_to_ids(c) for c in "<think>"]
    assert None not in pieces
    request = checked_chat(ChatRequest("m", (Message("user", "x"),), regex="[a-c]+"), model.card)
    spec = spec_of(request)
    assert spec is not None
    prompt = fit(model, request.messages, 60)
    bound = bind(model, spec, Sampler(request, 1), prompt, may_think=True, inside=lambda: False)
    thoughts = replace(bound.sampler._thoughts, opening=tuple(pieces))  # type: ignore[type-var]
    bound.sampler._thoughts = thoughts
    logits = torch.zeros(1, len(words))
    logits[0, pieces[0]] = 99.0
    ids = list(prompt.ids)
    for expected in pieces:
        token = bound.sampler.choose(logits, ids)
        assert token == expected
        ids.append(token)
    assert words.decode([bound.sampler.choose(logits, ids)])[0] in "abc"  # from now on the answer


# --- what cannot be bound ------------------------------------------------------------------------------------------


def test_a_tokenizer_without_a_fast_core_is_refused(wide: LoadedText) -> None:
    class Slow:
        eos_token_id = wide.tokenizer.eos_token_id
        chat_template = wide.tokenizer.chat_template

        def __call__(self, *arguments: Any, **values: Any) -> Any:
            return wide.tokenizer(*arguments, **values)

        def apply_chat_template(self, *arguments: Any, **values: Any) -> Any:
            return wide.tokenizer.apply_chat_template(*arguments, **values)

        def decode(self, *arguments: Any, **values: Any) -> Any:
            return wide.tokenizer.decode(*arguments, **values)

    slow = replace(wide, tokenizer=Slow())  # type: ignore[arg-type]
    assert ask(slow)[0] == ask(wide)[0]
    with pytest.raises(InvalidRequest, match="not one of the fast ones"):
        ask(slow, schema=PERSON)


def test_a_regex_of_a_great_many_states_ends_like_any_other(wide: LoadedText) -> None:
    text, stats, _ = ask(wide, regex="(a|b)*a(a|b){18}c", temperature=1.0, seed=1, max_new_tokens=60)
    assert stats.stop_reason in ("end", "closed")
    assert re.fullmatch("[ab]*a[ab]{18}c", text)


def test_a_grammar_that_grows_too_complex_midway_is_one_sentence(
    wide: LoadedText, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llguidance import LLParserLimits

    from playground.chat.constraints import engine

    small = LLParserLimits(max_lexer_states=40, verbose_errors=False)
    monkeypatch.setattr(engine, "limits", lambda: small)
    with pytest.raises(PlaygroundError, match="cannot b") as caught:
        ask(wide, regex="(a|b)*a(a|b){17}c", temperature=1.0, seed=1, max_new_tokens=400)
    assert "\n" not in caught.value.message


def test_the_vocabulary_is_made_once_a_tokenizer(wide: LoadedText) -> None:
    assert vocabulary(wide) is vocabulary(wide)
    assert vocabulary(wide) is not vocabulary(loaded("phi3"))
