"""A folder of Phi-4-multimodal as people have it: loaded with its processor's figures and its adapters, and run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Phi4MultimodalFeatureExtractor, Phi4MultimodalForCausalLM

from playground.catalog import Catalog, ModelCard
from playground.doctor import find
from playground.errors import ModelUnavailable
from playground.local_engine import LocalEngine
from playground.models.adopt import card_of
from playground.models.load import load, size_on_device
from playground.models.loaded import weight_bytes
from playground.models.phi4_senses import Phi4Senses
from playground.models.sense_bytes import picture_tokens, sound_tokens
from playground.models.working import for_senses
from playground.protocol import CancelToken, ChatRequest, Done, Event, Failed, Message, Token
from playground.settings import Settings
from tests.chat import tiny_senses as tiny

SETTINGS = Settings(device="cpu", dtype="float32", offline=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved(tmp_path_factory.mktemp("phi4mm"))


def card(folder: Path, **values) -> ModelCard:
    values = {"capabilities": ("vision", "audio")} | values
    return ModelCard(id="seeing", name="Seeing", kind="chat", source=str(folder), licence="MIT", **values)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[LocalEngine]:
    blind = ModelCard(id="blind", name="Blind", kind="chat", source="starter/starter-phi", licence="MIT")
    made = LocalEngine(SETTINGS, Catalog({"seeing": card(folder), "blind": blind}))
    yield made
    made.close()


def run(engine: LocalEngine, message: Message, model: str = "seeing", **values) -> list[Event]:
    values = {"temperature": 0.0, "max_new_tokens": 6, "seed": 1} | values

    async def collect() -> list[Event]:
        return [event async for event in engine.submit(ChatRequest(model, (message,), **values), CancelToken())]

    return asyncio.run(collect())


def text_of(events: list[Event]) -> str:
    assert isinstance(events[-1], Done), events[-1]
    return "".join(event.text for event in events if isinstance(event, Token))


def test_the_folder_is_loaded_with_its_adapter_switched_off(folder: Path) -> None:
    made = load(card(folder), "cpu", "float32", None, None, SETTINGS)
    assert made.senses is not None
    assert made.senses.most_crops == 6
    assert made.senses.adapters == {"vision"}
    assert made.bytes == weight_bytes(made.model)
    assert size_on_device(folder, "chat", "float32") == pytest.approx(made.bytes, rel=0.02)
    plain = Phi4MultimodalForCausalLM.from_pretrained(folder)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.equal(made.model(ids).logits, plain(ids).logits)


def test_what_is_seen_is_read_with_its_adapter_and_what_is_heard_without(engine: LocalEngine, folder: Path) -> None:
    picture, sound = tiny.picture(), tiny.sound(3)
    made = Phi4MultimodalForCausalLM.from_pretrained(folder)
    made.load_adapter(str(folder / "vision-lora"), adapter_name="vision")
    made.set_adapter("vision")

    def oracle(adapter: bool, message: Message) -> str:
        (made.enable_adapters if adapter else made.disable_adapters)()
        loaded = tiny.loaded()
        loaded.model = made.eval()
        from playground.chat.generate import answer
        from playground.chat.request import checked_chat

        found: list = []
        asked = ChatRequest("seeing", (message,), temperature=0.0, max_new_tokens=6, seed=1)
        answer(loaded, checked_chat(asked, loaded.card), CancelToken(), found.append)
        return "".join(e.text for e in found if isinstance(e, Token))

    seen, heard = (Message("user", "x", images=(picture,)), Message("user", "x", audio=(sound,)))
    texts = [text_of(run(engine, message)) for message in (seen, heard, Message("user", "x"))]
    assert texts == [oracle(True, seen), oracle(False, heard), oracle(False, Message("user", "x"))]
    assert texts[0] != oracle(False, seen)


def test_two_at_once_do_not_share_an_adapter(engine: LocalEngine) -> None:
    messages = [Message("user", "x", images=(tiny.picture(),)), Message("user", "Tell me of the hat.")]
    alone = [text_of(run(engine, message)) for message in messages]

    async def both() -> list[list[Event]]:
        async def one(message: Message) -> list[Event]:
            request = ChatRequest("seeing", (message,), temperature=0.0, max_new_tokens=6, seed=1)
            return [event async for event in engine.submit(request, CancelToken())]

        return await asyncio.gather(*map(one, messages))

    assert [text_of(events) for events in asyncio.run(both())] == alone


def test_a_model_that_cannot_see_names_one_that_can(engine: LocalEngine) -> None:
    (failed,) = run(engine, Message("user", "x", images=(tiny.picture(),)), model="blind")
    assert failed == Failed("Blind cannot see pictures.", "Seeing can.", "InvalidRequest")
    (failed,) = run(engine, Message("user", "x", audio=(tiny.sound(),)), model="blind")
    assert failed == Failed("Blind cannot hear sound.", "Seeing can.", "InvalidRequest")


def test_a_broken_file_fails_its_answer_alone(engine: LocalEngine) -> None:
    failed = run(engine, Message("user", "x", images=(tiny.picture()[:300],)))[-1]
    assert isinstance(failed, Failed)
    assert failed.code == "InvalidRequest"
    assert text_of(run(engine, Message("user", "x")))


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 5000), st.integers(40, 5000), st.floats(0.1, 1800))
def test_no_file_takes_more_tokens_than_were_reserved(width: int, height: int, seconds: float) -> None:
    ears = Phi4MultimodalFeatureExtractor()
    eyes = Phi4Senses(10, 11, 448, 14, 36, (0.5,) * 3, (0.5,) * 3, ears)
    assert len(eyes.picture_ids(width, height)) <= picture_tokens(width, height)
    assert len(eyes.sound_ids(int(seconds * 16_000))) <= sound_tokens(seconds)


def test_more_and_larger_files_reserve_more(folder: Path) -> None:
    one = card(folder)
    assert for_senses(one, [], [], "float32") == (0, 0)
    sizes = [for_senses(one, [(side, side)] * count, [], "float32") for side, count in ((100, 1), (900, 1), (900, 3))]
    assert sizes == sorted(set(sizes))
    sounds = [for_senses(one, [], seconds, "float32") for seconds in ([1.0], [60.0], [60.0, 60.0])]
    assert sounds == sorted(set(sounds))


def test_a_folder_that_is_added_is_known_to_see_and_hear(folder: Path) -> None:
    _, facts, _ = find(str(folder), SETTINGS, Catalog({}))
    assert facts is not None
    assert {"vision", "audio"} <= set(card_of(str(folder), facts).capabilities)


def test_figures_that_do_not_fit_the_model_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "preprocessor_config.json").unlink()
    for says in ({"patch_size": 7}, {"dynamic_hd": 9999}, {"size": {"height": 448}}):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(says))
        with pytest.raises(ModelUnavailable, match="does not fit its model"):
            load(card(tmp_path), "cpu", "float32", None, None, SETTINGS)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "speech-lora").mkdir()
    (tmp_path / "speech-lora" / "adapter_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ModelUnavailable, match="has no adapter_model"):
        load(card(tmp_path), "cpu", "float32", None, None, SETTINGS)
