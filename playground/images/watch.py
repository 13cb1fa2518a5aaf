"""Watches a sampler at work: counts its real model calls, reports progress and previews, and stops it.

It stands around the `step` of a request's own scheduler, which every pipeline calls once per model call, so that
progress is true also for samplers that call the model more often than they count steps.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from playground.errors import Cancelled
from playground.images.preview import clean_latents, preview_jpeg
from playground.protocol import CancelToken, Event, Step


@dataclass(frozen=True)
class Span:
    """Which pictures of a request a run makes: `count` of `total`, after `done` others.

    Where they are made in two passes, the other one's model calls were `before` this run or come `later`.
    """

    done: int = 0
    count: int = 1
    total: int = 1
    before: int = 0
    later: int = 0


class Skipped(Exception):
    """The user wants the pictures of this run left out; what was finished stays."""


class Watch:
    """Emits a Step after every model call; raises Cancelled or Skipped as soon as the token says so.

    `preview_every` counts calls, 0 for none. `colours` turns clean scaled latents (B, C, h, w) into (B, H, W, 3) from
    -1 to 1; None means that no preview can be made. Steps are counted over all runs of a request, of which `span` is
    one. `preview_s` are the seconds that previews took.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        cancel: CancelToken,
        preview_every: int,
        colours: Callable[[torch.Tensor], torch.Tensor] | None,
        size: tuple[int, int],
        span: Span = Span(),
    ) -> None:
        self._emit, self._cancel = emit, cancel
        self._every = preview_every if colours is not None else 0
        self._colours, self._size, self._span = colours, size, span
        self._began = time.perf_counter()
        self.calls = 0
        self.preview_s = 0.0

    def attach(self, pipeline: Any) -> None:
        """Starts the clock and watches this pipeline's scheduler, which must belong to this request alone."""
        scheduler = pipeline.scheduler
        plain = scheduler.step
        self._began = time.perf_counter()

        # wraps() keeps the signature, in which pipelines look for `eta` and `generator`.
        @functools.wraps(plain)
        def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            check(self._cancel)
            result = plain(model_output, timestep, sample, *args, **kwargs)
            total = getattr(pipeline, "num_timesteps", None) or len(scheduler.timesteps)
            self._report(scheduler, total, model_output, timestep, sample)
            check(self._cancel)
            if self._cancel.take_skip():
                raise Skipped
            return result

        scheduler.step = step

    def _report(self, scheduler: Any, total: int, output: torch.Tensor, timestep: Any, sample: torch.Tensor) -> None:
        self.calls += 1
        preview = None
        if self._every and self.calls % self._every == 0 and self.calls < total:
            started = time.perf_counter()
            clean = clean_latents(scheduler, output, timestep, sample)
            if clean is not None and self._colours is not None:
                preview = preview_jpeg(self._colours(clean), self._size)
            self.preview_s += time.perf_counter() - started
        # A run makes several pictures at once, so that one picture is a share of its calls.
        a_picture = (self._span.before + total + self._span.later) / self._span.count
        at = round(a_picture * self._span.done) + self._span.before + self.calls
        whole = round(a_picture * self._span.total)
        each = (time.perf_counter() - self._began) / self.calls
        self._emit(Step(at, whole, each * (whole - at), preview))


def check(cancel: CancelToken) -> None:
    """Raises Cancelled if the user has stopped the request."""
    if cancel.cancelled:
        raise Cancelled
