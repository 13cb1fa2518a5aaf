"""The API of grids through gradio_client, on the page with a scripted engine."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.protocol import Failed, ImageRequest, Request
from playground.settings import Settings
from playground.store import Store
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import Script, ScriptedEngine, picture

SLOW = {"nine": False}  # whether nine steps take a minute


def play(request: Request) -> Script:
    assert isinstance(request, ImageRequest)
    if request.steps == 4:
        return [(0.0, Failed("Four is out today.", "Take three.", "InvalidRequest"))]
    slow = SLOW["nine"] and request.steps == 9
    return picture(1200, 0.05)(request) if slow else picture(2, 0.001)(request)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    catalog = load_catalog()
    engine = ScriptedEngine(catalog, {"starter-sd": play, "starter-sd-small": play})
    context = AppContext(settings, catalog, engine, cache(lambda: Store(settings.store_url)))
    page = build(context)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1", server_port=settings.port, prevent_thread_lock=True, quiet=True,
        **launch_kwargs(context),
    )  # fmt: skip
    yield f"http://127.0.0.1:{settings.port}"
    page.close()


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def grid(client: Client, **values) -> dict:
    return client.predict("a red circle", clip_score=False, **{"seed": 3} | values, api_name="/image_grid")


def test_a_list_is_read_and_what_cannot_be_is_told(client: Client) -> None:
    found = client.predict("Guidance", "1-7 (+3)", api_name="/grid_values")
    assert (found["values"], found["labels"], found["count"]) == ([1, 4, 7], ["1", "4", "7"], 3)
    assert client.predict(api_name="/grid_values")["values"] == [4, 8, 12, 16, 20]
    assert "DPM++ 2M" in client.predict("Sampler", api_name="/grid_values")["all"]
    with pytest.raises(AppError, match="'x' is not a number"):
        client.predict("Steps", "1, x", api_name="/grid_values")
    for bad in (7, None, ["1"]):
        with pytest.raises(AppError, match="no axis"):
            client.predict(bad, api_name="/grid_values")


def test_a_grid_streams_its_cells_and_ends_with_all(client: Client) -> None:
    job = client.submit(
        "a red circle", ["starter-sd", "starter-sd-small"], "Steps", "2, 3, 4", seed=3, clip_score=False,
        api_name="/image_grid",
    )  # fmt: skip
    last = job.result(timeout=120)
    assert (last["state"], last["total"], last["done"], last["failed"], last["left"]) == ("ended", 6, 4, 2, 2)
    streamed = [row["cell"] for output in job.outputs()[:-1] for row in output["cells"]]
    assert len(streamed) == len(set(streamed))
    rows = last["cells"]
    assert [(row["x"], row["y"]) for row in rows][:4] == [
        ("2", "Starter SD"), ("3", "Starter SD"), ("4", "Starter SD"), ("2", "Starter SD small"),
    ]  # fmt: skip
    assert Image.open(rows[0]["image"]).size == (128, 128)
    assert (rows[2]["state"], rows[2]["error"], rows[2]["image"]) == ("failed", "Four is out today. Take three.", None)
    assert rows[0]["clip_score"] is None
    assert {row["parameters"]["seed"] for row in rows} == {3}


def test_files_comparison_list_and_delete(client: Client, url: str, tmp_path: Path) -> None:
    grid_id = grid(client, x_values="2, 3")["grid"]
    files = {
        form: client.predict(grid_id, form, api_name="/image_grid_file") for form in ("png", "html", "csv", "json")
    }
    paths = {form: Path(file if isinstance(file, str) else file["path"]) for form, file in files.items()}
    assert Image.open(paths["png"]).width > 256
    assert "a red circle" in paths["html"].read_text()
    assert len(list(csv.DictReader(paths["csv"].open()))) == 2
    assert len(json.loads(paths["json"].read_text())["cells"]) == 2
    found = client.predict(grid_id, 1, 2, api_name="/image_grid_compare")
    assert found["settings"] == [{"name": "Steps", "first": "2", "second": "3"}]
    assert found["pixels"] == "Every pixel is the same."
    with pytest.raises(AppError, match="Cell 9 has no picture"):
        client.predict(grid_id, 1, 9, api_name="/image_grid_compare")
    assert grid_id in [row["id"] for row in client.predict(api_name="/image_grid_list")]
    other = Client(url, verbose=False, download_files=str(tmp_path))
    assert other.predict(api_name="/image_grid_list") == []
    for name in ("/image_grid_cells", "/image_grid_file", "/image_grid_delete"):
        with pytest.raises(AppError, match="no grid"):
            other.predict(grid_id, api_name=name)
    assert len(client.predict(grid_id, api_name="/image_grid_cells")) == 2
    assert client.predict(grid_id, api_name="/image_grid_delete") == grid_id
    assert grid_id not in [row["id"] for row in client.predict(api_name="/image_grid_list")]


def test_a_stopped_grid_is_resumed_with_what_is_missing(client: Client) -> None:
    SLOW["nine"] = True
    job = client.submit(
        "a red circle", ["starter-sd"], "Steps", "2, 9, 3", seed=3, clip_score=False, api_name="/image_grid"
    )
    grid_id = next(iter(job))["grid"]
    while not any(output["done"] for output in job.outputs()):
        time.sleep(0.02)
    assert client.predict(grid_id, api_name="/image_grid_stop") == 1
    stopped = job.result(timeout=60)
    assert stopped["state"] == "stopped"
    assert stopped["left"] == 2
    SLOW["nine"] = False
    last = grid(client, grid=grid_id)
    assert (last["state"], last["left"], last["total"]) == ("ended", 0, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"x_axis": "Steps", "x_values": "0"}, "X: Steps must be 1 to 150, got 0"),
        ({"x_axis": "Nonsense"}, "no axis 'Nonsense'"),
        ({"x_axis": 5}, "A text was expected, got '5'"),
        ({"x_values": 5}, "must be text"),
        ({"x_axis": ""}, "No axis is chosen"),
        ({"steps": "many", "x_axis": "Seed", "x_values": "1"}, "steps must be"),
        ({"models": ["starter-phi"]}, "not a model of kind image"),
        ({"grid": "../../etc"}, "no grid"),
    ],
)
def test_what_cannot_be_is_one_sentence(client: Client, values: dict, said: str) -> None:
    with pytest.raises(AppError, match=said):
        grid(client, **values)
