"""The score table: one row a card, what others published apart from what was measured here. Pure, no torch.

A figure that was not measured is None. The newest figure of a column stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from playground.catalog import Catalog, ModelCard
from playground.errors import InvalidRequest
from playground.protocol import ModelState
from playground.scores.metrics import COLUMNS, metric
from playground.store import ScoreRow

TableKind = Literal["chat", "image", "all"]


def score_table(
    catalog: Catalog, rows: Iterable[ScoreRow], states: Iterable[ModelState] = (), kind: TableKind = "all"
) -> list[dict[str, Any]]:
    """One dict a card of this kind, in the catalog's order; ready for JSON.

    Keys: id, name, kind, state, licence, licence_url, parameters, context (tokens), native_size (pixels), price (None,
    or US dollars for a million tokens with date and source), published (list of name, value, unit, source, note), one
    key for each of `metrics.COLUMNS` with a number or None, and measured: column -> the whole ScoreRow as a dict.

    Raises:
        InvalidRequest: the kind is none of chat, image, all.
    """
    if kind not in ("chat", "image", "all"):
        raise InvalidRequest(f"kind must be chat, image or all, got {kind!r}.")
    by_model: dict[str, dict[str, ScoreRow]] = {}
    for row in rows:
        known = metric(row.metric)
        if known is None:
            continue  # a metric or version that this app no longer knows stays in the store, out of the table
        best = by_model.setdefault(row.model, {})
        if known.column not in best or best[known.column].date < row.date:
            best[known.column] = row
    now = {state.id: state for state in states}
    cards = (card for card in catalog if kind in ("all", card.kind))
    return [_row(card, by_model.get(card.id, {}), now.get(card.id)) for card in cards]


def explain(row: Mapping[str, Any], column: str) -> str:
    """How a figure of a table row came about, in plain words; '' where the row has none in this column.

    Raises:
        InvalidRequest: there is no such column.
    """
    if column not in COLUMNS:
        raise InvalidRequest(f"column must be one of {', '.join(COLUMNS)}, got {column!r}.")
    figure = row["measured"].get(column)
    if figure is None:
        return ""
    known = metric(figure["metric"])
    parts = [f"{figure['metric']}: {known.definition}." if known else f"{figure['metric']}."]
    spread = ""
    if figure["low"] is not None and figure["high"] is not None:
        spread = f", {figure['interval']} {figure['low']:.4g} to {figure['high']:.4g}"
    parts.append(f"{figure['value']:.4g} {figure['unit']}, n = {figure['n']}{spread}.")
    about = [f"model {figure['model']} at {figure['revision']}", figure["dtype"], _on(figure)]
    about.append("" if figure["seed"] is None else f"seed {figure['seed']}")
    about += [f"{name} {version}" for name, version in figure["versions"].items()]
    parts.append(f"Measured {figure['date']}: {', '.join(part for part in about if part)}.")
    settings = {key: value for key, value in figure["settings"].items() if key not in ("hardware", "parameters")}
    if settings:
        parts.append("Settings: " + ", ".join(f"{key} {value}" for key, value in settings.items()) + ".")
    return " ".join(parts)


def _on(figure: Mapping[str, Any]) -> str:
    hardware = figure["settings"].get("hardware", "")
    return f"on {figure['device']} ({hardware})" if hardware else f"on {figure['device']}" if figure["device"] else ""


def _row(card: ModelCard, best: Mapping[str, ScoreRow], state: ModelState | None) -> dict[str, Any]:
    figures = {column: best[column].value if column in best else None for column in COLUMNS}
    return {
        "id": card.id,
        "name": card.name,
        "kind": card.kind,
        "state": state.state if state else None,
        "licence": card.licence,
        "licence_url": card.licence_url,
        "parameters": card.parameters or (state.parameters if state else None),
        "context": card.context,
        "native_size": card.native_size,
        "price": card.price.model_dump() if card.price else None,
        "published": [figure.model_dump() for figure in card.published],
        **figures,
        "measured": {column: asdict(row) for column, row in best.items()},
    }
