"""The settings of one step of a chain as controls, made from what the steps say of themselves; and back to JSON.

There is one group of controls for each kind of step, of which one is shown at a time. Pictures are not read from their
controls, which encode them anew, but kept when they are uploaded.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.images.chain.settings import Setting
from playground.images.chain.steps import STEPS, Step, settings_of
from playground.images.samplers import samplers, schedules_of

# What a newcomer need not see; it stands in a fold below the rest.
_FOLDED = {
    "negative_prompt", "steps", "guidance_scale", "sampler", "schedule", "seed", "width", "height", "tiling", "feather",
    "masked_content", "threshold", "box", "quality",
}  # fmt: skip
_SIDE_BY_SIDE = 2
_MASK_SIDE, _STYLE_SIDE = 512, 256


@dataclass(frozen=True)
class StepForm:
    """All groups; `controls` are (step, setting, control) in the order of `values`."""

    groups: Mapping[str, gr.Column]
    controls: tuple[tuple[str, str, Any], ...]

    @property
    def inputs(self) -> list[Any]:
        """The controls in the order in which `read` takes their values."""
        return [control for _, _, control in self.controls]

    @property
    def outputs(self) -> list[Any]:
        """Groups, then controls, as `shown` updates them."""
        return [*self.groups.values(), *self.inputs]

    @property
    def pictures(self) -> list[tuple[str, Any]]:
        """The controls that take a picture, each with the name of its setting."""
        return [(name, c) for do, name, c in self.controls if settings_of(STEPS[do])[name].kind == "picture"]

    def read(self, step: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
        """The step's JSON with what stands in its controls; pictures stay as they are."""
        found: dict[str, Any] = {"do": step["do"]}
        for (do, name, _), value in zip(self.controls, values, strict=True):
            if do != step["do"]:
                continue
            rule = settings_of(STEPS[do])[name]
            value = step.get(name, "") if rule.kind == "picture" else _to_json(value, rule)
            if value is not None:
                found[name] = value
        return found

    def shown(self, step: Mapping[str, Any] | None) -> list[Any]:
        """Updates of `outputs` that show this step's settings; nothing where there is no step."""
        do = step["do"] if step else ""
        updates: list[Any] = [gr.update(visible=name == do) for name in self.groups]
        for owner, name, _ in self.controls:
            if owner != do or step is None:
                updates.append(gr.skip())
                continue
            cls = STEPS[owner]
            rule = settings_of(cls)[name]
            updates.append(gr.update(value=_to_control(step.get(name, getattr(cls, name)), rule)))
        return updates


def step_form(catalog: Catalog) -> StepForm:
    """Adds the groups, all hidden."""
    groups: dict[str, gr.Column] = {}
    controls: list[tuple[str, str, Any]] = []
    for do, cls in STEPS.items():
        rules = settings_of(cls)
        with gr.Column(visible=False, elem_id=f"chain_step_{do}", elem_classes="pg-chain-settings") as group:
            controls += _rows(cls, [name for name in rules if name not in _FOLDED], catalog)
            folded = [name for name in rules if name in _FOLDED]
            if folded:
                with gr.Accordion("More settings", open=False, elem_id=f"chain_more_{do}"):
                    controls += _rows(cls, folded, catalog)
        groups[do] = group
    return StepForm(groups, tuple(controls))


def encoded_picture(name: str, path: str | None) -> str:
    """An uploaded picture as a chain keeps it: a mask in black and white, a style picture as a small JPEG.

    Raises:
        InvalidRequest: it cannot be read.
    """
    from pathlib import Path

    from playground.images.pictures import rgb_picture

    if not path:
        return ""
    picture = rgb_picture(Path(path).read_bytes(), "mask" if name == "mask" else "style picture")
    out = io.BytesIO()
    if name == "mask":
        picture.thumbnail((_MASK_SIDE, _MASK_SIDE))
        picture.convert("L").point(lambda level: 255 if level > 127 else 0).convert("1").save(out, "PNG", optimize=True)
    else:
        picture.thumbnail((_STYLE_SIDE, _STYLE_SIDE))
        picture.save(out, "JPEG", quality=88)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _rows(cls: type[Step], names: list[str], catalog: Catalog) -> list[tuple[str, str, Any]]:
    """Wide controls alone, small ones two in a row."""
    rules = settings_of(cls)
    found: list[tuple[str, str, Any]] = []
    wide = [name for name in names if rules[name].kind in ("text", "picture")]
    small = [name for name in names if name not in wide]
    for name in wide:
        found.append((cls.do, name, _control(cls, name, rules[name], catalog)))
    for start in range(0, len(small), _SIDE_BY_SIDE):
        with gr.Row():
            for name in small[start : start + _SIDE_BY_SIDE]:
                found.append((cls.do, name, _control(cls, name, rules[name], catalog)))
    return found


