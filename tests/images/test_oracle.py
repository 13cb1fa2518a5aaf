"""With a fixed seed the app's picture is the plain diffusers pipeline's, bit for bit, in float32 on the CPU.

The plain side is what somebody without this app would write: `from_pretrained`, a scheduler set up by hand, one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from playground.catalog import load_catalog
from playground.images.request import checked_image
from playground.images.run import paint
from playground.local_engine import LocalEngine
from playground.models import devices
from playground.protocol import CancelToken, Event, Failed, ImageRequest
from playground.settings import Settings
from tests.images.conftest import pictures, pixels

CARD = load_catalog()["starter-sd"]
PROMPT, NEGATIVE, SEED, GUIDANCE, STEPS = "a red circle on a white background", "a blue square", 11, 4.0, 3

# sampler, schedule -> the diffusers class and what one sets in it
BY_HAND: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("Euler", "Karras"): ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    ("Euler a", "Automatic"): ("EulerAncestralDiscreteScheduler", {}),
    ("Heun", "Exponential"): ("HeunDiscreteScheduler", {"use_exponential_sigmas": True}),
    ("LMS", "Linspace"): ("LMSDiscreteScheduler", {"timestep_spacing": "linspace"}),
    ("DPM2 a", "Karras"): ("KDPM2AncestralDiscreteScheduler", {"use_karras_sigmas": True}),
    ("DPM++ 2S", "Karras"): (
        "DPMSolverSinglestepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    ("DPM++ 2M", "Automatic"): ("DPMSolverMultistepScheduler", {}),
    ("DPM++ SDE", "Automatic"): ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("DPM++ 2M SDE", "Beta"): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_beta_sigmas": True},
    ),
    ("DPM++ 3M SDE", "Karras"): (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "use_karras_sigmas": True},
    ),
    ("DDIM", "Leading"): ("DDIMScheduler", {"clip_sample": False, "timestep_spacing": "leading"}),
    ("DDPM", "Automatic"): ("DDPMScheduler", {"clip_sample": False}),
    ("PNDM", "Leading"): ("PNDMScheduler", {"skip_prk_steps": True, "timestep_spacing": "leading"}),
    ("UniPC", "Trailing"): ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
    ("DEIS", "Karras"): ("DEISMultistepScheduler", {"use_karras_sigmas": True}),
    ("TCD", "Automatic"): ("TCDScheduler", {"clip_sample": False}),
}


@pytest.fixture(scope="module")
def plain() -> Any:
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(str(CARD.folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True, dtype="float32", device="cpu")
    made = LocalEngine(settings, load_catalog())
    yield made
    made.close()


@pytest.fixture(scope="module")
def threads() -> Iterator[None]:
    """One number of threads for both sides: a sum in another order may end in another last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def expected(plain: Any, sampler: str, schedule: str) -> np.ndarray:
    own = plain.scheduler
    name, config = BY_HAND[sampler, schedule]
    plain.scheduler = getattr(diffusers, name).from_config(own.config, **config)
    try:
        made = plain(
            PROMPT, negative_prompt=NEGATIVE, generator=torch.Generator().manual_seed(SEED), width=64, height=64,
            num_inference_steps=STEPS, guidance_scale=GUIDANCE,
        )  # fmt: skip
    finally:
        plain.scheduler = own
    return np.asarray(made.images[0])


def request(sampler: str, schedule: str) -> ImageRequest:
    return ImageRequest(
        CARD.id, PROMPT, negative_prompt=NEGATIVE, width=64, height=64, steps=STEPS, guidance_scale=GUIDANCE,
        sampler=sampler, schedule=schedule, seed=SEED,
    )  # fmt: skip


@pytest.mark.parametrize(("sampler", "schedule"), list(BY_HAND))
def test_a_run_paints_what_the_plain_pipeline_paints(plain, engine, threads, sampler, schedule):
    events: list[Event] = []
    with engine.pool().lease(CARD, dtype="float32") as loaded:
        paint(loaded, checked_image(request(sampler, schedule), CARD), CancelToken(), events.append)
    assert np.array_equal(pixels(pictures(events)[0].png), expected(plain, sampler, schedule))


@pytest.mark.parametrize(("sampler", "schedule"), [("DPM++ 2M", "Automatic"), ("Euler a", "Automatic")])
def test_the_engine_gives_what_the_plain_pipeline_paints(plain, engine, threads, sampler, schedule):
    devices.use_threads(devices.cores())  # as the engine's own thread does

    async def ask() -> list[Event]:
        return [event async for event in engine.submit(request(sampler, schedule), CancelToken())]

    events = asyncio.run(ask())
    assert not [event for event in events if isinstance(event, Failed)]
    assert np.array_equal(pixels(pictures(events)[0].png), expected(plain, sampler, schedule))
