"""Pictures and sound through the public API, on a tiny model of a catalog of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.chat import tiny_senses as tiny
from tests.running import running_app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("senses")
    folder = tiny.saved(home)
    (home / "own.toml").write_text(
        f'[[card]]\nid = "seeing"\nname = "Seeing"\nkind = "chat"\nsource = "{folder}"\nlicence = "MIT"\n'
        'capabilities = ["vision", "audio"]\n'
    )
    with running_app(tmp_path_factory.mktemp("api"), "--catalog", str(home / "own.toml")) as url:
        yield Client(url, verbose=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    (folder / "a.png").write_bytes(tiny.picture(1))
    (folder / "b.png").write_bytes(tiny.picture(2))
    (folder / "a.wav").write_bytes(tiny.sound())
    return folder


def ask(client: Client, *models: str, **values) -> list[dict]:
    return client.predict(
        "What is it?", models=list(models), temperature=0, max_new_tokens=6, seed=1, **values, api_name="/chat"
    )


def test_pictures_and_sound_reach_the_models_that_take_them(client: Client, files: Path) -> None:
    one = ask(client, "seeing", "starter-phi", images=[handle_file(files / "a.png")])
    assert one[0]["error"] == ""
    assert one[0]["stats"]["prompt_tokens"] > 500
    assert one[1]["error"] == "Starter Phi cannot see pictures. Phi-4 multimodal can."
    other = ask(client, "seeing", images=[handle_file(files / "b.png")])
    assert other[0]["text"] != one[0]["text"]
    heard = ask(client, "seeing", audio=[handle_file(files / "a.wav")])
    assert heard[0]["error"] == ""


def test_a_path_of_the_server_is_never_read(client: Client) -> None:
    for value in ({"path": "/etc/passwd"}, "/etc/passwd"):
        with pytest.raises(AppError, match="not an uploaded file"):
            ask(client, "seeing", images=[value])
    with pytest.raises(AppError, match="at most 32"):
        ask(client, "seeing", images=[{"path": "x"}] * 33)
