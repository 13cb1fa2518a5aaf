"""Says what this machine is and what fits on it: `python -m playground.doctor [MODEL] [--ram 4GB] [--json]`.

Reads headers and configs only; loads no weights, and fetches none: of a model on the hub it reads some kilobytes.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import Catalog, ModelCard, load_catalog
from playground.errors import ModelUnavailable, PlaygroundError
from playground.settings import Settings, load_settings

if TYPE_CHECKING:
    from playground.models.facts import Facts

APP_SHARE = 0.75  # of the memory of a phone or an edge device; the rest is its system's
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(/[^\s]+\.(gguf|safetensors))?")


def machine(settings: Settings) -> dict[str, Any]:
    """Device, cores, memory in bytes, the dtype per kind with its timing in seconds, and library versions."""
    from playground.models import devices
    from playground.models.timing import time_cpu

    device = devices.pick_device(settings)
    total, available = devices.ram()
    dtypes = {kind: devices.pick_dtype(device, settings, kind) for kind in ("chat", "image", "clip")}
    report: dict[str, Any] = {
        "device": device,
        "device_name": devices.device_name(device),
        "cores": devices.cores(),
        "ram_bytes": total,
        "ram_available_bytes": available,
        "budget_bytes": devices.memory_budget(device, settings),
        "dtypes": dtypes,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": devices.versions(),
    }
    if device == "cpu" and settings.dtype == "auto" and devices.cpu_has_bfloat16():
        report["dtype_timing"] = {kind: asdict(time_cpu(kind)) for kind in ("chat", "image")}
    return report


def other_machine(ram: str) -> dict[str, Any]:
    """What is known of a device of which only the memory is told, "4GB" for instance.

    Raises:
        PlaygroundError: `ram` is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", ram.strip().lower())
    count = int(float(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else 0
    if count <= 0:
        raise PlaygroundError(f"--ram must be a size, got {ram!r}.", "Write 4GB, 512MB, 6GiB or a number of bytes.")
    dtypes = dict.fromkeys(("chat", "image", "clip"), "bfloat16")
    return {"device": "other", "ram_bytes": count, "budget_bytes": int(count * APP_SHARE), "dtypes": dtypes}


def model(name: str, settings: Settings, here: dict[str, Any], catalog: Catalog | None = None) -> dict[str, Any]:
    """Sizes of the model `name` in bytes, by component and form, and how far each form goes on the machine `here`.

    `name` is a card's id, a folder, a file, or `owner/name` on the hub. What is not known is None. `catalog` None reads
    the catalog anew.

    Raises:
        PlaygroundError: there is no such model, or neither its headers nor a card tell its sizes.
    """
    from playground.doctor_text import verdict
    from playground.models import fits

    card, facts, notes = find(name, settings, catalog)
    if card is not None and card.backend != "local":
        return {"id": card.id, "backend": card.backend, "components": [], "bytes": None, "fits": None}
    kind = facts.kind if facts is not None else card.kind if card is not None else "chat"
    budget, preferred = here["budget_bytes"], here["dtypes"][kind]
    half = preferred if preferred != "float32" else "bfloat16"
    device = _device(here, settings)
    forms = fits.forms_of(kind, facts, half, _quantizations(device), device)
    rows = [_fit(card, facts, form, budget) for form in forms]
    found = [row for row in rows if row is not None]
    wanted = card.quantization if card is not None else None
    usual = [row for row in found if row.form.packed or row.form.name == (wanted or preferred)] or found
    best = next((row for row in [*usual, *found] if row.fits), usual[0] if usual else None)
    components = [
        {
            "name": part.name,
            "parameters": part.parameters,
            "stored_bytes": part.bytes,
            "stored_dtypes": part.bytes_by_dtype,
            "bytes": None if best is None else part.bytes_as(best.form.dtype, best.form.quantization, device),
        }
        for part in (facts.size.components if facts is not None else ())
    ]
    shape, working = facts.image if facts is not None else None, []
    if shape is not None and facts is not None and best is not None:
        native = (card.native_size if card else None) or fits.native_side(facts)
        working = fits.working_of(shape, best.form, fits.sides_for(native))
        working += fits.working_of(shape, best.form, [native], batch=4)
    builds = (*(card.builds if card is not None else ()), *(facts.builds if facts is not None else ()))
    report: dict[str, Any] = {
        "id": card.id if card is not None else name,
        "backend": "local",
        "kind": kind,
        "where": facts.where if facts is not None else "its card",
        "folder": facts.where if facts is not None and not facts.download else None,
        "download_bytes": None if facts is None else facts.download,
        "parameters": _parameters(card, facts),
        "context": (facts.context if facts is not None else None) or (card.context if card is not None else None),
        "components": components,
        "gguf": _gguf(facts),
        "form": None if best is None else best.form.name,
        "dtype": None if best is None else best.form.dtype,
        "quantization": None if best is None else best.form.quantization,
        "bytes": None if best is None else best.weights,
        "budget_bytes": budget,
        "fits": None if best is None else best.fits,
        "forms": [{**asdict(row), "form": row.form.name, "dtype": row.form.dtype} for row in found],
        "working": [asdict(row) for row in working],
        "builds": [
            {**row.build.model_dump(), "needed_bytes": row.needed, "fits": row.fits}
            for row in fits.builds_of(facts, builds, budget, card)
        ],
        "notes": [*notes, *(facts.notes if facts is not None else ())],
    }
    return {**report, "verdict": verdict(report)}


def _device(here: dict[str, Any], settings: Settings) -> str:
    """The device to load on; one of which only the memory is known counts as a processor."""
    from playground.models import devices

    name = str(here.get("device") or devices.pick_device(settings))
    return "cpu" if name == "other" else name


def _quantizations(device: str) -> tuple[str, ...]:
    from playground.models.quantize import quantizations

    return quantizations(device)


def find(
    name: str, settings: Settings, catalog: Catalog | None = None
) -> tuple[ModelCard | None, Facts | None, list[str]]:
    """The card and the facts of what a user named, as far as there are any, and what is to be said about it."""
    from playground.models.facts import facts_of_path
    from playground.models.hub_headers import hub_card, hub_facts

    catalog = catalog or load_catalog(settings.catalog, settings.data_path / "models.toml")
    path = Path(name).expanduser()
    if name in catalog:
        return _card_facts(catalog[name], settings)
    if path.exists() or path.is_absolute() or name.startswith((".", "~")):
        return None, facts_of_path(path), []
    if HUB_ID.fullmatch(name):
        known = _same_source(catalog, name)
        card = known or hub_card(name, settings)
        return known, hub_facts(card, settings), []
    return catalog[name], None, []  # raises, and names the closest cards


def _same_source(catalog: Catalog, source: str) -> ModelCard | None:
    return next((c for c in catalog if c.backend == "local" and c.source == source and c.format == "folder"), None)


def _card_facts(card: ModelCard, settings: Settings) -> tuple[ModelCard, Facts | None, list[str]]:
    """Facts from this machine, else from the hub, else only what the card says, with the reason."""
    from playground.models.download import cached_folder, is_local
    from playground.models.facts import facts_of_path
    from playground.models.hub_headers import hub_facts

    if card.backend != "local":
        return card, None, []
    if card.folder is not None or is_local(card):
        folder = card.folder or cached_folder(card)
        assert folder is not None
        return card, facts_of_path(folder / card.file), []
    try:
        return card, hub_facts(card, settings), []
    except ModelUnavailable as error:
        if not card.parameters and not card.memory:
            raise
        return card, None, [f"{error.message} The figures are those of its card."]


def _fit(card: ModelCard | None, facts: Facts | None, form: Any, budget: int) -> Any:
    from playground.models import fits

    if facts is not None:
        return fits.fit(facts, form, budget, card.native_size if card is not None else None)
    return fits.fit_by_card(card, form, budget) if card is not None else None


def _parameters(card: ModelCard | None, facts: Facts | None) -> int | None:
    if facts is None or (facts.packed and facts.gguf is None):
        return card.parameters if card is not None else None
    return facts.gguf.parameters if facts.gguf is not None else facts.size.parameters


def _gguf(facts: Facts | None) -> dict[str, Any] | None:
    if facts is None or facts.gguf is None:
        return None
    header = facts.gguf
    return {
        "architecture": header.architecture,
        "quantization": header.quantization,
        "bytes_by_type": header.bytes_by_type,
        "bytes": header.bytes,
        "file_bytes": header.file_bytes,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the report; returns 1 for what cannot be found or understood."""
    parser = argparse.ArgumentParser(prog="python -m playground.doctor", description=(__doc__ or "").split("\n")[0])
    what = "card id, folder, .safetensors or .gguf file, or owner/name on the hub, whose sizes to show"
    parser.add_argument("model", nargs="?", metavar="MODEL", help=what)
    parser.add_argument("--ram", metavar="SIZE", help="answer for a device with that much memory: 4GB, 512MB, 6GiB")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        settings = load_settings([])
        here = machine(settings) if args.ram is None else other_machine(args.ram)
        report: dict[str, Any] = {"machine": here}
        if args.model:
            report["model"] = model(args.model, settings, here)
    except PlaygroundError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}) if args.json else error, file=sys.stderr)
        return 1
    from playground.doctor_text import as_text

    print(json.dumps(report, indent=2) if args.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
