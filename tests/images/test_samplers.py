"""Every pair of sampler and schedule that is offered runs, keeps the checkpoint's betas, and does what it says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from playground.errors import InvalidRequest
from playground.images.samplers import build_scheduler, samplers, schedules_of
from playground.protocol import Step
from tests.images.conftest import photo, pictures, pixels, png, spot

PAIRS = [(sampler, schedule) for sampler in samplers() for schedule in schedules_of(sampler)]


def checkpoint(**changes):
    config = {"beta_start": 0.0009, "beta_end": 0.013, "beta_schedule": "scaled_linear", "clip_sample": False}
    return DDIMScheduler(**config | {"prediction_type": "v_prediction"} | changes)


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_every_pair_paints(draw, sampler, schedule):
    events, _ = draw(sampler=sampler, schedule=schedule, steps=4, preview_every=2)
    assert pixels(pictures(events)[0].png).std() > 0


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_every_pair_gets_through_one_step_and_many_with_finite_numbers(sampler, schedule):
    for steps in (1, 2, 20, 35):  # from 32 on, close sigmas share a timestep
        scheduler = build_scheduler(sampler, schedule, checkpoint())
        scheduler.set_timesteps(steps)
        x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            x = scheduler.step(scheduler.scale_model_input(x, t).tanh(), t, x).prev_sample
        assert torch.isfinite(x).all(), steps


@pytest.mark.parametrize("sampler", samplers())
def test_every_sampler_starts_from_a_picture_and_repaints(draw, sampler):
    for kind, more in (("image_to_image", {}), ("inpaint", {"mask": png(spot())})):
        events, _ = draw(kind=kind, sampler=sampler, image=png(photo()), strength=0.6, steps=6, **more)
        assert len(pictures(events)) == 1


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_betas_and_prediction_type_stay_those_of_the_checkpoint(sampler, schedule):
    built = build_scheduler(sampler, schedule, checkpoint()).config
    assert (built.beta_start, built.beta_end, built.prediction_type) == (0.0009, 0.013, "v_prediction")


@pytest.mark.parametrize("sampler", samplers())
def test_schedules_differ_from_each_other(sampler):
    taken = {}
    for schedule in schedules_of(sampler)[1:]:
        scheduler = build_scheduler(sampler, schedule, checkpoint())
        scheduler.set_timesteps(7)  # of which 1000 is no multiple, so that Simple and Trailing differ
        taken[schedule] = tuple(np.round(getattr(scheduler, "sigmas", scheduler.timesteps).numpy().astype(float), 6))
    assert len(set(taken.values())) == len(taken), taken


def test_the_solver_settings_of_the_checkpoint_are_not_taken_over():
    first = build_scheduler("DPM++ 3M SDE", "Karras", checkpoint())
    second = build_scheduler("DPM++ 2M", "Automatic", first)
    config = second.config
    assert (config.solver_order, config.algorithm_type, config.use_karras_sigmas) == (2, "dpmsolver++", False)


@pytest.mark.parametrize(("sampler", "calls"), [("Heun", 9), ("DPM2", 9), ("PNDM", 6), ("Euler", 5)])
def test_progress_counts_real_model_calls(draw, tiny, sampler, calls):
    made = []
    hook = tiny.components["unet"].register_forward_hook(lambda *_: made.append(1))
    try:
        events, stats = draw(sampler=sampler, steps=5)
    finally:
        hook.remove()
    steps = [e for e in events if isinstance(e, Step)]
    assert len(made) == calls == len(steps) == steps[-1].index == steps[-1].total
    assert stats.steps == 5


def test_an_unknown_sampler_names_the_closest():
    with pytest.raises(InvalidRequest, match=r"no sampler 'dpm\+\+ 2n'.*DPM\+\+ 2M"):
        schedules_of("dpm++ 2n")


def test_a_pair_that_does_not_exist_is_refused():
    with pytest.raises(InvalidRequest, match="Euler a has no schedule 'Karras'"):
        build_scheduler("Euler a", "Karras", checkpoint())


def test_a_flow_model_keeps_its_own_scheduler():
    own = FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert build_scheduler("Euler", "Automatic", own).config.shift == 3.0
    assert samplers("FluxPipeline") == ("Euler",)
    with pytest.raises(InvalidRequest, match="flow-matching"):
        build_scheduler("DPM++ 2M", "Karras", own)


def test_names_are_known_without_torch():
    code = (
        "import sys; import playground.images.request as r, playground.images.metadata, playground.images.masks;"
        "r.samplers.schedules_of('Euler'); sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
