"""The settings that Fooocus and InvokeAI write into pictures as JSON, under the names of our record.

What has no place in our record stands in `other` as text. Knows no files. Nothing is evaluated: what Fooocus writes as
Python source, such as "(1024, 1024)", is matched as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from playground.images.infotext import take_sampler, typed_value

MOST_OTHER = 2_000  # characters of one value that is only shown
_PAIR_OF_SIDES = re.compile(r"\(?\s*(\d{1,6})\s*[,x×]\s*(\d{1,6})\s*\)?")
_FOOOCUS: dict[str, tuple[str, type]] = {
    "prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "steps": ("steps", int),
    "guidance_scale": ("guidance_scale", float),
    "seed": ("seed", int),
    "sampler": ("sampler", str),
    "scheduler": ("schedule", str),
    "base_model": ("model", str),
    "base_model_hash": ("model_hash", str),
    "clip_skip": ("clip_skip", int),
}
# Its performance presets, which stand for a number of steps.
_PERFORMANCE = {"quality": 60, "speed": 30, "extreme speed": 8, "lightning": 4, "hyper-sd": 4}
_INVOKE: dict[str, tuple[str, type]] = {
    "positive_prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "steps": ("steps", int),
    "cfg_scale": ("guidance_scale", float),
    "cfg_rescale_multiplier": ("guidance_rescale", float),
    "seed": ("seed", int),
    "scheduler": ("sampler", str),
    "sampler": ("sampler", str),
    "width": ("width", int),
    "height": ("height", int),
    "strength": ("strength", float),
}


def is_fooocus(found: Mapping[str, Any]) -> bool:
    """Whether a JSON object is what Fooocus writes, by the keys that nobody else has."""
    keys = {_key(key) for key in found}
    return bool(keys & {"base_model", "metadata_scheme"}) and bool(keys & {"prompt", "full_prompt"})


def from_fooocus(found: Mapping[str, Any]) -> dict[str, Any]:
    """Our record from Fooocus' own scheme; older versions write the labels of its log as keys."""
    record, other = _sorted_out({_key(key): value for key, value in found.items()}, _FOOOCUS)
    record.setdefault("prompt", "")
    sides = _PAIR_OF_SIDES.fullmatch(str(other.get("resolution", ""))[:40])
    if sides:
        record["width"], record["height"] = int(sides[1]), int(sides[2])
        del other["resolution"]
    steps = _PERFORMANCE.get(str(other.get("performance", "")).lower())
    if steps is not None:
        record.setdefault("steps", steps)
    for key in ("full_prompt", "full_negative_prompt"):  # the prompt once more, with the styles written out
        if other.get(key) in (json.dumps([record.get(key.removeprefix("full_"))], ensure_ascii=False), "[]"):
            del other[key]
    take_sampler(record)
    return record | ({"other": other} if other else {})


def from_invoke(found: Mapping[str, Any]) -> dict[str, Any]:
    """Our record from InvokeAI's `invokeai_metadata`, or from the `sd-metadata` of its first versions."""
    flat = dict(found)
    nested = flat.pop("image", None)
    if isinstance(nested, dict):  # sd-metadata
        flat |= nested
        prompts = flat.pop("prompt", None)
        if isinstance(prompts, list):
            prompts = " ".join(str(p.get("prompt", "")) for p in prompts[:100] if isinstance(p, dict))
        flat["positive_prompt"] = prompts
        flat["model"] = flat.pop("model_weights", flat.get("model"))
    record, other = _sorted_out(flat, _INVOKE)
    record.setdefault("prompt", "")
    model = flat.get("model")
    name = model.get("name", model.get("model_name")) if isinstance(model, dict) else model
    if isinstance(name, str) and name:
        record["model"] = name
        other.pop("model", None)
    skipped = flat.get("clip_skip")
    if isinstance(skipped, int) and not isinstance(skipped, bool):  # InvokeAI counts the layers left out from 0
        record["clip_skip"] = skipped + 1
        other.pop("clip_skip", None)
    take_sampler(record)
    return record | ({"other": other} if other else {})


def _sorted_out(
    found: Mapping[str, Any], names: Mapping[str, tuple[str, type]]
) -> tuple[dict[str, Any], dict[str, str]]:
    record: dict[str, Any] = {}
    other: dict[str, str] = {}
    for key, value in found.items():
        typed = typed_value(value, names[key][1]) if key in names else None
        if typed is not None:
            record[names[key][0]] = typed
        elif value not in (None, "", [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            other[key] = text[:MOST_OTHER]
    return record, other


def _key(label: object) -> str:
    """`Guidance Scale` as `guidance_scale`."""
    return re.sub(r"\W+", "_", str(label).lower())
