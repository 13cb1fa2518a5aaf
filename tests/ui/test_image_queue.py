"""Jobs of an owner run in order whether or not a page looks; live drawing never lets stale runs build up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache

import pytest

from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.gallery.kept import Pictures, Search
from playground.protocol import ImageRequest, Step
from playground.settings import Settings
from playground.store import Store
from playground.ui import image_live
from playground.ui.context import AppContext
from playground.ui.image_live import Live, short_steps
from playground.ui.image_progress import Progress, Speeds
from playground.ui.image_queue import MOST_WAITING, Line, Lines, job_of, title_html, waiting_html
from tests.scripted import ScriptedEngine, picture

OWNER = "browser:" + "0" * 32
ASK = ImageRequest("", "a red circle", seed=5, owner=OWNER)
BOTH = ("starter-sd", "starter-sd-small")


@pytest.fixture
def context(tmp_path):
    catalog = load_catalog()
    settings = Settings(data_dir=tmp_path)
    return AppContext(settings, catalog, ScriptedEngine(catalog), cache(lambda: Store(settings.store_url)))


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 50))


async def idle(line: Line, live: Live | None = None) -> None:
    while line.busy or (live is not None and live.busy):
        await line.changed(line.version)


async def until(line: Line, check: Callable[[], object]) -> None:
    while not check():
        await line.changed(line.version)


def prompts(context: AppContext) -> list[str]:
    return [r.prompt for r in context.engine.requests if isinstance(r, ImageRequest)]


def kept(context: AppContext) -> int:
    return Pictures(context.store()).count(OWNER, Search())


def test_jobs_go_on_in_order_and_all_their_pictures_are_kept(context):
    async def work():
        line = Lines(context).of(OWNER)
        for name in ("one", "two", "three"):
            line.add(job_of(replace(ASK, prompt=name), BOTH))
        assert [job.wanted.prompt for job in line.waiting] == ["one", "two", "three"]
        await idle(line)
        assert prompts(context) == ["one", "one", "two", "two", "three", "three"]
        assert len(line.pictures) == 6
        assert line.ended.count == 3

    run(work)
    assert kept(context) == 6


def test_a_waiting_job_can_be_taken_away_and_the_running_one_stopped(context):
    context.engine.plays["starter-sd"] = picture(steps=300, every=0.02)

    async def work():
        line = Lines(context).of(OWNER)
        jobs = [job_of(replace(ASK, prompt=name), ("starter-sd",)) for name in ("one", "two", "three")]
        for job in jobs:
            line.add(job)
        await until(line, lambda: "Step" in line.status)
        assert line.cancel(jobs[1].id)
        assert not line.cancel(jobs[1].id)
        line.stop()
        await until(line, lambda: line.running is jobs[2])
        line.clear()
        line.stop()
        await idle(line)
        assert "Stopped" in line.status

    run(work)
    assert prompts(context) == ["one", "three"]
    assert kept(context) == 0


def test_skip_goes_on_with_the_next_model_and_keeps_what_is_finished(context):
    context.engine.plays["starter-sd-small"] = picture(steps=300, every=0.02)

    async def work():
        line = Lines(context).of(OWNER)
        line.add(job_of(ASK, ("starter-sd", "starter-sd-small", "starter-sd")))
        await until(line, lambda: "model 2 of 3" in line.status and "Step" in line.status)
        line.skip()
        await idle(line)
        assert [p.model for p in line.pictures] == ["starter-sd", "starter-sd"]
        assert "skipped" in line.status

    run(work)


def test_owners_have_lines_of_their_own_and_a_line_has_an_end(context):
    context.engine.plays["starter-sd"] = picture(steps=300, every=0.02)

    async def work():
        lines = Lines(context)
        line, other = lines.of(OWNER), lines.of("browser:" + "1" * 32)
        line.add(job_of(ASK, ("starter-sd",)))
        await until(line, lambda: line.running)
        for _ in range(MOST_WAITING):
            line.add(job_of(ASK, ("starter-sd",)))
        with pytest.raises(InvalidRequest, match="20 jobs wait"):
            line.add(job_of(ASK, ("starter-sd",)))
        assert not other.busy
        line.clear()
        line.stop()
        await idle(line)

    run(work)


def test_a_job_whose_model_is_gone_says_so_and_the_next_one_runs(context):
    async def work():
        line = Lines(context).of(OWNER)
        line.add(job_of(ASK, ("no-such-model",)))
        line.add(job_of(ASK, ("starter-sd",)))
        await idle(line)
        assert "no-such-model" in line.status
        assert len(line.pictures) == 1

    run(work)


def test_the_list_and_the_title_hold_no_markup_from_outside(context):
    line = Line(context, Speeds())
    line.waiting = [job_of(replace(ASK, prompt='<b onclick="x">', batch_size=2), BOTH), job_of(ASK, BOTH)]
    shown = waiting_html(line, {"starter-sd": "Starter SD"})
    assert "<b onclick" not in shown
    assert "2 jobs waiting" in shown
    assert "Starter SD, starter-sd-small, 2 each" in shown
    assert 'data-act="clear"' in shown
    assert 'data-percent=""' in title_html(line)


# --- progress ---


def test_progress_counts_all_models_at_the_pace_known_of_each():
    speeds = Speeds()
    speeds.learn("b", 2.0)
    progress = Progress([10, 20], ["a", "b"], speeds)
    progress.begin()
    # 20 calls for 10 steps: the next model takes 40 calls, at its own 2 s.
    assert progress.take(Step(5, 20, 15.0)) == "Step 5 of 20, 1.0 s a step, 95 s left in all"
    assert progress.fraction == pytest.approx(5 / 60)
    progress.begin()
    assert progress.fraction == pytest.approx(20 / 60)
    assert progress.take(Step(10, 40, 15.0)) == "Step 10 of 40, 0.50 s a step, 15 s left in all"
    assert progress.fraction == pytest.approx(30 / 60)
    assert speeds.known == {"a": 1.0, "b": 0.5}


def test_progress_says_no_figure_that_it_does_not_know():
    progress = Progress([4], ["a"], Speeds())
    progress.begin()
    assert progress.take(Step(1, 4)) == "Step 1 of 4"
    assert progress.take(Step(4, 4, 0.0)) == "Step 4 of 4"


# --- live ---


class Counting(ScriptedEngine):
    """Knows how many runs were alive at a time."""

    most = 0

    async def submit(self, request, cancel):
        stream = super().submit(request, cancel)
        try:
            async for event in stream:
                self.most = max(self.most, self.busy)
                yield event
        finally:
            await stream.aclose()


def test_twenty_fast_moves_lead_to_exactly_one_full_run(context, monkeypatch):
    monkeypatch.setattr(image_live, "REST_S", 0.4)
    engine = Counting(context.catalog)
    engine.plays["starter-sd"] = picture(steps=6, every=0.03)
    context = replace(context, engine=engine)

    async def work():
        line = Lines(context).of(OWNER)
        live = Live(context, line)
        for move in range(20):
            live.moved(replace(ASK, steps=20, guidance_scale=1.0 + move), ("starter-sd",))
            await asyncio.sleep(0.04)
        await idle(line, live)
        assert live.html == ""

    run(work)
    full = [r for r in engine.requests if r.steps == 20]
    short = [r for r in engine.requests if r.steps == 5]
    assert [r.guidance_scale for r in full] == [20.0]
    assert short[-1].guidance_scale == 20.0
    assert len(short) <= 20
    assert engine.most <= 2
    assert kept(context) == 1  # the full run's alone


def test_a_move_ends_the_full_run_and_off_ends_the_short_one(context, monkeypatch):
    monkeypatch.setattr(image_live, "REST_S", 0.1)
    context.engine.plays["starter-sd"] = picture(steps=10, every=0.05)

    async def work():
        line = Lines(context).of(OWNER)
        live = Live(context, line)
        live.moved(replace(ASK, steps=40), ("starter-sd",))
        await until(line, lambda: line.running)
        live.moved(replace(ASK, steps=44), ("starter-sd",))
        await until(line, lambda: line.running is None and "Live" in live.html)
        assert "Stopped" not in line.status
        live.off()
        await idle(line, live)
        live.asked_already(ASK, BOTH)
        live.moved(ASK, BOTH)  # what Generate runs is no move
        assert not live.busy

    run(work)
    assert [r.steps for r in context.engine.requests] == [10, 40, 11]
    assert kept(context) == 0


@pytest.mark.parametrize(("steps", "short"), [(1, 1), (4, 4), (8, 4), (20, 5), (50, 12)])
def test_a_short_run_takes_a_quarter_of_the_steps_but_at_least_four(steps, short):
    assert short_steps(steps) == short
