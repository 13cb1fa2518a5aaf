"""Downloads over a bad line: every accident a hub can have, told by the bytes that it sent and by what is on disk."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from playground.errors import Cancelled, ModelUnavailable
from playground.models import flights, hub_cache, transfer
from playground.models.download import fetch_file
from playground.models.hub_files import gguf_parts
from playground.models.meter import Meter, Transfer, duration, part_of
from playground.models.transfer import Patience
from playground.protocol import CancelToken
from playground.settings import Settings
from tests.models.builders import in_thread, until
from tests.models.hub import SHA, Act, at_home, serve

FILE = "lora.safetensors"
SIZE = 300_000
BUSY = Act(503)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with one file of random bytes, an empty cache, and little patience."""
    at_home(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(transfer, "PATIENCE", Patience(tries=4, wait_s=0.01, longest_wait_s=5, silence_s=5))
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / FILE).write_bytes(random.Random(0).randbytes(SIZE))
    with serve() as server:
        server.folders["owner/name"] = folder
        yield server


def fetch(hub, *, file: str = FILE, revision: str = "main", token: str | None = None, **options) -> Path:
    settings = Settings(device="cpu", dtype="float32", hf_token=token)
    return fetch_file("owner/name", file, revision, settings, endpoint=hub.url, **options)


def refused(hub, **options) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        fetch(hub, **options)
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    return caught.value


def whole(hub, path: Path) -> bool:
    return path.read_bytes() == (hub.folders["owner/name"] / FILE).read_bytes()


def parts(tmp_path) -> list[Path]:
    return list((tmp_path / "cache/models--owner--name/blobs").glob("*.incomplete"))


# --- a line that breaks --------------------------------------------------------------------------------------------


def test_a_dropped_connection_goes_on_from_its_bytes(hub, tmp_path):
    hub.acts[FILE] = [Act(drop=100_000), Act(drop=50_000)]
    assert whole(hub, fetch(hub))
    assert hub.ranges == [(FILE, 0), (FILE, 100_000), (FILE, 150_000)]
    assert hub.sent[FILE] == SIZE
    assert parts(tmp_path) == []


