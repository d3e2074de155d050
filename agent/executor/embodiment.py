"""What a robot's numbers mean: names, units, order, cameras, rate; and where π0 and RDT keep each of them.

    robot's row  ⇄  π0's 32 slots           joints and grippers of the left arm first; a gripper is 0 open … 1 closed
    robot's row  ⇄  RDT's 128 slots         one physical meaning per slot, SI units; a gripper is 0 closed … 1 open; a mask says which exist

A robot is a table (robots.py): a few `Part`s for its state and for its actions. Each Part names some numbers that belong together, says
where both models keep them, and how they are converted, there and back. Nothing else in the project knows a slot number.
Sources: openpi's and RDT's released robot adapters; Pertsch et al. 2025 for π0's base action space; RDT (arXiv 2410.07864), appendix.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from agent.errors import Mismatch
from agent.executor.rotation import DOWN, matrix_from_six, matrix_from_vector, six_from_matrix, vector_from_matrix
from agent.types import Array, PolicySpec, RobotSpec

PI0_WIDTH, RDT_WIDTH = 32, 128
PI0_CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
RDT_CAMERAS = ("exterior", "right wrist", "left wrist")


# --- RDT's unified space ----------------------------------------------------------------------------------------------------


def unified_slots() -> dict[str, int]:
    """Every name → its slot in 0 … 127. Names without an arm mean the right one: a single arm is a right arm."""
    slots = {"base_vel_x": 100, "base_vel_y": 101, "base_angular_vel": 102}
    for arm, first in (("", 0), ("right_", 0), ("left_", 50)):
        for what, start, count in (("arm_joint", 0, 10), ("gripper_joint", 10, 5)):
            for i in range(count):
                slots[f"{arm}{what}_{i}_pos"] = first + start + i
                slots[f"{arm}{what}_{i}_vel"] = first + start + i + 15
        slots |= {f"{arm}gripper_open": first + 10, f"{arm}gripper_open_vel": first + 25}
        slots |= {f"{arm}eef_pos_{axis}": first + 30 + i for i, axis in enumerate("xyz")}
        slots |= {f"{arm}eef_angle_{i}": first + 33 + i for i in range(6)}
        slots |= {f"{arm}eef_vel_{axis}": first + 39 + i for i, axis in enumerate("xyz")}
        slots |= {f"{arm}eef_angular_vel_{turn}": first + 42 + i for i, turn in enumerate(("roll", "pitch", "yaw"))}
    return slots


RDT_SLOTS = unified_slots()


# --- conversions ------------------------------------------------------------------------------------------------------------


class Form(NamedTuple):
    """How some numbers [..., n] of a robot become numbers [..., m] of a model, and back."""

    there: Callable[[Array], Array]
    back: Callable[[Array], Array]


def linear(scale: float | tuple[float, ...], shift: float = 0.0) -> Form:
    """scale · x + shift, number by number."""
    by = np.asarray(scale, np.float64)
    return Form(lambda x: by * x + shift, lambda y: (y - shift) / by)


SAME = linear(1)
FLIP = linear(-1, 1)
"""A gripper's opening as its closing, and the reverse."""
DOWNWARD_VECTOR = Form(
    lambda vector: six_from_matrix(matrix_from_vector(vector) @ DOWN),
    lambda six: vector_from_matrix(matrix_from_six(six) @ DOWN.T),
)
"""Rotation vector [..., 3] relative to pointing straight down ⇄ six numbers of the absolute rotation."""
VECTOR = Form(lambda vector: six_from_matrix(matrix_from_vector(vector)), lambda six: vector_from_matrix(matrix_from_six(six)))
"""Absolute rotation vector [..., 3] ⇄ six numbers."""


def aloha_gripper_state() -> Form:
    """ALOHA's measured gripper (0 closed … 1 open, linear in the finger's travel) ⇄ π0's (linear in the motor's angle)."""
    near, far, crank, rod, low, high = 0.01844, 0.05800, 0.022, 0.036, 0.5476, 1.6296

    def there(opening: Array) -> Array:
        travel = opening * (far - near) + near
        sine = (crank**2 + travel**2 - rod**2) / (2 * crank * travel)
        return (np.arcsin(np.clip(sine, -1, 1)) - low) / (high - low)

    def back(value: Array) -> Array:
        lift = crank * np.sin(value * (high - low) + low)
        return (lift + np.sqrt(lift**2 + rod**2 - crank**2) - near) / (far - near)

    return Form(there, back)


ALOHA_GRIPPER_COMMAND = linear(1.4910 + 0.6213, -0.6213 - 0.5476)
"""ALOHA's commanded gripper (leader's joint, 0 closed … 1 open) ⇄ π0's."""


# --- a robot ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """Some numbers of a robot that belong together, in the robot's order."""

    names: tuple[str, ...]
    unit: str
    pi0: tuple[int, ...]
    """π0's slots, one for each number that `pi0_form` makes."""
    rdt: tuple[str, ...]
    """Names in RDT's unified space, one for each number that `rdt_form` makes."""
    pi0_form: Form = SAME
    rdt_form: Form = SAME
    delta: bool = False
    """π0's checkpoints predict it as a difference to the state."""


