"""The training loop that all starter image models share: rate, averaging, log, checkpoints; knows no model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from playground.starter.muon import optimisers_for


def in_half(device: torch.device) -> torch.autocast:
    """Return the context in which matrix products and convolutions on `device` run in bfloat16."""
    return torch.autocast(device.type, torch.bfloat16)


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the rate follows the larger of steps done and minutes spent."""

    steps: int
    minutes: float | None = None
    rate: float = 1e-3
    warmup_steps: int = 100
    level: float = 0.6
    weight_decay: float = 0.01
    ema: float = 0.999
    clip: float = 1.0
    log_every: int = 25
    save_minutes: float = 3.0
    muon: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a training was: optimiser steps, seconds spent, mean loss of the last log interval, and the loss curve.

    The curve is (step, mean loss) over all sittings, thinned to about a hundred points.
    """

    steps: int
    seconds: float
    loss: float
    curve: tuple[tuple[int, float], ...] = ()


def rate_at(plan: Plan, step: int, progress: float) -> float:
    """Return the learning rate: linear warm-up, level until `plan.level` of the way, then a cosine down to 1 %.

    A long level stretch lets a training be prolonged at any point of it with nothing lost (Hägele et al. 2024,
    arXiv 2405.18392).
    """
    warm = min(1.0, (step + 1) / max(1, plan.warmup_steps))
    turn = min(1.0, max(0.0, (progress - plan.level) / (1 - plan.level)))
    return plan.rate * warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * turn)))


class Averaged:
    """An exponential moving average of the weights, young averages forgetting faster."""

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.live = {f"{k}.{n}": p for k, m in modules.items() for n, p in m.named_parameters() if p.requires_grad}
        self.shadow = {name: value.detach().clone() for name, value in self.live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the live weights after optimiser step `step`."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.shadow.values()), list(self.live.values()), weight)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange live and averaged weights; a second call undoes the first."""
        for name, live in self.live.items():
            kept = live.detach().clone()
            live.copy_(self.shadow[name])
            self.shadow[name].copy_(kept)


def curve_of(log: Path, points: int = 100) -> tuple[tuple[int, float], ...]:
    """Return (last step, mean loss) of about `points` even stretches of a loss log.

    An interrupted training goes back to its last checkpoint: of the steps that it did twice, the second time counts.
    """
    rows = {row["step"]: row["loss"] for row in map(json.loads, log.read_text().splitlines())}
    steps = sorted(rows)
    size = max(1, math.ceil(len(steps) / points))
    stretches = [steps[at : at + size] for at in range(0, len(steps), size)]
    return tuple((some[-1], round(sum(rows[step] for step in some) / len(some), 5)) for some in stretches)


def train_loop(
    modules: Mapping[str, nn.Module],
    loss_at: Callable[[int], Tensor],
    plan: Plan,
    work: Path,
    *,
    resume: bool = False,
    on_save: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train `modules` on `loss_at(step)` and leave the averaged weights in them.

    Checkpoints and the loss log (one JSON line each interval) go to `work`; `on_save(outcome so far)` is called
    with the averaged weights in place at each checkpoint. Raises FloatingPointError when the loss is not finite.
    """
    work.mkdir(parents=True, exist_ok=True)
    weights = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    optimisers = optimisers_for(modules.values(), plan.rate, plan.weight_decay, muon=plan.muon)
    average = Averaged(modules, plan.ema)
    step, spent, last_mean = 0, 0.0, math.nan
    recent: list[float] = []
    checkpoint = work / "checkpoint.pt"
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=weights[0].device)
        for name, module in modules.items():
            module.load_state_dict(state["modules"][name])
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        average.shadow = state["shadow"]
        step, spent, last_mean = int(state["step"]), float(state["seconds"]), float(state["loss"])

    def save() -> None:
        state = {
            "modules": {name: module.state_dict() for name, module in modules.items()},
            "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            "shadow": average.shadow,
            "step": step,
            "seconds": spent,
            "loss": last_mean,
        }
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)
        if on_save is not None:
            average.swap()
            on_save(Outcome(step, spent, last_mean))
            average.swap()

    last_save = spent
    with (work / "loss.jsonl").open("a" if resume else "w") as log:
        while step < plan.steps and (plan.minutes is None or spent < plan.minutes * 60):
            began = time.perf_counter()
            progress = max(step / plan.steps, spent / (plan.minutes * 60) if plan.minutes else 0.0)
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
                for group in optimiser.param_groups:
                    group["lr"] = rate_at(plan, step, progress)
            loss = loss_at(step)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, plan.clip)
            for optimiser in optimisers:
                optimiser.step()
            average.update(step)
            step += 1
            spent += time.perf_counter() - began
            recent.append(loss.item())
            if not math.isfinite(recent[-1]):
                raise FloatingPointError(f"the loss is {recent[-1]} at step {step}; lower the rate ({plan.rate})")
            if step % plan.log_every == 0:
                last_mean = sum(recent) / len(recent)
                log.write(json.dumps({"step": step, "seconds": round(spent, 1), "loss": round(last_mean, 5)}) + "\n")
                log.flush()
                recent = []
            if spent - last_save > plan.save_minutes * 60:
                last_save = spent
                save()
    if recent:
        last_mean = sum(recent) / len(recent)
    save()
    average.swap()
    return Outcome(step, spent, last_mean, curve_of(work / "loss.jsonl"))
