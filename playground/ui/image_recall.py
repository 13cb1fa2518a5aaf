"""Drop a picture in: its settings come back into the form, and what could not be taken over is said.

`filled` maps a record onto the form's controls by name; a control that is added to the form needs one line there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from playground.catalog import Catalog
from playground.errors import InvalidRequest, PlaygroundError
from playground.images.adapter_use import recorded_uses
from playground.images.hires import METHODS
from playground.images.recall import card_of
from playground.images.samplers import samplers, schedules_of
from playground.protocol import Failed
from playground.ui.context import AppContext
from playground.ui.image_form import OWN_SIZE
from playground.ui.words import note, problem

MOST_BYTES = 20_000_000
SOURCES = {
    "playground": "this app",
    "a1111": "A1111's text",
    "comfyui": "ComfyUI, as A1111's text",
    "fooocus": "Fooocus",
    "invokeai": "InvokeAI",
}
# In the record, in the form, its range, and what changes nothing.
_ADVANCED: tuple[tuple[str, str, tuple[int, int], int | None], ...] = (
    ("guidance_rescale", "rescale", (0, 1), 0),
    ("eta", "eta", (0, 1), 0),
    ("variation_strength", "variation_strength", (0, 1), 0),
    ("variation_seed", "variation_seed", (0, 2**32 - 1), None),
    ("clip_skip", "clip_skip", (1, 12), 1),
)
_SHOWN = ("model", "sampler", "schedule", "steps", "guidance_scale", "seed", "width", "height", "strength", "device")
# Not settings, or shown by the app in another way: these are no loss when they are not in the form.
_NO_LOSS = {
    "Version",
    "RNG",
    "version",
    "app_version",
    "metadata_scheme",
    "generation_mode",
    "created_by",
    "rand_device",
    "Lora hashes",  # the prompt's tags name the LoRAs
    "TI hashes",
}


def filled(
    record: Mapping[str, Any], catalog: Catalog, sizes: Sequence[tuple[str, str]]
) -> tuple[dict[str, Any], list[str]]:
    """The values of the form's controls by name, and a sentence for each thing that could not be taken over.

    The names are prompt, negative, models, size, number, seed, fresh, own, steps, guidance, sampler, schedule, rescale,
    eta, variation_seed, variation_strength, clip_skip and adapters. From rescale to clip_skip they go back to what
    changes nothing where the record lacks them; another control that it says nothing of is not in the result.
    """
    found: dict[str, Any] = {
        "prompt": str(record.get("prompt") or ""),
        "negative": str(record.get("negative_prompt") or ""),
    }
    said: list[str] = [str(text) for text in record.get("notes") or []]
    # Also where there were none: LoRAs that stay chosen would make another picture.
    found["adapters"] = json.dumps([asdict(use) for use in recorded_uses(record.get("adapters"))])
    card = card_of(record, catalog)
    if card is not None:
        found["models"] = [card.id]
    elif record.get("model"):
        said.append(f"Its model {str(record['model'])[:100]!r} is not listed here; the chosen models stay.")
    width, height = record.get("width"), record.get("height")
    if isinstance(width, int) and isinstance(height, int):
        native = card.defaults.width or card.native_size if card else None
        same = native == width and native == height and card is not None
        value = f"{width}x{height}"
        known = value in {v for _, v in sizes}
        choices = list(sizes) if known or same else [*sizes, (f"{width} × {height}", value)]
        found["size"] = gr.update(choices=choices, value=OWN_SIZE if same else value)
    if isinstance(record.get("seed"), int):
        if 0 <= record["seed"] < 2**32:
            found |= {"seed": record["seed"], "fresh": False, "number": 1}
        else:
            said.append(f"Its seed {record['seed']} is larger than this app's, which end at {2**32 - 1}.")
    found |= _refined(record)
    sampling = {"steps": (1, 150), "guidance_scale": (0, 30)}
    for key, (low, high) in sampling.items():
        number: Any = record.get(key)
        if isinstance(number, int | float) and low <= number <= high:
            found[{"guidance_scale": "guidance"}.get(key, key)] = number
        elif number is not None:
            said.append(f"{key} is {number}, and the form takes {low} to {high}.")
    sampler, schedule = record.get("sampler"), record.get("schedule")
    if sampler in samplers():
        found["sampler"] = sampler
        fitting = list(schedules_of(str(sampler)))
        if schedule in fitting:
            found["schedule"] = gr.update(choices=fitting, value=schedule)
        elif schedule:
            said.append(f"{sampler} has no schedule {str(schedule)[:60]!r} here, so Automatic stands in the form.")
            found["schedule"] = gr.update(choices=fitting, value="Automatic")
    elif sampler:
        said.append(f"There is no sampler {str(sampler)[:60]!r} here; the one in the form stays.")
    if {"steps", "guidance", "sampler"} & set(found):
        found["own"] = False
    found |= _advanced(record, said)
    rest = [key for key in record.get("other") or {} if key not in _NO_LOSS]
    if rest:
        said.append(f"Not taken over: {', '.join(str(key)[:40] for key in rest[:30])}.")
    return found, said


def _advanced(record: Mapping[str, Any], said: list[str]) -> dict[str, Any]:
    """The controls of `image_advanced`; a variation is taken over only with its strength."""
    found: dict[str, Any] = {}
    for key, control, (low, high), unset in _ADVANCED:
        number: Any = record.get(key)
        fits = isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high
        found[control] = number if fits else unset
        if number is not None and not fits:
            said.append(f"{key} is {str(number)[:60]}, and the form takes {low} to {high}.")
    if not found["variation_strength"]:
        found["variation_seed"] = None
    return found


def _refined(record: Mapping[str, Any]) -> dict[str, Any]:
    """The second pass and tiling; where the record has none, they are switched off."""
    # Its styles stand in the prompt already.
    found: dict[str, Any] = {"hires_scale": 1, "styles": []}
    for key, low, high in (("hires_scale", 1, 4), ("hires_steps", 1, 150), ("hires_strength", 0.05, 1)):
        value = record.get(key)
        if isinstance(value, int | float) and low <= value <= high:
            found[key] = value
    if record.get("hires_method") in METHODS:
        found["hires_method"] = record["hires_method"]
    if record.get("hires_sampler") in samplers():
        found["hires_sampler"] = record["hires_sampler"]
    return found | {name: record.get(name) is True for name in ("tiling", "vae_tiling")}


def settings_html(record: Mapping[str, Any], said: Sequence[str]) -> str:
    """A picture's settings as a list, then what could not be taken over."""
    if not record or set(record) <= {"notes"}:
        texts = [str(t) for t in record.get("notes") or []]
        return problem(Failed("The picture carries no settings.", " ".join(texts)))
    rows = [("from", SOURCES.get(str(record.get("source")), ""))]
    rows += [(key.replace("_", " "), str(record[key])[:200]) for key in _SHOWN if record.get(key) is not None]
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in rows if v)
    whole = escape(json.dumps({k: v for k, v in record.items() if k != "notes"}, indent=1, ensure_ascii=False)[:20_000])
    return (
        f'<div class="pg-settings"><dl>{body}</dl>{"".join(map(note, said))}'
        f"<details><summary>Everything it says</summary><pre>{whole}</pre></details></div>"
    )


