"""What a run gives: the same pixels as plain diffusers, true seeds, a prompt stop, and untouched pixels."""

from __future__ import annotations

import hashlib
import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image

from playground.errors import Cancelled, ModelUnavailable, PlaygroundError
from playground.images.count import count_in_words, count_tokens
from playground.images.latents import moved_towards, to_latents
from playground.images.metadata import read_metadata
from playground.images.preview import clean_latents, colours_of, preview_jpeg
from playground.images.preview_kept import factors_of
from playground.images.request import checked_image
from playground.images.run import paint
from playground.images.samplers import build_scheduler
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Notice, Step
from tests.images.conftest import CARD, ask, load, photo, pictures, pixels, png, spot, tiny_components


def fingerprint(loaded: LoadedImage) -> str:
    digest = hashlib.sha256()
    for name in ("unet", "vae", "text_encoder"):
        module = loaded.components[name]
        digest.update(f"{module.dtype}{module.device}{module.training}".encode())
        for key, value in module.state_dict().items():
            digest.update(key.encode() + value.numpy().tobytes())
    digest.update(repr(sorted(loaded.components["scheduler"].config.items(), key=str)).encode())
    digest.update(repr(sorted(vars(loaded.components["scheduler"]).items())).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("eta_sampler", ["DDIM", "Euler a"])
def test_text_to_image_equals_plain_diffusers_bit_for_bit(draw, tiny, eta_sampler):
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline

    cls = {"DDIM": DDIMScheduler, "Euler a": EulerAncestralDiscreteScheduler}[eta_sampler]
    parts = {k: v for k, v in tiny.components.items() if k != "scheduler"}
    config = dict(tiny.components["scheduler"].config)
    scheduler = cls.from_config(config | ({"clip_sample": False} if eta_sampler == "DDIM" else {}))
    plain = StableDiffusionPipeline(**parts, scheduler=scheduler, requires_safety_checker=False)
    plain.set_progress_bar_config(disable=True)
    source = torch.Generator().manual_seed(11)
    latents = torch.randn(1, 4, 16, 24, generator=source)
    expected = plain(
        "a red ball", negative_prompt="blue", latents=latents, generator=source, num_inference_steps=6,
        guidance_scale=4.5, width=96, height=64,
    ).images[0]  # fmt: skip
    events, _ = draw(
        seed=11, negative_prompt="blue", steps=6, guidance_scale=4.5, width=96, height=64, sampler=eta_sampler
    )
    assert np.array_equal(pixels(pictures(events)[0].png), np.asarray(expected))


@pytest.mark.parametrize("sampler", ["DDIM", "Euler a", "DPM++ 2M SDE"])
def test_picture_i_of_a_batch_is_the_picture_of_seed_plus_i(draw, sampler):
    batch = pictures(draw(seed=40, batch_size=3, sampler=sampler)[0])
    assert [(p.index, p.seed) for p in batch] == [(0, 40), (1, 41), (2, 42)]
    for picture in batch:
        alone = pictures(draw(seed=picture.seed, sampler=sampler)[0])[0]
        # The noise is identical; a batched matrix product may round the last bit otherwise.
        assert np.abs(pixels(picture.png).astype(int) - pixels(alone.png)).max() <= 1
    assert not np.array_equal(pixels(batch[0].png), pixels(batch[1].png))


def test_a_missing_seed_is_drawn_and_reported(draw):
    events, stats = draw(seed=None)
    picture = pictures(events)[0]
    assert picture.seed == stats.seed
    again = pictures(draw(seed=stats.seed)[0])[0]
    assert np.array_equal(pixels(picture.png), pixels(again.png))


def test_a_stop_ends_the_run_within_one_model_call(tiny):
    cancel, calls = CancelToken(), []
    hook = tiny.components["unet"].register_forward_hook(lambda *_: calls.append(1))

    def emit(event):
        if isinstance(event, Step) and event.index == 3:
            cancel.cancel()

    try:
        with pytest.raises(Cancelled):
            paint(tiny, checked_image(ask(steps=50, sampler="DPM++ 2M"), CARD), cancel, emit)
    finally:
        hook.remove()
    assert len(calls) == 3


def test_runs_leave_the_shared_components_as_they_were(draw, tiny):
    before = fingerprint(tiny)
    draw(sampler="Heun", schedule="Karras")
    draw(kind="inpaint", image=png(photo()), mask=png(spot()), sampler="LCM", steps=4)
    assert fingerprint(tiny) == before


def test_steps_carry_previews_and_the_time_left(draw):
    events, _ = draw(steps=6, preview_every=2)
    steps = [e for e in events if isinstance(e, Step)]
    assert [s.index for s in steps if s.preview] == [2, 4]
    assert Image.open(io.BytesIO(steps[1].preview)).size == (64, 64)
    assert steps[-1].seconds_left == 0
    assert all(s.seconds_left > 0 for s in steps[:-1])


def test_no_previews_when_none_are_asked_for(draw):
    events, _ = draw(preview_every=0)
    assert all(e.preview is None for e in events if isinstance(e, Step))


@pytest.mark.parametrize("content", ["original", "fill", "latent noise", "latent nothing"])
@pytest.mark.parametrize("area", ["whole", "masked"])
def test_pixels_outside_the_mask_are_bit_identical(draw, content, area):
    image, mask = photo(90, 75), spot(90, 75)
    events, stats = draw(
        kind="inpaint", image=png(image), mask=png(mask), masked_content=content, area=area, padding=8, strength=1.0
    )
    result, outside = pixels(pictures(events)[0].png), np.asarray(mask) == 0
    assert result.shape == (75, 90, 3)
    assert np.array_equal(result[outside], np.asarray(image)[outside])
    assert not np.array_equal(result[~outside], np.asarray(image)[~outside])
    assert stats.outside_identical is True


def test_a_single_masked_pixel_is_repainted(draw):
    image = Image.new("RGB", (64, 64), (255, 0, 255))
    mask = spot(box=(33, 33, 34, 34))
    events, _ = draw(kind="inpaint", image=png(image), mask=png(mask), strength=1.0)
    assert (pixels(pictures(events)[0].png)[33, 33] != (255, 0, 255)).any()


def test_masked_contents_start_differently(draw):
    made = [
        pixels(pictures(draw(kind="inpaint", image=png(photo()), mask=png(spot()), masked_content=c)[0])[0].png)
        for c in ("original", "fill", "latent noise", "latent nothing")
    ]
    assert len({m.tobytes() for m in made}) == 4


def test_an_inpainting_checkpoint_of_nine_channels_runs(tiny_inpainter):
    request = ask(kind="inpaint", image=png(photo()), mask=png(spot()), batch_size=2, strength=1.0)
    events = []
    stats = paint(tiny_inpainter, checked_image(request, tiny_inpainter.card), CancelToken(), events.append)
    assert len(pictures(events)) == 2
    assert stats.outside_identical is True


def test_an_inpainting_checkpoint_refuses_text_to_image(tiny_inpainter):
    with pytest.raises(ModelUnavailable, match="repaint masked parts only"):
        checked_image(ask(), tiny_inpainter.card)


def test_a_class_without_image_to_image_is_refused():
    with pytest.raises(ModelUnavailable, match="FluxPipeline cannot start from a picture"):
        checked_image(
            ask(kind="image_to_image", image=png(photo())), CARD.model_copy(update={"model_class": "FluxPipeline"})
        )


def test_image_to_image_gives_back_the_pictures_own_size(draw):
    events, stats = draw(kind="image_to_image", prompt="", image=png(photo(75, 66)), strength=0.5, steps=6)
    assert pixels(pictures(events)[0].png).shape == (66, 75, 3)
    assert stats.steps == 3 == max(e.index for e in events if isinstance(e, Step))


def test_image_to_image_gives_the_size_that_is_asked_for(draw):
    events, _ = draw(kind="image_to_image", image=png(photo(75, 66)), width=96, height=64)
    assert pixels(pictures(events)[0].png).shape == (64, 96, 3)


def test_weak_strength_stays_nearer_to_the_picture(draw, tiny):
    image = png(photo().resize((8, 8)).resize((64, 64)))

    def start_distance(strength):
        seen = []
        hook = tiny.components["unet"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        draw(kind="image_to_image", image=image, strength=strength, steps=20)
        hook.remove()
        return len(seen)

    assert start_distance(0.25) == 5
    assert start_distance(1.0) == 20


def test_style_strength_moves_the_result(draw):
    made = [
        pixels(
            pictures(
                draw(
                    kind="style_transfer", prompt="", image=png(photo()), style=png(Image.new("RGB", (40, 30), "red")),
                    style_strength=s, strength=0.3, steps=10,
                )[0]
            )[0].png
        )
        for s in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    assert len({m.tobytes() for m in made}) == 3
    plain = draw(kind="image_to_image", prompt="", image=png(photo()), strength=0.3, steps=10)[0]
    assert np.array_equal(pixels(pictures(plain)[0].png), made[0])


def test_adain_gives_the_styles_mean_and_spread():
    source = torch.Generator().manual_seed(0)
    content, style = (torch.randn(1, 4, 9, 7, generator=source) * k + k for k in (1, 3))
    moved = moved_towards(content, style, 1.0)
    assert torch.allclose(moved.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
    assert torch.allclose(moved.std((2, 3)), style.std((2, 3)), atol=1e-4)


def test_a_long_prompt_is_read_whole_and_counted_by_chunk(draw, tiny):
    kept = " ".join(["ab"] * 37)  # two byte tokens a word
    events, _ = draw(prompt=f"{kept} cd Second half")
    assert not [e for e in events if isinstance(e, Notice)]
    assert not np.array_equal(pixels(pictures(events)[0].png), pixels(pictures(draw(prompt=kept)[0])[0].png))
    assert count_tokens(tiny, f"{kept} cd Second half") == (86, 75, (75, 11))
    assert count_tokens(tiny, "") == (0, 75, (0,))
    assert count_tokens(tiny, "ab (cd:1.3)") == (4, 75, (4,))
    assert count_in_words((75, 43), 75) == "43/75, 2 chunks"
    assert count_in_words((43,), 75) == "43/75"


def test_every_picture_carries_its_own_parameters(draw):
    events, _ = draw(prompt="Äpfel: rot,\nNegative prompt: no", negative_prompt="x", batch_size=2, seed=5)
    second = pictures(events)[1]
    record = read_metadata(second.png)
    assert (record["seed"], record["prompt"], record["sampler"]) == (6, "Äpfel: rot,\nNegative prompt: no", "DDIM")
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "Seed: 6, Size: 64x64" in second.parameters


def test_numbers_that_are_not_finite_are_told():
    components = tiny_components()
    with torch.no_grad():
        components["unet"].conv_out.bias.fill_(float("nan"))
    with pytest.raises(PlaygroundError, match="not finite"):
        paint(load(components), checked_image(ask(), CARD), CancelToken(), lambda _: None)


class _AveragingVae:
    """Latents that mix the average colours of 8x8 cells: the case that a linear map can undo exactly."""

    dtype, device = torch.float32, "cpu"
    config = SimpleNamespace(scaling_factor=0.5, get=lambda name, default=None: default)
    mix = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3.0, 0.0, 1.0], [1.0, 1.0, 1.0]])

    def encode(self, batch):
        cells = torch.nn.functional.avg_pool2d(batch, 8) + 0.25
        mixed = torch.einsum("lc,bchw->blhw", self.mix, cells)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mixed))

    def decode(self, latents, return_dict):
        cells = torch.einsum("cl,blhw->bchw", torch.linalg.pinv(self.mix), latents) - 0.25
        return (torch.nn.functional.interpolate(cells, scale_factor=8),)


