"""Scripted motions for skills that need no policy: a few rows towards a pose, asked again and again until the skill is done."""

import numpy as np

from agent.errors import SkillError
from agent.types import Array, Chunk, Observation

SPEED = 0.25
"""m/s, of the tool centre point."""
ROWS = 16
PERIOD_S = 0.05
POSE = slice(7, 13)
"""x, y, z, rx, ry, rz in the Panda's state vector; see sim/robot.py."""


def move_to(observation: Observation, position: tuple[float, float, float], gripper: float = 0.0) -> Chunk:
    """Straight towards `position` (tool centre point, world frame, m), fingers pointing down; gripper 0 closed … 1 open.

    Gives float32[16, 7] rows x, y, z, rx, ry, rz, gripper at 20 Hz, at 0.25 m/s.
    """
    pose = observation.state[POSE]
    way = np.asarray(position, dtype=np.float64) - pose[:3]
    steps = np.minimum(np.arange(1, ROWS + 1) * SPEED * PERIOD_S, float(np.linalg.norm(way)))
    direction = way / max(float(np.linalg.norm(way)), 1e-9)
    rows: Array = np.zeros((ROWS, 7), dtype=np.float32)
    rows[:, :3] = pose[:3] + steps[:, None] * direction
    rows[:, 3:6] = pose[3:] * np.linspace(1, 0, ROWS)[:, None]
    rows[:, 6] = gripper
    return Chunk(start=observation.tick, actions=rows)


def hover(observation: Observation, thing: str, height: float) -> Chunk:
    """Move above a thing of the scene, at least at `height` metres over it; first up, then across."""
    if observation.scene is None:
        raise SkillError("hover() needs to know where things are; this robot's observations carry no scene.")
    x, y, z = observation.scene.find(thing).position
    here = observation.state[POSE]
    safe = max(z + height, 0.25)
    across = float(np.hypot(x - here[0], y - here[1])) > 0.02
    if across and here[2] < safe - 0.05:
        return move_to(observation, (float(here[0]), float(here[1]), safe))
    return move_to(observation, (x, y, safe if across else z + height))
