"""The safetensors format as far as sizes need it: an 8-byte length, then JSON. Reads no weights and needs no torch.

Format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from playground.errors import ModelUnavailable

MAX_HEADER = 100_000_000  # the limit that the format itself sets

# Bits of one element by the name that the header gives.
BITS = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F4": 4,
}  # fmt: skip
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4"})


@dataclass(frozen=True)
class Tensor:
    """One tensor as its file's header describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * BITS[self.dtype] // 8

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


def read_header(path: Path) -> list[Tensor]:
    """The tensors that a safetensors file holds, in the order of its header.

    Raises:
        ModelUnavailable: the file cannot be read, is cut short or is not safetensors.
    """
    try:
        with path.open("rb") as file:
            return parse_header(file, os.fstat(file.fileno()).st_size, path.name)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}.", "Check that the file is there.") from None


def parse_header(stream: BinaryIO, size: int, name: str) -> list[Tensor]:
    """The tensors that the header in `stream` announces, of a safetensors file of `size` bytes; `name` is for errors.

    Raises:
        ModelUnavailable: the file is cut short or is not safetensors.
    """
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > min(MAX_HEADER, size - 8):
        raise _damaged(name, f"its header claims {length} bytes in a file of {size}")
    try:
        table = json.loads(stream.read(length))
    except (ValueError, RecursionError):
        raise _damaged(name, "its header is not JSON") from None
    if not isinstance(table, dict):
        raise _damaged(name, "its header is not a table")
    rows = [_tensor(name, key, row) for key, row in table.items() if key != "__metadata__"]
    needed = 8 + length + max((end for _, end in rows), default=0)
    if needed > size:
        raise _damaged(name, f"{needed} bytes are announced and {size} are there")
    return [tensor for tensor, _ in rows]


def _tensor(file: str, name: str, row: Any) -> tuple[Tensor, int]:
    """A tensor, and where its data ends, in bytes after the header."""
    try:
        tensor = Tensor(name, row["dtype"], tuple(int(n) for n in row["shape"]))
        begin, end = (int(n) for n in row["data_offsets"])
        if end - begin != tensor.bytes or min(begin, *tensor.shape, 0) < 0:
            raise _damaged(file, f"tensor {name!r} has {end - begin} bytes for a shape of {list(tensor.shape)}")
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _damaged(file, f"the entry of tensor {name!r} cannot be understood") from None
    return tensor, end


def _damaged(file: str, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{file} is not a whole safetensors file: {why}.", "Fetch the file again.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder.

    Raises:
        ModelUnavailable: the file cannot be read or holds something else.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}.", "Fetch the model again.") from None
    if not isinstance(table, dict):
        raise ModelUnavailable(f"{path} holds no JSON object.", "Fetch the model again.")
    return table


def shards(index: Path) -> list[Path]:
    """The files that a `*.safetensors.index.json` names, sorted, each once.

    Raises:
        ModelUnavailable: the index is malformed or names a file outside its own folder.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, Mapping) or not weight_map:
        raise ModelUnavailable(f"{index.name} names no shards.", "Fetch the model again.")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelUnavailable(f"{index.name} names {name!r}, which is no shard.", "Use another copy of the model.")
    return [index.parent / name for name in names]
