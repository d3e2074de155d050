"""Muon for matrices in the middle, AdamW for the rest."""

import copy

import pytest
import torch
from torch import nn

from agent.learn.optimiser import MATRIX_RATE, Muon, Optimiser, inner_matrices
from tests.executor.models.small_models import tiny_small


@pytest.mark.parametrize("family", ["pi0", "pi0-small", "rdt"])
def test_the_middle_of_every_family_is_matrices_of_equal_blocks(family: str) -> None:
    model = tiny_small(family).model.requires_grad_(True)
    chosen = {id(weight) for weight in inner_matrices(model)}
    names = [name for name, weight in model.named_parameters() if id(weight) in chosen]
    share = sum(weight.numel() for weight in inner_matrices(model)) / sum(weight.numel() for weight in model.parameters())
    assert len(names) == len(chosen) >= 16 and share > 0.25
    assert all(weight.ndim == 2 for weight in inner_matrices(model))
    assert not any("embed" in name or "action_" in name or "eyes" in name or "position" in name for name in names), names


def test_what_is_not_trained_is_left_alone() -> None:
    model = tiny_small().model.requires_grad_(False)
    assert inner_matrices(model) == []


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(4, 16)
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.read(x)
        for block in self.blocks:
            x = x + block(torch.tanh(x))
        return x


def loss_after(model: Stack, optimiser: Optimiser, steps: int, rate: float = 3e-3) -> float:
    x = torch.linspace(-1, 1, 64).view(16, 4)
    for _ in range(steps):
        loss = (model(x) - x.sum(1, keepdim=True).sin()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step(rate)
    return loss.item()


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_it_lowers_a_loss_and_goes_on_from_its_state(kind: str) -> None:
    torch.manual_seed(0)
    model = Stack()
    optimiser = Optimiser(model, kind, 1e-4, fused=False)  # type: ignore[arg-type]
    first = loss_after(model, optimiser, 1)
    assert loss_after(model, optimiser, 60) < 0.5 * first
    twin, state = copy.deepcopy(model), copy.deepcopy(optimiser.state())
    again = Optimiser(twin, kind, 1e-4, fused=False)  # type: ignore[arg-type]
    again.restore(state)
    loss_after(model, optimiser, 3)
    loss_after(twin, again, 3)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_muon_has_a_rate_of_its_own() -> None:
    model = Stack()
    optimiser = Optimiser(model, "muon", 0.0, fused=False)
    loss_after(model, optimiser, 1, rate=1e-3)
    (adamw, _), (muon, _) = optimiser.parts
    assert adamw.param_groups[0]["lr"] == 1e-3 and muon.param_groups[0]["lr"] == MATRIX_RATE * 1e-3
    assert sum(weight.numel() for weight in muon.param_groups[0]["params"]) == 2 * 16 * 16


def test_muon_steps_as_torchs_own_does_up_to_bfloat16() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((16, 16), (24, 16), (16, 24), (16, 16))]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    begun = [weight.detach().clone() for weight in ours]
    reference = torch.optim.Muon(theirs, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for optimiser, weights in ((Muon(ours, 0.1), ours), (reference, theirs)):
        optimiser.param_groups[0]["lr"] = 0.02
        draws = torch.Generator().manual_seed(1)
        for _ in range(4):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=draws)
            optimiser.step()
    for one, other, first in zip(ours, theirs, begun, strict=True):
        assert (one - other).norm() < 0.02 * (one - first).norm()
