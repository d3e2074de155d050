"""RDT, the Robotics Diffusion Transformer (RDT-1B, RDT-170M; arXiv 2410.07864): a diffusion model of action chunks for any robot.

    what it denoises    [t, Hz, state, action 1 … H]  →  `depth` blocks  →  clean action 1 … H
    what it looks at    the words (T5) and two instants of three cameras (SigLIP), far too long to concatenate: 1024 + 4374 tokens

What differs from a textbook diffusion transformer:
- Alternating condition injection (ACI): block 0, 2, 4, … cross-attends to the words, block 1, 3, 5, … to the images, so that the
  many image tokens cannot drown the few words (`Transformer.remember`). No adaLN: step and frequency are tokens like any other.
- Every robot speaks the same 128 numbers (agent.executor.embodiment). A mask says which of them this robot has; it is concatenated
  to the values, so that "absent" differs from "zero".
- The norm divides by the standard deviation without subtracting the mean (`VarianceNorm`). It is not RMSNorm, whatever the paper says.
- Queries and keys are normalised per head; the last layer is an MLP, since actions are not a linear read-out.
- The network predicts the clean action (`RDT.denoise`). t counts down from 999, noise, to 0, clean (diffusion.py).
- Keys and values of words and images do not depend on t: they are computed once per chunk (`Memory`), which is exact:
  benchmarks/rdt_condition_cache.py measures the gain.

Letters: B batch, L words, N image tokens, T = H + 3 tokens, H horizon, A action width, D model width, d = D / heads.
Modules carry the names of the published checkpoints, so that those load without renaming.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.errors import PolicyError
from agent.executor.models.attention import weighed
from agent.executor.models.diffusion import add_noise, sample
from agent.executor.models.rdt_config import RDT_1B, RDT_170M, RDT_TINY, RDTConfig
from agent.executor.models.rdt_positions import frequencies, grid_positions, line_positions, token_positions
from agent.executor.models.sampling import Guide

__all__ = ["RDT", "RDT_1B", "RDT_170M", "RDT_TINY", "Memory", "RDTConfig", "Senses", "Transformer"]


class VarianceNorm(nn.Module):
    """x / √(variance of the features + 1e-6) · weight. The mean enters the variance (over n − 1), but is not subtracted from x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        around = wide - wide.mean(dim=-1, keepdim=True)
        variance = (around * around).sum(dim=-1, keepdim=True) / (x.shape[-1] - 1)  # on a CPU twice as quick as Tensor.var
        return (wide * torch.rsqrt(variance + 1e-6) * self.weight).to(x.dtype)


def split_heads(x: Tensor, parts: int, heads: int) -> Tensor:
    """(B, T, parts·D) → (parts, B, heads, T, d)."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d) v: (B, heads, T, d) → (B, T, D). mask: bool (B, 1, 1, keys), True = look."""
    return weighed(q, k, v, mask).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Every token sees every token: no mask, no rotary positions. Queries and keys are normalised, for each head alike."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = VarianceNorm(width // heads), VarianceNorm(width // heads)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = split_heads(self.qkv(x), 3, self.heads)
        return self.proj(attend(self.q_norm(q), self.k_norm(k), v))


@dataclass(frozen=True, eq=False)
class Memory:
    """What one block's cross-attention looks at: fixed while a chunk is denoised."""

    k: Tensor  # (B, heads, L or N, d), normalised
    v: Tensor  # (B, heads, L or N, d)
    mask: Tensor | None  # bool (B, 1, 1, L), True = look; None: look at all


