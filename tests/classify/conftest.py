"""Tiny models on one thread."""

from __future__ import annotations

import pytest
import torch

from playground.models.loaded import LoadedText
from tests.chat.tiny import loaded


@pytest.fixture(scope="session", params=["phi3", "mistral"])
def tiny(request: pytest.FixtureRequest) -> LoadedText:
    return loaded(request.param)


@pytest.fixture(scope="session")
def tiny_phi() -> LoadedText:
    return loaded("phi3")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
