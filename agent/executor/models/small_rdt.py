"""The small RDT: RDT's denoiser, diffusion and 128-slot space, over small eyes and words that were trained with it.

    pixels → eyes ┐
    words  ───────┴→ the small π0's first layers → image tokens, word tokens → cross-attention, in turn, as in RDT
                                  └→ heat maps → what they point at, in slots 103 … of the state

RDT's encoders were trained before it and stay as they are. So may these: they are, weight for weight, what a small π0 reads its prefix with
up to where its heat maps are (`SmallRDT.read_as`).

So the denoiser is RDT itself at another size: its state token carries where the named things are believed to be, in slots of the unified
space that have no meaning of their own. Noisy rows carry it in the same slots, with where the hand is: a small denoiser is slow to fetch it
from one token among many. The mask tells, as ever, which slots exist; a control frequency token tells how long a row lasts.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from agent.executor.models import small_fast as fast
from agent.executor.models.attention import positions_of, rope_at
from agent.executor.models.diffusion import TRAIN_STEPS, add_noise
from agent.executor.models.paligemma import Expert, GemmaConfig
from agent.executor.models.rdt import RDT, Memory, RDTConfig
from agent.executor.models.rdt import Senses as RDTSenses
from agent.executor.models.sampling import Guide
from agent.executor.models.small import Eyes, Pointer, Pointing, Senses, SmallConfig
from agent.executor.models.small_pi0 import Drawn, SmallPi0
from agent.executor.models.small_space import FELT, GIVEN, RESERVED, has_slots

DROP = 0.1
"""Probability of taking away each sense of a sample in training."""
LOUD = 2.5
"""Times u, v and certainty, so that they differ as much as standardised numbers do."""


def shape(config: SmallConfig) -> RDTConfig:
    """The same sizes as an RDT config."""
    return RDTConfig(
        width=config.width, depth=config.depth, heads=config.heads, horizon=config.horizon, action=config.action,
        words_width=config.width, image_width=config.width, words=config.max_text,
        grid=(1, len(config.cameras), -(config.grid**2)), words_adaptor="linear", image_adaptor="linear", steps=config.steps,
    )  # fmt: skip


class Encoder(nn.Module):
    """Pixels and words, read together as a small π0 reads its prefix: the first `tap` layers of it."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.eyes = Eyes(config, config.width)
        self.reader = Expert(GemmaConfig(config.width, config.mlp, config.tap, config.heads, 1, config.width // config.heads), config.vocab)
        nn.init.normal_(self.reader.embedding.weight, std=1 / math.sqrt(config.width))

    def forward(self, senses: Senses) -> Tensor:
        """[B, V*P + L, D]: image tokens, then word tokens."""
        seen = self.eyes(senses.images)
        x, bias = torch.cat([seen, self.reader.embed_text(senses.tokens)], dim=1), None
        positions = torch.arange(x.shape[1], device=x.device)[None]
        if senses.valid is not None:
            valid = torch.cat([senses.valid.new_ones(seen.shape[:2]), senses.valid], dim=1)
            positions, bias = positions_of(valid), fast.padding_bias(valid)
        config = self.reader.config
        at = fast.waves(rope_at(positions, config.head_dim, config.rope_base), config.heads)
        return fast.read(x, fast.fold(self.reader), at, config.heads, bias)


class SmallRDT(nn.Module):
    """RDT behind an encoder of its own."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        if config.points > FELT - RESERVED:
            raise ValueError(f"Pointing takes {config.points} numbers here, and RDT's unified space has {FELT - RESERVED} slots for them. "
                             "Choose fewer cameras or things.")  # fmt: skip
        self.small = config
        self.horizon = config.horizon
        self.encoder = Encoder(config)
        self.rdt = RDT(shape(config))
        self.silence = nn.Parameter(torch.zeros(1, config.width))
        if config.pointing:
            self.pointer = Pointer(config, config.width)
        self.register_buffer("has", torch.from_numpy(has_slots(config.points)), persistent=False)

    has: Tensor

    def read_as(self, other: SmallPi0) -> None:
        """See, read and point as that small π0 does. Raises RuntimeError if the sizes differ."""
        self.encoder.eyes.load_state_dict(other.vision.state_dict())
        self.encoder.reader.embedding.load_state_dict(other.trunk.vlm.embedding.state_dict())
        for block, of in zip(self.encoder.reader.blocks, other.trunk.vlm.blocks, strict=False):
            block.load_state_dict(of.state_dict())
        if self.small.pointing:
            self.pointer.load_state_dict(other.pointer.state_dict())

    def keep_reading(self) -> None:
        """How pixels and words are read is not trained any more, only what is made of them."""
        self.encoder.requires_grad_(False)
        if self.small.pointing:
            self.pointer.requires_grad_(False)

    def look(self, senses: Senses, hz: Tensor) -> tuple[RDTSenses, Pointing | None]:
        """What RDT is told: hz float[B], the control rate of the robot."""
        read, state, pointing = self.encoder(senses), senses.state, None
        normed, pictures = self.encoder.reader.norm(read)[0], read.shape[1] - senses.tokens.shape[1]
        if self.small.pointing:
            pointing = self.pointer(read[:, :pictures])
            told = LOUD * pointing.place.flatten(1)
            state = torch.cat([state[:, :RESERVED], told, state[:, RESERVED + told.shape[1] :]], dim=1)
        has = self.has.expand(len(state), -1)
        return RDTSenses(normed[:, pictures:], senses.valid, normed[:, :pictures], state, has, hz), pointing

    def losses(self, senses: Senses, actions: Tensor, drawn: Drawn, hz: Tensor, weight: Tensor,
               generator: torch.Generator) -> tuple[Tensor, Pointing | None]:  # fmt: skip
        """Mean square error of the clean actions [B, H, 128]; `drawn`: K draws, its t being diffusion steps, int64[K*B].

        weight [B, H, 1], 0 for rows beyond the robot's. Words, frequency and the mask of slots are taken away at random, as in RDT's
        recipe; views are taken away before, in pixels; the state stays, for without it nobody knows where relative rows begin.
        """
        told, pointing = self.look(senses, hz)
        told = self.without(told, generator)
        draws = len(drawn.t) // len(actions)
        memories = [Memory(m.k.repeat(draws, 1, 1, 1), m.v.repeat(draws, 1, 1, 1), _repeat(m.mask, draws)) for m in self.rdt.remember(told)]
        told = replace(told, state=told.state.repeat(draws, 1), has=told.has.repeat(draws, 1), hz=told.hz.repeat(draws))
        actions, weight = actions.repeat(draws, 1, 1), weight.repeat(draws, 1, 1)
        given = torch.arange(self.horizon, device=actions.device)[None, :, None] < drawn.given[:, None, None]
        noisy = self.with_told(with_given(add_noise(actions, drawn.noise, drawn.t), actions, given), told.state)
        missed = (self.rdt.denoise(noisy, drawn.t, told, memories).float() - actions) ** 2
        counts = weight * ~given
        return (missed * counts).sum() / (counts.sum().clamp(min=1) * self.has.sum()), pointing

    def with_told(self, rows: Tensor, state: Tensor) -> Tensor:
        """Rows as the denoiser sees them, [B, H, 128]: each with where the named things and the hand are, of the state [B, 128]; slots that
        these robots lack are silent, for their noise would drown both."""
        heard = state[:, None, RESERVED:GIVEN].expand(-1, rows.shape[1], -1)
        return torch.cat([rows[..., :RESERVED] * self.has[:RESERVED], heard.to(rows), rows[..., GIVEN:]], dim=-1)

    def without(self, told: RDTSenses, generator: torch.Generator) -> RDTSenses:
        """Words → silence, frequency → 0, mask → none, each with probability DROP."""
        batch, device = len(told.hz), told.hz.device

        def lost(*shape: int) -> Tensor:
            return (torch.rand(batch, *shape, generator=generator) < DROP).to(device)

        gone = lost()
        words = torch.where(gone[:, None, None], self.silence.to(told.words), told.words)
        return replace(told, words=words, hz=torch.where(lost(), 0, told.hz), has=torch.where(lost(1), 0, told.has))

    @torch.no_grad()
    def sample(self, senses: Senses, noise: Tensor, hz: Tensor, steps: int | None = None, guide: Guide | None = None) -> Tensor:
        """Noise [B, H, 128] → rows in the same slots, by DPM-Solver++(2M). A guide's `frozen` rows are given, as in training."""
        told, _ = self.look(senses, hz)
        memories = self.rdt.remember(told)
        target, frozen = (torch.zeros_like(noise), 0) if guide is None else (guide.target, guide.frozen)
        given = (torch.arange(self.horizon, device=noise.device) < frozen)[None, :, None]

        def denoise(x: Tensor, *rest: Any) -> Tensor:
            return self.rdt.denoise(self.with_told(with_given(x, target, given), told.state), *rest)

        pull = guide if guide is not None and not frozen else None
        made = self.rdt.walk(told, noise, lambda: memories, steps, pull, denoise)
        return torch.where(given, target, made)


def with_given(noisy: Tensor, clean: Tensor, given: Tensor) -> Tensor:
    """Rows as the denoiser sees them: given ones clean, and each says in slot GIVEN whether it is given (1: promised to the robot already)
    or to be made (0). given bool[B or 1, H, 1]."""
    mixed = torch.where(given, clean, noisy)
    return torch.cat([mixed[..., :GIVEN], given.to(mixed).expand(len(mixed), -1, -1)], dim=-1)


def _repeat(mask: Tensor | None, times: int) -> Tensor | None:
    return None if mask is None else mask.repeat(times, 1, 1, 1)


def training_steps(count: int, generator: torch.Generator) -> Tensor:
    """Diffusion steps, int64[count], uniform."""
    return torch.randint(TRAIN_STEPS, (count,), generator=generator)


__all__ = ["DROP", "SmallRDT", "shape", "training_steps"]
