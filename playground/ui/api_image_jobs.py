"""The line of picture jobs in the public API: add, list, cancel, clear, skip and stop.

An owner's jobs are the same as on the page; without a login they belong to the session of the client. Annotations are
live here, since gradio reads the return hint of each function as an object.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import ImageRequest
from playground.ui.api_files import downloadable
from playground.ui.api_shared import model_ids, told
from playground.ui.context import AppContext
from playground.ui.image_queue import Job, Line, Lines, job_of
from playground.ui.image_run import drawn_seed
from playground.ui.owner import owner_of

DEFAULT_IMAGE = ["starter-sd"]


def register_image_jobs(context: AppContext, lines: Lines) -> None:
    """Adds the functions to the Blocks that are being built."""

    def line_of(request: gr.Request | None) -> tuple[str, Line]:
        owner = owner_of(request, "")
        return owner, lines.of(owner)

    async def add_image_job(
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """Puts pictures from a sentence into the line and returns at once: the job, with its id."""
        from playground.images.request import checked_image

        owner, line = line_of(request)
        wanted = ImageRequest("", prompt, "text_to_image", negative_prompt, width, height, steps, guidance_scale,
                              sampler, schedule, drawn_seed() if seed is None else seed, owner=owner)  # fmt: skip
        wanted = replace(wanted, batch_size=batch_size)
        try:
            ids = tuple(model_ids(models, context, "image"))
            for model in ids:
                checked_image(replace(wanted, model=model), context.catalog[model])
            job = job_of(wanted, ids)
            line.add(job)
        except PlaygroundError as error:
            raise told(error) from None
        return _row(job, "waiting")

    async def image_jobs(request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """The jobs that run and wait, how far the running one is (0 to 1), and the last pictures."""
        _, line = line_of(request)
        running = [] if line.running is None else [_row(line.running, "running") | {"fraction": line.fraction}]
        pictures = [
            {"image": downloadable(Path(p.path)), "model": p.model, "seed": p.seed, "parameters": p.parameters}
            for p in line.pictures
        ]
        return {"jobs": running + [_row(job, "waiting") for job in line.waiting], "ended": line.ended.count,
                "pictures": pictures}  # fmt: skip

    async def cancel_image_job(job: int = 0, request: gr.Request = None) -> bool:  # type: ignore[assignment]
        """Takes a waiting job away, or stops it where it runs; false where there is none of this id."""
        if not isinstance(job, int):
            raise told(InvalidRequest(f"job must be a number, got {str(job)[:40]!r}.", "See /image_jobs."))
        return line_of(request)[1].cancel(job)

    async def clear_image_jobs(request: gr.Request = None) -> int:  # type: ignore[assignment]
        """Takes all waiting jobs away; how many there were."""
        _, line = line_of(request)
        count = len(line.waiting)
        line.clear()
        return count

    async def skip_image(request: gr.Request = None) -> bool:  # type: ignore[assignment]
        """Leaves out what the running job makes now and goes on with its next picture or model; whether one runs."""
        _, line = line_of(request)
        line.skip()
        return line.running is not None

    for function in (add_image_job, image_jobs, cancel_image_job, clear_image_jobs, skip_image):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _row(job: Job, state: str) -> dict[str, Any]:
    wanted = job.wanted
    return {"job": job.id, "state": state, "prompt": wanted.prompt, "models": list(job.models), "seed": wanted.seed,
            "batch_size": wanted.batch_size}  # fmt: skip
