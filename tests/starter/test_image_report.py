"""Figures, the judging of pictures against prompts, and the report that gathers them."""

import json
from dataclasses import replace

import pytest
import torch

from playground.starter.captions import plain_caption
from playground.starter.figures import Figure, average, share, table
from playground.starter.probes import PROBES, all_hold, judge, scenes_of
from playground.starter.quality import read_quality
from playground.starter.render import render
from playground.starter.report import MODELS, sparkline, write_report
from playground.starter.scenes import scene_is_held_out


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.what)
def test_true_pictures_pass_their_probe_and_those_of_other_prompts_do_not(probe):
    scenes = scenes_of(probe, 12)
    assert all(scene_is_held_out(scene) for scene in scenes)
    pictures = torch.stack([render(scene) for scene in scenes])
    prompts = [plain_caption(scene) for scene in scenes]
    right = [all_hold(one, probe.facts) for one in judge(pictures, prompts)]
    assert sum(right) >= 11
    asked = judge(pictures, prompts)
    assert all(getattr(one, fact) is not None for one in asked for fact in probe.facts[:1])
    wrong = judge(pictures.roll(1, 0), prompts)
    assert sum(all_hold(one, probe.facts) for one in wrong) < sum(right)


def test_a_prompt_that_asks_for_nothing_is_refused():
    with pytest.raises(ValueError, match="qqq"):
        judge(torch.zeros(1, 3, 128, 128), ["qqq"])


def test_a_figure_reaches_its_bar_by_the_point_estimate():
    reached, missed = (share("m", "w", [True] * 92 + [False] * 8, bar) for bar in (92, 93))
    assert reached.passed
    assert missed.passed is False
    assert reached.low < 92 < reached.high
    assert share("m", "w", [True]).passed is None
    assert average("m", "w", [33.0, 35.0], "dB", 34.0).value == 34.0
    with pytest.raises(ValueError, match="n at least 1"):
        share("m", "w", [])


def test_the_table_says_which_bars_are_missed():
    one = Figure("starter-sd", "a thing", 50.0, 10, 20.0, 80.0, bar=60)
    lines = table([one, replace(one, bar=40), replace(one, bar=None, low=None)])
    assert [line.rsplit("|", 2)[1].strip() for line in lines[2:]] == ["missed", "reached", ""]


def test_a_sparkline_shows_the_fall():
    drawn = sparkline([float(value) for value in range(200, 0, -1)], 50)
    assert len(drawn) == 50
    assert drawn[0] == "█"
    assert drawn[-1] == "▁"
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"


def test_the_report_gathers_what_the_models_say(tmp_path):
    quality = {"bytes": 1_000_000, "date": "2026-01-01", "seconds": 3.0, "torch": "2", "threads": 1, "machine": "x"}
    training = {
        "parameters": {"all": 12},
        "stages": {"one": {"steps": 10, "seconds": 60.0, "loss": 0.1, "curve": [[5, 1.0], [10, 0.1]]}},
    }
    for at, name in enumerate(MODELS):
        (tmp_path / name).mkdir()
        figure = share(name, "a thing", [True] * (10 - at), 50).record()
        (tmp_path / name / "quality.json").write_text(json.dumps(quality | {"figures": [figure]}))
        (tmp_path / name / "training.json").write_text(json.dumps(training))
    figures = write_report(tmp_path, 60.0)
    assert [figure.model for figure in figures] == list(MODELS)
    assert read_quality(tmp_path / MODELS[1])[1][0].n == 9
    text = (tmp_path / "REPORT.md").read_text()
    assert "5 of 5 bars are reached" in text
    assert "loss 1.000 to 0.100" in text
    assert set(json.loads((tmp_path / "REPORT.json").read_text())) == set(MODELS)
