"""Model cards: what can be tried, under which licence, with which claims: `assets/catalog.toml` and the user's own.

Knows facts about models, nothing about running them. A malformed card names its file, card and field.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from playground.errors import PlaygroundError, UnknownModel
from playground.sources import Price, Source
from playground.whole_files import write_whole

ASSETS = Path(__file__).resolve().parent.parent / "assets"

Kind = Literal["chat", "image", "clip"]
Backend = Literal["local", "openai"]
Format = Literal["folder", "single-file", "gguf", "onnx"]
ONE_FILE = {"single-file": ".safetensors", "gguf": ".gguf"}  # formats that are one file, with its ending
MAX_SHOWN = 100  # characters of an unknown id that an error repeats


class Published(BaseModel):
    """A figure that somebody else published; shown apart from what was measured here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float
    unit: str = ""
    source: str
    note: str = ""


class Build(BaseModel):
    """The same model in another form, for llama.cpp, ONNX Runtime or a browser: what it weighs and where it is.

    `file` is the file or subfolder in `source`; `bytes` is what has to be fetched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    format: Literal["gguf", "onnx", "browser"]
    bytes: int = Field(gt=0)
    source: str
    file: str = ""
    note: str = ""


class Defaults(BaseModel):
    """Where the sliders start. Unset fields take the app's own defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(default=None, ge=1, le=150)
    guidance_scale: float | None = Field(default=None, ge=0, le=30)
    width: int | None = Field(default=None, ge=64, le=4096)
    height: int | None = Field(default=None, ge=64, le=4096)
    sampler: str | None = None
    schedule: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_new_tokens: int | None = Field(default=None, ge=1)


