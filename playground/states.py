"""What an engine says of itself: each card as it sees it, and what runs where. Plain values alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["ready", "loading", "not loaded", "unavailable"]


@dataclass(frozen=True)
class ModelState:
    """One card as this engine sees it. `bytes` is None until measured; `reason` says why it is unavailable.

    `tier`: "device" or "ram" where its weights lie now. `working_bytes`: what its running requests have reserved beside
    the weights. `idle_s`: seconds since its last request ended. `quantization`: what the weights were turned into.
    `on_disk`: whether it can be loaded without fetching anything. `runtime`: what runs it where that is not torch.
    `leaves_machine`: text that is sent to this model leaves this machine.
    """

    id: str
    kind: Literal["chat", "image", "clip"]
    state: State
    licence: str = ""
    parameters: int | None = None
    bytes: int | None = None
    device: str = ""
    dtype: str = ""
    reason: str = ""
    users: int = 0
    idle_s: float | None = None
    pinned: bool = False
    tier: str = ""
    working_bytes: int = 0
    quantization: str = ""
    on_disk: bool = True
    runtime: str = ""
    leaves_machine: bool = False


@dataclass(frozen=True)
class Health:
    """What runs where: `budget_bytes` and `used_bytes` of the model pool; `running` and `waiting` requests."""

    ok: bool
    device: str = ""
    cores: int = 0
    dtype: str = ""
    budget_bytes: int = 0
    used_bytes: int = 0
    running: int = 0
    waiting: int = 0
    versions: dict[str, str] = field(default_factory=dict)
