"""The trunk of π0: SigLIP eyes, and two Gemma experts that share one attention.

Notable, against a textbook vision-language model:
- Two transformers of different width run side by side. In each layer both make queries, keys and values of their own tokens; ONE attention
  runs over the union [prefix | suffix]; the result is split again and each expert goes on with its own weights. Nothing else is shared.
  The wide expert (`vlm`) owns the prefix (image and text tokens), the narrow one (`expert`) owns the suffix (state and action tokens).
- The attention is not causal but block-wise (`block_mask`): the prefix never sees the suffix, so its keys and values can be computed once
  and reused in every sampling step (`Trunk.prefill`, then `Trunk.extend`).
- Image tokens enter unscaled, text tokens are multiplied by sqrt(width).
- RMSNorm multiplies by 1 + weight; in π0.5 the expert's norms are modulated by the flow time instead (`AdaRMSNorm`).
- Linear layers that read the same input are stored fused (q|k|v, gate|up): one product instead of three. `weights.py` fuses at load.

Letters: B batch, T query tokens, S key tokens, D width, N query heads, G key/value heads, K head width, I image side, P image tokens.
Sources: PaliGemma 2407.07726, SigLIP 2303.15343, Gemma 2403.08295, π0 2410.24164, π0.5 2504.16054.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.executor.models.attention import Rope, attend, attention_bias, block_mask, positions_of, rope_at, rotate


@dataclass(frozen=True)
class VisionConfig:
    """SigLIP. The defaults are So400m/14 at 224 pixels: 412,442,352 parameters."""

    width: int = 1152
    depth: int = 27
    mlp: int = 4304
    heads: int = 16
    patch: int = 14
    image: int = 224
    eps: float = 1e-6

    @property
    def tokens(self) -> int:
        """Tokens per image: one per patch, in raster order."""
        return (self.image // self.patch) ** 2


@dataclass(frozen=True)
class GemmaConfig:
    """One expert. heads * head_dim need not equal width; both experts must agree on depth, heads, kv_heads and head_dim."""

    width: int
    mlp: int
    depth: int = 18
    heads: int = 8
    kv_heads: int = 1
    head_dim: int = 256
    eps: float = 1e-6
    rope_base: float = 10000.0


GEMMA_2B = GemmaConfig(width=2048, mlp=16384)
GEMMA_300M = GemmaConfig(width=1024, mlp=4096)
DUMMY = GemmaConfig(width=64, mlp=128, depth=4, heads=8, kv_heads=1, head_dim=16)


# --- eyes -------------------------------------------------------------------------------------------------------------------


class VisionBlock(nn.Module):
    """x += attention(norm1(x)); x += mlp(norm2(x)). Full attention, biases everywhere, tanh GELU."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(width, eps=config.eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=config.eps)
        self.up = nn.Linear(width, config.mlp)
        self.down = nn.Linear(config.mlp, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)  # each [B, P, N, K]
        x = x + self.out(attend(q, k, v))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Vision(nn.Module):
    """Images [B, 3, I, I], float in -1..1 or uint8, -> tokens [B, P, D of the language model]. No class token, no pooling."""

    def __init__(self, config: VisionConfig, out_width: int) -> None:
        super().__init__()
        self.config = config
        self.patch = nn.Linear(3 * config.patch**2, config.width)
        self.position = nn.Parameter(torch.zeros(config.tokens, config.width))
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.projector = nn.Linear(config.width, out_width)

    def forward(self, images: Tensor) -> Tensor:
        images = images.float() / 255 * 2 - 1 if images.dtype == torch.uint8 else images
        B, p, n = images.shape[0], self.config.patch, self.config.image // self.config.patch
        patches = images[:, :, : n * p, : n * p].reshape(B, 3, n, p, n, p).permute(0, 2, 4, 1, 3, 5).reshape(B, n * n, 3 * p * p)
        x = self.patch(patches.to(self.patch.weight.dtype)) + self.position  # [B, P, D]
        x = x.to(self.projector.weight.dtype)
        for block in self.blocks:
            x = block(x)
        return self.projector(self.norm(x))


# --- experts ----------------------------------------------------------------------------------------------------------------


