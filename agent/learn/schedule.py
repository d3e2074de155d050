"""How training paces itself: the learning rate over the run, the running average of the weights, and how numbers are multiplied."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

Precision = Literal["auto", "float32", "bfloat16"]
FLOOR = 0.02
"""The learning rate at the end, as a share of the peak."""
WARMUP = 200
"""Steps up to the peak."""


def learning_rate(peak: float, step: int, progress: float) -> float:
    """A straight climb over the first steps, then a cosine down over the run; progress 0..1, by samples or by minutes."""
    climb = min((step + 1) / WARMUP, 1.0)
    return peak * climb * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)


class Average:
    """The exponential moving average of the weights, in float32: what is evaluated and shipped."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        self.values = [weight.detach().float().clone() for weight in trained(model)]

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Early on it forgets faster, or it would remember how the weights began."""
        keep = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [weight.detach().float() for weight in trained(model)], 1 - keep)

    def tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """The model's state dict with the averages in place of what is trained."""
        return {**model.state_dict(), **dict(zip(self.names, self.values, strict=True))}


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def choose_precision(wanted: Precision, device: str) -> torch.dtype:
    """`auto`: bfloat16 on accelerators, and on those processors that multiply faster in it than in float32; many emulate it."""
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device != "cpu":
        return torch.bfloat16
    return min((torch.float32, torch.bfloat16), key=_seconds)


def _seconds(dtype: torch.dtype, tries: int = 8) -> float:
    """Of the product that this training is made of, at best: 4096 tokens through a layer."""
    tokens, layer = torch.randn(4096, 128).to(dtype), torch.randn(128, 512).to(dtype)

    def once() -> float:
        began = time.perf_counter()
        torch.mm(tokens, layer)
        return time.perf_counter() - began

    return min(once() for _ in range(tries))


def flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


__all__ = ["Average", "Precision", "choose_precision", "flat", "learning_rate", "trained"]
