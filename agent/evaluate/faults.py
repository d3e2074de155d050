"""What goes wrong between world and policy: noise on what is seen, answers that are lost; and the policy that knows nothing."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from agent.errors import PolicyError
from agent.types import Array, Chunk, Observation, Policy, PolicySpec, Robot, RobotSpec, Scene, Subtask

POSE = ("x", "y", "z")


class Noisy:
    """A Robot around a Robot: hand and loose things are seen a little beside where they are, otherwise at every tick, by the seed."""

    def __init__(self, robot: Robot, sigma_m: float, seed: int) -> None:
        """sigma_m: standard deviation along each axis, m."""
        self.robot, self.spec, self.sigma_m, self.seed = robot, robot.spec, sigma_m, seed

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = self.robot.observe(cameras)
        rng = np.random.default_rng([self.seed, seen.tick])
        state = seen.state.copy()
        for index in (self.spec.state.index(name) for name in POSE if name in self.spec.state):
            state[index] += rng.normal(0.0, self.sigma_m)
        return replace(seen, state=state, scene=None if seen.scene is None else self._blurred(seen.scene, rng))

    def _blurred(self, scene: Scene, rng: np.random.Generator) -> Scene:
        things = []
        for thing in scene.things:
            x, y, z = np.add(thing.position, rng.normal(0.0, self.sigma_m, 3)).tolist()
            things.append(thing.model_copy(update={"position": (x, y, z)}) if thing.kind in ("block", "bowl") else thing)
        return scene.model_copy(update={"things": tuple(things)})

    def apply(self, action: Array) -> Array:
        return self.robot.apply(action)

    def stop(self) -> bool:
        return self.robot.stop()


class Lossy:
    """A Policy around a Policy: a share of its answers is lost on the way, by the seed."""

    def __init__(self, policy: Policy, share: float, seed: int) -> None:
        self.policy, self.spec, self.share = policy, policy.spec, share
        self._rng = np.random.default_rng([seed, 7])

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        if self._rng.random() < self.share:
            raise PolicyError("the answer was lost on the way (on purpose)")
        return self.policy.predict(observation, subtask)


class Wanderer:
    """The policy that knows nothing: smooth random motion over the table, the gripper opening and closing. The row to beat."""

    REACH = np.array([[0.25, 0.70], [-0.40, 0.40], [0.02, 0.35]])
    SPEED_M = 0.012
    """Per tick."""

    def __init__(self, robot: RobotSpec, seed: int = 0, horizon: int = 32) -> None:
        self.spec = PolicySpec(name="random", rate_hz=robot.rate_hz, horizon=horizon, state=robot.state, action=robot.action)
        self.seed = seed

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """Towards a point drawn for this tick. float32[H, 7]."""
        rng = np.random.default_rng([self.seed, observation.tick])
        at = self.spec.state.index("x")
        here = observation.state[at : at + 6]
        way = rng.uniform(*self.REACH.T) - here[:3]
        steps = np.minimum(np.arange(1, self.spec.horizon + 1) * self.SPEED_M / max(float(np.linalg.norm(way)), 1e-6), 1.0)
        rows = np.zeros((self.spec.horizon, 7), np.float32)
        rows[:, :3] = here[:3] + steps[:, None] * way
        rows[:, 3:6] = here[3:]
        rows[:, 6] = float(rng.integers(2))
        return Chunk(observation.tick, rows)
