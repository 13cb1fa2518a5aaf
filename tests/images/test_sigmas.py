"""SGM uniform and Simple against their definitions, computed here without the module's own arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from playground.images.samplers import build_scheduler, samplers, schedules_of
from tests.images.test_samplers import checkpoint

OWN = ("SGM uniform", "Simple")
PAIRS = [(sampler, schedule) for sampler in samplers() for schedule in OWN if schedule in schedules_of(sampler)]


def table() -> list[float]:
    """The sigma of every training step: betas linear in their roots from 0.0009 to 0.013."""
    low, high = math.sqrt(0.0009), math.sqrt(0.013)
    product, found = 1.0, []
    for i in range(1000):
        product *= 1 - (low + (high - low) * i / 999) ** 2
        found.append(math.sqrt((1 - product) / product))
    return found


def defined(schedule: str, steps: int) -> tuple[list[float], list[float]]:
    """Training steps and sigmas: equal steps of log-interpolated time, or every so-manieth entry from the end."""
    sigmas, times, found = table(), [], []
    for k in range(steps):
        if schedule == "SGM uniform":
            time = 999 - k * 999 / steps
            below, above = math.floor(time), math.ceil(time)
            part = time - below
            found.append(math.exp((1 - part) * math.log(sigmas[below]) + part * math.log(sigmas[above])))
        else:
            time = 1000 - (1 + int(k * (1000 / steps)))
            found.append(sigmas[-(1 + int(k * (1000 / steps)))])
        times.append(time)
    return times, found


def taken(scheduler) -> torch.Tensor:
    """The sigmas of whole steps: Heun and the DPM2s hold each middle one twice."""
    kept, steps = scheduler.sigmas, scheduler.num_inference_steps
    return kept if len(kept) == steps + 1 else torch.cat([kept[:1], kept[1::2][:steps]])


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_the_sigmas_are_those_of_the_definition(sampler, schedule, steps):
    scheduler = build_scheduler(sampler, schedule, checkpoint())
    scheduler.set_timesteps(steps)
    times, sigmas = defined(schedule, steps)
    assert np.allclose(taken(scheduler).numpy(), [*sigmas, 0.0], rtol=1e-4), (taken(scheduler), sigmas)
    whole = scheduler.timesteps if len(scheduler.timesteps) == steps else scheduler.timesteps[::2]
    assert np.abs(whole.numpy() - np.array(times)).max() <= (0.02 if whole.is_floating_point() else 0.5)


def test_neither_is_trailing_under_another_name():
    assert len(PAIRS) >= 16
    for sampler in dict(PAIRS):
        held = {}
        for schedule in {*OWN, "Trailing", "Linspace"} & set(schedules_of(sampler)):
            scheduler = build_scheduler(sampler, schedule, checkpoint())
            scheduler.set_timesteps(7)
            held[schedule] = tuple(scheduler.sigmas.tolist())
        assert len(set(held.values())) == len(held), sampler


def test_deis_which_never_reaches_zero_offers_neither():
    assert not set(OWN) & set(schedules_of("DEIS"))
