"""LoRAs as requests, API calls and records name them: checked, and in one form. Knows no files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from playground.errors import InvalidRequest
from playground.protocol import AdapterUse

MOST = 16
WEIGHTS = (-10.0, 10.0)
_TEXT = re.compile(r"\s*(?:<(?:lora|lyco):)?([^<>:\n]{1,300})((?::[^<>:\n]{0,40}){0,2})>?\s*")


def checked_uses(value: object) -> tuple[AdapterUse, ...]:
    """The uses in a list of AdapterUse, of `{"name", "weight"}` or `{"name", "unet", "text_encoder"}`, or of texts.

    A text is `name`, `name:0.8` or, text encoder first, `name:0.5:1`, also as the tag `<lora:name:0.8>`.

    Raises:
        InvalidRequest: it is no such list, a weight is out of range, or a name stands twice.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidRequest(f"adapters must be a list, got {str(value)[:60]!r}.", 'For example ["ink:0.8"].')
    if len(value) > MOST:
        raise InvalidRequest(f"adapters names {len(value)} LoRAs; at most {MOST} work together.", "Take some out.")
    found = tuple(_use(one) for one in value)
    names = [one.name.lower() for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequest(f"The LoRA {name!r} stands twice in adapters.", "Name it once, with one weight.")
    return found


def weight(name: str, value: object) -> float:
    """A weight in range.

    Raises:
        InvalidRequest: it is not.
    """
    low, high = WEIGHTS
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:  # type: ignore[operator]
        raise InvalidRequest(f"The weight of the LoRA {name!r} must be {low:g} to {high:g}, got {value!r}.")
    return float(value)  # type: ignore[arg-type]


def recorded_uses(value: object) -> tuple[AdapterUse, ...]:
    """The uses that a picture's record holds beside its prompt's tags; rows that are none are left out."""
    rows = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    found: dict[str, AdapterUse] = {}
    for row in rows[:MOST]:
        if row.get("kind", "lora") != "lora" or row.get("source") != "list":
            continue
        try:
            use = _use(row)
        except InvalidRequest:
            continue
        found[use.name.lower()] = use
    return tuple(found.values())


def _use(value: object) -> AdapterUse:
    if isinstance(value, AdapterUse):
        name: Any = value.name
        unet, text = value.unet, value.text_encoder
    elif isinstance(value, Mapping):
        name = value.get("name")
        both = value.get("weight", 1.0)
        unet = value.get("unet", both)
        text = value.get("text_encoder", unet if "weight" not in value else both)
    elif isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        name = match.group(1)
        numbers = [_number(name, part) for part in match.group(2).split(":")[1:]]
        text = numbers[0] if numbers else 1.0
        unet = numbers[-1] if numbers else 1.0
    else:
        raise InvalidRequest(f"adapters holds {str(value)[:60]!r}, which names no LoRA.", 'Write ["ink:0.8"].')
    if not isinstance(name, str) or not name.strip() or len(name) > 300:
        raise InvalidRequest(f"adapters holds the name {str(name)[:60]!r}.", "Use the name of a LoRA's file.")
    name = name.strip()
    return AdapterUse(name, weight(name, unet), weight(name, text))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidRequest(f"The weight of the LoRA {name!r} is {text!r}, which is no number.") from None
