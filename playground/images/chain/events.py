"""What a chain says while it runs: one record for each kind of thing. Steps count from 1, pictures from 0."""

from __future__ import annotations

from dataclasses import dataclass

from playground.images.chain.document import Chain
from playground.protocol import Event, Failed


@dataclass(frozen=True)
class Begun:
    """The chain runs; `chain` has its seeds filled in, so that it makes the same pictures again."""

    chain: Chain
    pictures: int


@dataclass(frozen=True)
class StepBegun:
    """A step begins with so many pictures; a Generate step with as many as it is to make."""

    step: int
    do: str
    pictures: int


@dataclass(frozen=True)
class Progress:
    """An event of the engine while it works on one picture: Queued, Loading, Step or Notice."""

    step: int
    picture: int
    event: Event


@dataclass(frozen=True)
class Made:
    """A picture as a file that carries its settings and the chain.

    `kept`: whether it belongs into the gallery: a model made it, a Save step names it, or it is what comes out at the
    end. `seconds` are those of this step on this picture.
    """

    step: int
    do: str
    picture: int
    name: str
    data: bytes
    form: str
    width: int
    height: int
    model: str
    prompt: str
    seed: int | None
    parameters: str
    seconds: float
    kept: bool


@dataclass(frozen=True)
class StepFailed:
    """A step failed on a picture, which goes no further; step 0 is reading it. The others go on."""

    step: int
    do: str
    picture: int
    name: str
    failed: Failed


@dataclass(frozen=True)
class Ended:
    """The end: how many pictures came through to it, how many did not, and whether the user stopped."""

    through: int
    failed: int
    seconds: float
    stopped: bool


ChainEvent = Begun | StepBegun | Progress | Made | StepFailed | Ended