@given(st.lists(st.integers(0, SIZE // 2), max_size=3), st.booleans())
@examples(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_it_breaks_each_byte_is_sent_once(hub, drops, with_ranges):
    shutil.rmtree(hub_cache.cache_folder(), ignore_errors=True)
    hub.sent.clear()
    hub.has_ranges = with_ranges
    hub.acts[FILE] = [Act(drop=n) for n in drops]
    assert whole(hub, fetch(hub))
    if with_ranges:
        assert hub.sent[FILE] == SIZE
    else:
        assert SIZE <= hub.sent[FILE] <= SIZE + sum(drops)


def test_a_server_that_falls_silent_is_asked_again(hub, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", Patience(tries=3, wait_s=0.01, silence_s=0.2))
    hub.acts[FILE] = [Act(stall=120_000)]
    assert whole(hub, fetch(hub))
    assert hub.ranges[1] == (FILE, 120_000)
    hub.folders["owner/name"].joinpath("b.safetensors").write_bytes(b"b" * 1000)
    hub.acts["b.safetensors"] = [Act(stall=0)] * 3
    error = refused(hub, file="b.safetensors")
    assert "keeps breaking off while b.safetensors is fetched (ReadTimeout)" in error.message
    assert "goes on from the bytes that are here" in error.hint


def test_large_files_are_asked_for_in_spans(hub, monkeypatch):
    monkeypatch.setattr(transfer, "SPAN", 100_000)
    assert whole(hub, fetch(hub))
    assert [start for _, start in hub.ranges] == [0, 100_000, 200_000]
    assert hub.sent[FILE] == SIZE


def test_a_stopped_download_keeps_its_bytes_and_goes_on_from_them(hub, tmp_path):
    token = CancelToken()
    hub.acts[FILE] = [Act(stall=200_000)]

    def stop(fraction, text) -> None:
        if fraction > 0.5:
            token.cancel()

    with pytest.raises(Cancelled):
        fetch(hub, progress=stop, cancel=token)
    until(lambda: not any(t.name == "download" for t in threading.enumerate()))
    assert [p.stat().st_size for p in parts(tmp_path)] == [200_000]
    assert not list((tmp_path / "cache").rglob(FILE))
    seen = []
    assert whole(hub, fetch(hub, progress=lambda f, t: seen.append(f)))
    assert hub.ranges[-1] == (FILE, 200_000)
    assert hub.sent[FILE] == SIZE
    assert seen[-1] == 1.0


def test_a_killed_process_leaves_bytes_that_the_next_one_uses(hub, tmp_path):
    hub.acts[FILE] = [Act(stall=200_000)]
    code = (
        "import sys; from playground.models.download import fetch_file; from playground.settings import Settings;"
        f"fetch_file('owner/name', '{FILE}', 'main', Settings(), endpoint=sys.argv[1])"
    )
    env = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache")}
    child = subprocess.Popen([sys.executable, "-c", code, hub.url], env=env)
    try:
        until(lambda: any(p.stat().st_size == 200_000 for p in parts(tmp_path)), seconds=120)
    finally:
        child.kill()
        child.wait()
    assert whole(hub, fetch(hub))
    assert hub.sent[FILE] == SIZE


def test_a_part_longer_than_the_file_is_thrown_away(hub, tmp_path):
    fetch(hub)
    blob = next((tmp_path / "cache").rglob("blobs/*"))
    part = blob.with_name(f"{blob.name}.resume.incomplete")
    blob.rename(part)
    with part.open("ab") as file:
        file.write(b"more")
    assert whole(hub, fetch(hub))
    assert hub.sent[FILE] == 2 * SIZE


# --- contents that are wrong ---------------------------------------------------------------------------------------


def test_wrong_contents_are_fetched_once_more(hub):
    hub.acts[FILE] = [Act(flip=7)]
    assert whole(hub, fetch(hub))
    assert [start for _, start in hub.ranges] == [0, 0]


def test_a_damaged_part_from_before_is_fetched_anew(hub, tmp_path):
    hub.acts[FILE] = [Act(drop=100_000)] + [Act(500)] * 4
    refused(hub)
    (part,) = parts(tmp_path)
    part.write_bytes(bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:])
    hub.acts[FILE] = [Act(), Act(flip=1)]  # the rest, then all of it damaged, then all of it right
    assert whole(hub, fetch(hub))
    assert [start for _, start in hub.ranges] == [0, 100_000, 0, 0]


def test_contents_that_stay_wrong_are_deleted_and_named(hub, tmp_path):
    hub.acts[FILE] = [Act(flip=7), Act(flip=8)]
    error = refused(hub)
    true = hashlib.sha256((hub.folders["owner/name"] / FILE).read_bytes()).hexdigest()
    assert f"{FILE} came damaged twice and was deleted: its SHA-256 is" in error.message
    assert f"announced was {true[:12]}…" in error.message
    assert parts(tmp_path) == []
    assert not list((tmp_path / "cache").rglob(FILE))


@pytest.mark.parametrize("act", [Act(cut=1000), Act(claim=SIZE + 5), Act(claim=SIZE - 5)])
def test_a_length_that_is_not_the_announced_one(hub, act, tmp_path):
    hub.acts[FILE] = [act]
    assert whole(hub, fetch(hub, revision=SHA))
    hub.acts["b.safetensors"] = [act, act]
    (hub.folders["owner/name"] / "b.safetensors").write_bytes((hub.folders["owner/name"] / FILE).read_bytes()[::-1])
    sent = act.claim or SIZE - act.cut
    assert f"the hub sends {sent} bytes, announced were {SIZE}" in refused(hub, file="b.safetensors").message
    assert parts(tmp_path) == []


def test_a_file_that_ends_before_the_range_that_is_missing(hub, tmp_path):
    hub.acts[FILE] = [Act(drop=100_000), Act(cut=SIZE - 90_000), Act(cut=SIZE - 90_000)]
    assert "announced were 300000" in refused(hub).message
    assert parts(tmp_path) == []


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_hub_is_asked_again_a_few_times(hub, status):
    hub.acts["listing"] = [Act(status)]
    hub.acts[FILE] = [Act(status)] * 3
    assert whole(hub, fetch(hub))
    (hub.folders["owner/name"] / "b.safetensors").write_bytes(b"b")
    hub.acts["b.safetensors"] = [Act(status)] * 5
    assert f"({status})" in refused(hub, file="b.safetensors").message
    assert len(hub.acts["b.safetensors"]) == 1


def test_a_hub_that_asks_to_wait_is_given_its_time(hub):
    seen = []
    hub.acts[FILE] = [Act(429, headers=(("Retry-After", "1"),))]
    began = time.monotonic()
    assert whole(hub, fetch(hub, progress=lambda f, text: seen.append(text)))
    assert time.monotonic() - began >= 1
    assert any(text.endswith("the hub is busy, next try in 1 s") for text in seen)


def test_a_wait_of_hours_is_not_waited_for(hub):
    hub.acts[FILE] = [Act(429, headers=(("Retry-After", "3600"),))]
    assert "Try again in 3600 s" in refused(hub).hint


def test_a_wait_can_be_stopped(hub, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", Patience(longest_wait_s=3600))
    hub.acts[FILE] = [Act(503, headers=(("Retry-After", "1000"),))]
    token = CancelToken()
    with pytest.raises(Cancelled):
        fetch(hub, cancel=token, progress=lambda f, text: token.cancel() if "next try in 1000 s" in text else None)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)}, 0),
        ({"Retry-After": "soon"}, None),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"api";r=9;t=55'}, None),
        ({}, None),
    ],
)
def test_how_long_a_hub_asks_to_wait(headers, wait):
    assert transfer._asked_wait(headers) == wait