def picture_bytes(path: str | None) -> bytes:
    """The bytes of an uploaded picture."""
    if not path:
        raise InvalidRequest("There is no picture.", "Drop one in first.")
    file = Path(path)
    if not file.is_file():
        raise InvalidRequest("The picture's file is no longer there.", "Its settings are kept; use those.")
    if file.stat().st_size > MOST_BYTES:
        raise InvalidRequest(f"The picture has {file.stat().st_size / 1e6:.0f} MB; the limit is 20 MB.", "Shrink it.")
    return file.read_bytes()


async def recalled(
    context: AppContext, path: str | None, order: Sequence[str], sizes: Sequence[tuple[str, str]]
) -> tuple[list[Any], str]:
    """Updates for the form's controls in `order`, and what is said under the picture."""
    from playground.images.metadata import read_metadata

    try:
        record = await asyncio.to_thread(lambda: read_metadata(picture_bytes(path)))
    except PlaygroundError as error:
        return [gr.skip() for _ in order], problem(Failed.of(error))
    return taken(context, record, order, sizes)


def taken(
    context: AppContext, record: Mapping[str, Any], order: Sequence[str], sizes: Sequence[tuple[str, str]]
) -> tuple[list[Any], str]:
    """As `recalled`, of a record that was read."""
    if not record or set(record) <= {"notes"}:
        return [gr.skip() for _ in order], settings_html(record, [])
    found, said = filled(record, context.catalog, sizes)
    return [found.get(name, gr.skip()) for name in order], settings_html(record, said)
