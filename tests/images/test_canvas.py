"""The geometry: sizes that a model can work at, and results put back where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from playground.images.canvas import canvas_for, work_size
from playground.images.request import checked_image
from tests.images.conftest import CARD, ask, photo, png, spot


def canvas(image: Image.Image, **fields):
    kind = "inpaint" if "mask" in fields else "image_to_image"
    return canvas_for(checked_image(ask(kind=kind, image=png(image), **fields), CARD), CARD)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 64), (64, 64)), ((70, 90), (72, 88)), ((1000, 500), (136, 72 - 4)), ((10, 12), (64, 64))],
)
def test_the_work_size_is_a_multiple_of_8_near_the_models_own(size, expected):
    width, height = work_size(size, ask(), CARD)
    assert width % 8 == height % 8 == 0
    assert abs(width - expected[0]) <= 8
    assert abs(height - expected[1]) <= 8
    assert width * height <= (1.5 * 64 + 8) ** 2


def test_one_side_asked_for_gives_the_other():
    assert work_size((200, 100), ask(width=128), CARD) == (128, 64)
    assert work_size((200, 100), ask(height=128), CARD) == (256, 128)


def test_the_masked_area_is_worked_on_at_the_models_size():
    made = canvas(photo(300, 300), mask=png(spot(300, 300, (140, 150, 160, 170))), area="masked", padding=10)
    assert made.box is not None
    assert made.box.corners == (130, 140, 170, 180)
    assert made.work == (64, 64)


def test_a_mask_of_one_pixel_in_a_large_picture_is_not_lost():
    made = canvas(photo(900, 900), mask=png(spot(900, 900, (450, 450, 451, 451))))
    assert np.asarray(made.work_mask(4)).any()


def test_only_the_box_is_pasted_back():
    image = photo(120, 120)
    made = canvas(image, mask=png(spot(120, 120, (30, 30, 50, 50))), area="masked", padding=4)
    result = np.asarray(made.finished(Image.new("RGB", made.work, "white"), 0))
    expected = np.asarray(image).copy()
    expected[30:50, 30:50] = 255
    assert np.array_equal(result, expected)


def test_fill_hides_what_was_under_the_mask():
    image = Image.new("RGB", (150, 150), (20, 200, 20))
    image.paste((255, 0, 0), (60, 60, 90, 90))
    made = canvas(image, mask=png(spot(150, 150, (60, 60, 90, 90))), masked_content="fill")
    assert np.asarray(made.work_picture(fill=True))[..., 0].max() < 60
    assert np.asarray(made.work_picture())[..., 0].max() == 255
