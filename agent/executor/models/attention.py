"""Attention as π0's experts do it: which tokens see which, queries that share keys, rotary positions.

Letters: B batch, T query tokens, S key tokens, N query heads, G key/value heads, K head width. Sources: grouped queries, Ainslie et al.
2305.13245; rotary positions, Su et al. 2104.09864.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MASKED = -2.3819763e38  # added to a forbidden logit; finite, so that a row that may see nothing turns uniform, never NaN


def block_mask(valid: Tensor, starts: Tensor) -> Tensor:
    """bool[B, T, T]: may query row i see key column j?

    valid bool[B, T] (False: padding or an absent camera); starts int[T] or int[B, T], 1 where a new block begins. A token sees its own
    block and all earlier ones, in both directions:

        block      tokens            sees
        0          images, text      images, text
        1 (π0)     state             images, text, state
        2 (1)      actions           everything
    """
    block = starts.cumsum(-1).expand(valid.shape)
    order = block[:, None, :] <= block[:, :, None]
    return order & valid[:, None, :] & valid[:, :, None]


def positions_of(valid: Tensor) -> Tensor:
    """int[B, T]: consecutive numbers over the valid tokens; padding and absent cameras do not advance the count."""
    return valid.cumsum(-1) - 1


def attention_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """bool[B, T, S] -> what is added to the logits, dtype[B, 1, T, S]."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, MASKED)[:, None]


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """q [B, T, N, K], k and v [B, S, G, K], bias [B, 1, T or 1, S] -> [B, T, N*K].

    The query heads that share one key head are stacked along the query axis, so keys and values are never copied per head and the
    unmasked case (bias None) stays on the flash kernel.
    """
    B, T, N, K = q.shape
    G = k.shape[2]
    share = N // G
    q = q.view(B, T, G, share, K).permute(0, 2, 3, 1, 4).reshape(B, G, share * T, K)
    if bias is not None:
        bias = bias.to(q.dtype).repeat(1, 1, share if bias.shape[2] > 1 else 1, 1)
    k, v = k.transpose(1, 2), v.transpose(1, 2)
    return weighed(q, k, v, bias).view(B, G, share, T, K).permute(0, 3, 1, 2, 4).reshape(B, T, N * K)


def weighed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √K) v, heads first: q [B, N, T, K], k and v [B, N, S, K]. mask, broadcast to [B, N, T, S]: bool (True = look), or what
    is added to the logits."""
    if not slow_gradient(q):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(dim=-1) @ v


def slow_gradient(q: Tensor) -> bool:
    """Will a gradient be taken where the fused kernel's takes four times as long as that of two products and a softmax?"""
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else q.dtype
    return q.requires_grad and dtype == torch.bfloat16 and q.device.type == "cpu"


class Rope(NamedTuple):
    """Cosines and sines for a run of tokens, float32[B or 1, T, 1, K/2]."""

    cos: Tensor
    sin: Tensor


def rope_at(positions: Tensor, head_dim: int, base: float) -> Rope:
    """positions int[B, T] or int[T]. The angle of pair j is position * base^(-2j/K)."""
    j = torch.arange(head_dim // 2, dtype=torch.float32, device=positions.device)
    angle = positions.float()[..., None] * base ** (-2 * j / head_dim)
    angle = angle.view(-1, *angle.shape[-2:])[:, :, None]
    return Rope(angle.cos(), angle.sin())


def rotate(x: Tensor, rope: Rope) -> Tensor:
    """Turn the pairs (j, j + K/2) of x [B, T, heads, K]; in float32, whatever x is."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * rope.cos - b * rope.sin, b * rope.cos + a * rope.sin], dim=-1).to(x.dtype)
