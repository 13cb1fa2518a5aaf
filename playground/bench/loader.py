"""The model pool against the plain library calls, in one run on one machine: leases, loads, sharing, switching.

Each figure comes with what it is compared to. Times alternate between the two sides, so that a busy machine slows both.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.catalog import Catalog, ModelCard, load_catalog
from playground.models.pool import ModelPool
from playground.settings import Settings, load_settings

LEASES = 2000
SWITCHES = 50
LENGTHS = 300


@dataclass(frozen=True)
class Compared:
    """One figure: `value` against `reference`, both in `unit`; `ratio` and the `bar` that it should keep."""

    what: str
    value: float
    unit: str
    reference: float | None = None
    bar: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.reference else self.value / self.reference

    def line(self) -> str:
        against = f"   plain {self.reference:10.3f} {self.unit}   ratio {self.ratio:.3f}" if self.reference else ""
        return f"{self.what:44s} {self.value:10.3f} {self.unit}{against}   ({self.bar})"


def measure_loader(runs: int = 7) -> list[Compared]:
    """All figures, with the shipped models, on the device that the app would take."""
    from playground.models.freed import one_heap

    one_heap()
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        figures = [lease_time(settings, catalog)]
        figures += [load_time(settings, catalog, card_id, runs) for card_id in ("starter-phi", "starter-sd")]
        figures += return_time(settings, catalog, runs)
        figures += sharing(settings, catalog)
        figures.append(switching(settings, catalog))
        figures.append(prompt_lengths(settings, catalog))
    return figures


def lease_time(settings: Settings, catalog: Catalog) -> Compared:
    """Median microseconds from asking for a loaded model to having it and giving it back."""
    pool, card = _pool(settings, catalog), catalog["starter-phi"]
    with pool.lease(card):
        pass
    times = []
    for _ in range(LEASES):
        began = time.perf_counter()
        with pool.lease(card):
            pass
        times.append(time.perf_counter() - began)
    pool.close()
    return Compared("lease of a loaded model", 1e6 * statistics.median(times), "µs", bar="under 50 µs")


def load_time(settings: Settings, catalog: Catalog, card_id: str, runs: int) -> Compared:
    """Median seconds of a load by the pool, against `from_pretrained` to the same device and dtype."""
    from playground.models import devices

    pool, card = _pool(settings, catalog), catalog[card_id]
    device = devices.pick_device(settings)
    dtype = devices.torch_dtype(devices.pick_dtype(device, settings, card.kind))
    ours, plain = [], []

    def by_pool() -> None:
        with pool.lease(card):
            pass

    for turn in range(runs + 1):  # the first of each warms the disk cache and the imports
        pool.unload(card_id)
        seconds = _timed(by_pool), _timed(lambda: _plain(card, device, dtype))
        if turn:
            ours.append(seconds[0])
            plain.append(seconds[1])
    pool.close()
    what = f"first load of {card_id}"
    return Compared(what, statistics.median(ours), "s", statistics.median(plain), "at most 1.05 of plain")


def return_time(settings: Settings, catalog: Catalog, runs: int) -> list[Compared]:
    """Median seconds to bring a model back from RAM against loading it again; nothing where RAM is the device."""
    from playground.models import devices

    if devices.pick_device(settings) == "cpu":
        return []
    pool, card = _pool(settings, catalog), catalog["starter-sd"]
    back, anew = [], []

    def lease() -> None:
        with pool.lease(card):
            pass

    lease()
    for _ in range(runs):
        pool.resize(1)  # moves it to RAM
        pool.resize(devices.memory_budget(devices.pick_device(settings), settings))
        back.append(_timed(lease))
        pool.unload(card.id)
        anew.append(_timed(lease))
    pool.close()
    return [Compared("return from RAM", statistics.median(back), "s", statistics.median(anew), "at most 0.2 of a load")]


def sharing(settings: Settings, catalog: Catalog) -> list[Compared]:
    """Bytes of weights of text-to-image, image-to-image and inpainting over one checkpoint, against the first alone."""
    import diffusers

    pool, card = _pool(settings, catalog), catalog["starter-sd"]
    names = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline")
    with pool.lease(card) as loaded:
        one = _weights([loaded.pipeline()])
        before = _resident()
        pipelines = [loaded.pipeline(getattr(diffusers, name)) for name in names]
        all_three, after = _weights(pipelines), _resident()
        del pipelines
    pool.close()
    bar = "at most 1.02 of text to image alone"
    return [
        Compared("weights of three kinds of pipeline", all_three / 1e6, "MB", one / 1e6, bar),
        Compared("resident memory with three kinds", after / 1e6, "MB", before / 1e6, bar),
    ]


def switching(settings: Settings, catalog: Catalog) -> Compared:
    """Resident memory after switching between two models again and again in a budget for one."""
    cards = [catalog["starter-sd"], catalog["starter-sd-small"]]
    pool = _pool(settings, catalog)
    sizes = []
    for card in cards:
        with pool.lease(card) as loaded:
            sizes.append(loaded.bytes)
    pool.resize(max(sizes) + min(sizes) // 2)
    resident = []
    for turn in range(SWITCHES + 1):
        with pool.lease(cards[turn % 2]) as loaded:
            _paint(loaded)
        gc.collect()
        resident.append(_resident())
    evictions = pool.stats.evictions
    pool.close()
    if evictions < SWITCHES:
        raise RuntimeError(f"{evictions} evictions in {SWITCHES} switches: the budget holds both models")
    what = f"resident memory after {SWITCHES} switches"
    return Compared(what, resident[-1] / 1e6, "MB", resident[1] / 1e6, "at most 1.05 of after the first")


def prompt_lengths(settings: Settings, catalog: Catalog) -> Compared:
    """Resident memory after reading prompts of many lengths in 16 bit, for which torch on a CPU keeps kernels."""
    from contextlib import closing

    from playground.chat.decode import logits_of, read_on
    from playground.protocol import CancelToken

    pool, resident = _pool(settings, catalog), []
    with pool.lease(catalog["starter-phi"], dtype="bfloat16") as loaded:
        for length in random.Random(0).sample(range(2, LENGTHS + 2), LENGTHS):
            with closing(logits_of(loaded, length)) as logits:
                read_on(logits, [1 + i % 200 for i in range(length)], CancelToken())
            resident.append(_resident())
    pool.close()
    what = f"resident memory after {LENGTHS} prompt lengths"
    return Compared(what, resident[-1] / 1e6, "MB", resident[49] / 1e6, "at most 1.05 of after 50")


# --- pieces ----------------------------------------------------------------------------------------------------------


def _pool(settings: Settings, catalog: Catalog) -> ModelPool:
    from playground.models.open import open_pool

    return open_pool(settings, catalog)


def _timed(work: Callable[[], Any]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _plain(card: ModelCard, device: str, dtype: Any) -> Any:
    """What somebody without this app would write."""
    folder = str(card.folder)
    if card.kind == "image":
        from diffusers import DiffusionPipeline

        return DiffusionPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    model.to(device)
    return model, AutoTokenizer.from_pretrained(folder)


def _weights(pipelines: list[Any]) -> int:
    import torch

    found: dict[int, int] = {}
    for pipeline in pipelines:
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                found |= {t.data_ptr(): t.numel() * t.element_size() for t in (*part.parameters(), *part.buffers())}
    return sum(found.values())


def _paint(loaded: Any) -> None:
    from playground.images.request import checked_image
    from playground.images.run import paint
    from playground.protocol import CancelToken, ImageRequest

    request = ImageRequest(loaded.card.id, "a red circle on a white background", steps=2, seed=1, preview_every=0)
    paint(loaded, checked_image(request, loaded.card), CancelToken(), lambda event: None)


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
