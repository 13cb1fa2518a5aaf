"""The tiny models, made once."""

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
    """Tiny models lose more to threads waiting for each other than they gain."""
    torch.set_num_threads(1)
