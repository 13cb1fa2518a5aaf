"""Shared by all tests: nothing may reach a model hub, and the browser tests need a Chromium on this machine."""

from __future__ import annotations

import os
import shutil
import tempfile

# Workers side by side share the cores: with a thread for every core in each, they keep each other waiting.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

import playground  # noqa: F401  first: it keeps ONNX Runtime from reporting home

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# What the person at this machine keeps in ~/.playground is not for tests to read or write.
os.environ["PLAYGROUND_DATA_DIR"] = tempfile.mkdtemp(prefix="playground-tests-")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

# The one thing that cannot be installed by pip. `.ci/run` installs it, so nothing is left out there.
collect_ignore = [] if CHROMIUM else ["browser"]


def pytest_report_header() -> str:
    return f"browser tests with {CHROMIUM}" if CHROMIUM else "no chromium found: tests/browser is left out"
