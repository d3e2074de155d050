"""A small deterministic body with a camera, snapshots and a disturbance, to record without a physics engine."""

import pickle
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

import numpy as np

from agent.types import Array, Observation, RobotSpec

SPEC = RobotSpec(
    name="body",
    rate_hz=20.0,
    state=("x", "y", "speed_x", "speed_y"),
    action=("push_x", "push_y", "grip"),
    cameras={"front": (32, 32), "studio": (120, 161)},
)


class Body:
    """A puck on a table: pushes change its speed, friction eats it, seeded noise shakes it, a gust hits it once."""

    spec = SPEC

    def __init__(self, seed: int = 0, gust_at: int | None = None) -> None:
        self.tick, self.gust_at = 0, gust_at
        self.state = np.zeros(4, np.float32)
        self.noise = np.random.default_rng(seed)
        self.fired: list[tuple[int, str]] = []

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        names = self.spec.cameras if cameras is None else cameras
        return Observation(self.tick, self.tick / 20.0, self.state.copy(), {name: self.picture(name) for name in names})

    def picture(self, camera: str) -> Array:
        height, width = self.spec.cameras[camera]
        image = np.full((height, width, 3), (196, 188, 176), np.uint8)
        x, y = int(width * (0.5 + 0.4 * np.tanh(self.state[0]))), int(height * (0.5 + 0.4 * np.tanh(self.state[1])))
        image[max(0, y - 9) : y + 9, max(0, x - 9) : x + 9] = (200, 50, 40)
        return image

    def apply(self, action: Array) -> Array:
        applied = np.clip(action, -1.0, 1.0).astype(np.float32)
        self.step(applied[:2])
        return applied

    def stop(self) -> bool:
        for _ in range(3):
            self.step(np.zeros(2, np.float32))
            self.state[2:] = 0
        return True

    def step(self, push: Array) -> None:
        self.tick += 1
        self.state[2:] = 0.9 * self.state[2:] + 0.05 * push + 1e-3 * self.noise.standard_normal(2).astype(np.float32)
        self.state[:2] += self.state[2:]
        if self.tick == self.gust_at:
            self.state[:2] += 0.25
            self.fired.append((self.tick, "a gust moved the puck by 25 cm"))

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps((self.tick, self.state, self.noise, self.fired)))

    def load(self, path: Path) -> None:
        self.tick, self.state, self.noise, self.fired = pickle.loads(path.read_bytes())

    def fingerprint(self) -> str:
        return sha256(self.state.tobytes() + bytes(str((self.tick, self.noise.bit_generator.state)), "utf-8")).hexdigest()


def rows(count: int, seed: int = 0) -> Array:
    """float32[count, 3]: smooth pushes, some beyond the body's limits."""
    steps = np.random.default_rng(seed).normal(size=(count, 3)).cumsum(0) * 0.3
    return np.sin(steps).astype(np.float32) * 1.2
