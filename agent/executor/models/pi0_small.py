"""π0-small: the π0 paper's baseline without a pre-trained vision-language model. An encoder reads the scene, a decoder denoises actions.

    camera ──▶ ResNet-26 + ViT-S/32 (one per camera) ──┐
    words  ──▶ DistilBERT ─────────────────────────────┼──▶ observation transformer ──▶ keys and values, once per chunk
    state  ──▶ one token ──────────────────────────────┘                                  │ cross-attention
    noisy actions + time (AdaLN-Zero) ──▶ H tokens that see each other in both directions ─┴──▶ velocity ──▶ a chunk

THE TIME CONVENTION is π0's (pi0.py):   t = 1 is NOISE,   t = 0 is DATA.   Loss, time embedding and Euler loop are shared with π0.

Against π0: the experts do not share one attention; the decoder cross-attends to the encoder's output, whose keys and values do not depend
on the actions and are kept for all steps. The time enters every decoder branch as scale, shift and gate, whose layer starts at zero, so
that each block starts as the identity. Attention is bias-free with normalised queries and keys; the feed-forward is SwiGLU.

No weights of it were published, and the paper names parts rather than sizes; the sizes below are those of the released code's history
(variants small, base, large). `pi0_small()` is base/base, with the paper's three cameras: 497 million parameters against the paper's 470.
Letters: B batch, V views, I image side, S observation tokens, L text tokens, H horizon, A action width, D width, N heads.
Sources: π0 2410.24164 (appendix), DiT 2212.09748 (AdaLN-Zero), hybrid ViT 2010.11929 and 2106.10270, weight standardisation 1903.10520.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.errors import PolicyError
from agent.executor.models.attention import weighed
from agent.executor.models.paligemma import VisionBlock, VisionConfig
from agent.executor.models.pi0 import CAMERAS, Flow, Inputs, StepCondition, time_embedding


@dataclass(frozen=True)
class Size:
    """A transformer's: SMALL, BASE and LARGE are the variants of the released code."""

    depth: int
    width: int
    heads: int
    mlp: int


SMALL, BASE, LARGE = Size(12, 384, 6, 1536), Size(12, 768, 12, 3072), Size(24, 1024, 16, 4096)