class CrossAttention(nn.Module):
    """Tokens look at a condition. `remember` is the half that does not depend on the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.q_norm, self.k_norm = VarianceNorm(width // heads), VarianceNorm(width // heads)
        self.proj = nn.Linear(width, width)

    def remember(self, condition: Tensor, mask: Tensor | None) -> Memory:
        """condition (B, L, D), mask bool (B, L)."""
        k, v = split_heads(self.kv(condition), 2, self.heads)
        return Memory(self.k_norm(k), v, None if mask is None else mask[:, None, None, :])

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        (q,) = split_heads(self.q(x), 1, self.heads)
        return self.proj(attend(self.q_norm(q), memory.k, memory.v, memory.mask))


class MLP(nn.Module):
    """in → width → out with tanh-GELU between. As wide inside as outside."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """Tokens talk among themselves, look at one condition, think. Norms come first; the condition itself is not normed."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = VarianceNorm(width), SelfAttention(width, heads)
        self.norm2, self.cross_attn = VarianceNorm(width), CrossAttention(width, heads)
        self.norm3, self.ffn = VarianceNorm(width), MLP(width, width)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        x = x + self.attn(self.norm1(x))
        x = x + self.cross_attn(self.norm2(x), memory)
        return x + self.ffn(self.norm3(x))


class Readout(nn.Module):
    """The non-linear decoder: (B, T, D) → (B, T, A)."""

    def __init__(self, width: int, action: int) -> None:
        super().__init__()
        self.norm_final, self.ffn_final = VarianceNorm(width), MLP(width, action)

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn_final(self.norm_final(x))


class NumberToken(nn.Module):
    """One plain number per sample, the diffusion step or the control frequency (Hz, 0 = unknown), as one token: [B] → (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, values: Tensor) -> Tensor:
        return self.mlp(frequencies(values, 256).to(next(self.mlp.parameters()).dtype))


class Transformer(nn.Module):
    """The denoiser between the adaptors."""

    def __init__(self, config: RDTConfig) -> None:
        super().__init__()
        width = config.width
        self.horizon = config.horizon
        self.t_embedder, self.freq_embedder = NumberToken(width), NumberToken(width)
        self.x_pos_embed = nn.Parameter(token_positions(width, config.horizon))
        self.lang_cond_pos_embed = nn.Parameter(line_positions(width, config.words))
        self.img_cond_pos_embed = nn.Parameter(grid_positions(width, config.grid))
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.final_layer = Readout(width, config.action)
        self.initialise()

    def initialise(self) -> None:
        """Xavier weights, zero biases, small scalar embedders, and a last layer of zeros: an untrained model answers exactly 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in (*self.t_embedder.modules(), *self.freq_embedder.modules()):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.final_layer.ffn_final.fc2.weight)

    def remember(self, words: Tensor, words_mask: Tensor | None, images: Tensor) -> list[Memory]:
        """Alternating condition injection: even blocks get the words, odd blocks the images. words (B, L, D), images (B, N, D)."""
        words = words + self.lang_cond_pos_embed[:, : words.shape[1]]
        images = images + self.img_cond_pos_embed
        turns = ((words, words_mask), (images, None))
        return [cast(Block, block).cross_attn.remember(*turns[i % 2]) for i, block in enumerate(self.blocks)]

    def forward(self, state_and_actions: Tensor, t: Tensor, hz: Tensor, memories: list[Memory]) -> Tensor:
        """state_and_actions (B, 1 + H, D), t [B] or [1], hz [B] → clean actions (B, H, A)."""
        step = self.t_embedder(t).expand(len(state_and_actions), -1)
        x = torch.cat([step[:, None], self.freq_embedder(hz)[:, None], state_and_actions], dim=1)  # (B, T, D)
        x = x + self.x_pos_embed
        for block, memory in zip(self.blocks, memories, strict=True):
            x = block(x, memory)
        return self.final_layer(x)[:, -self.horizon :]


def adaptor(kind: str, width_in: int, width: int) -> nn.Module:
    """`linear`, or `mlpNx_gelu`: N linear layers with tanh-GELU between them."""
    if kind == "linear":
        return nn.Linear(width_in, width)
    layers: list[nn.Module] = [nn.Linear(width_in, width)]
    for _ in range(int(kind.removeprefix("mlp").removesuffix("x_gelu")) - 1):
        layers += [nn.GELU(approximate="tanh"), nn.Linear(width, width)]
    return nn.Sequential(*layers)


