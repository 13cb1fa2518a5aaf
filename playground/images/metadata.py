"""Generation parameters in pictures: A1111's `parameters` text for exchange, our own JSON chunk as the truth.

The text follows `modules/infotext_utils.py` of A1111 1.10, which cannot carry every prompt unchanged; the JSON chunk
`playground` can. Reading never evaluates anything and is bounded in size.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.images.pictures import open_picture

RECORD_VERSION = 1
CHUNK = "playground"
MAX_TEXT = 262_144
_MAX_LAST_LINE = 8_192  # the pair pattern is quadratic in the worst case
_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_USER_COMMENT, _EXIF_FOLDER = 0x9286, 0x8769

# A1111's key -> our record's name and type.
_NAMES: dict[str, tuple[str, type]] = {
    "Steps": ("steps", int),
    "Sampler": ("sampler", str),
    "Schedule type": ("schedule", str),
    "CFG scale": ("guidance_scale", float),
    "Seed": ("seed", int),
    "Model": ("model", str),
    "Variation seed": ("variation_seed", int),
    "Variation seed strength": ("variation_strength", float),
    "Denoising strength": ("strength", float),
    "Eta": ("eta", float),
    "CFG Rescale phi": ("guidance_rescale", float),
    "Mask blur": ("feather", int),
    "Inpaint area": ("area", str),
    "Masked area padding": ("padding", int),
    "Masked content": ("masked_content", str),
}
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
    """A1111's text of our own record."""
    fields: dict[str, object] = {
        "Steps": record.get("steps"),
        "Sampler": record.get("sampler"),
        "Schedule type": record.get("schedule"),
        "CFG scale": _short(record.get("guidance_scale")),
        "Seed": record.get("seed"),
        "Size": f"{record['width']}x{record['height']}" if "width" in record and "height" in record else None,
        "Model": record.get("model"),
        "Variation seed": record.get("variation_seed"),
        "Variation seed strength": _short(record.get("variation_strength")),
        "Denoising strength": _short(record.get("strength")),
        "Eta": _short(record.get("eta")),
        "CFG Rescale phi": _short(record.get("guidance_rescale")),
        "RNG": "CPU",
        "Mask blur": record.get("feather"),
        "Inpaint area": _AREAS.get(str(record.get("area"))),
        "Masked area padding": record.get("padding"),
        "Masked content": record.get("masked_content"),
        "Version": record.get("version_text"),
    }
    prompt, negative = (_encodable(str(record.get(k, ""))) for k in ("prompt", "negative_prompt"))
    return write_text(prompt, negative, fields)


def write_png(image: Image.Image, text: str, record: Mapping[str, Any]) -> bytes:
    """PNG bytes with A1111's text and our JSON chunk; `record` holds JSON values only."""
    info = PngInfo()
    info.add_text("parameters", _encodable(text))
    info.add_text(CHUNK, json.dumps({"record": RECORD_VERSION, **record}, allow_nan=False))
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def read_metadata(data: bytes) -> dict[str, Any]:
    """The generation parameters in a picture: our JSON chunk, else A1111's text, else an empty dict.

    `source` says which it was: "playground" or "a1111". From A1111's text, known fields come under our names and the
    rest, as text, in `other`.

    Raises:
        InvalidRequest: the bytes are no readable picture.
    """
    picture = open_picture(data)
    chunks = {k: v for k, v in picture.info.items() if isinstance(v, str) and len(v) <= MAX_TEXT}
    record = _record(chunks.get(CHUNK, ""))
    if record is not None:
        return {"source": CHUNK, **record}
    text = chunks.get("parameters") or _user_comment(picture)
    return {"source": "a1111", **from_text(text)} if text.strip() else {}


def from_text(text: str) -> dict[str, Any]:
    """Our record's names and types from A1111's text; fields that do not fit stay as text in `other`."""
    prompt, negative, fields = parse_text(text)
    record: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative}
    other: dict[str, str] = {}
    for key, value in fields.items():
        size = _SIZE.fullmatch(value) if key == "Size" else None
        if size:
            record["width"], record["height"] = int(size[1]), int(size[2])
        elif key in _NAMES and (typed := _typed(value, _NAMES[key][1])) is not None:
            record[_NAMES[key][0]] = typed
        else:
            other[key] = value
    if "area" in record:
        record["area"] = {v: k for k, v in _AREAS.items()}.get(record["area"], record["area"])
    return record | ({"other": other} if other else {})


def _record(text: str) -> dict[str, Any] | None:
    """Our JSON chunk, or None where it is missing, damaged or of a later version than this reader."""
    try:
        record = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    version = record.pop("record", None)
    return record if isinstance(version, int) and 1 <= version <= RECORD_VERSION else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


def _user_comment(picture: Image.Image) -> str:
    """EXIF UserComment as A1111 writes it into JPEG and WebP: UTF-16 after `UNICODE`, or ASCII."""
    raw = picture.getexif().get_ifd(_EXIF_FOLDER).get(_USER_COMMENT, b"")
    if isinstance(raw, str):
        return raw[:MAX_TEXT]
    if not isinstance(raw, bytes):
        return ""
    code, body = raw[:8], raw[8 : MAX_TEXT * 2]
    if code == b"UNICODE\0":
        # No byte order is stated. Latin letters have a zero byte: first in big endian, second in little.
        zeros = body[0::2].count(0) - body[1::2].count(0)
        return body.decode("utf-16-be" if zeros >= 0 else "utf-16-le", "replace")
    return body.decode("utf-8", "replace") if code in (b"ASCII\0\0\0", b"\0" * 8) else ""


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


def _typed(text: str, kind: type) -> Any:
    if kind is str:
        return text
    try:
        value = kind(text) if len(text) <= 40 else None
    except ValueError:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: Any) -> Any:
    """7.0 as 7, as A1111 prints it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encodable(text: str) -> str:
    """Lone surrogates, which no encoding can hold, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
