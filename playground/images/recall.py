"""From a picture's record back to a request: the model that it names, and every field that a request has.

Knows records and cards, nothing of how pictures are made. A record may come from anybody, so that only values of the
right type are taken; whether they are in range is checked where every request is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import PurePath
from typing import Any

from playground.catalog import Catalog, ModelCard
from playground.errors import InvalidRequest
from playground.images.adapter_use import recorded_uses
from playground.images.infotext import typed_value
from playground.protocol import ImageRequest

INPUTS = ("image", "mask", "style")
_NOT_TAKEN = {"model", "owner", "preview_every", *INPUTS}
_TYPES = {"int": int, "float": float, "str": str, "bool": bool}


def card_of(record: Mapping[str, Any], catalog: Catalog) -> ModelCard | None:
    """The listed picture model that a record names: by id, name, repository, file or folder; None where there is none.

    Other apps write a file's name where we write an id.
    """
    cards = catalog.of_kind("image")
    named = str(record.get("model") or "").strip().lower()
    if not named:
        return None
    stem = PurePath(named.replace("\\", "/")).name.removesuffix(".safetensors").removesuffix(".ckpt")
    for card in cards:
        if card.id == record.get("model"):
            return card
    for card in cards:
        own = {card.id, card.name.lower(), card.source.lower(), PurePath(card.source).name.lower()}
        own.add(PurePath(card.file).stem.lower())
        if (named in own or stem in own) and named:
            return card
    return None


def request_of(
    record: Mapping[str, Any], catalog: Catalog, inputs: Mapping[str, bytes | None] | None = None
) -> ImageRequest:
    """The request that makes the record's picture again; of a batch, the whole batch.

    `inputs` are the pictures that it began with: "image", "mask", "style".

    Raises:
        InvalidRequest: the record names no listed model, has no seed, or began with a picture that is not in `inputs`
            or is another one.
    """
    if not record:
        raise InvalidRequest("The picture carries no settings.", "Choose one that an image app has written them into.")
    if record.get("kind") == "chain":
        raise InvalidRequest(
            "The picture came out of a chain of steps, which one request does not make again.",
            "Load it under Chain, and run it.",
        )
    card = card_of(record, catalog)
    if card is None:
        raise InvalidRequest(
            f"Its model {str(record.get('model') or '')[:100]!r} is not listed here.", "Add it under Models first."
        )
    values = request_fields(record)
    if "seed" not in values:
        raise InvalidRequest("The picture's settings have no seed.", "Without one no picture can be made twice.")
    index = record.get("batch_index")
    values["seed"] -= index if isinstance(index, int) and 0 < index < 64 else 0
    given: dict[str, Any] = {name: (inputs or {}).get(name) for name in INPUTS}
    wanted = record.get("inputs")
    for name, digest in wanted.items() if isinstance(wanted, dict) else ():
        data = given.get(name)
        if data is None:
            raise InvalidRequest(f"The picture began with another one ({name}), which it does not carry.", "Add it.")
        if hashlib.sha256(data).hexdigest() != digest:
            raise InvalidRequest(f"This {name} is not the one that the picture began with.", "Add the right file.")
    if "work_width" in record:  # the picture that it began with gave its size, unless one was asked for
        values.pop("width", None)
        values.pop("height", None)
        asked = record.get("asked_size")
        if isinstance(asked, list) and len(asked) == 2:
            values |= {k: v for k, v in zip(("width", "height"), asked, strict=True) if isinstance(v, int)}
    return replace(ImageRequest(card.id, ""), **values, **given, preview_every=0)


def request_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an ImageRequest that a record holds, those of the wrong type left out."""
    found: dict[str, Any] = {}
    for one in fields(ImageRequest):
        if one.name in _NOT_TAKEN or record.get(one.name) is None:
            continue
        value = record[one.name]
        if one.name == "adapters":
            found[one.name] = recorded_uses(value)
            continue
        kind = _TYPES.get(str(one.type).split(" | ")[0])
        typed: Any
        if kind is bool:
            typed = value if isinstance(value, bool) else None
        elif kind is not None:
            typed = typed_value(value, kind)
        elif str(one.type).startswith("tuple"):
            typed = _tuples(value)
        else:
            typed = value if isinstance(value, str) else None  # one of several words
        if typed is not None:
            found[one.name] = typed
    return found


def _tuples(value: Any) -> Any:
    """Lists as tuples all the way down, as a request holds them."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
