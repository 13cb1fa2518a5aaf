"""Previews show the hues of the picture that comes, for the shipped VAE; their maps are kept by the weights."""

from __future__ import annotations

import json
import time

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from playground.catalog import load_catalog
from playground.images import preview_kept
from playground.images.latents import to_latents, to_picture_tensor
from playground.images.preview import colours_of, fit_factors
from playground.images.preview_kept import factors_of, identity

INKS = {"red": (230, 20, 20), "green": (20, 160, 60), "blue": (20, 40, 220), "yellow": (250, 220, 20)}
GROUNDS = ((255, 255, 255), (10, 10, 10), (250, 220, 20), (20, 40, 220))


@pytest.fixture(scope="module")
def vae():
    from diffusers import AutoencoderKL

    folder = load_catalog()["starter-sd"].folder / "vae"
    return AutoencoderKL.from_pretrained(str(folder), dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def factors(vae):
    return fit_factors(vae)


@pytest.fixture(scope="module")
def pair(vae):
    """Latents of shapes in every ink on every ground, and the full decode averaged over latent cells, both (B, …)."""
    pictures = []
    for ground in GROUNDS:
        for ink in INKS.values():
            picture = Image.new("RGB", (64, 64), ground)
            ImageDraw.Draw(picture).ellipse((12, 12, 52, 52), fill=ink)
            pictures.append(picture)
    with torch.inference_mode():
        latents = torch.cat([to_latents(vae, pictures[i : i + 4]) for i in range(0, len(pictures), 4)])
        decoded = torch.cat([to_picture_tensor(vae, part) for part in latents.split(4)]).clamp(-1, 1)
    return latents, F.adaptive_avg_pool2d(decoded, latents.shape[-2:]).permute(0, 2, 3, 1)


def hue_errors(shown, wanted):
    """Degrees between the hues of those cells (…, 3) whose wanted colour is strong."""
    plane = torch.tensor([[1.0, -0.5, -0.5], [0.0, 0.75**0.5, -(0.75**0.5)]]).T
    ours, theirs = shown @ plane, wanted @ plane
    strong = theirs.norm(dim=-1) > 0.8
    return torch.rad2deg(torch.acos(F.cosine_similarity(ours, theirs, dim=-1).clamp(-1, 1)))[strong]


def test_the_preview_is_near_the_full_decode(factors, pair):
    latents, wanted = pair
    shown = colours_of(latents, factors)
    psnr = -10 * torch.log10((shown - wanted).square().mean() / 4)
    each = [torch.corrcoef(torch.stack([shown[..., c].flatten(), wanted[..., c].flatten()]))[0, 1] for c in range(3)]
    assert psnr > 14.5
    assert min(each) > 0.8


def test_the_hues_of_the_preview_are_those_of_the_picture(factors, pair):
    latents, wanted = pair
    errors = hue_errors(colours_of(latents, factors), wanted)
    assert len(errors) > 200
    assert errors.median() < 35
    assert (errors > 45).float().mean() < 0.15


def test_a_map_of_swapped_colours_would_be_seen(factors, pair):
    latents, wanted = pair
    errors = hue_errors(colours_of(latents, factors[:, [1, 0, 2]]), wanted)
    assert (errors > 45).float().mean() > 0.5


def test_fitting_the_shipped_vae_is_cheap(vae):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        began = time.thread_time()
        fit_factors(vae)
        assert time.thread_time() - began < 2  # of the processor, so that other work of the machine does not count
    finally:
        torch.set_num_threads(threads)


def test_a_map_is_read_back_for_the_same_weights_and_fitted_for_others(vae, factors, tmp_path, monkeypatch):
    monkeypatch.setattr(preview_kept, "fit_factors", lambda _: factors)
    preview_kept._FITTED.clear()
    assert torch.equal(factors_of(vae, tmp_path), factors)
    (file,) = tmp_path.iterdir()
    assert file.name == f"{identity(vae)}.json"
    preview_kept._FITTED.clear()
    monkeypatch.setattr(preview_kept, "fit_factors", lambda _: pytest.fail("fitted once more"))
    assert torch.equal(factors_of(vae, tmp_path), factors)
    before = identity(vae)
    with torch.no_grad():
        vae.decoder.conv_out.bias[0] += 1
        changed = identity(vae)
        vae.decoder.conv_out.bias[0] -= 1
    assert changed != before


@pytest.mark.parametrize("text", ["", "{}", '{"factors": [[1, 2]]}', '{"factors": [[1, 2, NaN], [0, 0, 0]]}', "[[["])
def test_a_broken_file_is_fitted_anew(vae, factors, tmp_path, monkeypatch, text):
    monkeypatch.setattr(preview_kept, "fit_factors", lambda _: factors)
    preview_kept._FITTED.clear()
    file = tmp_path / f"{identity(vae)}.json"
    file.write_text(text)
    assert torch.equal(factors_of(vae, tmp_path), factors)
    assert len(json.loads(file.read_text())["factors"]) == len(factors)
