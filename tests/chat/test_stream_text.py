"""Text cut from a stream: thoughts, stop texts and characters give the same result however the stream is chunked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import ReasoningSplitter
from playground.chat.stops import StopFilter
from tests.chat.tiny import tokenizer

WORDS = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "think", "</", ">", " ", "\n", "a", "<b>", "🙂"]), max_size=14
)
TEXT = WORDS.map("".join)


def chunks_of(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(edges)]


def split(chunks: list[str], inside: bool = False) -> list[tuple[str, str]]:
    """Pieces with neighbours of one kind joined."""
    splitter, joined = ReasoningSplitter(inside), []
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)] + splitter.finish()
    for piece in pieces:
        assert piece.text
        if joined and joined[-1][0] == piece.kind:
            joined[-1] = (piece.kind, joined[-1][1] + piece.text)
        else:
            joined.append((piece.kind, piece.text))
    return joined


def plain_split(text: str, inside: bool) -> tuple[str, str]:
    """(thoughts, answer), by looking at the whole text at once."""
    thoughts, answer = "", ""
    while True:
        if inside:
            thought, closed, text = text.partition("</think>")
            thoughts += thought
            inside = False
            if not closed:
                return thoughts, answer
        blank = text[: len(text) - len(text.lstrip())]
        answer += blank
        text = text[len(blank) :]
        if not text.startswith("<think>"):
            return thoughts, answer + text
        text, inside = text[len("<think>") :], True


@settings(max_examples=400, deadline=None)
@given(TEXT, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_any_chunking_splits_as_the_whole_text_does(text: str, cuts: list[int], inside: bool) -> None:
    pieces = split(chunks_of(text, cuts), inside)
    thoughts = "".join(t for kind, t in pieces if kind == "reasoning")
    answer = "".join(t for kind, t in pieces if kind == "answer")
    assert (thoughts, answer) == plain_split(text, inside)


@settings(max_examples=200, deadline=None)
@given(TEXT, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_nothing_but_tags_is_lost_and_order_is_kept(text: str, cuts: list[int], inside: bool) -> None:
    out = "".join(t for _, t in split(chunks_of(text, cuts), inside))
    rest = iter(text)
    assert all(character in rest for character in out)
    missing = len(text) - len(out)
    tags = text.count("<think>") * 7 + text.count("</think>") * 8
    assert 0 <= missing <= tags


def test_a_thought_comes_before_the_answer_and_tags_may_be_cut_anywhere() -> None:
    assert split(list("<think>2+2 is 4</think>Four.")) == [("reasoning", "2+2 is 4"), ("answer", "Four.")]


def test_an_answer_may_speak_about_the_tag() -> None:
    text = "The tag <think> opens a thought, </think> ends it."
    assert split(list(text)) == [("answer", text)]


def test_a_template_that_opened_the_thought_is_followed_inside() -> None:
    assert split(["so ", "4</th", "ink>Four"], inside=True) == [("reasoning", "so 4"), ("answer", "Four")]


def test_text_is_passed_on_as_soon_as_it_is_certain() -> None:
    splitter = ReasoningSplitter()
    assert [p.text for p in splitter.feed("Hello <thi")] == ["Hello <thi"]
    stops = StopFilter(("END",))
    assert stops.feed("a E") == "a "
    assert stops.feed("x") == "Ex"


@settings(max_examples=300, deadline=None)
@given(
    st.text("abE", max_size=20),
    st.lists(st.text("abE", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 40), max_size=8),
)
def test_a_stop_text_cuts_where_it_first_is_complete(text: str, stops: list[str], cuts: list[int]) -> None:
    whole = StopFilter(tuple(stops))
    expected = whole.feed(text) + whole.finish()
    letter_by_letter = StopFilter(tuple(stops))
    out = "".join(letter_by_letter.feed(c) for c in chunks_of(text, cuts)) + letter_by_letter.finish()
    assert letter_by_letter.hit == whole.hit == any(stop in text for stop in stops)
    assert out == expected
    assert text.startswith(out)
    assert not any(stop in out for stop in stops)
    assert whole.hit or out == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_pieces_are_the_text_and_never_half_a_character(text: str) -> None:
    words = tokenizer()
    ids = words(text, add_special_tokens=False)["input_ids"]
    detokenizer = Detokenizer(words)
    pieces = [detokenizer.feed(i) for i in ids]
    end = detokenizer.finish()
    assert "".join(pieces) + end == words.decode(ids, skip_special_tokens=True)
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)
        assert end == ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 299), max_size=40))
def test_pieces_of_any_tokens_are_what_decoding_all_at_once_gives(ids: list[int]) -> None:
    words = tokenizer()
    ids = [i % len(words) for i in ids]
    detokenizer = Detokenizer(words)
    assert "".join(map(detokenizer.feed, ids)) + detokenizer.finish() == words.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", ["🙂", "👩‍👩‍👧", "日本語 naïve", "a🙂b"])
def test_characters_of_many_bytes_arrive_whole(text: str) -> None:
    words = tokenizer()
    detokenizer = Detokenizer(words)
    pieces = [detokenizer.feed(i) for i in words(text, add_special_tokens=False)["input_ids"]]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