class ModelCard(BaseModel):
    """One model.

    `source` is a folder below assets/ (`starter/starter-sd`), an absolute or `~` folder, a hub id (`microsoft/phi-4`)
    or, for API cards, the model's name there; the path of one file names its folder
    and `file`. `revision` is a commit hash only where it is known from a source.
    `format` says how the weights lie there: "folder" is the libraries' own layout, whole; "single-file" is a Stable
    Diffusion checkpoint and "gguf" a text model, both in `file`; "onnx" is a text model of onnxruntime-genai, in the
    subfolder `file`. `quantization` ("int8", "int4", …) is what the weights are turned into while loading.
    `parameters` counts weights; `context` is in tokens, `native_size` in pixels; `memory` maps dtype to bytes.
    `gated` means: its licence must be accepted on the hub first, with a token.
    `sources` lists other places that serve the same model; each becomes a card `id@name` with that place as `origin`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*(@[a-z0-9][a-z0-9._-]*)?$")
    name: str = Field(min_length=1)
    kind: Kind
    source: str = Field(min_length=1)
    revision: str = "main"
    backend: Backend = "local"
    format: Format = "folder"
    file: str = ""
    quantization: str | None = None
    model_class: str = ""
    parameters: int | None = Field(default=None, gt=0)
    context: int | None = Field(default=None, gt=0)
    native_size: int | None = Field(default=None, gt=0)
    licence: str = Field(min_length=1)
    licence_url: str = ""
    gated: bool = False
    base_url: str = ""
    origin: Source | None = None
    sources: tuple[Source, ...] = ()
    price: Price | None = None
    published: tuple[Published, ...] = ()
    builds: tuple[Build, ...] = ()
    memory: Mapping[str, int] = Field(default_factory=dict)
    kv_bytes_per_token: int | None = Field(default=None, gt=0)
    defaults: Defaults = Defaults()
    capabilities: tuple[str, ...] = ()
    summary: str = ""
    warning: str = ""

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_file(cls, given: Any) -> Any:
        """Takes the path of one file as a source: its folder is the source then, and its ending says the format."""
        if not isinstance(given, dict) or given.get("file") or given.get("format"):
            return given
        folder, _, file = str(given.get("source", "")).rpartition("/")
        kind = next((kind for kind, ending in ONE_FILE.items() if file.endswith(ending)), None)
        if kind is None or not folder.startswith(("/", "~")):
            return given
        return {**given, "source": folder, "file": file, "format": kind}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ModelCard:
        if self.backend == "openai" and self.kind != "chat":
            raise ValueError("backend openai serves chat cards only")
        if self.origin is not None and self.backend != "openai":
            raise ValueError("origin belongs to backend openai")
        if self.sources and self.kind != "chat":
            raise ValueError("sources serve chat cards only")
        if len({source.name for source in self.sources}) < len(self.sources):
            raise ValueError("two sources have the same name")
        ending = ONE_FILE.get(self.format, "")
        if ending and not self.file.endswith(ending):
            raise ValueError(f"format {self.format} needs a file that ends in {ending}, got {self.file!r}")
        wanted = {"single-file": "image", "gguf": "chat", "onnx": "chat"}.get(self.format, self.kind)
        if self.kind != wanted:
            raise ValueError(f"format {self.format} serves {wanted} cards only")
        if self.format == "folder" and self.file:
            raise ValueError("format folder takes no file")
        if self.file.startswith(("/", "~")) or ".." in self.file.split("/"):
            raise ValueError(f"file must lie inside source, got {self.file!r}")
        return self

    @property
    def folder(self) -> Path | None:
        """The local folder that `source` names, or None for a hub id or an API model."""
        if self.backend == "openai":
            return None
        path = Path(self.source).expanduser()
        if path.is_absolute():
            return path
        shipped = ASSETS / path
        return shipped if self.source.startswith("starter/") else None

    @property
    def shipped(self) -> bool:
        """Whether the weights come with the app."""
        return self.folder is not None and self.source.startswith("starter/")

    def can(self, capability: str) -> bool:
        return capability in self.capabilities

    def at(self, source: Source) -> ModelCard:
        """This model as `source` serves it: a card of its own, so that two sources can stand side by side."""
        return ModelCard(
            id=f"{self.id}@{source.name}",
            name=f"{self.name} at {source.name}",
            kind=self.kind,
            source=source.model or self.source,
            backend="openai",
            origin=source,
            context=self.context,
            parameters=self.parameters,
            licence=self.licence,
            licence_url=self.licence_url,
            price=source.price,
            published=self.published,
            defaults=self.defaults,
            capabilities=self.capabilities if source.capabilities is None else source.capabilities,
            summary=self.summary,
            warning=source.note,
        )


class Catalog:
    """All cards by id, in the order of their files.

    Cards that a user adds while the app runs come last and are kept in `added`, a file in the same form.
    """

    def __init__(self, cards: Mapping[str, ModelCard], added: Path | None = None) -> None:
        self._cards = dict(cards)
        self._added = added
        self._own = set(read_cards(added)) & set(cards) if added is not None and added.exists() else set()

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(list(self._cards.values()))  # cards may come and go while somebody looks through them

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, card_id: object) -> bool:
        return card_id in self._cards

    def __getitem__(self, card_id: str) -> ModelCard:
        """The card, or UnknownModel with the closest ids."""
        if isinstance(card_id, str) and card_id in self._cards:
            return self._cards[card_id]
        from difflib import get_close_matches

        asked = str(card_id)[:MAX_SHOWN]  # it comes from requests, and comparing takes longer with every character
        near = get_close_matches(asked, self._cards, n=3, cutoff=0.4) or list(self._cards)[:3]
        raise UnknownModel(f"There is no model {asked!r}.", f"Try {', '.join(near)}.")

    def add(self, card: ModelCard) -> None:
        """Adds a user's card and keeps it for the next start.

        Raises:
            PlaygroundError: its id is taken, or the file cannot be written.
        """
        if card.id in self._cards:
            raise PlaygroundError(f"There is a model {card.id!r} already.", "Use that one, or choose another id.")
        self._keep([*(self._cards[i] for i in self._own), card])
        self._cards = self._cards | {card.id: card}
        self._own.add(card.id)

    def remove(self, card_id: str) -> None:
        """Forgets a card that a user added; its files stay where they are.

        Raises:
            PlaygroundError: there is no such card, or it was not added by a user.
        """
        if not self.is_own(card_id):
            raise PlaygroundError(f"{self[card_id].name} comes with the app, so it stays.", "Remove added models only.")
        self._keep([self._cards[i] for i in self._own if i != card_id])
        self._cards = {i: card for i, card in self._cards.items() if i != card_id}
        self._own.discard(card_id)

    def is_own(self, card_id: str) -> bool:
        """Whether a user added this card."""
        return card_id in self._own

    def _keep(self, cards: Sequence[ModelCard]) -> None:
        if self._added is None:
            return
        text = "\n".join(card_as_toml(card) for card in sorted(cards, key=lambda card: card.id))
        try:
            write_whole(self._added, text.encode())
        except OSError as error:
            raise PlaygroundError(
                f"The card cannot be kept: {error.strerror}.", "Check the data folder's space and rights."
            ) from None

    def of_kind(self, kind: Kind) -> list[ModelCard]:
        return [card for card in self if card.kind == kind]

    def only(self, ids: tuple[str, ...]) -> Catalog:
        """The catalog cut down to these ids, in this order; clip models stay, since scores need them."""
        if not ids:
            return self
        kept = {i: self[i] for i in ids}
        return Catalog(kept | {c.id: c for c in self if c.kind == "clip"}, self._added)


def load_catalog(own: Path | None = None, added: Path | None = None) -> Catalog:
    """The built-in catalog, after it the user's own file, whose cards replace built-in ones of the same id, and last
    the cards that were added in the app, kept in `added`.

    Raises:
        PlaygroundError: a file cannot be read or a card is malformed; names file, card and field.
    """
    cards = read_cards(ASSETS / "catalog.toml")
    if own is not None:
        cards |= read_cards(own)
    if added is not None and added.exists():
        cards |= {i: card for i, card in read_cards(added).items() if i not in cards}
    return Catalog(with_sources(cards), added)


def with_sources(cards: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    """The cards, each followed by one card a source; a card that is written out under that id wins."""
    found: dict[str, ModelCard] = {}
    for card in cards.values():
        found[card.id] = card
        found |= {at.id: at for at in map(card.at, card.sources) if at.id not in cards}
    return found


def card_as_toml(card: ModelCard) -> str:
    """A card as a [[card]] table with the fields that differ from their defaults; read_cards reads it back."""
    fields = card.model_dump(mode="json", exclude_defaults=True)
    return "\n".join(["[[card]]", *(f"{name} = {_toml(value)}" for name, value in fields.items())]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items() if one is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike in both


def read_cards(path: Path) -> dict[str, ModelCard]:
    """The cards of one TOML file, as `[[card]]` tables, by id."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlaygroundError(
            f"The catalog {path} cannot be read: {error}.", "Check the file's name and syntax."
        ) from None
    rows = table.pop("card", [])
    if table or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PlaygroundError(
            f"The catalog {path} may hold [[card]] tables only.", "Put every model in a [[card]] table."
        )
    cards: dict[str, ModelCard] = {}
    for number, row in enumerate(rows, 1):
        try:
            card = ModelCard.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "card"
            raise PlaygroundError(
                f"{path}: card {row.get('id', number)!r}, field {field}: {first['msg']}.", "Correct it and start again."
            ) from None
        if card.id in cards:
            raise PlaygroundError(f"{path}: card {card.id!r} stands there twice.", "Give each card an id of its own.")
        cards[card.id] = card
    return cards
