"""`saydo train`: from demonstrations to a checkpoint; the same loop for every family, on a CPU or an accelerator.

    out/run.json        what was asked for
    out/state.pt        weights, their average, the optimiser and the count of samples: written whole every few minutes
    out/metrics.jsonl   one line each for progress, checks on held-out frames and closed-loop gates
    out/curves.svg      the same as a picture
    out/policy/         the average of the weights as a checkpoint: `saydo run --policy pi0 --checkpoint out/policy`

After a kill the same command goes on from state.pt. With `samples` the run then ends with the very weights that it would have had: which
frames a step takes, their noise and their augmentation follow from the seed and the number of the step.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.errors import ConfigError, hint
from agent.learn.curves import draw_curves
from agent.learn.learner import Batch, Demonstrations, Learner
from agent.learn.optimiser import Kind, Optimiser
from agent.learn.schedule import Average, Precision, choose_precision, learning_rate, trained
from agent.learn.team import Alone
from agent.types import Array

HELD_OUT = 40
"""One world of so many is checked on and never trained on."""
CHECKED = 128
"""Held-out frames of one check."""


@dataclass(frozen=True)
class Plan:
    """How a run goes. One of `samples` and `minutes` says how long."""

    out: str
    samples: int | None = None
    minutes: float | None = None
    batch: int = 32
    rate: float = 1e-3
    optimiser: Kind = "muon"
    decay: float = 0.998
    weight_decay: float = 1e-4
    clip: float = 1.0
    seed: int = 0
    device: str = "cpu"
    precision: Precision = "auto"
    processes: int = 1
    save_minutes: float = 3.0
    check_samples: int = 8000
    shares: Mapping[str, float] = field(default_factory=dict)
    """How often frames of a skill, or of datasets, are shown: {"stack": 2} twice as often as there are. Others count once."""
    gate_minutes: float | None = None
    """How often the checkpoint so far is tried in closed loop; None: never."""

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.minutes is None):
            raise ConfigError("Say how long to train: --samples N or --minutes N, one of them.")
        if not 0 <= self.save_minutes < math.inf:
            raise ConfigError(f"--save-minutes {self.save_minutes}: it has to be 0, which saves after every step, or more.")
        for name in ("samples", "minutes", "rate", "gate_minutes"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"--{name.replace('_', '-')} {value}: it has to be more than 0.")
        if self.batch % self.processes:
            raise ConfigError(f"A batch of {self.batch} cannot be shared evenly by {self.processes} processes.")
        for name, share in self.shares.items():
            if not isinstance(share, int | float) or share < 0:
                raise ConfigError(f"--share {name}={share}: how many times as often, for example {name}=2.")


@dataclass
class Progress:
    """Where a run stands; what state.pt remembers besides tensors."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    """Of training itself, over all starts."""
    starts: int = 0


class Training:
    """One run, or one process's part of it."""

    def __init__(self, plan: Plan, team: Alone, learner: Learner, open_data: Callable[[], Demonstrations],
                 gate: Callable[[Path], dict[str, Any]] | None = None, say: Callable[[str], None] = print) -> None:  # fmt: skip
        self.plan, self.team, self.learner, self.open_data, self.gate, self.say = plan, team, learner, open_data, gate, say
        self.out = Path(plan.out)
        self.model = learner.model
        self.dtype = choose_precision(plan.precision, plan.device)
        self.average = Average(self.model, plan.decay)
        self.optimiser = Optimiser(self.model, plan.optimiser, plan.weight_decay, fused=plan.device.split(":")[0] in ("cpu", "cuda"))
        self.at = Progress()
        self.sums: dict[str, float] = {}
        self.first = team.rank == 0

    # --- the loop -----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end of the plan."""
        self.restore()
        self.at.starts += 1
        self.began, self.before = time.monotonic(), self.at.seconds
        self.saved, self.gated, self.told = self.began, self.began, (self.began, self.at.samples)
        self.read_data()
        with ThreadPoolExecutor(1) as ahead:
            for batch in self.batches(ahead):
                self.step(batch)
                self.now_and_then()
        if self.first:
            self.check()
            self.save()
            if self.gate is not None:
                self.try_out()

    def read_data(self) -> None:
        """Open the demonstrations as they are now; those still being collected have grown since the last time."""
        self.data = self.open_data()
        self.learner.meet(self.data)
        apart = held_out(self.data.column("seed"))
        self.fit, self.apart = np.flatnonzero(~apart), np.flatnonzero(apart)
        self.upto = np.cumsum(weights(self.data, self.plan.shares)[self.fit])
        if len(self.fit) == 0 or self.upto[-1] <= 0:
            raise ConfigError("There is no frame to train on in these data, with these shares.")

    def batches(self, ahead: ThreadPoolExecutor) -> Iterator[Batch]:
        """This process's share of every batch, read one step ahead, until the plan is fulfilled."""
        step = self.at.step
        coming = ahead.submit(self.data.batch, self.indices(step))
        while self.team.agree(self.done()) < 1:
            batch, step = coming.result(), step + 1
            coming = ahead.submit(self.data.batch, self.indices(step))
            yield batch

    def indices(self, step: int) -> Array:
        rng = np.random.default_rng((self.plan.seed, step))
        chosen = self.fit[np.searchsorted(self.upto, rng.random(self.plan.batch) * self.upto[-1], side="right")]
        return chosen[self.team.rank :: self.team.size]

    def done(self) -> float:
        """0 … 1."""
        if self.plan.samples is not None:
            return self.at.samples / self.plan.samples
        assert self.plan.minutes is not None
        return self.at.seconds / 60 / self.plan.minutes

    def step(self, batch: Batch) -> None:
        plan = self.plan
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + self.at.step * self.team.size + self.team.rank)
        rate = learning_rate(plan.rate, self.at.step, self.team.agree(self.done()))
        with torch.autocast(plan.device.split(":")[0], torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            loss, parts = self.learner.loss(batch, generator)
        self.optimiser.zero_grad()
        loss.backward()
        self.team.average(self.model)
        norm = torch.nn.utils.clip_grad_norm_(trained(self.model), plan.clip)
        self.optimiser.step(rate)
        self.average.update(self.model, self.at.step)
        self.at.step += 1
        self.at.samples += plan.batch
        self.at.seconds = self.before + time.monotonic() - self.began
        for name, value in {**parts, "norm": norm}.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.sums["rate"], self.sums["steps"] = rate, self.sums.get("steps", 0) + 1

    # --- what is told and kept ----------------------------------------------------------------------------------------------

    def now_and_then(self) -> None:
        if not self.first:
            return
        now, plan = time.monotonic(), self.plan
        if now - self.told[0] > 15:
            self.report(now)
        if self.at.samples // plan.check_samples > (self.at.samples - plan.batch) // plan.check_samples:
            self.check()
        if now - self.saved > 60 * plan.save_minutes:
            self.save()
            self.saved = now
            self.read_data()
        if self.gate is not None and plan.gate_minutes and now - self.gated > 60 * plan.gate_minutes:
            self.save()
            self.try_out()
            self.gated = time.monotonic()

    def report(self, now: float) -> None:
        """A line of progress: means since the last one."""
        steps = self.sums.pop("steps")
        means = {name: value if name == "rate" else value / steps for name, value in self.sums.items()}
        speed = (self.at.samples - self.told[1]) / (now - self.told[0])
        done = max(self.done(), 1e-9)
        left = self.at.seconds / done * (1 - done)
        self.write("step", **means, per_s=speed)
        told = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        self.say(f"{self.at.samples:>9} samples  {100 * done:5.1f} %  {speed:6.1f} samples/s  {clock(left)} left   {told}")
        self.sums, self.told = {}, (now, self.at.samples)

    def check(self) -> None:
        """On held-out frames, with the averaged weights."""
        if len(self.apart) == 0:
            return
        own = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.tensors(self.model))
        chosen = np.random.default_rng(0).choice(self.apart, size=min(CHECKED, len(self.apart)), replace=False)
        found = self.learner.check(self.data.batch(np.sort(chosen)))
        self.model.load_state_dict(own)
        self.write("check", **found)
        self.say(f"{self.at.samples:>9} samples  held-out frames: " + "  ".join(f"{k} {v:.3g}" for k, v in found.items()))

    def try_out(self) -> None:
        assert self.gate is not None
        found = self.gate(self.out / "policy")
        self.write("gate", **found)
        self.say(f"{self.at.samples:>9} samples  closed loop: " + "  ".join(f"{k} {v}" for k, v in found.items()))
        draw_curves(self.out)

    def write(self, kind: str, **fields: Any) -> None:
        line = {"kind": kind, "samples": self.at.samples, "seconds": round(self.at.seconds, 1), **fields}
        with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in line.items()}) + "\n")

    def save(self) -> None:
        """state.pt, the policy and the curves; each is written whole or not at all."""
        state = {
            "model": self.model.state_dict(), "average": self.average.values, "optimiser": self.optimiser.state(),
            "progress": asdict(self.at),
        }  # fmt: skip
        part = self.out / "state.pt.part"
        torch.save(state, part)
        os.replace(part, self.out / "state.pt")
        plan = {name: value for name, value in asdict(self.plan).items() if name != "out"}  # where it was made is nobody's business
        said = {"taught": self.data.taught, "frames": len(self.data), "plan": plan, "progress": asdict(self.at),
                "processes": self.team.size, "torch": torch.__version__}  # fmt: skip
        self.learner.export(self.out / "policy", self.average.tensors(self.model), said)
        draw_curves(self.out)

    def restore(self) -> None:
        """Go on from state.pt, if there is one; what was written down after it is struck out, for it is about to happen again."""
        path = self.out / "state.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.plan.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for value, saved in zip(self.average.values, state["average"], strict=True):
            value.copy_(saved)
        self.optimiser.restore(state["optimiser"])
        self.at = Progress(**state["progress"])
        if self.first:
            strike(self.out / "metrics.jsonl", self.at.samples)
            self.say(f"{self.at.samples:>9} samples  going on after {clock(self.at.seconds)}")