def _control(cls: type[Step], name: str, rule: Setting, catalog: Catalog) -> Any:
    value = _to_control(getattr(cls, name), rule)
    common: dict[str, Any] = {"label": rule.label, "elem_id": f"chain_{cls.do}_{name}"}
    told: dict[str, Any] = {**common, "info": rule.info or None, "min_width": 120}
    if rule.kind == "text":
        return gr.Textbox(value, lines=2 if name == "prompt" else 1, max_length=8000, **told)
    if rule.kind == "picture":
        return gr.Image(type="filepath", format="png", sources=["upload", "clipboard"], height=160, **common)
    if rule.kind == "flag":
        return gr.Checkbox(value, **told)
    if rule.kind == "box":
        return gr.Textbox(value, max_length=40, placeholder="0, 0, 128, 128", **told)
    if rule.kind in ("whole", "number"):
        if rule.optional:
            return gr.Number(
                value, minimum=rule.low, maximum=rule.high, precision=0 if rule.kind == "whole" else None, **told
            )
        return gr.Slider(rule.low, rule.high, value, step=rule.step, **told)
    return gr.Dropdown(_choices(cls, rule, catalog), value=value, **told)


def _choices(cls: type[Step], rule: Setting, catalog: Catalog) -> list[tuple[str, str]]:
    if rule.kind == "choice":
        return [(choice or "No crop", choice) for choice in rule.choices]
    if rule.kind == "model":
        cards = [(card.name, card.id) for card in catalog.of_kind("image")]
        return cards if getattr(cls, "model", "") else [("The picture's own", ""), *cards]
    names = samplers() if rule.kind == "sampler" else dict.fromkeys(s for n in samplers() for s in schedules_of(n))
    return [("The model's own", ""), *((name, name) for name in names)]


def _to_control(value: Any, rule: Setting) -> Any:
    if rule.kind == "box":
        return "" if value is None else ", ".join(str(number) for number in value)
    if rule.kind == "picture":
        if not value:
            return None
        try:
            return Image.open(io.BytesIO(base64.b64decode(value))).convert("RGB")
        except (OSError, ValueError):
            return None  # the run says what is wrong with it
    return "" if value is None and rule.kind in ("sampler", "schedule") else value


def _to_json(value: Any, rule: Setting) -> Any:
    if rule.kind == "box":
        text = str(value or "").strip()
        if not text:
            return None
        parts = [part.strip() for part in text.split(",")]
        return [int(part) if part.isdecimal() else part for part in parts]
    if rule.kind in ("sampler", "schedule"):
        return value or None
    if rule.kind == "text" or rule.kind == "model":
        return value or ""
    if rule.kind == "whole" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def line_of(number: int, step: Mapping[str, Any]) -> str:
    """A step in the list: "2 · Second pass: 2×, lanczos, strength 0.4"."""
    cls = STEPS.get(str(step.get("do")))
    if cls is None:
        raise InvalidRequest(f"There is no step {step.get('do')!r}.")
    said = {name: step.get(name, getattr(cls, name)) for name in settings_of(cls)}
    words = {
        "generate": lambda s: f"“{_short(s['prompt'])}”" if s["prompt"] else "no prompt yet",
        "second_pass": lambda s: f"{s['scale']:g}×, {s['method']}, strength {s['strength']:g}",
        "image_to_image": lambda s: f"{_quoted(s['prompt'])}strength {s['strength']:g}",
        "inpaint": lambda s: f"{_quoted(s['prompt'])}{'masked' if s['mask'] else 'whole picture'}",
        "style": lambda s: "of a picture" if s["style"] else "no style picture yet",
        "upscale": lambda s: f"{_target(s)}, {s['method']}",
        "sharpen": lambda s: f"radius {s['radius']:g}, {s['amount']} %",
        "crop": lambda s: "to a box" if s["box"] else s["ratio"] or "none",
        "save": lambda s: s["format"].upper() if s["format"] == "png" else f"{s['format'].upper()} {s['quality']}",
    }[cls.do](said)
    return f"{number} · {cls.title}: {words}"


def _target(said: Mapping[str, Any]) -> str:
    if said["width"] is None and said["height"] is None:
        return f"{said['factor']:g}×"
    return f"{said['width'] or '?'} × {said['height'] or '?'}"


def _quoted(text: str) -> str:
    return f"“{_short(text)}”, " if text else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
