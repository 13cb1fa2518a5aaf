"""Which models a battle draws."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from playground.catalog import load_catalog
from playground.errors import InvalidRequest
from playground.protocol import ModelState
from playground.settings import Settings
from playground.ui.api_battles import two_models
from playground.ui.context import AppContext
from tests.scripted import ScriptedEngine


class OnDisk(ScriptedEngine):
    """All cards can run; only these lie on the disk."""

    here: tuple[str, ...] = ()

    async def models(self) -> list[ModelState]:
        return [replace(s, state="not loaded", on_disk=s.id in self.here) for s in await super().models()]


@pytest.fixture
def context(tmp_path: Path) -> AppContext:
    catalog = load_catalog()
    return AppContext(
        Settings(data_dir=tmp_path), catalog, OnDisk(catalog), lambda: pytest.fail("no database is needed")
    )


def test_nothing_is_fetched_for_a_battle(context: AppContext) -> None:
    context.engine.here = ("starter-phi", "starter-mistral", "starter-sd")  # type: ignore[attr-defined]
    for _ in range(10):
        assert set(asyncio.run(two_models(context, "chat"))) == {"starter-phi", "starter-mistral"}


def test_one_model_is_no_battle(context: AppContext) -> None:
    context.engine.here = ("starter-phi",)  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="needs two models of kind chat; 1"):
        asyncio.run(two_models(context, "chat"))
