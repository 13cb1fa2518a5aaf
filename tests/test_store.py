"""The store keeps rows apart by owner, from many threads, and says plainly what is wrong with a database."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from playground import store as module
from playground.errors import InvalidRequest, PlaygroundError
from playground.store import Contender, ScoreRow, Store

A, B = Contender("phi", "Hello.", settings={"seed": 1}), Contender("mistral", "Hi.")
ROW = ScoreRow("chat.ttft@1", 0.25, "s", 5, "phi", "abc", "2026-01-01T00:00:00+00:00", 0.2, 0.3, "lowest to highest",
               "float32", "cpu", {"torch": "2.13"}, 0, {"prompt": "Hi", "n": [1, 2]})  # fmt: skip


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'new' / 'store.sqlite3'}" if request.param == "file" else "sqlite://")
    yield made
    made.close()


def test_a_generation_comes_back_as_it_was(store):
    made = store.add_generation("ana", "image", "starter-sd", {"prompt": "Ein Kreis, größer"}, {"seed": 7}, "out/1.png")
    [found] = store.generations("ana")
    assert found == store.generation("ana", made)
    assert (found.kind, found.model, found.path) == ("image", "starter-sd", "out/1.png")
    assert (found.request, found.result) == ({"prompt": "Ein Kreis, größer"}, {"seed": 7})
    assert abs(datetime.now(UTC) - found.created) < timedelta(seconds=30)


def test_pictures_in_a_request_are_kept_as_a_hash(store):
    store.add_generation("ana", "image", "starter-sd", {"image": b"abc"}, {})
    kept = store.generations("ana")[0].request["image"]
    assert kept["bytes"] == 3
    assert kept["sha256"].startswith("ba7816bf")


def test_newest_first_and_by_page(store):
    for i in range(5):
        store.add_generation("ana", "chat" if i % 2 else "image", "m", {"i": i}, {})
    assert [g.request["i"] for g in store.generations("ana")] == [4, 3, 2, 1, 0]
    assert [g.request["i"] for g in store.generations("ana", limit=2, offset=1)] == [3, 2]
    assert [g.request["i"] for g in store.generations("ana", kind="chat")] == [3, 1]
    assert store.generations("ana", model="other") == []


def test_scores_come_back_as_they_were(store):
    store.add_scores("ana", [ROW])
    assert store.scores("ana") == [ROW]
    assert store.scores("ana", model="phi", metric="chat.ttft@1") == [ROW]
    assert store.scores("ana", model="other") == []
    assert store.add_scores("ana", []) == []


def test_no_read_shows_another_owners_rows(store):
    generation = store.add_generation("ana", "chat", "phi", {}, {})
    store.add_scores("ana", [ROW])
    battle = store.add_battle("ana", "chat", "Hi", A, B)
    assert store.generations("ben") == []
    assert store.scores("ben") == []
    assert store.battles("ben") == []
    for read in (store.generation, store.delete_generation):
        with pytest.raises(InvalidRequest, match="of yours"):
            read("ben", generation)
    with pytest.raises(InvalidRequest, match="of yours"):
        store.battle("ben", battle)
    with pytest.raises(InvalidRequest, match="of yours"):
        store.add_vote("ben", battle, "a")
    assert store.generation("ana", generation).id == generation


def test_every_public_read_and_write_asks_for_an_owner(store):
    calls = [
        lambda: store.add_generation("", "chat", "m", {}, {}),
        lambda: store.generations(""),
        lambda: store.generation("", "x"),
        lambda: store.delete_generation("", "x"),
        lambda: store.add_scores("", [ROW]),
        lambda: store.scores(""),
        lambda: store.add_battle("", "chat", "Hi", A, B),
        lambda: store.battle("", "x"),
        lambda: store.battles(""),
        lambda: store.add_vote("", "x", "a"),
    ]
    public = {name for name in vars(Store) if not name.startswith("_")} - {"close", "transaction"}
    assert len(calls) == len(public)
    for call in calls:
        with pytest.raises(InvalidRequest, match="owner"):
            call()


def test_a_deleted_generation_is_gone_and_returned(store):
    kept, gone = (store.add_generation("ana", "image", "m", {}, {}, f"{i}.png") for i in range(2))
    assert store.delete_generation("ana", gone).path == "1.png"
    assert [g.id for g in store.generations("ana")] == [kept]
    with pytest.raises(InvalidRequest):
        store.delete_generation("ana", gone)


def test_a_battle_keeps_its_sides_and_its_vote(store):
    battle = store.add_battle("ana", "chat", "Hi", A, B)
    assert (store.battle("ana", battle).a, store.battle("ana", battle).b) == (A, B)
    assert store.battle("ana", battle).choice == ""
    store.add_vote("ana", battle, "tie")
    assert store.battle("ana", battle).choice == "tie"
    assert [found.choice for found in store.battles("ana")] == ["tie"]


def test_eight_threads_lose_no_row(store):
    def add(thread):
        for i in range(25):
            store.add_scores(f"owner{thread % 2}", [ROW])
            store.add_generation(f"owner{thread % 2}", "chat", "m", {"thread": thread, "i": i}, {})
            store.generations(f"owner{thread % 2}", limit=3)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(8)))
    for owner in ("owner0", "owner1"):
        assert len(store.scores(owner)) == 100
        found = store.generations(owner, limit=1000)
        assert len({(g.request["thread"], g.request["i"]) for g in found}) == 100


def test_of_eight_votes_at_once_one_counts(store):
    battle = store.add_battle("ana", "chat", "Hi", A, B)
    barrier, outcomes, refusals = threading.Barrier(8), [], []

    def one_vote(choice):
        barrier.wait()
        try:
            store.add_vote("ana", battle, choice)
            outcomes.append(choice)
        except InvalidRequest as error:
            refusals.append(str(error))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one_vote, ["a", "b"] * 4))
    assert len(outcomes) == 1
    assert all("already" in text for text in refusals)
    assert store.battle("ana", battle).choice == outcomes[0]


def test_two_stores_share_one_fresh_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    stores = [Store(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda made: made.add_scores("ana", [ROW]), stores))
    assert len(Store(url).scores("ana")) == 4


def test_rows_outlive_the_store(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    first = Store(url)
    first.add_scores("ana", [ROW])
    first.close()
    assert Store(url).scores("ana") == [ROW]


def test_rows_carry_owner_time_and_schema(tmp_path):
    path = tmp_path / "store.sqlite3"
    store = Store(f"sqlite:///{path}")
    store.add_scores("ana", [ROW])
    store.add_vote("ana", store.add_battle("ana", "chat", "Hi", A, B), "a")
    store.add_generation("ana", "chat", "m", {}, {})
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for table in ("scores", "battles", "votes", "generations"):
            owner, created, schema = plain.execute(f"SELECT owner, created, schema FROM {table}").fetchone()
            assert (owner, schema) == ("ana", module.SCHEMA)
            assert datetime.fromisoformat(created)


def test_a_locked_database_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_S", 0.2)
    path = tmp_path / "store.sqlite3"
    store = Store(f"sqlite:///{path}")
    store.add_scores("ana", [ROW])
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(PlaygroundError, match="locked"):
        store.add_scores("ana", [ROW])
    blocker.rollback()
    store.add_scores("ana", [ROW])
    assert len(store.scores("ana")) == 2


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "store.sqlite3"
    path.write_text("this is a diary, and no database at all" * 100)
    with pytest.raises(PlaygroundError, match=r"store\.sqlite3"):
        Store(f"sqlite:///{path}").scores("ana")
    assert path.read_text().startswith("this is a diary")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaygroundError, match="cannot be made"):
        Store(f"sqlite:///{tmp_path / 'file' / 'store.sqlite3'}")
    (tmp_path / "folder.sqlite3").mkdir()
    with pytest.raises(PlaygroundError, match="cannot be written"):
        Store(f"sqlite:///{tmp_path / 'folder.sqlite3'}").scores("ana")


def test_a_bad_url_is_told_without_its_password():
    with pytest.raises(PlaygroundError) as told:
        Store("not a url with secret")
    assert "secret" not in str(told.value)
    with pytest.raises(PlaygroundError, match="package"):
        Store("mysql+pymysql://ana:secret@host/db")
