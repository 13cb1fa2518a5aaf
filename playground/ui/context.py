"""What every tab and every API function is handed: settings, cards, the engine and the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.catalog import Catalog
from playground.protocol import Engine
from playground.settings import Settings

if TYPE_CHECKING:
    from playground.store import Store


@dataclass(frozen=True)
class AppContext:
    """`store` opens the database on its first call, so that the page does not wait for SQLAlchemy."""

    settings: Settings
    catalog: Catalog
    engine: Engine
    store: Callable[[], Store]
