from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from playground.errors import PlaygroundError
from playground.models import devices
from playground.settings import Settings

MEMINFO = "MemTotal:       8000000 kB\nMemFree:        1000000 kB\nMemAvailable:   4000000 kB\n"


@pytest.fixture
def system(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    return tmp_path


def test_ram_without_a_container_limit(system):
    assert devices.ram(system / "meminfo", system / "none") == (8_000_000 * 1024, 4_000_000 * 1024)


def test_ram_within_a_container_limit_of_version_2(system):
    (system / "memory.max").write_text("2000000000\n")
    (system / "memory.current").write_text("500000000\n")
    assert devices.ram(system / "meminfo", system) == (2_000_000_000, 1_500_000_000)


def test_ram_within_a_container_limit_of_version_1(system):
    (system / "memory").mkdir()
    (system / "memory/memory.limit_in_bytes").write_text("3000000000\n")
    (system / "memory/memory.usage_in_bytes").write_text("1000000000\n")
    assert devices.ram(system / "meminfo", system) == (3_000_000_000, 2_000_000_000)


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n"])
def test_no_limit_is_no_limit(system, limit):
    (system / "memory.max").write_text(limit)
    assert devices.ram(system / "meminfo", system)[0] == 8_000_000 * 1024


def test_ram_without_proc_comes_from_the_portable_way(tmp_path):
    total, available = devices.ram(tmp_path / "none", tmp_path)
    assert 0 < available <= total


def test_cores_respect_the_containers_quota(tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert devices._cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert devices._cpu_quota(tmp_path) is None
    assert devices.cores() >= 1


def test_unknown_and_absent_devices_are_refused():
    with pytest.raises(PlaygroundError, match="tpu"):
        devices.pick_device(Settings(device="tpu"))
    if not torch.cuda.is_available():
        with pytest.raises(PlaygroundError, match="cuda:7 is not there"):
            devices.pick_device(Settings(device="cuda:7"))
    assert devices.pick_device(Settings(device="CPU")) == "cpu"
    with pytest.raises(PlaygroundError, match="cpu has 1"):
        devices.pick_device(Settings(device="cpu:3"))


def test_the_settings_dtype_wins_and_wrong_ones_are_refused():
    assert devices.pick_dtype("cpu", Settings(dtype="float16")) == "float16"
    with pytest.raises(PlaygroundError, match="float8"):
        devices.pick_dtype("cpu", Settings(dtype="float8"))
    with pytest.raises(PlaygroundError, match="float64"):
        devices.torch_dtype("float64")
    assert devices.torch_dtype("bfloat16") is torch.bfloat16


def test_a_cpu_without_bfloat16_takes_float32(monkeypatch):
    monkeypatch.setattr(devices, "cpu_has_bfloat16", lambda: False)
    assert devices.pick_dtype("cpu", Settings(), "image") == "float32"


def test_a_worker_thread_sets_its_own_threads():
    before, seen = torch.get_num_threads(), []

    def worker() -> None:
        devices.use_threads(1)
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    assert seen == [1]
    devices.use_threads(before)
    assert torch.get_num_threads() == before


def test_small_text_models_decode_on_one_thread():
    assert devices.intraop_threads("cpu", "chat", 10_000_000) == 1
    assert devices.intraop_threads("cpu", "chat", 10_000_000_000) == devices.cores()
    assert devices.intraop_threads("cpu", "image", 10_000_000) == devices.cores()


def test_the_budget_is_the_settings_own_or_half_of_the_available_ram():
    assert devices.memory_budget("cpu", Settings(memory_budget=123)) == 123
    assert 0 < devices.memory_budget("cpu", Settings()) <= devices.ram()[0] / 2


def test_importing_the_loader_imports_no_torch():
    code = (
        "import sys, playground.models.open, playground.models.loaded, playground.doctor;"
        "print(sorted({'torch', 'transformers', 'diffusers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_machine_in_words():
    assert devices.describe("cpu").startswith("CPU, ")
    assert "torch" in devices.versions()
