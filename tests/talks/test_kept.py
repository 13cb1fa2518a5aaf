"""Conversations in the store: each owner's own, found by their words, never lost to another window.

`PLAYGROUND_TEST_DATABASE_URL` runs the same tests on another database, whose tables they empty first.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest, PlaygroundError
from playground.store import ScoreRow, Store
from playground.talks import kept as module
from playground.talks import packing, tables
from playground.talks.answers import end, extend, send
from playground.talks.columns import Conversation, answering, ask, conversation, on_tree, settled
from playground.talks.kept import ChangedElsewhere, Conversations
from playground.talks.texts import folded, title_line
from playground.talks.tree import Attached
from playground.talks.versions import undo

OTHER = os.environ.get("PLAYGROUND_TEST_DATABASE_URL", "")


def emptied(url: str) -> str:
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    tables.made().drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["file", "memory", "without an index", *(["other"] if OTHER else [])])
def store(request, tmp_path, monkeypatch):
    if request.param == "without an index":
        monkeypatch.setattr(tables, "indexable", lambda _: False)
        monkeypatch.setattr(module, "indexable", lambda _: False)
    urls = {"memory": "sqlite://", "other": emptied(OTHER) if request.param == "other" else ""}
    made = Store(urls.get(request.param, f"sqlite:///{tmp_path / 'store.sqlite3'}"))
    yield made
    made.close()


@pytest.fixture
def kept(store):
    return Conversations(store)


def talk(*turns: tuple[str, str], images: tuple[bytes, ...] = ()) -> Conversation:
    made = conversation(["phi", "mistral"])
    for question, answer in turns:
        made = ask(made, question, images=images)
        for i in range(2):
            made = answering(made, i)
            at = made.column(i).tree.leaf
            made = on_tree(made, i, lambda tree, at=at, text=f"{answer} {i}": end(extend(tree, at, text), at))
    return made


def titles(found) -> list[str]:
    return [getattr(one, "summary", one).title for one in found]


def test_a_conversation_comes_back_as_it_was(kept):
    wanted = talk(("What is größer?", "Der Mond \0 \U0001f319"), images=(b"\x89PNG\0\xff", b"two"))
    added = kept.add("ana", wanted)
    found = kept.get("ana", added.id)
    assert (found.talk, found.summary) == (wanted, added)
    assert added.title == "What is größer?"
    assert abs(datetime.now(UTC) - found.summary.created) < timedelta(seconds=60)


def test_a_save_goes_over_the_revision_that_was_read(kept):
    added = kept.add("ana", talk(("One?", "1")))
    longer = talk(("One?", "1"), ("Two?", "2"))
    saved = kept.save("ana", added.id, longer, added.revision)
    assert (saved.revision, saved.created) == (2, added.created)
    assert saved.updated >= added.updated
    assert kept.get("ana", added.id).talk == longer
    with pytest.raises(ChangedElsewhere, match="another window"):
        kept.save("ana", added.id, talk(("Other?", "x")), added.revision)
    assert kept.get("ana", added.id).talk == longer
    assert kept.get("ana", added.id).summary == saved


def test_of_many_saves_at_once_one_counts_and_all_others_are_told(kept):
    added = kept.add("ana", talk(("One?", "1")))
    barrier, outcomes = threading.Barrier(6), []

    def save(i):
        barrier.wait()
        try:
            kept.save("ana", added.id, talk(("One?", str(i))), added.revision)
            outcomes.append(i)
        except ChangedElsewhere:
            outcomes.append(None)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(save, range(6)))
    [winner] = [i for i in outcomes if i is not None]
    assert kept.get("ana", added.id).talk == talk(("One?", str(winner)))


def test_pictures_are_written_once_and_loaded_with_the_tree(kept, store):
    first = talk(("One?", "1"), images=(b"picture",))
    added = kept.add("ana", first)
    longer = on_tree(first, 0, lambda tree: send(tree, "And this?", images=[b"second", b"picture"], audio=[b"sound"]))
    kept.save("ana", added.id, longer, 1)
    with store.transaction(tables.made()) as connection:
        rows = connection.execute(tables.made().tables["conversation_files"].select()).mappings().all()
        [body] = connection.execute(tables.made().tables["conversations"].select()).mappings().all()
    assert sorted(bytes(row["data"]) for row in rows) == [b"picture", b"second", b"sound"]
    assert "cGljdHVyZQ" not in body["body"]
    assert kept.get("ana", added.id).talk == longer


def test_the_title_follows_the_first_question_until_it_is_given(kept):
    added = kept.add("ana", conversation(["phi"]))
    assert added.title == "New conversation"
    saved = kept.save("ana", added.id, talk(("What  is\na " + "very " * 20 + "long question?", "1")), 1)
    assert saved.title == "What is a very very very very very very very very very very…"
    renamed = kept.rename("ana", added.id, " My\ntitle \x00\u202e ")
    assert renamed.title == "My title"
    assert kept.save("ana", added.id, talk(("Other?", "1")), 2).title == "My title"
    assert titles(kept.listed("ana")) == ["My title"]
    with pytest.raises(InvalidRequest, match="title"):
        kept.rename("ana", added.id, " \n")
    assert len(kept.rename("ana", added.id, "x" * 5000).title) == 200
    assert kept.add("ana", talk(("One?", "1")), "Named").title == "Named"


def test_the_list_is_by_last_change_and_by_page(kept):
    added = [kept.add("ana", talk((f"Question {i}", "x"))) for i in range(5)]
    kept.save("ana", added[1].id, talk(("Question 1", "y")), 1)
    assert titles(kept.listed("ana")) == [f"Question {i}" for i in (1, 4, 3, 2, 0)]
    assert titles(kept.listed("ana", limit=2, offset=1)) == ["Question 4", "Question 3"]
    assert kept.listed("ana", limit=0) == kept.listed("ana", limit=-1) == kept.listed("ana", offset=9) == []
    assert kept.count("ana") == 5


def test_what_is_deleted_can_be_brought_back_for_a_while(kept):
    added = kept.add("ana", talk(("One?", "1")))
    kept.delete("ana", added.id)
    assert (kept.listed("ana"), kept.search("ana", "one"), kept.count("ana")) == ([], [], 0)
    assert kept.listed("ana", deleted=True) == [added]
    for gone in (kept.get, kept.delete):
        with pytest.raises(InvalidRequest, match="of yours"):
            gone("ana", added.id)
    with pytest.raises(InvalidRequest, match="of yours"):
        kept.save("ana", added.id, talk(("Two?", "2")), 1)
    assert kept.restore("ana", added.id) == added
    assert titles(kept.search("ana", "one")) == ["One?"]


def test_what_is_deleted_for_good_or_long_ago_is_gone_with_its_pictures(kept, store, monkeypatch):
    old, new, other = (kept.add("ana", talk((f"{i}?", "1"), images=(b"x",))) for i in range(3))
    kept.delete("ana", old.id)
    monkeypatch.setattr(module, "KEPT_AFTER_DELETE", timedelta(seconds=-60))  # as if it were long ago
    kept.delete("ana", other.id)
    monkeypatch.undo()
    kept.delete("ana", new.id)
    kept.delete("ana", new.id, for_good=True)
    assert kept.listed("ana", deleted=True) == []
    with store.transaction(tables.made()) as connection:
        for name in ("conversations", "conversation_files"):
            assert connection.execute(tables.made().tables[name].select()).all() == []


def test_a_copy_goes_on_apart(kept):
    added = kept.add("ana", talk(("One?", "1"), images=(b"x",)), "Mine")
    copied = kept.copy("ana", added.id)
    kept.delete("ana", added.id, for_good=True)
    assert copied.title == "Mine"
    assert kept.get("ana", copied.id).talk == talk(("One?", "1"), images=(b"x",))


def test_no_owner_reaches_anothers_conversation(kept):
    added = kept.add("ana", talk(("Secret?", "1")))
    gone = kept.add("ana", talk(("Gone?", "1")))
    kept.delete("ana", gone.id)
    assert (kept.listed("ben"), kept.listed("ben", deleted=True), kept.count("ben")) == ([], [], 0)
    assert kept.search("ben", "secret") == []
    reaches = [
        lambda: kept.get("ben", added.id),
        lambda: kept.save("ben", added.id, talk(("Mine now", "x")), 1),
        lambda: kept.rename("ben", added.id, "Mine now"),
        lambda: kept.delete("ben", added.id),
        lambda: kept.delete("ben", added.id, for_good=True),
        lambda: kept.restore("ben", gone.id),
        lambda: kept.copy("ben", added.id),
    ]
    for reach in reaches:
        with pytest.raises(InvalidRequest, match="of yours"):
            reach()
    assert kept.get("ana", added.id).summary == added
    assert kept.listed("ana", deleted=True) == [gone]


def test_every_public_method_asks_for_an_owner(kept):
    added = kept.add("ana", talk(("One?", "1")))
    calls = {
        "add": lambda: kept.add("", conversation(["phi"])),
        "save": lambda: kept.save("", added.id, conversation(["phi"]), 1),
        "rename": lambda: kept.rename("", added.id, "x"),
        "delete": lambda: kept.delete("", added.id),
        "restore": lambda: kept.restore("", added.id),
        "copy": lambda: kept.copy("", added.id),
        "get": lambda: kept.get("", added.id),
        "listed": lambda: kept.listed(""),
        "count": lambda: kept.count(""),
        "search": lambda: kept.search("", "one"),
    }
    assert set(calls) == {name for name in vars(Conversations) if not name.startswith("_")}
    for call in calls.values():
        with pytest.raises(InvalidRequest, match="owner"):
            call()


# --- search --------------------------------------------------------------------------------------------------------


def test_a_search_finds_parts_of_words_in_titles_texts_and_other_versions(kept):
    undone = on_tree(talk(("Alpha?", "the zebra runs")), 0, undo)
    kept.add("ana", undone, "Animals")
    kept.add("ana", talk(("Über die ÖFFENTLICHE Straße?", "x")))
    document = Attached("report.csv", "inside")
    kept.add("ana", on_tree(talk(("北京的天气怎么样?", "晴")), 0, lambda t: send(t, "Sum", documents=[document])), "C")
    for query, wanted in {
        "zeb": ["Animals"],
        "ZEBRA runs": ["Animals"],
        "ebra alph": ["Animals"],
        "animals": ["Animals"],
        "öffentlich": ["Über die ÖFFENTLICHE Straße?"],
        "STRASSE": ["Über die ÖFFENTLICHE Straße?"],
        "天气": ["C"],
        "北京的天": ["C"],
        "report.csv": ["C"],
        "ｚｅｂｒａ": ["Animals"],
        "inside": [],
        "zebra 天气": [],
        "%": [],
        "_": [],
        '"': [],
        "*": [],
        "x AND NOT y": [],
        "'; DROP TABLE conversations; --": [],
    }.items():
        assert titles(kept.search("ana", query)) == wanted, query


def test_a_result_shows_where_it_was_found(kept):
    kept.add("ana", talk(("a " * 100 + "needle " + "b " * 100, "x")), "Hay")
    [found] = kept.search("ana", "NEEDLE")
    assert found.snippet.startswith("…a a")
    assert "needle b" in found.snippet
    assert found.snippet.endswith("…")
    assert kept.search("ana", "hay")[0].snippet == ""


def test_a_search_keeps_up_with_saves_renames_and_deletes(kept):
    added = kept.add("ana", talk(("First words", "x")))
    kept.save("ana", added.id, talk(("Second words", "x")), 1)
    assert (kept.search("ana", "first"), titles(kept.search("ana", "second"))) == ([], ["Second words"])
    kept.rename("ana", added.id, "Third title")
    assert titles(kept.search("ana", "third")) == titles(kept.search("ana", "second words")) == ["Third title"]
    kept.rename("ana", added.id, "Fourth title")
    assert kept.search("ana", "third") == []
    kept.delete("ana", added.id, for_good=True)
    assert kept.search("ana", "fourth") == []


def test_a_search_for_nothing_or_too_much_is_refused(kept):
    for query in ("", " \n", "x" * 501, " ".join(str(i) for i in range(21)), None):
        with pytest.raises(InvalidRequest, match="search"):
            kept.search("ana", query)


WORDS = st.text(alphabet="abABßé%_\\'\"*- 天气İ\0\n^", max_size=8)


@given(texts=st.lists(WORDS, min_size=1, max_size=4), query=WORDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_with_and_without_an_index_the_same_is_found(texts, query, tmp_path_factory):
    """The oracle is Python's `in` over the folded texts."""
    terms = folded(query).split()
    if not terms:
        return
    store = Store("sqlite://")
    kept = Conversations(store)
    for text in texts:
        kept.add("ana", conversation(["phi"]), f"x{text}x")
    wanted = [t for t in reversed(texts) if all(term in folded(title_line(f"x{t}x")) for term in terms)]
    for indexed in (True, False):
        kept._indexed = indexed
        assert titles(kept.search("ana", query)) == [title_line(f"x{text}x") for text in wanted]
    store.close()


