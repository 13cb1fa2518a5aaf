"""Streamed answers against `model.generate`, and everything that may end or change them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from playground.catalog import ModelCard
from playground.chat.context import fit
from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.errors import PlaygroundError
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from tests.chat.tiny import TEMPLATE, loaded

HELLO = (Message("user", "Hello there"),)


def ask(model: LoadedText, cancel: CancelToken | None = None, **values) -> tuple[list[Event], ChatStats]:
    values = {"messages": HELLO, "temperature": 0, "max_new_tokens": 40} | values
    request = checked_chat(ChatRequest(model.card.id, **values), model.card)
    events: list[Event] = []
    stats = answer(model, request, cancel or CancelToken(), events.append)
    return events, stats


def text_of(events: list[Event], kind: str = "answer") -> str:
    return "".join(e.text for e in events if isinstance(e, Token) and e.kind == kind)


def notices(events: list[Event]) -> str:
    return " ".join(e.text for e in events if isinstance(e, Notice))


def oracle(model: LoadedText, **values) -> tuple[str, int]:
    """(text, tokens without the end token) of transformers' own generate for the same prompt."""
    ids = torch.tensor([fit(model, HELLO, 40).ids])
    whole = model.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=40, **values)
    new = whole[0, ids.shape[1] :].tolist()
    ended = new[-1] in (0, model.tokenizer.eos_token_id)
    return model.tokenizer.decode(new, skip_special_tokens=True), len(new) - ended


def test_greedy_stream_is_what_generate_gives(tiny: LoadedText) -> None:
    events, stats = ask(tiny)
    text, tokens = oracle(tiny)
    assert text_of(events) == text
    assert stats.completion_tokens == tokens
    assert len(set(text)) > 5  # a constant would prove little


def test_greedy_with_a_repetition_penalty_is_what_generate_gives(tiny: LoadedText) -> None:
    events, _ = ask(tiny, repetition_penalty=1.5)
    text, _ = oracle(tiny, repetition_penalty=1.5)
    assert text_of(events) == text != oracle(tiny)[0]


def test_a_long_prompt_read_in_chunks_gives_the_same_answer(tiny: LoadedText, monkeypatch: pytest.MonkeyPatch) -> None:
    import playground.chat.decode as decode

    whole, _ = ask(tiny)
    monkeypatch.setattr(decode, "PREFILL_CHUNK", 3)
    assert text_of(ask(tiny)[0]) == text_of(whole)


def test_one_seed_gives_one_answer_and_another_seed_another(tiny: LoadedText) -> None:
    first, stats = ask(tiny, temperature=1.0, seed=5)
    torch.manual_seed(99)  # the global generator has no say
    again, _ = ask(tiny, temperature=1.0, seed=5)
    other, _ = ask(tiny, temperature=1.0, seed=6)
    assert text_of(first) == text_of(again) != text_of(other)
    assert stats.seed == 5


