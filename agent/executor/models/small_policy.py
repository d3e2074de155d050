"""A small policy as a Policy: pixels, proprioception and the subtask's words → a chunk of the Panda's rows. Nothing else is looked at.

Pictures come at the robot's sizes and are shrunk to the model's by the nearest pixel, which is what a smaller rendering shows. The noise
of a chunk follows from the seed and the tick alone. Of the rows that are promised to the robot already (`Observation.promised`) the model
is given as many as it was trained to continue.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.errors import Mismatch, PolicyError, hint
from agent.executor.models.sampling import Guide
from agent.executor.models.small import GREY, Senses
from agent.executor.models.small_files import Small, load_small
from agent.executor.models.small_rdt import SmallRDT
from agent.executor.models.small_space import RATE_HZ
from agent.executor.robots import PANDA
from agent.types import Array, Chunk, Observation, Scene, Subtask


class SmallPolicy:
    """π0, π0-small or RDT, small, on the workbench's Panda."""

    def __init__(self, small: Small, *, cameras: Sequence[str] | None = None, rate_hz: int = RATE_HZ, steps: int | None = None,
                 noise: float | None = None, prefix: int | None = None, seed: int = 0, device: str = "cpu") -> None:  # fmt: skip
        """cameras: those that the robot has, of the model's; for RDT, which takes the others as missing. rate_hz: one it was trained at.
        noise: how much of training's noise an answer begins with; less makes answers more alike and nearer to the middle of what is likely.
        prefix: how many of the rows that are promised already the model is given, at most; None: as many as it was trained with."""
        config = small.config
        self.prefix = config.prefix if prefix is None else prefix
        self.small, self.seed, self.rate_hz, self.device = small, seed, rate_hz, device
        self.cameras = config.cameras if cameras is None else tuple(cameras)
        if unknown := set(self.cameras) - set(config.cameras):
            there = ", ".join(config.cameras)
            raise Mismatch(f"These weights know no camera '{min(unknown)}'. Cameras: {there}.{hint(min(unknown), config.cameras)}")
        if (steps is not None and steps < 1) or (noise is not None and not 0 <= noise < math.inf):
            raise Mismatch(f"An answer takes one step or more, from noise of 0 or more; not {steps} steps from {noise}.")
        if rate_hz not in small.space.rates:
            known = ", ".join(f"{rate}" for rate in small.space.rates)
            raise Mismatch(f"These weights were trained at {known} Hz; they know nothing of {rate_hz} Hz.")
        if set(self.cameras) != set(config.cameras) and config.family != "rdt":
            raise Mismatch(f"{config.family} needs the cameras {', '.join(config.cameras)}; only an RDT does without some.")
        self.steps, self.noise = steps or config.steps, config.noise if noise is None else noise
        self.horizon = small.space.horizon(rate_hz)
        if not 0 <= self.prefix < self.horizon:
            raise Mismatch(f"Of {self.horizon} rows 0 to {self.horizon - 1} can be given, not {self.prefix}.")
        spec = PANDA.policy_spec(config.family, self.horizon, cameras=self.cameras)
        self.spec = spec.model_copy(update={"rate_hz": float(rate_hz)})
        small.model.to(device)

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """H rows; raises PolicyError if a camera is missing."""
        missing = [camera for camera in self.cameras if camera not in observation.images]
        if missing:
            raise PolicyError(f"{self.spec.name} needs the cameras {', '.join(self.cameras)}; the observation lacks {', '.join(missing)}.")
        started = time.perf_counter()
        senses = self.senses(observation, subtask.words).to(self.device)
        shape = (1, self.small.config.horizon, self.small.space.width)
        noise = self.noise * torch.from_numpy(np.random.default_rng((self.seed, observation.tick)).standard_normal(shape, np.float32))
        guide = self.promise(observation)
        ready = time.perf_counter()
        rows = self.sample(senses, noise.to(self.device), guide)[0, : self.horizon].float().cpu().numpy()
        timing = {"prepare_ms": 1000 * (ready - started), "model_ms": 1000 * (time.perf_counter() - ready)}
        return Chunk(observation.tick, self.small.space.chunk(rows, observation.state, self.rate_hz), timing)

    def knows(self, subtask: Subtask, scene: Scene | None) -> bool:
        """Was it trained for this: the skill, every word of the sentence, and all kinds of things that are there (if that is known)?"""
        taught = self.small.trained.get("taught", {})
        skills, kinds = taught.get("skills"), taught.get("kinds")
        strange = scene is not None and kinds is not None and any(thing.kind not in kinds for thing in scene.things)
        return (skills is None or subtask.skill in skills) and not strange and self.small.vocabulary.knows(subtask.words)

    def senses(self, observation: Observation, words: str) -> Senses:
        """What the network is given, a batch of one."""
        config, space = self.small.config, self.small.space
        grey = np.full((config.image, config.image, 3), GREY, np.uint8)
        views = [shrink(observation.images[name], config.image) if name in self.cameras else grey for name in config.cameras]
        images = torch.from_numpy(np.stack(views)[None]).permute(0, 1, 4, 2, 3)
        tokens, _ = self.small.vocabulary.encode([words])
        return Senses(images, tokens, None, torch.from_numpy(space.sensed(observation.state)[None]))

    def promise(self, observation: Observation) -> Guide | None:
        """The rows that the robot will carry out in any case, as the model has them."""
        if observation.promised is None or self.prefix == 0:
            return None
        config, space = self.small.config, self.small.space
        rows = observation.promised[: self.prefix]
        target = np.zeros((1, config.horizon, space.width), np.float32)
        target[0, : len(rows)] = space.rows(rows, observation.state, self.rate_hz)
        weights = torch.zeros(config.horizon)
        weights[: len(rows)] = 1
        return Guide(torch.from_numpy(target).to(self.device), weights.to(self.device), frozen=len(rows))

    @torch.inference_mode()
    def sample(self, senses: Senses, noise: Tensor, guide: Guide | None = None) -> Tensor:
        """[B, H, width]: rows as the network has them."""
        model = self.small.model
        if isinstance(model, SmallRDT):
            hz = torch.full((len(noise),), float(self.rate_hz), device=noise.device)
            return model.sample(senses, noise, hz, self.steps, guide)
        return model.denoise(model.look(senses)[0], noise, self.steps, guide)  # type: ignore[arg-type]


def shrink(image: Array, side: int) -> Array:
    """uint8[h, w, 3] → uint8[side, side, 3] by the nearest pixel."""
    if image.shape[:2] == (side, side):
        return image
    rows, columns = (((np.arange(side) + 0.5) * size / side).astype(int) for size in image.shape[:2])
    return np.ascontiguousarray(image[rows[:, None], columns[None, :]])


def small_policy(checkpoint: str | Path, **options: Any) -> SmallPolicy:
    """The policy in a folder that `saydo train` wrote; options as SmallPolicy takes them by name."""
    torch.set_num_threads(1)  # so small a model only loses by more
    return SmallPolicy(load_small(checkpoint), **options)


__all__ = ["SmallPolicy", "shrink", "small_policy"]
