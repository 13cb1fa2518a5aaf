"""Generation parameters in picture files: A1111's `parameters` text for exchange, our own JSON as the truth.

PNG carries them as text chunks, JPEG and WebP in EXIF: the text as UserComment, where A1111 has it, the JSON as
MakerNote. Knows files; what the texts mean is known to `infotext` and `foreign`. Reading evaluates nothing and is
bounded in size; what could not be read is said in `notes`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.errors import InvalidRequest
from playground.images.foreign import from_fooocus, from_invoke, is_fooocus
from playground.images.infotext import MAX_TEXT, encodable, from_text, text_of, typed_value
from playground.images.pictures import open_picture

__all__ = ["CHUNK", "RECORD_VERSION", "read_metadata", "text_of", "write_picture", "write_png"]

RECORD_VERSION = 2  # 1: without weights, adapters, scheduler and the request's further fields
CHUNK = "playground"
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_USER_COMMENT, _MAKER_NOTE, _EXIF_FOLDER = 0x9286, 0x927C, 0x8769
_MARK = b"playground\0"
_INVOKE_CHUNKS = ("invokeai_metadata", "sd-metadata")
_WHOLE = ("steps", "seed", "width", "height", "clip_skip", "batch_size", "feather", "padding")
_TEXTS = ("prompt", "negative_prompt", "model", "sampler", "schedule", "kind")
_NUMBERS = ("guidance_scale", "guidance_rescale", "strength", "style_strength", "eta")
_TYPES: dict[str, type] = dict.fromkeys(_WHOLE, int) | dict.fromkeys(_TEXTS, str) | dict.fromkeys(_NUMBERS, float)


def write_png(image: Image.Image, text: str, record: Mapping[str, Any]) -> bytes:
    """PNG bytes with A1111's text and our JSON chunk; `record` holds JSON values only."""
    info = PngInfo()
    info.add_text("parameters", encodable(text))
    info.add_text(CHUNK, _packed(record))
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def write_picture(image: Image.Image, text: str, record: Mapping[str, Any], kind: str, quality: int = 92) -> bytes:
    """The picture as "png", "jpeg" or "webp", with its parameters in it; WebP is lossless at quality 100.

    Raises:
        InvalidRequest: another kind, or settings that JPEG's 64 KB of EXIF cannot hold.
    """
    if kind not in FORMATS:
        raise InvalidRequest(f"format must be one of {', '.join(FORMATS)}, got {kind!r}.")
    if kind == "png":
        return write_png(image, text, record)
    exif, out = Image.Exif(), io.BytesIO()
    folder = exif.get_ifd(_EXIF_FOLDER)
    folder[_USER_COMMENT] = b"UNICODE\0" + encodable(text).encode("utf-16-be")
    folder[_MAKER_NOTE] = _MARK + _packed(record).encode("ascii")
    try:
        image.convert("RGB").save(
            out, FORMATS[kind], exif=exif, quality=quality, lossless=kind == "webp" and quality == 100
        )
    except ValueError:
        raise InvalidRequest("The settings are too long for a JPEG file.", "Save it as PNG or WebP.") from None
    return out.getvalue()


def read_metadata(data: bytes) -> dict[str, Any]:
    """The generation parameters in a picture under the names of our record; empty where it carries none.

    `source` says whose they were: "playground" (our JSON), "a1111" (its text, whoever wrote it), "comfyui" (A1111's
    text by one of its nodes), "fooocus" or "invokeai". What has no place in our record stands in `other` as text, and
    what was damaged or too long to read is said in `notes`, a sentence each.

    Raises:
        InvalidRequest: the bytes are no readable picture.
    """
    picture = open_picture(data)
    notes: list[str] = []
    chunks = _texts(picture, notes)
    record = _found(chunks, notes)
    return record | ({"notes": notes} if notes else {})


