"""Conversations as JSON: the form is stable, and what does not hang together is refused in one sentence."""

from __future__ import annotations

import json

import pytest

from playground.errors import InvalidRequest
from playground.protocol import ChatStats
from playground.talks import records
from playground.talks.answers import end, extend
from playground.talks.columns import answering, ask, conversation, on_tree
from playground.talks.records import from_json, to_json
from playground.talks.tree import Attached
from playground.talks.versions import regenerate, undo


def sample() -> dict:
    talk = ask(conversation(["phi"]), "Hé?", images=[b"\x00\xff\xfe"], documents=[Attached("a.txt", "x")])
    talk = answering(talk, 0, created="2026-01-01T00:00:00+00:00")
    stats = ChatStats(ttft_s=0.5, cost=0.25, seed=2**62)
    talk = on_tree(talk, 0, lambda tree: end(extend(tree, 2, "你好"), 2, stats=stats))
    talk = on_tree(talk, 0, lambda tree: end(regenerate(tree, "phi"), 3, stopped=True))
    return json.loads(to_json(on_tree(talk, 0, undo)))


def test_the_first_version_of_the_form_is_read_for_ever() -> None:
    """Written out, so that a change of the records cannot silently change what older files mean."""
    written = {
        "format": "playground.conversation",
        "version": 1,
        "shown": 1,
        "columns": [
            {
                "model": "phi",
                "tree": {
                    "nodes": [
                        {"id": 1, "parent": 0, "role": "user", "content": "Hé?", "images": ["AP_-"],
                         "documents": [{"name": "a.txt", "text": "x"}]},
                        {"id": 2, "parent": 1, "role": "assistant", "content": "你好", "model": "phi",
                         "stats": {"ttft_s": 0.5, "cost": 0.25, "seed": 4611686018427387904},
                         "created": "2026-01-01T00:00:00+00:00"},
                        {"id": 3, "parent": 1, "role": "assistant", "model": "phi", "state": "stopped"},
                    ],
                    "leaf": 2,
                    "rests": [2, 2, 3],
                    "past": [0],
                },
            }
        ],
    }  # fmt: skip
    assert sample() == written
    talk = from_json(json.dumps(written))
    assert talk.column(0).tree.path[0].images == (b"\x00\xff\xfe",)
    assert json.loads(to_json(talk)) == written


def set_in(record: dict, path: str, value: object) -> bytes:
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = record
    for key in parents:
        place = place[key]
    place[last] = value
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("format", "other", "no conversation"),
        ("version", 2, "version 2"),
        ("version", "1", "version '1'"),
        ("shown", 2, "1 columns of which 2"),
        ("shown", 0, "0 are shown"),
        ("columns", [], "0 columns"),
        ("columns", {"a": 1}, "columns"),
        ("columns.0.model", None, "columns.0.model"),
        ("columns.0.tree.nodes.1.id", 7, "turn 7 in place 2"),
        ("columns.0.tree.nodes.1.parent", 2, "turn 2 after turn 2"),
        ("columns.0.tree.nodes.1.parent", 3, "after turn 3"),
        ("columns.0.tree.nodes.1.parent", -1, "after turn -1"),
        ("columns.0.tree.nodes.1.role", "system", "role"),
        ("columns.0.tree.nodes.1.begun", [9, 0], "more than it holds"),
        ("columns.0.tree.nodes.1.content", {"x": 1}, "content"),
        ("columns.0.tree.nodes.0.images", ["%"], "images"),
        ("columns.0.tree.leaf", 4, "does not have"),
        ("columns.0.tree.past", [-1], "does not have"),
        ("columns.0.tree.rests", [2, 2], "2 places of 3"),
        ("columns.0.tree.rests", [2, 2, 2], "turn 2 beneath turn 3"),
        ("columns.0.tree.rests", [4, 2, 3], "turn 4 beneath turn 1"),
    ],
)
def test_what_does_not_hang_together_is_refused_by_name(path: str, value: object, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as error:
        from_json(set_in(sample(), path, value))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"\\ud800"', b"null", b"[]", b"3"])
def test_what_is_no_conversation_at_all_is_refused(junk: bytes) -> None:
    with pytest.raises(InvalidRequest):
        from_json(junk)


def test_more_turns_than_anybody_writes_are_refused(monkeypatch):
    monkeypatch.setattr(records, "MOST_NODES", 2)
    with pytest.raises(InvalidRequest, match="3 turns; at most 2"):
        from_json(json.dumps(sample()))


def test_a_long_chain_is_checked_in_one_pass() -> None:
    record = sample()
    count = 20_000
    record["columns"][0]["tree"] = {
        "nodes": [{"id": i, "parent": i - 1, "role": "user"} for i in range(1, count + 1)],
        "leaf": count,
        "rests": [count] * count,
    }
    assert len(from_json(json.dumps(record)).column(0).tree.path) == count