@dataclass(frozen=True)
class Pi0SmallConfig:
    """The defaults are the paper's parts at base size."""

    encoder: Size = BASE
    decoder: Size = BASE
    sight: Size = SMALL  # the ViT on top of the ResNet
    stem: int = 64  # channels of the ResNet's first stage
    stages: tuple[int, ...] = (2, 2, 2, 2)
    image: int = 224
    words: dict[str, Any] | None = field(default_factory=dict)  # changes to transformers' DistilBertConfig; None: no language
    action_dim: int = 32
    horizon: int = 50
    max_text: int = 48
    cameras: tuple[str, ...] = CAMERAS
    min_period: float = 0.004
    max_period: float = 4.0

    @property
    def tokens(self) -> int:
        """Per image: one per 32 x 32 pixels (the root halves twice, every stage but the first once)."""
        return (self.image // (4 * 2 ** (len(self.stages) - 1))) ** 2


def tiny(words: bool = True, horizon: int = 10) -> Pi0SmallConfig:
    """For tests, and for machines without an accelerator."""
    size = Size(depth=2, width=32, heads=4, mlp=64)
    text = {"vocab_size": 300, "dim": 16, "hidden_dim": 32, "n_layers": 1, "n_heads": 2, "max_position_embeddings": 48}
    return Pi0SmallConfig(size, size, size, stem=32, stages=(1, 1), image=32, words=text if words else None, horizon=horizon, max_text=8)


# --- eyes: a small ResNet under a small ViT, one per camera ------------------------------------------------------------------


class StandardConv(nn.Conv2d):
    """A convolution whose filters have mean 0 and deviation 1: what group normalisation is trained with."""

    def forward(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        return self._conv_forward(x, (self.weight - mean) / (deviation + 1e-5), None)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 to four times the channels; group norm after each; the last one starts at zero."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        out = 4 * channels
        self.conv1, self.norm1 = StandardConv(channels_in, channels, 1, bias=False), nn.GroupNorm(32, channels)
        self.conv2, self.norm2 = StandardConv(channels, channels, 3, stride, 1, bias=False), nn.GroupNorm(32, channels)
        self.conv3, self.norm3 = StandardConv(channels, out, 1, bias=False), nn.GroupNorm(32, out)
        nn.init.zeros_(self.norm3.weight)
        self.short: nn.Module = nn.Identity()
        if channels_in != out or stride > 1:
            self.short = nn.Sequential(StandardConv(channels_in, out, 1, stride, bias=False), nn.GroupNorm(32, out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.norm3(self.conv3(y)) + self.short(x))


class Eye(nn.Module):
    """Images [B, 3, I, I], uint8 or float in -1..1, -> tokens [B, P, D of the ViT]."""

    def __init__(self, config: Pi0SmallConfig) -> None:
        super().__init__()
        self.root, self.root_norm = StandardConv(3, config.stem, 7, 2, 3, bias=False), nn.GroupNorm(32, config.stem)
        stages, channels_in = [], config.stem
        for k, count in enumerate(config.stages):
            for n in range(count):
                stages.append(Bottleneck(channels_in, config.stem * 2**k, stride=2 if k > 0 and n == 0 else 1))
                channels_in = 4 * config.stem * 2**k
        self.stages = nn.Sequential(*stages)
        sight = config.sight
        self.patch = nn.Conv2d(channels_in, sight.width, 1)
        self.position = nn.Parameter(torch.randn(config.tokens, sight.width) * 0.02)
        as_vision = VisionConfig(sight.width, sight.depth, sight.mlp, sight.heads)
        self.blocks = nn.Sequential(*(VisionBlock(as_vision) for _ in range(sight.depth)))
        self.norm = nn.LayerNorm(sight.width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        x = images.to(self.patch.weight.dtype)
        x = x / 255 if images.dtype == torch.uint8 else (x + 1) / 2  # this family's images are 0..1
        x = F.max_pool2d(F.relu(self.root_norm(self.root(x))), 3, 2, 1)
        x = self.patch(self.stages(x)).flatten(2).transpose(1, 2) + self.position  # [B, P, D]
        return self.norm(self.blocks(x))


# --- transformers -----------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """Bias-free; queries and keys normalised per head. `look` makes keys and values, `forward` uses them."""

    def __init__(self, size: Size, from_width: int) -> None:
        super().__init__()
        self.heads = size.heads
        self.q = nn.Linear(size.width, size.width, bias=False)
        self.kv = nn.Linear(from_width, 2 * size.width, bias=False)
        self.q_norm, self.k_norm = (nn.LayerNorm(size.width // size.heads, eps=1e-6) for _ in range(2))
        self.out = nn.Linear(size.width, size.width, bias=False)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, S, D'] -> keys and values, each [B, N, S, D/N]."""
        k, v = self.kv(x).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.k_norm(k), v

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, T, D]; mask bool[B, 1, 1, S], True: look."""
        q = self.q_norm(self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2))
        return self.out(weighed(q, k, v, mask).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """down(silu(gate) * up)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gate_up, self.down = nn.Linear(size.width, 2 * size.mlp, bias=False), nn.Linear(size.mlp, size.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class EncoderBlock(nn.Module):
    """x += attention(norm(x)); x += mlp(norm(x))."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(size.width, eps=1e-6), Attention(size, size.width)
        self.norm2, self.mlp = nn.LayerNorm(size.width, eps=1e-6), SwiGLU(size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, *self.attention.look(y), mask)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention, feed-forward: each  x += gate * branch(norm(x) * (1 + scale) + shift)."""

    def __init__(self, size: Size, from_width: int) -> None:
        super().__init__()
        self.self_attention, self.cross_attention, self.mlp = Attention(size, size.width), Attention(size, from_width), SwiGLU(size)
        self.modulate = zero_linear(size.width, 9 * size.width)  # scale | shift | gate, three times

    def forward(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, modulation: Tensor) -> Tensor:
        """x [B, H, D]; k and v of the observation; modulation [B or 1, 1 or H, 9D], from `modulate`."""
        a, b, c = modulation.chunk(3, dim=-1)
        y, gate = modulated(x, a)
        x = x + gate * self.self_attention(y, *self.self_attention.look(y), None)
        y, gate = modulated(x, b)
        x = x + gate * self.cross_attention(y, k, v, mask)
        y, gate = modulated(x, c)
        return x + gate * self.mlp(y)


def modulated(x: Tensor, modulation: Tensor) -> tuple[Tensor, Tensor]:
    """Layer norm without weights, scaled and shifted, and the gate of the branch that follows."""
    scale, shift, gate = modulation.chunk(3, dim=-1)
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift, gate


def zero_linear(width: int, out: int) -> nn.Linear:
    layer = nn.Linear(width, out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


# --- the policy -------------------------------------------------------------------------------------------------------------


class Memory(NamedTuple):
    """Keys and values of the observation for each decoder block, and which tokens are real (bool[B, 1, 1, S]; None: all)."""

    seen: list[tuple[Tensor, Tensor]]
    mask: Tensor | None


class Pi0Small(Flow):
    """Same inputs, loss and sampling as Pi0. Every camera has an eye of its own, so absent ones are masked, never left out."""

    def __init__(self, config: Pi0SmallConfig) -> None:
        super().__init__(config.horizon)
        self.config = config
        D, E = config.decoder.width, config.encoder.width
        self.eyes = nn.ModuleList(Eye(config) for _ in config.cameras)
        self.from_eye = nn.ModuleList(nn.Linear(config.sight.width, E) for _ in config.cameras)
        self.camera = nn.Parameter(torch.randn(len(config.cameras), E) * 0.02)
        self.state_in, self.state_position = nn.Linear(config.action_dim, E), nn.Parameter(torch.randn(E) * 0.02)
        self.words: nn.Module | None = None
        if config.words is not None:
            from transformers import DistilBertConfig, DistilBertModel

            text = DistilBertConfig(**config.words)
            self.words, self.from_words = DistilBertModel(text), nn.Linear(text.dim, E)
        self.encoder = cast(Sequence[EncoderBlock], nn.ModuleList(EncoderBlock(config.encoder) for _ in range(config.encoder.depth)))
        self.encoder_norm = nn.LayerNorm(E, eps=1e-6)
        self.action_in, self.action_position = nn.Linear(config.action_dim, D), nn.Parameter(torch.randn(config.horizon, D) * 0.02)
        self.time_in, self.time_out = nn.Linear(D, D), nn.Linear(D, D)
        self.decoder = cast(Sequence[DecoderBlock], nn.ModuleList(DecoderBlock(config.decoder, E) for _ in range(config.decoder.depth)))
        self.last_modulation, self.action_out = zero_linear(D, 2 * D), nn.Linear(D, config.action_dim)

    def observe(self, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        """All observation tokens [B, S, E], camera by camera, then state, then words; and bool[B, S], or None when all are real."""
        B, V = inputs.images.shape[:2]
        if len(self.eyes) != V:
            cameras = ", ".join(self.config.cameras)
            raise PolicyError(f"This model has an eye for each of {cameras}; {V} images were given. Mask absent ones instead.")
        parts = [self.from_eye[v](self.eyes[v](inputs.images[:, v])) + self.camera[v] for v in range(V)]
        parts.append((self.state_in(inputs.state.to(self.state_in.weight.dtype)) + self.state_position)[:, None])
        sight = torch.ones(B, V, dtype=torch.bool, device=inputs.images.device) if inputs.image_valid is None else inputs.image_valid
        real = [sight.repeat_interleave(self.config.tokens, dim=1), sight.new_ones(B, 1)]
        if self.words is not None:
            read = torch.ones_like(inputs.tokens, dtype=torch.bool) if inputs.token_valid is None else inputs.token_valid
            parts.append(self.from_words(self.words(input_ids=inputs.tokens, attention_mask=read.long()).last_hidden_state))
            real.append(read)
        all_real = inputs.image_valid is None and (self.words is None or inputs.token_valid is None)
        return torch.cat(parts, dim=1), None if all_real else torch.cat(real, dim=1)

    def prefill(self, inputs: Inputs) -> Memory:
        """The observation, encoded, as keys and values for each decoder block: once per chunk."""
        x, real = self.observe(inputs)
        mask = None if real is None else real[:, None, None]
        for block in self.encoder:
            x = block(x, mask)
        x = self.encoder_norm(x)
        return Memory([block.cross_attention.look(x) for block in self.decoder], mask)

    def condition(self, t: Tensor) -> StepCondition:
        """Flow times float[B, R] -> the modulation of every decoder block [B, R, 9D], and of the last norm [B, R, 2D]."""
        embedded = time_embedding(t, self.config.decoder.width, self.config.min_period, self.config.max_period)
        c = F.silu(self.time_out(F.silu(self.time_in(embedded.to(self.time_in.weight.dtype)))))
        return StepCondition(None, [*(block.modulate(c) for block in self.decoder), self.last_modulation(c)])

    def velocity(self, cache: Memory, x: Tensor, condition: StepCondition) -> Tensor:
        """dx/dt at x [B, H, A]: float32[B, H, A]."""
        y = self.action_in(x.to(self.action_in.weight.dtype)) + self.action_position
        *modulations, last = [m for m in condition.modulation if m is not None]
        for block, (k, v), modulation in zip(self.decoder, cache.seen, modulations, strict=True):
            y = block(y, k, v, cache.mask, modulation)
        scale, shift = last.chunk(2, dim=-1)
        return self.action_out(F.layer_norm(y, y.shape[-1:], eps=1e-6) * (1 + scale) + shift).float()

    def forward(self, inputs: Inputs, x: Tensor, t: Tensor) -> Tensor:
        """The velocity at x [B, H, A], time t [B] or [B, H]: float32[B, H, A]."""
        return self.velocity(self.prefill(inputs), x, self.condition(t.view(x.shape[0], -1)))


def pi0_small(**changes: Any) -> Pi0SmallConfig:
    """The paper's parts at base size, with any field changed."""
    return Pi0SmallConfig(**changes)
