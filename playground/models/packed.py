"""Linear layers whose weights are packed to 8 or 4 bits. They compute what a float layer would with rounded weights.

Knows torch's kernels for the processor and what they require; nothing of models. Inference only.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from playground.models.quantize import GROUPS, int4_group, int8_packs

CHUNK = 1 << 20  # weights packed at a time: temporary copies stay small, and leave no holes in memory
# Up to so many rows of activations the int8 kernel is faster than unpacking blocks of weights to multiply with;
# measured with AVX512-BF16 at 8192x3072.
FEW = 10
BLOCK = 256  # rows of weights unpacked at a time: they stay in the cache


_scratch = threading.local()


def _chunks(weight: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
    """Rows to pack at a time, in multiples of the 64 that the int4 layout interleaves, with a float32 copy of them.

    The copy may be written. One buffer serves all layers: one for each would leave a hole in the heap beside each
    packed weight, since the C library does not put aligned blocks back into gaps of just their size.
    """
    rows, columns = max(64, CHUNK // weight.shape[1] // 64 * 64), weight.shape[1]
    for begin in range(0, len(weight), rows):
        part = weight[begin : begin + rows]
        yield (
            slice(begin, begin + rows),
            _buffer(part.numel(), torch.float32, weight.device).view(-1, columns).copy_(part),
        )


def _buffer(count: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    buffers = _scratch.__dict__
    key = f"{dtype} {device}"
    if key not in buffers or len(buffers[key]) < count:
        buffers[key] = torch.empty(max(count, CHUNK), dtype=dtype, device=device)
    return buffers[key][:count]


def _largest(rows: torch.Tensor) -> torch.Tensor:
    """The largest magnitude in each row."""
    return torch.maximum(rows.amax(1), -rows.amin(1))


class _Packed(nn.Module, ABC):
    """What the packed layers share: shapes and a bias in the model's dtype."""

    bias: nn.Parameter | None

    def __init__(self, out_features: int, in_features: int, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.register_parameter("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in_features) to (..., out_features), in x's dtype."""
        rows = x.reshape(-1, self.in_features)
        out = self._multiply(rows).to(x.dtype)
        if self.bias is not None:
            out = out + self.bias
        return out.view(*x.shape[:-1], self.out_features)

    @abstractmethod
    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, in_features) to (rows, out_features), without the bias."""

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Int8Linear(_Packed):
    """Weights in int8 with a bfloat16 scale a row, for the processor; `weight` is (out, in), `scale` (out,).

    Few rows go through torch's kernel, which is fast in bfloat16 only; many through blocks unpacked to their dtype.
    """

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: nn.Parameter | None) -> None:
        out_features, in_features = weight.shape
        if not int8_packs(out_features, in_features):
            raise ValueError(f"in_features must be a multiple of 16, got {in_features}")
        super().__init__(out_features, in_features, bias)
        packed = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
        scale = torch.empty(out_features, dtype=torch.bfloat16, device=weight.device)
        for part, rows in _chunks(weight):
            # Rounded to bfloat16 before the division, so that the rounding costs nothing.
            scale[part] = _largest(rows).div(127).clamp_min(1e-20)
            packed[part] = rows.div_(scale[part].float()[:, None]).round_().clamp_(-127, 127)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", scale)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        if 0 < len(rows) <= FEW:
            return torch._weight_int8pack_mm(rows.to(torch.bfloat16).contiguous(), self.weight, self.scale)
        out = rows.new_empty(len(rows), self.out_features)
        for begin in range(0, self.out_features, BLOCK):
            part = slice(begin, begin + BLOCK)
            out[:, part] = F.linear(rows, self.weight[part].to(rows.dtype)) * self.scale[part].to(rows.dtype)
        return out


class Int4Linear(_Packed):
    """Weights in int4 for the processor, in the layout of torch's kernel: value = (q - 8) * scale + zero, by group.

    `weight` is (out, in / 2) bytes, `scale_and_zero` (in / group, out, 2) in bfloat16.
    """

    weight: torch.Tensor
    scale_and_zero: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: nn.Parameter | None) -> None:
        out_features, in_features = weight.shape
        group = int4_group(out_features, in_features)
        if group is None:
            raise ValueError(
                f"out_features must be a multiple of 16 and in_features of {GROUPS[-1]}, got {out_features} and "
                f"{in_features}"
            )
        super().__init__(out_features, in_features, bias)
        self.group = group
        packed = torch.empty(out_features, in_features // 2, dtype=torch.uint8)
        scales = torch.empty(in_features // group, out_features, 2, dtype=torch.bfloat16)
        for part, rows in _chunks(weight):
            grouped = rows.unflatten(1, (-1, group))  # (rows, groups, group)
            low, high = grouped.amin(-1, keepdim=True), grouped.amax(-1, keepdim=True)
            scale = ((high - low) / 15).clamp_min(1e-20).bfloat16().float()
            zero = (low + 8 * scale).bfloat16().float()
            grouped.sub_(zero).div_(scale).round_().add_(8).clamp_(0, 15)
            values = _buffer(rows.numel(), torch.int32, rows.device).view(rows.shape).copy_(rows)
            packed[part] = torch.ops.aten._convert_weight_to_int4pack_for_cpu(values, 1)
            scales[:, part] = torch.cat([scale, zero], -1).transpose(0, 1)
        self.register_buffer("weight", packed)
        self.register_buffer("scale_and_zero", scales)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        if not len(rows):
            return rows.new_empty(0, self.out_features)
        return torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows.to(torch.bfloat16).contiguous(), self.weight, self.group, self.scale_and_zero
        )


class Fp8Linear(_Packed):
    """Weights in float8 (e4m3) with a scale a row, unpacked to the activations' dtype to multiply: saves memory."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: nn.Parameter | None) -> None:
        super().__init__(weight.shape[0], weight.shape[1], bias)
        largest = torch.finfo(torch.float8_e4m3fn).max
        packed = torch.empty(weight.shape, dtype=torch.float8_e4m3fn, device=weight.device)
        scale = torch.empty(len(weight), dtype=weight.dtype, device=weight.device)
        for part, rows in _chunks(weight):
            scale[part] = _largest(rows).div(largest).clamp_min(torch.finfo(weight.dtype).tiny)
            packed[part] = rows.div_(scale[part].float()[:, None]).clamp_(-largest, largest).to(packed.dtype)
        self.register_buffer("weight", packed)
        self.register_buffer("scale", scale)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        return F.linear(rows, self.weight.to(rows.dtype)) * self.scale.to(rows.dtype)
