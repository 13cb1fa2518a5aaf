"""Figures follow from the engine's events."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from playground.protocol import CancelToken, ChatRequest, Failed, ImageRequest, LoadRequest, Notice, UnloadRequest
from playground.scores.clip import ClipScorer
from playground.scores.items import chat_items
from playground.scores.measure import Finished, Measured, Progress, measure
from playground.store import ScoreRow


class FixedScorer(ClipScorer):
    """Scores 10, 20, 30, ... in the order of the pictures."""

    def __init__(self, tmp_path):
        super().__init__(tmp_path / "ruler")
        self.seen = []

    @property
    def available(self):
        return True

    def revision(self):
        return "sha256:ruler"

    def score(self, images_png, prompts):
        self.seen = list(prompts)
        return [10.0 * (i + 1) for i in range(len(prompts))]


def run(engine, cancel=None, stop_after=None, **options):
    cancel = cancel or CancelToken()

    async def collect():
        events = []
        async for event in measure(engine, engine.card, cancel, **options):
            events.append(event)
            if stop_after is not None and isinstance(event, Progress) and event.done >= stop_after:
                asyncio.get_running_loop().call_later(0.1, cancel.cancel)
        return events

    return asyncio.run(collect())


def rows_of(events) -> dict[str, ScoreRow]:
    rows = [event.row for event in events if isinstance(event, Measured)]
    assert isinstance(events[-1], Finished | Failed)
    if isinstance(events[-1], Finished):
        assert events[-1].rows == tuple(rows)
    return {row.metric: row for row in rows}


def oracle(request):
    """The right answer of each item, found by its conversation."""
    for item in chat_items():
        if item.messages() == request.messages:
            return item.expected[0].upper() if item.rule == "contains_upper" else item.expected[0]
    return "January and so on."


def test_ttft_is_the_median_of_five_warm_runs(scripted, chat_card):
    engine = scripted(chat_card, ttfts=(9.0, 0.5, 0.1, 0.4, 0.2, 0.3), rates=(1.0, 10, 30, 20, 50, 40))
    rows = rows_of(run(engine))
    ttft, speed = rows["chat.ttft@1"], rows["chat.tokens_per_s@1"]
    assert (ttft.value, ttft.low, ttft.high, ttft.n) == (0.3, 0.1, 0.5, 5)
    assert (speed.value, speed.low, speed.high, speed.n) == (30, 10, 50, 5)


def test_a_time_that_the_engine_does_not_know_is_absent(scripted, chat_card):
    events = run(scripted(chat_card, ttfts=(None,), rates=(None,)))
    assert not {"chat.ttft@1", "chat.tokens_per_s@1"} & set(rows_of(events))
    assert any(isinstance(event, Notice) and "Speed" in event.text for event in events)


def test_a_run_without_a_rate_lowers_n(scripted, chat_card):
    rows = rows_of(run(scripted(chat_card, rates=(1.0, 10, None, 20, None, 30))))
    assert (rows["chat.tokens_per_s@1"].value, rows["chat.tokens_per_s@1"].n) == (20, 3)


def test_right_answers_score_100(scripted, chat_card):
    quality = rows_of(run(scripted(chat_card, answer=oracle)))["chat.mini@1"]
    assert (quality.value, quality.n, quality.high) == (100, len(chat_items()), 100)
    assert 80 < quality.low < 100
    assert quality.settings["wrong"] == []


def test_half_right_answers_score_half(scripted, chat_card):
    def half(request):
        return oracle(request) if "What" in request.messages[-1].content else "I do not know."

    quality = rows_of(run(scripted(chat_card, answer=half)))["chat.mini@1"]
    right = sum("What" in item.turns[-1] for item in chat_items())
    assert quality.value == pytest.approx(100 * right / len(chat_items()))
    assert len(quality.settings["wrong"]) == len(chat_items()) - right
    assert quality.low < quality.value < quality.high


def test_reasoning_is_no_answer(scripted, chat_card):
    # The scripted reasoning holds a number; only the answer may count.
    quality = rows_of(run(scripted(chat_card, answer=lambda request: "")))["chat.mini@1"]
    assert quality.value == 0


def test_load_is_timed_on_the_second_load_after_an_unload(scripted, chat_card):
    engine = scripted(chat_card, load_s=0.15)
    load = rows_of(run(engine))["load.seconds@1"]
    assert 0.15 <= load.value < 0.5
    assert [type(request) for request in engine.requests[:3]] == [LoadRequest, UnloadRequest, LoadRequest]


def test_waiting_in_the_queue_is_not_loading(scripted, chat_card):
    load = rows_of(run(scripted(chat_card, load_s=0.05, queue_s=0.4)))["load.seconds@1"]
    assert 0.05 <= load.value < 0.3


def test_a_model_that_cannot_be_unloaded_has_no_load_time_and_no_memory(scripted, chat_card):
    events = run(scripted(chat_card, stays_loaded=True))
    rows = rows_of(events)
    assert "load.seconds@1" not in rows
    assert "memory.rss_growth@1" not in rows
    assert "chat.ttft@1" in rows
    assert any(isinstance(event, Notice) and "somebody else" in event.text for event in events)


def test_peak_memory_sees_what_the_load_takes(scripted, chat_card):
    memory = rows_of(run(scripted(chat_card, allocate=80_000_000)))["memory.rss_growth@1"]
    assert 70_000_000 < memory.value < 400_000_000
    assert memory.unit == "bytes"


def test_every_row_says_what_it_was_measured_on(scripted, chat_card):
    for row in rows_of(run(scripted(chat_card, allocate=50_000_000))).values():
        assert (row.model, row.revision, row.dtype, row.device) == ("tiny-chat", "abc", "bfloat16", "cpu")
        assert row.versions["torch"] == "2.13.0"
        assert row.date.endswith("+00:00")
        assert row.n >= 1
        assert "@" in row.metric
        json.dumps(row.settings)


def test_questions_are_asked_greedily_with_a_seed(scripted, chat_card):
    engine = scripted(chat_card)
    run(engine, owner="ana")
    chats = [request for request in engine.requests if isinstance(request, ChatRequest)]
    assert len(chats) == 6 + len(chat_items())
    assert {(chat.temperature, chat.seed, chat.owner) for chat in chats} == {(0.0, 0, "ana")}


def test_an_api_model_has_neither_load_time_nor_memory(scripted):
    from playground.catalog import ModelCard

    card = ModelCard(id="far", name="Far", kind="chat", source="far-1", backend="openai", licence="Proprietary")
    engine = scripted(card)
    rows = rows_of(run(engine))
    assert set(rows) == {"chat.ttft@1", "chat.tokens_per_s@1", "chat.mini@1"}
    assert {type(request) for request in engine.requests} == {ChatRequest}
    assert rows["chat.ttft@1"].device == "remote API"


def test_progress_counts_up_to_the_total(scripted, chat_card):
    steps = [event for event in run(scripted(chat_card)) if isinstance(event, Progress)]
    assert [step.done for step in steps] == list(range(len(steps)))
    assert {step.total for step in steps} == {len(steps)}
    assert steps[0].seconds_left is None
    assert steps[-1].seconds_left is not None


def test_a_stop_ends_within_a_step_and_keeps_what_was_ready(scripted, chat_card):
    engine = scripted(chat_card, slow=True)
    began = time.perf_counter()
    events = run(engine, stop_after=2)
    assert time.perf_counter() - began < 4
    assert events[-1].stopped
    assert "load.seconds@1" in rows_of(events)
    assert "chat.mini@1" not in rows_of(events)
    assert len(engine.requests) <= 6


def test_a_stop_before_the_start_loads_nothing(scripted, chat_card):
    cancel = CancelToken()
    cancel.cancel()
    engine = scripted(chat_card)
    assert run(engine, cancel=cancel)[-1] == Finished((), stopped=True)
    assert engine.requests == []


def test_a_failure_ends_with_failed_after_the_rows_before_it(scripted, chat_card):
    def at_quality(request):
        return isinstance(request, ChatRequest) and "3 + 4" in request.messages[-1].content

    events = run(scripted(chat_card, fail_on=at_quality))
    assert events[-1] == Failed("It broke.", "Mend it.", "OutOfMemory")
    assert "chat.ttft@1" in rows_of(events)


def test_pictures_are_timed_after_a_warm_up_and_scored_over_all_prompts(scripted, image_card, tmp_path):
    engine, scorer = scripted(image_card, image_seconds=(50.0, 3.0, 1.0, 2.0, 99.0)), FixedScorer(tmp_path)
    rows = rows_of(run(engine, clip=scorer))
    seconds, quality = rows["image.seconds@1"], rows["image.clipscore.ruler@1"]
    assert (seconds.value, seconds.low, seconds.high, seconds.n) == (2.0, 1.0, 3.0, 3)
    assert seconds.settings["steps"] == 20
    assert (quality.value, quality.n) == (45.0, 8)
    # Student t with 7 degrees of freedom: 2.3646 * sd / sqrt(8), sd of 10..80 = 24.4949
    assert quality.high - quality.value == pytest.approx(2.3646 * 24.4949 / 8**0.5, abs=0.01)
    assert quality.settings["clip_revision"] == "sha256:ruler"
    asked = [request for request in engine.requests if isinstance(request, ImageRequest)]
    assert [request.prompt for request in asked] == scorer.seen
    assert [request.seed for request in asked] == list(range(8))
    assert {(request.steps, request.width) for request in asked} == {(None, None)}  # the card's own


def test_without_a_clip_model_quality_is_absent(scripted, image_card, tmp_path):
    events = run(scripted(image_card), clip=tmp_path / "nothing")
    assert not any("clipscore" in metric for metric in rows_of(events))
    assert any(isinstance(event, Notice) and "CLIP" in event.text for event in events)


def test_a_clip_card_is_refused(scripted, image_card):
    engine = scripted(image_card.model_copy(update={"kind": "clip"}))
    assert isinstance(run(engine)[-1], Failed)
