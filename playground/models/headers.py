"""The safetensors format as far as sizes need it: an 8-byte length, then JSON. Reads no weights and needs no torch.

Format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(MAX_HEADER, size - 8):
                raise _damaged(path, f"its header claims {length} bytes in a file of {size}")
            table = json.loads(file.read(length))
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}.", "Check that the file is there.") from None
    except ValueError:
        raise _damaged(path, "its header is not JSON") from None
    if not isinstance(table, dict):
        raise _damaged(path, "its header is not a table")
    tensors = [_tensor(path, name, row) for name, row in table.items() if name != "__metadata__"]
    needed = 8 + length + max((row["data_offsets"][1] for n, row in table.items() if n != "__metadata__"), default=0)
    if needed > size:
        raise _damaged(path, f"{needed} bytes are announced and {size} are there")
    return tensors


def _tensor(path: Path, name: str, row: Any) -> Tensor:
    try:
        tensor = Tensor(name, row["dtype"], tuple(int(n) for n in row["shape"]))
        begin, end = (int(n) for n in row["data_offsets"])
        if end - begin != tensor.bytes:
            raise _damaged(path, f"tensor {name!r} has {end - begin} bytes for a shape of {list(tensor.shape)}")
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, f"the entry of tensor {name!r} cannot be understood") from None
    return tensor


def _damaged(path: Path, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{path.name} is not a whole safetensors file: {why}.", "Fetch the file again.")


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
