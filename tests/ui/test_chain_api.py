"""The API of chains and of the second pass through gradio_client, on the page with a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image as Pictures

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.images.chain.document import dump, parse
from playground.images.chain.items import chain_in
from playground.images.chain.kept import EXAMPLES
from playground.protocol import Failed, ImageRequest
from playground.settings import Settings
from playground.store import Store
from playground.ui.chain_form import line_of
from playground.ui.chain_run import Following
from playground.ui.chain_view import rows_html, status_html
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import ScriptedEngine, picture

CATALOG = load_catalog()
ENGINE = ScriptedEngine(CATALOG, {"starter-sd": picture(2, 0.0), "starter-sd-small": picture(2, 0.0)})
TWO = {"chain": 1, "steps": [{"do": "upscale", "factor": 2.0}, {"do": "save", "format": "webp"}]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    store = cache(lambda: Store(settings.store_url))
    context = AppContext(settings, CATALOG, ENGINE, store)
    page = build(context)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1", server_port=settings.port, prevent_thread_lock=True, quiet=True,
        **launch_kwargs(context),
    )  # fmt: skip
    yield Client(f"http://127.0.0.1:{settings.port}", verbose=False)
    page.close()


@pytest.fixture
def dot(tmp_path):
    path = tmp_path / "dot.png"
    Pictures.new("RGB", (10, 6), "red").save(path)
    return handle_file(path)


def test_a_chain_runs_over_pictures_and_its_files_carry_it(client, dot, tmp_path):
    gallery, state = client.predict(TWO, [dot], api_name="/run_chain")
    assert [(row["step"], row["name"], row["width"]) for row in state["rows"]] == [
        (1, "dot.png", 20),
        (2, "dot.png", 20),
    ]
    assert (state["state"], state["through"], state["failures"]) == ("ended", 1, [])
    assert [row["in_gallery"] for row in state["rows"]] == [False, True]
    last = gallery[-1]["image"]
    path = Path(last if isinstance(last, str) else last["path"])
    data = path.read_bytes()
    assert data[:4] == b"RIFF"
    assert dump(chain_in(data)) == state["chain"]
    checked = client.predict(None, None, handle_file(path),
                             api_name="/check_chain")  # fmt: skip
    assert checked == {"chain": state["chain"], "error": ""}


def test_a_failed_step_is_told_and_a_chain_that_cannot_run_is_an_error(client, dot):
    ENGINE.plays["starter-sd"] = lambda request: [(0.0, Failed("No.", "Wait."))]
    _, state = client.predict("Make a picture over", [dot], api_name="/run_chain")
    ENGINE.plays["starter-sd"] = picture(2, 0.0)
    assert state["failures"] == [
        {"step": 1, "do": "image_to_image", "picture": 0, "name": "dot.png", "error": "No. Wait."}
    ]
    with pytest.raises(AppError, match="begins with a picture, and there is none"):
        client.predict(TWO, None, api_name="/run_chain")
    with pytest.raises(AppError, match="not an uploaded file"):
        client.predict(TWO, [{"path": "/etc/passwd"}], api_name="/run_chain")
    wrong = client.predict({"chain": 1, "steps": [{"do": "crop", "ratio": "5:5"}]}, api_name="/check_chain")
    assert wrong["chain"] is None
    assert wrong["error"].startswith("Step 1 (crop): ratio must be one of")


def test_chains_are_kept_renamed_and_deleted(client):
    found = client.predict("put", "Mine", TWO, api_name="/chains")
    assert found["names"] == ["Mine"]
    assert found["examples"] == [one.name for one in EXAMPLES]
    assert client.predict("rename", "Mine", None, "Ours", api_name="/chains")["names"] == ["Ours"]
    got = client.predict("get", "Ours", api_name="/chains")["chain"]
    assert parse(got) == parse(TWO)
    assert client.predict("delete", "Ours", api_name="/chains")["names"] == []
    for action, name in (("get", "Ours"), ("burn", "x")):
        with pytest.raises(AppError, match=r"There is no chain|action must be"):
            client.predict(action, name, api_name="/chains")


def test_text_to_image_takes_the_second_pass_and_tiling(client):
    ENGINE.requests.clear()
    client.predict(
        prompt="a kite", models=["starter-sd-small"], hires_scale=1.5, hires_method="lanczos", hires_steps=3,
        hires_strength=0.4, hires_sampler="DDIM", tiling=True, vae_tiling=True, api_name="/text_to_image",
    )  # fmt: skip
    (asked,) = (r for r in ENGINE.requests if isinstance(r, ImageRequest))
    assert (asked.hires_scale, asked.hires_method, asked.hires_steps, asked.hires_sampler) == (
        1.5,
        "lanczos",
        3,
        "DDIM",
    )
    assert (asked.hires_strength, asked.tiling, asked.vae_tiling) == (0.4, True, True)


def test_what_the_page_shows_of_a_chain_is_escaped():
    chain = parse({"chain": 1, "steps": [{"do": "generate", "prompt": "<b>x"}, {"do": "save"}]})
    state = Following(chain, failed=Failed("<i>", "<u>"))
    assert "<i>" not in status_html(state)
    assert rows_html(Following(chain)) == ""
    lines = [line_of(number, step) for number, step in enumerate(dump(chain)["steps"], 1)]
    assert lines == ["1 · Generate: “<b>x”", "2 · Save: PNG"]
