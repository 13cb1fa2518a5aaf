"""Muon (Jordan et al. 2024, with the step size of Liu et al. 2025, arXiv 2502.16982): momentum made orthogonal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# The quintic whose iteration drives singular values towards 1; not exactly 1, which does no harm.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalised(update: Tensor, steps: int = 5) -> Tensor:
    """Return a matrix (M, N) with the singular vectors of `update` and singular values near 1, in bfloat16."""
    wide = update.bfloat16()
    tall = wide.shape[0] > wide.shape[1]
    wide = wide.T if tall else wide
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        square = wide @ wide.T
        wide = _A * wide + (_B * square + _C * square @ square) @ wide
    return wide.T if tall else wide


class Muon(torch.optim.Optimizer):
    """Muon for weights of two or more axes, each taken as a matrix (first axis, all others).

    Steps are scaled to the size of AdamW's, so that one learning rate serves both.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(list(weights), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient; takes no closure."""
        if closure is not None:
            raise ValueError("Muon takes no closure; compute the loss before the step")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                update = orthogonalised(ahead).view_as(weight).to(weight.dtype)
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.add_(update, alpha=-group["lr"] * 0.2 * max(ahead.shape) ** 0.5)


def optimisers_for(
    modules: Iterable[nn.Module], rate: float, decay: float, *, muon: bool
) -> list[torch.optim.Optimizer]:
    """Return AdamW for all trained weights, or with `muon` Muon for the matrices and AdamW for the rest.

    Embeddings and the first and last layers (under 8 channels on a side) are no matrices in this sense.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in modules:
        tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
        for weight in module.parameters():
            if not weight.requires_grad:
                continue
            flat = muon and weight.ndim >= 2 and id(weight) not in tables and min(weight.shape[:2]) >= 8
            (matrices if flat else others).append(weight)
    chosen: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=decay)]
    return [*chosen, Muon(matrices, lr=rate, decay=decay)] if matrices else chosen
