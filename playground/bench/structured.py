"""Bound answers of a shipped model: what binding costs a token, and how 200 random schemas end.

Times of free and of bound decoding alternate, over the same number of tokens, so that a busy machine slows both. Free
decoding goes past end tokens, as a text of a given length asks.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.bench.loader import Compared
from playground.bench.random_schemas import random_schema
from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.models.open import open_pool
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Token
from playground.settings import load_settings

if TYPE_CHECKING:
    import torch

    from playground.chat.decode import Logits
    from playground.chat.sampling import Chooser
    from playground.chat.text_model import AnyText

MODEL = "starter-phi"
TOKENS = 160
SCHEMAS = 200
BUDGET = 512
HOT = 1.0  # so that the schemas' runs differ
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "mail": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 4},
        "home": {
            "type": "object",
            "properties": {"town": {"type": "string", "maxLength": 30}, "number": {"type": "number", "minimum": 0}},
            "required": ["town"],
        },
    },
    "required": ["name", "age", "tags"],
}
BOUND = {
    "people": {"json_schema": json.dumps({"type": "array", "items": PERSON, "minItems": 16, "maxItems": 90})},
    "numbers": {"json_schema": json.dumps({"type": "array", "items": {"type": "number"}, "minItems": 90})},
    "a text": {"json_schema": json.dumps({"type": "string", "minLength": 900})},
    "any JSON": {"json_schema": json.dumps({"type": "array", "minItems": 90})},
    "a regex": {"regex": r"([A-Z][a-z]+ )+[A-Z][a-z]+\."},
}


class OneByOne:
    """A chooser that lets the model read every token by itself, also those that stand without it."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def forced(self, ids: Sequence[int]) -> int | None:
        return None

    def choose(self, logits: torch.Tensor, ids: list[int]) -> int:
        return self._chooser.choose(logits, ids)


def measure_structured(runs: int = 5) -> list[Compared]:
    """All figures, with the shipped model on the device that the app takes."""
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        pool = open_pool(settings, catalog)
        try:
            with pool.lease(catalog[MODEL]) as loaded:
                from playground.models import devices

                devices.use_threads(devices.intraop_threads(loaded.device, "chat", loaded.bytes))
                return [*overhead(loaded, runs), *endings(loaded)]
        finally:
            pool.close()


def overhead(loaded: AnyText, runs: int) -> list[Compared]:
    """Milliseconds a token, bound against free: as it runs, and with every token read by itself."""
    figures = []
    for what, values in BOUND.items():
        free: list[float] = []
        one: list[float] = []
        bound: list[float] = []
        for run in range(runs + 1):
            times = (
                _per_token(loaded, {}, run, alone=True),
                _per_token(loaded, values, run, alone=True),
                _per_token(loaded, values, run, alone=False),
            )
            if run:  # the first one fills caches
                for row, seconds in zip((free, one, bound), times, strict=True):
                    row.append(1e3 * seconds)
        plain = statistics.median(free)
        figures.append(Compared(f"{what}: every token read alone", statistics.median(one), "ms", plain, "under 1.15"))
        figures.append(Compared(f"{what}: as it runs", statistics.median(bound), "ms", plain, "under 1.15"))
    return figures


def _per_token(loaded: AnyText, values: dict[str, Any], seed: int, *, alone: bool) -> float:
    """Seconds a token, of `TOKENS` after the first."""
    from playground.chat.constraints.answer import bind
    from playground.chat.constraints.spec import spec_of
    from playground.chat.context import fit
    from playground.chat.decode import logits_of
    from playground.chat.request import checked_chat
    from playground.chat.sampling import Sampler

    request = checked_chat(
        ChatRequest(MODEL, (Message("user", "Write down what you know."),), temperature=HOT, **values), loaded.card
    )
    prompt = fit(loaded, request.messages, 4 * BUDGET)
    chooser: Chooser = Sampler(request, seed)
    spec = spec_of(request)
    if spec is not None:
        chooser = bind(loaded, spec, chooser, prompt, may_think=False, inside=None).sampler  # type: ignore[arg-type]
    if alone:
        chooser = OneByOne(chooser)
    with closing(logits_of(loaded, len(prompt.ids) + prompt.max_new_tokens)) as logits:
        tokens = _tokens(logits, list(prompt.ids), chooser)
        next(tokens)
        began = time.perf_counter()
        for _ in range(TOKENS):
            next(tokens)
        return (time.perf_counter() - began) / TOKENS


def _tokens(logits: Logits, ids: list[int], chooser: Chooser) -> Iterator[int]:
    """The tokens after `ids`, without end; those that stand without logits are read with the next that does not."""
    from playground.chat.decode import read_on

    while True:
        token = chooser.forced(ids)
        if token is None:
            token = chooser.choose(read_on(logits, ids, CancelToken()), ids)
        ids.append(token)
        yield token


def endings(loaded: AnyText) -> list[Compared]:
    """How the runs of random schemas end, and whether what ended parses and validates with plain jsonschema."""
    from jsonschema import Draft202012Validator

    ends: Counter[str] = Counter()
    ended = valid = closed = 0
    for seed in range(SCHEMAS):
        schema = random_schema(seed)
        text, stats = _answer(loaded, schema, seed)
        reason = "refused" if stats is None else stats.stop_reason
        ends[reason] += 1
        if reason not in ("end", "closed"):
            continue
        ended += 1
        closed += reason == "closed"
        checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        try:
            valid += checker.is_valid(json.loads(text))
        except ValueError:
            ends["no JSON"] += 1
    return [
        Compared(f"of {SCHEMAS} random schemas, runs that end", 100 * ended / SCHEMAS, "%", bar="at least 98"),
        Compared("of these, parse and validate", 100 * valid / max(1, ended), "%", bar="100"),
        Compared(f"of these, ended early within {BUDGET} tokens", 100 * closed / max(1, ended), "%", bar="as it comes"),
        *(Compared(f"stop reason {name!r}", count, "runs", bar="as it comes") for name, count in sorted(ends.items())),
    ]


def _answer(loaded: AnyText, schema: dict[str, Any], seed: int) -> tuple[str, ChatStats | None]:
    from playground.chat.generate import answer
    from playground.chat.request import checked_chat

    events: list[Event] = []
    request = ChatRequest(
        MODEL,
        (Message("user", "Write down what you know."),),
        temperature=HOT,
        seed=seed,
        max_new_tokens=BUDGET,
        json_schema=json.dumps(schema),
    )
    try:
        stats = answer(loaded, checked_chat(request, loaded.card), CancelToken(), events.append)
    except InvalidRequest:
        return "", None
    return "".join(event.text for event in events if isinstance(event, Token)), stats
