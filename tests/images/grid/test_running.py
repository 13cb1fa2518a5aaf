"""A grid that runs, stops, fails in one cell, and goes on in another process: each cell is made once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from playground.catalog import load_catalog
from playground.errors import InvalidRequest, ModelUnavailable
from playground.images.grid.cells import Result
from playground.images.grid.kept import Grids, missing
from playground.images.grid.plan import planned
from playground.images.grid.running import Doing, Ended, run
from playground.images.metadata import read_metadata
from playground.protocol import CancelToken, Done, Failed, ImageRequest, Notice, Step
from tests.scripted import ScriptedEngine, picture

MODELS = {"starter-sd": "Starter SD", "starter-sd-small": "Starter SD small"}
OWNER = "user:ana"


@pytest.fixture
def grids(tmp_path: Path) -> Grids:
    return Grids(tmp_path / "grids", OWNER)


@pytest.fixture
def engine() -> ScriptedEngine:
    made = ScriptedEngine(load_catalog())
    for model in MODELS:
        made.plays[model] = picture(steps=2, every=0.001)
    return made


def opened(grids: Grids, *asked: tuple[str, str], **fields) -> str:
    padded = [*asked, ("", ""), ("", ""), ("", "")][:3]
    chosen = fields.pop("chosen", ["starter-sd"])
    return grids.open(planned(ImageRequest("", "a red circle", **fields), padded, MODELS, chosen))


def ran(grids: Grids, grid_id: str, engine, cancel: CancelToken | None = None, until=None, **options) -> list:
    """All updates; `until(update)` true leaves the iterator there."""
    cancel = cancel or CancelToken()

    async def collect() -> list:
        found = []
        async with aclosing(run(grids, grid_id, engine, cancel, owner=OWNER, **options)) as updates:
            async for update in updates:
                found.append(update)
                if until is not None and until(update):
                    break
        return found

    return asyncio.run(collect())


def asked(engine: ScriptedEngine) -> list[tuple]:
    return [(r.model, r.steps) for r in engine.requests]


def test_cells_come_one_by_one_and_are_kept_with_what_they_are(grids, engine):
    grid_id = opened(grids, ("Model", "starter-sd, starter-sd-small"), ("Steps", "2, 3"), seed=5)
    updates = ran(grids, grid_id, engine, score=lambda png, prompt: 20.5)
    results = [one for one in updates if isinstance(one, Result)]
    assert [one.index for one in results] == [0, 2, 1, 3]
    assert asked(engine) == [("starter-sd", 2), ("starter-sd", 3), ("starter-sd-small", 2), ("starter-sd-small", 3)]
    assert {r.seed for r in engine.requests} == {5}
    assert {r.owner for r in engine.requests} == {OWNER}
    assert updates[-1] == Ended(False, 0)
    kept = grids.results(grid_id)
    assert kept == {one.index: one for one in results}
    assert (kept[3].parameters["model"], kept[3].parameters["steps"]) == ("starter-sd-small", 3)
    assert kept[0].seconds == pytest.approx(0.002)
    assert kept[0].clip_score == 20.5
    assert grids.picture(grid_id, 0).read_bytes().startswith(b"\x89PNG")
    assert grids.picture(grid_id, 0, small=True).read_bytes()[8:12] == b"WEBP"
    (line,) = grids.listed()
    assert (line.total, line.done, line.failed, line.axes) == (4, 4, 0, "Model, Steps")


def test_a_stop_ends_within_a_step_and_a_new_run_makes_the_rest_only(grids, engine):
    engine.plays["starter-sd"] = picture(steps=1000, every=0.01)
    grid_id = opened(grids, ("Model", "starter-sd-small, starter-sd"), seed=1)
    cancel = CancelToken()

    def stop(update) -> bool:
        if isinstance(update, Doing) and isinstance(update.event, Step) and update.event.total == 1000:
            cancel.cancel()
        return False

    updates = ran(grids, grid_id, engine, cancel, stop)
    assert updates[-1] == Ended(True, 1)
    assert len([u for u in updates if isinstance(u, Doing) and isinstance(u.event, Step) and u.event.total == 1000]) < 9
    assert set(grids.results(grid_id)) == {0}
    again = ScriptedEngine(load_catalog())
    again.plays["starter-sd"] = picture(steps=2, every=0.001)
    ran(grids, grid_id, again)
    assert [r.model for r in again.requests] == ["starter-sd"]
    assert set(grids.results(grid_id)) == {0, 1}


def test_leaving_the_iterator_cancels_the_request(grids, engine):
    engine.plays["starter-sd"] = picture(steps=1000, every=0.01)
    grid_id = opened(grids, ("Steps", "2, 3"))
    ran(grids, grid_id, engine, until=lambda update: isinstance(update, Doing) and update.event is not None)
    assert engine.busy == 0
    assert grids.results(grid_id) == {}


def test_a_failed_cell_keeps_its_error_and_the_others_go_on(grids, engine):
    def fails_at_three(request):
        if request.steps == 3:
            return [(0.0, Failed("Three is not a number of steps.", "Take four.", "InvalidRequest"))]
        return picture(steps=2, every=0.001)(request)

    engine.plays["starter-sd"] = fails_at_three
    grid_id = opened(grids, ("Steps", "2, 3, 4"))
    ran(grids, grid_id, engine)
    kept = grids.results(grid_id)
    assert (kept[1].error, kept[1].hint, kept[1].code) == (
        "Three is not a number of steps.", "Take four.", "InvalidRequest",
    )  # fmt: skip
    assert kept[1].seconds is None
    assert not grids.picture(grid_id, 1).exists()
    assert not kept[0].error
    assert not kept[2].error
    (line,) = grids.listed()
    assert (line.done, line.failed) == (2, 1)
    engine.plays["starter-sd"] = picture(steps=2, every=0.001)
    engine.requests.clear()
    ran(grids, grid_id, engine, retry=False)
    assert engine.requests == []
    ran(grids, grid_id, engine)
    assert [r.steps for r in engine.requests] == [3]
    assert grids.results(grid_id)[1].error == ""


def test_an_engine_that_breaks_or_gives_nothing_is_an_error_of_its_cell(grids, engine):
    class Breaks(ScriptedEngine):
        async def submit(self, request, cancel):
            if request.steps == 2:
                raise RuntimeError("boom")
            yield Done()

    grid_id = opened(grids, ("Steps", "2, 3"))
    ran(grids, grid_id, Breaks(load_catalog()))
    kept = grids.results(grid_id)
    assert kept[0].error == "The engine failed: RuntimeError."
    assert kept[1].error == "The model gave no picture."


def test_without_a_ruler_a_cell_has_no_score_and_one_notice_says_so(grids, engine):
    def score(png: bytes, prompt: str) -> float:
        raise ModelUnavailable("There is no CLIP model.", "Get one.")

    grid_id = opened(grids, ("Steps", "2, 3"))
    updates = ran(grids, grid_id, engine, score=score)
    assert [one.text for one in updates if isinstance(one, Notice)] == [
        "CLIPScore was not measured: There is no CLIP model. Get one."
    ]
    assert all(one.clip_score is None for one in grids.results(grid_id).values())


def test_the_ruler_reads_the_prompt_without_its_signs(grids, engine):
    seen = []
    grid_id = grids.open(
        planned(ImageRequest("", "a (red:1.3) circle"), [("Steps", "2"), ("", ""), ("", "")], MODELS, ["starter-sd"])
    )
    ran(grids, grid_id, engine, score=lambda png, prompt: seen.append(prompt) or 1.0)
    assert seen == ["a red circle"]


@pytest.mark.parametrize("harm", ["no picture", "no record", "torn record", "another cell's record"])
def test_a_cell_that_is_not_whole_is_made_again(grids, engine, harm):
    grid_id = opened(grids, ("Steps", "2, 3"))
    ran(grids, grid_id, engine)
    record = grids.picture(grid_id, 1).with_suffix(".json")
    if harm == "no picture":
        grids.picture(grid_id, 1).unlink()
    elif harm == "no record":
        record.unlink()
    elif harm == "torn record":
        record.write_text(record.read_text()[:40])
    else:
        record.write_text(grids.picture(grid_id, 0).with_suffix(".json").read_text())
    engine.requests.clear()
    ran(grids, grid_id, engine)
    assert [r.steps for r in engine.requests] == [3]


def test_grids_are_their_owners_and_names_are_no_paths(grids, engine, tmp_path):
    grid_id = opened(grids, ("Steps", "2"))
    other = Grids(tmp_path / "grids", "user:eve")
    assert other.listed() == []
    for bad in (grid_id, "../" + grid_id, "", ".", "0" * 32, None):
        with pytest.raises(InvalidRequest, match="There is no grid"):
            other.plan(bad)
    with pytest.raises(InvalidRequest):
        other.delete(grid_id)
    grids.delete(grid_id)
    assert grids.listed() == []


def test_a_damaged_plan_is_listed_and_can_be_deleted(grids):
    grid_id = opened(grids, ("Steps", "2"))
    (grids.folder(grid_id) / "plan.json").write_text("{")
    (line,) = grids.listed()
    assert "damaged" in line.error
    grids.delete(grid_id)
    assert grids.listed() == []


def test_missing_is_in_the_order_of_running(grids):
    made = planned(ImageRequest("", "x"), [("Model", ""), ("Steps", "2, 3"), ("", "")], MODELS, list(MODELS))
    assert missing(made, {}) == [0, 2, 1, 3]
    assert missing(made, {2: Result(2, error="x"), 0: Result(0)}) == [2, 1, 3]
    assert missing(made, {2: Result(2, error="x"), 0: Result(0)}, retry=False) == [1, 3]


CUT = """
import asyncio, os, sys
from pathlib import Path
from playground.catalog import load_catalog
from playground.images.grid.cells import Result
from playground.images.grid.kept import Grids
from playground.images.grid.running import run
from playground.protocol import CancelToken
from tests.scripted import ScriptedEngine, picture

