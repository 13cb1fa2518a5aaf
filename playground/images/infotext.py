"""A1111's `parameters` text: written exactly as A1111 writes it, read by its rules, under the names of our record.

The rules are those of `modules/infotext_utils.py` of A1111 1.10. They cannot carry every prompt and value unchanged,
which is why a picture carries our JSON as well. Knows text, not files. Nothing is evaluated, and reading is bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from playground.images.hires import METHODS
from playground.images.prompts.loras import lora_text
from playground.images.prompts.nodes import LoraTag
from playground.images.sampler_names import our_sampler

MAX_TEXT = 262_144
_MAX_LAST_LINE = 8_192  # the pair pattern is quadratic in the worst case
_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")

# A1111's key -> our record's name and type.
_NAMES: dict[str, tuple[str, type]] = {
    "Steps": ("steps", int),
    "Sampler": ("sampler", str),
    "Schedule type": ("schedule", str),
    "CFG scale": ("guidance_scale", float),
    "CFG Rescale": ("guidance_rescale", float),
    "CFG Rescale phi": ("guidance_rescale", float),
    "Seed": ("seed", int),
    "Clip skip": ("clip_skip", int),
    "Eta": ("eta", float),
    "Variation seed": ("variation_seed", int),
    "Variation seed strength": ("variation_strength", float),
    "Model": ("model", str),
    "Model hash": ("model_hash", str),
    "Denoising strength": ("strength", float),
    "Mask blur": ("feather", int),
    "Inpaint area": ("area", str),
    "Masked area padding": ("padding", int),
    "Masked content": ("masked_content", str),
    "Hires upscale": ("hires_scale", float),
    "Hires steps": ("hires_steps", int),
    "Hires upscaler": ("hires_method", str),
    "Hires sampler": ("hires_sampler", str),
    "Hires schedule type": ("hires_schedule", str),
}
_SWITCHES = {"Tiling": "tiling", "VAE tiling": "vae_tiling"}
_AREAS = {"masked": "Only masked", "whole": "Whole picture"}


def write_text(prompt: str, negative_prompt: str, fields: Mapping[str, object]) -> str:
    """A1111's text: prompt, `Negative prompt:` line, and the fields in their order; None is left out."""
    pairs = []
    for key, value in fields.items():
        if value is None or str(value) == "":
            continue
        text = str(value)
        pairs.append(key if key == text else f"{key}: {_quoted(text)}")
    negative = f"\nNegative prompt: {negative_prompt}" if negative_prompt else ""
    return f"{prompt}{negative}\n{', '.join(pairs)}".strip()


