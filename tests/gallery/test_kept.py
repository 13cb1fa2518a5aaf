"""Pictures in the store: whose they are, what finds them, and that nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.gallery.kept import KEPT_AFTER_DELETE, Pictures, Search


def prompts(pictures: Pictures, owner: str = "ana", **search: object) -> list[str]:
    return [p.prompt for p in pictures.search(owner, Search(**search))]


def test_newest_first_in_pages(pictures, add):
    for i in range(5):
        add(f"picture {i}", seed=i)
    assert prompts(pictures) == [f"picture {i}" for i in (4, 3, 2, 1, 0)]
    assert [p.seed for p in pictures.search("ana", Search(), limit=2, offset=2)] == [2, 1]
    assert pictures.count("ana") == 5


def test_every_part_of_a_search_narrows_it(pictures, add):
    add("a red circle", seed=1)
    add("a RED square", seed=2, model="starter-sd-small")
    liked = add("a blue circle 100%", seed=2)
    pictures.favourite("ana", [liked])
    pictures.rate("ana", liked, 0.31)
    assert prompts(pictures, words="red") == ["a RED square", "a red circle"]
    assert prompts(pictures, words="circle RED") == ["a red circle"]
    assert prompts(pictures, words="100%") == ["a blue circle 100%"]
    assert prompts(pictures, words="_") == []  # no wildcard
    assert prompts(pictures, seed=2) == ["a blue circle 100%", "a RED square"]
    assert prompts(pictures, model="starter-sd-small") == ["a RED square"]
    assert prompts(pictures, favourites=True) == prompts(pictures, least_score=0.3) == ["a blue circle 100%"]
    assert prompts(pictures, least_score=0.4) == []
    assert pictures.count("ana", Search(words="red")) == 2
    assert pictures.models("ana") == ["starter-sd", "starter-sd-small"]


def test_days_are_counted_whole(pictures, add):
    add()
    today = datetime.now(UTC).date()
    assert len(prompts(pictures, since=str(today), until=str(today))) == 1
    assert prompts(pictures, since=str(today + timedelta(days=1))) == []
    assert prompts(pictures, until=str(today - timedelta(days=1))) == []


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"since": "yesterday"}, "since must be a day as YYYY-MM-DD, got 'yesterday'"),
        ({"until": "9999-12-31"}, "until must be a day"),
        ({"words": "x" * 501}, "at most 500 characters"),
        ({"words": " ".join(map(str, range(30)))}, "at most 20 words, got 30"),
    ],
)
def test_a_search_that_cannot_be_is_refused(pictures, search, said):
    with pytest.raises(InvalidRequest, match=said):
        pictures.search("ana", Search(**search))


def test_nobody_sees_or_touches_anothers(pictures, add):
    mine = add()
    assert prompts(pictures, owner="ben") == []
    assert pictures.models("ben") == []
    for act in (
        lambda: pictures.get("ben", mine),
        lambda: pictures.delete("ben", [mine]),
        lambda: pictures.favourite("ben", [mine]),
        lambda: pictures.restore("ben", [mine]),
        lambda: pictures.rate("ben", mine, 1.0),
    ):
        with pytest.raises(InvalidRequest, match="no picture"):
            act()
    with pytest.raises(InvalidRequest, match="owner"):
        pictures.search("", Search())


def test_all_or_none_of_several_are_changed(pictures, add):
    first = add("one")
    for act in (pictures.delete, pictures.favourite):
        with pytest.raises(InvalidRequest, match="no picture"):
            act("ana", [first, "0" * 32])
    kept = pictures.get("ana", first)
    assert not kept.favourite


@pytest.mark.parametrize("ids", [[], "x", [1], None, ["../../etc"], ["a" * 32] * 2000])
def test_ids_that_cannot_be_are_refused(pictures, ids):
    with pytest.raises(InvalidRequest):
        pictures.delete("ana", ids)


def test_what_was_deleted_comes_back(pictures, add):
    one, two = add("one"), add("two", seed=8)
    path = pictures.get("ana", one).path
    pictures.delete("ana", [one])
    assert prompts(pictures) == ["two"]
    assert Path(path).is_file()
    pictures.restore("ana", [one])
    assert prompts(pictures) == ["two", "one"]
    assert two


def test_after_thirty_days_rows_and_files_are_gone(pictures, add, store):
    old, kept = add("old"), add("kept", seed=8)
    path = pictures.get("ana", old).path
    pictures.delete("ana", [old])
    assert pictures.purge("ana") == []
    table = pictures._table
    with store.transaction(pictures._metadata) as connection:
        long_ago = datetime.now(UTC).replace(tzinfo=None) - KEPT_AFTER_DELETE - timedelta(days=1)
        connection.execute(table.update().where(table.c.id == old).values(deleted=long_ago))
    assert pictures.purge("ben") == []
    assert pictures.purge("ana") == [old]
    assert not Path(path).exists()
    assert [g.id for g in store.generations("ana")] == [kept]
    assert Pictures(store).purge("ana") == []


def test_pictures_of_earlier_versions_come_in_once(store, tmp_path):
    asked = {"prompt": "an old one", "seed": 3, "width": 128, "height": 128}
    old = store.add_generation("ana", "text_to_image", "m", asked, {"seconds": 1.5, "parameters": "t"}, "old.png")
    store.add_generation("ana", "chat", "phi", {"prompt": "no picture"}, {}, "")
    found = Pictures(store).search("ana", Search())
    assert [(p.id, p.prompt, p.seed, p.seconds, p.parameters) for p in found] == [(old, "an old one", 3, 1.5, "t")]
    assert found[0].created == store.generations("ana", kind="text_to_image")[0].created
    store.close()
    again = Pictures(type(store)(f"sqlite:///{tmp_path}/store.sqlite3"))
    assert again.count("ana") == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=()), max_size=60), st.data())
def test_a_prompt_is_found_by_any_part_of_its_words(pictures, prompt, data):
    added = pictures.add("ana", "inpaint", "m", {"prompt": prompt, "seed": 1}, {}, "x.png")
    words = prompt.encode("utf-8", "replace").decode().replace("\0", " ").split()
    part = data.draw(st.sampled_from(words)) if words else ""
    assert added in [p.id for p in pictures.search("ana", Search(words=part), limit=500)]
    pictures.delete("ana", [added])
