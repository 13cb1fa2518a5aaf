"""Takes `<lora:…>` tags out of a prompt. Applies nothing."""

from __future__ import annotations

import re

from playground.images.prompts.nodes import NUMBER, LoraTag, number_text

# A backslash before the tag makes it text; a pair of backslashes is one backslash and leaves the tag a tag.
_TAG = re.compile(r"\\[\\<]|<(?:lora|lyco):([^<>\n]{1,300})>")
_KEYS = {"te": "text_encoder", "unet": "unet"}


def take_loras(text: str) -> tuple[str, tuple[LoraTag, ...], list[str]]:
    """The text without its tags, what they say, and hints on what of them was not understood."""
    tags: list[LoraTag] = []
    hints: list[str] = []

    def taken(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group()
        tag = _read(match.group(1), hints)
        if tag is not None:
            tags.append(tag)
        return ""

    return _TAG.sub(taken, text), tuple(tags), hints


def lora_text(tag: LoraTag) -> str:
    """The tag as it is written in a prompt."""
    if tag.text_encoder == tag.unet:
        return f"<lora:{tag.name}:{number_text(tag.unet)}>"
    return f"<lora:{tag.name}:te={number_text(tag.text_encoder)}:unet={number_text(tag.unet)}>"


def _read(inside: str, hints: list[str]) -> LoraTag | None:
    name, *fields = inside.split(":")
    name = name.strip()
    if not name:
        hints.append(f"The tag <lora:{inside}> names no LoRA and is left out.")
        return None
    strengths: dict[str, float] = {}
    for position, field in enumerate(fields):
        key, equals, value = field.partition("=")
        slot = _KEYS.get(key.strip()) if equals else ("text_encoder", "unet", "")[min(position, 2)]
        number = NUMBER.fullmatch(value if equals else field)
        if not slot or number is None:
            hints.append(f"In <lora:{inside}> the part {field.strip()!r} is not understood and is left out.")
            continue
        strengths[slot] = float(number.group(1))
    both = strengths.get("text_encoder", 1.0)
    return LoraTag(name, both, strengths.get("unet", both if "text_encoder" in strengths else 1.0))
