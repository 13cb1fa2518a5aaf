"""The header of a GGUF file: architecture, metadata and the table of tensors. Reads no weights and needs no packages.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. Block sizes are
those of ggml's types. Every count is checked against the bytes that are there, so a hostile file ends in an error
after a bounded time, never in a large allocation.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from playground.errors import ModelUnavailable

MAGIC = b"GGUF"
# Far above real files: vocabularies have some 300,000 entries, the largest models some 3,000 tensors.
MAX_HEADER = 128 * 1024**2  # bytes up to the first tensor's data
MAX_ENTRIES = 65_536  # metadata keys, and tensors
MAX_ITEMS = 2_000_000  # strings and nested arrays within metadata arrays, in all
MAX_STRING = 16 * 1024**2
MAX_DEPTH = 4  # arrays within arrays
KEPT_ITEMS = 1_024  # a longer array is skipped and only its length kept

# Metadata value types by number, as struct codes; 8 is a string, 9 an array.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

# Tensor types by number: name, elements of a block, bytes of a block.
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip

Scalar = str | int | float | bool


@dataclass(frozen=True)
class GgufTensor:
    """One tensor; `shape` is in torch's order (rows, columns), the reverse of the file's; `type` as "Q4_K"."""

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself.

    `architecture` is "phi3", "llama" and so on; `metadata` holds the scalars and strings by their full key. Of arrays,
    `arrays` holds short ones of numbers (heads by layer) and `lengths` how many items each has (the vocabulary).
    `parameters` counts the elements of all tensors; `bytes` is what the tensors weigh, the file a little more.
    """

    architecture: str
    metadata: Mapping[str, Scalar]
    tensors: tuple[GgufTensor, ...]
    parameters: int
    bytes: int
    file_bytes: int
    arrays: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes_by_type(self) -> dict[str, int]:
        """Bytes by tensor type, the largest share first."""
        totals: dict[str, int] = {}
        for tensor in self.tensors:
            totals[tensor.type] = totals.get(tensor.type, 0) + tensor.bytes
        return dict(sorted(totals.items(), key=lambda row: -row[1]))

    @property
    def quantization(self) -> str:
        """The type that most bytes have, as "Q4_K"."""
        return next(iter(self.bytes_by_type), "")

    @property
    def context(self) -> int | None:
        """Tokens that the model was trained for, where the file says so."""
        value = self.metadata.get(f"{self.architecture}.context_length")
        return value if isinstance(value, int) else None

    @property
    def config(self) -> dict[str, Any]:
        """The shape of a text model under the names of transformers' configs, as far as the file gives it.

        `num_key_value_heads` is a list where the layers differ; `head_dim` and `v_head_dim` are those of keys and
        values.
        """
        names = {
            "num_hidden_layers": "block_count",
            "hidden_size": "embedding_length",
            "intermediate_size": "feed_forward_length",
            "num_attention_heads": "attention.head_count",
            "num_key_value_heads": "attention.head_count_kv",
            "head_dim": "attention.key_length",
            "v_head_dim": "attention.value_length",
            "sliding_window": "attention.sliding_window",
            "max_position_embeddings": "context_length",
            "vocab_size": "vocab_size",
        }
        found: dict[str, Any] = {"model_type": self.architecture}
        for name, key in names.items():
            full = f"{self.architecture}.{key}"
            if full in self.metadata:
                found[name] = self.metadata[full]
            elif full in self.arrays:
                found[name] = list(self.arrays[full])
        if "vocab_size" not in found and "tokenizer.ggml.tokens" in self.lengths:
            found["vocab_size"] = self.lengths["tokenizer.ggml.tokens"]
        return found


def read_gguf(path: Path) -> GgufHeader:
    """The header of the GGUF file at `path`; of a model split over files, that of all parts beside it.

    Raises:
        ModelUnavailable: the file cannot be read, is cut short, contradicts itself or is of an unknown version.
    """
    try:
        with path.open("rb") as file:
            first = parse_gguf(file, os.fstat(file.fileno()).st_size, path.name)
        rest = []
        for name in other_parts(first, path.name):
            part = path.with_name(name)
            with part.open("rb") as file:
                rest.append(parse_gguf(file, os.fstat(file.fileno()).st_size, name))
    except OSError as error:
        raise ModelUnavailable(
            f"{error.filename or path} cannot be read: {error.strerror}.", "Check that the file is there."
        ) from None
    return merge(first, rest)


def other_parts(first: GgufHeader, name: str) -> list[str]:
    """File names of the further parts of a split model of which `name` is the first; none for a whole model.

    Raises:
        ModelUnavailable: `name` is not a first part.
    """
    count = first.metadata.get("split.count", 0)
    if not isinstance(count, int) or count < 2:
        return []
    match = re.fullmatch(r"(.*)-00001-of-(\d{5})\.gguf", name)
    if match is None or int(match[2]) != count or count > 1_000:
        raise ModelUnavailable(
            f"{name} is one of {count} parts of a model.",
            "Name the first part, …-00001-of-….gguf, as it was published.",
        )
    return [f"{match[1]}-{i:05d}-of-{count:05d}.gguf" for i in range(2, count + 1)]


def merge(first: GgufHeader, rest: list[GgufHeader]) -> GgufHeader:
    """One header for a model in parts: the first part's metadata, the tensors of all."""
    parts = [first, *rest]
    return replace(
        first,
        tensors=tuple(t for part in parts for t in part.tensors),
        parameters=sum(part.parameters for part in parts),
        bytes=sum(part.bytes for part in parts),
        file_bytes=sum(part.file_bytes for part in parts),
    )


def parse_gguf(stream: BinaryIO, size: int, name: str) -> GgufHeader:
    """The header from `stream`, which stands at the start of a file of `size` bytes; `name` is for errors."""
    return _Reader(stream, size, name).header()


