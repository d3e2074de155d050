"""A hand to try the workbench with: straight lines, no skill."""

import numpy as np

from agent.types import Scene
from sim.robot import SimRobot


class Driver:
    """Moves a robot's tool centre point; remembers the last row that it sent."""

    def __init__(self, robot: SimRobot) -> None:
        self.robot = robot
        self.row = np.array([*robot.observe([]).state[7:13], 1.0], dtype=np.float32)

    def scene(self) -> Scene:
        scene = self.robot.observe([]).scene
        assert scene is not None
        return scene

    def to(self, x: float, y: float, z: float, yaw: float = 0.0, opening: float | None = None, step: float = 0.03, wait: int = 6) -> None:
        """In a straight line, `step` m a tick, then `wait` ticks more."""
        target = np.array([x, y, z, 0, 0, yaw, self.row[6] if opening is None else opening], dtype=np.float32)
        count = max(1, int(np.ceil(np.linalg.norm(target[:3] - self.row[:3]) / step)))
        for share in np.linspace(1 / count, 1, count):
            row = target.copy()
            row[:3] = self.row[:3] + share * (target[:3] - self.row[:3])
            self.robot.apply(row)
        for _ in range(wait):
            self.robot.apply(target)
        self.row = target

    def grasp(self, name: str, lift: float = 0.15) -> None:
        """From above, between the pads, and up."""
        thing = self.scene().find(name)
        x, y, z = thing.position
        yaw = thing.yaw if thing.kind == "block" else 0.0
        self.to(x, y, z + 0.12, yaw, 1.0)
        self.to(x, y, z, yaw)
        self.to(x, y, z, yaw, 0.0)
        self.to(x, y, z + lift, yaw)

    def release(self, x: float, y: float, z: float, yaw: float = 0.0) -> None:
        """Carry to above a point, down, open, and up."""
        self.to(x, y, z + 0.12, yaw)
        self.to(x, y, z, yaw)
        self.to(x, y, z, yaw, 1.0)
        self.to(x, y, z + 0.15, yaw)
