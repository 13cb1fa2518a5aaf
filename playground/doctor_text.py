"""The doctor's report as lines for a terminal. Formats what it is given; measures nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.models.sizes import human

Report = dict[str, Any]

PLAN_WORDS = {
    "whole": "",
    "tiled": ", decoded in tiles",
    "staged": ", one part on the device at a time, decoded in tiles",
}


def as_text(report: Report) -> str:
    """The whole report."""
    lines = list(_machine(report["machine"]))
    card = report.get("model")
    if card is None:
        return "\n".join(lines)
    if card["backend"] != "local":
        return "\n".join([*lines, "", f"{card['id']} runs over an API and takes no memory here."])
    lines += ["", *_head(card), *_components(card)]
    if card["forms"]:
        lines += ["", *(_text_forms(card) if card["forms"][0]["kv_per_token"] is not None else _forms(card))]
    if card["working"]:
        lines += ["", *_working(card)]
    if card["builds"]:
        lines += ["", *_builds(card)]
    lines += ["", *(f"Note       {note}" for note in card["notes"]), f"Verdict    {card['verdict']}"]
    return "\n".join(lines)


def verdict(card: Report) -> str:
    """One sentence: whether the model fits, and as what."""
    budget = human(card["budget_bytes"])
    if card["fits"] is None:
        return "Its size is not known until it is downloaded."
    best = next(row for row in card["forms"] if row["form"] == card["form"])
    if not card["fits"]:
        smallest = min(card["forms"], key=lambda row: row["weights"])
        why = f"its weights alone are {human(smallest['weights'])} as {smallest['form']}"
        if smallest["weights"] <= card["budget_bytes"]:
            why += ", and what it works in does not fit beside them"
        also = next((b for b in card["builds"] if b["fits"]), None)
        other = f" Its build {also['name']} ({human(also['bytes'])}) does." if also else ""
        return f"{card['id']} does not fit in {budget}: {why}.{other}"
    if best["context"] is not None:
        whole = card["context"]
        of = "its whole context" if best["context"] == whole else "a context"
        beyond = f" of {whole:,}" if whole and best["context"] < whole else ""
        return f"{card['id']} fits in {budget} as {best['form']}, with {of} of {best['context']:,}{beyond} tokens."
    if best["largest"] is not None:
        most = best["most"]
        several = f", or {most['batch']} of {most['side']} at once" if most and most["batch"] > 1 else ""
        side, plan = best["largest"]["side"], PLAN_WORDS[best["largest"]["plan"]]
        return f"{card['id']} fits in {budget} as {best['form']}, for pictures up to {side}x{side}{plan}{several}."
    return f"{card['id']} fits in {budget} as {best['form']}: {human(best['weights'])} of weights."


def _machine(here: Report) -> Iterator[str]:
    if here["device"] == "other":
        yield f"Device     another one, with {human(here['ram_bytes'])} of memory"
        yield f"Budget     {human(here['budget_bytes'])} for a model; the rest is left to its system"
        return
    yield f"Device     {here['device_name']} ({here['device']}), {here['cores']} cores"
    yield f"RAM        {human(here['ram_available_bytes'])} of {human(here['ram_bytes'])} available"
    yield f"Budget     {human(here['budget_bytes'])} for models"
    yield "Dtype      " + ", ".join(f"{kind}: {name}" for kind, name in here["dtypes"].items())
    for kind, timing in here.get("dtype_timing", {}).items():
        half, whole = timing["bfloat16_s"] * 1e6, timing["float32_s"] * 1e6
        yield f"           measured, {kind}: bfloat16 {half:.0f} µs, float32 {whole:.0f} µs"
    yield "Libraries  " + ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    yield f"Python     {here['python']}, {here['platform']}"


def _head(card: Report) -> Iterator[str]:
    count = "" if card["parameters"] is None else f", {card['parameters']:,} parameters"
    yield f"{card['id']}{count}"
    fetched = card["download_bytes"]
    yield f"  read from {card['where']}" + (f"; {human(fetched)} of weights to download" if fetched else "")
    if card["context"]:
        yield f"  context {card['context']:,} tokens"


def _components(card: Report) -> Iterator[str]:
    for part in card["components"]:
        stored = ", ".join(f"{name} {human(count)}" for name, count in part["stored_dtypes"].items())
        yield f"  {part['name']:<16} {part['parameters']:>15,} parameters   stored {stored}"
    if card["gguf"] is not None:
        parts = ", ".join(f"{name} {human(count)}" for name, count in card["gguf"]["bytes_by_type"].items())
        yield f"  {card['gguf']['architecture']:<16} stored {parts}"


def _text_forms(card: Report) -> Iterator[str]:
    full = f"at {card['context']:,}" if card["context"] else "at full context"
    yield f"  {'as':<11}{'weights':>10}{'cache/token':>13}{full:>15}   longest context in {human(card['budget_bytes'])}"
    for row in card["forms"]:
        longest = f"{row['context']:,} tokens" if row["fits"] else "does not fit"
        whole = "" if row["kv_full"] is None else human(row["kv_full"])
        yield f"  {row['form']:<11}{human(row['weights']):>10}{human(row['kv_per_token']):>13}{whole:>15}   {longest}"


def _forms(card: Report) -> Iterator[str]:
    yield f"  {'as':<11}{'weights':>10}   what fits in {human(card['budget_bytes'])}"
    for row in card["forms"]:
        what = "fits" if row["fits"] else "does not fit"
        if row["largest"] is not None:
            side, plan = row["largest"]["side"], PLAN_WORDS[row["largest"]["plan"]]
            what = f"up to {side}x{side} ({human(row['largest']['bytes'])}{plan})"
            if row["most"] is not None and row["most"]["batch"] > 1:
                what += f"; {row['most']['batch']} pictures of {row['most']['side']} at once"
        yield f"  {row['form']:<11}{human(row['weights']):>10}   {what}"


def _working(card: Report) -> Iterator[str]:
    yield f"  working memory as {card['form']}: a guided step, and the decode plain, one by one, in tiles"
    for row in card["working"]:
        size = f"{row['side']}x{row['side']}" + (f", {row['batch']} at once" if row["batch"] > 1 else "")
        figures = "".join(f"{human(row[name]):>12}" for name in ("step", "plain", "sliced", "tiled"))
        yield f"  {size:<22}{figures}"


def _builds(card: Report) -> Iterator[str]:
    yield "  other builds"
    for row in card["builds"]:
        said = "fits" if row["fits"] else "does not fit"
        where = f"{row['source']}" + (f"/{row['file']}" if row["file"] else "")
        note = f" ({row['note']})" if row["note"] else ""
        yield f"  {row['format']:<8}{row['name']:<28}{human(row['bytes']):>10}   {said:<13}{where}{note}"
