"""Several sources of one model: cards of their own, Azure's addresses, keys, and what leaves this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from playground.catalog import Catalog, ModelCard, card_as_toml, load_catalog, read_cards, with_sources
from playground.engine import Router
from playground.errors import PlaygroundError
from playground.protocol import CancelToken, ChatRequest, Event, Message, Notice
from playground.remote.endpoint import endpoint_of, leaves_machine, unavailable
from playground.remote.openai_engine import OpenAIEngine
from playground.settings import Settings, load_settings
from playground.sources import Source, is_loopback, kind_of
from tests.remote import responses_events as events
from tests.remote.asking import ask, engine, failure, sourced, stats_of, text_of
from tests.remote.server import Script, serving, whole
from tests.scripted import ScriptedEngine, answer

PRICE = {"input_per_million": 2.0, "output_per_million": 8.0, "dated": "2026-11-21", "source": "a test"}
AZURE = "https://name.openai.azure.com"


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "MISTRAL_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


def phi(*sources: dict) -> ModelCard:
    """A model whose weights lie here, and which others serve as well."""
    return ModelCard(
        id="phi", name="Phi", kind="chat", source="microsoft/phi-4", licence="MIT", context=16384,
        capabilities=("system-prompt",), sources=tuple(Source(**source) for source in sources),
    )  # fmt: skip


# --- cards ---------------------------------------------------------------------------------------------------------


def test_each_source_is_a_card_of_its_own_behind_its_model() -> None:
    one = phi(
        {
            "name": "azure",
            "kind": "azure",
            "base_url": AZURE,
            "model": "Phi-4",
            "region": "swedencentral",
            "price": PRICE,
        },
        {"name": "lan", "kind": "vllm", "base_url": "http://10.0.0.5:8000/v1", "capabilities": ("multi-turn",)},
    )
    cards = with_sources({"phi": one, "last": one.model_copy(update={"id": "last", "sources": ()})})
    assert list(cards) == ["phi", "phi@azure", "phi@lan", "last"]
    at = cards["phi@azure"]
    assert (at.backend, at.source, at.context, at.licence) == ("openai", "Phi-4", 16384, "MIT")
    assert at.price is not None
    assert at.price.output_per_million == 8
    assert at.origin is not None
    assert at.origin.region == "swedencentral"
    assert cards["phi@lan"].price is None  # nobody's price is taken for another's
    assert cards["phi@lan"].capabilities == ("multi-turn",)
    assert one.backend == "local"


def test_a_card_with_sources_survives_its_file(tmp_path: Path) -> None:
    one = phi({"name": "azure", "kind": "azure", "base_url": "$AZURE_OPENAI_ENDPOINT", "price": PRICE, "api": "chat"})
    path = tmp_path / "cards.toml"
    path.write_text(card_as_toml(one) + card_as_toml(one.at(one.sources[0])))
    assert read_cards(path) == {"phi": one, "phi@azure": one.at(one.sources[0])}
    assert list(load_catalog(path))[-2:] == [one, one.at(one.sources[0])]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"base_url": AZURE, "key_env": "OPENAI_API_KEY"}, "OPENAI_API_KEY goes to api.openai.com only"),
        ({"base_url": AZURE, "key_env": "AWS_SECRET_ACCESS_KEY"}, "pattern"),
        ({"base_url": "$HF_TOKEN"}, "may not be read from"),
        ({"base_url": AZURE, "deployment": "$OPENAI_API_KEY", "kind": "azure"}, "may not be read from"),
        ({"base_url": AZURE, "leaves_machine": False}, "only a loopback address"),
        ({"base_url": AZURE, "deployment": "x"}, "belong to kind azure"),
        ({"base_url": AZURE, "name": "A B"}, "pattern"),
        ({"base_url": AZURE, "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_source_that_could_leak_or_makes_no_sense_is_refused(source: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Source(**({"name": "x"} | source))


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="same name"):
        phi({"name": "x", "base_url": AZURE}, {"name": "x", "base_url": AZURE})


def test_the_shipped_cards_say_what_their_claims_rest_on() -> None:
    catalog = load_catalog()
    card = catalog["o4-mini"]
    assert "2026-10-23" in card.warning
    assert "https://" in card.warning
    for one in catalog:
        if one.origin is not None:
            assert one.price is None or one.price.source
            assert one.warning, one.id


# --- Azure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"api_version": "2024-10-21"}, "/openai/deployments/my%20o4/chat/completions?api-version=2024-10-21"),
        ({"api_version": "2025-04-01-preview", "api": "responses"}, "/openai/responses?api-version=2025-04-01-preview"),
        ({}, "/openai/v1/chat/completions"),
        ({"api": "responses"}, "/openai/v1/responses"),
    ],
)
def test_azure_is_asked_at_its_own_addresses_with_its_own_header(
    script: Script, monkeypatch: pytest.MonkeyPatch, values: dict, path: str
) -> None:
    monkeypatch.setenv("TEST_API_KEY", "azure-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: 1\nAuthorization: Bearer other")
    if values.get("api") == "responses":
        script.stream = lambda: iter([events.sse(events.whole())])
    card = sourced(
        script.url.removesuffix("/v1"), "azure", deployment="my o4", key_env="TEST_API_KEY", **({"api": None} | values)
    )
    found = ask(engine(card))
    assert text_of(found)
    assert script.paths == [path]
    assert script.asked[0]["model"] == "my o4"
    assert "max_completion_tokens" in script.asked[0] or values.get("api") == "responses"  # o4-mini, whatever its name
    headers = script.seen[0]
    assert headers["api-key"] == "azure-secret"
    assert not [name for name in headers if name.startswith(("openai-", "x-"))]
    assert "authorization" not in headers
    assert "azure-secret" not in repr(found)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_dated_addresses_are_those_of_the_sdks_own_azure_client(
    script: Script, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    import openai

    monkeypatch.setenv("TEST_API_KEY", "azure-secret")
    if api == "responses":
        script.stream = lambda: iter([events.sse(events.whole())])
    root = script.url.removesuffix("/v1")
    ask(
        engine(
            sourced(root, "azure", api, deployment="my-o4", api_version="2025-04-01-preview", key_env="TEST_API_KEY")
        )
    )
    plain = openai.AzureOpenAI(
        azure_endpoint=root, api_version="2025-04-01-preview", api_key="azure-secret", max_retries=0
    )
    with plain:
        if api == "chat":
            list(plain.chat.completions.create(model="my-o4", messages=[], stream=True))
        else:
            list(plain.responses.create(model="my-o4", input="x", stream=True))
    assert script.paths[0] == script.paths[1]
    assert script.seen[0]["api-key"] == script.seen[1]["api-key"]


def test_azure_addresses_with_a_path_are_taken_as_they_are() -> None:
    url = "https://name.services.ai.azure.com/models"
    card = sourced(url, "azure", "chat", api_version="2024-05-01-preview", source="Phi-4")
    there = endpoint_of(card, Settings())
    assert (there.base_url, there.query) == (url, (("api-version", "2024-05-01-preview"),))
    assert endpoint_of(sourced(AZURE + "/openai/v1/", "azure"), Settings()).base_url == AZURE + "/openai/v1"


def test_a_resource_of_ones_own_stands_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    card = sourced("$AZURE_OPENAI_ENDPOINT", "azure", source="o4-mini")
    assert "AZURE_OPENAI_ENDPOINT" in str(unavailable(card, Settings()))
    assert leaves_machine(card, Settings())
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", AZURE)
    assert "AZURE_OPENAI_API_KEY" in str(unavailable(card, Settings()))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "x")
    assert unavailable(card, Settings()) is None
    assert endpoint_of(card, Settings()).base_url == AZURE + "/openai/v1"


# --- keys ----------------------------------------------------------------------------------------------------------


def test_each_source_is_shown_its_own_key_and_no_other(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "MISTRAL_API_KEY", "TEST_API_KEY"):
        monkeypatch.setenv(name, f"secret of {name}")
    for kind in ("openai", "azure", "mistral", "vendor"):
        card = sourced(script.url, kind, "chat")  # a loopback address is none of theirs
        ask(engine(card, openai_api_key=None))
    assert all("secret" not in str(headers) for headers in script.seen)
    ask(engine(sourced(script.url, "vendor", None, key_env="TEST_API_KEY"), openai_api_key=None))
    assert script.keys[-1] == "Bearer secret of TEST_API_KEY"


def test_a_wrong_key_is_told_with_the_variable_that_holds_it(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", "secret")
    script.status = 401
    failed = failure(ask(engine(sourced(script.url, "azure", key_env="TEST_API_KEY"))))
    assert failed.hint == "Check TEST_API_KEY."


def test_a_missing_deployment_is_told_as_such(script: Script) -> None:
    script.status, script.error = 404, {"error": {"code": "DeploymentNotFound", "message": "no"}}
    assert "no deployment 'my-o4'" in failure(ask(engine(sourced(script.url, "azure", deployment="my-o4")))).error


def test_other_servers_are_told_nothing_of_this_machine(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    ask(engine(sourced(script.url, "vllm", None)))
    allowed = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent"}
    assert set(script.seen[0]) - {"authorization"} == allowed


# --- local only ----------------------------------------------------------------------------------------------------


def test_local_only_blocks_what_leaves_this_machine_and_nothing_else(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    closed = Settings(local_only=True)
    away = ["https://api.openai.com/v1", AZURE, "http://10.0.0.5:8000/v1", "http://127.0.0.1.example.com/v1"]
    for url in away:
        reason = unavailable(sourced(url, "vendor", None), closed)
        assert reason is not None
        assert "local only" in reason.message
    for url in (script.url, "http://localhost:9/v1", "http://[::1]:9/v1"):
        assert unavailable(sourced(url, "vendor", None), closed) is None
    gateway = sourced(script.url, "vendor", None)
    gateway = gateway.model_copy(update={"origin": gateway.origin.model_copy(update={"leaves_machine": True})})  # type: ignore[union-attr]
    assert "local only" in str(unavailable(gateway, closed))
    assert "local only" in failure(ask(engine(gateway, local_only=True))).error
    assert text_of(ask(engine(sourced(script.url, "vendor", None), local_only=True)))
    assert len(script.asked) == 1


def test_the_states_carry_the_mark_and_the_reason(script: Script) -> None:
    cards = {card.id: card for card in load_catalog()} | {"api": sourced(script.url, "vendor", None)}
    api = OpenAIEngine(Catalog(cards), Settings(local_only=True))
    states = {state.id: state for state in asyncio.run(api.models())}
    assert states["o4-mini"].leaves_machine
    assert states["o4-mini"].state == "unavailable"
    assert "local only" in states["o4-mini"].reason
    assert not states["api"].leaves_machine
    assert states["api"].state == "ready"


def test_a_redirect_does_not_lead_off_this_machine(script: Script) -> None:
    with serving(Script()) as other:
        script.status, script.headers = 307, {"Location": other.url + "/chat/completions"}
        assert "not followed" in failure(ask(engine(sourced(script.url, "vendor", None), local_only=True))).error
        assert other.asked == []


def test_local_only_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings([]).local_only
    assert load_settings(["--local-only"]).local_only
    monkeypatch.setenv("PLAYGROUND_LOCAL_ONLY", "1")
    assert load_settings([]).local_only


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.2", False),
        ("localhost.evil.com", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_address(host: str, is_one: bool) -> None:
    assert is_loopback(host) == is_one


def test_kinds_are_known_by_their_hosts() -> None:
    kinds = [
        "eu.api.openai.com",
        "x.services.ai.azure.com",
        "api.mistral.ai",
        "api.openai.com.evil.com",
        "evilapi.openai.com",
    ]
    assert [kind_of(host) for host in kinds] == ["openai", "azure", "mistral", "vendor", "vendor"]


# --- side by side --------------------------------------------------------------------------------------------------


def test_two_sources_and_the_weights_here_answer_side_by_side(script: Script) -> None:
    with serving(Script(stream=lambda: whole("from", " there"))) as other:
        one = phi(
            {"name": "a", "kind": "vllm", "base_url": script.url, "model": "phi-a"},
            {"name": "b", "kind": "vendor", "base_url": other.url, "model": "phi-b", "price": PRICE},
        )
        catalog = Catalog(with_sources({"phi": one}))
        local = ScriptedEngine(catalog, {"phi": answer("from here", every=0.005)})
        router = Router(catalog, {"local": local, "openai": OpenAIEngine(catalog, Settings())})

        async def run(column: int, model: str) -> list[Event]:
            request = ChatRequest(model, (Message("user", "Hi"),), column=column)
            return [event async for event in router.submit(request, CancelToken())]

        async def both() -> list[list[Event]]:
            return await asyncio.gather(*(run(i, model) for i, model in enumerate(["phi", "phi@a", "phi@b"])))

        here, first, second = asyncio.run(both())
        assert (text_of(here), text_of(first), text_of(second)) == ("from here", "Hello there", "from there")
        assert (script.asked[0]["model"], other.asked[0]["model"]) == ("phi-a", "phi-b")
        assert stats_of(first).cost is None
        assert stats_of(second).cost == pytest.approx((100 * 2.0 + 40 * 8.0) / 1e6)
        assert {e.column for e in second if hasattr(e, "column")} == {2}


def test_the_model_setting_names_no_source(script: Script) -> None:
    found = ask(engine(sourced(script.url, "vllm", None, source="phi-a"), openai_model="other"))
    assert script.asked[0]["model"] == "phi-a"
    assert not [e for e in found if isinstance(e, Notice)]


def test_an_own_card_with_a_wrong_source_is_told_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[[card]]\nid="a"\nname="A"\nkind="chat"\nsource="x"\nlicence="x"\nsources=[{name="b"}]\n')
    with pytest.raises(PlaygroundError, match=r"sources\.0\.base_url"):
        load_catalog(path)
