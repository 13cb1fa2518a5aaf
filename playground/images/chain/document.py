"""A chain as a versioned JSON document: read strictly, written whole. Knows steps, no models and no pictures.

`{"chain": 1, "name": "…", "steps": [{"do": "generate", "prompt": "…"}, {"do": "upscale", "factor": 2.0}]}`
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from playground.errors import InvalidRequest
from playground.images.chain.settings import read
from playground.images.chain.steps import STEPS, Generate, Step, settings_of

VERSION = 1
MOST_STEPS = 20
MOST_NAME = 80
MOST_CHARACTERS = 150_000  # of the JSON, which travels in every picture's file


@dataclass(frozen=True)
class Chain:
    """The steps in their order, at least one; `name` may be empty."""

    steps: tuple[Step, ...]
    name: str = ""

    @property
    def begins_with_pictures(self) -> bool:
        """Whether it needs pictures to begin with."""
        return not isinstance(self.steps[0], Generate)


def parse(document: Any) -> Chain:
    """A chain from its JSON, as text or as an object.

    Raises:
        InvalidRequest: it is no chain of a known version, or a step has an unknown or wrong value; the sentence has the
            step's number and name.
    """
    if isinstance(document, str):
        document = _object(document)
    if not isinstance(document, dict) or "chain" not in document:
        raise InvalidRequest("This is no chain.", 'A chain is a JSON object with "chain": 1 and "steps".')
    if document["chain"] != VERSION or isinstance(document["chain"], bool):
        raise InvalidRequest(f"The chain has version {str(document['chain'])[:20]}; this app reads {VERSION}.")
    _known(document, ("chain", "name", "steps"), "The chain")
    name, steps = document.get("name", ""), document.get("steps")
    if not isinstance(name, str) or len(name) > MOST_NAME:
        raise InvalidRequest(f"A chain's name is a text of at most {MOST_NAME} characters.", "Name it shortly.")
    if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS:
        count = len(steps) if isinstance(steps, list) else "none"
        raise InvalidRequest(f"A chain has 1 to {MOST_STEPS} steps, got {count}.", "Add a step.")
    chain = Chain(tuple(_step(number, one) for number, one in enumerate(steps, 1)), name)
    for number, step in enumerate(chain.steps[1:], 2):
        if isinstance(step, Generate):
            raise at(
                number,
                step.do,
                InvalidRequest("it makes pictures from text alone, so that it can only be the first step.", "Move it."),
            )
    if len(dumps(chain)) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"The chain has {len(dumps(chain)):,} characters; at most {MOST_CHARACTERS:,} fit into a picture's file.",
            "Use smaller masks and style pictures.",
        )
    return chain


def dump(chain: Chain) -> dict[str, Any]:
    """The chain as JSON values: every setting but those that are None."""
    return {"chain": VERSION, "name": chain.name, "steps": [_values(step) for step in chain.steps]}


def dumps(chain: Chain, indent: int | None = None) -> str:
    """The chain as JSON text."""
    return json.dumps(dump(chain), ensure_ascii=False, indent=indent, allow_nan=False)


def at(number: int, do: str, error: InvalidRequest) -> InvalidRequest:
    """The error with the number and the name of its step before it."""
    return InvalidRequest(f"Step {number} ({do.replace('_', ' ')}): {error.message}", error.hint)


def _step(number: int, given: Any) -> Step:
    do = given.get("do") if isinstance(given, dict) else None
    if not isinstance(do, str) or do not in STEPS:
        raise InvalidRequest(f"Step {number}: there is no step {str(do)[:40]!r}.", f"Use one of {', '.join(STEPS)}.")
    cls = STEPS[do]
    rules = settings_of(cls)
    try:
        _known(given, ("do", *rules), "it")
        return cls(**{name: read(name, value, rules[name]) for name, value in given.items() if name != "do"})
    except InvalidRequest as error:
        raise at(number, do, error) from None


def _known(given: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    unknown = [str(key) for key in given if key not in names]
    if unknown:
        listed = ", ".join(repr(key[:40]) for key in unknown[:5])
        raise InvalidRequest(f"{what} has no setting {listed}.", f"It has {', '.join(names)}.")


def _values(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"do": step.do}
    for name in settings_of(type(step)):
        value = getattr(step, name)
        if value is not None:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _object(text: str) -> Any:
    if len(text) > 2 * MOST_CHARACTERS:
        raise InvalidRequest(f"The text has {len(text):,} characters; no chain is that long.")
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidRequest("The text is nested too deeply to be a chain.") from None
    except ValueError as error:
        raise InvalidRequest(
            f"The text is no JSON: {str(error)[:80]}.", "Export a chain to see how one is written."
        ) from None
