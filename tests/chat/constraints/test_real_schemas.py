"""Schemas as pydantic writes them for the models of real programs."""

from __future__ import annotations

import json
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from playground.errors import InvalidRequest
from tests.chat.constraints.walks import of_schema, walk


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool | None = None


class Line(BaseModel):
    article: str = Field(pattern=r"^[A-Z]{2}-\d{4}$", examples=["AB-1234"])
    count: Annotated[int, Field(gt=0, lt=1000)]
    price: float = Field(ge=0)


class Order(BaseModel):
    """An order as a shop writes it."""

    model_config = ConfigDict(extra="forbid")
    id: UUID
    placed: datetime
    due: date | None = None
    lines: list[Line] = Field(min_length=1, max_length=5)
    notes: dict[str, str] = {}
    colour: Colour = Colour.RED
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    size: tuple[int, int] = (1, 2)
    either: int | str | list[bool]


class Tree(BaseModel):
    value: int
    children: list[Tree] = []
    parent: Tree | None = None


@pytest.mark.parametrize("model", [Order, Tree, Cat, Line])
def test_models_of_pydantic_read_what_is_written(model: type[BaseModel]) -> None:
    grammar = of_schema(model.model_json_schema())
    written = [text for seed in range(8) if (text := walk(grammar, seed)) is not None]
    assert len(written) > 4
    for text in written:
        model.model_validate_json(text)


def test_lists_and_unions_at_the_top() -> None:
    adapter: TypeAdapter[list[Cat | Dog]] = TypeAdapter(list[Cat | Dog])
    grammar = of_schema(adapter.json_schema())
    for seed in range(8):
        text = walk(grammar, seed)
        assert text is None or isinstance(adapter.validate_json(text), list)


def test_what_the_engine_lacks_of_pydantic_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="'uniqueItems'"):
        of_schema(TypeAdapter(set[int]).json_schema())


def test_tools_of_the_openai_api_are_objects_like_any_other() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "City and country"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location", "unit"],
        "additionalProperties": False,
    }
    text = walk(of_schema(parameters), 1)
    assert text is not None
    assert set(json.loads(text)) == {"location", "unit"}
