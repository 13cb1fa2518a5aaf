"""The gallery's API through gradio_client, on the page with a scripted engine whose pictures carry their settings."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image as Pictures

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.images.metadata import write_png
from playground.protocol import Image, ImageRequest, Request
from playground.settings import Settings
from playground.store import Store
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import Script, ScriptedEngine, picture


def telling(request: Request) -> Script:
    assert isinstance(request, ImageRequest)
    return [(wait, _told(request, e) if isinstance(e, Image) else e) for wait, e in picture(2, 0.0)(request)]


def _told(request: ImageRequest, made: Image) -> Image:
    record = {"model": request.model, "prompt": request.prompt, "seed": made.seed, "steps": 2, "sampler": "Euler"}
    return replace(made, png=write_png(Pictures.open(io.BytesIO(made.png)), made.parameters, record))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    catalog = load_catalog()
    engine = ScriptedEngine(catalog, {"starter-sd": telling, "starter-sd-small": telling})
    store = cache(lambda: Store(settings.store_url))
    context = AppContext(settings, catalog, engine, store)
    page = build(context)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1", server_port=settings.port, prevent_thread_lock=True, quiet=True,
        **launch_kwargs(context),
    )  # fmt: skip
    yield f"http://127.0.0.1:{settings.port}"
    page.close()


@pytest.fixture
def client(url: str, tmp_path: Path) -> Client:
    return Client(url, verbose=False, download_files=str(tmp_path))


def paint(client: Client, prompt: str, seed: int = 7) -> str:
    gallery, _ = client.predict(prompt, seed=seed, api_name="/text_to_image")
    return str(gallery[0]["image"])


def test_search_mark_delete_and_bring_back(client: Client, url: str) -> None:
    paint(client, "a red kite", 1)
    paint(client, "a blue boat", 2)
    found = client.predict(api_name="/gallery_search")
    assert [(p["prompt"], p["seed"]) for p in found["pictures"]] == [("a blue boat", 2), ("a red kite", 1)]
    kite = found["pictures"][1]["id"]
    client.predict([kite], api_name="/gallery_favourite")
    liked = client.predict(favourites=True, api_name="/gallery_search")
    assert (liked["count"], liked["pictures"][0]["id"]) == (1, kite)
    client.predict([kite], api_name="/gallery_delete")
    assert client.predict(words="kite", api_name="/gallery_search")["count"] == 0
    client.predict([kite], restore=True, api_name="/gallery_delete")
    assert client.predict(words="kite", seed=1, limit=1, api_name="/gallery_search")["count"] == 1
    stranger = Client(url, verbose=False)
    assert stranger.predict(api_name="/gallery_search") == {"count": 0, "pictures": []}
    with pytest.raises(AppError, match="no picture"):
        stranger.predict([kite], api_name="/gallery_delete")


def test_a_zip_of_chosen_pictures(client: Client) -> None:
    paint(client, "a leaf")
    ids = [p["id"] for p in client.predict(api_name="/gallery_search")["pictures"]]
    packed = client.predict(ids, api_name="/gallery_zip")
    assert packed["missing"] == []
    with zipfile.ZipFile(packed["file"]) as archive:
        assert len(archive.namelist()) == len(ids) + 1


def test_verify_tells_progress_and_the_difference(client: Client, tmp_path: Path) -> None:
    path = paint(client, "a bridge")
    job = client.submit(handle_file(path), api_name="/verify_picture")
    found = job.result(timeout=60)
    assert (found["identical"], found["largest_difference"], found["mean_difference"]) == (True, 0, 0.0)
    assert any("step" in row for row in job.outputs())
    other = tmp_path / "plain.png"
    Pictures.new("RGB", (8, 8)).save(other)
    with pytest.raises(AppError, match="carries no settings"):
        client.predict(handle_file(other), api_name="/verify_picture")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"limit": 0}, "limit must be 1 to 500, got 0"),
        ({"limit": "many"}, "limit must be a number, got 'many'"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"since": "soon"}, "since must be a day"),
        ({"favourites": "yes"}, "favourites must be true or false"),
        ({"words": 3}, "words must be text"),
    ],
)
def test_values_that_cannot_be_are_one_sentence(client: Client, call: dict, said: str) -> None:
    with pytest.raises(AppError, match=said):
        client.predict(**call, api_name="/gallery_search")


@pytest.mark.parametrize("name", ["/gallery_delete", "/gallery_favourite", "/gallery_zip"])
def test_ids_that_are_no_ids_are_refused(client: Client, name: str) -> None:
    with pytest.raises(AppError, match=r"ids must be|no picture"):
        client.predict([], api_name=name)
    with pytest.raises(AppError, match="no picture"):
        client.predict(["../../etc/passwd"], api_name=name)


def test_a_path_that_was_not_uploaded_is_not_read(client: Client) -> None:
    with pytest.raises(AppError, match="not an uploaded file"):
        client.predict({"path": "/etc/passwd"}, api_name="/verify_picture")
