"""Measures one model on this machine: load time, speed, peak memory and a small quality figure.

Is handed an Engine and never imports one. Every figure is a ScoreRow that says what it was measured on; what could not
be measured is left out, with a notice that says why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from playground.catalog import ASSETS, ModelCard
from playground.errors import PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Engine,
    Failed,
    Image,
    ImageRequest,
    ImageStats,
    LoadRequest,
    Message,
    Notice,
    UnloadRequest,
)
from playground.scores import metrics
from playground.scores.clip import ClipScorer
from playground.scores.estimates import accuracy, mean, median, single
from playground.scores.items import CHAT_ITEMS, IMAGE_ITEMS, chat_items, fingerprint, image_items, is_right
from playground.scores.memory import CudaPeak, PeakMemory, give_back
from playground.scores.session import EngineFailed, Finished, Measured, MeasureEvent, Progress, Session, Stopped

__all__ = ["Finished", "MeasureEvent", "Measured", "Progress", "measure"]

Events = AsyncGenerator[MeasureEvent, None]

SPEED_PROMPT = "What are the months of the year?"
SPEED_RUNS = 5
SPEED_TOKENS = 64
ANSWER_TOKENS = 256  # where the card names no limit of its own
TIMED_IMAGES = 3
SEED = 0
CLIP = ASSETS / "starter" / "starter-clip"


async def measure(
    engine: Engine, card: ModelCard, cancel: CancelToken, *, owner: str = "", clip: ClipScorer | Path = CLIP
) -> Events:
    """Measures a text or image model, telling how far it is; ends with one Finished or Failed.

    A stop reaches the engine at once and ends with Finished, with the rows that were ready. Use the engine for nothing
    else meanwhile, or speed and memory include it.
    """
    if card.kind == "clip":
        yield Failed(f"{card.name} is itself a measure.", "Choose a text or image model.", "InvalidRequest")
        return
    loads = 2 if card.backend == "local" else 0
    try:
        # Items first: a malformed file should be told before a model is loaded for it.
        requests = 1 + SPEED_RUNS + len(chat_items()) if card.kind == "chat" else len(image_items())
        session = Session(engine, card, cancel, owner, loads + requests)
        scorer = clip if isinstance(clip, ClipScorer) else ClipScorer(clip)
        async with aclosing(_phases(session, scorer)) as phases:
            async for event in phases:
                yield event
    except Stopped:
        yield Finished(tuple(session.rows), stopped=True)
    except EngineFailed as failure:
        yield failure.event
    except PlaygroundError as error:
        yield Failed(error.message, error.hint, type(error).__name__)
    else:
        yield Finished(tuple(session.rows))


async def _phases(session: Session, scorer: ClipScorer) -> Events:
    speed = _chat_speed(session) if session.card.kind == "chat" else None
    pictures: list[Image] = []
    memory = PeakMemory()
    loaded_s: float | None = None
    if session.local:
        # 1. Load once, so that downloads, imports and the page cache do not count, then make room again.
        yield session.progress("reading the model")
        await session.ask(LoadRequest(session.card.id, session.owner))
        problem = await _unload(session)
        await asyncio.to_thread(give_back)
        if problem:
            yield Notice(f"Load time and memory were not measured: {problem}")
    # 2. Load and run, under the memory watch.
    cuda = CudaPeak()
    with memory:
        if session.local:
            yield session.progress("loading")
            reply = await session.ask(LoadRequest(session.card.id, session.owner))
            loaded_s = None if problem else reply.seconds
        await session.identify()
        session.start_clock()
        if loaded_s is not None:
            yield session.row(metrics.LOAD, single(loaded_s), None, page_cache="warm")
        async with aclosing(speed or _image_speed(session, pictures)) as events:
            async for event in events:
                yield event
    if loaded_s is not None:
        async for event in _memory(session, memory, cuda):
            yield event
    # 3. Quality.
    async with aclosing(_chat_quality(session) if speed else _image_quality(session, pictures, scorer)) as events:
        async for event in events:
            yield event


async def _unload(session: Session) -> str:
    """Frees the model; says in words why it could not be, else ''."""
    try:
        await session.ask(UnloadRequest(session.card.id, session.owner))
    except EngineFailed as failure:
        return failure.event.error
    state = await session.state()
    return "somebody else uses the model." if state is not None and state.state == "ready" else ""


async def _memory(session: Session, memory: PeakMemory, cuda: CudaPeak) -> Events:
    state = await session.state()
    if state is not None and state.device.startswith("cuda"):
        metric, growth = metrics.CUDA_PEAK, cuda.growth
    else:
        metric, growth = metrics.RSS_GROWTH, memory.growth
    if not growth:  # nothing was seen to grow: freed memory was reused, or nothing could be sampled
        yield Notice("Memory was not measured: the process was not seen to grow.")
        return
    yield session.row(metric, single(growth), None, covers="one load and the speed runs", before_bytes=memory.baseline)


def _chat(session: Session, messages: Sequence[Message], limit: int) -> ChatRequest:
    return ChatRequest(
        session.card.id, tuple(messages), temperature=0.0, max_new_tokens=limit, seed=SEED, owner=session.owner
    )


async def _chat_speed(session: Session) -> Events:
    stats: list[ChatStats] = []
    request = _chat(session, [Message("user", SPEED_PROMPT)], SPEED_TOKENS)
    for number in range(1 + SPEED_RUNS):
        yield session.progress(f"speed, run {number} of {SPEED_RUNS}" if number else "warming up")
        reply = await session.ask(request)
        if number and isinstance(reply.stats, ChatStats):
            stats.append(reply.stats)
    settings = {
        "prompt": SPEED_PROMPT,
        "max_new_tokens": SPEED_TOKENS,
        "temperature": 0.0,
        "prompt_tokens": [s.prompt_tokens for s in stats],
        "completion_tokens": [s.completion_tokens for s in stats],
    }
    first = [s.ttft_s for s in stats if s.ttft_s is not None]
    rates = [s.tokens_per_s for s in stats if s.tokens_per_s is not None]
    if first:
        yield session.row(metrics.TTFT, median(first), SEED, **settings)
    if rates:
        yield session.row(metrics.SPEED, median(rates), SEED, **settings)
    if not (first and rates):
        yield Notice("Speed is not complete: the engine did not tell times or the answers were too short.")


async def _chat_quality(session: Session) -> Events:
    items = chat_items()
    limit = session.card.defaults.max_new_tokens or ANSWER_TOKENS
    right: dict[str, bool] = {}
    for number, item in enumerate(items, 1):
        yield session.progress(f"quality, question {number} of {len(items)}")
        reply = await session.ask(_chat(session, item.messages(), limit))
        right[item.id] = is_right(reply.text, item)
    asked, hit = Counter(item.task for item in items), Counter(item.task for item in items if right[item.id])
    yield session.row(
        metrics.CHAT_QUALITY,
        accuracy(list(right.values())),
        SEED,
        items=fingerprint(CHAT_ITEMS),
        max_new_tokens=limit,
        temperature=0.0,
        by_task={task: f"{hit[task]} of {asked[task]}" for task in asked},
        wrong=[item_id for item_id, good in right.items() if not good],
    )


async def _image_speed(session: Session, pictures: list[Image]) -> Events:
    """One picture to warm up and the timed ones; all of them are kept for the quality figure."""
    seconds: list[float] = []
    stats: ImageStats | None = None
    for number in range(1 + TIMED_IMAGES):
        yield session.progress(f"speed, picture {number} of {TIMED_IMAGES}" if number else "warming up")
        stats = await _paint(session, pictures)
        if number and stats is not None:
            seconds.append(stats.seconds_per_image)
    if not seconds or stats is None:
        yield Notice("Speed was not measured: the engine did not tell times.")
        return
    last = pictures[-1]
    settings = {"steps": stats.steps, "width": last.width, "height": last.height, "parameters": last.parameters}
    yield session.row(metrics.IMAGE_SECONDS, median(seconds), SEED, **settings)


async def _paint(session: Session, pictures: list[Image]) -> ImageStats | None:
    """Paints the next prompt of the built-in list, seeded by its place."""
    number = len(pictures)
    prompt = image_items()[number].prompt
    request = ImageRequest(session.card.id, prompt, seed=SEED + number, preview_every=0, owner=session.owner)
    reply = await session.ask(request)
    if len(reply.images) != 1:
        count = len(reply.images)
        raise PlaygroundError(f"{session.card.name} gave {count} pictures for one prompt.", "Try it by hand.")
    pictures += reply.images
    return reply.stats if isinstance(reply.stats, ImageStats) else None


async def _image_quality(session: Session, pictures: list[Image], scorer: ClipScorer) -> Events:
    if not scorer.available:
        yield Notice(f"Quality was not measured: there is no CLIP model in {scorer.path.name}.")
        return
    prompts = [item.prompt for item in image_items()]
    while len(pictures) < len(prompts):
        yield session.progress(f"quality, picture {len(pictures) + 1} of {len(prompts)}")
        await _paint(session, pictures)
    yield session.progress("comparing pictures with prompts")
    scores = await asyncio.to_thread(scorer.score, [picture.png for picture in pictures], prompts)
    session.check()
    yield session.row(
        metrics.clip_score(scorer.name),
        mean(scores),
        SEED,
        prompts=fingerprint(IMAGE_ITEMS),
        clip_revision=await asyncio.to_thread(scorer.revision),
        scores=[round(score, 3) for score in scores],
        width=pictures[0].width,
        height=pictures[0].height,
        parameters=pictures[0].parameters,
    )