def test_the_preview_map_undoes_a_linear_vae_and_is_fitted_once():
    vae = _AveragingVae()
    factors = factors_of(vae)
    assert factors_of(vae) is factors
    picture = photo(4, 4).resize((64, 64), Image.Resampling.NEAREST)
    expected = np.asarray(picture.resize((8, 8), Image.Resampling.BOX)).astype(int)
    cells = to_latents(vae, [picture])[0].permute(1, 2, 0)
    assert np.abs((cells @ factors[:-1] + factors[-1]).numpy() * 127.5 + 127.5 - expected).max() < 1


def test_a_preview_strip_shows_the_batch_side_by_side():
    vae = _AveragingVae()
    plain = [Image.new("RGB", (64, 64), colour) for colour in ((200, 30, 90), (10, 220, 40))]
    shown = Image.open(io.BytesIO(preview_jpeg(colours_of(to_latents(vae, plain), factors_of(vae)), (512, 256))))
    assert shown.size == (512, 128)
    for x, colour in ((100, (200, 30, 90)), (400, (10, 220, 40))):
        assert np.abs(np.array(shown.getpixel((x, 64))) - colour).max() < 8


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sampler", ["DDIM", "Euler", "DPM++ 2M"])
def test_the_previewed_clean_latents_are_exact_for_an_exact_model(kind, sampler):
    own = DDIMScheduler(beta_start=0.001, beta_end=0.012, prediction_type=kind)
    scheduler = build_scheduler(sampler, "Automatic", own)
    scheduler.set_timesteps(10)
    clean, drawn = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    for t in scheduler.timesteps[:5]:
        signal = float(own.alphas_cumprod[int(t)]) ** 0.5
        noise = (1 - signal**2) ** 0.5
        noisy = signal * clean + noise * drawn
        output = {"epsilon": drawn, "v_prediction": signal * drawn - noise * clean, "sample": clean}[kind]
        sample = noisy / signal if sampler == "Euler" else noisy
        assert torch.allclose(clean_latents(scheduler, output, t, sample), clean, atol=1e-3)
