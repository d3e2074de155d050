"""Low-rank updates (LoRA, Hu et al. 2106.09685): the layers of a large model stay as they are, and a product of two thin ones is added.

    y = W x + (alpha / rank) · up(down(x)),     up starts at zero, so that training begins at the checkpoint itself

Only the thin layers are trained. `merged` adds them into W, so that what is saved is an ordinary checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoRA(nn.Module):
    """A linear layer with an update of low rank."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        device = base.weight.device
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    @property
    def weight(self) -> Tensor:
        """Of the layer it stands for; some callers ask for its dtype."""
        return self.base.weight

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        update = F.linear(F.linear(x.to(self.down.dtype), self.down), self.up)
        return self.base(x) + (self.scale * update).to(x.dtype)


def add_lora(model: nn.Module, rank: int, wanted: Callable[[str], bool], alpha: float | None = None) -> list[str]:
    """Freeze the model, and give each linear layer whose name is wanted an update. Returns their names; alpha is the rank, if not given."""
    if rank < 1:
        raise ValueError(f"The rank of an update is at least 1; {rank} was asked for.")
    model.requires_grad_(False)
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and wanted(name)]
    for name in names:
        parent, _, child = name.rpartition(".")
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        setattr(model.get_submodule(parent), child, LoRA(layer, rank, alpha or rank))
    return names


def merged(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of `model` with its updates (by the values in `tensors`) → that of the model as it was, the updates added."""
    scales = {name: module.scale for name, module in model.named_modules() if isinstance(module, LoRA)}
    found = {}
    for name, value in tensors.items():
        layer, _, last = name.rpartition(".")
        if last in ("down", "up") and layer in scales:
            continue
        layer, base, kind = name.rpartition(".base.")
        if not base or layer not in scales:
            found[name] = value
        elif kind == "weight":
            update = scales[layer] * tensors[f"{layer}.up"].float() @ tensors[f"{layer}.down"].float()
            found[f"{layer}.weight"] = (value.float() + update).to(value.dtype)
        else:
            found[f"{layer}.{kind}"] = value
    return found


__all__ = ["LoRA", "add_lora", "merged"]
