"""Previews show the hues of the picture that comes, for the shipped VAE; their maps are kept by the weights."""

from __future__ import annotations

import json
import time

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from playground.catalog import load_catalog
from playground.images import preview_kept, tiny_decoder
from playground.images.latents import to_latents, to_picture_tensor
from playground.images.preview import colours_of, fit_factors
from playground.images.preview_kept import factors_of, identity, previewer
from playground.images.tiny_decoder import Sparing, Tiny, tiny_of

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


# --- small decoders ---


def small(channels: int = 4):
    from diffusers import AutoencoderTiny

    torch.manual_seed(3)
    widths, blocks = (8, 8, 8, 8), (1, 1, 1, 1)
    return AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, num_encoder_blocks=blocks,
        num_decoder_blocks=blocks, latent_channels=channels,
    ).eval()  # fmt: skip


def test_a_checkpoint_whose_vae_is_small_is_previewed_by_it():
    vae = small()
    show = previewer(vae)
    assert isinstance(show, Sparing)
    latents = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    tiny = tiny_of(vae)
    assert tiny is not None
    with torch.no_grad():
        plain = vae.decode(latents, return_dict=False)[0].clamp(-1, 1).permute(0, 2, 3, 1)
    assert torch.equal(tiny.decode(latents), plain)


def test_a_small_decoder_of_other_latents_in_the_cache_is_left_alone(vae, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--madebyollin--taesd"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    small().save_pretrained(repository / "snapshots" / ("0" * 40))
    assert tiny_decoder._loaded(vae) is not None
    tiny_decoder._FOUND.clear()
    assert tiny_of(vae) is None


def test_a_small_decoder_takes_no_more_than_its_share(factors):
    now = [0.0]

    class Slow(Tiny):
        def decode(self, latents):
            now[0] += 1.0
            return torch.zeros(1)

    show = Sparing(Slow(None, 1.0 / 4), factors, lambda: now[0])
    latents, slow = torch.zeros(1, 4, 2, 2), 0
    for _ in range(200):  # a run of 200 steps of a second
        slow += show(latents).numel() == 1
        now[0] += 1.0
    assert 1 <= slow <= 6
