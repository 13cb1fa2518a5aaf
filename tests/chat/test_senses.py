"""Pictures and sound with a tiny random Phi-4-multimodal; the oracle is the plain library call."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Phi4MultimodalFeatureExtractor

from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.errors import Cancelled, InvalidRequest
from playground.models.phi4_senses import Phi4Senses
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
    assert text
    assert stats.context_used == stats.prompt_tokens + stats.completion_tokens


def test_another_picture_changes_the_answer(loaded) -> None:
    one, two = (ask(loaded, Message("user", "x", images=(tiny.picture(seed),)))[0] for seed in (1, 2))
    assert one != two


# --- as the library prepares it ---


def pattern(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([(x * 7 + y * 3) % 256, (x * y) % 256, (x * x + 5 * y) % 256], -1).astype(np.uint8))


def eyes(size: int, patch: int, most: int) -> Phi4Senses:
    return Phi4Senses(10, 11, size, patch, most, (0.5,) * 3, (0.5,) * 3, Phi4MultimodalFeatureExtractor())


# Given by Phi4MultimodalImageProcessor of transformers 5.23 with torchvision 0.29.2: crops, sides, tokens, sum of the
# mask, pixels at four places, mean and standard deviation.
PLACES = ((0, 0, 5, 6), (0, 2, 40, 63), (1, 1, 10, 20), (2, 0, 63, 1))
GIVEN = {
    (448, 14, 36, 500, 300): (3, [448, 896], 721, 2752, [-0.4706, 0.0324, -0.3255, 0.4353], 0.162183, 0.5752),
    (448, 14, 36, 4000, 500): (19, [896, 4032], 2883, 11392, [0.4, 0.3765, 0.5373, 0.8275], 0.434391, 0.614008),
    (64, 2, 6, 100, 90): (5, [128, 128], 1230, 4736, [-0.2784, 0.1597, -0.0588, 0.9373], 0.086408, 0.550755),
}


@pytest.mark.parametrize("case", GIVEN)
def test_pictures_are_prepared_as_transformers_does(case) -> None:
    size, patch, most, width, height = case
    count, sides, tokens, mask_sum, places, mean, deviation = GIVEN[case]
    senses = eyes(size, patch, most)
    pixels, mask, found_sides = senses.look(pattern(width, height))
    assert (len(pixels), found_sides, len(senses.picture_ids(width, height))) == (count, sides, tokens)
    assert int(mask.sum()) == mask_sum
    step = 1.5 / 127.5  # resized bytes may round another way on other processors
    assert [float(pixels[place]) for place in PLACES] == pytest.approx(places, abs=step)
    assert float(pixels.double().mean()) == pytest.approx(mean, abs=1e-3)
    assert float(pixels.double().std()) == pytest.approx(deviation, abs=1e-3)


def test_pictures_are_prepared_as_transformers_does_here() -> None:
    pytest.importorskip("torchvision")
    from transformers import Phi4MultimodalImageProcessor

    theirs = Phi4MultimodalImageProcessor(size={"height": 64, "width": 64}, patch_size=2, dynamic_hd=6)
    pictures = [pattern(100, 90), pattern(300, 40)]
    wanted = theirs(pictures, return_tensors="pt")
    found = eyes(64, 2, 6).values(pictures, [], lambda: None)
    for name, value in found.items():
        assert torch.equal(value.float(), wanted[name].float()), name


@pytest.mark.parametrize("lengths", [(16_000,), (16_000 * 61 + 777,), (400, 401, 559, 560), (8_000, 16_000 * 61)])
def test_sound_is_prepared_as_transformers_does(lengths) -> None:
    noise = np.random.default_rng(2)
    sounds = [noise.standard_normal(length).astype(np.float32) / 9 for length in lengths]
    senses = eyes(64, 2, 6)
    wanted = senses.ears(sounds, sampling_rate=16_000, return_tensors="pt")
    found = senses.values([], sounds, lambda: None)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert torch.allclose(value.float(), wanted[name].float(), atol=1e-5), name
    assert [len(senses.sound_ids(length)) for length in lengths] == wanted["audio_embed_sizes"].tolist()


# --- what is kept, cut and counted ---


@pytest.fixture
def keeping(loaded):
    loaded.kept.limit = 10**9
    yield loaded
    loaded.kept.clear()
    loaded.kept.limit = 0


def test_a_conversation_is_gone_on_with_and_another_picture_is_not_taken_for_it(keeping) -> None:
    def talk(seed: int) -> list[str]:
        first = Message("user", "What is it?", images=(tiny.picture(seed),))
        said, _, _ = ask(keeping, first)
        again, _, _ = ask(keeping, first, Message("assistant", said), Message("user", "And now?"))
        return [said, again]

    warm = [talk(1), talk(2), talk(1)]
    assert keeping.kept.bytes > 0
    keeping.kept.limit = 0
    keeping.kept.clear()
    assert [talk(1), talk(2), talk(1)] == warm
    assert warm[0] != warm[1]


def test_the_second_turn_reads_only_what_is_new(keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[int, list[str]]] = []
    forward = keeping.model.forward

    def watched(input_ids, **values):
        reads.append((input_ids.shape[1], [name for name in values if name.startswith("image")]))
        return forward(input_ids=input_ids, **values)

    monkeypatch.setattr(keeping.model, "forward", watched)
    first = Message("user", "What is it?", images=(tiny.picture(8),))
    said, stats, _ = ask(keeping, first)
    assert reads[0] == (stats.prompt_tokens, ["image_pixel_values", "image_attention_mask", "image_sizes"])
    assert all(read == (1, []) for read in reads[1:])
    reads.clear()
    ask(keeping, first, Message("assistant", said), Message("user", "And now?"))
    assert reads[0][0] < 100 < stats.prompt_tokens
    assert reads[0][1] == []
    reads.clear()
    ask(keeping, first, Message("assistant", said), Message("user", "And this?", images=(tiny.picture(9),)))
    assert reads[0][1] != []  # new files change what all placeholders stand for


def test_pictures_leave_with_their_turn_and_never_in_part() -> None:
    small = tiny.loaded(context=1500)
    picture = tiny.picture(1)
    count = len(small.senses.picture_ids(90, 50))
    assert count < 1500 < 2 * count
    turns = [
        Message("user", "a", images=(picture,)),
        Message("assistant", "b"),
        Message("user", "c", images=(picture,)),
    ]
    text, stats, events = ask(small, *turns)
    assert stats.dropped_turns == 1
    assert any("left out" in event.text for event in events if isinstance(event, Notice))
    assert text == ask(small, turns[-1])[0]
    with pytest.raises(InvalidRequest, match=f"{2 * count} of them for its pictures and sounds"):
        ask(small, Message("user", "x", images=(picture, tiny.picture(2))))


def test_ten_minutes_of_silence_are_counted_and_refused_where_they_do_not_fit(loaded) -> None:
    silence = tiny.sound(seconds=600, silent=True)
    with pytest.raises(InvalidRequest, match="7500 of them"):
        ask(loaded, Message("user", "What was said?", audio=(silence,)))
    _, stats, _ = ask(tiny.loaded(context=8192), Message("user", "What was said?", audio=(silence,)), tokens=2)
    assert stats.prompt_tokens > 7500


def test_a_typed_placeholder_is_no_picture(loaded) -> None:
    _, stats, _ = ask(loaded, Message("user", "<|image|> is a token", images=(tiny.picture(),)))
    assert stats.prompt_tokens > len(loaded.senses.picture_ids(90, 50))


def test_where_all_keys_turn_anew_the_picture_is_seen_anew() -> None:
    asked = Message("user", "What is it?", images=(tiny.picture(),))
    _, stats, _ = ask(tiny.loaded(), asked, tokens=1)
    switch = stats.prompt_tokens + 4
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 6, "long_factor": [5.0] * 6}
    long = tiny.loaded(original_max_position_embeddings=switch, rope_parameters=rope)
    text, stats, _ = ask(long, asked, tokens=10)
    assert stats.prompt_tokens + stats.completion_tokens > switch
    picture = Image.open(io.BytesIO(asked.images[0]))
    spelled = "<|image|>" * len(long.senses.picture_ids(*picture.size))
    ids = long.tokenizer(f"<|user|>{spelled}What is it?<|end|><|assistant|>", add_special_tokens=False)["input_ids"]
    values = long.senses.values([picture], [], lambda: None)
    written: list[int] = []
    for _ in range(stats.completion_tokens):  # all of it read again for each token, without a cache
        logits = long.model(input_ids=torch.tensor([ids + written]), use_cache=False, **values).logits[0, -1]
        written.append(int(logits.argmax()))
    assert text == long.tokenizer.decode(written, skip_special_tokens=True)


# --- bad input, and Stop ---


def bomb() -> bytes:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"images": (bomb(),)}, "megapixels"),
        ({"images": (tiny.picture()[:400],)}, "damaged or cut off"),
        ({"images": (b"GIF89a",)}, "cannot be read"),
        ({"images": (tiny.picture(1, 4000, 6),)}, "too thin"),
        ({"images": tuple(tiny.picture(i, 4, 4) for i in range(33))}, "at most 32"),
        ({"audio": (b"RIFFxxxxWAVE",)}, "no samples"),
    ],
    ids=["bomb", "cut", "gif", "thin", "many", "wav"],
)
def test_bad_files_get_one_sentence(loaded, files, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        ask(loaded, Message("user", "x", **files))


def test_stop_ends_it_within_a_token_and_between_files(loaded) -> None:
    cancel, told = CancelToken(), []

    def emit(event) -> None:
        told.append(event)
        if isinstance(event, Token):
            cancel.cancel()

    asked = Message("user", "What is it?", images=(tiny.picture(),))
    request = checked_chat(ChatRequest("m", (asked,), max_new_tokens=500, temperature=0), loaded.card)
    stats = answer(loaded, request, cancel, emit)
    assert stats.stop_reason == "stopped"
    assert stats.completion_tokens <= 8  # several may be held back until they are characters
    with pytest.raises(Cancelled):
        answer(loaded, request, cancel, emit)