@dataclass(frozen=True, eq=False)
class Space:
    """A row of numbers, [..., width], as a robot has it; and its place in the models' slots."""

    parts: tuple[Part, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.names)

    @cached_property
    def units(self) -> tuple[str, ...]:
        return tuple(part.unit for part in self.parts for _ in part.names)

    @cached_property
    def delta(self) -> Array:
        """bool[width]: what π0 predicts as a difference to the state."""
        return np.array([part.delta for part in self.parts for _ in part.names])

    @cached_property
    def rdt_mask(self) -> Array:
        """float32[128]: 1 at the slots that this space fills."""
        mask = np.zeros(RDT_WIDTH, np.float32)
        mask[[RDT_SLOTS[name] for part in self.parts for name in part.rdt]] = 1
        return mask

    def to_pi0(self, row: Array) -> Array:
        """float[..., width] → float32[..., 32], zero where there is nothing."""
        return self._to(row, PI0_WIDTH, [(list(part.pi0), part.pi0_form) for part in self.parts])

    def from_pi0(self, slots: Array) -> Array:
        """float[..., 32] → float32[..., width]."""
        return self._from(slots, PI0_WIDTH, [(list(part.pi0), part.pi0_form) for part in self.parts])

    def to_rdt(self, row: Array) -> Array:
        """float[..., width] → float32[..., 128], zero where `rdt_mask` is."""
        return self._to(row, RDT_WIDTH, [([RDT_SLOTS[name] for name in part.rdt], part.rdt_form) for part in self.parts])

    def from_rdt(self, slots: Array) -> Array:
        """float[..., 128] → float32[..., width]."""
        return self._from(slots, RDT_WIDTH, [([RDT_SLOTS[name] for name in part.rdt], part.rdt_form) for part in self.parts])

    def _to(self, row: Array, width: int, places: list[tuple[list[int], Form]]) -> Array:
        row = np.asarray(row, np.float64)
        self._check(row, len(self.names), "row", ", ".join(self.names))
        slots, at = np.zeros((*row.shape[:-1], width)), 0
        for part, (where, form) in zip(self.parts, places, strict=True):
            slots[..., where] = form.there(row[..., at : at + len(part.names)])
            at += len(part.names)
        return slots.astype(np.float32)

    def _from(self, slots: Array, width: int, places: list[tuple[list[int], Form]]) -> Array:
        slots = np.asarray(slots, np.float64)
        self._check(slots, width, "slots", "the model's own width")
        return np.concatenate([form.back(slots[..., where]) for where, form in places], axis=-1).astype(np.float32)

    def _check(self, numbers: Array, width: int, what: str, meaning: str) -> None:
        if numbers.shape[-1:] != (width,):
            raise Mismatch(f"These {what} have shape {list(numbers.shape)}; the last axis must be {width} wide: {meaning}.")


class Camera(NamedTuple):
    name: str
    height: int
    width: int
    place: Literal["exterior", "wrist", "left wrist", "right wrist"]
    """`wrist`: the only one. π0 looks for it at the left wrist, RDT at the right one."""


@dataclass(frozen=True, eq=False)
class Embodiment:
    """A robot as the models see it."""

    name: str
    rate_hz: float
    """Also RDT's control-frequency token."""
    state: Space
    action: Space
    cameras: tuple[Camera, ...]

    @property
    def spec(self) -> RobotSpec:
        cameras = {camera.name: (camera.height, camera.width) for camera in self.cameras}
        return RobotSpec(name=self.name, rate_hz=self.rate_hz, state=self.state.names, action=self.action.names, cameras=cameras)

    def policy_spec(self, name: str, horizon: int, cameras: Iterable[str] | None = None) -> PolicySpec:
        """What a policy trained for this robot needs and gives; `cameras` it looks at (None: all of the robot's)."""
        spec = self.spec
        looked_at = {camera: spec.cameras[camera] for camera in (spec.cameras if cameras is None else cameras)}
        return PolicySpec(name=name, rate_hz=self.rate_hz, horizon=horizon, state=spec.state, action=spec.action, cameras=looked_at)

    @property
    def rdt_mask(self) -> Array:
        """float32[128]: RDT's availability mask, shared by state and actions: 1 where either has a number."""
        return np.maximum(self.state.rdt_mask, self.action.rdt_mask)

    @property
    def pi0_cameras(self) -> dict[str, str | None]:
        """π0's three views, in its order → this robot's camera; None: black, and masked."""
        places = ({"exterior"}, {"left wrist", "wrist"}, {"right wrist"})
        return {view: self._camera(place) for view, place in zip(PI0_CAMERAS, places, strict=True)}

    @property
    def rdt_cameras(self) -> dict[str, str | None]:
        """RDT's three views, in its order → this robot's camera; None: the background picture."""
        places = ({"exterior"}, {"right wrist", "wrist"}, {"left wrist"})
        return {view: self._camera(place) for view, place in zip(RDT_CAMERAS, places, strict=True)}

    def _camera(self, places: set[str]) -> str | None:
        return next((camera.name for camera in self.cameras if camera.place in places), None)
