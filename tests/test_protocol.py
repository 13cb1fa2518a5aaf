"""What crosses the seam pickles and holds only plain values."""

from __future__ import annotations

import pickle
import threading

import pytest

from playground.errors import InvalidRequest, OutOfMemory, PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Failed,
    Image,
    ImageRequest,
    Message,
    Queued,
    Step,
    Token,
    plain,
)

EVERYTHING = [
    ChatRequest("m", (Message("user", "hi"),), seed=3),
    ImageRequest("m", "a star", image=b"png"),
    Queued(1, 2.5),
    Token(0, "x", "reasoning"),
    Step(1, 20, 3.0, b"jpeg"),
    Image(0, b"png", 7, 128, 128, "Steps: 20"),
    Done(ChatStats(ttft_s=0.1)),
    Failed("It broke.", "Try again."),
]


@pytest.mark.parametrize("value", EVERYTHING, ids=lambda v: type(v).__name__)
def test_everything_survives_pickling(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_cancel_token_keeps_its_state_over_pickling() -> None:
    token = CancelToken()
    assert not pickle.loads(pickle.dumps(token)).cancelled
    token.cancel()
    assert pickle.loads(pickle.dumps(token)).cancelled


def test_a_wish_for_the_answer_is_apart_from_a_stop_and_keeps_over_pickling() -> None:
    token = CancelToken()
    token.answer_now()
    for one in (token, pickle.loads(pickle.dumps(token))):
        assert (one.wants_answer, one.cancelled) == (True, False)


def test_a_cancel_wakes_whoever_waits() -> None:
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    assert token.wait(10)


def test_errors_keep_sentence_hint_and_class_over_pickling() -> None:
    error = pickle.loads(pickle.dumps(OutOfMemory("Too big.", "Choose a smaller one.")))
    assert isinstance(error, OutOfMemory)
    assert (error.message, error.hint) == ("Too big.", "Choose a smaller one.")
    assert str(InvalidRequest("No.")) == "No."
    assert issubclass(OutOfMemory, PlaygroundError)


def test_plain_makes_json_of_events() -> None:
    assert plain((Queued(1), "x", 3)) == [{"position": 1, "eta_s": None}, "x", 3]
