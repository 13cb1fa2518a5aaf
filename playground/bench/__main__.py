"""`python -m playground.bench startup [--runs N] [--json]`: figures on the standard output."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def main() -> None:
    """Runs one benchmark and prints a line a figure, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m playground.bench", description="Benchmarks of the app.")
    parser.add_argument("name", choices=["startup"], help="startup: from the command to the page, a token, a picture")
    parser.add_argument("--runs", type=int, default=5, help="warm requests of each kind (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    from playground.bench.startup import measure_startup

    figures = asdict(measure_startup(arguments.runs))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:20s} {value:10.3f}" if isinstance(value, float) else f"{name:20s} {value:10d}")


if __name__ == "__main__":
    main()
