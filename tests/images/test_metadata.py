"""Metadata: our chunk gives everything back; A1111's text follows A1111's own rules."""

from __future__ import annotations

import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.errors import InvalidRequest
from playground.images.infotext import from_text, parse_text, text_of, write_text
from playground.images.metadata import RECORD_VERSION, read_metadata, write_png

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
A1111 = (
    "a <lora:x:0.8> (red:1.2) cat\nsecond line\nNegative prompt: blurry, low\nugly\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.5, Clip skip: 2, "
    'Lora hashes: "add_detail: 7c6bad76eb54, foo: 1a2b3c4d5e6f", Mask blur: 4, Inpaint area: Only masked, '
    "Masked area padding: 32, Version: v1.10.1"
)


def blank() -> Image.Image:
    return Image.new("RGB", (4, 4))


def png_with(**chunks: str) -> bytes:
    info, out = PngInfo(), io.BytesIO()
    for key, value in chunks.items():
        info.add_text(key, value)
    blank().save(out, "PNG", pnginfo=info)
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT, ANY_TEXT, st.integers(0, 2**32 - 1), st.floats(0, 30))
def test_our_chunk_round_trips_any_prompt(prompt, negative, seed, guidance):
    record = {"prompt": prompt, "negative_prompt": negative, "seed": seed, "guidance_scale": guidance}
    assert read_metadata(write_png(blank(), text_of(record), record)) == {"source": "playground", **record}


WORDS = st.text("abcxyz ()[]:,<>.0189äß", max_size=40).map(lambda s: " ".join(s.split()))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(WORDS.filter(bool), min_size=1, max_size=3).map("\n".join),
    WORDS,
    st.dictionaries(
        st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{2,6})?", fullmatch=True),
        st.text("abc, :\n\"\\é7", min_size=1, max_size=20).filter(
            lambda v: v == v.strip() and not (v[0] == v[-1] == '"')
        ),
        min_size=3,
        max_size=6,
    ),
)  # fmt: skip
def test_a1111_text_round_trips_what_its_rules_can_carry(prompt, negative, fields):
    fields = {k: v for k, v in fields.items() if k != v and not (v.startswith('"') and "," not in v)}
    if len(fields) >= 3:
        assert parse_text(write_text(prompt, negative, fields)) == (prompt, negative, fields)


def test_a1111_text_is_written_as_a1111_writes_it():
    record = {
        "prompt": "a cat", "negative_prompt": "", "steps": 20, "sampler": "DPM++ 2M", "schedule": "Karras",
        "guidance_scale": 7.0, "seed": 1, "width": 512, "height": 768, "model": "a, b",
    }  # fmt: skip
    assert text_of(record) == (
        "a cat\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, "
        'Model: "a, b", RNG: CPU'
    )
    assert write_text("p", "n", {"A b": 'say "x",', "Same": "Same", "None": None}) == (
        'p\nNegative prompt: n\nA b: "say \\"x\\",", Same'
    )


def test_a1111_text_is_read_as_a1111_reads_it():
    record = from_text(A1111)
    assert record["prompt"] == "a <lora:x:0.8> (red:1.2) cat\nsecond line"
    assert record["negative_prompt"] == "blurry, low\nugly"
    assert (record["steps"], record["guidance_scale"], record["width"], record["height"]) == (20, 7.0, 512, 768)
    assert (record["sampler"], record["schedule"], record["area"]) == ("DPM++ 2M", "Karras", "masked")
    assert record["other"]["Lora hashes"] == "add_detail: 7c6bad76eb54, foo: 1a2b3c4d5e6f"


def test_fewer_than_three_fields_are_prompt():
    assert parse_text("a cat\nSteps: 20, Seed: 3") == ("a cat\nSteps: 20, Seed: 3", "", {})


def test_fields_of_the_wrong_type_stay_text():
    record = from_text("p\nSteps: many, Seed: 1e400, CFG scale: nan, Size: 0xFF")
    assert record["other"] == {"Steps": "many", "Seed": "1e400", "CFG scale": "nan", "Size": "0xFF"}


def test_the_json_chunk_wins_over_the_text():
    record = {"prompt": "true one", "seed": 3}
    assert read_metadata(write_png(blank(), A1111, record))["prompt"] == "true one"


@pytest.mark.parametrize(
    "chunk",
    ["", "{", "[1]", '{"record": 99, "prompt": "x"}', '{"record": 1, "seed": NaN}', "[" * 50_000, '"' + "a" * 300_000],
)
def test_a_damaged_or_later_chunk_falls_back_to_the_text(chunk):
    assert read_metadata(png_with(playground=chunk, parameters=A1111))["source"] == "a1111"


def test_a_foreign_chunk_is_never_evaluated():
    text = "__import__('os').abort()\nSteps: __import__('os').abort(), Seed: 1, Model: {7*7}"
    assert read_metadata(png_with(parameters=text))["other"]["Steps"] == "__import__('os').abort()"


def test_a_hostile_last_line_is_read_quickly():
    started = time.perf_counter()
    for text in ("a" * 250_000, "a " * 8_000, 'k: "' + "\\" * 8_000, "a: b, " * 1_300):
        parse_text(f"p\n{text}")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("code", ["utf-16-be", "utf-16-le"])
def test_user_comments_of_jpeg_and_webp_are_read(kind, code):
    exif, out = Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode(code)
    blank().save(out, kind, exif=exif)
    assert read_metadata(out.getvalue())["seed"] == 965400086


def test_a_picture_without_parameters_gives_nothing():
    assert read_metadata(png_with()) == {}
    assert read_metadata(png_with(parameters="  ")) == {}


def test_no_picture_is_refused():
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_metadata(b"Steps: 20, Seed: 1, Size: 1x1")


def test_the_chunk_is_versioned_plain_json():
    chunk = Image.open(io.BytesIO(write_png(blank(), "t", {"seed": 1}))).info["playground"]
    assert json.loads(chunk) == {"record": RECORD_VERSION, "seed": 1}