def _found(chunks: dict[str, str], notes: list[str]) -> dict[str, Any]:
    own = _own(chunks.get(CHUNK, ""), notes)
    if own is not None:
        return own
    for name in _INVOKE_CHUNKS:
        found = _object(chunks.get(name, ""), f"InvokeAI's {name}", notes)
        if found is not None:
            return {"source": "invokeai", **from_invoke(found)}
    text = chunks.get("parameters", "").strip()
    if text.startswith("{") or (not text and chunks.get("Comment", "").startswith("{")):
        found = _object(text or chunks["Comment"], "The JSON of its settings", notes if text else [])
        if found is not None and is_fooocus(found):
            return {"source": "fooocus", **from_fooocus(found)}
    if not text:
        return {}
    record = from_text(text)
    other = record.get("other", {})
    maker = f"{chunks.get('fooocus_scheme', '')} {other.get('Version', '')}".lower()
    if chunks.get("fooocus_scheme") or "fooocus" in maker:
        for key, name in (("Raw prompt", "prompt"), ("Raw negative prompt", "negative_prompt")):
            if key in other:  # as it was typed, before the styles were written into it
                record[name] = other.pop(key)
        return {"source": "fooocus", **record}
    return {"source": "comfyui" if "comfyui" in maker else "a1111", **record}


def _own(text: str, notes: list[str]) -> dict[str, Any] | None:
    """Our JSON, or None where it is missing, damaged or of a later version than this reader."""
    if not text:
        return None
    record = _object(text, "The app's own JSON", notes)
    if record is None:
        return None
    version = record.pop("record", None)
    if not isinstance(version, int) or not 1 <= version <= RECORD_VERSION:
        notes.append(f"The app's own JSON has version {str(version)[:20]}, and this app reads 1 to {RECORD_VERSION}.")
        return None
    wrong = [k for k, kind in _TYPES.items() if k in record and not _fits(record[k], kind)]
    for key in wrong:
        notes.append(f"{key} is {str(record.pop(key))[:60]!r}, which is not what it can be.")
    return {"source": CHUNK, **record}


def _fits(value: object, kind: type) -> bool:
    return value is None or (isinstance(value, str) if kind is str else typed_value(value, kind) is not None)


def _object(text: str, what: str, notes: list[str]) -> dict[str, Any] | None:
    """A JSON object, None where it is none."""
    if not text:
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        notes.append(f"{what} is nested too deeply to be read.")
        return None
    except ValueError:
        notes.append(f"{what} is damaged.")
        return None
    if not isinstance(found, dict):
        notes.append(f"{what} is not an object.")
        return None
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


def _packed(record: Mapping[str, Any]) -> str:
    return json.dumps({"record": RECORD_VERSION, **record}, allow_nan=False)


def _texts(picture: Image.Image, notes: list[str]) -> dict[str, str]:
    """What the file carries by name, from chunks or EXIF; what is too long is left out, and said."""
    found = {str(k): v for k, v in picture.info.items() if isinstance(v, str)}
    exif = picture.getexif()
    folder = exif.get_ifd(_EXIF_FOLDER)
    comment = _text(folder.get(_USER_COMMENT) or exif.get(_USER_COMMENT) or b"")  # Fooocus puts it beside the folder
    if comment.strip():
        found.setdefault("parameters", comment)
    maker = folder.get(_MAKER_NOTE) or exif.get(_MAKER_NOTE) or b""
    if isinstance(maker, bytes) and maker.startswith(_MARK):
        found.setdefault(CHUNK, maker.removeprefix(_MARK).decode("utf-8", "replace"))
    elif (word := _text(maker)) in ("fooocus", "a1111"):
        found.setdefault("fooocus_scheme", word)
    for name in (CHUNK, "parameters", "Comment", *_INVOKE_CHUNKS):
        if len(found.get(name, "")) > MAX_TEXT:
            notes.append(f"{name} has {len(found.pop(name)):,} characters; at most {MAX_TEXT:,} are read.")
    return found


def _text(raw: object) -> str:
    """An EXIF text as A1111 and Fooocus write it: UTF-16 after `UNICODE`, ASCII, or plain bytes."""
    if isinstance(raw, str):
        return raw[: MAX_TEXT + 1]
    if not isinstance(raw, bytes):
        return ""
    code, body = raw[:8], raw[8 : MAX_TEXT * 2]
    if code == b"UNICODE\0":
        # No byte order is stated. Latin letters have a zero byte: first in big endian, second in little.
        zeros = body[0::2].count(0) - body[1::2].count(0)
        return body.decode("utf-16-be" if zeros >= 0 else "utf-16-le", "replace")
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        return body.decode("utf-8", "replace")
    return raw[: MAX_TEXT + 1].rstrip(b"\0").decode("utf-8", "replace")
