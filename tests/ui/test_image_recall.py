"""A picture's settings go back into the form's controls, each into its own, and what does not fit is said."""

from __future__ import annotations

from typing import Any

import pytest

from playground.catalog import load_catalog
from playground.ui.image_recall import filled

FOUND: dict[str, Any] = {
    "source": "playground", "model": "starter-sd", "prompt": "a (red:1.2) star", "negative_prompt": "blue", "seed": 5,
    "steps": 12, "guidance_scale": 6.5, "sampler": "DDIM", "schedule": "Trailing", "width": 128, "height": 128,
    "guidance_rescale": 0.7, "eta": 0.4, "variation_seed": 9, "variation_strength": 0.25, "clip_skip": 2,
}  # fmt: skip
UNSET = {"rescale": 0, "eta": 0, "variation_seed": None, "variation_strength": 0, "clip_skip": 1}


def taken(record: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    return filled(record, load_catalog(), [("128", "128x128")])


def test_every_setting_reaches_its_control():
    values, said = taken(FOUND)
    assert not said
    assert values["models"] == ["starter-sd"]
    assert (values["prompt"], values["negative"], values["seed"], values["fresh"]) == (
        "a (red:1.2) star", "blue", 5, False
    )  # fmt: skip
    assert (values["steps"], values["guidance"], values["sampler"], values["own"]) == (12, 6.5, "DDIM", False)
    assert {k: values[k] for k in UNSET} == {
        "rescale": 0.7, "eta": 0.4, "variation_seed": 9, "variation_strength": 0.25, "clip_skip": 2
    }  # fmt: skip


def test_what_a_picture_does_not_say_goes_back_to_what_changes_nothing():
    values, said = taken({k: v for k, v in FOUND.items() if k not in ("guidance_rescale", "eta", "clip_skip")})
    assert not said
    assert (values["rescale"], values["eta"], values["clip_skip"]) == (0, 0, 1)
    values, _ = taken({"prompt": "a star", "variation_seed": 3})  # a seed without a strength varies nothing
    assert {k: values[k] for k in UNSET} == UNSET


@pytest.mark.parametrize(("key", "value"), [("eta", 3.0), ("clip_skip", 40), ("variation_seed", -5), ("eta", True)])
def test_what_the_form_cannot_take_is_said(key, value):
    values, said = taken(FOUND | {key: value})
    assert values[key] == UNSET[key]
    assert any(key in sentence for sentence in said)
