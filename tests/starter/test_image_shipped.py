"""The image models in assets/starter: they load offline, stay small, and paint and read what they should."""

import json
from dataclasses import replace
from functools import cache

import pytest
import torch

from playground.scores.scene_reader import read_scene
from playground.starter.captions import plain_caption
from playground.starter.clip import load_clip, normalised
from playground.starter.export import folder_bytes
from playground.starter.probes import Settings, all_hold, judge, load_pipeline, paint
from playground.starter.recipes import ASSETS, TEACHER
from playground.starter.render import render
from playground.starter.scenes import PLAIN_WORLD, held_out_scene_at, place_single, scene_at

MEGABYTE = 1_000_000
DIFFUSION = ("starter-sd", "starter-sd-small")
LIMITS = {"starter-sd": 20, "starter-sd-small": 8, "starter-clip": 3}
RED_CIRCLE = "a red circle on a white background"
COMMON_SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross", "hexagon", "moon")
COMMON_COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")
COMMON_WORLD = replace(PLAIN_WORLD, shapes=COMMON_SHAPES, colours=COMMON_COLOURS)


@cache
def pipeline(name):
    torch.set_num_threads(1)
    return load_pipeline(ASSETS / name)


def parameters(name):
    pipe = pipeline(name)
    return sum(weight.numel() for part in (pipe.unet, pipe.vae, pipe.text_encoder) for weight in part.parameters())


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_files_are_small_readable_safetensors(name, limit):
    folder = ASSETS / name
    assert 0 < folder_bytes(folder) <= limit * MEGABYTE
    for file in folder.rglob("*"):
        if file.is_file():
            assert file.stat().st_size < 9 * MEGABYTE, file
            assert file.suffix in (".safetensors", ".json", ".txt", ".md"), file
            assert file.stat().st_mode & 0o044 == 0o044, file


@pytest.mark.parametrize("name", DIFFUSION)
def test_no_config_tells_where_a_part_was_made(name):
    assert not [file for file in (ASSETS / name).rglob("config.json") if "_name_or_path" in file.read_text()]


def test_the_small_one_has_under_half_the_parameters():
    assert parameters("starter-sd-small") < parameters(TEACHER) / 2


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_plain_load_gives_one_dtype_and_no_safety_checker(name):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(ASSETS / name)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.float32}
    assert pipe.safety_checker is None
    assert pipe.tokenizer.model_max_length == 77
    assert pipe.scheduler.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_red_circle_on_white_is_red_in_the_middle_and_white_in_the_corner(name):
    picture = paint(pipeline(name), [RED_CIRCLE], Settings())[0]
    red, green, blue = picture[:, 60:68, 60:68].mean((1, 2)).tolist()
    assert red > 0.6
    assert max(green, blue) < 0.4
    assert picture[:, :8, :8].mean((1, 2)).min() > 0.85


@pytest.mark.parametrize(("name", "least"), [("starter-sd", 15), ("starter-sd-small", 13)])
def test_most_pictures_of_held_out_triples_are_right(name, least):
    """Chance is one in two thousand."""
    prompts = [plain_caption(held_out_scene_at(9, index, COMMON_WORLD)) for index in range(20)]
    judged = judge(paint(pipeline(name), prompts, Settings()), prompts)
    assert sum(all_hold(one, ("colour", "shape", "background")) for one in judged) >= least


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_seed_decides_the_picture(name):
    first, second = paint(pipeline(name), [RED_CIRCLE] * 2, Settings(steps=4))
    assert torch.allclose(first, paint(pipeline(name), [RED_CIRCLE], Settings(steps=4))[0], atol=0.02)
    assert not torch.allclose(first, second, atol=0.02)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("EulerDiscreteScheduler", {}),
        ("EulerAncestralDiscreteScheduler", {}),
        ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ],
)
def test_other_samplers_paint_it_as_well(sampler, options):
    import diffusers

    pipe = pipeline(TEACHER)
    kept = pipe.scheduler
    try:
        pipe.scheduler = getattr(diffusers, sampler).from_config(kept.config, **options)
        reading = read_scene(paint(pipe, [RED_CIRCLE], Settings())[0])
    finally:
        pipe.scheduler = kept
    assert (reading.ground.colour, reading.objects[0].colour) == ("white", "red")


