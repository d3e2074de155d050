"""What moves the weights: Muon for the matrices in the middle of a model, AdamW for all else; or AdamW alone.

Muon steps along the nearest orthogonal matrix to the momentum, so that no direction of a layer is learned much sooner than another. From
nothing, on this project's demonstrations, it comes to AdamW's loss in about two thirds of the samples (docs/adr/0009-small-policies.md).

Source: Jordan et al., Muon, 2024; the scale of its steps, which makes one rate and decay serve both: Liu et al. 2502.16982.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from agent.learn.schedule import trained

Kind = Literal["muon", "adamw"]
MATRIX_RATE = 4.0
"""Muon's rate, in AdamW's."""


class Optimiser:
    """Steps at a rate that is told anew each time."""

    def __init__(self, model: nn.Module, kind: Kind, weight_decay: float, fused: bool) -> None:
        matrices = inner_matrices(model) if kind == "muon" else []
        apart = {id(weight) for weight in matrices}
        others = [weight for weight in trained(model) if id(weight) not in apart]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(others, 0.0, betas=(0.9, 0.99), weight_decay=weight_decay, fused=fused), 1.0),
        ]
        if matrices:
            muon = torch.optim.Muon(matrices, 0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            self.parts.append((muon, MATRIX_RATE))

    def step(self, rate: float) -> None:
        for part, times in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * times
            part.step()

    def zero_grad(self) -> None:
        for part, _ in self.parts:
            part.zero_grad()

    def state(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part, _ in self.parts]

    def restore(self, state: list[dict[str, Any]]) -> None:
        for (part, _), saved in zip(self.parts, state, strict=True):
            part.load_state_dict(saved)


def inner_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights of the linear layers in stacks of equal blocks, as far as they are trained: neither embeddings nor what reads in and out."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    inner = {id(layer.weight) for stack in stacks for layer in stack.modules() if isinstance(layer, nn.Linear)}
    return [weight for weight in trained(model) if id(weight) in inner]


__all__ = ["Kind", "Optimiser", "inner_matrices"]
