"""The small π0: π0's trunk and sampling, small eyes, one word a token, and the pointing token.

THE TIME CONVENTION is π0's: t = 1 is noise, t = 0 is data. The network answers with the clean actions themselves (x-prediction); the flow
follows from them, v = (x − clean) / t, which is exact at every t > 0 and lands on the network's own answer in the last step. A network that
answers with v has to subtract its own noise again, which a small one does poorly.

Rows that are given (a real-time prefix) carry the time of clean data, row by row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agent.executor.models.paligemma import Cache, GemmaConfig, VisionConfig
from agent.executor.models.pi0 import Inputs, Pi0, Pi0Config, StepCondition
from agent.executor.models.sampling import Guide, euler, flow_times, row_times
from agent.executor.models.small import Eyes, Pointer, Pointing, Senses, SmallConfig

LEAST_TIME = 0.25
"""Where the weight of a sample's error stops growing towards clean data."""


def shape(config: SmallConfig) -> Pi0Config:
    """The same sizes as a π0 config."""
    expert = GemmaConfig(config.width, config.mlp, config.depth, config.heads, config.kv_heads, config.width // config.heads)
    none = VisionConfig(width=4, depth=0, mlp=4, heads=1, patch=1, image=1)  # replaced by small eyes
    return Pi0Config(none, expert, expert, config.vocab, config.action, config.horizon, config.max_text, config.cameras)


def as_inputs(senses: Senses) -> Inputs:
    return Inputs(senses.images, senses.seen, senses.tokens, senses.valid, senses.state)


class Drawn(NamedTuple):
    """Noise and times for K draws of each sample of a batch, and how many of its first rows are given.

    noise float32[K*B, H, A], t float32[K*B], given int64[K*B]; draw by draw, so that row k*B + b belongs to sample b.
    """

    noise: Tensor
    t: Tensor
    given: Tensor


class SmallPi0(Pi0):
    """Same prefix, suffix, cache and Euler steps as Pi0."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__(shape(config))
        self.small = config
        self.vision = Eyes(config, config.width)  # type: ignore[assignment]
        self.state_in = nn.Linear(config.state, config.width)
        nn.init.normal_(self.trunk.vlm.embedding.weight, std=1 / math.sqrt(config.width))
        if config.pointing:
            self.pointer = Pointer(config, config.width)
            told = config.points + config.state
            self.point_in = nn.Sequential(nn.Linear(told, config.width), nn.GELU(approximate="tanh"), nn.Linear(config.width, config.width))

    def see(self, images: Tensor) -> Tensor:
        return self.vision(images)

    def look(self, senses: Senses) -> tuple[Cache, Pointing | None]:
        """The prefix and the state token, read once: the cache for all steps, and where the named things are believed to be."""
        inputs, layers = as_inputs(senses), list[Tensor]()
        seen = self.see(senses.images)
        cache = self.trunk.prefill(*self.embed_prefix(seen, inputs), layers)
        token, pointing = self.embed_state(senses.state), None
        if self.small.pointing:
            pointing = self.pointer(layers[self.small.tap - 1][:, : seen.shape[1]])
            told = torch.cat([pointing.place.flatten(1), senses.state], dim=1)
            token = token + self.point_in(told)[:, None]
        return self.trunk.extend(cache, token, self.trunk.expert.modulate(None))[1], pointing

    def prefill(self, inputs: Inputs) -> Cache:  # type: ignore[override]
        return self.look(Senses(inputs.images, inputs.tokens, inputs.token_valid, inputs.state, inputs.image_valid))[0]

    def clean(self, cache: Cache, x: Tensor, condition: StepCondition) -> Tensor:
        """The clean actions that x [B, H, A] is believed to come from, float32[B, H, A]."""
        return super().velocity(cache, x, condition)

    def at_times(self, t: Tensor, given: Tensor) -> StepCondition:
        """t [B] for the rows that are to be made, 0 for the `given` first ones: one embedding each, then chosen row by row."""
        both = self.condition(torch.cat([t[:, None], torch.zeros_like(t)[:1, None]]))
        assert both.mixed is not None
        rows = torch.arange(self.horizon, device=t.device)[None, :, None] < given[:, None, None]
        return StepCondition(torch.where(rows, both.mixed[-1:], both.mixed[:-1]), both.modulation)

    def losses(self, senses: Senses, actions: Tensor, drawn: Drawn, weight: Tensor) -> tuple[Tensor, Pointing | None]:
        """The weighted mean square error of the clean actions, and the pointing, whose loss the caller adds.

        actions [B, H, A]; weight [B, H, 1], 0 for rows that do not count. Given rows do not count either.
        """
        cache, pointing = self.look(senses)
        draws = len(drawn.t) // len(actions)
        cache = Cache(*([part.repeat(draws, 1, 1, 1) for part in parts] for parts in cache[:2]), _repeat(cache.valid, draws))
        actions, weight = actions.repeat(draws, 1, 1), weight.repeat(draws, 1, 1)
        free = torch.arange(self.horizon, device=actions.device)[None, :, None] >= drawn.given[:, None, None]
        t = drawn.t[:, None, None]
        x = torch.where(free, t * drawn.noise + (1 - t) * actions, actions)
        missed = (self.clean(cache, x, self.at_times(drawn.t, drawn.given)) - actions) ** 2
        counts = weight * free
        share = counts / t.clamp(min=LEAST_TIME)
        return (missed * share).sum() / (counts.sum().clamp(min=1) * actions.shape[2]), pointing

    def denoise(self, cache: Cache, noise: Tensor, steps: int = 10, guide: Guide | None = None) -> Tensor:
        """Noise float32[B, H, A] → a chunk, in `steps` Euler steps from t = 1 to t = 0."""
        times = flow_times(steps, noise_at=1)
        rows = row_times(times, self.horizon, guide, noise_at=1).to(noise.device).view(steps, -1)
        conditions = self.condition(rows)

        def field(x: Tensor, k: int) -> Tensor:
            return (x - self.clean(cache, x, conditions.at(k))) / times[k]

        return euler(field, noise, times, guide, noise_at=1)


def _repeat(valid: Tensor | None, times: int) -> Tensor | None:
    return None if valid is None else valid.repeat(times, 1)


__all__ = ["Drawn", "SmallPi0", "as_inputs", "shape"]
