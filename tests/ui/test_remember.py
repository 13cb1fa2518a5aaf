"""What comes back from a browser is checked, whoever sent it."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from playground.settings import Settings
from playground.ui.owner import new_browser_id, owner_of
from playground.ui.remember import KEY_FILE, Remember, between, flag, installation_secret, one_of, some_of, text


@pytest.fixture
def remember(tmp_path: Path) -> Remember:
    with gr.Blocks():
        remember = Remember(Settings(data_dir=tmp_path))
        remember.keep("steps", gr.Slider(1, 150, 20), between(1, 150))
        remember.keep("model", gr.Dropdown(["a", "b"], value="a"), one_of(["a", "b"]))
    return remember


@pytest.mark.parametrize("bad", ["nine", 0, 151, None, [], True, {"x": 1}])
def test_a_bad_value_comes_back_as_the_default(remember: Remember, bad: object) -> None:
    state, steps, model = remember._shown({"form": {"steps": bad, "model": "b"}})
    assert steps == 20
    assert model == "b"
    assert state["form"] == {"steps": 20, "model": "b"}


@pytest.mark.parametrize("junk", [None, [], "x", {"form": 3}, {"owner": "../../etc", "form": None}])
def test_junk_is_no_error(remember: Remember, junk: object) -> None:
    state, *values = remember._shown(junk)
    assert values == [20, "a"]
    assert state["owner"].startswith("browser:")


def test_the_owner_survives(remember: Remember) -> None:
    owner = new_browser_id()
    assert remember._shown({"owner": owner})[0]["owner"] == owner


def test_checks() -> None:
    assert some_of(["a"])(["a"])
    assert not some_of(["a"])([])
    assert not some_of(["a"])(["b"])
    assert between(0, 1, empty=True)(None)
    assert not flag(1)
    assert not text("x" * 9000)


def test_the_secret_is_made_once_and_only_its_user_reads_it(tmp_path: Path) -> None:
    first = installation_secret(tmp_path)
    assert len(first) == 32
    assert installation_secret(tmp_path) == first
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_login_wins_over_the_browsers_word() -> None:
    browser = new_browser_id()
    assert owner_of(SimpleNamespace(username="ana", session_hash="s"), browser) == "user:ana"  # type: ignore[arg-type]
    assert owner_of(SimpleNamespace(username=None, session_hash="s"), browser) == browser  # type: ignore[arg-type]


@pytest.mark.parametrize("forged", ["user:ana", "browser:", "browser:xyz", None, 3, ""])
def test_no_browser_can_claim_another_name(forged: object) -> None:
    assert owner_of(SimpleNamespace(username=None, session_hash="s"), forged) == "session:s"  # type: ignore[arg-type]
    assert owner_of(None, forged) == "session:none"
