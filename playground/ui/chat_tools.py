"""The tools that the app offers to its text models, on the page and over the API."""

from __future__ import annotations

from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.tool import Tool
from playground.ui.context import AppContext


def offered_tools(context: AppContext, owner: str) -> tuple[Tool, ...]:
    """The tools on offer; pictures are made by the first image model of the list, for this owner."""
    painter = next((card.id for card in context.catalog.of_kind("image")), "")
    return builtin_tools(context.engine, painter, owner)
