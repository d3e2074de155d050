"""Where RDT's tokens stand: the sinusoidal tables that its trainable position parameters start from.

All tables are computed in float64 and rounded once. They put the sines first, then the cosines; `frequencies`, which encodes the diffusion
step and the control frequency, puts the cosines first.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sinusoid(width: int, positions: Tensor) -> Tensor:
    """float64[P, width] for positions [P]: sin(p·w_j), then cos(p·w_j), with w_j = 10000^(−j / (width/2)). `width` is even."""
    waves = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = positions.to(torch.float64)[:, None] * waves
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def frequencies(values: Tensor, width: int = 256) -> Tensor:
    """float32[B, width] for plain numbers [B] (a diffusion step, or Hz): cosines first, then sines, w_j = 10000^(−2j / width).

    Exponents and angles are rounded to float32, as in the published models; the exponential between them is exact on every device.
    """
    half = width // 2
    exponents = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=values.device) / half
    waves = exponents.double().exp().float()
    angles = values.float()[:, None] * waves
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def token_positions(width: int, horizon: int) -> Tensor:
    """float32[1, horizon + 3, width] for [diffusion step, control frequency, state, action 1 … H].

    First half: which of the four kinds of token; second half: index within its kind. `width` is a multiple of 4.
    """
    kinds = torch.cat([torch.arange(3), torch.full((horizon,), 3)])
    indices = torch.cat([torch.zeros(3, dtype=torch.long), torch.arange(horizon)])
    return torch.cat([sinusoid(width // 2, kinds), sinusoid(width // 2, indices)], dim=1).float()[None]


def grid_positions(width: int, grid: Sequence[int]) -> Tensor:
    """float32[1, tokens, width] for tokens on a grid such as (history 2, camera 3, patch −729), flattened first axis slowest.

    An axis counts if it is longer than 1 and not negative; the width is shared evenly among those that count, each share even, the
    remaining columns zero. A negative axis says: this many tokens, all at one place.
    """
    lengths = [abs(length) for length in grid]
    counted = [axis for axis, length in enumerate(grid) if length > 1]
    table = torch.zeros(*lengths, width, dtype=torch.float64)
    share = width // max(len(counted), 1) // 2 * 2
    for slot, axis in enumerate(counted):
        along = [length if i == axis else 1 for i, length in enumerate(lengths)]
        rows = sinusoid(share, torch.arange(lengths[axis])).reshape(*along, share)
        table[..., slot * share : (slot + 1) * share] = rows
    return table.reshape(1, -1, width).float()


def line_positions(width: int, length: int) -> Tensor:
    """float32[1, |length|, width] for a sentence; a negative length puts every word at position 0 (zeros, then ones)."""
    positions = torch.arange(length) if length > 0 else torch.zeros(-length)
    return sinusoid(width, positions).float()[None]
