"""Policies that misbehave, to be named in a configuration: `policy: {name: "tests.policies:NotANumber"}`."""

import time
from dataclasses import replace

import numpy as np

from agent.errors import PolicyError
from agent.types import Chunk, Observation, Subtask
from sim.oracle import Oracle


class Troubled:
    """The oracle for one chunk, then trouble."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.spec = self.oracle.spec
        self.calls = 0

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        self.calls += 1
        chunk = self.oracle.predict(observation, subtask)
        return chunk if self.calls == 1 else self.trouble(chunk)

    def trouble(self, chunk: Chunk) -> Chunk:
        raise NotImplementedError


class NotANumber(Troubled):
    def trouble(self, chunk: Chunk) -> Chunk:
        actions = chunk.actions.copy()
        actions[3, 2] = np.nan
        return replace(chunk, actions=actions)


class TooNarrow(Troubled):
    def trouble(self, chunk: Chunk) -> Chunk:
        return replace(chunk, actions=np.ascontiguousarray(chunk.actions[:, :5]))


class Empty(Troubled):
    def trouble(self, chunk: Chunk) -> Chunk:
        return replace(chunk, actions=chunk.actions[:0])


class TooLate(Troubled):
    def trouble(self, chunk: Chunk) -> Chunk:
        time.sleep(1.0)
        return chunk


class Broken(Troubled):
    def trouble(self, chunk: Chunk) -> Chunk:
        raise PolicyError("the policy's machine has gone away")
