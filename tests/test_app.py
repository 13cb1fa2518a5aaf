"""The program itself: its start, its refusals, and its life as a Space."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from playground.bench.process import ROOT, free_port
from tests.running import environment, running_app


def run_app(tmp_path: Path, *flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *flags],
        cwd=ROOT,
        env=environment(tmp_path, **more),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--share"], "--share opens this app to everyone who has the link, so it needs --auth USER:PASSWORD."),
        (["--port", "99999"], "The setting port cannot be '99999'"),
        (["--models", "nothing"], "There is no model 'nothing'."),
        (["--catalog", "/nowhere.toml"], "The catalog /nowhere.toml cannot be read"),
        (["--engine", "ray"], "There is no engine 'ray'."),
    ],
)
def test_a_wrong_start_ends_with_a_sentence(tmp_path: Path, flags: list[str], sentence: str) -> None:
    done = run_app(tmp_path, *flags)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_every_option_but_no_key(tmp_path: Path) -> None:
    done = run_app(tmp_path, "--help")
    assert done.returncode == 0
    assert "--share" in done.stdout
    assert "api-key" not in done.stdout


def test_it_starts_as_a_space_on_cpu_basic(tmp_path: Path) -> None:
    """Host and port from the environment, and a home that cannot be written."""
    home = tmp_path / "home"
    home.write_text("not a folder, so nothing can be written below it")
    port = free_port()
    with running_app(
        tmp_path / "log",
        port=port,
        SPACE_ID="someone/playground",
        SYSTEM="spaces",
        GRADIO_SERVER_PORT=str(port),
        HOME=str(home),
        PLAYGROUND_DATA_DIR="",
    ) as url:
        page = urllib.request.urlopen(url, timeout=30).read().decode()
        assert "Playground" in page


def test_a_login_is_asked_for_where_it_is_set(tmp_path: Path) -> None:
    with running_app(tmp_path, "--auth", "ana:a-long-password") as url:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/config", timeout=30)
        assert caught.value.code == 401


def test_the_page_is_built_without_torch(tmp_path: Path) -> None:
    """Torch, diffusers, transformers and sqlalchemy take seconds to import: they wait until the page is served."""
    code = (
        "import sys, app; from playground.settings import load_settings; from playground.catalog import load_catalog;"
        "from playground.engine import open_engine; from playground.ui.context import AppContext;"
        "from playground.ui.page import build; s = load_settings([]); c = load_catalog();"
        "build(AppContext(s, c, open_engine(s, c), lambda: None));"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'sqlalchemy', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_share_asks_for_a_link_and_visitors_for_the_login(tmp_path: Path) -> None:
    """The share server is one that nobody listens at, so that no test opens a link to this machine."""
    flags = ["--share", "--auth", "ana:a-long-password"]
    with running_app(tmp_path, *flags, GRADIO_SHARE_SERVER_ADDRESS="127.0.0.1:1") as url:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/config", timeout=30)
        assert caught.value.code == 401
        deadline = time.monotonic() + 60
        while "share link" not in (log := (tmp_path / "app.log").read_text()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "share link" in log
