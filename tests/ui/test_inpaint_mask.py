"""From canvas and upload to one checked mask."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageDraw

from playground.errors import InvalidRequest
from playground.ui.inpaint_mask import picture_and_mask


def canvas(size: tuple[int, int] = (64, 48), *strokes: tuple[int, int, int, int], alpha: int = 255) -> dict[str, Any]:
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    for stroke in strokes:
        ImageDraw.Draw(layer).rectangle(stroke, fill=(0, 0, 0, alpha))
    return {"background": Image.new("RGBA", size, "white"), "layers": [layer], "composite": None}


def test_any_opacity_counts_as_drawn() -> None:
    picture, mask = picture_and_mask(canvas((64, 48), (8, 8, 15, 15), alpha=3), None, None)
    assert picture.mode == "RGB"
    assert mask.getbbox() == (8, 8, 16, 16)
    assert set(mask.getextrema()) == {0, 255}


def test_strokes_and_upload_add_up() -> None:
    upload = Image.new("L", (64, 48), 0)
    upload.paste(255, (40, 40, 48, 44))
    _, mask = picture_and_mask(canvas((64, 48), (8, 8, 15, 15)), upload, (64, 48))
    assert mask.getbbox() == (8, 8, 48, 44)


@pytest.mark.parametrize(
    ("editor", "upload", "expected", "sentence"),
    [
        (None, None, None, "There is no picture"),
        ({"background": None, "layers": []}, None, None, "There is no picture"),
        (canvas(), None, None, "Nothing is marked"),
        ({**canvas(), "layers": []}, None, None, "Nothing is marked"),
        (canvas(), Image.new("L", (64, 48), 0), None, "Nothing is marked"),
        (canvas(), Image.new("L", (10, 10), 255), None, "The mask is 10x10, but the picture is 64x48"),
        (canvas((800, 800), (1, 1, 9, 9)), None, (64, 48), "The canvas is 800x800, but the picture is 64x48"),
        ({**canvas(), "layers": [Image.new("RGBA", (9, 9))]}, None, None, "The drawing is 9x9"),
    ],
)
def test_what_is_wrong_is_said(editor: Any, upload: Any, expected: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        picture_and_mask(editor, upload, expected)
    assert caught.value.hint
