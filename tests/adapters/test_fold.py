"""The fold and the API of LoRAs: what they offer for the chosen models, what they ask for, and adding a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.models.adapter_shelf import FOLDER, open_shelf
from playground.protocol import AdapterUse
from playground.settings import Settings
from playground.store import Store
from playground.ui.context import AppContext
from playground.ui.image_adapters import _added, _shown, list_html, text_of_uses, uses_of
from playground.ui.image_recall import filled
from playground.ui.page import build, launch_kwargs
from tests.adapters.making import save_inversion, save_xl_lora
from tests.scripted import ScriptedEngine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("data")
    (folder / FOLDER).mkdir()
    save_inversion(folder / FOLDER / "blob.safetensors", vectors=2)
    save_xl_lora(folder / FOLDER / "<xl>.safetensors")
    (folder / FOLDER / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    return Settings(data_dir=folder, port=free_port())


def test_the_list_says_what_fits_and_why_the_rest_does_not(settings):
    shelf = open_shelf(settings)
    html = list_html(shelf.entries(), [load_catalog()["starter-sd"]], shelf, private=True)
    fits, rest = html.split("<details", 1)
    assert "<b>blob</b> <span>embedding for own base, 128 wide, 2 vectors" in fits
    assert "3 cannot be used" not in rest
    assert "2 cannot be used with the chosen models" in rest
    assert "old.pt is a pickle" in rest
    assert "&lt;xl&gt;" in rest
    assert "Starter SD has one." in rest


def test_an_empty_list_says_where_files_go(tmp_path):
    shelf = open_shelf(Settings(data_dir=tmp_path))
    assert f"into {tmp_path / FOLDER}" in list_html([], [], shelf, private=True)
    assert str(tmp_path) not in list_html([], [], shelf, private=False)


def test_adding_moving_and_showing():
    chosen, cleared, said = _added("[]", "ink")
    assert (uses_of(chosen), cleared, said) == ((AdapterUse("ink"),), None, "")
    assert isinstance(_added(chosen, "ink")[0], dict)  # chosen already: nothing changes
    full = text_of_uses([AdapterUse(str(n)) for n in range(6)])
    assert "6 LoRAs are chosen" in _added(full, "ink")[2]
    updates = _shown(text_of_uses([AdapterUse("ink", 3.0, 0.5)]), False)
    assert updates[0]["visible"]
    assert (updates[1]["value"], updates[1]["maximum"]) == (3.0, 3.0)
    assert updates[2]["visible"]  # two weights that differ are shown apart
    assert not updates[3]["visible"]


@pytest.mark.parametrize("value", [None, 3, "{", "[3]", '[{"name": "a", "unet": NaN}]', "x" * 5000, "[" * 3000])
def test_what_is_no_list_is_refused(value):
    with pytest.raises(InvalidRequest):
        uses_of(value)
    assert not _shown(value if isinstance(value, str) else "", False)[0]["visible"]


def test_a_picture_brings_its_loras_back_and_one_without_takes_them_out():
    row = {"name": "ink", "kind": "lora", "unet": 0.5, "text_encoder": 1.0, "source": "list"}
    found, _ = filled({"prompt": "a", "adapters": [row, row | {"source": "prompt", "name": "b"}]}, load_catalog(), [])
    assert uses_of(found["adapters"]) == (AdapterUse("ink", 0.5, 1.0),)
    assert filled({"prompt": "a"}, load_catalog(), [])[0]["adapters"] == "[]"


# --- the API ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(settings: Settings) -> Iterator[tuple[Client, ScriptedEngine]]:
    catalog = load_catalog()
    engine = ScriptedEngine(catalog)
    context = AppContext(settings, catalog, engine, cache(lambda: Store(settings.store_url)))
    page = build(context)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1", server_port=settings.port, prevent_thread_lock=True, quiet=True,
        **launch_kwargs(context),
    )  # fmt: skip
    yield Client(f"http://127.0.0.1:{settings.port}", verbose=False), engine
    page.close()


def test_the_api_lists_adds_and_uses(app, tmp_path: Path) -> None:
    client, engine = app
    rows = {row["name"]: row for row in client.predict(["starter-sd"], api_name="/adapters")}
    assert (rows["blob"]["kind"], rows["blob"]["vectors"], rows["blob"]["misfits"]) == (
        "embedding",
        2,
        {"starter-sd": ""},
    )
    assert rows["<xl>"]["misfits"]["starter-sd"].startswith("it changes a second text encoder")
    assert "is a pickle" in rows["old"]["reason"]
    added = client.predict(handle_file(str(save_xl_lora(tmp_path / "more xl.safetensors"))), api_name="/add_adapter")
    assert (added["name"], added["family"], added["rank"]) == ("more xl", "SDXL", 4)
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(AppError, match=r"bad.safetensors is not a whole safetensors file"):
        client.predict(handle_file(str(tmp_path / "bad.safetensors")), api_name="/add_adapter")
    client.predict("a star", adapters=["ink:0.5", {"name": "b", "unet": 1}], api_name="/text_to_image")
    assert engine.requests[-1].adapters == (AdapterUse("ink", 0.5, 0.5), AdapterUse("b"))
    with pytest.raises(AppError, match="must be -10 to 10, got 50"):
        client.predict("a star", adapters=["ink:50"], api_name="/text_to_image")
    assert json.loads(text_of_uses(engine.requests[-1].adapters))[0]["unet"] == 0.5
