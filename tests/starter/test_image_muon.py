"""Muon makes momentum orthogonal, matrix by matrix, however many are taken together."""

import pytest
import torch

from playground.starter.muon import Muon, optimisers_for, orthogonalised


@pytest.mark.parametrize("shape", [(3, 8, 40), (2, 40, 8), (1, 16, 16)])
def test_singular_values_come_near_one_and_the_vectors_stay(shape):
    torch.manual_seed(0)
    updates = torch.randn(shape)
    made = orthogonalised(updates).float()
    for update, one in zip(updates, made, strict=True):
        assert torch.linalg.svdvals(one).sub(1).abs().max() < 0.5
        left, _, right = torch.linalg.svd(update, full_matrices=False)
        assert (left @ right * one).sum() / min(shape[1:]) > 0.8


def test_matrices_of_one_shape_step_as_each_would_alone():
    torch.manual_seed(0)
    start, gradients = torch.randn(3, 12, 20), torch.randn(2, 3, 12, 20)

    def after(grouped):
        weights = [torch.nn.Parameter(one.clone()) for one in start]
        optimisers = [Muon(weights, lr=0.1)] if grouped else [Muon([one], lr=0.1) for one in weights]
        for step in gradients:
            for weight, gradient in zip(weights, step, strict=True):
                weight.grad = gradient.clone()
            for optimiser in optimisers:
                optimiser.step()
        return torch.stack([weight.detach() for weight in weights])

    assert torch.allclose(after(True), after(False), atol=2e-3)
    assert not torch.allclose(after(True), start, atol=0.05)


def test_a_step_is_as_large_as_one_of_adamw():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(64, 3, 3, 64).flatten(1).reshape(64, 64, 3, 3))
    weight.grad = torch.randn_like(weight)
    Muon([weight], lr=0.01, decay=0.0).step()
    assert 0.1 < weight.detach().square().mean().sqrt() / 0.01 < 0.4


def test_embeddings_and_thin_layers_are_left_to_adamw():
    module = torch.nn.Sequential(torch.nn.Embedding(20, 16), torch.nn.Linear(16, 16), torch.nn.Conv2d(4, 16, 3))
    adamw, muon = optimisers_for([module], 1e-3, 0.0, muon=True)
    assert [tuple(weight.shape) for weight in muon.param_groups[0]["params"]] == [(16, 16)]
    assert len(adamw.param_groups[0]["params"]) == 4
    assert len(optimisers_for([module], 1e-3, 0.0, muon=False)) == 1
