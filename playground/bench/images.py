"""Pictures of the shipped model through the engine and over HTTP against the bare diffusers pipeline.

What is compared runs in turn, pair by pair, so that a busy machine slows both sides; figures are medians. All sides use
the same seeds, steps and sampler (the checkpoint's own), and the same number of threads.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.bench.loader import Compared
from playground.bench.process import free_port, serve, stop
from playground.catalog import ModelCard, load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, Failed, Image, ImageRequest
from playground.settings import load_settings

MODEL = "starter-sd"
STEPS, GUIDANCE, SIDE = 20, 4.0, 128
COLOURS, SHAPES, GROUNDS = ("red", "blue", "green", "yellow"), ("circle", "square", "star"), ("white", "black")

Paint = Callable[[str, int], list[Any]]  # prompt, seed -> PIL pictures


@dataclass(frozen=True)
class Timed:
    """Seconds of each run of two sides, and the pictures that they gave."""

    ours: list[float]
    plain: list[float]
    our_pictures: list[Any]
    plain_pictures: list[Any]

    def compared(self, what: str, bar: str) -> Compared:
        return Compared(what, statistics.median(self.ours), "s", statistics.median(self.plain), bar)


def measure_images(runs: int = 5) -> tuple[list[Compared], list[str]]:
    """All figures, and sentences on the quality of what was compared.

    Raises:
        RuntimeError: a picture failed, or the app did not start.
    """
    card = load_catalog()[MODEL]
    bare = _bare(card)
    with _engine("float32") as exact:
        through = alternate(_by_engine(exact), bare, runs)
    with _app("float32") as url:
        over = alternate(_by_http(url), bare, runs)
    with _engine("auto") as engine:
        dtype = engine.pool().dtype_of(card)
        default = alternate(_by_engine(engine), bare, runs)
        four = alternate(_by_engine(engine, batch_size=4), _by_engine(engine), runs)
        previewed = alternate(_by_engine(engine, preview_every=2), _by_engine(engine), runs)
    figures = [
        through.compared("engine, float32", "at most 1.03 of the bare pipeline"),
        over.compared("HTTP, float32", "at most 1.06 of the bare pipeline"),
        default.compared(f"default settings, {dtype}", "at most 0.83 of the bare pipeline in float32"),
        four.compared("batch of 4 against one", "at most 3.6"),
        previewed.compared("with previews against without", "at most 1.03"),
    ]
    return figures, [
        f"engine, float32: {_alike(through)}; HTTP: {_alike(over)}",
        f"default settings ({dtype}): {_alike(default)}",
        f"facts of the prompt shown: {_adherence(default.our_pictures)} with {dtype}, "
        f"{_adherence(default.plain_pictures)} by the bare pipeline in float32 (n={runs})",
    ]


def prompt_of(run: int) -> str:
    """A prompt that the scene reader can judge; another one for each run."""
    colour, shape = COLOURS[run % len(COLOURS)], SHAPES[run % len(SHAPES)]
    return f"a {colour} {shape} on a {GROUNDS[run % len(GROUNDS)]} background"


def alternate(ours: Paint, plain: Paint, runs: int) -> Timed:
    """`runs` pairs after one pair to warm up; which side goes first changes with each."""
    found = Timed([], [], [], [])
    sides = [(ours, found.ours, found.our_pictures), (plain, found.plain, found.plain_pictures)]
    for run in range(-1, runs):
        for paint, seconds, pictures in sides if run % 2 else sides[::-1]:
            began = time.perf_counter()
            made = paint(prompt_of(run), run + 100)
            if run >= 0:
                seconds.append(time.perf_counter() - began)
                pictures.append(made[0])
    return found


# --- the three ways --------------------------------------------------------------------------------------------------


def _bare(card: ModelCard) -> Paint:
    """What somebody without this app would write."""
    import torch
    from diffusers import StableDiffusionPipeline

    from playground.models import devices

    device = devices.pick_device(load_settings([]))
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(card.folder), dtype=torch.float32).to(device)
    pipeline.set_progress_bar_config(disable=True)

    def paint(prompt: str, seed: int) -> list[Any]:
        devices.use_threads(devices.cores())  # as the engine's own thread does
        source = torch.Generator().manual_seed(seed)
        return pipeline(
            prompt, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=SIDE, height=SIDE, generator=source
        ).images

    return paint


def _by_engine(engine: LocalEngine, batch_size: int = 1, preview_every: int = 0) -> Paint:
    async def ask(prompt: str, seed: int) -> list[Any]:
        request = ImageRequest(
            MODEL, prompt, width=SIDE, height=SIDE, steps=STEPS, guidance_scale=GUIDANCE, sampler="DPM++ 2M",
            schedule="Automatic", seed=seed, batch_size=batch_size, preview_every=preview_every,
        )  # fmt: skip
        made = []
        async for event in engine.submit(request, CancelToken()):
            if isinstance(event, Failed):
                raise RuntimeError(event.error)
            if isinstance(event, Image):
                made.append(_opened(event.png))
        return made

    return lambda prompt, seed: asyncio.run(ask(prompt, seed))


def _by_http(url: str) -> Paint:
    """Plain requests to gradio's own endpoint, without its client; every value is sent, as HTTP needs."""
    described = json.loads(_got(f"{url}/gradio_api/info"))["named_endpoints"]["/text_to_image"]["parameters"]
    defaults = {one["parameter_name"]: one.get("parameter_default") for one in described}

    def paint(prompt: str, seed: int) -> list[Any]:
        values = defaults | {
            "prompt": prompt, "models": [MODEL], "width": SIDE, "height": SIDE, "steps": STEPS,
            "guidance_scale": GUIDANCE, "sampler": "DPM++ 2M", "schedule": "Automatic", "seed": seed,
        }  # fmt: skip
        body = json.dumps({"data": list(values.values())}).encode()
        call = f"{url}/gradio_api/call/text_to_image"
        asked = urllib.request.Request(call, body, {"Content-Type": "application/json"})  # noqa: S310  (loopback)
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            event = json.load(answer)["event_id"]
        last = [line for line in _got(f"{call}/{event}").decode().splitlines() if line.startswith("data:")][-1]
        gallery, rows = json.loads(last.removeprefix("data:")) or ([], [])
        if not gallery:
            raise RuntimeError(f"no picture over HTTP: {rows}")
        return [_opened(_got(one["image"]["url"])) for one in gallery]

    return paint


