"""Every metric that is measured here: its versioned id, its column in the table, and what it says. Pure data.

A definition that changes gets a new version, so that figures of different meaning never stand in one column unseen.
"""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = ("load_s", "ttft_s", "tokens_per_s", "seconds_per_image", "peak_memory_bytes", "quality")


@dataclass(frozen=True)
class Metric:
    """One metric; `id` ends in its version, `column` is where the score table shows it."""

    id: str
    column: str
    unit: str
    higher_is_better: bool
    definition: str


LOAD = Metric(
    "load.seconds@1",
    "load_s",
    "s",
    False,
    "from asking for the unloaded model until it is ready; its files were read once before, so they may lie in the "
    "page cache",
)
TTFT = Metric(
    "chat.ttft@1",
    "ttft_s",
    "s",
    False,
    "median time from the start of the work to the first token, model loaded and warm, queue left out",
)
SPEED = Metric(
    "chat.tokens_per_s@1",
    "tokens_per_s",
    "tokens/s",
    True,
    "median of (tokens - 1) / (seconds after the first token), in the model's own tokens",
)
CHAT_QUALITY = Metric(
    "chat.mini@1",
    "quality",
    "%",
    True,
    "answers that match, of a small built-in set of sums, recall and instructions",
)
IMAGE_SECONDS = Metric(
    "image.seconds@1",
    "seconds_per_image",
    "s",
    False,
    "median seconds of one picture at the card's own steps and size, model loaded and warm, queue left out",
)
RSS_GROWTH = Metric(
    "memory.rss_growth@1",
    "peak_memory_bytes",
    "bytes",
    False,
    "highest resident memory of the app's process while loading and running, less what it held before the load; "
    "sampled every 10 ms",
)
CUDA_PEAK = Metric(
    "memory.cuda_allocated@1",
    "peak_memory_bytes",
    "bytes",
    False,
    "highest memory that torch had allocated on the CUDA device while loading and running, less what it held before "
    "the load",
)

_FIXED = {m.id: m for m in (LOAD, TTFT, SPEED, CHAT_QUALITY, IMAGE_SECONDS, RSS_GROWTH, CUDA_PEAK)}
_CLIPSCORE = "image.clipscore."


def clip_score(clip: str) -> Metric:
    """CLIPScore with the CLIP model of this id: figures of two CLIP models do not compare, so the id names it.

    Hessel et al. 2021, "CLIPScore", with weight 100 as in torchmetrics instead of the paper's 2.5.
    """
    definition = f"mean of 100 max(cos, 0) between picture and prompt, by {clip}, over the built-in prompts"
    return Metric(f"{_CLIPSCORE}{clip}@1", "quality", "of 100", True, definition)


def metric(metric_id: str) -> Metric | None:
    """The metric of this id, None for one that this version does not know."""
    name, _, version = metric_id.partition("@")
    if name.startswith(_CLIPSCORE) and version == "1":
        return clip_score(name.removeprefix(_CLIPSCORE))
    return _FIXED.get(metric_id)
