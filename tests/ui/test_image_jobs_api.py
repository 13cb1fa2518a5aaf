"""The line of picture jobs through gradio_client: jobs of one session, in order, each with its cancel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.settings import Settings
from playground.store import Store
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import ScriptedEngine, picture


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    catalog = load_catalog()
    slow = picture(steps=3000, every=0.05)
    engine = ScriptedEngine(catalog, {"starter-sd": lambda r: slow(r) if r.prompt == "slow" else picture(2, 0.0)(r)})
    context = AppContext(settings, catalog, engine, cache(lambda: Store(settings.store_url)))
    page = build(context)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1", server_port=settings.port, prevent_thread_lock=True, quiet=True,
        **launch_kwargs(context),
    )  # fmt: skip
    yield f"http://127.0.0.1:{settings.port}"
    page.close()


def until(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_jobs_of_a_session_wait_and_are_cancelled(url: str) -> None:
    client = Client(url, verbose=False)
    first, second, third = (
        client.predict(name, seed=3, api_name="/add_image_job") for name in ("slow", "two", "three")
    )
    until(lambda: client.predict(api_name="/image_jobs")["jobs"][0]["state"] == "running")
    jobs = client.predict(api_name="/image_jobs")["jobs"]
    assert [job["prompt"] for job in jobs] == ["slow", "two", "three"]
    assert client.predict(second["job"], api_name="/cancel_image_job") is True
    assert client.predict(second["job"], api_name="/cancel_image_job") is False
    assert client.predict(api_name="/skip_image") is True
    until(lambda: not client.predict(api_name="/image_jobs")["jobs"])
    found = client.predict(api_name="/image_jobs")
    assert found["ended"] == 2
    assert [p["seed"] for p in found["pictures"]] == [3]
    assert client.predict(api_name="/clear_image_jobs") == 0
    assert first["job"] < second["job"] < third["job"]


def test_another_session_has_a_line_of_its_own(url: str) -> None:
    client, other = Client(url, verbose=False), Client(url, verbose=False)
    job = client.predict("slow", api_name="/add_image_job")["job"]
    assert other.predict(api_name="/image_jobs")["jobs"] == []
    assert other.predict(job, api_name="/cancel_image_job") is False
    assert client.predict(job, api_name="/cancel_image_job") is True


@pytest.mark.parametrize(
    "call", [{"steps": 0}, {"batch_size": 900}, {"models": ["no-such"]}, {"models": "starter-phi"}]
)
def test_what_cannot_be_is_refused_before_it_waits(url: str, call: dict) -> None:
    client = Client(url, verbose=False)
    with pytest.raises(AppError):
        client.predict("a circle", **call, api_name="/add_image_job")
    assert client.predict(api_name="/image_jobs")["jobs"] == []
