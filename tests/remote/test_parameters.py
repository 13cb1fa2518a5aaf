"""What a model rejects is known before it is asked, with the reason; what is not sent is said once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.catalog import load_catalog
from playground.protocol import ChatRequest
from playground.remote.endpoint import endpoint_of
from playground.remote.parameters import FAMILIES, LADDER, efforts, family_of, rejects
from playground.settings import Settings
from playground.sources import ServerKind
from tests.remote import responses_events as events
from tests.remote.asking import ask, engine, notices, sourced
from tests.remote.server import Script, serving

URL = "http://127.0.0.1:9/v1"
ALL = Settings()


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script(stream=lambda: iter([events.sse(events.whole())]))) as running:
        yield running


@pytest.mark.parametrize(
    ("model", "family", "known"),
    [
        ("o4-mini", "o-series", "low medium high"),
        ("o4-mini-2025-04-16", "o-series", "low medium high"),
        ("openai/o3", "o-series", "low medium high"),
        ("gpt-5", "gpt-5", "minimal low medium high"),
        ("gpt-5-nano-2025-08-07", "gpt-5", "minimal low medium high"),
        ("gpt-5-pro", "gpt-5 pro", "high"),
        ("gpt-5-codex", "gpt-5 codex", "low medium high"),
        ("gpt-5.1", "gpt-5.1", "none low medium high"),
        ("gpt-5.1-codex-max", "gpt-5.x codex max", "low medium high xhigh"),
        ("gpt-5.1-codex-mini", "gpt-5 codex", "low medium high"),
        ("gpt-5.2-pro-2025-12-11", "gpt-5.x pro", "medium high xhigh"),
        ("gpt-5.3-chat-latest", "gpt-5.x chat", "medium"),
        ("gpt-5.6-terra", "gpt-5.x", "none low medium high xhigh"),
        ("gpt-5-chat-latest", "gpt-5 chat", ""),
        ("gpt-4.1-mini", "gpt-4 and before", ""),
        ("chatgpt-4o-latest", "gpt-4 and before", ""),
        ("nobody-knows", "model", ""),
    ],
)
def test_the_family_is_known_by_the_models_own_name(model: str, family: str, known: str) -> None:
    card = sourced(URL, source=model)
    assert family_of(card, endpoint_of(card, ALL)).name == family
    assert " ".join(efforts(card, ALL)) == known
    behind = sourced(URL, "azure", source=model, deployment="my-own-name")
    assert " ".join(efforts(behind, ALL)) == known


def test_each_row_of_the_table_has_a_source_and_known_efforts() -> None:
    for family in FAMILIES:
        assert family.source
        assert list(family.efforts) == sorted(family.efforts, key=LADDER.index)


def test_o4_mini_takes_no_sampling_values() -> None:
    refused = rejects(sourced(URL), ALL)
    assert {"temperature", "top_p", "stop", "seed", "top_k", "presence_penalty"} <= set(refused)
    assert refused["temperature"] == "Api is a reasoning model, which takes no sampling values."
    assert "reasoning_effort" not in refused
    assert "temperature" not in rejects(sourced(URL, source="gpt-4.1"), ALL)
    assert "reasoning_effort" in rejects(sourced(URL, source="gpt-4.1"), ALL)


@pytest.mark.parametrize("kind", get_args(ServerKind))
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_every_reason_is_a_sentence_about_a_field_of_the_request(kind: str, api: str) -> None:
    names = {field.name for field in fields(ChatRequest)} | {"images", "audio"}
    for name, reason in rejects(sourced(URL, kind, api), ALL).items():
        assert name in names
        assert reason.endswith(".")


def test_local_cards_and_unknown_addresses_say_nothing() -> None:
    assert rejects(load_catalog()["starter-phi"], ALL) == {}
    assert rejects(sourced("ftp://x"), ALL) == {}
    assert efforts(sourced("ftp://x"), ALL) == ()


def test_what_is_rejected_is_not_sent_and_said_once(script: Script) -> None:
    found = ask(engine(sourced(script.url)), temperature=0.2, top_p=0.5, stop=("x",), seed=1, top_k=3)
    assert not {"temperature", "top_p", "stop", "seed", "top_k", "extra_body"} & set(script.asked[0])
    assert len(notices(found)) == 1
    assert notices(found)[0].startswith("Not sent to Api: ")
    assert ask(engine(sourced(script.url)))  # defaults are worth no word
    assert notices(ask(engine(sourced(script.url)))) == []


def test_sampling_values_go_where_the_model_does_not_reason(script: Script) -> None:
    card = sourced(script.url, source="gpt-5.2")
    ask(engine(card), temperature=0.2, reasoning_effort="none")
    ask(engine(card), temperature=0.2, reasoning_effort="low")
    assert [body.get("temperature") for body in script.asked] == [0.2, None]


@given(effort=st.sampled_from(LADDER), model=st.sampled_from(["o4-mini", "gpt-5", "gpt-5-pro", "gpt-5.2", "gpt-5.1"]))
def test_an_effort_becomes_the_nearest_that_the_model_takes(effort: str, model: str) -> None:
    from playground.remote.parameters import fitted

    card = sourced(URL, source=model)
    known = efforts(card, ALL)
    sent, _, said = fitted(ChatRequest("api", (), reasoning_effort=effort), card, endpoint_of(card, ALL))
    assert sent in known
    distance = abs(LADDER.index(sent or "") - LADDER.index(effort))
    assert distance == min(abs(LADDER.index(one) - LADDER.index(effort)) for one in known)
    assert bool(said) == (effort not in known)


def test_a_model_without_efforts_gets_none(script: Script) -> None:
    found = ask(engine(sourced(script.url, source="gpt-4.1")), reasoning_effort="high")
    assert "reasoning" not in script.asked[0]
    assert notices(found) == ["Not sent to Api: reasoning_effort. Api has no reasoning effort."]


def test_drafting_is_not_asked_of_a_server_and_said(script: Script) -> None:
    found = ask(engine(sourced(script.url)), speculation="prompt lookup")
    assert "prompt lookup" not in str(script.asked[0])
    assert notices(found) == ["Not sent to Api: speculation. Whether tokens are drafted is up to the server."]
