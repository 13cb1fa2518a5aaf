"""Make and measure the starter models: `python -m playground.starter list | train NAME | evaluate NAME | report`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

IMAGE_MODELS = ("starter-sd", "starter-sd-small", "starter-clip")
TEXT_MODELS = ("starter-phi", "starter-mistral")
ASSETS = Path(__file__).resolve().parents[2] / "assets" / "starter"


def build_parser() -> argparse.ArgumentParser:
    """Build the command line."""
    parser = argparse.ArgumentParser(prog="python -m playground.starter", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="list the starter models and what lies on disk")
    listing.add_argument("--json", action="store_true", help="print JSON")
    train = commands.add_parser("train", help="train one model from nothing")
    train.add_argument("name", choices=[*IMAGE_MODELS, *TEXT_MODELS])
    train.add_argument("--steps", type=int, help="steps of each stage, instead of the recipe's")
    train.add_argument("--minutes", type=float, help="stop after this long; the learning rate falls accordingly")
    train.add_argument("--out", type=Path, help="model folder (default: assets/starter/NAME)")
    train.add_argument("--work", type=Path, help="checkpoints and logs (default: ./train/NAME)")
    train.add_argument("--start", type=Path, help="a starter-phi folder whose weights a text model begins with")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    train.add_argument("--threads", type=int, help="torch threads (default: torch's own choice)")
    train.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    measure = commands.add_parser("evaluate", help="measure a model and write its figures and model card")
    measure.add_argument("name", choices=[*IMAGE_MODELS, *TEXT_MODELS])
    measure.add_argument("--out", type=Path, help="model folder (default: assets/starter/NAME)")
    measure.add_argument(
        "--share", type=float, default=1.0, help="share of the pictures or questions, for a quick look"
    )
    measure.add_argument("--steps", type=int, default=20, help="sampler steps of a picture")
    measure.add_argument("--guidance", type=float, default=4.0, help="guidance scale of a picture")
    measure.add_argument("--threads", type=int, help="torch threads (default: torch's own choice)")
    report = commands.add_parser("report", help="measure all models and write assets/starter/REPORT.md and .json")
    report.add_argument("--share", type=float, default=1.0, help="share of the pictures and questions")
    report.add_argument("--gather", action="store_true", help="measure nothing; gather what was measured")
    report.add_argument("--json", action="store_true", help="print JSON")
    return parser


def list_models(as_json: bool) -> None:
    """Print each starter model with its bytes on disk, None where it was not made yet."""
    rows = []
    for name in (*IMAGE_MODELS, *TEXT_MODELS):
        files = [file for file in (ASSETS / name).rglob("*") if file.is_file()]
        rows.append({"id": name, "bytes": sum(file.stat().st_size for file in files) if files else None})
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['id']:18} {'not made yet' if row['bytes'] is None else '{:,} bytes'.format(row['bytes'])}")


def evaluate(name: str, folder: Path, share: float = 1.0, steps: int = 20, guidance: float = 4.0) -> None:
    """Measure one model, printing each figure as it comes; writes quality.json and the model card into its folder."""
    if name in TEXT_MODELS:
        from playground.starter.text_evaluate import evaluate as evaluate_text

        evaluate_text(name, folder, max(2, round(200 * share)))
        return
    from playground.models.devices import cpu_has_bfloat16
    from playground.starter.cards import write_card
    from playground.starter.evaluate import evaluate as evaluate_image
    from playground.starter.figures import Figure
    from playground.starter.probes import Settings

    def show(figure: Figure) -> None:
        print(f"{figure.what}: {figure.value:.1f} {figure.unit} (n = {figure.n})", flush=True)

    # As the app paints: in 16 bit where the processor multiplies in it.
    dtype = "bfloat16" if cpu_has_bfloat16() else "float32"
    evaluate_image(name, folder, Settings(steps=steps, guidance_scale=guidance, dtype=dtype), share, show)
    write_card(name, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    if options.command == "list":
        list_models(options.json)
        return 0
    if options.command == "report":
        from playground.starter.figures import table
        from playground.starter.report import report

        figures = report(ASSETS, options.share, measure_anew=not options.gather)
        print(json.dumps([one.record() for one in figures], indent=1) if options.json else "\n".join(table(figures)))
        return 0
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    out = options.out or ASSETS / options.name
    is_text = options.name in TEXT_MODELS
    if options.command == "evaluate":
        evaluate(options.name, out, options.share, options.steps, options.guidance)
        return 0
    work = options.work or Path("train") / options.name
    limits = (options.name, out, work, options.minutes, options.steps, options.resume)
    if is_text:
        from playground.starter.text_train import train as train_text

        train_text(*limits, start=options.start, device=options.device)
    else:
        from playground.starter.recipes import train as train_image

        train_image(*limits, device=options.device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
