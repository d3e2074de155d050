"""The small π0-small: an encoder reads pixels, words and state; a decoder of its own cross-attends to what it found. No joint trunk.

Blocks, time modulation and Euler steps are those of π0-small (`pi0_small.py`); eyes, words, the pointing token and what the tokens are told
of it those of the small π0. So the two differ in one thing: whether the actions share the layers' attention with what is seen, or look at
its end result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.executor.models.pi0 import StepCondition, time_embedding
from agent.executor.models.pi0_small import DecoderBlock, EncoderBlock, Size, zero_linear
from agent.executor.models.sampling import Guide, euler, flow_times, row_times
from agent.executor.models.small import Eyes, Pointer, Pointing, Senses, SmallConfig, Telling, mean_words
from agent.executor.models.small_pi0 import Drawn, Weigh, flow_losses


class Remembered(NamedTuple):
    """What all steps of a chunk need of the observation."""

    seen: list[tuple[Tensor, Tensor]]
    """Keys and values for each decoder block."""
    mask: Tensor | None
    told: Tensor | None
    """[B, 1, D], added to every action token; None without pointing."""

    def repeat(self, times: int) -> Remembered:
        """For so many draws of each sample, draw by draw."""
        seen = [(k.repeat(times, 1, 1, 1), v.repeat(times, 1, 1, 1)) for k, v in self.seen]
        return Remembered(seen, None if self.mask is None else self.mask.repeat(times, 1, 1, 1),
                          None if self.told is None else self.told.repeat(times, 1, 1))  # fmt: skip


class SmallEncDec(nn.Module):
    """Same inputs, loss and sampling as SmallPi0."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.small, self.horizon = config, config.horizon
        D, size = config.width, Size(config.depth, config.width, config.heads, config.mlp)
        self.eyes = Eyes(config, D)
        self.words = nn.Embedding(config.vocab, D)
        self.word_position = nn.Parameter(torch.randn(config.max_text, D) * 0.02)
        self.state_in = nn.Linear(config.state, D)
        self.encoder = cast(Sequence[EncoderBlock], nn.ModuleList(EncoderBlock(size) for _ in range(config.depth)))
        self.encoder_norm = nn.LayerNorm(D)
        if config.pointing:
            self.pointer = Pointer(config, D)
            self.point_in = Telling(config, config.state)
        self.action_in, self.action_position = nn.Linear(config.action, D), nn.Parameter(torch.randn(config.horizon, D) * 0.02)
        self.time_in, self.time_out = nn.Linear(D, D), nn.Linear(D, D)
        self.decoder = cast(Sequence[DecoderBlock], nn.ModuleList(DecoderBlock(size, D) for _ in range(config.depth)))
        self.last_modulation, self.action_out = zero_linear(D, 2 * D), nn.Linear(D, config.action)

    def look(self, senses: Senses) -> tuple[Remembered, Pointing | None]:
        """What the decoder is to know, and where the named things are believed to be."""
        seen = self.eyes(senses.images)
        words = self.words(senses.tokens) + self.word_position[: senses.tokens.shape[1]]
        x, pointing = torch.cat([seen, self.state_in(senses.state)[:, None], words], dim=1), None
        state, mask, told = seen.shape[1], None, None
        if senses.valid is not None:
            mask = torch.cat([senses.valid.new_ones(len(x), state + 1), senses.valid], dim=1)[:, None, None]
        for layer, block in enumerate(self.encoder, start=1):
            x = block(x, mask)
            if layer == self.small.tap and self.small.pointing:
                pointing = self.pointer(x[:, :state])
                said = mean_words(x[:, state + 1 :], senses.valid)
                to_state, told = self.point_in(pointing, senses.state, said)
                x = torch.cat([x[:, :state], x[:, state : state + 1] + to_state, x[:, state + 1 :]], dim=1)
        x = self.encoder_norm(x)
        return Remembered([block.cross_attention.look(x) for block in self.decoder], mask, told), pointing

    def condition(self, t: Tensor) -> StepCondition:
        """Flow times float[B, R] → the modulation of every decoder block, and of the last norm."""
        embedded = time_embedding(t, self.small.width).to(self.time_in.weight.dtype)
        c = F.silu(self.time_out(F.silu(self.time_in(embedded))))
        return StepCondition(None, [*(block.modulate(c) for block in self.decoder), self.last_modulation(c)])

    def clean(self, memory: Remembered, x: Tensor, condition: StepCondition) -> Tensor:
        """The clean actions that x [B, H, A] is believed to come from, float32[B, H, A]."""
        y = self.action_in(x.to(self.action_in.weight.dtype)) + self.action_position
        y = y if memory.told is None else y + memory.told
        *modulations, last = [m for m in condition.modulation if m is not None]
        for block, (k, v), modulation in zip(self.decoder, memory.seen, modulations, strict=True):
            y = block(y, k, v, memory.mask, modulation)
        scale, shift = last.chunk(2, dim=-1)
        return self.action_out(F.layer_norm(y, y.shape[-1:], eps=1e-6) * (1 + scale) + shift).float()

    def at_times(self, t: Tensor, given: Tensor) -> StepCondition:
        """See SmallPi0.at_times."""
        rows = torch.arange(self.horizon, device=t.device)[None] < given[:, None]
        return self.condition(torch.where(rows, 0.0, t[:, None]))

    def losses(self, senses: Senses, actions: Tensor, drawn: Drawn, weigh: Weigh) -> tuple[Tensor, Pointing | None]:
        """See flow_losses."""
        return flow_losses(self, senses, actions, drawn, weigh)

    def denoise(self, memory: Remembered, noise: Tensor, steps: int = 10, guide: Guide | None = None) -> Tensor:
        """Noise float32[B, H, A] → a chunk, in `steps` Euler steps from t = 1 to t = 0."""
        times = flow_times(steps, noise_at=1)
        conditions = self.condition(row_times(times, self.horizon, guide, noise_at=1).to(noise.device).view(steps, -1))
        return euler(lambda x, k: (x - self.clean(memory, x, conditions.at(k))) / times[k], noise, times, guide, noise_at=1)


__all__ = ["SmallEncDec"]
