"""What A1111's text loses comes back from our JSON, in every file format; and a run's record has all it takes."""

from __future__ import annotations

import hashlib
import io
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from playground.errors import InvalidRequest
from playground.images.adapters import Used
from playground.images.infotext import parse_text, text_of, write_text
from playground.images.metadata import read_metadata, write_picture, write_png
from playground.images.recall import request_fields
from playground.images.record import record_of
from playground.images.weights import file_hash, weights_of
from playground.protocol import AdapterUse, ImageRequest
from tests.images.conftest import CARD, photo, pictures, png, spot

FIELDS = {"Steps": "20", "Sampler": "Euler", "Seed": "1"}
# The nine kinds of prompts and values that A1111's own rules do not give back: prompt, fields.
LOST = {
    "a line that begins as the negative prompt does": ("a cat\nNegative prompt: none", FIELDS),
    "spaces around a line": ("  a cat  \n a dog ", FIELDS),
    "fewer than three fields": ("a cat", {"Steps": "20", "Seed": "1"}),
    "a last line that looks like fields": ("a cat\nSteps: 1, Seed: 2, Size: 3x4", {}),
    "a value in quotes of its own": ("a cat", FIELDS | {"Note": '"quoted"'}),
    "a value that begins with a space": ("a cat", FIELDS | {"Note": " late"}),
    "a key of one character": ("a cat", FIELDS | {"k": "v"}),
    "a key with a bracket": ("a cat", FIELDS | {"Key (of mine)": "v"}),
    "a value that is its key": ("a cat", FIELDS | {"Note": "Note"}),
}
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=6,
)  # fmt: skip


def blank(side: int = 8) -> Image.Image:
    return Image.new("RGB", (side, side), "teal")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("case", LOST)
def test_what_a1111s_text_loses_comes_back_from_our_json(case, kind):
    prompt, more = LOST[case]
    text = write_text(prompt, "", more)
    assert parse_text(text) != (prompt, "", more)  # it is a case indeed
    record = {"prompt": prompt, "negative_prompt": "", "fields": more}
    assert read_metadata(write_picture(blank(), text, record, kind)) == {"source": "playground", **record}


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, ANY_TEXT, st.dictionaries(st.text("abcxyz_", min_size=12, max_size=14), VALUES, max_size=4),
       st.sampled_from(["png", "jpeg", "webp"]))  # fmt: skip
def test_any_record_round_trips_in_every_format(prompt, negative, more, kind):
    record = {"prompt": prompt, "negative_prompt": negative, **more}
    assert read_metadata(write_picture(blank(), text_of(record), record, kind)) == {"source": "playground", **record}


def test_jpeg_and_webp_carry_a1111s_text_where_a1111_has_it():
    text = "a cat\nSteps: 20, Sampler: Euler a, Seed: 5, Size: 8x8"
    for kind in ("jpeg", "webp"):
        made = Image.open(io.BytesIO(write_picture(blank(), text, {"seed": 5}, kind)))
        comment = made.getexif().get_ifd(0x8769)[0x9286]
        assert comment == b"UNICODE\0" + text.encode("utf-16-be")


def test_a_lossless_webp_keeps_the_pixels():
    picture = photo(16, 16)
    made = Image.open(io.BytesIO(write_picture(picture, "", {}, "webp", quality=100)))
    assert made.convert("RGB").tobytes() == picture.tobytes()


def test_settings_that_jpeg_cannot_hold_are_refused_in_one_sentence():
    record = {"prompt": "x" * 70_000}
    with pytest.raises(InvalidRequest, match="too long for a JPEG"):
        write_picture(blank(), text_of(record), record, "jpeg")
    assert read_metadata(write_picture(blank(), text_of(record), record, "webp"))["prompt"] == record["prompt"]
    with pytest.raises(InvalidRequest, match="format must be one of png, jpeg, webp, got 'gif'"):
        write_picture(blank(), "", {}, "gif")


