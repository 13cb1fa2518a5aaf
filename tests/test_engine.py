"""The in-process engine on the shipped models: turns, errors, cancel, and one model's speed beside another's."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from playground.catalog import ASSETS, load_catalog
from playground.engine import Router, open_engine
from playground.errors import PlaygroundError
from playground.local_engine import LocalEngine
from playground.protocol import (
    Added,
    AddRequest,
    CancelToken,
    ChatRequest,
    ChatStats,
    ClassifyRequest,
    Counted,
    CountRequest,
    Done,
    DownloadRequest,
    Event,
    Failed,
    Image,
    ImageRequest,
    ImageStats,
    Loading,
    LoadRequest,
    Message,
    Notice,
    PinRequest,
    Queued,
    Request,
    Scores,
    Sized,
    SizeRequest,
    Step,
    Token,
    UnloadRequest,
)
from playground.settings import Settings

HELLO = ChatRequest("starter-phi", (Message("user", "Hello!"),), seed=1, owner="a")
STAR = ImageRequest("starter-sd", "a blue star on a white background", steps=4, seed=1, owner="a")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True)
    engine = LocalEngine(settings, load_catalog())
    engine.warm("starter-phi", "starter-mistral", "starter-sd")
    yield engine
    engine.close()


def run(engine: LocalEngine | Router, request: Request, cancel: CancelToken | None = None) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in engine.submit(request, cancel or CancelToken())]

    return asyncio.run(collect())


EVERY_REQUEST: list[Request] = [
    HELLO,
    replace(HELLO, messages=()),
    replace(HELLO, model="nothing"),
    replace(HELLO, model="starter-sd"),
    replace(HELLO, model="phi-4"),
    STAR,
    replace(STAR, steps=0),
    replace(STAR, model="starter-phi"),
    replace(STAR, kind="inpaint"),
    ClassifyRequest("starter-phi", "I love it", ("positive", "negative")),
    ClassifyRequest("starter-phi", "I love it", ()),
    CountRequest("starter-phi", "one two three"),
    CountRequest("starter-sd", "one two three"),
    CountRequest("sd-1.4", "one two three"),
    LoadRequest("starter-phi"),
    LoadRequest("sd-1.4"),
    UnloadRequest("starter-sd-small"),
]


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda r: f"{type(r).__name__}-{r.model}")
def test_every_stream_ends_with_exactly_one_done_or_failed(engine: LocalEngine, request_: Request) -> None:
    events = run(engine, request_)
    assert isinstance(events[-1], Done | Failed)
    assert sum(isinstance(event, Done | Failed) for event in events) == 1


def test_a_token_serves_several_requests_one_after_the_other(engine: LocalEngine) -> None:
    cancel = CancelToken()
    for _ in range(2):
        assert isinstance(run(engine, HELLO, cancel)[-1], Done)
    assert not cancel.cancelled


def test_an_answer_streams_and_is_measured(engine: LocalEngine) -> None:
    events = run(engine, HELLO)
    tokens = [event for event in events if isinstance(event, Token)]
    stats = events[-1].stats
    assert "".join(token.text for token in tokens).strip()
    assert isinstance(stats, ChatStats)
    assert stats.ttft_s is not None
    assert 0 < stats.ttft_s <= stats.seconds
    assert stats.seed == 1
    assert stats.context_used == stats.prompt_tokens + stats.completion_tokens


def test_a_picture_comes_with_steps_seed_and_parameters(engine: LocalEngine) -> None:
    events = run(engine, STAR)
    steps = [event for event in events if isinstance(event, Step)]
    (image,) = [event for event in events if isinstance(event, Image)]
    assert [step.index for step in steps] == sorted(step.index for step in steps)
    assert steps[-1].index == steps[-1].total
    assert image.seed == 1
    assert "Seed: 1" in image.parameters
    assert Pictures.open(io.BytesIO(image.png)).size == (image.width, image.height) == (128, 128)
    assert isinstance(events[-1].stats, ImageStats)


def test_the_same_seed_gives_the_same_picture(engine: LocalEngine) -> None:
    def pixels() -> bytes:
        (image,) = [event for event in run(engine, STAR) if isinstance(event, Image)]
        return Pictures.open(io.BytesIO(image.png)).tobytes()

    assert pixels() == pixels()


def test_labels_and_counts(engine: LocalEngine) -> None:
    (scores,) = [e for e in run(engine, ClassifyRequest("starter-phi", "Nice", ("a", "b"))) if isinstance(e, Scores)]
    assert [label for label, _ in scores.scores] == ["a", "b"]
    (counted,) = [e for e in run(engine, CountRequest("starter-phi", "one two")) if isinstance(e, Counted)]
    assert counted.tokens > 0


def test_a_cancelled_answer_ends_within_a_token_and_keeps_what_it_has(engine: LocalEngine) -> None:
    async def stop_after_two() -> list[Event]:
        cancel, seen = CancelToken(), []
        long = replace(HELLO, messages=(Message("user", "Count from 1 to 90."),), max_new_tokens=200, temperature=2.0)
        async for event in engine.submit(long, cancel):
            seen.append(event)
            if sum(isinstance(e, Token) for e in seen) == 2:
                cancel.cancel()
        return seen

    events = asyncio.run(stop_after_two())
    assert isinstance(events[-1], Done)
    assert isinstance(events[-1].stats, ChatStats)
    if events[-1].stats.stop_reason != "end":  # it may have said all it had to say in those tokens
        assert events[-1].stats.stop_reason == "stopped"
        assert events[-1].stats.completion_tokens < 50


def test_a_cancelled_picture_ends_before_its_last_step(engine: LocalEngine) -> None:
    async def stop_after_one() -> list[Event]:
        cancel, seen = CancelToken(), []
        async for event in engine.submit(replace(STAR, steps=100), cancel):
            seen.append(event)
            if isinstance(event, Step):
                cancel.cancel()
        return seen

    events = asyncio.run(stop_after_one())
    assert isinstance(events[-1], Done)
    assert not any(isinstance(event, Image) for event in events)
    assert max(event.index for event in events if isinstance(event, Step)) < 20
    assert run(engine, STAR)[-1].stats is not None  # and the next one runs


def test_a_listener_that_leaves_frees_the_worker(engine: LocalEngine) -> None:
    async def leave() -> None:
        stream = engine.submit(replace(STAR, steps=150), CancelToken())
        async for event in stream:
            if isinstance(event, Step):
                break
        await stream.aclose()

    asyncio.run(leave())
    events = run(engine, STAR)
    assert isinstance(events[-1], Done)


def test_pictures_take_turns_and_tell_their_place(engine: LocalEngine) -> None:
    async def both() -> tuple[list[Event], list[Event]]:
        async def collect(request: Request) -> list[Event]:
            return [event async for event in engine.submit(request, CancelToken())]

        first, second = await asyncio.gather(collect(STAR), collect(replace(STAR, owner="b")))
        return first, second

    first, second = asyncio.run(both())
    assert isinstance(first[-1], Done)
    assert isinstance(second[-1], Done)
    assert any(isinstance(event, Queued) and event.position == 1 for event in [*first, *second])


def test_a_waiting_request_can_be_stopped_before_it_begins(engine: LocalEngine) -> None:
    async def stop_the_second() -> list[Event]:
        busy = engine.submit(replace(STAR, steps=60), CancelToken())
        async for event in busy:
            if isinstance(event, Step):
                break
        cancel = CancelToken()
        waiting: list[Event] = []
        async for event in engine.submit(replace(STAR, owner="b"), cancel):
            waiting.append(event)
            if isinstance(event, Queued):
                cancel.cancel()
        await busy.aclose()
        return waiting

    events = asyncio.run(stop_the_second())
    assert isinstance(events[-1], Done)
    assert any(isinstance(event, Notice) for event in events)
    assert not any(isinstance(event, Step) for event in events)


def test_two_text_models_stream_at_the_same_time(engine: LocalEngine) -> None:
    async def order() -> list[str]:
        seen: list[str] = []

        async def follow(model: str) -> None:
            async for event in engine.submit(replace(HELLO, model=model, max_new_tokens=64), CancelToken()):
                if isinstance(event, Token | Done):
                    seen.append(model + (" done" if isinstance(event, Done) else ""))

        await asyncio.gather(follow("starter-phi"), follow("starter-mistral"))
        return seen

    seen = asyncio.run(order())
    assert {"starter-phi done", "starter-mistral done"} <= set(seen)
    first_done = min(seen.index("starter-phi done"), seen.index("starter-mistral done"))
    assert {"starter-phi", "starter-mistral"} <= set(seen[:first_done])


def test_states_tell_what_is_ready_what_could_be_and_what_cannot(engine: LocalEngine) -> None:
    run(engine, LoadRequest("starter-phi"))
    run(engine, UnloadRequest("starter-sd-small"))
    states = {state.id: state for state in asyncio.run(engine.models())}
    assert states["starter-phi"].state == "ready"
    assert states["starter-phi"].bytes > 1_000_000
    assert states["starter-sd-small"].state == "not loaded"
    assert states["phi-4"].state == "unavailable"
    assert "offline" in states["phi-4"].reason
    assert "o4-mini" not in states


def test_unload_frees_and_load_brings_back(engine: LocalEngine) -> None:
    run(engine, LoadRequest("starter-sd-small"))
    loaded = asyncio.run(engine.health()).used_bytes
    run(engine, UnloadRequest("starter-sd-small"))
    health = asyncio.run(engine.health())
    assert health.used_bytes < loaded
    assert health.budget_bytes > health.used_bytes
    assert health.ok
    assert health.cores >= 1


def test_the_router_serves_every_backend(tmp_path: Path) -> None:
    catalog = load_catalog()
    router = open_engine(Settings(data_dir=tmp_path, offline=True), catalog)
    states = {state.id: state for state in asyncio.run(router.models())}
    assert list(states) == [card.id for card in catalog]
    assert states["o4-mini"].state == "unavailable"
    (event,) = run(router, replace(HELLO, model="starter-fi"))
    assert isinstance(event, Failed)
    assert event.code == "UnknownModel"
    assert "starter-phi" in event.hint
    router.close()


def test_the_router_closes_the_stream_that_it_opened() -> None:
    closed = []

    class Endless:
        async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
            try:
                while True:
                    yield Token(0, "x")
            finally:
                closed.append(True)

    router = Router(load_catalog(), {"local": Endless()})  # type: ignore[dict-item]

    async def leave() -> None:
        stream = router.submit(HELLO, CancelToken())
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    assert closed == [True]


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="no engine 'ray'"):
        open_engine(Settings(data_dir=tmp_path, engine="ray"), load_catalog())


# --- memory and models ------------------------------------------------------------------------------------------------


class Short:
    """Makes a shared module run out of memory, as torch's allocator says it, so many times."""

    def __init__(self, module: Any, times: int) -> None:
        self.left = times
        self._hook = module.register_forward_pre_hook(self._refuse)

    def _refuse(self, module: Any, args: Any) -> None:
        import torch

        if self.left:
            self.left -= 1
            raise torch.OutOfMemoryError("no room")

    def close(self) -> None:
        self._hook.remove()


