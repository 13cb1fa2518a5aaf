"""Which dtype is faster on this CPU, measured once and kept: 16 bit helps some processors and slows others down."""

from __future__ import annotations

import json
import logging
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from playground.catalog import Kind
from playground.whole_files import write_whole

if TYPE_CHECKING:
    import torch

MARGIN = 1.15
KEPT_IN = "cpu_dtype.json"
log = logging.getLogger(__name__)
_writing = threading.Lock()


@dataclass(frozen=True)
class Timing:
    """Best-of-several seconds of one small workload in both dtypes; 16 bit has to win by `MARGIN`."""

    bfloat16_s: float
    float32_s: float

    @property
    def dtype(self) -> str:
        return "bfloat16" if self.bfloat16_s * MARGIN <= self.float32_s else "float32"


def chosen_dtype(kind: Kind, data_path: Path) -> str:
    """The dtype for models of `kind`: what an earlier start chose for this processor and torch, else measured now.

    It is kept in `data_path`, because the dtype changes what a seed gives: a near tie that goes one way today and the
    other tomorrow would give other pictures after a restart. Delete the file to measure anew.
    """
    import torch

    file = data_path / KEPT_IN
    machine = f"{processor()}, torch {torch.__version__}, {kind}"
    with _writing:
        kept = _read(file)
        if machine not in kept:
            timing = time_cpu(kind)
            kept[machine] = {"dtype": timing.dtype, **asdict(timing)}
            try:
                write_whole(file, f"{json.dumps(kept, indent=1)}\n".encode())
            except OSError as error:
                log.warning("the choice of dtype is not kept: %s", error)
    return str(kept[machine]["dtype"])


def _read(file: Path) -> dict[str, dict[str, str | float]]:
    """What is kept, without entries that name no dtype; a file that cannot be read counts as empty, with a warning."""
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is measured anew: %s", file, error)
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {k: v for k, v in entries if isinstance(v, dict) and v.get("dtype") in ("bfloat16", "float32")}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name with what it can do in 16 bit, as far as the system tells."""
    import torch

    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = named[0] if named else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


@cache
def time_cpu(kind: Kind) -> Timing:
    """Seconds of the work that a small model of `kind` spends its time on, in both dtypes; measured once a process.

    "chat" is the matrix-vector product of batch-1 decoding, "image" a convolution and a matrix product on a guided
    batch; both on one thread, where other work on the machine disturbs least.
    """
    import torch
    import torch.nn.functional as F

    def work(dtype: torch.dtype) -> Callable[[], torch.Tensor]:
        if kind == "image":
            x = torch.ones(2, 96, 16, 16, dtype=dtype)  # (guided batch, channels, latent height, width)
            w = torch.ones(96, 96, 3, 3, dtype=dtype)
            tokens, m = torch.ones(2 * 256, 96, dtype=dtype), torch.ones(384, 96, dtype=dtype)
            return lambda: F.conv2d(x, w, padding=1).sum() + F.linear(tokens, m).sum()
        token, m = torch.ones(1, 320, dtype=dtype), torch.ones(1280, 320, dtype=dtype)  # (1, hidden), (inner, hidden)
        back = torch.ones(320, 1280, dtype=dtype)
        return lambda: F.linear(F.linear(token, m), back)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            runs = {dtype: work(dtype) for dtype in (torch.bfloat16, torch.float32)}
            best = dict.fromkeys(runs, float("inf"))
            for run in runs.values():
                run()  # the first call chooses kernels
            deadline = time.perf_counter() + 0.02
            for turn in range(40):  # in turns, so that other work on the machine slows both
                for dtype, run in runs.items():
                    began = time.perf_counter()
                    run()
                    best[dtype] = min(best[dtype], time.perf_counter() - began)
                if turn >= 2 and time.perf_counter() > deadline:
                    break
    finally:
        torch.set_num_threads(before)
    return Timing(best[torch.bfloat16], best[torch.float32])
