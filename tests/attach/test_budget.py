"""What fits is sent whole; what does not is refused or cut, with a sentence that says how much."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.attach import budget
from playground.attach.budget import counted, fitted
from playground.attach.documents import document
from playground.errors import InvalidRequest


class Words:
    """A tokenizer of a token a word or mark; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def __call__(self, text: str) -> int:
        self.asked.append(len(text))
        return len(re.findall(r"\w+|[^\w\s]", text))


def text(name: str, count: int, word: str = "word"):
    return document(name, " ".join([word] * count).encode())


def run(documents, room, policy="cut", count=None):
    return asyncio.run(fitted(documents, count or Words(), room, policy))


def tokens(one) -> int:
    return asyncio.run(Words()(one.text))


def test_tokens_are_told_before_sending():
    one = text("a.txt", 100)
    assert asyncio.run(counted(one, Words())).tokens == tokens(one) == 105
    assert asyncio.run(counted(one, Words())).shown == "105 tokens"


def test_what_fits_exactly_is_sent_whole():
    one = text("a.txt", 1000)
    for policy in ("refuse", "cut"):
        found = run([one], tokens(one), policy)
        assert (found.documents, found.tokens, found.sentences) == ((one,), tokens(one), ())


def test_one_token_too_many_is_refused_with_both_figures():
    one = text("a.txt", 1000)
    with pytest.raises(InvalidRequest) as told:
        run([one], tokens(one) - 1, "refuse")
    assert told.value.message == "a.txt has 1,005 tokens, and 1,004 fit beside the conversation."
    assert "cut" in told.value.hint


def test_what_is_cut_fills_the_room_and_says_how_much():
    found = run([text("a.txt", 1000)], 500)
    [cut] = found.documents
    assert 480 <= tokens(cut) == found.tokens <= 500
    assert cut.body.endswith("word\n\n[a.txt was cut here: it has 1,005 tokens.]")
    assert found.sentences == (f"a.txt was cut: the first {found.tokens} of its 1,005 tokens are sent (49 %).",)


def test_documents_take_room_in_their_order():
    first, second, third = text("a.txt", 100), text("b.txt", 1000), text("c.txt", 50)
    found = run([first, second, third], 300)
    assert [d.name for d in found.documents] == ["a.txt", "b.txt"]
    assert [s.split(":")[0] for s in found.sentences] == ["b.txt was cut", "c.txt was left out"]
    assert found.tokens <= 300
    with pytest.raises(InvalidRequest, match=r"b\.txt has 1,005 tokens, and 195 fit"):
        run([first, second, third], 300, "refuse")


@pytest.mark.parametrize("room", [-5, 0, 31])
def test_without_room_it_is_refused_also_where_it_may_be_cut(room):
    with pytest.raises(InvalidRequest, match=f"and {max(room, 0)} fit"):
        run([text("a.txt", 1000)], room)


def test_a_cut_ends_at_a_line_where_one_is_near():
    lines = "\n".join(f"line number {i} of the file" for i in range(500))
    [cut] = run([document("a.py", lines.encode())], 600).documents
    kept = cut.body.split("\n\n[")[0]
    assert lines.startswith(kept + "\n")
    assert cut.text.startswith("Document a.py:\n\n```python\nline number 0")


def test_a_huge_document_is_never_counted_whole(monkeypatch):
    monkeypatch.setattr(budget, "MOST_COUNTED", 10_000)
    count = Words()
    found = run([text("a.txt", 50_000)], 1000, count=count)
    assert max(count.asked) <= 1000 * budget.CHARACTERS_A_TOKEN + 200
    assert "of its about 50,0" in found.sentences[0]
    assert 950 <= found.tokens <= 1000


@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from(["a", "word", "x" * 50, "a.b.c", "你好 "])), max_size=30
    ),
    room=st.integers(33, 600),
)
@settings(deadline=None)
def test_what_is_sent_never_exceeds_the_room(sizes, room):
    """Also where tokens are spread unevenly over the text."""
    body = "\n".join(" ".join([word] * n) for n, word in sizes) or "empty"
    count = Words()
    try:
        found = run([document("a.txt", body.encode())], room, count=count)
    except InvalidRequest:
        assert tokens(document("a.txt", body.encode())) > room
        return
    assert sum(tokens(one) for one in found.documents) == found.tokens <= room
    assert len(count.asked) <= budget.MOST_TRIES + 1
