"""What the UNet is told: the library's own embeddings for plain text, A1111's for the rest, and AND by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.images.metadata import read_metadata
from playground.images.prompts.chunks import chunked
from playground.images.prompts.composed import ComposedUnet
from playground.images.prompts.conditioning import Conditioning
from playground.images.prompts.encode import Encoder, weighted
from playground.images.prompts.prepared import prepared
from playground.images.prompts.steps import BREAK, Fragment
from playground.protocol import Notice
from tests.images.conftest import byte_tokenizer, pictures, pixels
from tests.images.test_xl import tiny_xl as tiny_xl


def encoded(pipeline, text, skip=1):
    encoder = Encoder(pipeline, "cpu", skip)
    fragments = (Fragment(text),) if text else ()
    return encoder.encoded(fragments, len(encoder.chunks(fragments)[0]))


def conditioning(loaded, prompt, negative="", steps=4, count=1):
    return Conditioning(Encoder(loaded.pipeline(), "cpu"), prepared(prompt, negative, 7, count), steps)


@pytest.mark.parametrize("text", ["", "a red ball", "ab " * 37, "Ünïcode, 10:15 — 猫"])
def test_plain_text_gives_the_pipelines_own_embeddings_bit_for_bit(tiny, text) -> None:
    pipeline = tiny.pipeline()
    with torch.inference_mode():
        own, _ = pipeline.encode_prompt(text, "cpu", 1, False)
        assert torch.equal(encoded(pipeline, text).hidden, own)


@pytest.mark.parametrize("text", ["", "a red ball"])
def test_both_encoders_of_xl_and_the_pooled_one_too(tiny_xl, text) -> None:
    pipeline = tiny_xl.pipeline()
    with torch.inference_mode():
        own, _, pooled, _ = pipeline.encode_prompt(text, device="cpu", do_classifier_free_guidance=False)
        found = encoded(pipeline, text)
        skipped, *_ = pipeline.encode_prompt(text, device="cpu", do_classifier_free_guidance=False, clip_skip=1)
        assert torch.equal(found.hidden, own)
        assert torch.equal(found.pooled, pooled)
        assert torch.equal(encoded(pipeline, text, 2).hidden, skipped)


def test_clip_skip_takes_an_earlier_layer_through_the_final_norm(tiny) -> None:
    pipeline, model = tiny.pipeline(), tiny.components["text_encoder"]
    ids = tiny.components["tokenizer"]("ab", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.inference_mode():
        states = model(ids, output_hidden_states=True).hidden_states
        norm = getattr(model, "text_model", model).final_layer_norm
        assert torch.equal(norm(states[-1]), encoded(pipeline, "ab").hidden)
        assert torch.equal(norm(states[-2]), encoded(pipeline, "ab", 2).hidden)
    with pytest.raises(InvalidRequest, match="clip_skip 3 is more than the 2 layers"):
        Encoder(pipeline, "cpu", 3)


def test_a_full_chunk_is_cut_at_a_near_comma_and_nowhere_else() -> None:
    tokenizer = byte_tokenizer()

    def sizes(text):
        return [len(chunk.ids) for chunk in chunked((Fragment(text),), tokenizer)]

    assert sizes("a " * 75) == [75]
    assert sizes("a " * 76) == [75, 1]
    assert sizes("a " * 60 + ", " + "a " * 20) == [61, 20]
    assert sizes("a " * 55 + ", " + "a " * 20) == [56, 20]  # the comma is token 56: 20 from the end
    assert sizes("a " * 54 + ", " + "a " * 20) == [75]
    assert sizes("a " * 54 + ", " + "a " * 21) == [75, 1]
    assert sizes("a " * 75 + ", b") == [75, 2]
    assert [len(c.ids) for c in chunked((Fragment("a"), BREAK, Fragment("b b")), tokenizer)] == [1, 2]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["a", "a,", ",", "bc"]), max_size=200))
def test_chunks_lose_no_token_and_hold_at_most_75(names) -> None:
    tokenizer, text = byte_tokenizer(), " ".join(names)
    chunks = chunked((Fragment(text, 1.2),), tokenizer)
    assert [i for c in chunks for i in c.ids] == tokenizer(text, add_special_tokens=False).input_ids
    assert all(len(c.ids) == len(c.weights) <= 75 for c in chunks)


def test_weights_scale_their_tokens_and_the_mean_stays() -> None:
    hidden = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0)) + 1
    found = weighted(hidden, [1.0, 1.5, 1.0, 1.0])
    assert found.mean() == pytest.approx(float(hidden.mean()), rel=1e-5)
    ratio = found / hidden
    assert torch.allclose(ratio[0, 1] / ratio[0, 0], torch.tensor(1.5))
    assert weighted(hidden, [1.0] * 4) is hidden
    assert weighted(hidden, [0.0] * 4).isfinite().all()


def test_positive_and_negative_have_as_many_chunks(tiny) -> None:
    with torch.inference_mode():
        state = conditioning(tiny, "ab", "x BREAK y BREAK z", count=2).at(0)
        assert state.parts[0].hidden.shape == state.negative.hidden.shape == (2, 231, 32)
        empty = encoded(tiny.pipeline(), "").hidden
        assert torch.equal(state.parts[0].hidden[:1, 77:154], empty)


def test_a_wrapped_unet_gives_what_the_pipeline_gives(draw, monkeypatch) -> None:
    plain = pixels(pictures(draw(prompt="a red ball", sampler="Heun", batch_size=2)[0])[0].png)
    monkeypatch.setattr(Conditioning, "needs_wrapper", True)
    assert np.array_equal(plain, pixels(pictures(draw(prompt="a red ball", sampler="Heun", batch_size=2)[0])[0].png))


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_and_is_the_weighted_sum_of_a_loop_by_hand(draw, tiny, guidance) -> None:
    """Composable diffusion, written out: u + g (1.0 (p(a) - u) + 0.6 (p(b) - u))."""
    from diffusers import DDIMScheduler

    from playground.images.latents import to_picture_tensor

    events, _ = draw(
        prompt="red ball AND blue box:0.6",
        negative_prompt="x",
        seed=3,
        steps=4,
        guidance_scale=guidance,
        sampler="DDIM",
    )
    scheduler = DDIMScheduler.from_config(dict(tiny.components["scheduler"].config) | {"clip_sample": False})
    scheduler.set_timesteps(4)
    pipeline, unet = tiny.pipeline(), tiny.components["unet"]
    with torch.inference_mode():
        a, b, n = (encoded(pipeline, text).hidden for text in ("red ball", "blue box", "x"))
        latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
        for t in scheduler.timesteps:
            u, pa, pb = (unet(latents, t, encoder_hidden_states=e).sample for e in (n, a, b))
            noise = u + guidance * (1.0 * (pa - u) + 0.6 * (pb - u))
            latents = scheduler.step(noise, t, latents).prev_sample
        by_hand = to_picture_tensor(pipeline.vae, latents)
        picture = pipeline.image_processor.postprocess(by_hand, output_type="pil")[0]
    found = pixels(pictures(events)[0].png).astype(int)
    assert np.abs(found - np.asarray(picture.resize(found.shape[1::-1]))).max() <= 1


@pytest.mark.parametrize(("sampler", "calls"), [("DDIM", [0, 0, 1, 1]), ("Heun", [0, 0, 0, 0, 1, 1, 1])])
def test_a_schedule_changes_what_the_unet_is_told_at_its_step(draw, tiny, sampler, calls) -> None:
    seen = []

    def told(module, args, kwargs):
        seen.append(kwargs["encoder_hidden_states"][-1:].clone())

    hook = tiny.components["unet"].register_forward_pre_hook(told, with_kwargs=True)
    try:
        draw(prompt="[ab:cd:0.5]", steps=4, sampler=sampler)
    finally:
        hook.remove()
    with torch.inference_mode():
        wanted = [encoded(tiny.pipeline(), text).hidden for text in ("ab", "cd")]
    assert [next(i for i, w in enumerate(wanted) if torch.equal(s, w)) for s in seen] == calls


def test_alternation_tells_another_option_each_step(tiny) -> None:
    with torch.inference_mode():
        found = conditioning(tiny, "[a|b] ball", steps=4)
        hidden = [found.at(step).parts[0].hidden for step in range(4)]
    assert torch.equal(hidden[0], hidden[2])
    assert torch.equal(hidden[1], hidden[3])
    assert not torch.equal(hidden[0], hidden[1])


def test_each_picture_of_a_batch_has_its_own_variant_and_its_record_tells(draw) -> None:
    prompt = "a {red|green|blue|black} {ball|box|star}"
    made = pictures(draw(prompt=prompt, seed=7, batch_size=3)[0])
    records = [read_metadata(picture.png) for picture in made]
    assert len({record["prompt"] for record in records}) > 1
    assert {record["prompt_template"] for record in records} == {prompt}
    for picture, record in zip(made, records, strict=True):
        alone = pictures(draw(prompt=record["prompt"], seed=picture.seed)[0])[0]
        assert np.abs(pixels(alone.png).astype(int) - pixels(picture.png)).max() <= 1


@pytest.mark.parametrize("prompt", ["(ab:1.4) cd", "ab AND cd:0.5", "[ab:cd:0.5]", "ab BREAK cd"])
def test_every_syntax_runs_on_xl_and_moves_the_picture(tiny_xl, prompt) -> None:
    from playground.images.request import checked_image
    from playground.images.run import paint
    from playground.protocol import CancelToken
    from tests.images.conftest import ask

    def made(text):
        events = []
        request = checked_image(ask(prompt=text, steps=2, sampler="DDIM", preview_every=0), tiny_xl.card)
        paint(tiny_xl, request, CancelToken(), events.append)
        return pixels(pictures(events)[0].png)

    assert not np.array_equal(made(prompt), made("ab cd"))


def test_hints_and_loras_are_told_beside_the_picture(draw) -> None:
    events, _ = draw(prompt="a (red ball", negative_prompt="<lora:shiny:0.8>", steps=1)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert len(told) == 2
    assert "no partner" in told[0]
    assert "'shiny'" in told[1]
    assert len(pictures(events)) == 1


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [("ab cd " * 1500, "at most 32 chunks"), ("a AND " * 16 + "a", "AND joins 17 prompts")],
)
def test_more_than_a_model_can_be_told_is_one_sentence(draw, prompt, sentence) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        draw(prompt=prompt)


def test_the_wrapper_is_of_one_run_and_the_shared_unet_is_untouched(draw, tiny) -> None:
    draw(prompt="ab AND cd", steps=1)
    assert not isinstance(tiny.components["unet"], ComposedUnet)


def test_other_models_get_the_plain_words_and_are_told_what_was_left_out() -> None:
    from diffusers import FluxPipeline

    from playground.images.prompts.told import model_text
    from tests.images.conftest import ask

    events = []
    pipeline = FluxPipeline.__new__(FluxPipeline)  # only its call's signature is read
    prompts = prepared("a ({red|red}:1.3) ball AND a [box:star:0.5]", "(x)", 1, 2)
    found = model_text(pipeline, "Flux", ask(batch_size=2, clip_skip=2), prompts, events.append)
    assert found == {"prompt": "a red ball, a box", "num_images_per_prompt": 2, "negative_prompt": "x"}
    assert [event.text for event in events] == ["clip_skip 2 does not apply to Flux and is left out."]
    mixed = prepared("{a|b|c|d} ball", "", 1, 4)
    texts = model_text(pipeline, "Flux", ask(batch_size=4), mixed, events.append)
    assert texts == {"prompt": [one.prompt for one in mixed], "num_images_per_prompt": 1}
