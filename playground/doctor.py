"""Says what this machine is and what fits on it: `python -m playground.doctor [MODEL] [--json]`.

Reads headers and configs only; loads no weights and asks no network.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from playground.catalog import ModelCard, load_catalog
from playground.errors import PlaygroundError
from playground.settings import Settings, load_settings


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


def model(card: ModelCard, settings: Settings) -> dict[str, Any]:
    """Bytes of `card` by component, as stored and as loaded here, and whether they fit; None where not known."""
    from playground.models import devices
    from playground.models.download import cached_folder
    from playground.models.open import default_dtype, weights
    from playground.models.sizes import model_size

    device = devices.pick_device(settings)
    budget = devices.memory_budget(device, settings)
    if card.backend != "local":
        return {"id": card.id, "backend": card.backend, "components": [], "bytes": None, "fits": None}
    dtype = default_dtype(card, device, settings, budget)
    folder = card.folder or cached_folder(card)
    needed = weights(card, dtype)
    components = []
    if folder is not None and folder.is_dir():
        components = [
            {
                "name": c.name,
                "parameters": c.parameters,
                "stored_bytes": c.bytes,
                "stored_dtypes": c.bytes_by_dtype,
                "bytes": c.bytes_as(dtype),
            }
            for c in model_size(folder).components
        ]
    return {
        "id": card.id,
        "backend": card.backend,
        "folder": str(folder) if folder else None,
        "dtype": dtype,
        "components": components,
        "bytes": needed,
        "budget_bytes": budget,
        "fits": None if needed is None else needed <= budget,
    }


def as_text(report: dict[str, Any]) -> str:
    from playground.models.sizes import human

    here = report["machine"]
    lines = [
        f"Device     {here['device_name']} ({here['device']}), {here['cores']} cores",
        f"RAM        {human(here['ram_available_bytes'])} of {human(here['ram_bytes'])} available",
        f"Budget     {human(here['budget_bytes'])} for models",
        "Dtype      " + ", ".join(f"{kind}: {name}" for kind, name in here["dtypes"].items()),
    ]
    for kind, timing in here.get("dtype_timing", {}).items():
        half, whole = timing["bfloat16_s"] * 1e6, timing["float32_s"] * 1e6
        lines.append(f"           measured, {kind}: bfloat16 {half:.0f} µs, float32 {whole:.0f} µs")
    lines.append("Libraries  " + ", ".join(f"{name} {version}" for name, version in here["versions"].items()))
    lines.append(f"Python     {here['python']}, {here['platform']}")
    card = report.get("model")
    if card is None:
        return "\n".join(lines)
    if card["backend"] != "local":
        return "\n".join([*lines, "", f"{card['id']} runs over an API and takes no memory here."])
    lines += ["", f"{card['id']} as {card['dtype']}"]
    for part in card["components"]:
        lines.append(
            f"  {part['name']:<14} {part['parameters']:>14,} parameters   stored {human(part['stored_bytes']):>9}"
            f"   loaded {human(part['bytes']):>9}"
        )
    if card["bytes"] is None:
        return "\n".join([*lines, "  Its size is not known until it is downloaded."])
    verdict = "fits" if card["fits"] else "does not fit"
    return "\n".join([*lines, f"  {human(card['bytes'])} in all: {verdict} in {human(card['budget_bytes'])}."])


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the report; returns 1 for an unknown model or setting."""
    parser = argparse.ArgumentParser(prog="python -m playground.doctor", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", nargs="?", metavar="MODEL", help="card id whose sizes to show")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        settings = load_settings([])
        report: dict[str, Any] = {"machine": machine(settings)}
        if args.model:
            report["model"] = model(load_catalog(settings.catalog)[args.model], settings)
    except PlaygroundError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}) if args.json else error, file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if args.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
