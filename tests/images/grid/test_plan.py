"""A plan: places, the order of running, what is drawn once, and what is refused before anything runs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.images.grid.axes import AXES
from playground.images.grid.outlook import outlook
from playground.images.grid.plan import MOST_CELLS, Plan, from_json, planned, to_json
from playground.protocol import ImageRequest

MODELS = {"starter-sd": "Starter SD", "starter-sd-small": "Starter SD small"}
NONE = ("", "")


def plan(*asked: tuple[str, str], chosen=("starter-sd",), prompt="a red circle and a blue star", **fields) -> Plan:
    padded = [*asked, NONE, NONE, NONE][:3]
    return planned(ImageRequest("", prompt, **fields), padded, MODELS, chosen)


def changes(made: Plan, field: str) -> int:
    """How often this field changes from one cell that runs to the next."""
    values = [getattr(made.cells[i].request, field) for i in made.order]
    return sum(a != b for a, b in pairwise(values))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_model_is_loaded_once_wherever_its_axis_stands(place):
    asked = [("Steps", "2, 3, 4"), ("Guidance", "1, 3")]
    asked.insert(place, ("Model", "starter-sd, starter-sd-small"))
    made = plan(*asked)
    assert changes(made, "model") == 1
    assert sorted(made.order) == list(range(12))


def test_the_layout_does_not_depend_on_the_order_of_running():
    made = plan(("Model", "starter-sd, starter-sd-small"), ("Steps", "2, 3, 4"), ("Seed", "1, 2"))
    for cell in made.cells:
        x, y, z = cell.at
        assert cell.index == x + 2 * y + 6 * z
        request = cell.request
        assert (request.model, request.steps, request.seed) == (list(MODELS)[x], [2, 3, 4][y], [1, 2][z])
    assert made.label(7) == "Model Starter SD small, Steps 2, Seed 2"


def test_cheap_axes_run_row_by_row():
    assert plan(("Steps", "2, 3"), ("Guidance", "1, 3")).order == (0, 1, 2, 3)


def test_every_axis_sets_its_fields_alone():
    for axis in AXES.values():
        prompt, negative = "a red circle, a blue star", "dark"
        made = plan((axis.name, axis.example), prompt=prompt, negative_prompt=negative)
        first, last = made.cells[0].request, made.cells[-1].request
        changed = {name for name in vars(first) if getattr(first, name) != getattr(last, name)}
        assert changed <= set(axis.fields), axis.name
        assert changed, axis.name


def test_seeds_are_drawn_once_for_all_cells():
    made = plan(("Steps", "2, 3"), ("Variation strength", "0, 0.5"))
    assert len({cell.request.seed for cell in made.cells}) == 1
    assert None not in {cell.request.variation_seed for cell in made.cells}
    drawn = plan(("Seed", "-1, -1, 7"))
    assert [cell.request.seed for cell in drawn.cells][2] == 7
    assert len({cell.request.seed for cell in drawn.cells}) == 3
    assert -1 not in {cell.request.seed for cell in drawn.cells}
    assert drawn.axes[0].labels[0] == str(drawn.cells[0].request.seed)


def test_several_models_are_an_axis_of_their_own():
    both = tuple(MODELS)
    assert plan(("Steps", "2, 3"), chosen=both).axes[1].axis == "Model"
    assert plan(NONE, ("Steps", "2, 3"), chosen=both).axes[0].axis == "Model"
    assert plan(("Model", ""), chosen=both).shape == (2, 1, 1)
    assert plan(("Model", "starter-sd-small"), chosen=both).cells[0].request.model == "starter-sd-small"
    with pytest.raises(InvalidRequest, match="all three axes are taken"):
        plan(("Steps", "2"), ("Guidance", "1"), ("Seed", "1"), chosen=both)


def test_a_plan_comes_back_from_its_text():
    made = plan(
        ("Prompt search-replace", 'red, "blue, dark"'), ("Size", "64x128, 128"), ("Prompt order", "circle, star")
    )
    again = from_json(to_json(made))
    assert again == made
    assert [c.request for c in again.cells] == [c.request for c in made.cells]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 9}', "[" * 5000, '{"schema": 1, "base": '
                                  '{"model": "m", "prompt": "p"}, "axes": [null, null]}'])  # fmt: skip
def test_a_damaged_plan_is_told_in_a_sentence(text):
    with pytest.raises(InvalidRequest, match="plan"):
        from_json(text)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "No axis is chosen"),
        ([("Colour", "red")], "no axis 'Colour'"),
        ([("Steps", "")], "X: Steps has no values"),
        ([NONE, ("Steps", "x")], "Y: 'x' is not a number"),
        ([("Steps", "1"), ("Steps", "2")], "Steps is on two axes"),
        ([("Size", "128"), ("Width", "64")], "Size and Width set the same thing"),
        ([("Prompt search-replace", "green, red")], "'green' is not in"),
        ([("Prompt order", "a moon, a blue star")], "'a moon' is not in"),
        ([("Steps", "1-20"), ("Guidance", "1-21")], f"20 × 21 are 420 cells; a grid has at most {MOST_CELLS}"),
    ],
)
def test_what_cannot_be_planned_is_named(asked, said):
    with pytest.raises(InvalidRequest) as error:
        plan(*asked)
    assert said in str(error.value)


def test_two_searches_may_stand_on_two_axes():
    made = plan(("Prompt search-replace", "red, green"), ("Prompt search-replace", "blue, black"))
    assert made.cells[3].request.prompt == "a green circle and a black star"


def test_the_outlook_counts_steps_and_names_cells_that_cannot_be_made():
    catalog = load_catalog()
    found = outlook(plan(("Sampler", "DPM++ 2M, DPM++ 2S"), ("Schedule", "Karras, Simple"), steps=4), catalog)
    assert (found.cells, found.models, found.steps, found.sizes) == (4, 1, 12, ((128, 128),))
    assert list(found.refused) == [3]
    assert "DPM++ 2S has no schedule 'Simple'" in found.refused[3]
    with pytest.raises(InvalidRequest, match="takes no eta"):
        outlook(plan(("Eta", "0.1, 0.5"), sampler="Euler"), catalog)
