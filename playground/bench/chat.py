"""Chat through the engine: many users at once, a second turn, one user against plain `generate`, two columns at once.

All with the shipped models on the device that the app takes. What is compared runs in turn, so that a busy machine
slows both sides.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playground.bench.loader import Compared
from playground.catalog import Catalog, load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, Done, Failed, Message, Token
from playground.settings import load_settings

MODEL, OTHER = "starter-phi", "starter-mistral"
USERS = 16
TOKENS = 96
CONVERSATION = 1500  # tokens


@dataclass(frozen=True)
class Answered:
    """One answer: seconds from asking to its first token, of all, and its tokens."""

    first_s: float
    seconds: float
    tokens: int


def measure_chat(runs: int = 5) -> list[Compared]:
    """All figures.

    Raises:
        RuntimeError: an answer failed.
    """
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, catalog)
        try:
            engine.warm(MODEL, OTHER)
            return asyncio.run(_measure(engine, catalog, runs))
        finally:
            engine.close()


async def _measure(engine: LocalEngine, catalog: Catalog, runs: int) -> list[Compared]:
    await _answer(engine, _asked(MODEL, "Hello!"))
    await _answer(engine, _asked(OTHER, "Hello!"))
    return [
        *await many_users(engine, runs),
        await second_turn(engine, runs),
        await one_user(engine, catalog, runs),
        await two_columns(engine, runs),
    ]


async def many_users(engine: LocalEngine, runs: int) -> list[Compared]:
    """Tokens a second of 16 users together against one after the other, and how long the last waits for a token."""
    together, alone, last = [], [], []
    for run in range(runs):
        asked = [_asked(MODEL, f"Tell me about the number {run * USERS + i}.") for i in range(USERS)]
        began = time.perf_counter()
        answers = await asyncio.gather(*(_answer(engine, request) for request in asked))
        together.append(sum(a.tokens for a in answers) / (time.perf_counter() - began))
        last.append(max(a.first_s for a in answers))
        began = time.perf_counter()
        answers = [await _answer(engine, request) for request in asked]
        alone.append(sum(a.tokens for a in answers) / (time.perf_counter() - began))
    bar = "at least 3.5 of one after the other"
    return [
        Compared(f"{USERS} users at once", statistics.median(together), "tokens/s", statistics.median(alone), bar),
        Compared("the last one's first token", statistics.median(last), "s", bar="under 3 s"),
    ]


async def second_turn(engine: LocalEngine, runs: int) -> Compared:
    """Seconds to the first token of a second turn after a long conversation, against a prompt of that length anew."""
    kept, anew = [], []
    for run in range(runs):
        turns = _long(f"{run}", CONVERSATION)
        first = await _said(engine, _request(MODEL, turns))
        more = (*turns, Message("assistant", first), Message("user", "And then?"))
        kept.append((await _answer(engine, _request(MODEL, more))).first_s)
        other = (*_long(f"x{run}", CONVERSATION), Message("assistant", first), Message("user", "And then?"))
        anew.append((await _answer(engine, _request(MODEL, other))).first_s)
    return Compared(
        f"second turn of {CONVERSATION} tokens, first token", statistics.median(kept), "s", statistics.median(anew),
        "at most 0.3 of without the cache",
    )  # fmt: skip


async def one_user(engine: LocalEngine, catalog: Catalog, runs: int) -> Compared:
    """Tokens a second of one answer through the engine, against transformers' `generate` on the same weights."""
    import torch

    from playground.chat.context import fit

    request = _asked(MODEL, "Tell me a long story about a cat.")
    ours, plain = [], []
    for _ in range(runs):
        answered = await _answer(engine, request)
        ours.append((answered.tokens - 1) / (answered.seconds - answered.first_s))
        with engine.pool().lease(catalog[MODEL]) as loaded:
            ids = torch.tensor([fit(loaded, request.messages, TOKENS).ids])
            options = {"do_sample": True, "temperature": 0.7, "top_p": 0.95, "pad_token_id": 0}
            await asyncio.to_thread(_generate, loaded.model, ids, 1, options)
            began = time.perf_counter()
            count = await asyncio.to_thread(_generate, loaded.model, ids, TOKENS, options)
            plain.append(count / (time.perf_counter() - began))
    return Compared(
        "one user", statistics.median(ours), "tokens/s", statistics.median(plain), "at least 0.95 of generate"
    )


def _generate(model, ids, count, options) -> int:  # type: ignore[no-untyped-def]
    import torch

    torch.set_num_threads(1)  # as the engine decodes small models
    whole = model.generate(
        ids, attention_mask=torch.ones_like(ids), min_new_tokens=count, max_new_tokens=count, **options
    )
    return int(whole.shape[1] - ids.shape[1])


async def two_columns(engine: LocalEngine, runs: int) -> Compared:
    """Seconds of two models answering at once, against the sum of both alone."""
    both, apart = [], []
    for run in range(runs):
        asked = [_asked(name, f"Tell me about the number {run}.") for name in (MODEL, OTHER)]
        alone = [await _answer(engine, request) for request in asked]
        began = time.perf_counter()
        await asyncio.gather(*(_answer(engine, request) for request in asked))
        both.append(time.perf_counter() - began)
        apart.append(sum(a.seconds for a in alone))
    return Compared(
        "two columns at once", statistics.median(both), "s", statistics.median(apart), "at most 1.1 of the sum"
    )


# --- pieces ----------------------------------------------------------------------------------------------------------


def _request(model: str, messages: Sequence[Message]) -> ChatRequest:
    return ChatRequest(model, tuple(messages), max_new_tokens=TOKENS, reasoning_effort="none", seed=None)


def _asked(model: str, text: str) -> ChatRequest:
    return _request(model, [Message("user", text)])


def _long(mark: str, tokens: int) -> tuple[Message, ...]:
    """A conversation of about that many tokens, unlike any with another mark from its first word on."""
    words = " ".join(f"{mark} has {i} apples." for i in range(tokens // 7))
    return (Message("user", f"{mark}: {words} How many?"),)


async def _answer(engine: LocalEngine, request: ChatRequest) -> Answered:
    return (await _run(engine, request))[0]


async def _said(engine: LocalEngine, request: ChatRequest) -> str:
    return (await _run(engine, request))[1]


async def _run(engine: LocalEngine, request: ChatRequest) -> tuple[Answered, str]:
    began, first, text, tokens = time.perf_counter(), None, "", 0
    async for event in engine.submit(request, CancelToken()):
        if isinstance(event, Failed):
            raise RuntimeError(event.error)
        if isinstance(event, Token):
            first = first or time.perf_counter()
            text += event.text
        if isinstance(event, Done) and event.stats is not None:
            tokens = getattr(event.stats, "completion_tokens", None) or 0
    ended = time.perf_counter()
    return Answered((first or ended) - began, ended - began, tokens), text
