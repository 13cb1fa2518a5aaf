"""Which files of a hub repository a card needs, and in which order. Looks at names and sizes, fetches nothing.

Only JSON, tokenizers and safetensors are taken, for GGUF and ONNX cards theirs; never pickles, never code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.checks import variant_of
from playground.models.hub_errors import Repo, no_such_file
from playground.models.sizes import ADAPTERS, SKIPPED, STEMS

CONFIGS = re.compile(r"^([\w.-]+/)?[\w.-]+\.(json|txt|model|jinja)$")
WEIGHTS = re.compile(r"^([\w.-]+/)?(model|diffusion_pytorch_model)([.-][\w.-]+)?\.safetensors$")
ONNX = re.compile(r"\.(onnx|onnx[._]data|json|txt|model|jinja)$")
SHARD = re.compile(r"-\d{5}-of-(\d{5})")
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
TEMPLATES = "additional_chat_templates/"
LAST = "genai_config.json"


@dataclass(frozen=True)
class HubFile:
    """One file as the hub lists it. `etag` names its contents: their SHA-256, or git's SHA-1 where it is in git."""

    name: str
    bytes: int
    etag: str

    @property
    def has_sha256(self) -> bool:
        return len(self.etag) == 64


@dataclass(frozen=True)
class Choice:
    """What to fetch: `first` tells whether the rest may be loaded at all; `last` marks that everything is here."""

    first: tuple[HubFile, ...]
    then: tuple[HubFile, ...]
    last: tuple[HubFile, ...] = ()

    @property
    def files(self) -> tuple[HubFile, ...]:
        return self.first + self.then + self.last


def choose_files(
    card: ModelCard, files: Sequence[HubFile], dtype: str, components: Collection[str] | None = None
) -> Choice:
    """The files that `card` needs to be loaded as `dtype`.

    Args:
        components: the folders that a `model_index.json` names; None where it is not known.

    Raises:
        ModelUnavailable: the repository lacks them, or has them only as pickles.
    """
    by_name = {f.name: f for f in files}
    if card.format in ("single-file", "gguf"):
        return Choice((), tuple(_parts(card, by_name)))
    if card.format == "onnx":
        return _onnx(card, files)
    if components is not None and card.kind == "image":
        wanted = frozenset(components) - SKIPPED
        by_name = {n: f for n, f in by_name.items() if "/" not in n or n.partition("/")[0] in wanted}
    weights = choose_weights(card, by_name, dtype)
    indexes = _indexes(card, by_name, weights)
    configs = [n for n in by_name if _is_config(card, n) and (".index." not in n or n in indexes)]
    if card.kind == "chat":
        configs += [f"{a}/adapter_config.json" for a in ADAPTERS if f"{a}/adapter_config.json" in by_name]
        weights += [f"{a}/adapter_model.safetensors" for a in ADAPTERS if f"{a}/adapter_model.safetensors" in by_name]
    return Choice(tuple(by_name[n] for n in configs), tuple(by_name[n] for n in weights))


def choose_weights(card: ModelCard, names: Iterable[str], dtype: str) -> list[str]:
    """The safetensors files to fetch: per folder the 16-bit variant for a 16-bit load, else the plain files.

    Raises:
        ModelUnavailable: the repository has no safetensors in the layout of transformers or diffusers.
    """
    names = list(names)
    found = [n for n in names if WEIGHTS.match(n) and n.partition("/")[0] not in SKIPPED]
    is_image = card.kind == "image"
    found = [n for n in found if ("/" in n) == is_image]
    chosen: list[str] = []
    for folder in dict.fromkeys(n.rpartition("/")[0] for n in found):
        here = [n for n in found if n.rpartition("/")[0] == folder]
        half = [n for n in here if variant_of(n) == "fp16"]
        plain = [n for n in here if variant_of(n) == ""]
        chosen += _once(half if half and (dtype in ("float16", "bfloat16") or not plain) else plain)
    if chosen:
        return chosen
    pickled = next((n for n in names if n.endswith(PICKLES)), None)
    if pickled:
        raise ModelUnavailable(
            f"{card.name} is published only as pickled weights ({pickled}), which can run code.",
            "Choose a model or a revision with safetensors.",
        )
    raise ModelUnavailable(f"{card.name}: {card.source} holds no safetensors weights.", "Correct the card's source.")


def gguf_parts(file: str) -> list[str]:
    """The names of all parts of a split GGUF file, of which `file` is one; `file` alone where it is whole."""
    match = SHARD.search(file)
    if match is None:
        return [file]
    count = match.group(1)
    return [f"{file[: match.start()]}-{i:05d}-of-{count}{file[match.end() :]}" for i in range(1, int(count) + 1)]


def _once(names: list[str]) -> list[str]:
    """One folder's weights by the first name that a loader looks for, whole rather than in shards."""
    for stem in STEMS:
        stemmed = [n for n in names if n.rpartition("/")[2].startswith(stem)]
        if stemmed:
            return [n for n in stemmed if not SHARD.search(n)] or stemmed
    return names


def _indexes(card: ModelCard, names: Collection[str], weights: list[str]) -> set[str]:
    """The indexes of the chosen shards; without one a loader finds no weights, and that shows before they come."""
    found: set[str] = set()
    for weight in weights:
        if not SHARD.search(weight):
            continue
        folder, slash, file = weight.rpartition("/")
        stem, variant = next(s for s in STEMS if file.startswith(s)), variant_of(file)
        dotted = f".{variant}" if variant else ""
        here = {
            f"{folder}{slash}{stem}.safetensors.index{dotted}.json",
            f"{folder}{slash}{stem}.safetensors{dotted}.index.json",
        }.intersection(names)
        if not here:
            raise ModelUnavailable(
                f"{card.name}: {card.source} has {weight} and no index of its shards.", "Choose another revision."
            )
        found |= here
    return found


def _is_config(card: ModelCard, name: str) -> bool:
    return bool(CONFIGS.match(name)) and (card.kind == "image" or "/" not in name or name.startswith(TEMPLATES))


def _parts(card: ModelCard, by_name: dict[str, HubFile]) -> list[HubFile]:
    names = gguf_parts(card.file) if card.format == "gguf" else [card.file]
    for name in names:
        if name not in by_name:
            raise no_such_file(Repo.of(card), name)
    return [by_name[n] for n in names]


def _onnx(card: ModelCard, files: Sequence[HubFile]) -> Choice:
    folder = f"{card.file.strip('/')}/" if card.file.strip("/") else ""
    here = [f for f in files if f.name.startswith(folder) and ONNX.search(f.name)]
    if not folder:
        here = [f for f in here if "/" not in f.name]
    last = tuple(f for f in here if f.name == f"{folder}{LAST}")
    if not last:
        raise no_such_file(Repo.of(card), f"{folder}{LAST}")
    graphs = (".onnx", ".onnx.data", ".onnx_data")
    return Choice(
        tuple(f for f in here if not f.name.endswith(graphs) and f not in last),
        tuple(f for f in here if f.name.endswith(graphs)),
        last,
    )