@pytest.mark.parametrize(
    ("act", "token", "words", "hint"),
    [
        (Act(401, "GatedRepo"), None, "is gated: its licence has to be accepted first", "https://huggingface.co"),
        (Act(403, "GatedRepo"), "t", "the account of this HF_TOKEN has not been let in", "by hand"),
        (Act(401), "t", "does not accept this HF_TOKEN (401)", "settings/tokens"),
        (Act(401), None, "refuses access to owner/name (401)", "set HF_TOKEN"),
        (Act(403), "t", "refuses access to owner/name (403)", "HF_TOKEN"),
        (Act(404, "RepoNotFound"), None, "has no model owner/name, or it is private", "source"),
        (Act(404, "RevisionNotFound"), None, "has no revision 'main'", "revision"),
        (Act(404, "EntryNotFound"), None, f"has no file '{FILE}' at revision 'main'", "name"),
        (Act(418), None, "answered with an error (418)", "later"),
    ],
)
def test_each_refusal_is_a_sentence_and_a_way_out(hub, act, token, words, hint):
    hub.acts[FILE] = [act]
    error = refused(hub, token=token)
    assert words in error.message
    assert hint in str(error)


def test_a_file_that_is_not_listed(hub):
    assert "has no file 'x.safetensors' at revision 'main'" in refused(hub, file="x.safetensors").message


def test_a_file_outside_the_repository_is_refused(hub, tmp_path):
    hub.extra_names.append("../../../evil.safetensors")
    with pytest.raises((ModelUnavailable, ValueError)):
        fetch(hub, file="../../../evil.safetensors")
    assert not list(tmp_path.rglob("evil*"))


def test_an_answer_that_is_no_listing(hub):
    hub.acts["listing"] = [Act(200)]
    assert "is no list of the files of owner/name" in refused(hub).message


