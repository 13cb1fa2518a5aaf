"""The dtype of a CPU is measured once, and the choice outlives a restart."""

import json

import pytest
import torch

from playground.models import devices, timing
from playground.settings import Settings


def rigged(monkeypatch, half, whole):
    monkeypatch.setattr(devices, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(timing, "time_cpu", lambda kind: timing.Timing(half, whole))


@pytest.mark.parametrize(
    ("half", "whole", "dtype"), [(1.0, 2.0, "bfloat16"), (1.0, 1.05, "float32"), (2.0, 1.0, "float32")]
)
def test_sixteen_bit_has_to_win_clearly(monkeypatch, tmp_path, half, whole, dtype):
    rigged(monkeypatch, half, whole)
    assert devices.pick_dtype("cpu", Settings(data_dir=tmp_path), "chat") == dtype


def test_a_restart_keeps_the_choice_although_the_timing_changed(monkeypatch, tmp_path):
    settings = Settings(data_dir=tmp_path)
    rigged(monkeypatch, 1.0, 2.0)
    first = devices.pick_dtype("cpu", settings, "image")
    rigged(monkeypatch, 2.0, 1.0)
    assert first == devices.pick_dtype("cpu", settings, "image") == "bfloat16"
    assert devices.pick_dtype("cpu", settings, "chat") == "float32"  # another kind has a choice of its own


def test_another_processor_is_measured_anew(monkeypatch, tmp_path):
    rigged(monkeypatch, 1.0, 2.0)
    assert timing.chosen_dtype("chat", tmp_path) == "bfloat16"
    monkeypatch.setattr(timing, "processor", lambda: "another one")
    rigged(monkeypatch, 2.0, 1.0)
    assert timing.chosen_dtype("chat", tmp_path) == "float32"
    assert len(json.loads((tmp_path / timing.KEPT_IN).read_text())) == 2


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"a": 1}', '{"a": {"dtype": "int3"}}'])
def test_a_broken_file_is_measured_anew(monkeypatch, tmp_path, content):
    (tmp_path / timing.KEPT_IN).write_text(content)
    rigged(monkeypatch, 1.0, 2.0)
    assert timing.chosen_dtype("chat", tmp_path) == "bfloat16"
    assert "bfloat16" in (tmp_path / timing.KEPT_IN).read_text()


@pytest.mark.parametrize("kind", ["chat", "image"])
def test_timing_measures_and_leaves_the_thread_count_alone(kind):
    timing.time_cpu.cache_clear()
    before = torch.get_num_threads()
    measured = timing.time_cpu(kind)
    assert measured.bfloat16_s > 0
    assert measured.float32_s > 0
    assert timing.time_cpu(kind) is measured
    assert torch.get_num_threads() == before
