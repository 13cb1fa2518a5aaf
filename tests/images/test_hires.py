"""The second pass: what it runs, that it is plain diffusers' own, and what the record and A1111's text say of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.images.hires import final_size, pass_request
from playground.images.infotext import from_text
from playground.images.memory import plan_for
from playground.images.metadata import read_metadata
from playground.images.recall import request_of
from playground.images.request import checked_image
from playground.protocol import ImageRequest, Step
from tests.images.conftest import CARD, ask, photo, pictures, pixels, png

ON = {"hires_scale": 2.0, "steps": 2, "hires_steps": 2, "hires_strength": 0.5}


def picture(draw, **fields):
    return pixels(pictures(draw(**fields)[0])[0].png)


def test_off_it_changes_nothing_and_is_not_in_the_record(draw):
    fields = {"hires_method": "lanczos", "hires_steps": 9, "hires_strength": 0.9, "hires_sampler": "Euler"}
    made = pictures(draw(steps=2, **fields)[0])[0]
    assert np.array_equal(pixels(made.png), picture(draw, steps=2))
    assert not [key for key in read_metadata(made.png) if key.startswith(("hires_", "tiling", "vae_", "styl", "typed"))]


def test_in_latents_it_is_bit_for_bit_what_plain_diffusers_gives(draw, tiny):
    parts = {k: v for k, v in tiny.components.items() if k != "scheduler"}
    scheduler = DDIMScheduler.from_config(tiny.components["scheduler"].config, clip_sample=False)
    first = StableDiffusionPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    again = StableDiffusionImg2ImgPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    options = {"prompt": "a red ball", "guidance_scale": 3.0}
    seed = torch.Generator().manual_seed
    latents = first(**options, num_inference_steps=2, width=64, height=64, generator=seed(7), output_type="latent")
    larger = F.interpolate(latents.images, scale_factor=2, mode="bilinear")
    plain = again(**options, image=larger, num_inference_steps=4, strength=0.5, generator=[seed(7)]).images[0]
    assert np.array_equal(picture(draw, **ON), np.asarray(plain))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 150), st.floats(0.05, 1.0))
def test_it_runs_exactly_as_many_steps_as_were_asked_for(steps, strength):
    divided = pass_request(ImageRequest("m", "p", hires_scale=2.0, hires_steps=steps, hires_strength=strength,
                                        hires_sampler="Euler")).steps  # fmt: skip
    assert int(divided * strength) == steps
    assert (divided - 1) * strength < steps


@pytest.mark.parametrize(
    ("sampler", "second", "calls"), [("DDIM", None, 4), ("Heun", "PNDM", 6), ("Euler a", "Heun", 6)]
)
def test_progress_counts_the_calls_of_both_passes(draw, sampler, second, calls):
    events, stats = draw(**ON, sampler=sampler, hires_sampler=second, batch_size=2)
    counted = [(e.index, e.total) for e in events if isinstance(e, Step)]
    assert counted == [(i + 1, len(counted)) for i in range(len(counted))]
    assert abs(len(counted) - calls) <= 1
    assert stats.steps == 4


@pytest.mark.parametrize("method", ["latent", "lanczos", "bicubic", "nearest"])
def test_every_method_ends_at_the_size_and_pictures_of_a_batch_are_their_own(draw, method):
    made = [pixels(p.png) for p in pictures(draw(**ON, hires_method=method, batch_size=2, seed=40)[0])]
    assert made[0].shape == (128, 128, 3)
    alone = picture(draw, **ON, hires_method=method, seed=41)
    assert np.abs(made[1].astype(int) - alone).max() <= 2


def test_a_given_picture_takes_the_place_of_the_first_pass(draw):
    events, stats = draw(**ON, kind="image_to_image", prompt="", image=png(photo(75, 66)), strength=1.0)
    assert pixels(pictures(events)[0].png).shape == (128, 144, 3)
    assert [e.total for e in events if isinstance(e, Step)] == [2, 2]
    assert stats.steps == 2


def test_a_record_makes_the_same_picture_again(draw):
    made = pictures(draw(**ON, hires_method="lanczos", hires_sampler="Euler a", seed=3)[0])[0]
    record = read_metadata(made.png)
    assert (record["width"], made.width, record["hires_scale"], record["hires_schedule"]) == (64, 128, 2.0, "Automatic")
    again = request_of(record, Catalog({CARD.id: CARD}))
    fields = {f: getattr(again, f) for f in ImageRequest.__dataclass_fields__ if f not in ("model", "owner")}
    assert np.array_equal(pixels(made.png), picture(draw, **fields))


def test_the_text_is_a1111s_and_comes_back(draw):
    made = pictures(draw(**ON, hires_sampler="Euler a")[0])[0]
    assert "Size: 64x64" in made.parameters
    assert "Denoising strength: 0.5" in made.parameters
    assert "Hires sampler: Euler a, Hires schedule type: Automatic, Hires upscale: 2, Hires steps: 2" in made.parameters
    record = from_text(made.parameters)
    wanted = {"hires_scale": 2.0, "hires_steps": 2, "hires_method": "latent", "hires_strength": 0.5, "width": 64}
    assert wanted.items() <= record.items()
    assert "strength" not in record


def test_a_text_of_a1111_is_read_and_an_upscaler_that_is_not_here_is_said():
    text = (
        "a cat\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 9, Size: 512x768, Denoising strength: 0.4, "
        "Hires upscale: 1.5, Hires steps: 10, Hires upscaler: R-ESRGAN 4x+, Tiling: True"
    )
    record = from_text(text)
    assert (record["hires_scale"], record["hires_steps"], record["hires_strength"]) == (1.5, 10, 0.4)
    assert record["other"] == {"Hires upscaler": "R-ESRGAN 4x+"}
    assert record["tiling"] is True
    plain = from_text(text.replace("Hires upscale: 1.5, ", ""))
    assert plain["strength"] == 0.4
    assert "hires_steps" not in plain


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"hires_scale": 0.5}, "hires_scale must be 1 to 4, or 0 for none, got 0.5"),
        ({"hires_scale": "x"}, "hires_scale must be 0 to 4, got 'x'"),
        ({"hires_scale": float("nan")}, "hires_scale must be 0 to 4"),
        ({"hires_method": "esrgan"}, "hires_method must be one of latent, lanczos, bicubic, nearest, got 'esrgan'"),
        ({"hires_strength": 0}, "hires_strength must be 0.05 to 1, got 0"),
        ({"hires_steps": 2.5}, "hires_steps must be a whole number, got 2.5"),
        ({"hires_steps": 100, "hires_strength": 0.05}, "divides the way into 2000 steps; DDIM takes 1000"),
        ({"hires_sampler": "Eulr"}, "There is no hires_sampler 'Eulr'"),
        ({"hires_sampler": "LCM", "hires_schedule": "Karras"}, "LCM has no hires_schedule 'Karras'"),
        ({"width": 256, "hires_scale": 4.0}, "hires_scale 4 of 256x64 is 1024x256; a side may have 512 pixels"),
        ({"kind": "inpaint"}, "kind inpaint has no second pass"),
        ({"tiling": 1}, "tiling must be true or false, got 1"),
        ({"tiling": True, "hires_scale": 0.0, "kind": "inpaint"}, "repainted part cannot tile"),
        ({"styles": "x"}, "styles must be a list of names"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(fields, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        checked_image(ask(**{"hires_scale": 2.0, **fields}), CARD)


def test_another_kind_of_model_says_that_it_has_none():
    card = CARD.model_copy(update={"model_class": "FluxPipeline"})
    with pytest.raises(InvalidRequest, match="FluxPipeline, which has no second pass"):
        checked_image(ask(sampler="Euler", hires_scale=2.0), card)


def test_what_the_second_pipeline_does_not_take_is_told_before_the_first_pass(draw):
    with pytest.raises(InvalidRequest, match="takes no guidance_rescale"):
        draw(**ON, guidance_rescale=0.5)


def test_memory_is_planned_for_the_final_size(monkeypatch):
    from playground.images.hires import last_size

    assert last_size(ask(width=64, height=96, hires_scale=2.0)) == (128, 192)
    assert last_size(ask(width=64, hires_scale=2.0)) == (64, None)
    assert plan_for(CARD, ask(hires_scale=2.0), "float32", 10**9).batch == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 64), st.integers(8, 64), st.floats(1, 4))
def test_a_final_size_is_whole_cells_and_near_the_scale(w, h, scale):
    size = final_size((w * 8, h * 8), scale, (64, 4096))
    assert all(side % 8 == 0 for side in size)
    assert all(abs(side - 8 * asked * scale) <= 4 for side, asked in zip(size, (w, h), strict=True))
