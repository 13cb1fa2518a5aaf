"""A grid as one picture: a table for each value of Z, with the values of X and Y in the margins.

The letters are Pillow's own font, which has Latin letters only; others show as boxes, and the file's metadata has them
as they are. Cells are shrunk where the sheet would have more than 64 megapixels.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from playground.images.grid.cells import Result
from playground.images.grid.plan import Plan, plan_record, request_record
from playground.images.grid.tables import rows
from playground.images.infotext import encodable, text_of, write_text
from playground.images.metadata import CHUNK, RECORD_VERSION
from playground.images.pictures import rgb_picture

MOST_PIXELS = 64_000_000
MOST_SIDE = 16_000
GRID_CHUNK = "playground_grid"
GROUND, INK, QUIET, BOX, WRONG = "white", "#161c1d", "#667575", "#eef1f1", "#8f2c1b"
_GAP = 8
_MOST_LINES = 6


def compose(plan: Plan, results: Mapping[int, Result], load: Callable[[int], bytes | None]) -> bytes:
    """The sheet as PNG with the grid's parameters in it; `load(index)` gives a cell's picture, None where it has none.

    A failed cell shows its error, one that is not made yet says so.
    """
    made = [result for result in results.values() if result.width and result.height]
    width = max((result.width or 0 for result in made), default=128)
    height = max((result.height or 0 for result in made), default=128)
    scale = _scale(plan, width, height)
    sheet = _Sheet(plan, max(8, int(width * scale)), max(8, int(height * scale)))
    for cell in plan.cells:
        result = results.get(cell.index)
        png = load(cell.index) if result is not None and not result.error else None
        sheet.put(cell.at, png, "Not made" if result is None else f"{result.error} {result.hint}".strip())
    out = io.BytesIO()
    sheet.image.save(out, "PNG", pnginfo=_metadata(plan, results))
    return out.getvalue()


def _scale(plan: Plan, width: int, height: int) -> float:
    x, y, z = plan.shape
    whole_width, whole_height = (width + _GAP) * x + max(160, width), (height + _GAP * 4) * y * z
    side = min(MOST_SIDE / whole_width, MOST_SIDE / whole_height)
    return min(1.0, side, math.sqrt(MOST_PIXELS / (whole_width * whole_height)))


def _metadata(plan: Plan, results: Mapping[int, Result]) -> PngInfo:
    first = next((results[i] for i in sorted(results) if not results[i].error), None)
    record = dict(first.parameters) if first else request_record(plan.base)
    pairs: dict[str, object] = {"Script": "X/Y/Z plot"}
    for place, axis in plan.named:
        pairs |= {f"{place} Type": axis.axis, f"{place} Values": ", ".join(axis.labels)}
    info = PngInfo()
    info.add_text("parameters", encodable(f"{text_of(record)}, {write_text('', '', pairs)}"))
    packed = {"record": RECORD_VERSION, **record, "grid": plan_record(plan)}
    info.add_text(CHUNK, json.dumps(packed, ensure_ascii=True, allow_nan=False))
    whole = {"grid": plan_record(plan), "cells": rows(plan, results)}
    info.add_text(GRID_CHUNK, json.dumps(whole, ensure_ascii=True, allow_nan=False), zip=True)
    return info


class _Sheet:
    """The picture as it is put together; `cell_w` and `cell_h` are those of a cell's picture, in pixels."""

    def __init__(self, plan: Plan, cell_w: int, cell_h: int) -> None:
        self._w, self._h = cell_w, cell_h
        self._size = min(32, max(13, cell_w // 20))
        self._font = _font(self._size)
        self._line = round(self._size * 1.35)
        x, _, z = plan.shape
        across = [axis.labels if axis else ("",) for axis in plan.axes]
        left = max((self._font.getlength(_one_line(label)) for label in across[1]), default=0) if plan.axes[1] else 0
        self._left = min(math.ceil(left), max(160, cell_w)) + (2 * _GAP if plan.axes[1] else 0)
        self._tops = [self._wrapped(label, cell_w) for label in across[0]]
        head = (max(map(len, self._tops)) * self._line + _GAP) if plan.axes[0] else 0
        rows_at = [self._wrapped(label, self._left - _GAP) for label in across[1]]
        self._rows = [max(cell_h, len(lines) * self._line) for lines in rows_at]
        width = self._left + x * (cell_w + _GAP) + _GAP
        width = max(width, 240)
        third = plan.axes[2]
        over: list[list[str]] = [[] for _ in range(z)]
        if third is not None:
            over = [self._wrapped(f"{third.axis}: {label}", width - 2 * _GAP) for label in third.labels]
        said = [f"{place}: {axis.axis}" for place, axis in plan.named]
        title = self._wrapped(plan.base.prompt, width - 2 * _GAP)[:3]
        below = self._wrapped(", ".join(said), width - 2 * _GAP)
        table = head + sum(row + _GAP for row in self._rows)
        top = _GAP + (len(title) + len(below)) * self._line + _GAP
        self._bands: list[int] = []
        at = top
        for lines in over:
            at += len(lines) * self._line + (_GAP if lines else 0)
            self._bands.append(at)
            at += table + _GAP
        self.image = Image.new("RGB", (math.ceil(width), math.ceil(at)), GROUND)
        self._draw = ImageDraw.Draw(self.image)
        self._text(_GAP, _GAP, title, INK)
        self._text(_GAP, _GAP + len(title) * self._line, below, QUIET)
        for lines, band in zip(over, self._bands, strict=True):
            self._text(_GAP, band - len(lines) * self._line - _GAP // 2, lines, INK)
            if plan.axes[0]:
                for column, words in enumerate(self._tops):
                    self._text(self._left + _GAP + column * (cell_w + _GAP), band, words, INK)
            if plan.axes[1]:
                for row, words in enumerate(rows_at):
                    self._text(_GAP, band + head + sum(h + _GAP for h in self._rows[:row]), words, INK)
        self._head = head

    def put(self, at: tuple[int, int, int], png: bytes | None, words: str) -> None:
        """Draws one cell: its picture, or a box with words."""
        x, y, z = at
        left = self._left + _GAP + x * (self._w + _GAP)
        top = self._bands[z] + self._head + sum(h + _GAP for h in self._rows[:y])
        if png is not None:
            picture = rgb_picture(png)
            ratio = min(1.0, self._w / picture.width, self._h / picture.height)
            if ratio < 1:
                size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            self.image.paste(picture, (left, top))
            return
        self._draw.rectangle((left, top, left + self._w - 1, top + self._h - 1), fill=BOX)
        room = max(1, (self._h - 8) // self._line)
        lines = self._wrapped(words, self._w - 8, room)
        self._text(left + 4, top + 4, lines, QUIET if words == "Not made" else WRONG)

    def _text(self, x: int, y: int, lines: list[str], colour: str) -> None:
        for number, line in enumerate(lines):
            self._draw.text((x, y + number * self._line), line, fill=colour, font=self._font)

    def _wrapped(self, text: str, width: float, most: int = _MOST_LINES) -> list[str]:
        return wrapped(_one_line(text), width, self._font.getlength, most)


def wrapped(text: str, width: float, measure: Callable[[str], float], most: int = _MOST_LINES) -> list[str]:
    """The text in lines no wider than `width` by `measure`, at most `most`; a word that is too wide is broken."""
    lines: list[str] = [""]
    for word in text[:2000].split():
        line = f"{lines[-1]} {word}".strip()
        if measure(line) <= width:
            lines[-1] = line
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and measure(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and measure(last + "…") > width:
        last = last[:-1]
    return [*lines[: most - 1], last + "…"]


def _one_line(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