def test_sampling_leaves_the_global_generator_alone(tiny_phi: LoadedText) -> None:
    before = torch.get_rng_state()
    ask(tiny_phi, temperature=1.0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_fresh_seed_is_reported_and_gives_the_answer_again(tiny_phi: LoadedText) -> None:
    first, stats = ask(tiny_phi, temperature=1.0)
    again, _ = ask(tiny_phi, temperature=1.0, seed=stats.seed)
    assert text_of(first) == text_of(again)
    assert ask(tiny_phi, temperature=1.0)[1].seed != stats.seed


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
def test_a_filter_that_leaves_one_token_is_greedy(tiny_phi: LoadedText, narrow: dict) -> None:
    assert text_of(ask(tiny_phi, temperature=1.0, **narrow)[0]) == text_of(ask(tiny_phi)[0])


def test_a_cancel_stops_within_one_token_and_keeps_what_there_is(tiny: LoadedText) -> None:
    cancel, events, seen = CancelToken(), [], []
    request = checked_chat(ChatRequest("m", HELLO, temperature=0.0, max_new_tokens=40), tiny.card)

    def emit(event: Event) -> None:
        events.append(event)
        seen.append(cancel.cancelled)
        if len(events) == 3:
            cancel.cancel()

    stats = answer(tiny, request, cancel, emit)
    assert stats.stop_reason == "stopped"
    assert seen.count(True) <= 1  # at most what was held back of an unfinished character
    assert stats.completion_tokens is not None
    assert stats.completion_tokens < 40
    assert oracle(tiny)[0].startswith(text_of(events).rstrip("\ufffd"))


def test_a_request_cancelled_before_it_began_says_so(tiny_phi: LoadedText) -> None:
    cancel = CancelToken()
    cancel.cancel()
    events, stats = ask(tiny_phi, cancel)
    assert events == []
    assert (stats.stop_reason, stats.completion_tokens, stats.ttft_s, stats.tokens_per_s) == ("stopped", 0, None, None)


def test_a_stop_text_is_cut_from_the_answer_also_inside_tokens(tiny: LoadedText) -> None:
    whole = text_of(ask(tiny)[0])
    stop = whole[7:10]
    events, stats = ask(tiny, stop=(stop, "never said"))
    assert stats.stop_reason == "stop string"
    assert text_of(events) == whole[: whole.index(stop)]


def test_length_and_figures(tiny: LoadedText) -> None:
    events, stats = ask(tiny, max_new_tokens=5, temperature=1.0, seed=1)
    prompt = fit(tiny, HELLO, 5)
    assert stats.stop_reason in ("length", "end")
    assert stats.prompt_tokens == len(prompt.ids)
    assert stats.completion_tokens is not None
    assert stats.completion_tokens <= 5
    assert stats.context_used == stats.prompt_tokens + stats.completion_tokens
    assert stats.context_size == 256
    assert stats.reasoning_tokens is None
    assert 0 < (stats.ttft_s or 0) <= stats.seconds
    assert all(e.column == 0 for e in events if isinstance(e, Token))


def forced(model: LoadedText, text: str, end: bool = True) -> LoadedText:
    """The same model, made to say `text`: every step's logits name the next token of it."""
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"] + [model.tokenizer.eos_token_id] * end
    said = iter(ids)

    def say(module, args, kwargs, output):  # type: ignore[no-untyped-def]
        output.logits = torch.zeros_like(output.logits)
        output.logits[:, -1, next(said)] = 50.0
        return output

    model.model.register_forward_hook(say, with_kwargs=True)
    return model


def test_thoughts_and_answer_come_apart_and_are_counted() -> None:
    model = forced(loaded("mistral", capabilities=("thinking",)), "<think>the cat 🙂</think>the hat 🙃")
    events, stats = ask(model)
    assert text_of(events, "reasoning") == "the cat 🙂"
    assert text_of(events) == "the hat 🙃"
    inner = len(model.tokenizer("the cat 🙂", add_special_tokens=False)["input_ids"])
    assert stats.reasoning_tokens == inner + 2  # with both tags
    assert stats.stop_reason == "end"


def test_the_end_token_is_not_counted_and_an_empty_answer_has_no_first_token() -> None:
    events, stats = ask(forced(loaded("phi3"), ""))
    assert events == []
    assert (stats.completion_tokens, stats.ttft_s, stats.stop_reason) == (0, None, "end")


def test_a_model_that_cannot_think_may_write_the_tag() -> None:
    events, _ = ask(forced(loaded("phi3"), "<think>the"))
    assert text_of(events) == "<think>the"


def test_no_effort_puts_an_empty_thought_before_the_answer() -> None:
    model = loaded("mistral", capabilities=("thinking",))
    direct = fit(model, HELLO, 10, think=False)
    assert model.tokenizer.decode(direct.ids).endswith("<think></think>")
    assert not model.tokenizer.decode(fit(model, HELLO, 10).ids).endswith("</think>")
    opening = loaded("mistral", TEMPLATE + "{% if enable_thinking %}<think>{% endif %}", ("thinking",))
    assert fit(opening, HELLO, 10).inside_thought
    assert opening.tokenizer.decode(fit(opening, HELLO, 10, think=False).ids).endswith("<think></think>")


def test_effort_is_told_to_have_no_effect(tiny_phi: LoadedText) -> None:
    assert "does not think" in notices(ask(tiny_phi, reasoning_effort="high", max_new_tokens=1)[0])
    assert notices(ask(tiny_phi, reasoning_effort="none", max_new_tokens=1)[0]) == ""


def test_left_out_turns_and_a_shortened_answer_are_told(tiny_phi: LoadedText) -> None:
    turns = tuple(Message("user" if i % 2 == 0 else "assistant", "the cat and the hat " * 3) for i in range(21))
    events, stats = ask(tiny_phi, messages=turns, max_new_tokens=20)
    assert stats.dropped_turns > 0
    assert f"{stats.dropped_turns} turns were left out" in notices(events)
    events, stats = ask(tiny_phi, max_new_tokens=1000)
    assert "leaves" in notices(events)
    assert stats.context_used is not None
    assert stats.context_used <= 256


def test_output_that_is_not_a_number_is_told_as_such() -> None:
    model = loaded("phi3")
    with torch.no_grad():
        model.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(PlaygroundError, match="not a number"):
        ask(model)


def test_longrope_reads_all_again_where_the_factors_change() -> None:
    half = [1.0] * 6, [4.0] * 6
    rope = {"rope_type": "longrope", "short_factor": half[0], "long_factor": half[1], "rope_theta": 10000.0}
    model = loaded("phi3", rope_parameters=rope, original_max_position_embeddings=24)
    prompt = list(fit(model, HELLO, 40).ids)
    assert len(prompt) < 24 < len(prompt) + 20
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(30):  # without a cache nothing can be stale
            ids.append(int(model.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
            if ids[-1] in (0, model.tokenizer.eos_token_id):
                break
    said = [i for i in ids[len(prompt) :] if i not in (0, model.tokenizer.eos_token_id)]
    events, _ = ask(model, max_new_tokens=30)
    assert text_of(events) == model.tokenizer.decode(said, skip_special_tokens=True)


def test_card_defaults_reach_the_sampler() -> None:
    card = ModelCard(
        id="m", name="M", kind="chat", source="x", licence="MIT", defaults={"temperature": 0.0, "max_new_tokens": 3}
    )
    model = replace(loaded("phi3"), card=card)
    request = checked_chat(ChatRequest("m", HELLO), card)
    runs = []
    for _ in range(2):
        events: list[Event] = []
        stats = answer(model, request, CancelToken(), events.append)
        runs.append(text_of(events))
        assert stats.completion_tokens is not None
        assert stats.completion_tokens <= 3
    assert runs[0] == runs[1]
