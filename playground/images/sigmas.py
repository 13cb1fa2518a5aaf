"""Noise levels (sigmas) of schedules that diffusers lacks, from their definitions, and how a scheduler takes them.

Knows the training table of a checkpoint and arithmetic. The names mean what k-diffusion based programs mean by them:
one sigma for each step, largest first, and a last one of 0, which the schedulers add themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def trained_sigmas(alphas_cumprod: Any) -> np.ndarray:
    """The sigma of each training step, smallest first, (T,): sqrt((1 - a) / a)."""
    alphas = np.asarray(alphas_cumprod, dtype=np.float64)
    return np.sqrt((1 - alphas) / alphas)


def sgm_uniform(length: int, steps: int) -> np.ndarray:
    """Training steps (steps,) at equal distance from the last one down, without step 0 itself; fractions are kept."""
    return np.linspace(length - 1, 0, steps + 1)[:-1]


def simple(length: int, steps: int) -> np.ndarray:
    """Every (length / steps)-th training step (steps,), counted down from the last one, rounded towards it."""
    return length - 1.0 - np.floor(np.arange(steps) * (length / steps))


SCHEDULES: dict[str, Callable[[int, int], np.ndarray]] = {"SGM uniform": sgm_uniform, "Simple": simple}


def sigmas_at(trained: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The sigmas at fractional training steps: linear in the logarithm between two steps."""
    return np.exp(np.interp(times, np.arange(len(trained)), np.log(trained)))


def follow(scheduler: Any, schedule: str) -> None:
    """Makes a scheduler that was built with `use_exponential_sigmas` take the sigmas of `schedule` in their place.

    Each class derives what it needs (repeated or middle sigmas, timesteps) from what this one method returns.
    """
    trained = trained_sigmas(scheduler.alphas_cumprod)
    times_of = SCHEDULES[schedule]

    def convert(in_sigmas: Any, num_inference_steps: int) -> np.ndarray:
        return sigmas_at(trained, times_of(len(trained), num_inference_steps))

    scheduler._convert_to_exponential = convert
    plain = scheduler.set_timesteps

    @functools.wraps(plain)
    def set_timesteps(num_inference_steps: int, *args: Any, **kwargs: Any) -> None:
        import torch

        plain(num_inference_steps, *args, **kwargs)
        if not scheduler.timesteps.is_floating_point():
            # These classes cut the fraction off, which makes 665 of 665.9999.
            times = torch.from_numpy(times_of(len(trained), num_inference_steps).round())
            scheduler.timesteps = times.to(scheduler.timesteps)

    scheduler.set_timesteps = set_timesteps
