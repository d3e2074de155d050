"""The nouns of saydo: the contract between all rooms, on one page.

    words → Scene → Subtask → Skill → Observation → Chunk → Robot → Outcome → (back to the plan)

What crosses to a language model, YAML or a checkpoint is a frozen pydantic model. What holds arrays is a frozen dataclass,
checked once when it is made; treat its arrays as read-only. Frames: *world* is the robot's base, x away from the robot, y to
its left, z up; lengths in metres, angles in radians, unless a name says otherwise. A *tick* is one control period; tick numbers
count up by one per period whether or not a command was fresh.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agent.errors import UnknownThing, WrongShape

Array = NDArray[Any]
Fact = tuple[str, ...]
"""A relation and the things it holds between: ("in", "red block", "blue bowl"), ("open", "drawer")."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what a sentence can talk about -----------------------------------------------------------------------------------------


class Thing(Frozen):
    """Something that has a name. Names are unique within a Scene."""

    name: str
    kind: str
    position: tuple[float, float, float]
    """Centre in the world frame, m. Of a drawer, lid, lever or knob: where its handle is grasped; of a button: the top of the cap; of a
    bay: the middle of its floor."""
    yaw: float = 0.0
    """Rotation about world z, rad."""
    size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Full extents in the thing's own frame, m."""
    joint: float | None = None
    """What moves in it, if anything does: how far a drawer is out, how deep a button is in, how far a lid is to the left, m; how far a
    lever leans away from the robot, which way a knob's pointer shows (0: away from the robot, left is positive), how far a cup is
    tilted, rad."""
    pieces: tuple[tuple[float, float, float], ...] = ()
    """Of a thing that is many, as beads are: where each of them is, m, world frame. `position` and `size` are then the middle and the
    extents of the lot."""


class Scene(Frozen):
    """What is there and how it stands: all that planning knows of the world at one tick.

    Facts in use: ("in" | "on" | "left of" | "right of" | "in front of" | "behind" | "next to", a, b); ("open" | "closed", drawer);
    ("lit" | "dark", light); ("clear", thing): nothing stands on or in it; ("over", "gripper", thing); ("home", "gripper").
    ("half open", drawer); ("at left" | "at right", lid); ("covered" | "uncovered", bay), uncovered only with the lid at its other end;
    ("up" | "down", lever): away from the robot, towards it; ("at", knob, "mark 1" | "mark 2" | "mark 3"), within 15°.
    ("moving", thing). ("standing" | "lying", bar), within 10°. ("on", ring, peg); ("in", L, fixture). ("touching", a, b), both ways.
    ("upright", cup). What is in a tray is on it too. ("in", "beads", place): four fifths of them are there; what holds them is not clear.
    ("in", thing, zone): on the table there, with nine tenths of its outline. ("followed", "table"): `events` tell of every thing on the
    table that was moved ("moved", thing, "left" | "right" | "away" | "near"), once for each centimetre, or turned ("turned", thing,
    "left" | "right"), once for each 5° about the vertical; the way back is told too, so what happened since a tick is their difference.
    ("lifted", thing) is told once it leaves the table. ("touching", a, b): side by side on the table, up to 2 mm, where it is followed.
    """

    tick: int
    things: tuple[Thing, ...]
    facts: tuple[Fact, ...] = ()
    holding: str | None = None
    events: tuple[tuple[int, Fact], ...] = ()
    """What happened and is over, with its tick: (812, ("pressed", "button"))."""

    def has(self, relation: str, *things: str) -> bool:
        """True if the fact holds now, or happened within this Scene's `events` (see `since`)."""
        wanted = (relation, *things)
        return wanted in self.facts or any(fact == wanted for _, fact in self.events)

    def since(self, tick: int) -> "Scene":
        """The same Scene, remembering only what happened at `tick` or later."""
        return self.model_copy(update={"events": tuple(event for event in self.events if event[0] >= tick)})

    def find(self, name: str) -> Thing:
        """The thing of that name; raises UnknownThing, which says what is there instead."""
        for thing in self.things:
            if thing.name == name:
                return thing
        raise UnknownThing(name, self.names())

    def names(self, *kinds: str) -> list[str]:
        """Names of all things, or of those of the given kinds."""
        return [thing.name for thing in self.things if not kinds or thing.kind in kinds]

    def where(self, name: str, *relations: str) -> list[str]:
        """What `name` stands in one of `relations` to: scene.where("red block", "in", "on") == ["blue bowl"]."""
        return [fact[2] for fact in self.facts if len(fact) == 3 and fact[1] == name and fact[0] in relations]

    def zones(self, name: str) -> list[str]:
        """The zones of the table that `name` lies in."""
        return [place for place in self.where(name, "in") if self.find(place).kind == "zone"]


# --- what is to be done -----------------------------------------------------------------------------------------------------