class _Reader:
    """Reads forward only; never more than `limit` bytes in all."""

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self.stream, self.size, self.name = stream, size, name
        self.at = 0
        self.items = 0
        self.limit = min(size, MAX_HEADER)
        self.metadata: dict[str, Scalar] = {}
        self.arrays: dict[str, tuple[Scalar, ...]] = {}
        self.lengths: dict[str, int] = {}

    def header(self) -> GgufHeader:
        if self.size < 24 or self.take(4) != MAGIC:
            raise self.damaged("it does not start with GGUF" if self.size >= 24 else f"it has {self.size} bytes")
        version = self.number("I")
        if version not in (2, 3):
            said = f"of version {version}" if version < 65_536 else "big-endian"
            raise ModelUnavailable(
                f"{self.name} is a GGUF file {said}; this app reads versions 2 and 3, little-endian.",
                "Take a newer file of the model.",
            )
        tensor_count, key_count = self.number("Q"), self.number("Q")
        for what, count in (("tensors", tensor_count), ("metadata keys", key_count)):
            if count > MAX_ENTRIES:
                raise self.damaged(f"it announces {count} {what}")
        for _ in range(key_count):
            self.entry()
        rows = [self.tensor() for _ in range(tensor_count)]
        return self.checked(rows)

    def checked(self, rows: list[tuple[GgufTensor, int]]) -> GgufHeader:
        """The finished header, once every tensor lies within the file."""
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise self.damaged(f"its alignment is {alignment!r}")
        start = -(-self.at // alignment) * alignment
        names = set()
        for tensor, offset in rows:
            if tensor.name in names:
                raise self.damaged(f"tensor {tensor.name!r} stands there twice")
            names.add(tensor.name)
            if start + offset + tensor.bytes > self.size:
                raise self.damaged(f"tensor {tensor.name!r} ends after the file's {self.size} bytes")
        weight = sum(tensor.bytes for tensor, _ in rows)
        if weight > self.size:
            raise self.damaged(f"its tensors take {weight} bytes in a file of {self.size}")
        return GgufHeader(
            architecture=str(self.metadata.get("general.architecture", "")),
            metadata=self.metadata,
            tensors=tuple(tensor for tensor, _ in rows),
            parameters=sum(tensor.elements for tensor, _ in rows),
            bytes=weight,
            file_bytes=self.size,
            arrays=self.arrays,
            lengths=self.lengths,
        )

    def entry(self) -> None:
        """One metadata key and its value."""
        key = self.text(65_535)
        kind = self.number("I")
        if key in self.metadata or key in self.lengths:
            raise self.damaged(f"the key {key!r} stands there twice")
        if kind == STRING:
            self.metadata[key] = self.text(MAX_STRING)
        elif kind in SCALARS:
            self.metadata[key] = self.number(SCALARS[kind])
        elif kind == ARRAY:
            self.lengths[key], values = self.array(1)
            if values:
                self.arrays[key] = values
        else:
            raise self.damaged(f"the key {key!r} has the unknown type {kind}")

    def array(self, depth: int) -> tuple[int, tuple[Scalar, ...]]:
        """Length of the array that comes next, and its items where they are few and numbers."""
        kind, count = self.number("I"), self.number("Q")
        if kind in SCALARS:
            width = struct.calcsize("<" + SCALARS[kind])
            if count > KEPT_ITEMS:
                self.skip(count * width)
                return count, ()
            return count, struct.unpack(f"<{count}{SCALARS[kind]}", self.take(count * width))
        if kind not in (STRING, ARRAY):
            raise self.damaged(f"an array has the unknown type {kind}")
        self.items += count
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise self.damaged(f"it holds an array of {count} items at depth {depth}")
        for _ in range(count):
            if kind == STRING:
                self.skip(self.number("Q"))
            else:
                self.array(depth + 1)
        return count, ()

    def tensor(self) -> tuple[GgufTensor, int]:
        """One row of the table of tensors, and where its data starts."""
        name, dimensions = self.text(65_535), self.number("I")
        if not 0 <= dimensions <= 8:
            raise self.damaged(f"tensor {name!r} has {dimensions} dimensions")
        sizes = struct.unpack(f"<{dimensions}Q", self.take(8 * dimensions))
        kind, offset = self.number("I"), self.number("Q")
        if kind not in TYPES:
            raise ModelUnavailable(
                f"{self.name}: tensor {name!r} has the type {kind}, which is not known here.",
                "Choose another quantization of the model.",
            )
        label, block, width = TYPES[kind]
        if math.prod(sizes) >= 2**62 or (sizes[0] if sizes else 1) % block:
            raise self.damaged(f"tensor {name!r} has the shape {list(reversed(sizes))} in blocks of {block}")
        return GgufTensor(name, tuple(reversed(sizes)), label, math.prod(sizes) // block * width), offset

    # --- bytes -----------------------------------------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        self.reserve(count)
        data = self.stream.read(count)
        if len(data) != count:
            raise self.damaged(f"it ends after {self.at - count + len(data)} bytes")
        return data

    def skip(self, count: int) -> None:
        self.reserve(count)
        self.stream.seek(count, os.SEEK_CUR)

    def reserve(self, count: int) -> None:
        self.at += count
        if self.at > self.limit:
            raise self.damaged(f"its header does not end within {self.limit} bytes")

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self, most: int) -> str:
        length = self.number("Q")
        if length > most:
            raise self.damaged(f"it holds a text of {length} bytes")
        return self.take(length).decode("utf-8", errors="replace")

    def damaged(self, why: str) -> ModelUnavailable:
        return ModelUnavailable(f"{self.name} is not a whole GGUF file: {why}.", "Fetch the file again.")