@dataclass(frozen=True, eq=False)
class Senses:
    """What RDT is told about one instant, for B robots. Encoded by encoders.py and embodiment.py; all in the model's dtype."""

    words: Tensor  # (B, L, words_width), hidden states of the instruction
    words_mask: Tensor | None  # bool (B, L), True = a real word; every row has at least one. None: all real
    images: Tensor  # (B, N, image_width): [exterior, right wrist, left wrist] one step ago, then now
    state: Tensor  # (B, A), unified slots, zero where absent
    has: Tensor  # (B, A), 1 where the robot has that slot, else 0; the same for state and actions
    hz: Tensor  # float [B], control frequency, 0 = unknown

    def __post_init__(self) -> None:
        if self.words_mask is not None and not self.words_mask.any(dim=1).all():
            raise PolicyError("An instruction without a single word leaves nothing to attend to; an empty one still has its end token.")


class RDT(nn.Module):
    """Adaptors around the denoiser, the loss, and sampling."""

    def __init__(self, config: RDTConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Transformer(config)
        self.lang_adaptor = adaptor(config.words_adaptor, config.words_width, config.width)
        self.img_adaptor = adaptor(config.image_adaptor, config.image_width, config.width)
        self.state_adaptor = adaptor(config.state_adaptor, 2 * config.action, config.width)  # [values, mask], state and actions alike

    def adapt(self, senses: Senses) -> tuple[Tensor, Tensor]:
        """Words (B, L, D) and images (B, N, D) in the model's width."""
        most, wanted = abs(self.config.words), self.config.image_tokens
        if senses.words.shape[1] > most or senses.images.shape[1] != wanted:
            raise PolicyError(
                f"The model reads at most {most} words and exactly {wanted} image tokens (instants × cameras × patches: "
                f"{self.config.grid}); it was given {senses.words.shape[1]} and {senses.images.shape[1]}."
            )
        return self.lang_adaptor(senses.words), self.img_adaptor(senses.images)

    def remember(self, senses: Senses) -> list[Memory]:
        """Everything a chunk needs of words and images, once: keys and values for every block."""
        words, images = self.adapt(senses)
        return self.model.remember(words, senses.words_mask, images)

    def denoise(self, noisy: Tensor, t: Tensor, senses: Senses, memories: list[Memory]) -> Tensor:
        """One look at noisy actions (B, H, A) at t int [B] or [1] → the clean actions it believes in (B, H, A)."""
        values = torch.cat([senses.state[:, None], noisy], dim=1)
        has = senses.has[:, None].expand_as(values)
        return self.model(self.state_adaptor(torch.cat([values, has], dim=2)), t, senses.hz, memories)

    def forward(self, noisy: Tensor, t: Tensor, senses: Senses) -> Tensor:
        return self.denoise(noisy, t, senses, self.remember(senses))

    def loss(self, actions: Tensor, noise: Tensor, t: Tensor, senses: Senses) -> Tensor:
        """Squared error (B, H, A), slot by slot; train on its plain mean. Absent slots are taught to be zero, not left out."""
        return (self(add_noise(actions, noise, t), t, senses) - actions) ** 2

    @torch.no_grad()
    def sample(
        self, senses: Senses, noise: Tensor, steps: int | None = None, guide: Guide | None = None, remember: bool = True
    ) -> Tensor:
        """Noise (B, H, A), all slots → a chunk of actions (B, H, A), zero where the robot has no such slot.

        A function of its arguments alone. `guide` pulls the first rows to a chunk that already runs (sampling.py). remember=False
        recomputes keys and values of words and images at every step: the same numbers, slower, kept to check and to measure against.
        """
        words, images = self.adapt(senses)
        memories = self.model.remember(words, senses.words_mask, images) if remember else None
        return self.walk(senses, noise, lambda: memories or self.model.remember(words, senses.words_mask, images), steps, guide)

    def walk(
        self,
        senses: Senses,
        noise: Tensor,
        memories: Callable[[], list[Memory]],
        steps: int | None = None,
        guide: Guide | None = None,
        denoise: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """The steps of `sample` alone. At each of them `memories` is asked for what `remember` returns; `denoise`: the same, compiled."""
        look, count = denoise or self.denoise, steps or self.config.steps

        def clean(x: Tensor, t: int) -> Tensor:
            return look(x, torch.full((1,), t, device=x.device), senses, memories())

        return sample(clean, noise, count, guide) * senses.has[:, None]