def pil(picture):
    from PIL import Image

    return Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy())


def blue_square():
    import random

    return render(place_single(random.Random(0), "blue", "square", "white", "center", "medium"))


def test_image_to_image_recolours_and_keeps_the_place():
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = StableDiffusionImg2ImgPipeline(**pipeline(TEACHER).components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    output = pipe(
        prompt="a red square on a white background",
        image=pil(blue_square()),
        strength=0.9,
        num_inference_steps=20,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    )
    reading = read_scene(output.images[0])
    assert output.images.shape == (1, 3, 128, 128)
    assert (reading.ground.colour, reading.objects[0].colour) == ("white", "red")


def test_inpainting_repaints_the_mask_and_keeps_the_rest():
    from diffusers import StableDiffusionInpaintPipeline

    mask = torch.zeros(3, 128, 128)
    mask[:, 24:104, 24:104] = 1
    pipe = StableDiffusionInpaintPipeline(**pipeline(TEACHER).components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    output = pipe(
        prompt=RED_CIRCLE,
        image=pil(blue_square()),
        mask_image=pil(mask),
        height=128,
        width=128,
        strength=1.0,
        num_inference_steps=20,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    )
    picture = output.images[0]
    assert read_scene(picture).objects[0].colour == "red"
    assert picture[:, :12, :12].mean() > 0.85


@torch.no_grad()
def test_clip_tells_colours_apart_in_scenes_it_never_saw():
    model, processor = load_clip(ASSETS / "starter-clip")
    right = 0
    for index in range(30):
        scene = held_out_scene_at(5, index, COMMON_WORLD)
        item = scene.items[0]
        inks = [colour for colour in COMMON_COLOURS if colour != scene.background]
        words = processor(text=[f"a {ink} {item.shape} on a {scene.background} background" for ink in inks])
        scores = model(**words, pixel_values=normalised(render(scene)[None])).logits_per_image[0]
        right += inks[int(scores.argmax())] == item.colour
    assert right >= 24


def test_clip_finds_the_caption_among_a_hundred():
    model, processor = load_clip(ASSETS / "starter-clip")
    found = {plain_caption(scene): scene for scene in (scene_at(6, index, COMMON_WORLD) for index in range(200))}
    captions = list(found)[:100]
    pixels = normalised(torch.stack([render(found[caption]) for caption in captions]))
    with torch.no_grad():
        scores = model(**processor(text=captions), pixel_values=pixels).logits_per_image
    for axis in (0, 1):
        assert (scores.argmax(axis) == torch.arange(100)).float().mean() > 0.5


def test_clip_reads_pictures_through_its_processor_as_in_training():
    _, processor = load_clip(ASSETS / "starter-clip")
    picture = blue_square()
    pixels = processor(images=[pil(picture)])["pixel_values"]
    assert pixels.shape == (1, 3, 128, 128)
    assert torch.allclose(pixels[0], normalised(picture[None])[0], atol=0.02)


@pytest.mark.parametrize("name", LIMITS)
def test_the_card_states_the_measured_figures_and_the_licence(name):
    card = (ASSETS / name / "README.md").read_text()
    training = json.loads((ASSETS / name / "training.json").read_text())
    quality = json.loads((ASSETS / name / "quality.json").read_text())
    assert "license: apache-2.0" in card
    assert f"{sum(training['parameters'].values()):,}" in card
    assert quality["figures"]
    for figure in quality["figures"]:
        assert f"{figure['what']} | {figure['value']:.1f} {figure['unit']}" in card
