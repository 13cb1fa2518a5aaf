"""What a plan comes to before anything runs: pictures, steps, pixels, and the cells that cannot be made. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from playground.catalog import Catalog
from playground.errors import InvalidRequest, PlaygroundError
from playground.images.grid.plan import Plan
from playground.images.request import checked_image

MOST_PIXELS = 500_000_000  # of all pictures together


@dataclass(frozen=True)
class Outlook:
    """`steps` and `pixels` of all cells that can be made; `refused`: the sentence of each that cannot, by its index.

    `sizes`: how large the pictures are, each size once.
    """

    cells: int
    models: int
    steps: int
    pixels: int
    sizes: tuple[tuple[int, int], ...]
    refused: dict[int, str]


def outlook(plan: Plan, catalog: Catalog) -> Outlook:
    """Checks every cell's request.

    Raises:
        InvalidRequest: no cell can be made, or the pictures are too large together.
    """
    steps = pixels = 0
    sizes: dict[tuple[int, int], None] = {}
    refused: dict[int, str] = {}
    hints: list[str] = []
    for cell in plan.cells:
        try:
            checked = checked_image(cell.request, catalog[cell.request.model])
        except PlaygroundError as error:
            refused[cell.index] = error.message
            hints.append(error.hint)
            continue
        steps += checked.steps or 0
        width, height = checked.width or 0, checked.height or 0
        pixels += width * height
        sizes.setdefault((width, height))
    if len(refused) == plan.count:
        raise InvalidRequest(refused[0], hints[0])
    if pixels > MOST_PIXELS:
        raise InvalidRequest(
            f"The pictures have {pixels / 1e6:,.0f} megapixels together; a grid has at most {MOST_PIXELS / 1e6:,.0f}.",
            "Take fewer values or smaller pictures.",
        )
    models = {cell.request.model for cell in plan.cells}
    return Outlook(plan.count, len(models), steps, pixels, tuple(sizes), refused)
