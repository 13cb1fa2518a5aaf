"""Verify: the same settings give the same pixels, and where they do not, it says by how much and what is different."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from playground.catalog import Catalog
from playground.errors import InvalidRequest, PlaygroundError
from playground.images.metadata import read_metadata, write_png
from playground.images.recall import card_of, request_fields, request_of
from playground.images.request import checked_image
from playground.images.run import paint
from playground.images.verify import Verdict, compared, environment_changes, verify
from playground.protocol import CancelToken, Done, Failed, ImageRequest
from tests.images.conftest import CARD, photo, pictures, png, spot

CATALOG = Catalog({CARD.id: CARD})


class Direct:
    """An engine that paints at once with the tiny model."""

    def __init__(self, loaded):
        self.loaded, self.asked = loaded, []

    async def submit(self, request, cancel):
        self.asked.append(request)
        events = []
        try:
            stats = paint(self.loaded, checked_image(request, CARD), cancel, events.append)
        except PlaygroundError as error:
            yield Failed.of(error)
            return
        for event in events:
            yield event
        yield Done(stats)


def verified(loaded, data, **inputs):
    async def run():
        engine = Direct(loaded)
        return [e async for e in verify(engine, CATALOG, data, CancelToken(), "ana", inputs)]

    return asyncio.run(run())


def verdict(loaded, data, **inputs) -> Verdict:
    (found,) = (e for e in verified(loaded, data, **inputs) if isinstance(e, Verdict))
    return found


@pytest.mark.parametrize(
    "fields", [{"sampler": "Euler a", "schedule": "Automatic"}, {"batch_size": 3}, {"negative_prompt": "x", "steps": 3}]
)
def test_a_picture_of_the_same_place_is_identical(draw, tiny, fields):
    events, _ = draw(**fields)
    found = verdict(tiny, pictures(events)[-1].png)
    assert found.difference.identical
    assert (found.difference.largest, found.difference.mean, found.environment) == (0, 0.0, ())
    assert found.sentence == "Identical: every pixel is the same."


def test_a_repainted_picture_needs_what_it_began_with(draw, tiny):
    image, mask = png(photo(90, 75)), png(spot(90, 75))
    events, _ = draw(kind="inpaint", image=image, mask=mask, strength=1.0, area="masked", padding=8)
    made = pictures(events)[0].png
    assert verdict(tiny, made, image=image, mask=mask).difference.identical
    with pytest.raises(InvalidRequest, match=r"began with another one \(image\)"):
        verified(tiny, made)
    with pytest.raises(InvalidRequest, match="not the one"):
        verified(tiny, made, image=png(photo(90, 75, seed=2)), mask=mask)


def test_a_changed_pixel_and_another_version_are_told(draw, tiny):
    events, _ = draw()
    made = pictures(events)[0].png
    record = read_metadata(made)
    del record["source"]
    record["versions"]["torch"] = "1.0"
    record["dtype"] = "float16"
    picture = Image.open(io.BytesIO(made)).convert("RGB")
    before = picture.getpixel((3, 4))
    picture.putpixel((3, 4), ((before[0] + 100) % 256, *before[1:]))
    apart = abs(picture.getpixel((3, 4))[0] - before[0])
    found = verdict(tiny, write_png(picture, "", record))
    assert found.difference.largest == apart
    assert found.difference.mean == pytest.approx(apart / (64 * 64 * 3))
    assert found.difference.changed == pytest.approx(1 / (64 * 64))
    assert any(line.startswith("torch: 1.0 then, ") for line in found.environment)
    assert "The dtype: float16 then, float32 now." in found.environment
    assert found.sentence.startswith(f"Different: the largest difference is {apart} of 255")


def test_a_failure_gives_no_verdict(draw, tiny):
    record = {"model": CARD.id, "prompt": "a", "seed": 1, "steps": 9000, "sampler": "DDIM"}
    events = verified(tiny, write_png(Image.new("RGB", (64, 64)), "", record))
    assert [type(e) for e in events] == [Failed]
    assert "steps must be 1 to 150, got 9000" in events[0].error


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "carries no settings"),
        ({"model": "gone", "seed": 1}, "Its model 'gone' is not listed here"),
        ({"prompt": "a", "seed": 1}, "Its model '' is not listed"),
        ({"model": "tiny-sd"}, "have no seed"),
    ],
)
def test_what_cannot_be_made_again_is_said_in_a_sentence(record, said):
    with pytest.raises(InvalidRequest, match=said):
        request_of(record, CATALOG)


@pytest.mark.parametrize("name", ["tiny-sd", "Tiny SD", "TINY/tiny-sd", "sd\\tiny-sd.ckpt"])
def test_a_model_is_found_by_any_of_its_names(name):
    assert card_of({"model": name}, CATALOG) is not None


def test_pictures_of_two_sizes_have_no_difference_in_numbers():
    found = compared(Image.new("RGB", (8, 8)), Image.new("RGB", (8, 4)))
    assert (found.identical, found.largest, found.mean) == (False, None, None)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_difference_is_what_the_plain_formula_says(width, height, rng):
    first, second = (
        np.array([[[rng.randrange(256) for _ in range(3)] for _ in range(width)] for _ in range(height)], np.uint8)
        for _ in range(2)
    )
    found = compared(Image.fromarray(first), Image.fromarray(second))
    plain = [abs(int(a) - int(b)) for a, b in zip(first.ravel(), second.ravel(), strict=True)]
    assert found.largest == max(plain)
    assert found.mean == pytest.approx(sum(plain) / len(plain))
    assert found.identical == (max(plain) == 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
)


MORE = ("batch_index", "inputs", "asked_size", "work_width")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*ImageRequest.__dataclass_fields__, *MORE]), JSON))
def test_no_record_breaks_the_way_back(record):
    record = json.loads(json.dumps(record))
    fields = request_fields(record)
    assert set(fields) <= set(ImageRequest.__dataclass_fields__) - {"image", "mask", "style", "owner", "model"}
    environment_changes(record, {})
    try:
        request = request_of({**record, "model": "tiny-sd"}, CATALOG)
        checked_image(replace(request, prompt=request.prompt or "a"), CARD)
    except PlaygroundError:
        pass
