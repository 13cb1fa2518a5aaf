"""Guessed tokens through the engine: speed against the same answers without guesses, and how many guesses were right.

All with the shipped models on the device that the app takes. Both kinds run in turn, so that a busy machine slows both.
A draft of the model's own size cannot pay, and answers of a few tokens leave little to guess: the last figure is what
is to be had where every guess is right.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playground.bench.loader import Compared
from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Failed, Message, Token
from playground.settings import load_settings

TOKENS = 96
COPYING = "please repeat: the red cat and the small dog and the old bird and the green fish went to the big house"
FREE = "Tell me a story about a cat."
CASES = (
    ("prompt lookup, copying", "starter-phi", "prompt lookup", COPYING),
    ("prompt lookup, a story", "starter-phi", "prompt lookup", FREE),
    ("starter-phi drafts for starter-mistral", "starter-mistral", "starter-phi", FREE),
    ("starter-mistral drafts for starter-phi", "starter-phi", "starter-mistral", FREE),
)


def measure_speculation(runs: int = 5) -> list[Compared]:
    """For each case tokens a second with and without guesses, the share of right ones, and of equal answers.

    Raises:
        RuntimeError: an answer failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, load_catalog())
        try:
            engine.warm("starter-phi", "starter-mistral")
            figures = [figure for case in CASES for figure in asyncio.run(_case(engine, *case, runs))]
            return [*figures, *(passes(engine, model, runs) for model in ("starter-phi", "starter-mistral"))]
        finally:
            engine.close()


async def _case(
    engine: LocalEngine, name: str, model: str, speculation: str, question: str, runs: int
) -> list[Compared]:
    asked = ChatRequest(
        model, (Message("user", question),), max_new_tokens=TOKENS, reasoning_effort="none", temperature=0.7
    )
    rates: tuple[list[float], list[float]] = ([], [])
    drafted = accepted = equal = 0
    for run in range(runs + 1):
        texts = []
        for rate, how in zip(rates, (speculation, ""), strict=True):
            text, stats = await _answer(engine, replace(asked, seed=run, speculation=how))
            texts.append(text)
            if run and stats.tokens_per_s:  # the first warms up
                rate.append(stats.tokens_per_s)
            if how and run:
                drafted += stats.drafted or 0
                accepted += stats.accepted or 0
        equal += bool(run) and texts[0] == texts[1]
    with_guesses, without = (statistics.median(rate) if rate else 0.0 for rate in rates)
    share = 100 * accepted / drafted if drafted else 0.0
    return [
        Compared(name, with_guesses, "tokens/s", without, "as measured"),
        Compared(f"{name}: right guesses", share, "%", bar=f"of {drafted}"),
        Compared(f"{name}: equal answers", float(equal), "", bar=f"of {runs}, as far as rounding goes"),
    ]


def passes(engine: LocalEngine, model: str, runs: int) -> Compared:
    """Tokens a second of passes over a token and ten right guesses, against passes over one token."""
    from playground.chat.logits_torch import TorchLogits
    from playground.chat.lookup import PromptLookup
    from playground.models import devices

    several: list[float] = []
    single: list[float] = []
    with engine.pool().lease(load_catalog()[model]) as loaded:
        devices.use_threads(devices.intraop_threads(loaded.device, "chat", loaded.bytes))
        source = TorchLogits(loaded.model)
        source.read(list(range(100, 300)))
        for _ in range(10 * runs):
            for count, rates in ((1 + PromptLookup.most, several), (1, single)):
                began = time.perf_counter()
                rows = source.read(list(range(300, 300 + count)), count)
                rows.argmax(dim=-1).tolist()  # waits for the device
                rates.append(count / (time.perf_counter() - began))
                source.rewind(200)
    return Compared(
        f"{model}: every guess right", statistics.median(several), "tokens/s", statistics.median(single), "the ceiling"
    )


async def _answer(engine: LocalEngine, request: ChatRequest) -> tuple[str, ChatStats]:
    text, stats = "", ChatStats()
    async for event in engine.submit(request, CancelToken()):
        if isinstance(event, Failed):
            raise RuntimeError(event.error)
        if isinstance(event, Token):
            text += event.text
        if isinstance(event, Done) and isinstance(event.stats, ChatStats):
            stats = event.stats
    return text, stats
