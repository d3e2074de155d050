"""Small runs of training: sizes, plans, and demonstrations in memory (random pictures, smooth motions) instead of a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.executor.models.small import SmallConfig
from agent.learn.train import Plan
from agent.types import Array

SENTENCES = ("pick up the red block", "put the red block in the blue bowl", "please open the drawer", "stack the green block on it")


class Few:
    """Same face as dataset.Samples."""

    def __init__(self, count: int, words: Sequence[str] = SENTENCES, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.tasks, self.skills, self.sets = list(words), ["pick", "place"], {"states": {}}
        self.images = rng.integers(0, 256, (count, 2, 96, 96, 3), dtype=np.uint8)
        self.state = (0.2 * rng.normal(size=(count, 14))).astype(np.float32)
        steps = np.cumsum(0.01 * rng.normal(size=(count, 32, 6)), axis=1)
        grip = rng.integers(0, 2, (count, 1, 1)) * np.ones((count, 32, 1))
        self.chunk = np.concatenate([self.state[:, None, 7:13] + steps, grip], axis=2).astype(np.float32)
        self.chunk[..., 3:5] = 0  # the hand points straight down
        self.points = rng.random((count, 2, 3, 3)).astype(np.float32)
        self.points[..., 2] = self.points[..., 2] > 0.3
        self.task = rng.integers(0, len(self.tasks), count)
        self.seed = np.arange(count) + 1

    @property
    def taught(self) -> dict[str, Any]:
        return {"skills": ["pick", "place"]}

    def __len__(self) -> int:
        return len(self.state)

    def column(self, name: str) -> Array:
        zeros = np.zeros(len(self), int)
        skill = np.arange(len(self)) % 2
        return {"observation.state": self.state, "chunk": self.chunk, "seed": self.seed, "set": zeros, "skill": skill}[name]

    def batch(self, indices: Array) -> dict[str, Any]:
        at = np.asarray(indices)
        words = [self.tasks[number] for number in self.task[at]]
        return {"images": self.images[at], "state": self.state[at], "chunk": self.chunk[at], "points": self.points[at], "words": words}


TINY = SmallConfig(vocab=32, stem=(8, 8), width=32, depth=4, heads=2, mlp=48, steps=3)
FEW = Few(48)


def plan(out: Path, samples: int = 48, **changes: object) -> Plan:
    return Plan(**{"out": str(out), "samples": samples, "batch": 8, "rate": 3e-3, "precision": "float32", "check_samples": 16, **changes})


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