class Subtask(Frozen):
    """A skill call written down: survives JSON, checkpoints and restarts."""

    skill: str
    args: dict[str, str] = {}
    words: str
    """The sentence a vision-language-action policy reads."""

    @property
    def key(self) -> str:
        """One name per call: `place(relation=in, target=blue bowl, thing=red block)`."""
        return f"{self.skill}({', '.join(f'{k}={v}' for k, v in sorted(self.args.items()))})"


Status = Literal["done", "failed", "timed_out", "stopped"]


class Outcome(Frozen):
    """How a subtask ended, and how that is known. A missed grasp is an Outcome, never an exception."""

    status: Status
    why: str
    evidence: tuple[str, ...] = ()
    """Observed differences: "red block moved 12 cm", "gripper width 41 mm"."""
    ticks: int = 0
    """Control periods spent."""
    confirmed: bool = True
    """The robot was measured to stand still afterwards. False: it may still be moving; say so, loudly."""


# --- what is sensed and commanded -------------------------------------------------------------------------------------------


class RobotSpec(Frozen):
    """A robot's numbers, named. Compared with the policy's when the two meet."""

    name: str
    rate_hz: float
    state: tuple[str, ...]
    action: tuple[str, ...]
    cameras: dict[str, tuple[int, int]]
    """Name → (height, width), px."""


class PolicySpec(Frozen):
    """What a policy needs and gives."""

    name: str
    rate_hz: float
    horizon: int
    """Rows in a chunk, H."""
    state: tuple[str, ...]
    action: tuple[str, ...]
    cameras: dict[str, tuple[int, int]] = {}
    sees_scene: bool = False
    """True only for policies that cheat: they read `Observation.scene`, which hardware does not have."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the robot senses at the start of one tick."""

    tick: int
    time: float
    """The robot's own clock, s: simulated time in simulation."""
    state: Array
    """float32[S], named by RobotSpec.state."""
    images: Mapping[str, Array] = field(default_factory=dict)
    """Camera name → uint8[h, w, 3] RGB; only the cameras that were asked for."""
    scene: Scene | None = None
    """The truth, where a simulator knows it; None on hardware."""
    promised: Array | None = None
    """float32[d, A], d ≥ 1: rows that will be carried out from `tick` on, whatever the policy answers, since its answer takes time. A
    policy that was trained to continues them; others need not look. None: none, or not known."""

    def __post_init__(self) -> None:
        if self.promised is not None and (self.promised.ndim != 2 or len(self.promised) == 0 or self.promised.dtype != np.float32):
            raise WrongShape("promised rows", "float32[d ≥ 1, A]", self.promised)
        if self.state.ndim != 1 or self.state.dtype != np.float32:
            raise WrongShape("observation state", "float32[S]", self.state)
        for name, image in self.images.items():
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise WrongShape(f"image of camera '{name}'", "uint8[h, w, 3]", image)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A short future: H rows of actions. Row j belongs to tick `start + j`."""

    start: int
    """The tick of the observation that it answers."""
    actions: Array
    """float32[H, A], named by RobotSpec.action."""
    timing: Mapping[str, float] = field(default_factory=dict)
    """ms by stage, as measured where it happened: {"infer_ms": 3.1, "trip_ms": 3.6}."""
    by: str = ""
    """Which policy made it, where several share the work."""

    def __post_init__(self) -> None:
        if self.actions.ndim != 2 or len(self.actions) == 0 or self.actions.dtype != np.float32:
            raise WrongShape("chunk actions", "float32[H ≥ 1, A]", self.actions)

    @property
    def end(self) -> int:
        """The first tick without a row."""
        return self.start + len(self.actions)


@runtime_checkable
class Policy(Protocol):
    """Observation + Subtask → Chunk. A learned policy reads the subtask's words and the pictures; the oracle reads skill and args."""

    spec: PolicySpec

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """May take long and may raise PolicyError; whoever calls keeps the deadline."""
        ...


@runtime_checkable
class Robot(Protocol):
    """A body. Guard, Recorder and Disturbed are Robots around a Robot."""

    spec: RobotSpec

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        """Sense now; render only the named cameras (None: all)."""
        ...

    def apply(self, action: Array) -> Array:
        """Command one row, float32[A], for one control period and wait it out. Returns the row truly applied."""
        ...

    def stop(self) -> bool:
        """Come to rest and hold. True only once measured to stand still, False if that could not be confirmed in time."""
        ...


def clip_text(text: str, most: int = 80) -> str:
    """Shorten for people: the first `most` characters, marked when there was more."""
    return text if len(text) <= most else text[: most - 1] + "…"


__all__ = [
    "Array", "Chunk", "Fact", "Observation", "Outcome", "Policy", "PolicySpec", "Robot", "RobotSpec", "Scene", "Status", "Subtask",
    "Thing", "clip_text",
]  # fmt: skip
