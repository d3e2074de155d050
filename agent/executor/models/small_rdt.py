"""The small RDT: RDT's denoiser, diffusion and 128-slot space, over small eyes and words that were trained with it.

    pixels → eyes ┐
    words  ───────┴→ the small π0's first layers → image tokens, word tokens → cross-attention, in turn, as in RDT
                                  └→ heat maps → what they point at, with the words and the hand → every token of state and rows

RDT's encoders were trained before it and stay as they are. So may these: they are, weight for weight, what a small π0 reads its prefix with
up to where its heat maps are (`SmallRDT.read_as`).

So the denoiser is RDT itself at another size, and its tokens are told what those of the small π0 are told, by the same small network: a
small denoiser is slow to fetch one number from among many tokens. The mask tells, as ever, which slots exist; a control frequency token
tells how long a row lasts.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agent.executor.models import small_fast as fast
from agent.executor.models.attention import positions_of, rope_at
from agent.executor.models.diffusion import TRAIN_STEPS, add_noise
from agent.executor.models.paligemma import Expert, GemmaConfig
from agent.executor.models.rdt import RDT, Memory, RDTConfig
from agent.executor.models.rdt import Senses as RDTSenses
from agent.executor.models.sampling import Guide
from agent.executor.models.small import Eyes, Pointer, Pointing, Senses, SmallConfig, Telling, mean_words
from agent.executor.models.small_pi0 import Drawn, SmallPi0, Weigh
from agent.executor.models.small_space import FELT, GIVEN, TURN, has_slots

DROP = 0.1
"""Probability of taking away each sense of a sample in training."""


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


class Remembered(NamedTuple):
    """What all steps of a chunk need of the observation."""

    senses: RDTSenses
    memories: list[Memory]
    told: Tensor
    """[B, 1 + H, D], added to the tokens of state and rows."""

    def repeat(self, times: int) -> Remembered:
        """For so many draws of each sample, draw by draw."""
        of = self.senses
        senses = replace(of, state=of.state.repeat(times, 1), has=of.has.repeat(times, 1), hz=of.hz.repeat(times))
        memories = [Memory(m.k.repeat(times, 1, 1, 1), m.v.repeat(times, 1, 1, 1), _repeat(m.mask, times)) for m in self.memories]
        return Remembered(senses, memories, self.told.repeat(times, 1, 1))


class SmallRDT(nn.Module):
    """RDT behind an encoder of its own."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.small = config
        self.horizon = config.horizon
        self.encoder = Encoder(config)
        self.rdt = RDT(shape(config))
        self.silence = nn.Parameter(torch.zeros(1, config.width))
        if config.pointing:
            self.pointer = Pointer(config, config.width)
        self.point_in = Telling(config, GIVEN - FELT)
        has = torch.from_numpy(has_slots())
        self.register_buffer("has", has, persistent=False)
        self.register_buffer("acts", has.index_fill(0, torch.arange(FELT, GIVEN), 0), persistent=False)
        self.register_buffer("matters", self.has.index_fill(0, torch.tensor(TURN), 1 / len(TURN)), persistent=False)

    has: Tensor
    acts: Tensor
    """Slots of a row, float[128]; the hand's numbers are of the state alone."""
    matters: Tensor
    """How much a slot's error counts, float[128]: the numbers of the turn as one, for they say one thing."""

    def read_as(self, other: SmallPi0, telling: bool = True) -> None:
        """See, read and point as that small π0 does, and (telling) begin to tell as it does. Raises RuntimeError if the sizes differ."""
        self.encoder.eyes.load_state_dict(other.vision.state_dict())
        self.encoder.reader.embedding.load_state_dict(other.trunk.vlm.embedding.state_dict())
        for block, of in zip(self.encoder.reader.blocks, other.trunk.vlm.blocks, strict=False):
            block.load_state_dict(of.state_dict())
        if self.small.pointing:
            self.pointer.load_state_dict(other.pointer.state_dict())
        if self.small.pointing and telling:
            self.point_in.load_state_dict(other.point_in.state_dict())

    def keep_reading(self) -> None:
        """How pixels and words are read is not trained any more, only what is made of them."""
        self.encoder.requires_grad_(False)
        if self.small.pointing:
            self.pointer.requires_grad_(False)

    def look(self, senses: Senses, hz: Tensor, generator: torch.Generator | None = None) -> tuple[Remembered, Pointing | None]:
        """What RDT is told; hz float[B], the control rate of the robot. With a generator, as in training: words → silence, frequency → 0,
        mask → none, each with probability DROP. Views are lost before, in pixels; the state stays, for without it nobody knows where
        relative rows begin."""
        read, batch = self.encoder(senses), len(hz)
        pictures = read.shape[1] - senses.tokens.shape[1]
        said, normed, has = mean_words(read[:, pictures:], senses.valid), self.encoder.reader.norm(read)[0], self.has.expand(batch, -1)
        words = normed[:, pictures:]
        if generator is not None:
            gone, timeless, unmasked = (torch.rand(3, batch, 1, generator=generator) < DROP).to(read.device)
            words, said = torch.where(gone[..., None], self.silence.to(words), words), said * ~gone
            hz, has = torch.where(timeless[:, 0], 0, hz), torch.where(unmasked, 0, has)
        pointing = self.pointer(read[:, :pictures]) if self.small.pointing else None
        to_state, to_rows = self.point_in(pointing, senses.state[:, FELT:GIVEN], said)
        told = torch.cat([to_state, to_rows.expand(-1, self.horizon, -1)], dim=1)
        seen = RDTSenses(words, senses.valid, normed[:, :pictures], senses.state, has, hz)
        return Remembered(seen, self.rdt.remember(seen), told), pointing

    def clean(self, seen: Remembered, rows: Tensor, t: Tensor) -> Tensor:
        """The clean rows that `rows` [B, H, 128] at diffusion steps t int64[B or 1] are believed to come from, [B, H, 128]."""
        senses = seen.senses
        values = torch.cat([senses.state[:, None], rows.to(senses.state) * self.acts], dim=1)  # noise elsewhere would drown what is told
        tokens = self.rdt.state_adaptor(torch.cat([values, senses.has[:, None].expand_as(values)], dim=2)) + seen.told
        return self.rdt.model(tokens, t, senses.hz, seen.memories)

    def losses(self, senses: Senses, actions: Tensor, drawn: Drawn, hz: Tensor, weigh: Weigh,
               generator: torch.Generator) -> tuple[Tensor, Pointing | None]:  # fmt: skip
        """Weighted mean square error of the clean actions [B, H, 128]; `drawn`: K draws, its t being diffusion steps, int64[K*B].

        Given rows and what `weigh` is told are the network's own, as in small_pi0.flow_losses.
        """
        seen, pointing = self.look(senses, hz, generator)
        draws, nothing = len(drawn.t) // len(actions), torch.zeros(1, self.horizon, 1, dtype=torch.bool, device=actions.device)
        with torch.no_grad():
            guess = with_given(drawn.noise[: len(actions)], actions, nothing)
            promised = self.clean(seen, guess, torch.full_like(drawn.t[:1], TRAIN_STEPS - 1)).float()
        weight, promised = weigh(promised).repeat(draws, 1, 1), promised.repeat(draws, 1, 1) * self.acts + drawn.astray
        seen, actions = seen.repeat(draws), actions.repeat(draws, 1, 1)
        given = torch.arange(self.horizon, device=actions.device)[None, :, None] < drawn.given[:, None, None]
        noisy = with_given(add_noise(actions, drawn.noise, drawn.t), promised, given)
        missed = (self.clean(seen, noisy, drawn.t).float() - actions) ** 2
        counts = weight * ~given
        return (missed * counts * self.matters).sum() / (counts.sum().clamp(min=1) * self.matters.sum()), pointing

    @torch.no_grad()
    def sample(self, senses: Senses, noise: Tensor, hz: Tensor, steps: int | None = None, guide: Guide | None = None) -> Tensor:
        """Noise [B, H, 128] → rows in the same slots, by DPM-Solver++(2M). A guide's `frozen` rows are given, as in training."""
        seen, _ = self.look(senses, hz)
        target, frozen = (torch.zeros_like(noise), 0) if guide is None else (guide.target, guide.frozen)
        given = (torch.arange(self.horizon, device=noise.device) < frozen)[None, :, None]

        def denoise(x: Tensor, t: Tensor, *_: object) -> Tensor:
            return self.clean(seen, with_given(x, target, given), t)

        pull = guide if guide is not None and not frozen else None
        made = self.rdt.walk(seen.senses, noise, lambda: seen.memories, steps, pull, denoise)
        return torch.where(given, target, made)


def with_given(noisy: Tensor, clean: Tensor, given: Tensor) -> Tensor:
    """Rows as the denoiser sees them: given ones clean, and each says in slot GIVEN whether it is given (1: promised to the robot already)
    or to be made (0). given bool[B or 1, H, 1]."""
    mixed = torch.where(given, clean, noisy)
    return torch.cat([mixed[..., :GIVEN], given.to(mixed).expand(len(mixed), -1, -1)], dim=-1)


def _repeat(mask: Tensor | None, times: int) -> Tensor | None:
    return None if mask is None else mask.repeat(times, 1, 1, 1)


def training_steps(count: int, generator: torch.Generator) -> Tensor:
    """Diffusion steps, int64[count], a third of them beyond 890.

    RDT draws them uniformly. Thirty-two rows that say nearly the same betray the motion through much noise: at step 700 a small denoiser
    reads it off them and asks nothing of what it sees. Redundant signals want more noise (Hoogeboom et al. 2301.11093).
    """
    u = torch.rand(count, generator=generator)
    return (TRAIN_STEPS * (1 - u * u)).long().clamp(max=TRAIN_STEPS - 1)


__all__ = ["DROP", "SmallRDT", "shape", "training_steps"]
