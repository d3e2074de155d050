"""Everything saydo raises on purpose. Failures of the world (a missed grasp) are Outcomes, not exceptions.

SaydoError                 what was asked, what exists, the nearest match, what to do
├── ConfigError            config.yaml, a scene or a demo script is wrong
├── SkillError             a skill plug-in is refused at load
├── UnknownThing           a name that is not in the scene
├── WrongShape             an array is not what its field promises
├── Mismatch               robot and policy do not fit together
├── PolicyError            the policy cannot answer: down, late, or nonsense
├── ModelServerError       the language model cannot answer
├── WeightsError           a checkpoint does not fit its model
├── RobotError             the body is broken or out of reach
└── RecordError            a run cannot be written or read
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class SaydoError(Exception):
    """The root: catching it catches everything saydo raises on purpose."""


class ConfigError(SaydoError):
    pass


class SkillError(SaydoError):
    pass


class UnknownThing(SaydoError):
    def __init__(self, name: str, existing: Iterable[str]) -> None:
        self.name, self.existing = name, sorted(existing)
        there = ", ".join(self.existing) or "nothing"
        super().__init__(f"There is no '{name}' here. What is there: {there}.{hint(name, self.existing)}")


class WrongShape(SaydoError):
    def __init__(self, what: str, expected: str, array: Any) -> None:
        super().__init__(f"The {what} must be {expected}, but it is {array.dtype}{list(array.shape)}.")


class Mismatch(SaydoError):
    pass


class PolicyError(SaydoError):
    """`refused` is set by a policy that means no: asking again will not help. Without it the policy counts as lost, and is waited for."""

    refused: bool = False


class ModelServerError(SaydoError):
    pass


class WeightsError(SaydoError):
    pass


class RobotError(SaydoError):
    pass


class RecordError(SaydoError):
    pass


def nearest(word: str, existing: Iterable[str]) -> str | None:
    """The closest of the existing names, or None if nothing is close."""
    existing = list(existing)
    matches = get_close_matches(word.lower(), {name.lower(): name for name in existing}, n=1, cutoff=0.5)
    return next((name for name in existing if matches and name.lower() == matches[0]), None)


def hint(word: str, existing: Iterable[str]) -> str:
    """' Did you mean …?' with a leading space, or nothing."""
    close = nearest(word, list(existing))
    return f" Did you mean '{close}'?" if close else ""