def test_the_token_goes_to_the_hub_and_to_no_other_host(hub):
    assert whole(hub, fetch(hub, token="s3cret"))
    assert set(hub.tokens) == {"Bearer s3cret"}
    assert set(hub.far_tokens) == {""}


def test_the_network_is_not_asked_offline_or_for_what_is_here(hub):
    settings = Settings(device="cpu", dtype="float32", offline=True)
    with pytest.raises(ModelUnavailable, match="works offline"):
        fetch_file("owner/name", FILE, "main", settings, endpoint=hub.url)
    assert hub.tokens == []
    path = fetch(hub)
    asked = len(hub.tokens)
    assert fetch_file("owner/name", FILE, "main", settings, endpoint=hub.url) == path
    assert fetch(hub) == path
    assert len(hub.tokens) == asked


# --- the disk ------------------------------------------------------------------------------------------------------


def test_too_little_room_is_said_with_both_figures_before_anything_comes(hub, monkeypatch):
    monkeypatch.setattr(hub_cache, "disk_usage", lambda folder: type("Usage", (), {"free": 123_000})())
    error = refused(hub)
    assert "needs 300.0 kB more on the disk" in error.message
    assert "has 123.0 kB free" in error.message
    assert hub.sent[FILE] == 0


def test_bytes_that_are_here_need_no_room(hub, monkeypatch):
    hub.acts[FILE] = [Act(drop=200_000)] + [BUSY] * 4
    refused(hub)
    monkeypatch.setattr(hub_cache, "disk_usage", lambda folder: type("Usage", (), {"free": 100_000})())
    assert whole(hub, fetch(hub))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full needs a device for it")
def test_a_disk_that_fills_up_is_a_sentence(hub, tmp_path):
    blobs = tmp_path / "cache/models--owner--name/blobs"
    blobs.mkdir(parents=True)
    etag = hashlib.sha256((hub.folders["owner/name"] / FILE).read_bytes()).hexdigest()
    (blobs / f"{etag}.resume.incomplete").symlink_to("/dev/full")
    error = refused(hub)
    assert "the disk is full" in error.message
    assert "goes on from the bytes that are here" in error.hint


# --- several who want the same -------------------------------------------------------------------------------------


def test_callers_at_once_share_one_download(hub):
    hub.acts[FILE] = [Act(stall=100_000)]
    tokens = [CancelToken() for _ in range(5)]
    runs = [in_thread(lambda t=t: fetch(hub, cancel=t)) for t in tokens]
    until(lambda: sum(f.waiting for f in flights._flights.values()) == 5)
    tokens[0].cancel()
    runs[0][0].join()
    assert isinstance(runs[0][1][0], Cancelled)
    hub.release.set()
    for thread, out in runs[1:]:
        thread.join()
        assert whole(hub, out[0])
    assert hub.sent[FILE] == SIZE
    assert len({str(out[0]) for _, out in runs[1:]}) == 1
    assert not flights._flights


def test_each_caller_gets_an_error_of_their_own(hub):
    hub.acts["listing"] = [Act(503, headers=(("Retry-After", "1"),)), Act(404, "RepoNotFound")]
    runs = [in_thread(lambda: fetch(hub)) for _ in range(2)]
    until(lambda: sum(f.waiting for f in flights._flights.values()) == 2)
    for thread, _ in runs:
        thread.join()
    first, second = runs[0][1][0], runs[1][1][0]
    assert isinstance(first, ModelUnavailable)
    assert str(first) == str(second)
    assert first is not second


