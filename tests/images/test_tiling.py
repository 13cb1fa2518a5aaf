"""Pictures that tile: the edges continue, on the shipped model; and the shared parts are as they were afterwards."""

from __future__ import annotations

from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from playground.catalog import load_catalog
from playground.errors import Cancelled
from playground.images.request import checked_image
from playground.images.run import paint
from playground.images.second_pass import resized
from playground.images.tiling import seamless, unwrapped, wrapped
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, ImageRequest
from playground.protocol import Image as Picture
from tests.images.conftest import photo, pixels

PROMPT = "a red circle on a blue background"


@pytest.fixture(scope="module")
def starter():
    card = load_catalog()["starter-sd-small"]
    plain = diffusers.StableDiffusionPipeline.from_pretrained(str(card.folder), dtype=torch.float32)
    return LoadedImage(card, diffusers.StableDiffusionPipeline, plain.components, "cpu", torch.float32, 0)


@pytest.fixture(scope="module")
def shot(starter):
    def run(**fields):
        request = replace(ImageRequest(starter.card.id, PROMPT, seed=5, steps=6, preview_every=0), **fields)
        events = []
        paint(starter, checked_image(request, starter.card), CancelToken(), events.append)
        return next(pixels(e.png) for e in events if isinstance(e, Picture))

    return run


def jumps(levels: np.ndarray) -> tuple[float, float]:
    """The mean absolute jump over the vertical and the horizontal seam, each over that of neighbours inside."""
    found = []
    for rows in (levels.astype(float).swapaxes(0, 1), levels.astype(float)):
        inside = np.abs(np.diff(rows, axis=0)).mean()
        found.append(float(np.abs(rows[0] - rows[-1]).mean() / max(inside, 1e-9)))
    return found[0], found[1]


def parts(starter):
    modules = {name: starter.components[name] for name in ("unet", "vae")}
    return {
        f"{name}.{path}": getattr(one, "padding_mode", None)
        for name, module in modules.items()
        for path, one in module.named_modules()
    }


def test_the_edges_continue_and_a_run_after_it_is_bit_identical(starter, shot):
    before, modes = shot(seed=11), parts(starter)
    seams, plain = [], []
    for seed in (11, 12, 13):
        seams.append(jumps(shot(seed=seed, tiling=True)))
        plain.append(jumps(shot(seed=seed)))
    assert np.mean(seams) < 2.5
    assert np.mean(plain) > 2 * np.mean(seams)
    assert parts(starter) == modes
    assert np.array_equal(shot(seed=11), before)


def test_the_second_pass_tiles_too_and_so_does_a_decode_in_tiles(shot):
    for fields in ({"hires_scale": 1.5, "hires_steps": 3}, {"width": 192, "vae_tiling": True}):
        fields = {"steps": 4, "seed": 12, **fields}
        assert np.mean(jumps(shot(tiling=True, **fields))) < np.mean(jumps(shot(**fields)))


def test_rolled_noise_gives_rolled_predictions_and_pixels(starter):
    unet, vae = starter.components["unet"], starter.components["vae"]
    source = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=source)
    text = torch.randn(1, 77, unet.config.cross_attention_dim, generator=source)
    for part, run in (
        (unet, lambda x: unet(x, 500, encoder_hidden_states=text).sample),
        (vae.decoder, lambda x: vae.decoder(x)),
    ):
        with torch.inference_mode():
            with seamless(part):
                plain, rolled = run(latents), run(latents.roll((8, 8), (-2, -1)))
            padded = run(latents.roll((8, 8), (-2, -1)))
        by = 8 * plain.shape[-1] // 16
        assert torch.allclose(plain.roll((by, by), (-2, -1)), rolled, atol=1e-3)
        assert not torch.allclose(padded, rolled, atol=1e-2)


def test_a_run_that_is_stopped_leaves_the_parts_as_they_were(starter):
    modes, token = parts(starter), CancelToken()
    request = checked_image(ImageRequest(starter.card.id, PROMPT, seed=1, steps=4, tiling=True), starter.card)
    with pytest.raises(Cancelled):
        paint(starter, request, token, lambda _: token.cancel())
    assert parts(starter) == modes


def test_a_convolution_looks_around_and_an_error_inside_gives_it_back():
    conv = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False)
    picture = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))

    def fails_inside():
        with seamless(conv):
            assert torch.allclose(conv(picture.roll(2, -1)), conv(picture).roll(2, -1), atol=1e-6)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_inside()
    assert conv.padding_mode == "zeros"
    assert not torch.allclose(conv(picture.roll(2, -1)), conv(picture).roll(2, -1), atol=1e-6)


def test_a_margin_goes_on_and_comes_off():
    latents = torch.randn(1, 4, 5, 20)
    assert torch.equal(unwrapped(wrapped(latents).repeat_interleave(8, -1).repeat_interleave(8, -2), latents),
                       latents.repeat_interleave(8, -1).repeat_interleave(8, -2))  # fmt: skip


def test_resizing_around_the_edges_commutes_with_rolling():
    picture = photo(32, 24)
    rolled = Image.fromarray(np.roll(np.asarray(picture), 8, axis=1))
    made = np.asarray(resized(picture, (64, 48), "bicubic", wrap=True))
    again = np.asarray(resized(rolled, (64, 48), "bicubic", wrap=True))
    assert np.array_equal(np.roll(made, 16, axis=1), again)
