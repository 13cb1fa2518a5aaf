"""Each training loop of the image models learns something in a few tiny steps, and can be taken up again."""

import json
import math
import random
from itertools import pairwise

import pytest
import torch

from playground.starter.captions import plain_caption
from playground.starter.clip import (
    ClipShape,
    build_clip,
    contrastive_loss,
    load_clip,
    normalised,
    save_clip,
    train_clip,
)
from playground.starter.course import EASY, Course, between
from playground.starter.diffusion import (
    PURE_NOISE_FROM,
    DiffusionShape,
    LatentScenes,
    build_scheduler,
    build_text_encoder,
    build_unet,
    diffusion_loss,
    object_weights,
    train_diffusion,
    velocity_batch,
)
from playground.starter.export import save_pipeline
from playground.starter.loop import Plan, rate_at, train_loop
from playground.starter.reading import HEADS, UNSAID, facts_of, teach_reading
from playground.starter.recipes import train
from playground.starter.render import render
from playground.starter.scenes import WORLD, place_single, scene_at
from playground.starter.tokenizer import build_tokenizer, caption_corpus
from playground.starter.vae import (
    SCALING_FACTOR,
    build_vae,
    crops,
    encode_latents,
    polish_decoder,
    standardise,
    train_vae,
)

TINY = DiffusionShape(channels=(16, 32), groups=8, head_width=16, text_width=32, text_layers=1, text_heads=2)
TINY_VAE = (8, 8, 16, 16)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(caption_corpus(300))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def losses(work):
    return [json.loads(line)["loss"] for line in (work / "loss.jsonl").read_text().splitlines()]


def test_the_vae_loop_lowers_the_loss_and_polishing_leaves_the_latents_alone(tmp_path):
    vae = build_vae(TINY_VAE, groups=4)
    outcome = train_vae(
        vae, Plan(steps=16, rate=3e-3, warmup_steps=1, log_every=4), tmp_path, batch=4, side=32, resume=False
    )
    history = losses(tmp_path)
    assert outcome.steps == 16
    assert history[-1] < history[0] * 0.95
    pictures = torch.stack([render(scene_at(1, index)) for index in range(4)])
    before = encode_latents(vae, pictures)
    decoder = vae.decoder.conv_in.weight.clone()
    polish_decoder(vae, Plan(steps=3, warmup_steps=1), tmp_path / "polish", batch=2, side=32, resume=False)
    assert torch.equal(encode_latents(vae, pictures), before)
    assert not torch.equal(vae.decoder.conv_in.weight, decoder)


@torch.no_grad()
def test_standardising_changes_the_latents_but_not_what_is_decoded():
    vae = build_vae(TINY_VAE, groups=4).eval()
    images = crops(0, 0, 16, 64)
    before = vae.decode(vae.encode(images).latent_dist.mean).sample
    standardise(vae, images)
    latents = vae.encode(images).latent_dist.mean
    assert torch.allclose(vae.decode(latents).sample, before, atol=1e-4)
    assert torch.allclose((latents * SCALING_FACTOR).std((0, 2, 3)), torch.ones(4), atol=1e-3)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-3)


def test_the_diffusion_loop_lowers_the_loss(tmp_path, tokenizer):
    unet, text_encoder = build_unet(TINY), build_text_encoder(TINY, tokenizer)
    alphas = build_scheduler().alphas_cumprod
    vae = build_vae(TINY_VAE, groups=4).eval()
    pictures = torch.stack([render(scene_at(5, index)) for index in range(8)])
    standardise(vae, pictures * 2 - 1)
    latents = encode_latents(vae, pictures)
    ids = tokenizer(["a red circle"] * 8, padding="max_length", return_tensors="pt").input_ids
    weights = torch.ones(8, 1, 16, 16)

    def fixed_loss():
        with torch.no_grad():
            return diffusion_loss(unet.eval(), text_encoder.eval(), latents, ids, weights, 0, alphas).item()

    before = fixed_loss()
    saved = []
    plan = Plan(steps=40, rate=3e-3, warmup_steps=1, ema=0.5, log_every=10)
    course = Course(pool=16, refresh=1)
    outcome = train_diffusion(
        unet, text_encoder, tokenizer, vae, plan, tmp_path, course=course, batch=8, on_save=saved.append
    )
    assert fixed_loss() < before * 0.95
    assert [(one.steps, one.loss) for one in saved] == [(outcome.steps, outcome.loss)]
    assert [step for step, _ in outcome.curve] == [10, 20, 30, 40]