# --- older and other databases -------------------------------------------------------------------------------------


def test_a_database_from_before_conversations_goes_on_working(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    row = ScoreRow("chat.ttft@1", 0.25, "s", 5, "phi", "abc", "2026-01-01T00:00:00+00:00")
    before = Store(url)
    before.add_scores("ana", [row])
    before.close()
    store = Store(url)
    kept = Conversations(store)
    added = kept.add("ana", talk(("One?", "1")))
    assert (store.scores("ana"), titles(kept.search("ana", "one"))) == ([row], ["One?"])
    older = Store(url)  # an app that knows nothing of conversations
    assert older.scores("ana") == [row]
    assert kept.get("ana", added.id).summary == added


def test_a_database_that_a_sqlite_without_an_index_wrote_is_indexed_later(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite3"
    url = f"sqlite:///{path}"
    first = Conversations(Store(url))
    first.add("ana", talk(("Before", "1")))
    with monkeypatch.context() as without:
        without.setattr(tables, "indexable", lambda _: False)
        without.setattr(module, "indexable", lambda _: False)
        second = Conversations(Store(url))
        second.add("ana", talk(("Between", "1")))
        assert titles(second.search("ana", "betw")) == ["Between"]
        with sqlite3.connect(path) as plain:
            assert plain.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (0,)
    third = Conversations(Store(url))
    assert titles(third.search("ana", "betw")) == ["Between"]
    assert third._indexed is True
    with sqlite3.connect(path) as plain:
        plain.execute("INSERT INTO conversation_search(conversation_search) VALUES ('integrity-check')")


def test_a_restart_loses_nothing(tmp_path):
    """What was being written when the app ended is there up to the last save, as stopped."""
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    store = Store(url)
    running = on_tree(answering(ask(talk(("One?", "1")), "Two?"), 0), 0, lambda tree: extend(tree, tree.leaf, "half"))
    added = Conversations(store).add("ana", running)
    store.close()
    found = Conversations(Store(url)).get("ana", added.id)
    assert (found.summary, found.talk) == (added, running)
    last = settled(found.talk).column(0).tree.path[-1]
    assert (last.content, last.state) == ("half", "stopped")


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mysql", "mssql", "oracle"])
def test_every_kind_of_database_has_a_form_of_the_tables(name):
    from importlib import import_module

    from sqlalchemy.schema import CreateTable

    dialect = import_module(f"sqlalchemy.dialects.{name}").dialect()
    made = "".join(str(CreateTable(table).compile(dialect=dialect)) for table in tables.made().sorted_tables)
    assert made.count("CREATE TABLE") == 3
    assert ("LONGTEXT" in made and "LONGBLOB" in made) == (name == "mysql")


def test_an_owner_keeps_so_many_and_no_more(kept, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 1)
    added = kept.add("ana", talk(("One?", "1")))
    kept.add("ben", talk(("One?", "1")))
    for more in (lambda: kept.add("ana", talk(("Two?", "2"))), lambda: kept.copy("ana", added.id)):
        with pytest.raises(InvalidRequest, match="1 conversations of yours"):
            more()


def test_two_stores_make_the_tables_of_one_fresh_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    many = [Conversations(Store(url)) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda kept: kept.add("ana", talk(("One?", "1"))), many))
    assert len(many[0].search("ana", "one")) == 4


def test_a_row_of_a_later_version_is_told(store, kept):
    added = kept.add("ana", talk(("One?", "1")))
    table = tables.made().tables["conversations"]
    with store.transaction(tables.made()) as connection:
        connection.execute(table.update().values(body='{"format": "playground.conversation", "version": 99}'))
    with pytest.raises(PlaygroundError, match="version 99"):
        kept.get("ana", added.id)


def test_too_large_a_conversation_is_told(kept, monkeypatch):
    monkeypatch.setattr(packing, "MOST_BYTES", 2**20)
    with pytest.raises(InvalidRequest, match="2 MiB; at most 1 MiB"):
        kept.add("ana", talk(("One?", "1"), images=(bytes(2**21),)))
