"""Which way of making pictures fits the memory there is: all at once where it can, in smaller pieces where it must.

Pictures come out the same whichever way is taken, but for the seams that a tiled decode hides and for rounding. Plans
are pure arithmetic over the checkpoint's configs; whoever runs one is elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from playground.images.hires import last_size
from playground.models.sizes import human

if TYPE_CHECKING:
    from playground.catalog import ModelCard
    from playground.models.activations import ImageShape
    from playground.protocol import ImageRequest


@dataclass(frozen=True)
class Plan:
    """`batch` pictures are sampled at once, and decoded one by one, in tiles where `tiled`.

    `staged`: the model's parts take turns on the device. `bytes` is the work beside the weights that are there then,
    which are `weights` bytes; both 0 where nothing is known of the checkpoint.
    """

    batch: int
    tiled: bool = False
    staged: bool = False
    bytes: int = 0
    weights: int = 0

    @property
    def peak(self) -> int:
        return self.weights + self.bytes

    @property
    def way(self) -> str:
        """ "one picture at a time, decoded in tiles, with the model's parts taking turns on the device"."""
        count = "one picture at a time" if self.batch == 1 else f"{self.batch} pictures at once"
        tiles = ", decoded in tiles" if self.tiled else ""
        turns = ", with the model's parts taking turns on the device" if self.staged else ""
        return f"{count}{tiles}{turns}"

    def in_words(self) -> str:
        """The way, and the bytes that it takes."""
        return f"{self.way}, {human(self.peak)} at most"


def plan_for(card: ModelCard, request: ImageRequest, dtype: str, room: int) -> Plan:
    """The fastest plan for `request` whose weights and work fit `room` bytes.

    Where none does, the smallest, for the pool to refuse; a plan without figures where nothing is known of the model.
    """
    from playground.models.working import facts_here

    facts = facts_here(card)
    if facts is None or facts.image is None:
        return Plan(request.batch_size)
    side = card.native_size or 512
    asked = last_size(request)
    width, height = asked[0] or side, asked[1] or side
    parts = {part.name: part.bytes_as(dtype, card.quantization) for part in facts.size.components}
    can_stage = card.format == "folder" and card.quantization is None
    return choose(plans(facts.image, width, height, request.batch_size, dtype, parts, staged=can_stage), room)


def plans(
    shape: ImageShape, width: int, height: int, batch: int, dtype: str, parts: Mapping[str, int], *, staged: bool = True
) -> Iterator[Plan]:
    """Every plan for `batch` pictures of a size in pixels, the fastest first.

    Smaller batches cost least, a tiled decode some per cent; parts that take turns have to be moved for each request.

    Args:
        parts: bytes of each part's weights as `dtype`, by name.
        staged: whether the parts can take turns.
    """
    counts = sorted({batch, *(max(1, batch >> i) for i in range(1, batch.bit_length()))}, reverse=True)
    for turns in (False, True) if staged else (False,):
        for in_tiles in (False, True):
            for count in counts:
                weights, peak = shape.peak(parts, width, height, count, dtype, tiled=in_tiles, staged=turns)
                yield Plan(count, in_tiles, turns, peak - weights, weights)


def choose(candidates: Iterator[Plan], room: int) -> Plan:
    """The first plan that fits `room` bytes; where none does, the smallest, for the pool to refuse in its own words."""
    smallest: Plan | None = None
    for plan in candidates:
        if plan.peak <= room:
            return plan
        if smallest is None or plan.peak < smallest.peak:
            smallest = plan
    assert smallest is not None, "there is always a plan for one picture"
    return smallest


def smaller(plan: Plan) -> Plan | None:
    """What to try after memory ran out under `plan` on a device whose parts stay where they are; None when nothing is
    left to save.
    """
    if plan.batch == 1 and plan.tiled:
        return None
    return replace(plan, batch=1, tiled=True)


def tiled(vae: Any) -> Any:
    """A view of a shared VAE that decodes and encodes in tiles; the shared one stays as it is, and no weight is copied.

    A VAE without tiles of its own is returned as it is.
    """
    if not hasattr(vae, "enable_tiling"):
        return vae
    view = copy.copy(vae)
    view.enable_tiling()
    return view