def loaded_ids(engine: LocalEngine) -> set[str]:
    return {card_id for state in engine.pool().states() for card_id in state.cards}


def test_an_answer_that_finds_no_memory_is_tried_again_once_what_is_idle_is_gone(engine: LocalEngine) -> None:
    engine.warm("starter-phi", "starter-mistral")
    with engine.pool().lease(load_catalog()["starter-phi"]) as loaded:
        short = Short(loaded.model, 1)
    try:
        events = run(engine, HELLO)
    finally:
        short.close()
    assert isinstance(events[-1], Done)
    assert "".join(e.text for e in events if isinstance(e, Token))
    assert "Memory ran out, so models that were not in use were freed." in [
        e.text for e in events if isinstance(e, Notice)
    ]
    assert loaded_ids(engine) == {"starter-phi"}


def test_an_answer_that_finds_no_memory_twice_says_who_holds_it(engine: LocalEngine) -> None:
    engine.warm("starter-phi", "starter-mistral")
    with engine.pool().lease(load_catalog()["starter-phi"]) as loaded:
        short = Short(loaded.model, 2)
    try:
        failed = run(engine, HELLO)[-1]
    finally:
        short.close()
    assert isinstance(failed, Failed)
    assert failed.code == "OutOfMemory"
    assert "ran out of memory on cpu" in failed.error
    assert "held by Starter Phi" in failed.error
    assert engine.pool().stats.working_bytes == 0
    assert isinstance(run(engine, HELLO)[-1], Done)  # the next one starts clean


