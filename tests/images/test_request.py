"""Each wrong value is refused with one sentence that has the value and the way out."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from playground.errors import InvalidRequest
from playground.images.pictures import rgb_picture
from playground.images.request import checked_image
from tests.images.conftest import CARD, ask, photo, png, spot

LARGE = CARD.model_copy(update={"native_size": 512})
PHOTO = png(photo())
REPAINT = {"kind": "inpaint", "image": PHOTO}


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": "  "}, "The prompt is empty."),
        ({"prompt": None}, "The prompt must be text, got None."),
        ({"prompt": "x" * 20_001}, "The prompt has 20001 characters; at most 20000 are taken."),
        ({"negative_prompt": 3}, "The negative prompt must be text, got 3."),
        ({"steps": 0}, "steps must be 1 to 150, got 0."),
        ({"steps": 10_000}, "steps must be 1 to 150, got 10000."),
        ({"steps": "abc"}, "steps must be 1 to 150, got 'abc'."),
        ({"steps": 2.5}, "steps must be 1 to 150, got 2.5."),
        ({"steps": True}, "steps must be 1 to 150, got True."),
        ({"steps": float("nan")}, "steps must be 1 to 150, got nan."),
        ({"steps": 60, "sampler": "LCM"}, "steps must be 1 to 50 with sampler LCM, got 60."),
        ({"width": 100}, "width must be a multiple of 8, got 100."),
        ({"height": 32}, "height must be 64 to 512 pixels for Tiny SD, got 32."),
        ({"width": 1024}, "width must be 64 to 512 pixels for Tiny SD, got 1024."),
        ({"guidance_scale": 31}, "guidance_scale must be 0 to 30, got 31."),
        ({"guidance_scale": float("inf")}, "guidance_scale must be 0 to 30, got inf."),
        ({"guidance_scale": "high"}, "guidance_scale must be 0 to 30, got 'high'."),
        ({"batch_size": 9}, "batch_size must be 1 to 8, got 9."),
        ({"seed": 2**32}, "seed must be 0 to 4294967295, got 4294967296."),
        ({"sampler": "Eulr a"}, "There is no sampler 'Eulr a'."),
        ({"schedule": "Karas"}, "There is no schedule 'Karas'."),
        ({"sampler": "Euler a", "schedule": "Karras"}, "Euler a has no schedule 'Karras'."),
        ({"kind": "video"}, "There is no kind of request 'video'."),
        ({"kind": "image_to_image"}, "There is no picture to start from."),
        ({"kind": "image_to_image", "image": "a.png"}, "The picture must be the bytes of a picture file, got str."),
        ({"kind": "image_to_image", "image": b"no picture"}, "The picture cannot be read."),
        ({"kind": "image_to_image", "image": PHOTO[:400]}, "The picture is damaged or cut off."),
        ({"kind": "image_to_image", "image": PHOTO, "strength": 1.5}, "strength must be 0 to 1, got 1.5."),
        (
            {"kind": "image_to_image", "image": PHOTO, "strength": 0.01, "steps": 20},
            "strength 0.01 of 20 steps leaves no step to run.",
        ),
        ({"kind": "style_transfer", "image": PHOTO}, "There is no style picture."),
        ({"kind": "style_transfer", "image": PHOTO, "style": b"?"}, "The style picture cannot be read."),
        ({**REPAINT}, "There is no mask."),
        ({**REPAINT, "prompt": ""}, "The prompt is empty."),
        ({**REPAINT, "mask": png(spot())[:60]}, "The mask is damaged or cut off."),
        ({**REPAINT, "mask": png(spot(80, 64))}, "The mask is 80x64, but the picture is 64x64."),
        ({**REPAINT, "mask": png(Image.new("L", (64, 64)))}, "The mask is all black: nothing to repaint."),
        (
            {**REPAINT, "mask": png(spot()), "masked_content": "fil"},
            "masked_content must be one of original, fill, latent noise, latent nothing, got 'fil'.",
        ),
        ({**REPAINT, "mask": png(spot()), "area": "half"}, "area must be whole or masked, got 'half'."),
        ({**REPAINT, "mask": png(spot()), "feather": -1}, "feather must be 0 to 64, got -1."),
    ],
)
def test_refusals(fields, sentence):
    with pytest.raises(InvalidRequest) as refusal:
        checked_image(ask(**fields), CARD)
    assert refusal.value.message == sentence


def test_hints_name_the_closest():
    with pytest.raises(InvalidRequest, match="Euler a"):
        checked_image(ask(sampler="eulr a"), CARD)
    with pytest.raises(InvalidRequest, match="Try Karras"):
        checked_image(ask(schedule="karas", sampler="DPM++ 2M"), CARD)
    with pytest.raises(InvalidRequest, match="Try 104"):
        checked_image(ask(width=101), CARD)


@pytest.mark.parametrize("size", [(5001, 5000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_before_decoding(size):
    with pytest.raises(InvalidRequest, match=r"limit|megapixels|cannot be read"):
        checked_image(ask(kind="image_to_image", image=bomb(*size)), CARD)


@pytest.mark.parametrize("cut", range(0, len(PHOTO) - 1, 997))
def test_a_truncated_png_is_refused_wherever_it_is_cut(cut):
    with pytest.raises(InvalidRequest, match=r"cannot be read|cut off"):
        checked_image(ask(kind="image_to_image", image=PHOTO[:cut]), CARD)


def test_the_card_fills_in_what_is_not_asked_for():
    checked = checked_image(ask(seed=-1), CARD)
    assert (checked.steps, checked.guidance_scale, checked.sampler, checked.schedule) == (4, 3.0, "DDIM", "Automatic")
    assert (checked.width, checked.height, checked.seed) == (64, 64, None)


def test_whole_numbers_may_come_as_floats():
    checked = checked_image(ask(steps=20.0, width=128.0), CARD)
    assert (checked.steps, checked.width) == (20, 128)
    assert isinstance(checked.steps, int)


def test_larger_models_take_larger_pictures():
    assert checked_image(ask(width=2048), LARGE).width == 2048
    with pytest.raises(InvalidRequest, match="64 to 2048 pixels"):
        checked_image(ask(width=2056), LARGE)


def test_a_pictures_own_size_stays_open():
    checked = checked_image(ask(kind="image_to_image", prompt="", image=PHOTO), CARD)
    assert (checked.width, checked.height) == (None, None)


def test_the_cards_schedule_is_not_forced_on_a_sampler_without_it():
    card = CARD.model_copy(update={"defaults": CARD.defaults.model_copy(update={"schedule": "Karras"})})
    assert checked_image(ask(sampler="Euler a"), card).schedule == "Automatic"
    assert checked_image(ask(sampler="DPM++ 2M"), card).schedule == "Karras"


def test_turned_photos_are_read_upright_and_masks_fit_the_upright_size():
    import io

    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    photo(80, 64).save(out, "JPEG", exif=exif)
    assert rgb_picture(out.getvalue()).size == (64, 80)
    checked_image(ask(kind="inpaint", image=out.getvalue(), mask=png(spot(64, 80))), CARD)


def test_transparent_parts_lie_on_white():
    assert rgb_picture(png(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)
