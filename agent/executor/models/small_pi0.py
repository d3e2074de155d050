"""The small π0: π0's trunk and sampling, small eyes, one word a token, and the pointing token.

THE TIME CONVENTION is π0's: t = 1 is noise, t = 0 is data. The network answers with the clean actions themselves (x-prediction); the flow
follows from them, v = (x − clean) / t, which is exact at every t > 0 and lands on the network's own answer in the last step. A network that
answers with v has to subtract its own noise again, which a small one does poorly.

Rows that are given (a real-time prefix) carry the time of clean data, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from agent.executor.models import small_fast as fast
from agent.executor.models.attention import positions_of
from agent.executor.models.paligemma import GemmaConfig, VisionConfig
from agent.executor.models.pi0 import Inputs, Pi0, Pi0Config, StepCondition
from agent.executor.models.sampling import Guide, euler, flow_times, row_times
from agent.executor.models.small import Eyes, Pointer, Pointing, Senses, SmallConfig, Telling, mean_words

LEAST_TIME = 0.25
"""Where the weight of a sample's error stops growing towards clean data."""


def shape(config: SmallConfig) -> Pi0Config:
    """The same sizes as a π0 config."""
    expert = GemmaConfig(config.width, config.mlp, config.depth, config.heads, 1, config.width // config.heads)
    none = VisionConfig(width=4, depth=0, mlp=4, heads=1, patch=1, image=1)  # replaced by small eyes
    return Pi0Config(none, expert, expert, config.vocab, config.action, config.horizon, config.max_text, config.cameras)


def as_inputs(senses: Senses) -> Inputs:
    return Inputs(senses.images, senses.seen, senses.tokens, senses.valid, senses.state)


class Drawn(NamedTuple):
    """Noise and times for K draws of each sample of a batch, how many of its first rows are given, and how far those are off.

    noise float32[K*B, H, A], t float32[K*B], given int64[K*B], astray float32[K*B, H, A]; draw by draw, so that row k*B + b belongs to
    sample b.
    """

    noise: Tensor
    t: Tensor
    given: Tensor
    astray: Tensor


Weigh = Callable[[Tensor], Tensor]
"""How much each row counts, [B, H, 1], from what the network itself takes for the answer, [B, H, A]; 0 for rows beyond the robot's."""


class Remembered(NamedTuple):
    """What all steps of a chunk need of the observation."""

    memory: fast.Memory
    expert: list[fast.Folded]
    at: fast.Waves
    """Of the action tokens."""
    told: Tensor | None
    """[B, 1, D], added to every action token; None without pointing."""

    def repeat(self, times: int) -> Remembered:
        """For so many draws of each sample, draw by draw."""
        at = self.at if len(self.at.cos) == 1 else fast.Waves(*(part.repeat(times, 1, 1) for part in self.at))
        return Remembered(self.memory.repeat(times), self.expert, at, None if self.told is None else self.told.repeat(times, 1, 1))


class SmallPi0(Pi0):
    """Same tokens, weights, attention and Euler steps as Pi0; the trunk is walked as in small_fast.py, to the same numbers."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__(shape(config))
        self.small = config
        self._folded: tuple[list[fast.Folded], list[fast.Folded]] | None = None
        self.vision = Eyes(config, config.width)  # type: ignore[assignment]
        self.state_in = nn.Linear(config.state, config.width)
        nn.init.normal_(self.trunk.vlm.embedding.weight, std=1 / math.sqrt(config.width))
        if config.pointing:
            self.pointer = Pointer(config, config.width)
            self.point_in = Telling(config, config.state)

    def train(self, mode: bool = True) -> SmallPi0:
        """Entering either mode forgets the folded weights, which `eval` then keeps from chunk to chunk."""
        self._folded = None
        return super().train(mode)

    def folded(self) -> tuple[list[fast.Folded], list[fast.Folded]]:
        """The weights of both experts as small_fast.py reads them."""
        if self.training or torch.is_grad_enabled():
            return fast.fold(self.trunk.vlm), fast.fold(self.trunk.expert)
        if self._folded is None:
            self._folded = fast.fold(self.trunk.vlm), fast.fold(self.trunk.expert)
        return self._folded

    def see(self, images: Tensor) -> Tensor:
        return self.vision(images)

    def look(self, senses: Senses) -> tuple[Remembered, Pointing | None]:
        """The prefix and the state token, read once, and where the named things are believed to be."""
        seen = self.see(senses.images)
        prefix, valid = self.embed_prefix(seen, as_inputs(senses))
        positions = torch.arange(prefix.shape[1], device=prefix.device)[None] if valid is None else positions_of(valid)
        after = positions[:, -1:] + 1 if valid is None else valid.sum(-1, keepdim=True)
        wide, narrow = self.folded()
        memory, layers = fast.prefill(prefix, wide, self.waves(positions), self.small.heads,
                                      None if valid is None else fast.padding_bias(valid))  # fmt: skip
        token, pointing, told = self.embed_state(senses.state), None, None
        if self.small.pointing:
            read = layers[self.small.tap - 1]
            pointing = self.pointer(read[:, : seen.shape[1]])
            words = mean_words(read[:, seen.shape[1] :], senses.valid)
            to_state, told = self.point_in(pointing, senses.state, words)
            token = token + to_state
        longer = fast.extend(memory, token, narrow, self.waves(after), self.small.heads, keep=True)[1]
        actions = after + 1 + torch.arange(self.horizon, device=prefix.device)
        return Remembered(longer, narrow, self.waves(actions), told), pointing

    def waves(self, positions: Tensor) -> fast.Waves:
        """positions int[B or 1, T]."""
        return fast.waves(self.trunk.rope(positions), self.small.heads)

    def clean(self, seen: Remembered, x: Tensor, condition: StepCondition) -> Tensor:
        """The clean actions that x [B, H, A] is believed to come from, float32[B, H, A]."""
        tokens = self.embed_actions(x, condition)
        tokens = tokens if seen.told is None else tokens + seen.told
        hidden = fast.extend(seen.memory, tokens, seen.expert, seen.at, self.small.heads)[0]
        return self.read_out(self.trunk.expert.norm(hidden)[0])

    def at_times(self, t: Tensor, given: Tensor) -> StepCondition:
        """t [B] for the rows that are to be made, 0 for the `given` first ones: one embedding each, then chosen row by row."""
        both = self.condition(torch.cat([t[:, None], torch.zeros_like(t)[:1, None]]))
        assert both.mixed is not None
        rows = torch.arange(self.horizon, device=t.device)[None, :, None] < given[:, None, None]
        return StepCondition(torch.where(rows, both.mixed[-1:], both.mixed[:-1]), both.modulation)

    def losses(self, senses: Senses, actions: Tensor, drawn: Drawn, weigh: Weigh) -> tuple[Tensor, Pointing | None]:
        """See flow_losses."""
        return flow_losses(self, senses, actions, drawn, weigh)

    def denoise(self, seen: Remembered, noise: Tensor, steps: int = 10, guide: Guide | None = None) -> Tensor:
        """Noise float32[B, H, A] → a chunk, in `steps` Euler steps from t = 1 to t = 0."""
        times = flow_times(steps, noise_at=1)
        rows = row_times(times, self.horizon, guide, noise_at=1).to(noise.device).view(steps, -1)
        conditions = self.condition(rows)

        def field(x: Tensor, k: int) -> Tensor:
            return (x - self.clean(seen, x, conditions.at(k))) / times[k]

        return euler(field, noise, times, guide, noise_at=1)


class FlowModel(Protocol):
    """A network that answers with clean actions, at flow times of its own for every row."""

    horizon: int

    def look(self, senses: Senses) -> tuple[Any, Pointing | None]: ...

    def clean(self, seen: Any, x: Tensor, condition: StepCondition, /) -> Tensor: ...

    def condition(self, t: Tensor, /) -> StepCondition: ...

    def at_times(self, t: Tensor, given: Tensor) -> StepCondition: ...


def flow_losses(model: FlowModel, senses: Senses, actions: Tensor, drawn: Drawn, weigh: Weigh) -> tuple[Tensor, Pointing | None]:
    """The weighted mean square error of the clean actions [B, H, A], and the pointing, whose loss the caller adds.

    `weigh` is told what the network itself would have promised. Rows that are given do not count: they are these, for in use they are
    nothing else, and are off by `drawn.astray`.
    """
    seen, pointing = model.look(senses)
    draws = len(drawn.t) // len(actions)
    with torch.no_grad():
        promised = model.clean(seen, drawn.noise[: len(actions)], model.condition(torch.ones(1, 1, device=actions.device)))
    weight, promised = weigh(promised).repeat(draws, 1, 1), promised.repeat(draws, 1, 1) + drawn.astray
    seen, actions = seen.repeat(draws), actions.repeat(draws, 1, 1)
    free = torch.arange(model.horizon, device=actions.device)[None, :, None] >= drawn.given[:, None, None]
    t = drawn.t[:, None, None]
    x = torch.where(free, t * drawn.noise + (1 - t) * actions, promised)
    missed = (model.clean(seen, x, model.at_times(drawn.t, drawn.given)) - actions) ** 2
    counts = weight * free
    share = counts / t.clamp(min=LEAST_TIME)
    return (missed * share).sum() / (counts.sum().clamp(min=1) * actions.shape[2]), pointing


__all__ = ["Drawn", "Remembered", "SmallPi0", "Weigh", "as_inputs", "flow_losses", "shape"]
