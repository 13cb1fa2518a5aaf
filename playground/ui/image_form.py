"""The settings that all picture tabs share: steps, guidance, sampler, schedule, seed and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.catalog import Catalog
from playground.images.samplers import samplers, schedules_of
from playground.ui.image_run import SEEDS, drawn_seed
from playground.ui.remember import Remember, between, flag, one_of

OWN_SIZE = "Model's own"
MOST_SEED = SEEDS - 1


@dataclass(frozen=True)
class Sampling:
    """The fold with steps, guidance, sampler and schedule; `own` leaves them to each model's card."""

    own: gr.Checkbox
    steps: gr.Slider
    guidance: gr.Slider
    sampler: gr.Dropdown
    schedule: gr.Dropdown

    @property
    def inputs(self) -> list[Any]:
        """In the order that `sampled` takes their values."""
        return [self.own, self.steps, self.guidance, self.sampler, self.schedule]


def sampling_fold(prefix: str, remember: Remember) -> Sampling:
    """Adds the fold; `prefix` begins its elem_ids and keys."""
    names = list(samplers())
    every = list(dict.fromkeys(s for name in names for s in schedules_of(name)))
    with gr.Accordion("Steps, guidance and sampler", open=False, elem_id=f"{prefix}_sampling"):
        own = gr.Checkbox(
            True,
            label="Each model's own settings",
            info="Off: what stands below holds for all models.",
            elem_id=f"{prefix}_own",
        )
        steps = gr.Slider(
            1,
            150,
            20,
            step=1,
            label="Steps",
            info="More steps take longer; past 30 little changes.",
            elem_id=f"{prefix}_steps",
            interactive=False,
        )
        guidance = gr.Slider(
            0,
            30,
            4,
            step=0.5,
            label="Guidance scale",
            info="How closely to follow the prompt. Too high burns colours.",
            elem_id=f"{prefix}_guidance",
            interactive=False,
        )
        with gr.Row():
            sampler = gr.Dropdown(
                names, value="DPM++ 2M", label="Sampler", elem_id=f"{prefix}_sampler", interactive=False, min_width=120
            )
            schedule = gr.Dropdown(
                every,
                value="Automatic",
                label="Schedule",
                elem_id=f"{prefix}_schedule",
                interactive=False,
                min_width=120,
            )
    parts: list[Any] = [steps, guidance, sampler, schedule]
    lock = "(own) => [0, 1, 2, 3].map(() => ({__type__: 'update', interactive: !own}))"
    own.change(fn=None, js=lock, inputs=own, outputs=parts)

    def fit(name: str, now: str) -> Any:
        fitting = list(schedules_of(name))
        return gr.update(choices=fitting, value=now if now in fitting else "Automatic")

    sampler.input(fit, [sampler, schedule], schedule, queue=False, show_progress="hidden", api_visibility="private")
    remember.keep(f"{prefix}.own", own, flag)
    remember.keep(f"{prefix}.steps", steps, between(1, 150))
    remember.keep(f"{prefix}.guidance", guidance, between(0, 30))
    remember.keep(f"{prefix}.sampler", sampler, one_of(names))
    remember.keep(f"{prefix}.schedule", schedule, one_of(every))
    return Sampling(own, steps, guidance, sampler, schedule)


def sampled(own: bool, steps: int, guidance: float, sampler: str, schedule: str) -> dict[str, Any]:
    """The fields of an ImageRequest that the fold sets: none where each model takes its own."""
    if own:
        return {}
    return {"steps": int(steps), "guidance_scale": float(guidance), "sampler": sampler, "schedule": schedule}


@dataclass(frozen=True)
class Seed:
    number: gr.Number
    fresh: gr.Checkbox

    @property
    def inputs(self) -> list[Any]:
        """In the order that `seed_for` takes their values."""
        return [self.number, self.fresh]


def seed_row(prefix: str, remember: Remember) -> Seed:
    """Adds the seed with its dice and its lock."""
    with gr.Row(equal_height=True, elem_classes="pg-seed"):
        number = gr.Number(
            0,
            label="Seed",
            info="The same seed gives the same picture.",
            precision=0,
            minimum=0,
            maximum=MOST_SEED,
            elem_id=f"{prefix}_seed",
            min_width=120,
            scale=2,
        )
        with gr.Column(min_width=120, scale=2, elem_classes="pg-seed-side"):
            fresh = gr.Checkbox(True, label="New seed each time", elem_id=f"{prefix}_fresh", container=False)
            dice = gr.Button("Draw a seed", size="sm", elem_id=f"{prefix}_dice", min_width=80)
    dice.click(fn=None, js=f"() => [Math.floor(Math.random() * {SEEDS}), false]", outputs=[number, fresh])
    remember.keep(f"{prefix}.seed", number, between(0, MOST_SEED))
    remember.keep(f"{prefix}.fresh", fresh, flag)
    return Seed(number, fresh)


def seed_for(number: float | None, fresh: bool) -> int:
    """The seed of this run: a fresh one where asked for or where none is given."""
    return drawn_seed() if fresh or number is None else int(number)


def size_choices(catalog: Catalog) -> list[tuple[str, str]]:
    """Square, landscape and portrait for each native size that image models have."""
    natives = sorted({card.native_size for card in catalog.of_kind("image") if card.native_size})
    choices = [(OWN_SIZE, OWN_SIZE)]
    for side in natives:
        long = side * 3 // 2
        for name, width, height in (("square", side, side), ("landscape", long, side), ("portrait", side, long)):
            choices.append((f"{width} × {height}, {name}", f"{width}x{height}"))
    return choices


def sized(choice: str) -> dict[str, Any]:
    """Width and height of a size choice; none for the model's own."""
    if choice == OWN_SIZE:
        return {}
    width, _, height = choice.partition("x")
    return {"width": int(width), "height": int(height)}