async def main():
    engine = ScriptedEngine(load_catalog())
    engine.plays["starter-sd"] = picture(steps=2, every=0.001)
    async for update in run(Grids(Path(sys.argv[1]), "user:ana"), sys.argv[2], engine, CancelToken(), owner="user:ana"):
        if isinstance(update, Result) and update.index == 1:
            os._exit(9)

asyncio.run(main())
"""


def test_a_process_that_died_is_gone_on_from_by_the_next(grids, engine, tmp_path):
    grid_id = opened(grids, ("Steps", "2-5"), seed=3)
    ended = subprocess.run([sys.executable, "-c", CUT, str(tmp_path / "grids"), grid_id], check=False)
    assert ended.returncode == 9
    assert set(grids.results(grid_id)) == {0, 1}
    ran(Grids(tmp_path / "grids", OWNER), grid_id, engine)
    assert [r.steps for r in engine.requests] == [4, 5]
    assert set(grids.results(grid_id)) == {0, 1, 2, 3}


def test_the_shipped_model_makes_the_picture_that_it_makes_alone(grids, tmp_path):
    from playground.engine import open_engine
    from playground.protocol import Image
    from playground.scores.clip import ClipScorer
    from playground.scores.measure import CLIP
    from playground.settings import Settings

    settings = Settings(data_dir=tmp_path / "data", offline=True)
    engine = open_engine(settings, load_catalog())
    try:
        grid_id = opened(
            grids, ("Sampler", "Euler, DDIM"), ("Eta", "0, 1"), seed=7, steps=2, chosen=["starter-sd-small"]
        )
        ran(grids, grid_id, engine, score=lambda png, prompt: ClipScorer(CLIP).score([png], [prompt])[0])
        kept = grids.results(grid_id)
        assert kept[0].error == "Euler takes no eta, got 0."
        assert kept[3].clip_score is not None
        assert kept[3].clip_score >= 0
        assert kept[3].seconds > 0
        assert kept[3].parameters["dtype"]
        record = read_metadata(grids.picture(grid_id, 3).read_bytes())
        assert (record["sampler"], record["eta"], record["seed"], record["steps"]) == ("DDIM", 1.0, 7, 2)

        async def alone() -> bytes:
            request = ImageRequest(
                "starter-sd-small", "a red circle", steps=2, seed=7, sampler="DDIM", eta=1.0, preview_every=0
            )
            async for event in engine.submit(request, CancelToken()):
                if isinstance(event, Image):
                    return event.png
            raise AssertionError("no picture")

        from playground.images.pictures import rgb_picture

        again = rgb_picture(asyncio.run(alone()))
        assert again.tobytes() == rgb_picture(grids.picture(grid_id, 3).read_bytes()).tobytes()
    finally:
        engine.close()