def test_pictures_of_other_sizes_come_in_their_turn_and_weigh_their_objects():
    course = Course(ramp=(0, 1), odd_sizes=((64, 96),), odd_share=0.5, pool=32, refresh=1)
    stream = LatentScenes(build_vae(TINY_VAE, groups=4).eval(), course, 0)
    shapes = set()
    for step in range(12):
        latents, texts, weights = stream.batch(step, 2)
        assert len(texts) == 2
        assert weights.shape == (2, 1, *latents.shape[2:])
        assert weights.min() == 1.0 < weights.max()
        shapes.add(tuple(latents.shape[2:]))
    assert shapes == {(16, 16), (8, 12)}


def test_object_weights_cover_the_object_and_spare_the_far_corner():
    scene = place_single(random.Random(0), "red", "circle", "white", "top left", "medium")
    weights = object_weights([scene], 16, 16)[0, 0]
    item = scene.items[0]
    assert weights[int(item.y * 16), int(item.x * 16)] == 4.0
    assert weights[15, 15] == 1.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_between_two_worlds_every_share_lies_between(share):
    world = between(EASY, WORLD, share)
    assert sum(world.layout_weights) == pytest.approx(1.0)
    low, high = sorted((EASY.outline_share, WORLD.outline_share))
    assert low <= world.outline_share <= high
    assert world.shapes == WORLD.shapes
    if share == 1.0:
        assert world.style_weights == pytest.approx(WORLD.style_weights)


def test_a_course_goes_from_easy_to_the_whole_world():
    course = Course(ramp=(10, 20))
    singles = [course.world_at(step).layout_weights[0] for step in range(0, 31, 5)]
    assert singles[0] == singles[2] > singles[3] > singles[4] == singles[6]


def test_the_encoder_learns_to_tell_the_facts(tmp_path, tokenizer):
    text_encoder = build_text_encoder(TINY, tokenizer)
    before = text_encoder.state_dict()["embeddings.token_embedding.weight"].clone()
    plan = Plan(steps=60, rate=5e-3, warmup_steps=1, log_every=10, muon=True)
    teach_reading(text_encoder, tokenizer, plan, tmp_path, batch=16)
    history = losses(tmp_path)
    assert history[-1] < history[0] * 0.9
    assert not torch.equal(before, text_encoder.state_dict()["embeddings.token_embedding.weight"])


def test_facts_are_told_in_reading_order_and_only_where_there_are_any():
    for index in range(200):
        scene = scene_at(3, index)
        facts = facts_of(scene)
        assert len(facts) == len(HEADS)
        assert all(fact == UNSAID or 0 <= fact < size for fact, size in zip(facts, HEADS, strict=True))
        assert sum(fact != UNSAID for fact in facts[8:]) == 4 * len(scene.items)
        if scene.relation in ("left of", "right of"):
            first = scene.items[0] if scene.relation == "left of" else scene.items[-1]
            assert facts[9] == WORLD.colours.index(first.colour)


def test_the_last_timesteps_see_nothing_but_noise():
    alphas = build_scheduler().alphas_cumprod
    latents, noise = torch.randn(2, 2, 4, 8, 8)
    noised, target = velocity_batch(latents, noise, torch.tensor([PURE_NOISE_FROM, 500]), alphas)
    assert torch.equal(noised[0], noise[0])
    alpha = alphas[500]
    assert torch.allclose(noised[1], alpha.sqrt() * latents[1] + (1 - alpha).sqrt() * noise[1])
    assert torch.allclose(target[1], alpha.sqrt() * noise[1] - (1 - alpha).sqrt() * latents[1])


