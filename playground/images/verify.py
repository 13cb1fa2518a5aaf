"""Verify: makes a picture again from its own record and says how far the two are apart, and what is different now.

Is handed an engine. Differences are in steps of 8-bit channels, 0 to 255.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from playground.catalog import Catalog
from playground.images.metadata import read_metadata
from playground.images.pictures import rgb_picture
from playground.images.recall import request_of
from playground.protocol import CancelToken, Engine, Event, Failed
from playground.protocol import Image as Picture

# What of a record may change a picture without being a setting of it, and how it is called.
_ENVIRONMENT = {
    "version_text": "app",
    "device": "device",
    "dtype": "dtype",
    "quantization": "quantization",
    "threads": "CPU threads",
    "revision": "revision",
    "sha256": "weights",
    "listing": "weights",
    "scheduler": "scheduler settings",
    "adapters": "adapters",
}


@dataclass(frozen=True)
class Difference:
    """How far two pictures are apart: the largest and the mean difference of a channel, and the share of pixels.

    All are None where their sizes differ.
    """

    identical: bool
    largest: int | None
    mean: float | None
    changed: float | None
    sizes: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Verdict:
    """The end of a verification. `environment`: what differs from when the picture was made, a sentence each."""

    difference: Difference
    environment: tuple[str, ...]
    again: bytes
    model: str

    @property
    def sentence(self) -> str:
        """What came out, in one sentence."""
        found = self.difference
        if found.identical:
            return "Identical: every pixel is the same."
        if found.largest is None or found.mean is None or found.changed is None:
            (w, h), (v, g) = found.sizes
            return f"Different: the picture is {w}x{h}, and made again it is {v}x{g}."
        return (
            f"Different: the largest difference is {found.largest} of 255, the mean {found.mean:.3g}, in "
            f"{found.changed:.1%} of the pixels."
        )


def compared(first: Image.Image, second: Image.Image) -> Difference:
    """The difference of two pictures in RGB."""
    sizes = (first.size, second.size)
    if first.size != second.size:
        return Difference(False, None, None, None, sizes)
    apart = np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16))  # (height, width, 3)
    largest = int(apart.max(initial=0))
    return Difference(largest == 0, largest, float(apart.mean()), float((apart.max(axis=-1) > 0).mean()), sizes)


def environment_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between two records of the same request, apart from its settings, a sentence each."""
    found = []
    for key, name in _ENVIRONMENT.items():
        if key not in then or then[key] == now.get(key):
            continue
        if key in ("scheduler", "adapters"):
            found.append(f"The {name} differ.")
        else:
            found.append(f"The {name}: {str(then[key])[:20]} then, {str(now.get(key))[:20]} now.")
    before, after = then.get("versions"), now.get("versions")
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before):
            if before[name] != after.get(name):
                found.append(f"{str(name)[:40]}: {str(before[name])[:40]} then, {str(after.get(name))[:40]} now.")
    if "versions" not in then:
        found.append("The picture does not say with which versions and on what device it was made.")
    return tuple(found)


async def verify(
    engine: Engine,
    catalog: Catalog,
    data: bytes,
    cancel: CancelToken,
    owner: str,
    inputs: Mapping[str, bytes | None] | None = None,
) -> AsyncGenerator[Event | Verdict]:
    """The engine's events while the picture is made again, then the verdict; none after a stop or a failure.

    Raises:
        InvalidRequest: the picture cannot be read, carries no settings, or its model or first pictures are missing.
    """
    record = read_metadata(data)
    request = replace(request_of(record, catalog, inputs), owner=owner)
    place = record.get("batch_index")
    index = place if isinstance(place, int) and 0 <= place < request.batch_size else 0
    made: Picture | None = None
    async with aclosing(engine.submit(request, cancel)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Picture) and event.index == index:
                made = event
            yield event
            if isinstance(event, Failed):
                return
    if made is None:
        return
    difference = compared(rgb_picture(data), rgb_picture(made.png))
    environment = () if difference.identical else environment_changes(record, read_metadata(made.png))
    yield Verdict(difference, environment, made.png, request.model)
