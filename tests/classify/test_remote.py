"""Samples through the OpenAI engine and a loopback server: the schema goes out, answers outside it are invalid."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path

from playground.catalog import Catalog, ModelCard
from playground.classify.records import Item, Result, Task, task
from playground.classify.run import classify
from playground.protocol import CancelToken
from playground.remote.openai_engine import OpenAIEngine
from playground.settings import Settings
from tests.remote.server import Script, serving, whole

ITEMS = (Item("I love it", ("good",)), Item("Never again", ("bad",)))


def asked_of(script: Script, asked: Task, folder: Path) -> Result:
    with serving(script) as server:
        origin = {"name": "here", "kind": "vllm", "base_url": server.url}
        card = ModelCard(
            id="remote", name="Remote", kind="chat", source="m", licence="-", backend="openai", origin=origin
        )
        engine = OpenAIEngine(Catalog({"remote": card}), Settings(data_dir=folder, offline=False))
        result = Result(asked, ITEMS, ("remote",))

        async def go() -> None:
            async for _ in classify(engine, [card], result, CancelToken()):
                pass

        asyncio.run(go())
    return result


def test_the_labels_go_out_as_a_schema_and_shares_come_back(tmp_path: Path) -> None:
    replies = count()
    script = Script(stream=lambda: whole(*('{"label": "', "good" if next(replies) % 4 else "bad", '"}')))
    result = asked_of(script, task(("good", "bad"), samples=4, seed=9, temperature=0.5), tmp_path)
    assert result.failures == {}
    verdicts = result.of("remote")
    assert sum(v.probabilities[1] for v in verdicts.values()) == 0.5  # two of eight answers
    assert len(script.asked) == 8
    schema = script.asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == ["good", "bad"]
    assert {body["seed"] for body in script.asked} == {9, 10, 11, 12}
    assert {body["temperature"] for body in script.asked} == {0.5}
    assert result.speeds["remote"].texts == 2


def test_a_server_that_ignores_the_schema_gives_invalid_samples(tmp_path: Path) -> None:
    result = asked_of(Script(stream=lambda: whole("It ", "is good.")), task(("good", "bad"), samples=2), tmp_path)
    verdict = result.of("remote")[0]
    assert verdict.probabilities == ()
    assert (verdict.samples, verdict.invalid) == (2, 2)
    assert "named a label" in verdict.error


def test_a_wrong_key_is_the_models_failure(tmp_path: Path) -> None:
    script = Script(status=401, error={"error": {"message": "bad key"}})
    result = asked_of(script, task(("good", "bad"), samples=1), tmp_path)
    assert all(verdict.error for verdict in result.of("remote").values())
    assert json.dumps(script.asked[0])
