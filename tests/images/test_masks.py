"""Masks: what is outside is never touched, edges are soft inwards, boxes hold the mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from playground.errors import InvalidRequest
from playground.images import masks
from tests.images.conftest import photo, spot


@st.composite
def scenes(draw):
    shape = (draw(st.integers(1, 24)), draw(st.integers(1, 24)))
    rgb = arrays(np.uint8, (*shape, 3))
    grey = arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 128, 255]))
    return (
        Image.fromarray(draw(rgb)),
        Image.fromarray(draw(rgb)),
        Image.fromarray(draw(grey), "L"),
    )


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(0, 20))
def test_unmasked_pixels_are_bit_identical(scene, feather):
    original, painted, mask = scene
    result = masks.composite(original, painted, mask, feather)
    outside = np.asarray(mask) == 0
    assert np.array_equal(np.asarray(result)[outside], np.asarray(original)[outside])
    assert masks.outside_is_identical(original, result, mask)


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(0, 20))
def test_every_masked_pixel_shows_some_of_the_painting(scene, feather):
    mask = scene[2]
    alpha = masks.feathered(mask, feather)
    assert ((alpha > 0) == (np.asarray(mask) > 0)).all()
    assert alpha.max(initial=0) <= 1


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(0, 10), st.floats(0.25, 4))
def test_the_box_holds_the_mask_and_stays_inside(scene, padding, aspect):
    mask = scene[2]
    found = mask.getbbox()
    if found is None:
        with pytest.raises(InvalidRequest, match="nothing to repaint"):
            masks.bounding_box(mask)
        return
    box = masks.bounding_box(mask, padding, aspect)
    assert 0 <= box.left <= found[0] < found[2] <= box.right <= mask.width
    assert 0 <= box.top <= found[1] < found[3] <= box.bottom <= mask.height


def test_a_changed_pixel_outside_is_noticed():
    original, mask = photo(), spot()
    changed = original.copy()
    changed.putpixel((0, 0), tuple(255 - v for v in original.getpixel((0, 0))))
    assert not masks.outside_is_identical(original, changed, mask)


def test_a_hard_mask_without_feather_takes_the_painting_whole():
    black, white = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")
    assert np.array_equal(np.asarray(masks.composite(black, white, spot()))[..., 0], np.asarray(spot()))


def test_the_feather_rises_inwards_and_reaches_one():
    row = masks.feathered(spot(box=(10, 10, 54, 54)), 8)[32, 9:20]
    assert row[0] == 0
    assert (np.diff(row[:9]) > 0).all()
    assert row[9] == 1


def test_a_mask_up_to_the_border_is_not_faded_there():
    assert masks.feathered(spot(box=(0, 0, 32, 64)), 8)[32, 0] == 1


def test_a_thin_stroke_is_still_painted_fully_in_its_middle():
    assert masks.feathered(spot(box=(30, 0, 33, 64)), 16)[32, 31] == 1


def test_the_box_is_grown_to_the_aspect():
    box = masks.bounding_box(spot(200, 200, (90, 90, 110, 100)), 5, 1.0)
    assert box.size == (30, 30)
    assert masks.bounding_box(spot(200, 60, (90, 10, 110, 50)), 0, 2.0).size == (80, 40)


def test_masks_from_layers_join_what_is_opaque():
    layers = [Image.new("RGBA", (20, 10)) for _ in range(2)]
    ImageDraw.Draw(layers[0]).rectangle((0, 0, 3, 3), fill=(0, 0, 0, 255))
    ImageDraw.Draw(layers[1]).rectangle((10, 0, 12, 3), fill=(255, 0, 0, 200))
    mask = np.asarray(masks.mask_from_layers(layers))
    assert (mask[0, 0], mask[0, 10], mask[5, 5]) == (255, 200, 0)
    with pytest.raises(InvalidRequest, match="20x10 and 5x5"):
        masks.mask_from_layers([layers[0], Image.new("RGBA", (5, 5))])


def test_a_mask_picture_counts_opaque_or_light_parts():
    strokes = Image.new("RGBA", (4, 4))
    strokes.putpixel((1, 1), (0, 0, 0, 255))
    assert masks.mask_from_picture(strokes).getbbox() == (1, 1, 2, 2)
    assert masks.mask_from_picture(spot()).getbbox() == (20, 24, 44, 40)
    assert masks.mask_from_picture(spot().convert("RGBA")).getbbox() == (20, 24, 44, 40)


def test_inverting_twice_gives_the_mask_back():
    assert np.array_equal(np.asarray(masks.inverted(masks.inverted(spot()))), np.asarray(spot()))


def test_fill_takes_the_surroundings_and_forgets_what_was_there():
    red = Image.new("RGB", (64, 64), (200, 30, 30))
    with_spot = red.copy()
    with_spot.paste((0, 0, 255), (20, 24, 44, 40))
    filled = np.asarray(masks.filled(with_spot, spot())).astype(int)
    assert np.abs(filled - np.asarray(red).astype(int)).max() <= 6
    assert masks.filled(with_spot, Image.new("L", (64, 64), 255)).getextrema()[0][0] > 0


def test_cells_cover_every_masked_pixel():
    grown = np.asarray(masks.cells(spot(box=(33, 9, 34, 10)), 8))
    assert grown.sum() // 255 == 64
    assert grown[8:16, 32:40].all()
