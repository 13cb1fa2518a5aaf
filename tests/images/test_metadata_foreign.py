"""Pictures of other apps: their settings under our names, what has no place told, and nothing in them evaluated."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.errors import InvalidRequest
from playground.images.metadata import read_metadata
from playground.images.sampler_names import our_sampler

FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion", "base_model_hash": "aeb7e9e689",
    "clip_skip": 2, "full_negative_prompt": ["unrealistic, blurry"], "full_prompt": ["cinematic still a fox . 35mm"],
    "guidance_scale": 4, "lora_combined_1": "sd_xl_offset : 0.1", "loras": [["sd_xl_offset", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus", "negative_prompt": "blurry", "performance": "Speed", "prompt": "a fox",
    "resolution": "(1152, 896)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "4812374981234",
    "sharpness": 2, "steps": 30, "styles": "['Fooocus V2', 'SAI Cinematic']", "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}  # fmt: skip
INVOKE = {
    "app_version": "5.6.0", "cfg_rescale_multiplier": 0.5, "cfg_scale": 7.5, "clip_skip": 1, "controlnets": [],
    "generation_mode": "txt2img", "height": 768, "width": 512, "negative_prompt": "low", "positive_prompt": "a fox",
    "model": {"key": "8b5e", "hash": "blake3:7c6b", "name": "Dreamshaper 8", "base": "sd-1", "type": "main"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}], "rand_device": "cpu", "scheduler": "dpmpp_2m_k",
    "seed": 42, "steps": 28,
}  # fmt: skip
COMFY = (
    "a fox, (red:1.2)\nNegative prompt: blurry\nSteps: 20, Sampler: dpmpp_2m_karras, CFG scale: 8.0, Seed: 77, "
    "Size: 512x640, Model hash: 6ce0161689, Model: dreamshaper_8, Version: ComfyUI"
)


def png_with(**chunks: str) -> bytes:
    info, out = PngInfo(), io.BytesIO()
    for key, value in chunks.items():
        info.add_text(key.replace("__", "-"), value)
    Image.new("RGB", (4, 4)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def chosen(record: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in names)


def test_fooocus_own_scheme_is_read():
    record = read_metadata(png_with(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus"))
    assert chosen(record, "source", "prompt", "negative_prompt", "model") == (
        "fooocus", "a fox", "blurry", "juggernautXL_v8Rundiffusion",
    )  # fmt: skip
    assert chosen(record, "sampler", "schedule", "steps", "seed") == ("DPM++ 2M SDE", "Karras", 30, 4812374981234)
    assert chosen(record, "width", "height", "guidance_scale", "clip_skip") == (1152, 896, 4.0, 2)
    assert record["other"]["styles"] == "['Fooocus V2', 'SAI Cinematic']"  # as text, never evaluated
    assert {"sharpness", "adm_guidance", "loras", "full_prompt"} <= set(record["other"])


def test_fooocus_in_jpeg_lies_beside_the_exif_folder():
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x9286], exif[0x0131], exif[0x927C] = json.dumps(FOOOCUS), "Fooocus v2.5.5", "fooocus"
    Image.new("RGB", (4, 4)).save(out, "JPEG", exif=exif)
    assert chosen(read_metadata(out.getvalue()), "source", "prompt") == ("fooocus", "a fox")


def test_fooocus_log_labels_are_read():
    log = {"Prompt": "a fox", "Negative Prompt": "", "Base Model": "m.safetensors", "Performance": "Extreme Speed",
           "Resolution": "(896, 1152)", "Guidance Scale": 4, "Seed": 5, "Sampler": "lcm"}  # fmt: skip
    record = read_metadata(png_with(Comment=json.dumps(log)))
    assert chosen(record, "source", "steps", "width", "height", "sampler") == ("fooocus", 8, 896, 1152, "LCM")


def test_fooocus_a1111_scheme_gives_the_prompt_as_it_was_typed():
    text = (
        "cinematic still a fox . 35mm\nNegative prompt: unrealistic, blurry\nSteps: 30, Sampler: DPM++ 2M SDE Karras, "
        "Seed: 9, Size: 1152x896, CFG scale: 4, Sharpness: 2, Model: juggernaut, Raw prompt: a fox, "
        "Raw negative prompt: blurry, Version: Fooocus v2.5.5"
    )
    record = read_metadata(png_with(parameters=text, fooocus_scheme="a1111"))
    assert chosen(record, "source", "prompt", "negative_prompt") == ("fooocus", "a fox", "blurry")
    assert chosen(record, "sampler", "schedule") == ("DPM++ 2M SDE", "Karras")


def test_invoke_is_read():
    record = read_metadata(png_with(invokeai_metadata=json.dumps(INVOKE)))
    assert chosen(record, "source", "prompt", "negative_prompt") == ("invokeai", "a fox", "low")
    assert chosen(record, "model", "width", "height", "seed", "steps") == ("Dreamshaper 8", 512, 768, 42, 28)
    assert chosen(record, "sampler", "schedule", "guidance_scale") == ("DPM++ 2M", "Karras", 7.5)
    assert chosen(record, "guidance_rescale", "clip_skip") == (0.5, 2)  # it counts left-out layers from 0
    assert "loras" in record["other"]


def test_the_first_invoke_versions_are_read():
    old = {"model_weights": "stable-diffusion-1.5", "app_version": "2.3.0",
           "image": {"prompt": [{"prompt": "a fox", "weight": 1}], "steps": 30, "cfg_scale": 7.5, "seed": 3,
                     "height": 512, "width": 640, "sampler": "k_euler_a"}}  # fmt: skip
    record = read_metadata(png_with(sd__metadata=json.dumps(old)))
    assert chosen(record, "prompt", "model", "sampler", "width") == ("a fox", "stable-diffusion-1.5", "Euler a", 640)


def test_comfy_nodes_that_write_a1111s_text_are_read():
    record = read_metadata(png_with(parameters=COMFY, prompt="{}", workflow="{}"))
    assert chosen(record, "source", "sampler", "schedule", "seed") == ("comfyui", "DPM++ 2M", "Karras", 77)
    assert chosen(record, "model", "model_hash", "width") == ("dreamshaper_8", "6ce0161689", 512)


@pytest.mark.parametrize(
    ("sampler", "schedule", "ours"),
    [
        ("DPM++ 2M Karras", "", ("DPM++ 2M", "Karras")),
        ("euler_ancestral", "normal", ("Euler a", "Automatic")),
        ("Euler a", "", ("Euler a", "")),
        ("k_dpm_2_a", "", ("DPM2 a", "")),
        ("dpmpp_sde_gpu", "exponential", ("DPM++ SDE", "Exponential")),
        ("uni_pc_bh2", "beta", ("UniPC", "Beta")),
        ("lms_k", "", ("LMS", "Karras")),
        ("PLMS", "", ("PNDM", "")),
        ("res_multistep", "", None),
        ("x" * 5_000, "", None),
    ],
)  # fmt: skip
def test_samplers_of_other_apps_have_our_names(sampler, schedule, ours):
    assert our_sampler(sampler, schedule) == ours


def test_a_sampler_that_we_have_not_keeps_its_name():
    text = COMFY.replace("dpmpp_2m_karras", "res_multistep")
    assert read_metadata(png_with(parameters=text))["sampler"] == "res_multistep"


@pytest.mark.parametrize("key", ["styles", "resolution", "adm_guidance", "prompt"])
def test_python_in_a_fooocus_file_stays_text(key, tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'made')!r}).touch() or (1, 2)"
    read_metadata(png_with(parameters=json.dumps({**FOOOCUS, key: code}), fooocus_scheme="fooocus"))
    assert not (tmp_path / "made").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([("parameters", FOOOCUS), ("invokeai_metadata", INVOKE), ("sd__metadata", INVOKE)]), st.data())
def test_any_json_in_their_place_is_read_without_an_error(shape, data):
    name, known = shape
    found = {key: data.draw(JSON) for key in data.draw(st.lists(st.sampled_from(sorted(known)), unique=True))}
    found |= {"base_model": "m", "prompt": "p"} if name == "parameters" else {}
    record = read_metadata(png_with(**{name: json.dumps(found)}))
    for key, kind in (("steps", int), ("seed", int), ("width", int), ("guidance_scale", float), ("model", str)):
        assert isinstance(record.get(key), kind | None)
    json.dumps(record, allow_nan=False)


# --- bounds: each of these is one sentence ---


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ({"playground": "[" * 100_000}, "nested too deeply|damaged"),
        ({"playground": "{"}, "The app's own JSON is damaged"),
        ({"playground": '{"record": 99}'}, "version 99"),
        ({"playground": '{"record": 2, "steps": "many"}'}, "steps is 'many'"),
        ({"playground": "x" * 300_000}, "300,000 characters; at most 262,144"),
        ({"invokeai_metadata": '{"a":' * 50_000}, "nested too deeply|damaged"),
        ({"invokeai_metadata": "[1]"}, "not an object"),
        ({"parameters": "{" + "x" * 50}, "damaged"),
    ],
)
def test_what_is_damaged_or_too_long_is_said_in_a_sentence(chunks, said):
    found = read_metadata(png_with(**chunks))
    assert len(found["notes"]) == 1
    assert re.search(said, found["notes"][0]), found


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes) -> bytes:
    plain = png_with()
    return plain[:33] + chunk(kind, body) + plain[33:]


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 50_000_000)),
        with_chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"a" * 50_000_000)),
        with_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)),
        png_with()[:45],
    ],
    ids=["text bomb", "international text bomb", "two headers", "cut off"],
)  # fmt: skip
def test_bombs_and_damage_are_refused_in_a_sentence(data):
    with pytest.raises(InvalidRequest):
        read_metadata(data)


def test_broken_utf_8_is_read_as_far_as_it_goes():
    found = read_metadata(
        with_chunk(b"iTXt", b"parameters\0\0\0\0\0" + b"a cat \xff\xfe\nSteps: 5, Seed: 2, Size: 8x8")
    )
    assert found == {} or found["seed"] == 2
