"""What of a model fits a number of bytes: in which dtype and quantization, at which context or picture size.

Adds up what others measure: weights from headers, cache and activations from configs. Loads nothing, needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from playground.catalog import Build, Kind, ModelCard
from playground.models.activations import ImageShape
from playground.models.facts import Facts
from playground.models.kv_cache import chat_working_bytes, kv_bytes, kv_bytes_per_token
from playground.models.sizes import itemsize

SMALLEST_CONTEXT = 512  # tokens; less is no conversation
SIDES = (512, 768, 1024, 1536, 2048)  # of square pictures, in pixels
BATCHES = (1, 2, 4, 8)
SMALLER = ("int8", "int4")  # quantizations that need nothing but torch
# How an image model is run, the fastest first. "staged" has one part of the model on the device at a time.
PLANS = ("whole", "tiled", "staged")


@dataclass(frozen=True)
class Form:
    """How a model is held: the dtype it computes in, what its matrices are packed to, and on which device."""

    dtype: str
    quantization: str | None = None
    packed: bool = False
    device: str = "cpu"

    @property
    def name(self) -> str:
        return "as stored" if self.packed else self.quantization or self.dtype


@dataclass(frozen=True)
class Picture:
    """A square picture that fits: its side in pixels, how many at once, by which plan, and all bytes that it takes."""

    side: int
    batch: int
    plan: str
    bytes: int


@dataclass(frozen=True)
class Fit:
    """One form of a model against a budget, in bytes.

    For text `kv_per_token` and `kv_full` are the cache's bytes, the latter at the whole context; `context` is the
    longest that fits, in tokens. For images `largest` is the largest single picture, `most` the largest batch at the
    native size. What does not apply or does not fit is None.
    """

    form: Form
    weights: int
    fits: bool
    kv_per_token: int | None = None
    kv_full: int | None = None
    context: int | None = None
    largest: Picture | None = None
    most: Picture | None = None


@dataclass(frozen=True)
class Working:
    """Bytes of activations at one size: of a guided step and of the decode, in the three ways to decode."""

    side: int
    batch: int
    step: int
    plain: int
    sliced: int
    tiled: int


@dataclass(frozen=True)
class BuildFit:
    """Another form of the model, with what it needs to run, as far as that is known, and whether it fits."""

    build: Build
    needed: int
    fits: bool


def forms_of(
    kind: Kind,
    facts: Facts | None = None,
    half: str = "bfloat16",
    quantizations: Sequence[str] = SMALLER,
    device: str = "cpu",
) -> list[Form]:
    """The forms that the loader can make of a model, best first; packed files have the one that they are stored in.

    Args:
        facts: None where only the card is known.
        half: the 16-bit dtype to compute in.
        quantizations: those that work on `device`.
    """
    if facts is not None and facts.packed:
        return [Form("float16" if facts.gguf is not None else "float32", packed=True)]
    plain = [Form("float32", device=device), Form(half, device=device)]
    return plain if kind == "clip" else plain + [Form(half, name, device=device) for name in quantizations]


def fit(facts: Facts, form: Form, budget: int, native: int | None = None) -> Fit:
    """How far `form` of the model goes in `budget` bytes.

    Args:
        native: the side of the pictures that the model was trained on; None takes the config's.
    """
    weights = facts.packed or facts.size.bytes_as(form.dtype, form.quantization, form.device)
    if facts.text is not None:
        return _text(facts, form, weights, budget)
    if facts.image is not None:
        return _image(facts, facts.image, form, weights, budget, native or native_side(facts))
    return Fit(form, weights, weights <= budget)


def working_of(shape: ImageShape, form: Form, sides: Sequence[int], batch: int = 1) -> list[Working]:
    """Activations by size."""
    rows = []
    for side in sides:
        plain, sliced, tiled = (
            shape.decode(side, side, batch, form.dtype, mode) for mode in ("plain", "sliced", "tiled")
        )
        rows.append(Working(side, batch, shape.step(side, side, batch, form.dtype), plain, sliced, tiled))
    return rows


def builds_of(
    facts: Facts | None, builds: Sequence[Build], budget: int, card: ModelCard | None = None
) -> list[BuildFit]:
    """Whether each build fits, with the cache of a short answer as far as facts or the card tell it."""
    text = None if facts is None else facts.text
    known = 0 if card is None else SMALLEST_CONTEXT * (card.kv_bytes_per_token or 0)
    extra = known if text is None else chat_working_bytes(text, SMALLEST_CONTEXT, "float16")
    return [BuildFit(build, build.bytes + extra, build.bytes + extra <= budget) for build in builds]


def fit_by_card(card: ModelCard, form: Form, budget: int) -> Fit | None:
    """What a card says of its own weights and cache, for a model whose headers cannot be read; None where nothing."""
    weights = card.memory.get(form.name)
    if weights is None and card.parameters is not None and form.quantization is None:
        weights = int(card.parameters * itemsize(form.dtype))
    if weights is None:  # how much of a model can be quantized shows in its headers only
        return None
    if card.kind != "chat" or card.kv_bytes_per_token is None:
        return Fit(form, weights, weights <= budget)
    token = int(card.kv_bytes_per_token * itemsize(form.dtype) / 2)  # cards give it for 16 bit
    context = longest(lambda n: weights + n * token, budget, card.context or 2**20)
    full = None if card.context is None else card.context * token
    return Fit(form, weights, (context or 0) >= SMALLEST_CONTEXT, token, full, context)


# --- text ------------------------------------------------------------------------------------------------------------


def _text(facts: Facts, form: Form, weights: int, budget: int) -> Fit:
    config, limit = facts.text, facts.context
    assert config is not None
    context = longest(lambda n: weights + chat_working_bytes(config, n, form.dtype), budget, limit or 2**20)
    enough = context is not None and context >= min(SMALLEST_CONTEXT, limit or SMALLEST_CONTEXT)
    return Fit(
        form,
        weights,
        enough,
        kv_bytes_per_token(config, form.dtype),
        None if limit is None else kv_bytes(config, limit, form.dtype),
        context,
    )


def longest(needed: Callable[[int], int], budget: int, limit: int) -> int | None:
    """The largest count from 1 to `limit` for which `needed`, which grows, stays within `budget`; None for none."""
    if needed(1) > budget:
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= budget else (low, middle - 1)
    return low


# --- images ----------------------------------------------------------------------------------------------------------


def native_side(facts: Facts) -> int:
    """The side of the pictures that an image model was trained on, in pixels."""
    shape = facts.image
    assert shape is not None
    size = shape.denoiser.get("sample_size") or 64
    scale = 2 ** (len(shape.vae["block_out_channels"]) - 1)
    return int(max(size) if isinstance(size, list | tuple) else size) * scale


def sides_for(native: int) -> list[int]:
    """The sizes that are looked at: the usual ones and the model's own."""
    return sorted({native, *SIDES})


def _image(facts: Facts, shape: ImageShape, form: Form, weights: int, budget: int, native: int) -> Fit:
    largest = next((p for side in reversed(sides_for(native)) for p in _fitting(facts, form, budget, side, 1)), None)
    most = next((p for batch in reversed(BATCHES) for p in _fitting(facts, form, budget, native, batch)), None)
    return Fit(form, weights, largest is not None, largest=largest, most=most)


def _fitting(facts: Facts, form: Form, budget: int, side: int, batch: int) -> Iterator[Picture]:
    for plan in PLANS:
        needed = picture_bytes(facts, form, side, batch, plan)
        if needed <= budget:
            yield Picture(side, batch, plan, needed)


def picture_bytes(facts: Facts, form: Form, side: int, batch: int, plan: str) -> int:
    """All bytes that `batch` square pictures take by one of PLANS; decoded in tiles in all but "whole"."""
    assert facts.image is not None
    parts = {part.name: part.bytes_as(form.dtype, form.quantization, form.device) for part in facts.size.components}
    options = {"tiled": plan != "whole", "staged": plan == "staged"}
    return facts.image.peak(parts, side, side, batch, form.dtype, **options)[1]
