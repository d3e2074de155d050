"""What moves the weights: Muon for the matrices in the middle of a model, AdamW for all else; or AdamW alone.

Muon steps along the nearest orthogonal matrix to the momentum, so that no direction of a layer is learned much sooner than another. From
nothing, on this project's demonstrations, it comes to AdamW's loss in about two thirds of the samples (docs/adr/0009-small-policies.md).

Source: Jordan et al., Muon, 2024; the scale of its steps, which makes one rate and decay serve both: Liu et al. 2502.16982.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

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
            self.parts.append((Muon(matrices, weight_decay), MATRIX_RATE))

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


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon's steps (`match_rms_adamw`, Nesterov's momentum 0.95) in float32, and for all matrices of one shape at once.

    torch's own multiplies in bfloat16, one matrix after the other; a processor that has to emulate bfloat16 spends a third of the whole
    training on that.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": 0.0, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(tuple(weight.shape), []).append(weight)
            for shape, weights in by_shape.items():
                updates = orthogonal(torch.stack([self._updated(weight, group["momentum"]) for weight in weights]))
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(updates.unbind()), alpha=-0.2 * max(shape) ** 0.5 * group["lr"])

    def _updated(self, weight: Tensor, momentum: float) -> Tensor:
        assert weight.grad is not None
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        kept: Tensor = state["momentum_buffer"]
        kept.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(kept, momentum)


NEWTON_SCHULZ, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
"""Jordan's: singular values come to between 0.7 and 1.2, which is near enough to 1."""


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest orthogonal matrix to each, float32[N, rows, columns], by Newton and Schulz's iteration."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def inner_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights of the linear layers in stacks of equal blocks, as far as they are trained: neither embeddings nor what reads in and out."""
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    inner = {id(layer.weight) for stack in stacks for layer in stack.modules() if isinstance(layer, nn.Linear)}
    return [weight for weight in trained(model) if id(weight) in inner]


__all__ = ["Kind", "Muon", "Optimiser", "inner_matrices"]
