"""`python -m playground.scores table` shows what was measured; `measure MODEL` measures one model and keeps it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from playground.catalog import Catalog, ModelCard, load_catalog
from playground.errors import PlaygroundError
from playground.protocol import CancelToken, Engine, Failed, Notice
from playground.scores.metrics import COLUMNS
from playground.scores.table import score_table
from playground.settings import Settings, load_settings
from playground.store import ScoreRow, Store

OWNER = "local"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code. Figures go to stdout, progress and errors to stderr."""
    parser = argparse.ArgumentParser(prog="python -m playground.scores", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="all models with what was published and what was measured here")
    table.add_argument("--kind", choices=("chat", "image", "all"), default="all")
    one = commands.add_parser("measure", help="measure one model and keep the figures")
    one.add_argument("model", help="card id")
    one.add_argument("--no-save", action="store_true", help="do not keep the figures")
    for command in (table, one):
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--owner", default=OWNER, help=f"whose figures (default {OWNER})")
    options = parser.parse_args(argv)
    try:
        settings = load_settings([])
        catalog = load_catalog(settings.catalog)
        run = _table if options.command == "table" else _measure
        return run(options, settings, catalog)
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        return 1


def _table(options: argparse.Namespace, settings: Settings, catalog: Catalog) -> int:
    store = Store(settings.store_url)
    try:
        rows = score_table(catalog, store.scores(options.owner), kind=options.kind)
    finally:
        store.close()
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    heads = ("id", "kind", "licence", *COLUMNS)
    lines = [heads, *(tuple(_cell(row[head]) for head in heads) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _measure(options: argparse.Namespace, settings: Settings, catalog: Catalog) -> int:
    from playground.engine import open_engine

    card = catalog[options.model]
    store = None if options.no_save else Store(settings.store_url)
    engine = open_engine(settings, catalog)
    cancel = CancelToken()
    # Ctrl+C ends the run and keeps what was measured so far.
    before = signal.signal(signal.SIGINT, lambda *_: cancel.cancel())
    try:
        rows, problem = asyncio.run(_run(engine, card, options.owner, cancel))
        if store is not None:
            store.add_scores(options.owner, rows)
    finally:
        signal.signal(signal.SIGINT, before)
        engine.close()
        if store is not None:
            store.close()
    if options.json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1))
    else:
        for row in rows:
            spread = "" if row.low is None else f"  ({row.interval} {row.low:.4g} to {row.high:.4g})"
            print(f"{row.metric}  {row.value:.4g} {row.unit}  n={row.n}{spread}")
    if problem is not None:
        print(f"{problem.error} {problem.hint}".strip(), file=sys.stderr)
    return 1 if problem else 0


async def _run(
    engine: Engine, card: ModelCard, owner: str, cancel: CancelToken
) -> tuple[list[ScoreRow], Failed | None]:
    """The figures, also those measured before a failure or a stop."""
    from playground.scores.measure import Measured, Progress, measure

    rows: list[ScoreRow] = []
    async for event in measure(engine, card, cancel, owner=owner):
        match event:
            case Measured(row=row):
                rows.append(row)
            case Progress(what=what, done=done, total=total, seconds_left=left):
                print(f"{done}/{total} {what}" + (f", {left:.0f} s left" if left else ""), file=sys.stderr)
            case Notice(text=text):
                print(text, file=sys.stderr)
            case Failed():
                return rows, event
    return rows, None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
