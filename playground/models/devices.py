"""What this machine is: device, cores, memory, and the dtype that is fastest on it.

Memory figures come from the operating system and from container limits. Loads no model.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playground.catalog import Kind
from playground.errors import PlaygroundError
from playground.models.timing import chosen_dtype

if TYPE_CHECKING:
    import torch

    from playground.settings import Settings

DTYPES = ("bfloat16", "float16", "float32")
SMALL_MODEL = 256_000_000  # bytes; below this one intra-op thread decodes faster than several
CPU_SHARE = 0.5  # of the available RAM; the rest is for the app, activations and the system
CUDA_SHARE = 0.9  # of the free device memory; the rest is for the CUDA context and fragments


def pick_device(settings: Settings) -> str:
    """The device to run on: what the settings name, or the first of cuda, xpu, mps, cpu that is there.

    Raises:
        PlaygroundError: the named device is not there.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "xpu": hasattr(torch, "xpu") and torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    wanted = settings.device.strip().lower()
    if wanted == "auto":
        return next(name for name, ok in there.items() if ok)
    kind, _, index = wanted.partition(":")
    found = [name for name, ok in there.items() if ok]
    if kind not in there:
        raise PlaygroundError(
            f"device must be auto, cpu, cuda, cuda:1, mps or xpu, got {wanted!r}.", "Correct --device."
        )
    if not there[kind]:
        raise PlaygroundError(f"The device {wanted} is not there; found {', '.join(found)}.", "Use --device auto.")
    counts: dict[str, Callable[[], int]] = {"cuda": torch.cuda.device_count}
    count = counts.get(kind, lambda: 1)()
    if index and not (index.isdigit() and int(index) < count):
        raise PlaygroundError(
            f"The device {wanted} is not there; {kind} has {count}.", f"Use {kind}:0 to {kind}:{count - 1}."
        )
    return wanted


def pick_dtype(device: str, settings: Settings, kind: Kind = "chat") -> str:
    """The dtype for models of `kind`: the settings' own, else bfloat16 where it is fast, else float16 or float32.

    Raises:
        PlaygroundError: the settings name an unknown dtype.
    """
    import torch

    if settings.dtype != "auto":
        if settings.dtype not in DTYPES:
            raise PlaygroundError(
                f"dtype must be auto, {', '.join(DTYPES)}, got {settings.dtype!r}.", "Correct --dtype."
            )
        return settings.dtype
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
    if device.startswith("xpu"):
        return "bfloat16"
    if device == "mps":
        return "float16"
    if not cpu_has_bfloat16():
        return "float32"
    return chosen_dtype("image" if kind == "image" else "chat", settings.data_path)


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of this name.

    Raises:
        PlaygroundError: it is not one that models are loaded in.
    """
    import torch

    if name not in DTYPES:
        raise PlaygroundError(f"dtype must be one of {', '.join(DTYPES)}, got {name!r}.", "Choose one of these.")
    return getattr(torch, name)


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX512-BF16 or AMX)."""
    import torch

    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)


# --- memory and cores ----------------------------------------------------------------------------------------------


def cores() -> int:
    """Processor cores that this process may use, by affinity and by the container's quota."""
    import math

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(Path("/sys/fs/cgroup"))
    return max(1, min(allowed, math.ceil(quota)) if quota else allowed)


def _cpu_quota(root: Path) -> float | None:
    words = _words(root / "cpu.max")  # cgroup 2: "<quota|max> <period>"
    if len(words) == 2 and words[0].isdigit():
        return int(words[0]) / int(words[1])
    quota, period = _words(root / "cpu/cpu.cfs_quota_us"), _words(root / "cpu/cpu.cfs_period_us")
    if quota and period and int(quota[0]) > 0:
        return int(quota[0]) / int(period[0])
    return None


def ram(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> tuple[int, int]:
    """Total and available RAM in bytes, within the container's limit where there is one."""
    total, available = _meminfo(meminfo) or _sysconf()
    for limit_file, used_file in (
        (cgroup / "memory.max", cgroup / "memory.current"),
        (cgroup / "memory/memory.limit_in_bytes", cgroup / "memory/memory.usage_in_bytes"),
    ):
        limit, used = _words(limit_file), _words(used_file)
        if limit and limit[0].isdigit() and int(limit[0]) < total:
            total = int(limit[0])
            if used and used[0].isdigit():
                available = min(available, max(0, total - int(used[0])))
    return total, min(available, total)


def _meminfo(path: Path) -> tuple[int, int] | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None  # not Linux
    rows = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest}
    if "MemTotal" not in rows:
        return None
    return rows["MemTotal"], rows.get("MemAvailable", rows.get("MemFree", 0))


def _sysconf() -> tuple[int, int]:
    """The portable way; where free pages are not told, half of the memory counts as available."""
    page, names = os.sysconf("SC_PAGE_SIZE"), os.sysconf_names
    total = page * os.sysconf("SC_PHYS_PAGES")
    return total, page * os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in names else total // 2


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def memory_budget(device: str, settings: Settings) -> int:
    """Bytes that models may take on `device`: the settings' own figure, or a share of what is free now.

    "cuda" without a number is all cards together.
    """
    if settings.memory_budget:
        return settings.memory_budget
    if device.startswith("cuda"):
        import torch

        from playground.models.placement import cards_here

        free = sum(card.free for card in cards_here(device)) or torch.cuda.mem_get_info(device)[0]
        return int(free * CUDA_SHARE)
    if device.startswith("xpu"):
        import torch

        return int(torch.xpu.get_device_properties(device).total_memory * CUDA_SHARE)
    return int(ram()[1] * CPU_SHARE)


# --- threads -------------------------------------------------------------------------------------------------------


def intraop_threads(device: str, kind: Kind, weights: int) -> int:
    """Threads inside one operator: one for small text models, since handing out the work costs more than it saves."""
    return 1 if device == "cpu" and kind == "chat" and weights < SMALL_MODEL else cores()


def use_threads(count: int) -> None:
    """Sets the calling thread's intra-op threads. Every worker thread calls it first.

    torch keeps the number for each thread, and a new thread starts with what was set last anywhere, so a worker that
    does not call this works with another one's number.
    """
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


# --- words ---------------------------------------------------------------------------------------------------------


def device_name(device: str) -> str:
    """The device in words: "CPU", or the name that the driver gives."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(device, device.upper())


def describe(device: str) -> str:
    """One line for people: "CPU, 2 cores", or the card's name."""
    return f"CPU, {cores()} core{'s' if cores() != 1 else ''}" if device == "cpu" else device_name(device)


def versions() -> dict[str, str]:
    """Versions of the libraries that models run on; a missing one is left out."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (
        "torch",
        "transformers",
        "diffusers",
        "accelerate",
        "peft",
        "safetensors",
        "huggingface_hub",
        "torchao",
        "bitsandbytes",
        "llama_cpp_python",
        "onnxruntime-genai",
        "gradio",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