def parse_text(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt and fields of A1111's text; the last line counts as fields from three pairs on."""
    *lines, last = text[:MAX_TEXT].strip().split("\n")
    pairs = _PAIR.findall(last) if len(last) <= _MAX_LAST_LINE else []
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for line in (raw.strip() for raw in lines):
        if line.startswith("Negative prompt:"):
            target, line = negative, line.removeprefix("Negative prompt:").strip()
        target.append(line)
    return "\n".join(prompt).strip(), "\n".join(negative).strip(), {k: _unquoted(v) for k, v in pairs}


def text_of(record: Mapping[str, Any]) -> str:
    """A1111's text of our own record. Settings that stand at what changes nothing are left out, as A1111 does it."""
    adapters = [a for a in record.get("adapters") or [] if isinstance(a, dict)]
    varied = record.get("variation_strength") or None
    hires = record.get("hires_scale") or None
    fields: dict[str, object] = {
        "Steps": record.get("steps"),
        "Sampler": record.get("sampler"),
        "Schedule type": record.get("schedule"),
        "CFG scale": _short(record.get("guidance_scale")),
        "Seed": record.get("seed"),
        "Size": f"{record['width']}x{record['height']}" if "width" in record and "height" in record else None,
        "Model hash": record.get("model_hash"),
        "Model": record.get("model"),
        "Variation seed": record.get("variation_seed") if varied else None,
        "Variation seed strength": _short(varied),
        "Denoising strength": _short(record.get("hires_strength" if hires else "strength")),
        "Clip skip": record["clip_skip"] if (record.get("clip_skip") or 1) > 1 else None,
        "RNG": "CPU",
        "CFG Rescale phi": _short(record.get("guidance_rescale") or None),
        "Eta": _short(record.get("eta")),
        "Lora hashes": _hashes(adapters, "lora"),
        "TI hashes": _hashes(adapters, "embedding"),
        "Hires sampler": record.get("hires_sampler") if hires else None,
        "Hires schedule type": record.get("hires_schedule") if hires else None,
        "Hires upscale": _short(hires),
        "Hires steps": record.get("hires_steps") if hires else None,
        "Hires upscaler": METHODS.get(str(record.get("hires_method"))) if hires else None,
        "Tiling": True if record.get("tiling") is True else None,
        "VAE tiling": True if record.get("vae_tiling") is True else None,
        "Mask blur": record.get("feather"),
        "Inpaint area": _AREAS.get(str(record.get("area"))),
        "Masked area padding": record.get("padding"),
        "Masked content": record.get("masked_content"),
        "Version": record.get("version_text"),
    }
    prompt, negative = (encodable(str(record.get(k, ""))) for k in ("prompt", "negative_prompt"))
    return write_text(prompt + "".join(map(_tag, adapters)), negative, fields)


def _hashes(adapters: list[dict[str, Any]], kind: str) -> str:
    """`name: hash, name: hash`, of 12 digits each; A1111 hashes a LoRA without its header."""
    found = (a for a in adapters if a.get("kind", "lora") == kind)
    return ", ".join(f"{a.get('name')}: {a.get('shorthash') or str(a.get('sha256'))[:12]}" for a in found)


def _tag(adapter: Mapping[str, Any]) -> str:
    """A LoRA that was chosen beside the prompt, as the tag by which other apps know it."""
    if adapter.get("source") != "list":
        return ""
    return f" {lora_text(LoraTag(str(adapter['name']), float(adapter['text_encoder']), float(adapter['unet'])))}"


def from_text(text: str) -> dict[str, Any]:
    """Our record's names and types from A1111's text; fields that do not fit stay as text in `other`.

    Samplers are known by the names of A1111, of k-diffusion and of ComfyUI, also with the schedule in the name, as
    older versions and ComfyUI's nodes write it.
    """
    prompt, negative, fields = parse_text(text)
    record: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative}
    other: dict[str, str] = {}
    for key, value in fields.items():
        size = _SIZE.fullmatch(value) if key == "Size" else None
        if size:
            record["width"], record["height"] = int(size[1]), int(size[2])
        elif key in _NAMES and (typed := typed_value(value, _NAMES[key][1])) is not None:
            record[_NAMES[key][0]] = typed
        else:
            other[key] = value
    if "area" in record:
        record["area"] = {v: k for k, v in _AREAS.items()}.get(record["area"], record["area"])
    _take_hires(record, other)
    for key, name in _SWITCHES.items():
        if other.get(key) in ("True", "False"):
            record[name] = other.pop(key) == "True"
    if "schedule" not in record and "Scheduler" in other:  # ComfyUI's and Fooocus' word for it
        record["schedule"] = other.pop("Scheduler")
    take_sampler(record)
    return record | ({"other": other} if other else {})


def _take_hires(record: dict[str, Any], other: dict[str, str]) -> None:
    """Names the second pass's settings as we do; those of a method that we do not have stay as text."""
    if "hires_scale" not in record:
        for key in [k for k, (name, _) in _NAMES.items() if name.startswith("hires_") and name in record]:
            other[key] = str(record.pop(_NAMES[key][0]))
        return
    if "strength" in record:
        record["hires_strength"] = record.pop("strength")
    ours = {v: k for k, v in METHODS.items()}
    if record.get("hires_method") not in ours:
        if "hires_method" in record:
            other["Hires upscaler"] = record.pop("hires_method")
    else:
        record["hires_method"] = ours[record["hires_method"]]
    if "hires_sampler" in record:
        found = our_sampler(record["hires_sampler"], str(record.get("hires_schedule") or ""))
        if found is not None:
            record["hires_sampler"] = found[0]
            if found[1]:
                record["hires_schedule"] = found[1]


def take_sampler(record: dict[str, Any]) -> None:
    """Puts our names in the place of another app's names of sampler and schedule, where we have the same."""
    if not isinstance(record.get("sampler"), str):
        return
    found = our_sampler(record["sampler"], str(record.get("schedule") or ""))
    if found is not None:
        record["sampler"] = found[0]
        if found[1]:
            record["schedule"] = found[1]


def typed_value(value: object, kind: type) -> Any:
    """The value as `kind`, None where it does not fit; numbers may come as text."""
    if kind is str:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = kind(value) if not isinstance(value, str) or len(value) <= 40 else None
    except (ValueError, OverflowError):
        return None
    if isinstance(number, float) and not math.isfinite(number):
        return None
    if kind is int and isinstance(value, float) and number != value:
        return None
    return number


def encodable(text: str) -> str:
    """Lone surrogates, which no encoding can hold, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ",\n:") else text


def _unquoted(text: str) -> str:
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _short(value: Any) -> Any:
    """7.0 as 7, as A1111 prints it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