class RMSNorm(nn.Module):
    """x / rms(x) * (1 + weight), the statistics in float32. `gate` is 1: an ordinary residual."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        y = F.rms_norm(x.float(), x.shape[-1:], eps=self.eps)
        return (y * (1 + self.weight.float())).to(x.dtype), None


class AdaRMSNorm(nn.Module):
    """π0.5: x / rms(x) * (1 + scale) + shift, and a gate for the branch that follows; all three are linear in the time condition."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.dense = nn.Linear(width, 3 * width)  # scale | shift | gate
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x: Tensor, modulation: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """modulation [B or 1, 1 or T, 3D], from `dense`."""
        assert modulation is not None, "an adaptive norm needs the modulation of its flow time"
        scale, shift, gate = modulation.float().chunk(3, dim=-1)
        y = F.rms_norm(x.float(), x.shape[-1:], eps=self.eps) * (1 + scale) + shift
        return y.to(x.dtype), gate.to(x.dtype)


class GemmaBlock(nn.Module):
    """One layer of one expert, cut where the shared attention sits: `qkv` before it, `rest` after it."""

    def __init__(self, config: GemmaConfig, adaptive: bool) -> None:
        super().__init__()
        self.config = config
        norm, width, rows = AdaRMSNorm if adaptive else RMSNorm, config.width, config.head_dim
        self.norm1 = norm(width, config.eps)
        self.qkv = nn.Linear(width, (config.heads + 2 * config.kv_heads) * rows, bias=False)
        self.out = nn.Linear(config.heads * rows, width, bias=False)
        self.norm2 = norm(width, config.eps)
        self.gate_up = nn.Linear(width, 2 * config.mlp, bias=False)
        self.down = nn.Linear(config.mlp, width, bias=False)

    def make_qkv(self, x: Tensor, rope: Rope, modulation: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """x [B, T, D] -> q [B, T, N, K], k and v [B, T, G, K] (q and k rotated), and the gate of the attention branch."""
        normed, gate = self.norm1(x, modulation)
        N, G = self.config.heads, self.config.kv_heads
        q, k, v = self.qkv(normed).view(*x.shape[:2], N + 2 * G, self.config.head_dim).split([N, G, G], dim=2)
        return rotate(q, rope), rotate(k, rope), v, gate

    def rest(self, x: Tensor, attended: Tensor, gate: Tensor | None, modulation: Tensor | None = None) -> Tensor:
        """Output projection, residual, then the gated feed-forward: down(gelu(gate) * up)."""
        branch = self.out(attended)
        x = x + (branch if gate is None else gate * branch)
        normed, gate = self.norm2(x, modulation)
        a, b = self.gate_up(normed).chunk(2, dim=-1)
        branch = self.down(F.gelu(a, approximate="tanh") * b)
        return x + (branch if gate is None else gate * branch)


class Expert(nn.Module):
    """A stack of layers and a final norm; a `vocab` gives it a text embedding (the vlm has one, the action expert has none)."""

    blocks: Sequence[GemmaBlock]

    def __init__(self, config: GemmaConfig, vocab: int = 0, adaptive: bool = False) -> None:
        super().__init__()
        self.config = config
        if vocab:
            self.embedding = nn.Embedding(vocab, config.width)
        self.blocks = cast(Sequence[GemmaBlock], nn.ModuleList(GemmaBlock(config, adaptive) for _ in range(config.depth)))
        self.norm = (AdaRMSNorm if adaptive else RMSNorm)(config.width, config.eps)

    def embed_text(self, tokens: Tensor) -> Tensor:
        """int[B, L] -> [B, L, D], times sqrt(D)."""
        return self.embedding(tokens) * math.sqrt(self.config.width)

    def modulate(self, condition: Tensor | None) -> list[Tensor | None]:
        """The condition [..., D] through every norm's own layer: 2 per block and the final one (all None for plain norms)."""
        norms = [*(norm for block in self.blocks for norm in (block.norm1, block.norm2)), self.norm]
        if condition is None:
            return [None] * len(norms)
        return [norm.dense(condition.to(norm.dense.weight.dtype)) if isinstance(norm, AdaRMSNorm) else None for norm in norms]


class Cache(NamedTuple):
    """What the suffix needs of the tokens before it: keys and values per layer, each [B, S, G, K]; rotated; never appended to in place.

    valid bool[B, S], or None when every token is valid (then no mask is needed at all).
    """

    keys: list[Tensor]
    values: list[Tensor]
    valid: Tensor | None

    def next_position(self) -> Tensor:
        """int[B or 1, 1]: the position of the first token after these."""
        if self.valid is None:
            return torch.full((1, 1), self.keys[0].shape[1], device=self.keys[0].device)
        return self.valid.sum(-1, keepdim=True)


class Trunk(nn.Module):
    """Both experts. `joint` is the paper's picture, used in training; `prefill` then `extend` give the same numbers, cached."""

    def __init__(self, vlm: GemmaConfig, expert: GemmaConfig, vocab: int, adaptive: bool = False) -> None:
        super().__init__()
        for name in ("depth", "heads", "kv_heads", "head_dim", "rope_base"):
            one, other = getattr(vlm, name), getattr(expert, name)
            if one != other:
                raise ValueError(f"The two experts share one attention, so their {name} must agree; it is {one} and {other}.")
        self.vlm = Expert(vlm, vocab)
        self.expert = Expert(expert, adaptive=adaptive)

    def rope(self, positions: Tensor) -> Rope:
        return rope_at(positions, self.vlm.config.head_dim, self.vlm.config.rope_base)

    def joint(self, prefix: Tensor, suffix: Tensor, valid: Tensor, starts: Tensor, modulation: list[Tensor | None]) -> Tensor:
        """prefix [B, T, D], suffix [B, S, D'] -> the suffix after the expert's final norm. valid bool[B, T+S], starts int[T+S]."""
        T, rope = prefix.shape[1], self.rope(positions_of(valid))
        bias = attention_bias(block_mask(valid, starts), prefix.dtype)
        left, right = Rope(*(r[:, :T] for r in rope)), Rope(*(r[:, T:] for r in rope))
        last = len(self.vlm.blocks) - 1
        for i, (wide, narrow) in enumerate(zip(self.vlm.blocks, self.expert.blocks, strict=True)):
            qa, ka, va, _ = wide.make_qkv(prefix, left)
            qb, kb, vb, gate = narrow.make_qkv(suffix, right, modulation[2 * i])
            seen = attend(torch.cat([qa, qb], 1), torch.cat([ka, kb], 1), torch.cat([va, vb], 1), bias)
            if i < last:  # nobody reads the prefix after the last attention
                prefix = wide.rest(prefix, seen[:, :T], None)
            suffix = narrow.rest(suffix, seen[:, T:], gate, modulation[2 * i + 1])
        return self.expert.norm(suffix, modulation[-1])[0]

    def prefill(self, prefix: Tensor, valid: Tensor | None, layers: list[Tensor] | None = None) -> Cache:
        """Run the prefix alone and keep its keys and values. valid bool[B, T], or None when there is no padding. `layers` is given the
        prefix as it leaves each layer but the last."""
        T = prefix.shape[1]
        if valid is None:
            rope, bias = self.rope(torch.arange(T, device=prefix.device)), None
        else:
            mask = block_mask(valid, torch.zeros(T, dtype=torch.int64, device=valid.device))
            rope, bias = self.rope(positions_of(valid)), attention_bias(mask, prefix.dtype)
        cache = Cache([], [], valid)
        last = len(self.vlm.blocks) - 1
        for i, block in enumerate(self.vlm.blocks):
            q, k, v, _ = block.make_qkv(prefix, rope)
            cache.keys.append(k)
            cache.values.append(v)
            if i < last:
                prefix = block.rest(prefix, attend(q, k, v, bias), None)
                if layers is not None:
                    layers.append(prefix)
        return cache

    def extend(self, cache: Cache, suffix: Tensor, modulation: list[Tensor | None]) -> tuple[Tensor, Cache]:
        """One more block of suffix tokens [B, T, D'], which see the cache and each other. Returns them normed, and the longer cache."""
        B, T, _ = suffix.shape
        rope = self.rope(cache.next_position() + torch.arange(T, device=suffix.device))
        valid, bias = cache.valid, None
        if valid is not None:
            valid = torch.cat([valid, valid.new_ones(B, T)], dim=1)
            bias = attention_bias(valid[:, None], suffix.dtype)  # the same for every query
        longer = Cache([], [], valid)
        for i, block in enumerate(self.expert.blocks):
            q, k, v, gate = block.make_qkv(suffix, rope, modulation[2 * i])
            longer.keys.append(torch.cat([cache.keys[i], k], dim=1))
            longer.values.append(torch.cat([cache.values[i], v], dim=1))
            suffix = block.rest(suffix, attend(q, longer.keys[i], longer.values[i], bias), gate, modulation[2 * i + 1])
        return self.expert.norm(suffix, modulation[-1])[0], longer
