"""π0's trunk in fewer, larger operations: the same numbers as `paligemma.Trunk`, for models so small that each operation costs its call.

With one key head for all query heads, and plain (not adaptive) norms:

- the norm's weight is multiplied into the layer that reads it, so that what is left of a norm is a division by the length;
- the rotation of queries and keys is x·cos + R(x)·sin, and R(x), which swaps the halves of a head, comes out of the same product as x
  itself, by rows of the weight that are swapped beforehand;
- all query heads see the same keys, so [B, T, N, K] is viewed as [B, T·N, K]: nothing is transposed or copied.

Gradients flow through; weights are folded anew in each training step, once when serving.
Letters: B batch, T query tokens, S key tokens, D width, N query heads, K head width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.executor.models.attention import MASKED, Rope, slow_gradient
from agent.executor.models.paligemma import Expert, GemmaBlock


class Folded(NamedTuple):
    """One layer's weights."""

    qkv: Tensor  # rows: q, k, R(q), R(k), v; the scale of the logits is in q
    out: Tensor
    gate_up: Tensor
    down: Tensor


class Waves(NamedTuple):
    """Cosines and sines for a run of tokens, float[1 or B, T, (N + 1)·K]."""

    cos: Tensor
    sin: Tensor


class Memory(NamedTuple):
    """Keys and values of a run of tokens per layer, [B, S, K]; bias float[B, 1, S] for padding, or None."""

    keys: list[Tensor]
    values: list[Tensor]
    bias: Tensor | None

    def repeat(self, times: int) -> Memory:
        """The batch again and again."""
        if times == 1:
            return self
        keys, values = ([part.repeat(times, 1, 1) for part in parts] for parts in (self.keys, self.values))
        return Memory(keys, values, None if self.bias is None else self.bias.repeat(times, 1, 1))


def fold(expert: Expert) -> list[Folded]:
    """Every layer's weights, norms included."""
    return [_fold(block) for block in expert.blocks]


def _fold(block: GemmaBlock) -> Folded:
    config, root = block.config, math.sqrt(block.config.width)
    K, N = config.head_dim, config.heads
    one, two = ((1 + cast(Tensor, norm.weight)) * root for norm in (block.norm1, block.norm2))
    qk, v = (block.qkv.weight * one).split([(N + 1) * K, K])
    q, k = qk.split([N * K, K])
    qk = torch.cat([q * K**-0.5, k])
    a, b = qk.view(N + 1, 2, K // 2, -1).unbind(1)
    swapped = torch.stack([-b, a], dim=1).view_as(qk)
    return Folded(torch.cat([qk, swapped, v]), block.out.weight, block.gate_up.weight * two, block.down.weight)


def waves(rope: Rope, heads: int) -> Waves:
    """A Rope [.., T, 1, K/2] for all query heads and the key head."""
    return Waves(*(part.squeeze(2).repeat(1, 1, 2 * (heads + 1)) for part in rope))


def lengths(x: Tensor) -> Tensor:
    """x over its length: an RMS norm but for the root of D, which is in the folded weight."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-6)


def qkv(x: Tensor, layer: Folded, at: Waves, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """x [B, T, D] → q [B, T·N, K], k and v [B, T, K]; q and k rotated."""
    B, T, _ = x.shape
    width = at.cos.shape[-1]  # (N + 1) K
    plain, swapped, v = F.linear(lengths(x), layer.qkv).split([width, width, width // (heads + 1)], dim=-1)
    turned = torch.addcmul(plain * at.cos, swapped, at.sin)
    q, k = turned.split([width - width // (heads + 1), width // (heads + 1)], dim=-1)
    return q.reshape(B, T * heads, -1), k, v


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """[B, T·N, K] over keys [B, S, K] → [B, T·N, K]."""
    if slow_gradient(q):
        logits = torch.bmm(q, k.transpose(1, 2))
        return torch.bmm((logits if bias is None else logits + bias.to(logits.dtype)).softmax(dim=-1), v)
    mask = None if bias is None else bias.to(q.dtype)[:, None]
    return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], attn_mask=mask, scale=1.0)[:, 0]


def rest(x: Tensor, seen: Tensor, layer: Folded) -> Tensor:
    """Output projection, residual, gated feed-forward, residual."""
    x = x + F.linear(seen.view(*x.shape[:2], -1), layer.out)
    a, b = F.linear(lengths(x), layer.gate_up).chunk(2, dim=-1)
    return x + F.linear(F.gelu(a, approximate="tanh") * b, layer.down)


def read(x: Tensor, layers: Sequence[Folded], at: Waves, heads: int, bias: Tensor | None) -> Tensor:
    """Tokens [B, S, D] that see one another, as they leave the last layer."""
    for layer in layers:
        x = rest(x, attend(*qkv(x, layer, at, heads), bias), layer)
    return x


def prefill(x: Tensor, layers: Sequence[Folded], at: Waves, heads: int, bias: Tensor | None) -> tuple[Memory, list[Tensor]]:
    """A prefix [B, S, D] → its keys and values, and itself as it leaves each layer but the last, after which nobody reads it."""
    memory, left = Memory([], [], bias), []
    for number, layer in enumerate(layers, start=1):
        q, k, v = qkv(x, layer, at, heads)
        memory.keys.append(k)
        memory.values.append(v)
        if number < len(layers):
            x = rest(x, attend(q, k, v, bias), layer)
            left.append(x)
    return memory, left


def extend(memory: Memory, x: Tensor, layers: Sequence[Folded], at: Waves, heads: int, keep: bool = False) -> tuple[Tensor, Memory]:
    """More tokens [B, T, D], which see the memory and one another: themselves after the last layer, and (keep) the longer memory."""
    bias = None if memory.bias is None else F.pad(memory.bias, (0, x.shape[1]))
    longer = Memory([], [], bias)
    for layer, keys, values in zip(layers, memory.keys, memory.values, strict=True):
        q, k, v = qkv(x, layer, at, heads)
        k, v = torch.cat([keys, k], dim=1), torch.cat([values, v], dim=1)
        if keep:
            longer.keys.append(k)
            longer.values.append(v)
        x = rest(x, attend(q, k, v, bias), layer)
    return x, longer


def padding_bias(valid: Tensor) -> Tensor:
    """bool[B, S] → float32[B, 1, S], added to the logits."""
    return torch.zeros(valid.shape, device=valid.device).masked_fill(~valid, MASKED)[:, None]


__all__ = ["Folded", "Memory", "Waves", "attend", "extend", "fold", "padding_bias", "prefill", "read", "waves"]
