"""Pictures and sound to a server on loopback: the very bytes arrive, turn after turn, and what it cannot take stays."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from playground.protocol import Message
from tests.chat.tiny_senses import picture, sound
from tests.remote.asking import ask, card, engine, failure, text_of
from tests.remote.server import Script, serving


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as script:
        yield script


def sourced(url: str, kind: str = "vllm"):
    return card(url, origin={"name": "here", "kind": kind, "base_url": url, "api": "chat"})


def sent(content: list[dict]) -> tuple[list[bytes], list[bytes]]:
    """Pictures and sounds of one message as the server got it."""
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    pictures = [base64.b64decode(url.partition(";base64,")[2]) for url in urls]
    return pictures, [base64.b64decode(p["input_audio"]["data"]) for p in content if p["type"] == "input_audio"]


def test_files_arrive_whole_and_stay_with_their_turn(script: Script) -> None:
    first = Message("user", "What is it?", images=(picture(1), picture(2)), audio=(sound(),))
    turns = (first, Message("assistant", "Noise."), Message("user", "And this?", images=(picture(3),)))
    events = ask(engine(sourced(script.url)), messages=turns)
    assert text_of(events) == "Hello there"
    asked = script.asked[0]["messages"]
    assert sent(asked[0]["content"]) == ([picture(1), picture(2)], [sound()])
    assert asked[1]["content"] == "Noise."
    assert sent(asked[2]["content"]) == ([picture(3)], [])


@pytest.mark.parametrize("files", [{"images": (b"%PDF-1.4",)}, {"audio": (b"OggS",)}])
def test_files_of_other_kinds_are_refused_before_anything_is_sent(script: Script, files) -> None:
    failed = failure(ask(engine(sourced(script.url)), messages=(Message("user", "x", **files),)))
    assert failed.code == "InvalidRequest"
    assert script.asked == []
