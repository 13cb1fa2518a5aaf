"""What a batch is asked, and what comes of it. Plain records; a spec's hash says whether two batches are the same.

Everything that an answer depends on stands in the spec, also each item's seed, so that a batch that was cut and
resumed gives the same rows as one that ran through.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, Message

MOST_MODELS = 8
MAX_SEED = 2**31 - 1  # of a batch; an item's own goes up to 2**53 - 1
MATCHES = ("contains", "exact", "number")
Groups = tuple[tuple[int, ...], ...]  # items by their index, each in one group; the first of a group stands for it


@dataclass(frozen=True)
class Item:
    """One prompt. `line`: where it stood in the input, from 1; `varying`: what sets it apart from the others.

    `truth` is the right answer; empty where none is given.
    """

    index: int
    line: int
    prompt: str
    truth: str = ""
    varying: str = ""


@dataclass(frozen=True)
class Spec:
    """A whole batch. Every item goes to every model.

    `prefix`: a system prompt or a document that all prompts share. `head`: characters that every prompt begins with.
    `match`: how an answer is compared with the truth. With `groups`, `reasoner` thinks once about the first item of
    each, and its thought is given to all items of the group.
    """

    models: tuple[str, ...]
    items: tuple[Item, ...]
    prefix: str = ""
    head: int = 0
    seed: int = 0
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    reasoning_effort: str | None = None
    match: str = "contains"
    groups: Groups = ()
    reasoner: str = ""

    @property
    def hash(self) -> str:
        """SHA-256 of everything in it, in hexadecimal."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()

    @property
    def total(self) -> int:
        """How many answers it asks for."""
        return len(self.items) * len(self.models)

    @property
    def plain(self) -> Spec:
        """The same batch thought about one by one."""
        return replace(self, groups=(), reasoner="")

    def seed_of(self, item: Item) -> int:
        """The seed of one item, the same for every model: of the batch's seed, the item's place and its prompt."""
        text = f"{self.seed}\n{item.index}\n{item.prompt}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11  # exact in JSON

    def group_of(self) -> dict[int, int]:
        """The group of each item by its index; empty without groups."""
        return {index: number for number, group in enumerate(self.groups) for index in group}

    def request(self, model: str, item: Item, owner: str) -> ChatRequest:
        """The question to one model, saying what of it all others share."""
        system = (Message("system", self.prefix),) if self.prefix else ()
        return ChatRequest(
            model=model,
            messages=(*system, Message("user", item.prompt)),
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed_of(item),
            reasoning_effort=self.reasoning_effort,
            owner=owner,
            shared_characters=len(self.prefix) + self.head,
        )


@dataclass(frozen=True)
class Row:
    """One answer, or the error in its place. Tokens and seconds are None where the engine did not tell.

    `right`: whether the answer fits the truth; None without one. `group`: whose thought it was given.
    """

    index: int
    model: str
    answer: str = ""
    reasoning: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    seconds: float | None = None
    stop_reason: str = ""
    seed: int | None = None
    right: bool | None = None
    group: int | None = None
    error: str = ""
    hint: str = ""
    code: str = ""


@dataclass(frozen=True)
class Thought:
    """What the reasoner thought about the first item of a group, or the error in its place."""

    group: int
    model: str
    text: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    error: str = ""
    hint: str = ""
    code: str = ""


def checked(spec: Spec) -> Spec:
    """The same spec with a blank prefix as none.

    Raises:
        InvalidRequest: no models or items, one of them twice, or a seed, a match or groups that cannot be.
    """
    if not 1 <= len(spec.models) <= MOST_MODELS or len(set(spec.models)) != len(spec.models):
        raise InvalidRequest(
            f"A batch takes 1 to {MOST_MODELS} different models, got {len(spec.models)}.", "Choose some."
        )
    if not spec.items:
        raise InvalidRequest("The batch has no prompts.", "Paste some, one a line, or upload a file.")
    if [item.index for item in spec.items] != list(range(len(spec.items))):
        raise InvalidRequest("The prompts of a batch are not numbered from 0 on.", "Read the input again.")
    if not isinstance(spec.seed, int) or isinstance(spec.seed, bool) or not 0 <= spec.seed <= MAX_SEED:
        raise InvalidRequest(f"seed must be a whole number from 0 to {MAX_SEED}, got {spec.seed!r}.")
    if spec.match not in MATCHES:
        raise InvalidRequest(f"match must be one of {', '.join(MATCHES)}, got {spec.match!r}.")
    if spec.groups and not spec.reasoner:
        raise InvalidRequest("Reasoning once needs a model that thinks, and none is named.", "Choose one.")
    if spec.groups and sorted(index for group in spec.groups for index in group) != list(range(len(spec.items))):
        raise InvalidRequest("The groups do not hold every prompt once.", "Group the prompts again.")
    if any(not group for group in spec.groups):
        raise InvalidRequest("A group has no prompts.", "Group the prompts again.")
    return spec if spec.prefix.strip() or not spec.prefix else replace(spec, prefix="")


def fresh_seed() -> int:
    """A seed for a batch that names none."""
    return secrets.randbelow(MAX_SEED)


def to_json(record: Spec | Row | Thought) -> str:
    """The record as JSON with its fields in their order."""
    return json.dumps(asdict(record), ensure_ascii=False, allow_nan=False)


def spec_from(text: str) -> Spec:
    """The spec that `to_json` wrote; fields that a later version added are left out."""
    found = _known(Spec, json.loads(text))
    found["models"] = tuple(found["models"])
    found["items"] = tuple(Item(**_known(Item, item)) for item in found["items"])
    found["groups"] = tuple(tuple(group) for group in found["groups"])
    return Spec(**found)


def row_from(text: str) -> Row:
    """The row that `to_json` wrote."""
    return Row(**_known(Row, json.loads(text)))


def thought_from(text: str) -> Thought:
    """The thought that `to_json` wrote."""
    return Thought(**_known(Thought, json.loads(text)))


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
