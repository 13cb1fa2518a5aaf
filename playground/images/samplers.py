"""Samplers and schedules by the names that users of Stable Diffusion know, and the scheduler objects behind them.

The tables are plain data; torch and diffusers are imported only where a scheduler is built.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

_SIGMAS = ("Karras", "Exponential", "Beta")
_OWN = ("SGM uniform", "Simple")  # diffusers has neither: its "trailing" is close to both and equal to none
_SPACINGS = ("Trailing", "Leading", "Linspace")
_SIGMA_FLAGS = {
    "Karras": "use_karras_sigmas",
    "Exponential": "use_exponential_sigmas",
    "Beta": "use_beta_sigmas",
}


@dataclass(frozen=True)
class Sampler:
    """One row: `schedules` are those that its class honours; `takes_eta`: whether `eta` changes its noise.

    `distilled`: made for models distilled to few steps (LCM, TCD); on others the pictures are poor.
    """

    name: str
    scheduler: str
    config: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[str, ...] = ("Automatic", *_SIGMAS, *_OWN, *_SPACINGS)
    max_steps: int = 150
    distilled: bool = False
    takes_eta: bool = False


_NO_SIGMAS = ("Automatic", *_SPACINGS)
# The singlestep class has one spacing, all but SGM uniform and Simple: these names would change next to nothing.
_NO_SPACING = ("Automatic", *_SIGMAS)
_NO_OWN = ("Automatic", *_SIGMAS, *_SPACINGS)
# Not named "DPM++ 2S a": diffusers has no ancestral singlestep solver.
_ROWS = (
    Sampler("Euler", "EulerDiscreteScheduler"),
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", schedules=_NO_SIGMAS),
    Sampler("Heun", "HeunDiscreteScheduler"),
    Sampler("LMS", "LMSDiscreteScheduler"),
    Sampler("DPM2", "KDPM2DiscreteScheduler"),
    Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler"),
    Sampler(
        "DPM++ 2S",
        "DPMSolverSinglestepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "lower_order_final": True},
        schedules=_NO_SPACING,
    ),
    Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    Sampler(
        "DPM++ SDE",
        "DPMSolverSinglestepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, "lower_order_final": True},
        schedules=_NO_SPACING,
    ),
    Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    Sampler("DPM++ 3M SDE", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}),
    Sampler("DDIM", "DDIMScheduler", {"clip_sample": False}, schedules=_NO_SIGMAS, takes_eta=True),
    Sampler("DDPM", "DDPMScheduler", {"clip_sample": False}, schedules=_NO_SIGMAS),
    # Without the Runge-Kutta start of the paper, as Stable Diffusion checkpoints are set: that is PLMS.
    Sampler("PNDM", "PNDMScheduler", {"skip_prk_steps": True}, schedules=_NO_SIGMAS),
    Sampler("UniPC", "UniPCMultistepScheduler"),
    # Its last sigma repeats the one before: schedules that jump to 0 from far off would leave that much noise.
    Sampler("DEIS", "DEISMultistepScheduler", {"algorithm_type": "deis"}, schedules=_NO_OWN),
    # These two pick their own steps out of 50 that the distillation used.
    Sampler("LCM", "LCMScheduler", {"clip_sample": False}, ("Automatic",), max_steps=50, distilled=True),
    Sampler(
        "TCD", "TCDScheduler", {"clip_sample": False}, ("Automatic",), max_steps=50, distilled=True, takes_eta=True
    ),
)
# Names of the same algorithm that other programs write.
SYNONYMS = {"PLMS": "PNDM"}
_TABLE = {row.name: row for row in _ROWS}

# Models trained by flow matching have one sampler of their own; the solvers above are for noise prediction.
FLOW_CLASSES = frozenset({"StableDiffusion3Pipeline", "FluxPipeline"})


def samplers(model_class: str = "") -> tuple[str, ...]:
    """The sampler names that a pipeline class can use, best known first."""
    return ("Euler",) if model_class in FLOW_CLASSES else tuple(_TABLE)


def schedules_of(sampler: str, model_class: str = "") -> tuple[str, ...]:
    """The schedules that a sampler honours.

    Raises:
        InvalidRequest: no such sampler; names the closest.
    """
    row = sampler_row(sampler)
    return ("Automatic",) if model_class in FLOW_CLASSES else row.schedules


def takes_eta(sampler: str) -> bool:
    """Whether `eta` means something to this sampler."""
    return sampler in _TABLE and _TABLE[sampler].takes_eta


def sampler_row(name: str) -> Sampler:
    """The table's row.

    Raises:
        InvalidRequest: no such sampler; names the closest.
    """
    if name not in _TABLE:
        raise InvalidRequest(f"There is no sampler {name!r}.", f"Try {', '.join(closest(name, tuple(_TABLE)))}.")
    return _TABLE[name]


def closest(name: object, names: tuple[str, ...]) -> list[str]:
    """Up to three of `names` that look like `name`, else the first three."""
    from difflib import get_close_matches

    lower = {n.lower(): n for n in names}
    near = get_close_matches(str(name).lower(), lower, n=3, cutoff=0.4)
    return [lower[n] for n in near] or list(names[:3])


def build_scheduler(sampler: str, schedule: str, checkpoint: Any) -> SchedulerMixin:
    """A new scheduler over the checkpoint's own betas and prediction type.

    "Automatic" keeps the checkpoint's spacing of steps and no special sigmas.

    Raises:
        InvalidRequest: unknown sampler, a schedule that it does not honour, or a flow model with another than Euler.
    """
    import diffusers

    row = sampler_row(sampler)
    if "FlowMatch" in type(checkpoint).__name__:
        if sampler != "Euler" or schedule != "Automatic":
            raise InvalidRequest(
                f"This is a flow-matching model, which {sampler} with schedule {schedule} does not fit.",
                "Use Euler with schedule Automatic.",
            )
        return type(checkpoint).from_config(checkpoint.config)
    if schedule not in row.schedules:
        raise InvalidRequest(
            f"{sampler} has no schedule {schedule!r}.", f"It has {', '.join(row.schedules)}; choose one of these."
        )
    cls = getattr(diffusers, row.scheduler)
    overrides: dict[str, Any] = dict(row.config)
    if "Karras" in row.schedules:
        overrides |= {flag: name == schedule for name, flag in _SIGMA_FLAGS.items()}
    if schedule in _OWN:
        overrides["use_exponential_sigmas"] = True
    if schedule in _SPACINGS:
        overrides["timestep_spacing"] = schedule.lower()
    config = {k: v for k, v in checkpoint.config.items() if k not in _SOLVER_KEYS}
    scheduler = cls.from_config(config, **overrides)
    if schedule in _OWN:
        from playground.images import sigmas

        sigmas.follow(scheduler, schedule)
    return _from_first_step(scheduler)


# How one solver was set up says nothing of another: these are not carried over, while betas and prediction type are.
_SOLVER_KEYS = frozenset(
    {
        "solver_order", "solver_type", "algorithm_type", "lower_order_final", "euler_at_final", "final_sigmas_type",
        "predict_x0", "disable_corrector", "skip_prk_steps", "use_lu_lambdas", "variance_type", "lambda_min_clipped",
        "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "clip_sample", "clip_sample_range",
    }
)  # fmt: skip


def _from_first_step(scheduler: Any) -> Any:
    """Tells the scheduler that its first step is number 0, instead of letting it look up the first timestep.

    Close sigmas round to equal timesteps, and the look-up then starts at the second of two, one step short at the end.
    """
    if not hasattr(scheduler, "set_begin_index"):
        return scheduler
    plain = scheduler.set_timesteps

    @functools.wraps(plain)
    def set_timesteps(*args: Any, **kwargs: Any) -> None:
        plain(*args, **kwargs)
        scheduler.set_begin_index(0)

    scheduler.set_timesteps = set_timesteps
    return scheduler