def test_the_lock_of_the_hubs_own_client_is_heeded(hub, tmp_path):
    from huggingface_hub.utils import WeakFileLock

    etag = hashlib.sha256((hub.folders["owner/name"] / FILE).read_bytes()).hexdigest()
    lock = tmp_path / f"cache/.locks/models--owner--name/{etag}.lock"
    lock.parent.mkdir(parents=True)
    seen = []
    with WeakFileLock(lock):
        thread, out = in_thread(lambda: fetch(hub, progress=lambda f, text: seen.append(text)))
        until(lambda: any("another program is fetching lora.safetensors" in text for text in seen))
        assert hub.sent[FILE] == 0
        # The other program finishes its file.
        blob = tmp_path / f"cache/models--owner--name/blobs/{etag}"
        blob.write_bytes((hub.folders["owner/name"] / FILE).read_bytes())
    thread.join()
    assert whole(hub, out[0])
    assert hub.sent[FILE] == 0


def test_an_unexpected_error_reaches_the_caller(hub):
    async def work(meter):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flights.share("key", work, "x", None, None)
    assert not flights._flights


def test_progress_comes_at_most_four_times_a_second():
    import asyncio

    async def work(meter: Meter) -> float:
        meter.expect(10_000)
        began = time.monotonic()
        for _ in range(80):
            meter.received("a", 100, "a")
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    seen = []
    took = flights.share("key", work, "x", lambda f, text: seen.append(f), None)
    assert 2 <= len(seen) <= took / flights.REPORT + 3
    assert seen == sorted(seen)
    assert seen[-1] == 0.8


# --- figures -------------------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_speed_and_time_left_come_from_what_was_received_lately():
    clock = Clock()
    meter = Meter("Phi-4", clock)
    meter.expect(29_300_000_000)
    meter.found("old", 1_000_000_000)
    assert meter.read() == Transfer("Phi-4", 1_000_000_000, 29_300_000_000)
    for _ in range(100):  # a slow start of 10 s, then 10 s at 80 MB/s
        clock.now += 0.1
        meter.received("a", 100_000, "a")
    for _ in range(100):
        clock.now += 0.1
        meter.received("a", 8_000_000, "a")
    now = meter.read()
    assert now.done_bytes == 1_810_000_000
    assert now.bytes_per_s == pytest.approx(80_000_000, rel=0.05)
    assert now.eta_s == pytest.approx((29_300_000_000 - 1_810_000_000) / 80_000_000, rel=0.05)
    assert now.text.startswith("Downloading Phi-4: 1.8 of 29.3 GB, 8")
    assert now.text.endswith("MB/s, 6 min left")
    clock.now += 60
    assert meter.read().bytes_per_s < 15_000_000


def test_what_is_waited_for_stands_in_place_of_the_speed():
    meter = Meter("Phi-4")
    assert meter.read().text == "Looking up Phi-4"
    meter.note("the hub is busy, next try in 2 s")
    assert meter.read().text == "Looking up Phi-4, the hub is busy, next try in 2 s"
    meter.expect(2000)
    meter.found("a", 500)
    assert meter.read().text == "Downloading Phi-4: 500 B of 2.0 kB, the hub is busy, next try in 2 s"
    meter.received("a", 500, "a")
    assert meter.read().text == "Downloading Phi-4: 1.0 of 2.0 kB"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["found", "received"]), st.integers(0, 10**9))))
def test_the_count_is_the_sum_of_what_each_file_has(steps):
    meter, here = Meter("x", Clock()), dict.fromkeys("abc", 0)
    for etag, what, count in steps:
        if what == "found":
            meter.found(etag, count)
            here[etag] = count
        else:
            meter.received(etag, count, etag)
            here[etag] += count
    assert meter.read().done_bytes == sum(here.values())


def test_amounts_and_times_read_as_words():
    assert part_of(1_200_000_000, 29_300_000_000) == "1.2 of 29.3 GB"
    assert part_of(999, 29_300_000_000) == "999 B of 29.3 GB"
    assert [duration(s) for s in (0.2, 40, 59.6, 300, 7800)] == ["1 s", "40 s", "1 min", "5 min", "2 h 10 min"]


def test_the_parts_of_a_split_gguf_file():
    assert gguf_parts("a/m-q4.gguf") == ["a/m-q4.gguf"]
    assert gguf_parts("m-00001-of-00003.gguf") == [f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
