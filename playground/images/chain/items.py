"""A picture on its way through a chain, and what of it goes into its file: its settings, and the chain itself."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from playground.images.chain.document import Chain, dump, parse
from playground.images.metadata import read_metadata, text_of, write_picture
from playground.images.pictures import rgb_picture

# Not of the record itself: what reading adds, and what an earlier chain left.
_NOT_KEPT = {"source", "notes", "other", "record", "chain", "chain_step"}


@dataclass(frozen=True)
class Item:
    """PNG bytes with what later steps may take over; `record` is what the last model wrote into it."""

    name: str
    png: bytes
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    seed: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict)


def given_item(name: str, data: bytes) -> Item:
    """A picture that was handed in, upright and in RGB, with the settings that it carries.

    Raises:
        InvalidRequest: it cannot be read.
    """
    picture = rgb_picture(data)
    record = read_metadata(data)
    kept = {k: v for k, v in record.items() if k not in _NOT_KEPT}
    seed = record.get("seed")
    return Item(
        name,
        _png(picture),
        str(record.get("prompt") or ""),
        str(record.get("negative_prompt") or ""),
        str(record.get("model") or "") if record.get("source") == "playground" else "",
        seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 else None,
        kept,
    )


def painted_item(name: str, png: bytes, prompt: str, negative_prompt: str, model: str, seed: int) -> Item:
    """A picture that the engine has made, with the record that it carries."""
    record = read_metadata(png)
    kept = {k: v for k, v in record.items() if k not in _NOT_KEPT} if record.get("source") == "playground" else {}
    kept = kept or {"prompt": prompt, "negative_prompt": negative_prompt, "model": model, "seed": seed}
    return Item(name, png, prompt, negative_prompt, model, seed, kept)


def changed_item(item: Item, picture: Image.Image) -> Item:
    """The same item with another picture, which no model has made."""
    return replace(item, png=_png(picture))


def written(item: Item, chain: Chain, step: int, *, own: bool, form: str = "png", quality: int = 92) -> bytes:
    """The item as a file that carries the chain and, where `own`, the record of the request that made it.

    Otherwise the record says of the picture that it came out of a chain, since its request alone does not make it.

    Raises:
        InvalidRequest: the chain is too long for a JPEG file.
    """
    record: dict[str, Any] = dict(item.record)
    if not own:
        asked = {k: record[k] for k in ("prompt", "negative_prompt", "model", "seed") if k in record}
        record = asked | {"kind": "chain"} | ({"last_request": dict(item.record)} if item.record else {})
    record |= {"chain": dump(chain), "chain_step": step}
    text = text_of(item.record) if item.record else ""
    return write_picture(rgb_picture(item.png), text, record, form, quality)


def chain_in(data: bytes) -> Chain | None:
    """The chain that a picture's file carries; None where it carries none.

    Raises:
        InvalidRequest: the file cannot be read, or its chain is damaged.
    """
    found = read_metadata(data).get("chain")
    return None if found is None else parse(found)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
