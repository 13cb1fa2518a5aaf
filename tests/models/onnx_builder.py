"""An ONNX copy of a shipped text model, made by onnxruntime-genai's own builder in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from playground.catalog import ASSETS

_kept: list[tempfile.TemporaryDirectory[str]] = []  # until the tests end


@cache
def onnx_starter(name: str = "starter-phi", precision: str = "fp32") -> Path:
    """The folder of the built model; `precision` is "fp32" or "int4"."""
    _kept.append(tempfile.TemporaryDirectory(prefix="playground-onnx-"))
    folder = Path(_kept[-1].name) / name
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
    command += ["-i", str(ASSETS / "starter" / name), "-o", str(folder), "-p", precision, "-e", "cpu"]
    command += ["-c", str(folder / "cache")]
    done = subprocess.run(
        command,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder
