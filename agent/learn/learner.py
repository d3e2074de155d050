"""What training does to a batch of demonstrations: the loss of a small policy, and how far off its answers are on frames it never saw.

Every draw of randomness comes from a generator that the loop seeds with the number of the step, so that training is a function of data,
settings and seed, and goes on after a kill as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from agent.errors import ConfigError
from agent.executor.models.pi0 import training_time
from agent.executor.models.small import GREY, Eyes, Pointing, Senses, SmallConfig, pointing_error
from agent.executor.models.small_files import Small, load_small, make_model, save_small
from agent.executor.models.small_pi0 import Drawn, SmallPi0, Weigh
from agent.executor.models.small_policy import SmallPolicy
from agent.executor.models.small_rdt import DROP, SmallRDT, training_steps
from agent.executor.models.small_space import RATE_HZ, SLOTS, Space, slowed
from agent.executor.models.small_words import Vocabulary, hide
from agent.types import Array

Batch = Mapping[str, Any]
"""As `dataset.Samples.batch` returns it."""
RDT_RATES = (20, 10)
PREFIXED = 0.5
"""Share of the draws in which rows are given."""
PLACE = {"pose": [0, 1, 2, 3], "slots": SLOTS[:3]}
"""Numbers of a row that say where the hand is to be."""


class Demonstrations(Protocol):
    """What is needed of `dataset.Samples`."""

    tasks: list[str]
    skills: list[str]
    sets: dict[str, Any]

    def __len__(self) -> int: ...

    def batch(self, indices: Array) -> Batch: ...

    def column(self, name: str) -> Any: ...

    @property
    def taught(self) -> dict[str, Any]: ...


class Learner(Protocol):
    """Something that can be trained."""

    model: nn.Module

    def meet(self, data: Demonstrations) -> None:
        """Told of the data before they are trained on, and again when they have grown."""
        ...

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The number to lower, and its parts to write down."""
        ...

    def check(self, batch: Batch) -> dict[str, float]:
        """How far off the answers to held-out frames are."""
        ...

    def export(self, folder: Path, tensors: Mapping[str, Tensor] | None, trained: Mapping[str, Any]) -> None:
        """Write a checkpoint that policies are made of; `tensors` instead of the model's own weights."""
        ...


@dataclass(frozen=True)
class Choices:
    """What may be chosen about a sample's training; the defaults are those of what ships."""

    draws: int = 3
    """Of noise and time, for one reading of the pictures."""
    pointing: float = 0.2
    """Weight of the heat maps' loss."""
    hidden_words: float = 0.05
    light: float = 0.1
    """How far brightness and each colour's share may be off, as a fraction."""
    astray: float = 0.3
    """How far given rows may be off, in deviations of the last of them."""
    near: float = 0.02
    """A sample counts as 1 / (this + how far its chunk goes on average, m): where little is left to go, little may be wrong."""
    slow: float = 0.3
    """RDT: share of samples at its lower rate."""
    lost_views: float = 0.04
    """Share of pictures that are lost, grey as those of a missing camera, so that an RDT that reads as this π0 does can do without one;
    RDT itself loses as many as was published, DROP."""
    lost: Mapping[str, float] = field(default_factory=dict)
    """The same by camera, instead: {"wrist": 0.3} for robots that often have none there."""


class SmallLearner:
    """π0, π0-small or RDT, small."""

    def __init__(self, small: Small, choices: Choices, device: str = "cpu") -> None:
        self.small, self.choices, self.device = small, choices, device
        self.model: nn.Module = small.model.to(device).train().requires_grad_(True)
        self.is_rdt = isinstance(small.model, SmallRDT)

    @classmethod
    def fresh(cls, data: Demonstrations, config: SmallConfig, choices: Choices, seed: int, device: str = "cpu") -> SmallLearner:
        """With numbers and words fitted to the data, and weights from the seed."""
        vocabulary = Vocabulary.of(data.tasks, config.max_text, config.vocab)
        rdt = config.family == "rdt"
        rates = RDT_RATES if rdt else (RATE_HZ,)
        space = Space.fit(data.column("observation.state"), data.column("chunk"), "slots" if rdt else "pose", rates)
        torch.manual_seed(seed)
        sizes = replace(config, action=space.width)
        if rdt:
            sizes = replace(sizes, state=space.width, steps=5)
        return cls(Small(make_model(sizes), sizes, space, vocabulary), choices, device)

    @classmethod
    def further(cls, folder: Path, choices: Choices, device: str = "cpu") -> SmallLearner:
        """From the weights, numbers and words of a folder; its sizes and family are its own."""
        return cls(load_small(folder), choices, device)

    def begin_as(self, other: Small, telling: bool = True) -> None:
        """Begin with what can be had of a small policy of another family: an RDT reads pixels and words as a π0 does, with its words; any
        other takes the eyes alone. telling: an RDT also begins to tell its tokens what π0's are told. ConfigError if the sizes differ."""
        try:
            if isinstance(self.small.model, SmallRDT) and isinstance(other.model, SmallPi0):
                self.small.model.read_as(other.model, telling)
                self.small = replace(self.small, vocabulary=other.vocabulary)
            else:
                eyes_of(self.small.model).load_state_dict(eyes_of(other.model).state_dict())
        except RuntimeError as error:
            raise ConfigError(f"These weights do not fit: {error} Choose the same image, grid, stem, width, mlp and vocab.") from error

    def stop_pointing(self) -> None:
        """Go on in the paper's shape: all weights but those that point and tell of it."""
        config = replace(self.small.config, pointing=False)
        model = make_model(config)
        had = self.model.state_dict()
        model.load_state_dict({name: had[name] for name in model.state_dict()})
        self.small = replace(self.small, model=model, config=config)
        self.model = model.to(self.device).train().requires_grad_(True)

    def keep_reading(self) -> None:
        """What an RDT reads with stays as it is; whatever else it has is trained, as RDT is over encoders that were trained before."""
        if isinstance(self.small.model, SmallRDT):
            self.small.model.keep_reading()

    def answer_with(self, dials: Mapping[str, Any]) -> None:
        """Other values of `steps`, `noise` or `prefix`, from now on."""
        self.small = replace(self.small, config=replace(self.small.config, **dials))

    def meet(self, data: Demonstrations) -> None:
        """New words get tokens; means and deviations stay those that the weights were trained with."""
        self.small = replace(self.small, vocabulary=self.small.vocabulary.meeting(data.tasks, self.small.config.vocab))

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        lost = torch.rand(batch["images"].shape[:2], generator=generator) < self.losing()
        senses = self.senses(batch, generator, lost)
        count, draws = len(batch["state"]), self.choices.draws
        given = torch.randint(self.small.config.prefix + 1, (draws * count,), generator=generator)
        given = given * (torch.rand(draws * count, generator=generator) < PREFIXED)
        shape = (draws * count, self.small.config.horizon, self.small.space.width)
        noise, astray = torch.randn(shape, generator=generator).to(self.device), self.astray(given, generator).to(self.device)
        if isinstance(self.small.model, SmallRDT):
            rates = self.rates(count, generator)
            actions, counts = self.targets(batch, rates)
            drawn = Drawn(noise, training_steps(draws * count, generator).to(self.device), given.to(self.device), astray)
            hz = torch.tensor(rates, dtype=torch.float32, device=self.device)
            motion, pointing = self.small.model.losses(senses, actions, drawn, hz, self.weigh(counts, rates), generator)
        else:
            rates = [RATE_HZ] * count
            actions, counts = self.targets(batch, rates)
            time = training_time(torch.rand(draws * count, generator=generator))
            drawn = Drawn(noise, time.to(self.device), given.to(self.device), astray)
            motion, pointing = self.small.model.losses(senses, actions, drawn, self.weigh(counts, rates))
        total, parts = motion, {"motion": motion.detach()}
        if pointing is not None:
            heat = self.pointed(pointing, batch, lost)
            total, parts["pointing"] = total + self.choices.pointing * heat, heat.detach()
        return total, parts

    def losing(self) -> Tensor:
        """Which share of each camera's pictures is lost, float32[V]."""
        usual = DROP if self.is_rdt else self.choices.lost_views
        return torch.tensor([self.choices.lost.get(name, usual) for name in self.small.config.cameras])

    def astray(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """How far given rows are off, float32[N, horizon, width], growing from row to row; given int64[N].

        They are what the network itself would promise now; what a robot was promised, an earlier chunk said. A network that is given right
        ones goes where they lead and does not look (de Haan et al. 1905.11979).
        """
        space, amount = self.small.space, torch.rand(len(given), 1, generator=generator) * self.choices.astray
        off = torch.zeros(len(given), space.width)
        off[:, PLACE[space.form]] = amount * torch.randn(len(given), len(PLACE[space.form]), generator=generator)
        growing = (1 + torch.arange(self.small.config.horizon)) / given[:, None].clamp(min=1)
        return off[:, None] * growing.clamp(max=1)[..., None]

    def senses(self, batch: Batch, generator: torch.Generator | None = None, lost: Tensor | None = None) -> Senses:
        """The batch as the network is given it; with a generator, as in training: other light, words hidden, views lost (bool[B, V])."""
        images = torch.from_numpy(batch["images"]).permute(0, 1, 4, 2, 3)  # [B, V, 3, H, W]
        tokens, valid = self.small.vocabulary.encode(batch["words"])
        if generator is not None:
            images = lit(images.to(self.device), self.choices.light, generator)
            tokens = hide(tokens, self.choices.hidden_words, generator)
        if lost is not None:
            images = torch.where(lost[..., None, None, None].to(self.device), GREY / 127.5 - 1, images)
        state = torch.from_numpy(self.small.space.sensed(batch["state"]))
        return Senses(images, tokens, None if bool(valid.all()) else valid, state).to(self.device)

    def rates(self, count: int, generator: torch.Generator) -> list[int]:
        slow = torch.rand(count, generator=generator) < self.choices.slow
        return [RDT_RATES[int(is_slow)] for is_slow in slow]

    def targets(self, batch: Batch, rates: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Rows as the network learns them, float32[B, H, width], and which count [B, H, 1]: 0 beyond the horizon of the rate."""
        config, space = self.small.config, self.small.space
        actions = np.zeros((len(rates), config.horizon, space.width), np.float32)
        counts = np.zeros((len(rates), config.horizon, 1), np.float32)
        for rate, at in by_rate(rates):
            rows = space.rows(slowed(batch["chunk"][at], RATE_HZ // rate), batch["state"][at], rate)
            actions[at, : rows.shape[1]], counts[at, : rows.shape[1]] = rows, 1
        return torch.from_numpy(actions).to(self.device), torch.from_numpy(counts).to(self.device)

    def weigh(self, counts: Tensor, rates: Sequence[int]) -> Weigh:
        """How much the rows of a sample count, by how far the network itself believes that the hand has to go.

        By how far the demonstration goes, it would count more where that stays than where it goes: and where a picture may mean either,
        the network would learn to stay.
        """
        return lambda guess: counts / (self.choices.near + self.way(guess, rates))

    def way(self, rows: Tensor, rates: Sequence[int]) -> Tensor:
        """How far from where it is the hand is on average in the first half of a chunk, m, float32[B, 1, 1]."""
        space, found = self.small.space, torch.zeros(len(rows), 1, 1, device=rows.device)
        for rate, at in by_rate(rates):
            half = space.horizon(rate) // 2
            mean, std = (torch.from_numpy(part[:half, :3]).to(rows) for part in (space.rates[rate].mean, space.rates[rate].std))
            found[at] = (rows[at, :half][..., PLACE[space.form][:3]] * std + mean).norm(dim=-1).mean(1)[:, None, None]
        return found

    def pointed(self, pointing: Pointing, batch: Batch, lost: Tensor) -> Tensor:
        """The heat maps' loss, a scalar; in a lost view, bool[B, V], nothing is to be seen."""
        points = self.points(batch)
        points[..., 2] = torch.where(lost[..., None].to(points.device), 0, points[..., 2])
        return self.small.model.pointer.loss(pointing, points)

    def points(self, batch: Batch) -> Tensor:
        """float32[B, V, N, 3]: u and v from 0..1 to -1..1, and whether it is seen."""
        points = torch.from_numpy(batch["points"])
        return torch.cat([points[..., :2] * 2 - 1, points[..., 2:]], dim=-1).to(self.device)

    @torch.no_grad()
    def check(self, batch: Batch) -> dict[str, float]:
        """`error_cm`: distance of row 16 (the last that is usually carried out) from the demonstration's; of the hand's place only.

        `grip`: share of rows whose gripper is on the right side of half open; `pointing_px`, `in_view`: see small.pointing_error.
        """
        self.model.eval()
        policy, config = SmallPolicy(self.small, device=self.device), self.small.config
        senses = self.senses(batch)
        shape = (len(batch["state"]), config.horizon, self.small.space.width)
        noise = policy.noise * torch.randn(shape, generator=torch.Generator().manual_seed(0))
        rows = policy.sample(senses, noise.to(self.device))
        chunk = self.small.space.chunk(rows.float().cpu().numpy(), batch["state"])
        away = np.linalg.norm(chunk[..., :3] - batch["chunk"][..., :3], axis=-1)
        turn = np.abs(chunk[..., 5] - batch["chunk"][..., 5])
        grip = (chunk[..., 6] > 0.5) == (batch["chunk"][..., 6] > 0.5)
        row = config.horizon // 2 - 1
        found = {"error_cm": 100 * float(away[:, row].mean()), "turn_rad": float(turn[:, row].mean()), "grip": float(grip.mean())}
        if config.pointing:
            off, seen = pointing_error(self.looked(senses), self.points(batch))
            found |= {"pointing_px": config.image * float(off), "in_view": float(seen)}
        self.model.train()
        return found

    def looked(self, senses: Senses) -> Pointing:
        """Where the named things are believed to be."""
        model = self.small.model
        hz = torch.full((len(senses.state),), float(RATE_HZ), device=self.device)
        pointing = (model.look(senses, hz) if isinstance(model, SmallRDT) else model.look(senses))[1]
        assert pointing is not None
        return pointing

    def export(self, folder: Path, tensors: Mapping[str, Tensor] | None, trained: Mapping[str, Any]) -> None:
        said = {**trained, "lost": dict(self.choices.lost)} if self.choices.lost else trained
        save_small(Small(self.small.model, self.small.config, self.small.space, self.small.vocabulary, said), folder, tensors)


def by_rate(rates: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Which samples are of each rate."""
    return [(rate, [i for i, own in enumerate(rates) if own == rate]) for rate in set(rates)]


def eyes_of(model: nn.Module) -> Eyes:
    """A small policy's eyes, wherever they are in it."""
    return next(module for module in model.modules() if isinstance(module, Eyes))


def lit(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """uint8[B, V, 3, H, W] → float32 in -1..1, in another light: brightness and each channel's gain off by up to `amount`, by picture."""
    shape = images.shape[:2]
    gain = 1 + amount * (2 * torch.rand(*shape, 3, 1, 1, generator=generator) - 1)
    shift = amount * (2 * torch.rand(*shape, 1, 1, 1, generator=generator) - 1)
    return (images.float() / 127.5 - 1) * gain.to(images.device) + shift.to(images.device)


__all__ = ["Batch", "Choices", "Demonstrations", "Learner", "SmallLearner", "lit"]