def test_the_noise_schedule_is_stable_diffusions():
    alphas = build_scheduler().alphas_cumprod
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    assert torch.allclose(alphas, (1 - betas).cumprod(0), rtol=1e-4)
    assert build_scheduler().config.prediction_type == "v_prediction"


def test_the_clip_loop_lowers_the_loss_and_reloads(tmp_path, tokenizer):
    shape = ClipShape(width=32, inner=64, heads=2, image_layers=1, text_layers=1, projection=16)
    model = build_clip(tokenizer, shape)
    scenes = [scene_at(2, index) for index in range(8)]
    words = tokenizer([plain_caption(scene) for scene in scenes], padding=True, return_tensors="pt")
    pixels = normalised(torch.stack([render(scene) for scene in scenes]))

    def fixed_loss(of):
        with torch.no_grad():
            return contrastive_loss(of.eval(), pixels, words.input_ids, words.attention_mask)[0].item()

    before = fixed_loss(model)
    plan = Plan(steps=30, rate=3e-3, warmup_steps=1, ema=0.5)
    train_clip(model, tokenizer, plan, tmp_path, batch=16, pool_size=32, refresh=2)
    assert fixed_loss(model) < before * 0.95
    save_clip(model, tokenizer, tmp_path / "out")
    again, processor = load_clip(tmp_path / "out")
    assert fixed_loss(again) == pytest.approx(fixed_loss(model), rel=0.02)
    assert processor(text=["a red circle"])["input_ids"].shape == (1, 5)


def test_a_training_taken_up_again_ends_where_an_unbroken_one_does(tmp_path):
    class Interrupted(Exception):
        pass

    def run(work, stop_at=None, resume=False):
        torch.manual_seed(1)
        line = torch.nn.Linear(3, 1)

        def loss_at(step):
            if step == stop_at:
                raise Interrupted
            inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            return (line(inputs) - inputs.sum(1, keepdim=True)).square().mean()

        plan = Plan(steps=12, rate=0.01, warmup_steps=2, log_every=1, ema=0.9, save_minutes=0.0)
        outcome = train_loop({"line": line}, loss_at, plan, work, resume=resume)
        return line.weight, outcome

    whole, outcome = run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", stop_at=7)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["step"] == 7
    again, resumed = run(tmp_path / "parts", resume=True)
    assert torch.equal(again, whole)
    assert resumed.steps == 12
    assert resumed.curve == outcome.curve


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    weight = torch.nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="lower the rate"):
        train_loop({"w": weight}, lambda step: weight.weight.sum() * math.inf, Plan(steps=3), tmp_path)


def test_the_rate_warms_up_stays_and_falls():
    plan = Plan(steps=100, rate=1.0, warmup_steps=10)
    rates = [rate_at(plan, step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == rates[60] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.01)
    assert all(later <= sooner for sooner, later in pairwise(rates[60:]))


def test_an_exported_pipeline_gives_the_pictures_of_its_parts(tmp_path, tokenizer):
    from diffusers import StableDiffusionPipeline

    parts = {
        "vae": build_vae(TINY_VAE, groups=4).eval(),
        "unet": build_unet(TINY).eval(),
        "text_encoder": build_text_encoder(TINY, tokenizer).eval(),
    }
    save_pipeline(tmp_path / "out", **parts, tokenizer=tokenizer, scheduler=build_scheduler())
    again = StableDiffusionPipeline.from_pretrained(tmp_path / "out")
    assert {part.dtype for part in (again.vae, again.unet, again.text_encoder)} == {torch.float32}
    for name, part in parts.items():
        for key, weight in getattr(again, name).state_dict().items():
            assert torch.allclose(weight, part.state_dict()[key], atol=2e-3), f"{name}.{key}"


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="starter-sdxl"):
        train("starter-sdxl", tmp_path, tmp_path, None, 1, False)
