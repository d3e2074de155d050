"""saydo: tell a robot what to do in words. These are the names a plug-in needs; each is imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.errors import WrongShape as WrongShape
    from agent.skills.motion import hover as hover
    from agent.skills.skill import Kind as Kind
    from agent.skills.skill import Skill as Skill
    from agent.types import Chunk as Chunk
    from agent.types import Observation as Observation
    from agent.types import Outcome as Outcome
    from agent.types import Policy as Policy
    from agent.types import PolicySpec as PolicySpec
    from agent.types import Robot as Robot
    from agent.types import RobotSpec as RobotSpec
    from agent.types import Scene as Scene
    from agent.types import Subtask as Subtask
    from agent.types import Thing as Thing

TYPES = ("Chunk", "Observation", "Outcome", "Policy", "PolicySpec", "Robot", "RobotSpec", "Scene", "Subtask", "Thing")
HOMES = {
    **dict.fromkeys(TYPES, "agent.types"),
    "WrongShape": "agent.errors",
    "Skill": "agent.skills.skill",
    "Kind": "agent.skills.skill",
    "hover": "agent.skills.motion",
}

__all__ = [
    "Chunk",
    "Kind",
    "Observation",
    "Outcome",
    "Policy",
    "PolicySpec",
    "Robot",
    "RobotSpec",
    "Scene",
    "Skill",
    "Subtask",
    "Thing",
    "WrongShape",
    "hover",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"agent has no '{name}'. It has: {', '.join(__all__)}.")
    return getattr(import_module(HOMES[name]), name)
