"""Options come from variables and flags, are checked once, and never show a secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PLAYGROUND_", "SPACE_", "GRADIO_SERVER")):
            monkeypatch.delenv(name)


def test_loopback_is_the_default() -> None:
    settings = load_settings([])
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)


def test_flags_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_PORT", "9000")
    monkeypatch.setenv("PLAYGROUND_MODELS", "a, b")
    assert load_settings([]).port == 9000
    assert load_settings([]).models == ("a", "b")
    assert load_settings(["--port", "9001", "--models", "c"]).port == 9001
    assert load_settings(["--models", "c"]).models == ("c",)


def test_a_space_listens_on_every_address_with_gradios_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/playground")
    assert load_settings([]).host == "0.0.0.0"
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7000")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "10.0.0.1")
    assert (load_settings([]).host, load_settings([]).port) == ("10.0.0.1", 7000)


def test_share_needs_a_password() -> None:
    with pytest.raises(PlaygroundError, match="needs --auth USER:PASSWORD"):
        load_settings(["--share"])
    assert load_settings(["--share", "--auth", "ana:secret"]).credentials() == ("ana", "secret")


@pytest.mark.parametrize("auth", ["ana", "ana:", ":secret"])
def test_half_a_login_is_refused(auth: str) -> None:
    with pytest.raises(PlaygroundError, match="USER:PASSWORD"):
        load_settings(["--share", "--auth", auth])


@pytest.mark.parametrize(
    "argv", [["--port", "99999"], ["--port", "abc"], ["--profile", "moon"], ["--memory-budget", "-1"]]
)
def test_a_wrong_value_is_named(argv: list[str]) -> None:
    with pytest.raises(PlaygroundError) as caught:
        load_settings(argv)
    assert argv[0].strip("-").replace("-", "_") in caught.value.message
    assert argv[1] in caught.value.message


def test_keys_are_no_flags_and_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_OPENAI_API_KEY", "sk-very-secret")
    settings = load_settings([])
    assert settings.api_key == "sk-very-secret"
    assert "sk-very-secret" not in repr(settings)
    with pytest.raises(SystemExit):
        load_settings(["--openai-api-key", "sk-x"])


def test_a_read_only_home_moves_the_data_to_a_writable_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "home"
    blocked.write_text("a file where the home should be")  # nobody, not even root, can write below it
    monkeypatch.setenv("HOME", str(blocked))
    folder = Settings().data_path
    assert folder.is_dir()
    assert not folder.is_relative_to(blocked)
    (folder / "x").write_text("x")


def test_a_folder_that_was_asked_for_is_never_replaced_silently(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(PlaygroundError, match="cannot be written"):
        _ = Settings(data_dir=blocked / "data").data_path


def test_the_data_folder_is_made(tmp_path: Path) -> None:
    folder = Settings(data_dir=tmp_path / "a" / "b").data_path
    assert folder.is_dir()
    assert stat.S_ISDIR(folder.stat().st_mode)