def test_pictures_that_find_no_memory_are_made_one_by_one(engine: LocalEngine) -> None:
    engine.warm("starter-sd", "starter-mistral")
    with engine.pool().lease(load_catalog()["starter-sd"]) as loaded:
        short = Short(loaded.components["unet"], 1)
    try:
        events = run(engine, replace(STAR, batch_size=2))
    finally:
        short.close()
    assert [e.seed for e in events if isinstance(e, Image)] == [1, 2]
    assert any(isinstance(e, Notice) and e.text.startswith("Memory ran out") for e in events)
    assert loaded_ids(engine) == {"starter-sd"}


def test_a_budget_that_is_too_small_is_said_before_anything_runs(tmp_path: Path) -> None:
    engine = LocalEngine(
        Settings(data_dir=tmp_path, offline=True, memory_budget=8_000_000, dtype="bfloat16"), load_catalog()
    )
    try:
        failed = run(engine, STAR)[-1]
        assert isinstance(failed, Failed)
        assert failed.code == "OutOfMemory"
        assert "of 8.0 MB is free" in failed.error
        assert isinstance(run(engine, HELLO)[-1], Done)  # a smaller model still runs
    finally:
        engine.close()


def test_a_pinned_model_outlives_what_others_need_and_an_unpinned_one_does_not(engine: LocalEngine) -> None:
    assert isinstance(run(engine, PinRequest("starter-clip"))[-1], Done)
    engine.warm("starter-mistral")
    engine.pool().trim()
    assert loaded_ids(engine) == {"starter-clip"}
    (state,) = [s for s in asyncio.run(engine.models()) if s.id == "starter-clip"]
    assert (state.pinned, state.state, state.tier) == (True, "ready", "device")
    run(engine, PinRequest("starter-clip", pinned=False))
    engine.pool().trim()
    assert loaded_ids(engine) == set()


