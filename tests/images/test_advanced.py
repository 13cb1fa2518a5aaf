"""Variations, eta and guidance rescale do what they say, are off by default, and are refused where inert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.images import noise
from playground.images.metadata import from_text, read_metadata
from playground.images.request import checked_image
from playground.images.samplers import samplers, takes_eta
from playground.protocol import Step
from tests.images.conftest import CARD, ask, photo, pictures, pixels, png

SHAPE = (4, 8, 6)


def picture(draw, **fields):
    return pixels(pictures(draw(**fields)[0])[0].png)


def drawn(seed: int) -> torch.Tensor:
    return torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed))


def varied(seed: int, other: int, strength: float, count: int = 1) -> torch.Tensor:
    sources = noise.generators(seed, count)
    return noise.varied_latents(SHAPE, sources, torch.float32, "cpu", other, strength)


# --- variations ---


def test_a_variation_turns_each_column_by_its_share_of_the_angle():
    first, other, turned = drawn(1), drawn(2), varied(1, 2, 0.3)
    for channel in range(4):
        for column in range(6):
            a, b, c = (n[0, channel, :, column].double().numpy() for n in (first, other, turned))
            angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            expected = np.sin(0.7 * angle) / np.sin(angle) * a + np.sin(0.3 * angle) / np.sin(angle) * b
            assert np.allclose(c, expected, atol=1e-5)


def test_the_ends_of_a_variation_are_the_two_noises():
    assert torch.equal(varied(1, 2, 0.0), drawn(1))
    assert torch.equal(varied(1, 2, 1.0), drawn(2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_variation_is_noise_of_the_same_size_and_finite(seed, other, strength):
    turned = varied(seed, other, strength)
    assert torch.isfinite(turned).all()
    assert 0.6 < turned.std() < 1.4


def test_a_variation_towards_its_own_seed_changes_nothing():
    assert torch.allclose(varied(5, 5, 0.4), drawn(5), atol=1e-6)


def test_a_variation_leaves_the_generators_where_plain_noise_does():
    plain, other = noise.generators(3, 2), noise.generators(3, 2)
    noise.initial_latents(SHAPE, plain, torch.float32, "cpu")
    noise.varied_latents(SHAPE, other, torch.float32, "cpu", 9, 0.5)
    assert [g.get_state().tolist() for g in plain] == [g.get_state().tolist() for g in other]


def test_a_stronger_variation_is_farther_from_the_seeds_own_picture(draw):
    own = picture(draw, steps=2).astype(int)
    away = [np.abs(picture(draw, steps=2, variation_seed=9, variation_strength=s) - own).mean() for s in (0, 0.2, 1)]
    assert away[0] == 0 < away[1] < away[2]
    assert np.array_equal(
        picture(draw, steps=2, variation_seed=9, variation_strength=1.0), picture(draw, steps=2, seed=9)
    )


def test_a_variation_without_a_seed_draws_one_and_reports_it(draw):
    made = pictures(draw(steps=2, variation_strength=0.4)[0])[0]
    record = read_metadata(made.png)
    assert (record["seed"], record["variation_strength"]) == (7, 0.4)
    again = picture(draw, steps=2, variation_strength=0.4, variation_seed=record["variation_seed"])
    assert np.array_equal(pixels(made.png), again)


# --- eta and rescale ---


def plain_picture(tiny, **options):
    parts = {k: v for k, v in tiny.components.items() if k != "scheduler"}
    scheduler = DDIMScheduler.from_config(tiny.components["scheduler"].config, clip_sample=False)
    plain = StableDiffusionPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    plain.set_progress_bar_config(disable=True)
    source = torch.Generator().manual_seed(7)
    return np.asarray(
        plain("a red ball", generator=source, num_inference_steps=3, width=64, height=64, **options).images[0]
    )


def test_eta_and_rescale_are_those_of_plain_diffusers_bit_for_bit(draw, tiny):
    ours = picture(draw, steps=3, eta=0.6, guidance_rescale=0.7, guidance_scale=6.0)
    assert np.array_equal(ours, plain_picture(tiny, eta=0.6, guidance_rescale=0.7, guidance_scale=6.0))
    assert not np.array_equal(ours, plain_picture(tiny, eta=0.6, guidance_scale=6.0))
    assert not np.array_equal(ours, plain_picture(tiny, guidance_rescale=0.7, guidance_scale=6.0))


def test_full_rescale_gives_the_spread_of_the_unguided_prediction():
    guided, text = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3
    assert torch.allclose(rescale_noise_cfg(guided, text, 1.0).std((1, 2, 3)), text.std((1, 2, 3)), atol=1e-4)


@pytest.mark.parametrize("sampler", [name for name in samplers() if not takes_eta(name)])
def test_a_sampler_without_eta_says_so(sampler):
    with pytest.raises(InvalidRequest, match=r"takes no eta, got 0.5.*DDIM, TCD"):
        checked_image(ask(sampler=sampler, eta=0.5), CARD)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"eta": 1.5}, "eta must be 0 to 1, got 1.5"),
        ({"eta": float("nan")}, "eta must be 0 to 1"),
        ({"guidance_rescale": -0.1}, "guidance_rescale must be 0 to 1, got -0.1"),
        ({"guidance_rescale": "x"}, "guidance_rescale must be 0 to 1, got 'x'"),
        ({"guidance_rescale": 0.5, "guidance_scale": 1.0}, "does nothing at guidance_scale 1"),
        ({"variation_strength": 2}, "variation_strength must be 0 to 1, got 2"),
        ({"variation_seed": 2**32}, "variation_seed must be 0 to"),
        ({"variation_strength": 0.5, "kind": "image_to_image", "image": png(photo())}, "pictures from text alone"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(fields, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        checked_image(ask(**fields), CARD)


def test_a_model_that_draws_its_own_noise_refuses_variations():
    card = CARD.model_copy(update={"model_class": "FluxPipeline"})
    with pytest.raises(InvalidRequest, match="draws its own noise"):
        checked_image(ask(sampler="Euler", variation_strength=0.5), card)


def test_a_pipeline_without_rescale_says_so(draw):
    with pytest.raises(InvalidRequest, match="StableDiffusionImg2ImgPipeline takes no guidance_rescale"):
        draw(kind="image_to_image", image=png(photo()), guidance_rescale=0.5)


def test_another_name_of_a_sampler_is_understood():
    assert checked_image(ask(sampler="PLMS"), CARD).sampler == "PNDM"


def test_the_record_carries_the_settings_and_the_text_only_where_they_are_set(draw):
    fields = {"eta": 0.5, "guidance_rescale": 0.25, "variation_seed": 3, "variation_strength": 0.125}
    made = pictures(draw(steps=1, **fields)[0])[0]
    assert {k: read_metadata(made.png)[k] for k in fields} == fields
    text = from_text(made.parameters)
    assert {k: text[k] for k in fields} == fields
    for part in ("Eta: 0.5", "CFG Rescale phi: 0.25", "Variation seed: 3, Variation seed strength: 0.125"):
        assert part in made.parameters
    plain = pictures(draw(steps=1)[0])[0]
    unset = {"eta": None, "guidance_rescale": 0.0, "variation_seed": None, "variation_strength": 0.0}
    assert {k: read_metadata(plain.png)[k] for k in fields} == unset
    assert not set(fields) & set(from_text(plain.parameters))


# --- batches and counts, over all samplers ---


def seen_by(tiny, run):
    """What `run` gives, with the first latents that reached the model, the unguided half, and the calls made."""
    seen = []
    hook = tiny.components["unet"].register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    try:
        made = run()
    finally:
        hook.remove()
    return made, seen[0].chunk(2)[0], len(seen)


@pytest.mark.parametrize("sampler", samplers())
def test_picture_i_of_a_batch_is_the_single_picture_and_progress_counts_calls(draw, tiny, sampler):
    fields = {"sampler": sampler, "steps": 4, "variation_seed": 2, "variation_strength": 0.2}
    fields |= {"eta": 0.7} if takes_eta(sampler) else {}
    (events, _), first, calls = seen_by(tiny, lambda: draw(seed=40, batch_size=2, **fields))
    counted = [e for e in events if isinstance(e, Step)]
    assert calls == len(counted) == counted[-1].index == counted[-1].total
    assert calls == {"Heun": 7, "DPM2": 7, "DPM2 a": 7, "PNDM": 5}.get(sampler, 4)
    (alone, _), single, _ = seen_by(tiny, lambda: draw(seed=40, **fields | {"variation_seed": 3}))
    assert torch.equal(first[1:], single)
    error = (pixels(pictures(events)[1].png) - pixels(pictures(alone)[0].png).astype(float)) ** 2
    assert error.mean() == 0 or 10 * np.log10(255**2 / error.mean()) > 40


def test_without_variations_picture_i_has_the_next_seed(draw, tiny):
    (events, _), first, _ = seen_by(tiny, lambda: draw(seed=40, steps=1, batch_size=2, variation_seed=2))
    _, single, _ = seen_by(tiny, lambda: draw(seed=41, steps=1))
    assert torch.equal(first[1:], single)
    assert [made.seed for made in pictures(events)] == [40, 41]


def test_variations_are_relatives_of_one_picture_and_say_which(draw):
    fields = {"prompt": "{red|blue|green|teal} ball", "steps": 1, "variation_seed": 5, "variation_strength": 0.1}
    made = pictures(draw(batch_size=3, **fields)[0])
    records = [read_metadata(one.png) for one in made]
    assert [(r["seed"], r["variation_seed"]) for r in records] == [(7, 5), (7, 6), (7, 7)]
    assert len({r["prompt"] for r in records}) == 1  # variants are chosen by the seed, which is one
    second = pictures(draw(**fields | {"variation_seed": 6})[0])[0]
    assert np.array_equal(pixels(made[1].png), pixels(second.png))


def test_new_fields_at_their_defaults_leave_the_request_as_it_was(draw):
    explicit = {"guidance_rescale": 0.0, "eta": None, "variation_seed": 5, "variation_strength": 0.0}
    assert np.array_equal(picture(draw, steps=2), picture(draw, steps=2, **explicit))
    assert checked_image(replace(ask(), variation_seed=-1), CARD).variation_seed is None