def test_a_runs_record_has_every_field_of_its_request(draw):
    events, _ = draw(prompt="a", negative_prompt="b", sampler="DPM++ 2M", schedule="Karras", batch_size=2)
    record = read_metadata(pictures(events)[1].png)
    plain = {f.name for f in fields(ImageRequest)} - {
        "owner", "preview_every", "image", "mask", "style", "strength", "style_strength", "feather", "masked_content",
        "area", "padding",
    }  # fmt: skip
    off = {name for name in plain if name.startswith("hires_")} | {"tiling", "vae_tiling", "styles"}
    off |= {"typed_prompt", "typed_negative_prompt"}  # what a style was written around, where there is one
    assert plain - off <= set(record)
    assert not off & set(record)
    assert (record["seed"], record["batch_size"], record["batch_index"]) == (8, 2, 1)
    assert record["scheduler"]["class"] == "DPMSolverMultistepScheduler"
    assert record["scheduler"]["config"]["use_karras_sigmas"] is True
    assert (record["dtype"], record["device"]) == ("float32", "cpu")
    assert {"torch", "diffusers", "transformers"} <= set(record["versions"])
    assert record["adapters"] == []
    assert record["threads"] >= 1
    assert "Denoising strength" not in pictures(events)[1].parameters


def test_pictures_that_a_request_began_with_are_recorded_by_their_hash(draw):
    image, mask = png(photo()), png(spot())
    events, _ = draw(kind="inpaint", image=image, mask=mask, strength=1.0)
    record = read_metadata(pictures(events)[0].png)
    assert set(record["inputs"]) == {"image", "mask"}
    assert record["masked_content"] == "original"
    assert "padding" not in record  # it changes nothing where the area is the whole picture


def test_the_weights_hash_is_of_the_files_and_changes_with_them(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(b"one")
    (folder / "model_index.json").write_text("{}")
    card = CARD.model_copy(update={"source": str(folder)})
    first = weights_of(card)["sha256"]
    assert weights_of(card)["sha256"] == first
    (folder / "a.safetensors").write_bytes(b"two!")
    assert weights_of(card)["sha256"] != first


def test_one_checkpoint_file_has_a1111s_hash(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"weights")
    card = CARD.model_copy(update={"source": str(tmp_path), "file": "m.safetensors", "format": "single-file"})
    found = weights_of(card)
    assert found["sha256"] == file_hash(tmp_path / "m.safetensors")
    assert found["model_hash"] == found["sha256"][:10]
    assert f"Model hash: {found['model_hash']}, Model: m" in text_of({"model": "m", **found})


def test_weights_that_are_nowhere_have_no_hash():
    assert "sha256" not in weights_of(CARD)


def test_adapters_are_recorded_with_their_hashes(tiny, tmp_path):
    path = tmp_path / "ink.safetensors"
    save_file({"a": np.zeros((2, 2), np.float32)}, path, metadata={"note": "one"})
    lora = Used("lora", "ink", path, 0.8, 0.5, "list")
    word = Used("embedding", "ink", path)
    request = replace(ImageRequest("tiny-sd", "a"), steps=2, sampler="DDIM", schedule="Automatic", guidance_scale=3.0)
    record = record_of(tiny, request, 1, 0, (64, 64), None, tiny.components["scheduler"], [lora, word])
    payload = hashlib.sha256(np.zeros((2, 2), np.float32).tobytes()).hexdigest()[:12]
    assert record["adapters"] == [
        {
            "name": "ink", "kind": "lora", "sha256": file_hash(path), "shorthash": payload, "unet": 0.8,
            "text_encoder": 0.5, "source": "list",
        },
        {"name": "ink", "kind": "embedding", "sha256": file_hash(path), "shorthash": file_hash(path)[:12]},
    ]  # fmt: skip
    text = text_of(record)
    assert f'Lora hashes: "ink: {payload}", TI hashes: "ink: {file_hash(path)[:12]}"' in text
    assert text.startswith("a <lora:ink:te=0.5:unet=0.8>\n")  # A1111 knows LoRAs by tags alone
    assert read_metadata(write_png(blank(), text, record))["adapters"] == record["adapters"]
    assert request_fields(record)["adapters"] == (AdapterUse("ink", 0.8, 0.5),)
    assert request_fields(record)["prompt"] == "a"
