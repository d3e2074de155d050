"""Two policies that share the work: a learned one does what it was trained for, another one the rest."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from agent.errors import Mismatch
from agent.types import Chunk, Observation, Policy, Scene, Subtask


@runtime_checkable
class Learned(Policy, Protocol):
    """A Policy that can tell what it was trained for."""

    def knows(self, subtask: Subtask, scene: Scene | None) -> bool:
        """scene: what is there, where a simulator tells; None: not known."""
        ...


class Divided:
    """Asks `learned` for what it knows, `other` for the rest; every chunk says who made it. Both must drive the same body."""

    def __init__(self, learned: Learned, other: Policy) -> None:
        self.learned, self.other = learned, other
        ours, theirs = learned.spec, other.spec
        for what in ("rate_hz", "state", "action"):
            if getattr(ours, what) != getattr(theirs, what):
                raise Mismatch(f"The policies '{ours.name}' and '{theirs.name}' cannot share the work: they differ in {what}. "
                               "Set policy.otherwise to null, or to a policy for the same robot.")  # fmt: skip
        self.spec = ours.model_copy(update={
            "name": f"{ours.name}, otherwise {theirs.name}", "horizon": min(ours.horizon, theirs.horizon),
            "cameras": {**theirs.cameras, **ours.cameras}, "sees_scene": ours.sees_scene or theirs.sees_scene,
        })  # fmt: skip

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        policy = self.learned if self.learned.knows(subtask, observation.scene) else self.other
        chunk = policy.predict(observation, subtask)
        return replace(chunk, actions=chunk.actions[: self.spec.horizon], by=policy.spec.name)
