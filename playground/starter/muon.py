"""Muon (Jordan et al. 2024, with the step size of Liu et al. 2025, arXiv 2502.16982): momentum made orthogonal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# The quintic whose iteration drives singular values towards 1; not exactly 1, which does no harm.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalised(updates: Tensor, steps: int = 5) -> Tensor:
    """Return matrices (B, M, N) with the singular vectors of `updates` and singular values near 1, in bfloat16."""
    wide = updates.bfloat16()
    tall = wide.shape[1] > wide.shape[2]
    wide = wide.mT.contiguous() if tall else wide
    wide = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(square, square, square, beta=_B, alpha=_C), wide, beta=_A)
    return wide.mT if tall else wide


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
            # Matrices of one shape go through the iteration together: a model has many small ones.
            alike: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.flatten(1).shape, []).append(weight)
            for shape, weights in alike.items():
                self._step_alike(shape, weights, group["lr"], group["momentum"], group["decay"])

    def _step_alike(self, shape: torch.Size, weights: list[Tensor], lr: float, momentum: float, decay: float) -> None:
        for weight in weights:
            if "momentum" not in self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        moving = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(moving, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, moving, momentum)
        updates = orthogonalised(torch.stack([one.flatten(1) for one in ahead])).to(weights[0].dtype)
        torch._foreach_mul_(weights, 1 - lr * decay)
        steps = [update.reshape(weight.shape) for update, weight in zip(updates, weights, strict=True)]
        torch._foreach_add_(weights, steps, alpha=-lr * 0.2 * max(shape) ** 0.5)


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
