"""The records of the model pool: its keys, entries and waiters, and what it tells of itself. No behaviour, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import ref

from playground.catalog import Kind, ModelCard
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from playground.models.kept import KeptCaches

Tier = Literal["device", "ram"]
Progress = Callable[[float | None, str], None]  # fraction 0 to 1 or None, and a short text
EventKind = Literal["hit", "miss", "loaded", "moved", "evicted", "failed", "leaked"]


@dataclass(frozen=True)
class Key:
    """What makes two leases the same weights: cards that name one source share one entry."""

    source: str
    revision: str
    kind: Kind
    dtype: str
    quantization: str | None = None
    file: str = ""
    staged: bool = False


@dataclass(frozen=True)
class Job:
    """What a loader and a sizing function are told. `progress` and `cancel` speak for everybody who waits.

    `staged`: the model's parts take turns on the device, so that only the largest counts.
    """

    card: ModelCard
    dtype: str
    quantization: str | None
    progress: Progress
    cancel: CancelToken
    staged: bool = False


class Loader(Protocol):
    """Makes a model. What it returns has `card` and, where it differs from the announced size, `bytes`."""

    def __call__(self, job: Job) -> Any: ...


class Sizer(Protocol):
    """Bytes of a model's weights before they are read; may fetch files first."""

    def __call__(self, job: Job) -> int: ...


@dataclass(frozen=True)
class PoolEvent:
    """Something happened to a model. `bytes` are its weights, `seconds` what it took (0 where it takes none)."""

    kind: EventKind
    card: str
    bytes: int = 0
    seconds: float = 0.0
    tier: Tier = "device"
    text: str = ""


@dataclass(frozen=True)
class PoolState:
    """One entry as the Models tab shows it; `idle_s` are seconds since its last lease ended, 0 while it is in use.

    `runtime` names what runs it where that is not torch: "llama.cpp".
    """

    cards: tuple[str, ...]
    state: str
    bytes: int
    dtype: str
    quantization: str | None
    users: int
    idle_s: float
    pinned: bool = False
    working: int = 0
    runtime: str = ""


@dataclass(frozen=True)
class PoolStats:
    """Counts since the start and bytes now.

    `load_s` and `move_s` sum the seconds of all loads and moves, `moved_bytes` what was moved between device and RAM;
    `kept_bytes` are caches of conversations that have ended for now; `leaked_bytes` wait to be freed.
    """

    hits: int
    misses: int
    evictions: int
    loads: int
    failures: int
    load_s: float
    moves: int
    moved_bytes: int
    move_s: float
    used_bytes: int
    weight_bytes: int
    working_bytes: int
    kept_bytes: int
    leaked_bytes: int
    budget_bytes: int
    ram_used_bytes: int
    ram_bytes: int


@dataclass(eq=False)
class Ask:
    """One caller who wants, or has, a lease."""

    card: ModelCard
    key: Key
    working: int
    exclusive: bool
    progress: Progress | None
    cancel: CancelToken
    wait: bool = True
    entry: Entry | None = None
    leased: bool = False


@dataclass(eq=False)
class Entry:
    """One set of weights. `bytes` counts on the device, `ram` in the RAM tier; `size` is what they take anywhere.

    States: "loading" (on its way to the device), "ready", "leaving" (on its way out), "ram", "gone". A stale entry is
    handed to nobody any more and leaves with its last lease.
    """

    key: Key
    leader: Ask
    state: Literal["loading", "ready", "leaving", "ram", "gone"] = "loading"
    size: int = 0
    bytes: int = 0
    ram: int = 0
    loaded: Any = None
    pins: int = 0
    exclusive: bool = False
    stale: bool = False
    asks: list[Ask] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)  # id to name
    cancel: CancelToken = field(default_factory=CancelToken)
    error: BaseException | None = None
    last_used: float = 0.0

    @property
    def name(self) -> str:
        return " / ".join(self.cards.values())

    @property
    def kept(self) -> KeptCaches | None:
        """The caches that the loaded model keeps for a next turn, where it is one that does."""
        return getattr(self.loaded, "kept", None)


@dataclass(eq=False)
class Ticket:
    """A place in the queue of those who wait for memory, or for a model to themselves."""

    since: float
    key: Key | None
    wants_room: bool


@dataclass(eq=False)
class Leak:
    """Weights that were dropped here while somebody still refers to them."""

    name: str
    bytes: int
    parts: tuple[ref[Any], ...]

    @property
    def alive(self) -> bool:
        return any(part() is not None for part in self.parts)


def weight_parts(loaded: Any) -> tuple[ref[Any], ...]:
    """Weak references to what carries a model's weights: `model`, and the modules among `components`."""
    parts = [getattr(loaded, "model", None), *getattr(loaded, "components", {}).values()]
    return tuple(ref(p) for p in parts if p is not None and hasattr(p, "parameters"))