def _got(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  (loopback)
        return answer.read()


def _opened(png: bytes) -> Any:
    from PIL import Image as Pictures

    return Pictures.open(io.BytesIO(png)).convert("RGB")


@contextmanager
def _engine(dtype: str) -> Iterator[LocalEngine]:
    with tempfile.TemporaryDirectory() as folder:
        changed = {"data_dir": Path(folder), "offline": True, "dtype": dtype}
        engine = LocalEngine(load_settings([]).model_copy(update=changed), load_catalog())
        try:
            engine.warm(MODEL)
            yield engine
        finally:
            engine.close()


@contextmanager
def _app(dtype: str) -> Iterator[str]:
    """The app as a process of its own, on a free port of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = os.environ | {
            "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "PLAYGROUND_DATA_DIR": folder,
        }  # fmt: skip
        command = [sys.executable, "app.py", "--port", str(port), "--dtype", dtype]
        process = serve(command, port, environment, Path(folder) / "app.log", wait_s=600)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(process)


# --- quality ---------------------------------------------------------------------------------------------------------


def _alike(timed: Timed) -> str:
    """How near both sides' pictures are, in words."""
    found = [psnr(a, b) for a, b in zip(timed.our_pictures, timed.plain_pictures, strict=True)]
    same = sum(math.isinf(one) for one in found)
    if same == len(found):
        return f"all {same} pictures are bit-identical"
    return f"PSNR {statistics.median(found):.1f} dB (median), {same} of {len(found)} pictures bit-identical"


def psnr(one: Any, other: Any) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures in dB; infinite for equal ones."""
    import numpy as np

    error = float(((np.asarray(one, dtype=float) - np.asarray(other, dtype=float)) ** 2).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _adherence(pictures: list[Any]) -> str:
    """The share of facts that the pictures of runs 0, 1, … show of their prompts."""
    import numpy as np
    import torch

    from playground.scores.adherence import agreement
    from playground.scores.prompt_facts import expected
    from playground.scores.scene_reader import read_scene

    held: list[bool] = []
    for run, picture in enumerate(pictures):
        wanted = expected(prompt_of(run))
        assert wanted is not None, prompt_of(run)
        pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1) / 255
        held += agreement(read_scene(pixels), wanted).facts.values()
    return f"{100 * sum(held) / len(held):.0f} %"
