"""What each option does with each sampler, by comparing pictures of the small starter model: applied, inert or refused.

The table of what is expected is options.csv beside this. Automatic is the checkpoint's own spacing of steps, so that
the schedule of that name gives the same picture by right; it is held against Leading instead.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.images.request import checked_image
from playground.images.run import paint
from playground.images.samplers import samplers, schedules_of, takes_eta
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Event, ImageRequest
from tests.images.conftest import pictures, pixels

CARD = load_catalog()["starter-sd-small"]
TABLE = {row.pop("sampler"): row for row in csv.DictReader(Path(__file__).with_name("options.csv").open())}
OPTIONS: dict[str, dict[str, Any]] = {
    "eta": {"eta": 0.8},
    "guidance_rescale": {"guidance_rescale": 0.7, "guidance_scale": 4.0},
}


@pytest.fixture(scope="module")
def starter() -> LoadedImage:
    plain = diffusers.StableDiffusionPipeline.from_pretrained(str(CARD.folder), dtype=torch.float32)
    return LoadedImage(CARD, diffusers.StableDiffusionPipeline, plain.components, "cpu", torch.float32, 0)


class Painter:
    """Pictures of one sampler, each made once. Unguided and of three steps, of which 1000 is no multiple."""

    def __init__(self, loaded: LoadedImage, sampler: str) -> None:
        self._loaded, self._made = loaded, {}
        self._base = ImageRequest(
            CARD.id, "a red circle on a white background", width=64, height=64, steps=3, guidance_scale=1.0,
            sampler=sampler, schedule="Automatic", seed=5, preview_every=0,
        )  # fmt: skip

    def picture(self, **fields: Any) -> bytes:
        request = checked_image(replace(self._base, **fields), CARD)
        if request not in self._made:
            events: list[Event] = []
            paint(self._loaded, request, CancelToken(), events.append)
            self._made[request] = pixels(pictures(events)[0].png).tobytes()
        return self._made[request]

    def classed(self, option: str) -> str:
        own = str(self._loaded.components["scheduler"].config.timestep_spacing).capitalize()
        fields = OPTIONS.get(option, {"schedule": option})
        without = {"schedule": "Leading" if option == own else "Automatic"}
        if "guidance_scale" in fields:
            without["guidance_scale"] = fields["guidance_scale"]
        try:
            made = self.picture(**fields)
        except InvalidRequest:
            return "refused"
        return "applied" if made != self.picture(**without) else "inert"


@pytest.mark.parametrize("sampler", samplers())
def test_each_option_does_what_the_table_says(starter, sampler):
    painter = Painter(starter, sampler)
    assert {option: painter.classed(option) for option in TABLE[sampler]} == TABLE[sampler]


def test_what_the_page_offers_is_applied():
    assert list(TABLE) == list(samplers())
    for sampler, row in TABLE.items():
        offered = {*schedules_of(sampler)[1:], *(["eta"] if takes_eta(sampler) else []), "guidance_rescale"}
        assert {option for option, what in row.items() if what == "applied"} == offered
        assert "inert" not in row.values()


def test_own_steps_are_named_by_automatic(starter):
    painter = Painter(starter, "Euler")
    assert painter.picture(schedule="Trailing") == painter.picture()
    assert np.frombuffer(painter.picture(), np.uint8).std() > 0