def weights(data: Demonstrations, shares: Mapping[str, float]) -> Array:
    """How often each frame is shown, float64[N]: by names of skills and datasets; `bench:slide` means frames of both. ConfigError for
    a name that there is not."""
    found = np.ones(len(data))
    for names, share in shares.items():
        found[np.logical_and.reduce([called(data, name) for name in names.split(":")])] *= share
    return found


def called(data: Demonstrations, name: str) -> Array:
    """Which frames are of that skill, of that dataset, or of a dataset with that part in its name ("tabletop", or "visited" for all
    that are called so), bool[N]."""
    skills = [number for number, skill in enumerate(data.skills) if skill == name]
    sets = [number for number, known in enumerate(data.sets) if name in (known, *known.split("/"))]
    if not skills and not sets:
        known = [*data.skills, *data.sets]
        raise ConfigError(f"--share {name}: these data have no such skill or dataset. They have: {', '.join(known)}.{hint(name, known)}")
    return np.isin(data.column("skill"), skills) if skills else np.isin(data.column("set"), sets)


def held_out(seeds: Array) -> Array:
    """Which worlds are never trained on, bool[N]. Seeds come in runs with gaps between them, so they are scattered first (Knuth's hash)."""
    return (seeds.astype(np.uint64) * np.uint64(2654435761) >> np.uint64(16)) % np.uint64(HELD_OUT) == 0


def unseen(data: Demonstrations, count: int, rng: np.random.Generator) -> Batch:
    """So many frames of such worlds, or all there are, drawn without repeats."""
    apart = np.flatnonzero(held_out(data.column("seed")))
    return data.batch(np.sort(rng.choice(apart, min(count, len(apart)), replace=False)))


def strike(path: Path, samples: int) -> None:
    """Keep the lines of up to so many samples."""
    if not path.is_file():
        return
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    kept = [line for line in lines if json.loads(line)["samples"] <= samples]
    part = path.with_suffix(".part")
    part.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    os.replace(part, path)


def clock(seconds: float) -> str:
    """3725 → 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


__all__ = ["Plan", "Progress", "Training", "clock"]