def test_sizes_are_told_of_a_card_and_of_a_folder(engine: LocalEngine) -> None:
    for name in ("starter-phi", str(ASSETS / "starter" / "starter-phi")):
        (report,) = [e.report for e in run(engine, SizeRequest(name)) if isinstance(e, Sized)]
        assert report["budget_bytes"] == engine.pool().stats.budget_bytes
        assert report["fits"] is True
        assert report["download_bytes"] == 0
    failed = run(engine, SizeRequest("nobody-has-this"))[-1]
    assert isinstance(failed, Failed)


def test_a_folder_is_added_and_answers_like_any_model(tmp_path: Path) -> None:
    folder = tmp_path / "My Phi"
    shutil.copytree(ASSETS / "starter" / "starter-phi", folder)
    catalog = load_catalog(added=tmp_path / "models.toml")
    engine = LocalEngine(Settings(data_dir=tmp_path, offline=True), catalog)
    try:
        (added,) = [e for e in run(engine, AddRequest(str(folder))) if isinstance(e, Added)]
        assert added.model == "my-phi"
        assert catalog["my-phi"].kind == "chat"
        assert catalog["my-phi"].context == 2048
        assert isinstance(run(engine, replace(HELLO, model="my-phi"))[-1], Done)
    finally:
        engine.close()
    assert load_catalog(added=tmp_path / "models.toml")["my-phi"].source == str(folder)


def test_a_quantized_form_is_a_model_beside_its_original(tmp_path: Path) -> None:
    catalog = load_catalog(added=tmp_path / "models.toml")
    engine = LocalEngine(Settings(data_dir=tmp_path, offline=True, device="cpu"), catalog)
    try:
        (added,) = [e for e in run(engine, AddRequest("starter-phi", quantization="int8")) if isinstance(e, Added)]
        assert added.model == "starter-phi-int8"
        assert (catalog[added.model].name, catalog[added.model].published) == ("Starter Phi, int8", ())
        for name in ("starter-phi", added.model):
            assert isinstance(run(engine, replace(HELLO, model=name))[-1], Done)
        whole, packed = (s for s in asyncio.run(engine.models()) if s.id in ("starter-phi", added.model))
        assert (packed.quantization, packed.bytes < whole.bytes) == ("int8", True)
        for request, why in (
            (AddRequest("starter-phi", quantization="int8"), "on the list already"),
            (AddRequest("starter-phi"), "on the list already"),
            (AddRequest("starter-phi", quantization="int3"), "Choose int8 or int4"),
            (AddRequest("starter-clip", quantization="int8"), "is not quantized"),
            (AddRequest("o4-mini", quantization="int8"), "runs over an API"),
        ):
            failed = run(engine, request)[-1]
            assert isinstance(failed, Failed)
            assert why in f"{failed.error} {failed.hint}"
    finally:
        engine.close()
    assert load_catalog(added=tmp_path / "models.toml")["starter-phi-int8"].quantization == "int8"


def test_strangers_add_nothing_and_look_at_nothing_but_the_list(tmp_path: Path) -> None:
    engine = LocalEngine(Settings(data_dir=tmp_path, offline=True, profile="public"), load_catalog())
    folder = str(ASSETS / "starter" / "starter-phi")
    for request in (AddRequest(folder), SizeRequest(folder), SizeRequest("owner/name")):
        failed = run(engine, request)[-1]
        assert isinstance(failed, Failed)
        assert "for its owner alone" in failed.error
    assert any(isinstance(event, Sized) for event in run(engine, SizeRequest("starter-phi")))
    engine.close()


def test_the_first_request_says_that_torch_is_being_started(tmp_path: Path) -> None:
    for request in (HELLO, ImageRequest("starter-sd-small", "a red circle", steps=1), DownloadRequest("starter-clip")):
        engine = LocalEngine(Settings(data_dir=tmp_path, offline=True), load_catalog())
        first, *_, last = run(engine, request)
        assert isinstance(first, Loading)
        assert first.text == "Starting torch"
        assert isinstance(last, Done)
        engine.close()


def test_a_download_of_what_is_here_ends_at_once_and_loads_nothing(engine: LocalEngine) -> None:
    engine.pool().trim()
    assert isinstance(run(engine, DownloadRequest("starter-sd-small"))[-1], Done)
    assert loaded_ids(engine) == set()
