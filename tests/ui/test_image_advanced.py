"""What the advanced fold asks for: nothing at its defaults, and eta only from a sampler that the page lets have it."""

from __future__ import annotations

import pytest

from playground.ui.image_advanced import advanced

NOTHING = {"guidance_rescale": 0.0, "eta": None, "variation_seed": None, "variation_strength": 0.0, "clip_skip": 1}


def test_the_defaults_ask_for_nothing():
    assert advanced(False, "DDIM", 0, 0, None, 0, 1) == NOTHING


@pytest.mark.parametrize(
    ("own", "sampler", "asked"), [(False, "DDIM", 0.4), (True, "DDIM", None), (False, "LMS", None)]
)
def test_eta_is_asked_for_only_where_it_can_be_moved(own, sampler, asked):
    assert advanced(own, sampler, 0, 0.4, None, 0, 1)["eta"] == asked


def test_a_variation_seed_is_a_whole_number():
    assert advanced(True, "LMS", 0.5, 0, 3.0, 0.2, 2) == NOTHING | {
        "guidance_rescale": 0.5, "variation_seed": 3, "variation_strength": 0.2, "clip_skip": 2
    }  # fmt: skip
