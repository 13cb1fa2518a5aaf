"""A table of values and a template become the items of a batch."""

from __future__ import annotations

from playground.batches.reading import Line, Table
from playground.batches.records import Item
from playground.errors import InvalidRequest
from playground.talks.prompts import fill, variables

MOST_CHARACTERS = 30_000_000  # of all prompts together


def items_of(table: Table, column: str = "", template: str = "", truth: str = "") -> tuple[tuple[Item, ...], int]:
    """The items, and how many characters all their prompts begin with.

    Args:
        column: whose values are the prompts; without it the first that is not the truth.
        template: a text with variables like `{{question}}` that names columns, in place of `column`.
        truth: the column of right answers.

    Raises:
        InvalidRequest: there is no such column, or a line lacks a value; names it.
    """
    for name in (column, truth):
        if name and name not in table.columns:
            raise _missing(name, table)
    if template.strip():
        names = variables(template)
        if not names:
            raise InvalidRequest(
                "The template names no column, so that all prompts would be the same.",
                "Write one of " + ", ".join("{{" + c + "}}" for c in table.columns[:5]) + " into it.",
            )
        for name in names:
            if name not in table.columns:
                raise _missing(name, table)
        head = template.index("{{")
        # Braces before the first variable are text, and fill() leaves them as they are.
        while not variables(template[head : template.index("}}", head) + 2]):
            head = template.index("{{", head + 1)
    else:
        column = column or next((name for name in table.columns if name != truth), "")
        if not column:
            raise InvalidRequest("There is no column for the prompts.", "Give one beside the truth.")
        names, head, template = (column,), 0, ""
    items, total = [], 0
    for index, line in enumerate(table.lines):
        prompt = _prompt(line, column, template)
        total += len(prompt)
        if total > MOST_CHARACTERS:
            raise InvalidRequest(
                f"By line {line.number} the prompts have over {MOST_CHARACTERS:,} characters.",
                "Give what is the same in all as the shared prefix.",
            )
        varying = "\n".join(line.values.get(name, "") for name in names)
        items.append(Item(index, line.number, prompt, line.values.get(truth, "").strip() if truth else "", varying))
    return tuple(items), head


def _prompt(line: Line, column: str, template: str) -> str:
    if template:
        try:
            return fill(template, line.values)
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {line.number}: {error.message}", error.hint) from None
    text = line.values.get(column, "").strip()
    if not text:
        raise InvalidRequest(f"Line {line.number} has nothing in {column!r}.", "Fill it in, or take the line out.")
    return text


def _missing(name: str, table: Table) -> InvalidRequest:
    shown = ", ".join(table.columns[:10]) + (", …" if len(table.columns) > 10 else "")
    return InvalidRequest(f"There is no column {name[:60]!r}.", f"The columns are: {shown}.")
