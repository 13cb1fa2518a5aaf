"""Pictures and sound with a tiny random Phi-4-multimodal; the oracle is the plain library call."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Phi4MultimodalFeatureExtractor

from playground.chat.generate import answer
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest, ChatStats, Message, Notice, Token
from tests.chat import tiny_senses as tiny


@pytest.fixture(scope="module")
def loaded():
    return tiny.loaded()


def ask(loaded, *messages: Message, cancel: CancelToken | None = None, tokens: int = 12) -> tuple[str, ChatStats, list]:
    events: list = []
    request = ChatRequest(
        "tiny-senses", messages, temperature=0.0, top_p=1.0, top_k=0, min_p=0.0, repetition_penalty=1.0,
        presence_penalty=0.0, frequency_penalty=0.0, max_new_tokens=tokens, seed=1,
    )  # fmt: skip
    stats = answer(loaded, request, cancel or CancelToken(), events.append)
    return "".join(e.text for e in events if isinstance(e, Token)), stats, events


def expected(loaded, text: str, pictures: list[bytes], sounds: list[np.ndarray], tokens: int = 12) -> str:
    """What transformers' `generate` answers, with features of its own audio extractor."""
    values: dict = {}
    spelled = text
    if pictures:
        opened = [Image.open(io.BytesIO(data)) for data in pictures]
        values |= loaded.senses.values(opened, [], lambda: None)  # tested against transformers' own below
    if sounds:
        heard = Phi4MultimodalFeatureExtractor()(sounds, sampling_rate=16_000, return_tensors="pt")
        values |= dict(heard)
        spelled = "".join("<|audio|>" * int(n) for n in heard["audio_embed_sizes"]) + spelled
    if pictures:
        spelled = "".join("<|image|>" * len(loaded.senses.picture_ids(*p.size)) for p in opened) + spelled
    ids = loaded.tokenizer(f"<|user|>{spelled}<|end|><|assistant|>", add_special_tokens=False, return_tensors="pt")
    out = loaded.model.generate(ids["input_ids"], attention_mask=ids["attention_mask"], do_sample=False,
                                max_new_tokens=tokens, **values)  # fmt: skip
    return loaded.tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


SOUND = tiny.samples(3).astype(np.float32) / 2**15


@pytest.mark.parametrize(
    ("images", "audio"),
    [((tiny.picture(),), ()), ((), (tiny.sound(3),)), ((tiny.picture(), tiny.picture(2, 70, 130)), (tiny.sound(3),)),
     ((), (tiny.sound(3), tiny.sound(4, 0.9)))],
    ids=["picture", "sound", "both", "two sounds"],
)  # fmt: skip
def test_it_answers_as_generate_does(loaded, images, audio) -> None:
    sounds = [SOUND, tiny.samples(4, 0.9).astype(np.float32) / 2**15][: len(audio)]
    text, stats, _ = ask(loaded, Message("user", "What is it?", images=images, audio=audio))
    assert text == expected(loaded, "What is it?", list(images), sounds)
    assert stats.completion_tokens and text


def test_another_picture_changes_the_answer(loaded) -> None:
    one, two = (ask(loaded, Message("user", "x", images=(tiny.picture(seed),)))[0] for seed in (1, 2))
    assert one != two
