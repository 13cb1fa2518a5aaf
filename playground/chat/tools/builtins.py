"""The tools that come with the app. None of them fetches anything from a network."""

from __future__ import annotations

from playground.chat.tools.calculator import calculator
from playground.chat.tools.clock import clock
from playground.chat.tools.pictures import text_to_image
from playground.chat.tools.tool import Tool
from playground.chat.tools.units import unit_converter
from playground.protocol import Engine


def builtin_tools(engine: Engine | None = None, image_model: str = "", owner: str = "") -> tuple[Tool, ...]:
    """Calculator, clock and unit conversion, and text to image where an engine and its model are given."""
    tools = (calculator(), clock(), unit_converter())
    if engine is None or not image_model:
        return tools
    return (*tools, text_to_image(engine, image_model, owner=owner))
