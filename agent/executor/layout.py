"""What each number of a row means, read off its name; and how to subtract and add rows that hold rotations.

Names are read by their last part, whatever stands before it is the arm they belong to: `x y z` (or `left.x`, `tcp_x`) is an absolute
position in metres, `rx ry rz` an absolute rotation vector in radians, `roll pitch yaw` and joints (`q1`, `joint_3`) single angles in
radians, anything with `grip` or `finger` a gripper. Other numbers are carried as they are.

A gripper that points down has a rotation vector of length π, where (π, 0, 0) and (−π, 0, 0) are one and the same pose: components must
never be compared or averaged there. `Layout.minus` and `Layout.plus` compose rotations instead.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agent.executor.rotation import composed
from agent.types import Array

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where positions, rotations, single angles and grippers stand in a row."""

    width: int
    positions: tuple[Triple, ...] = ()
    rotations: tuple[Triple, ...] = ()
    angles: tuple[int, ...] = ()
    grippers: tuple[int, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> "Layout":
        """Read a row's layout off its names: Layout.of(("x", "y", "z", "rx", "ry", "rz", "gripper"))."""
        names = tuple(names)
        where = {split(name): index for index, name in enumerate(names)}
        grippers = tuple(i for i, name in enumerate(names) if re.search("grip|finger", name.lower()))
        angles = tuple(i for (_, last), i in where.items() if i not in grippers and re.fullmatch(r"roll|pitch|yaw|(q|j|joint)\d+", last))
        return cls(len(names), triples(where, "x", "y", "z"), triples(where, "rx", "ry", "rz"), angles, grippers)

    def minus(self, a: Array, b: Array) -> Array:
        """float64[A]: the step that leads from row `b` to row `a`; rotations as the rotation vector of R_a R_b⁻¹, angles in (−π, π]."""
        step = np.asarray(a, np.float64) - np.asarray(b, np.float64)
        for triple in self.rotations:
            at = list(triple)
            if np.any(step[at]):
                step[at] = composed(a[at], -b[at])
        for index in self.angles:
            step[index] = np.pi - (np.pi - step[index]) % (2 * np.pi)
        return step

    def plus(self, row: Array, step: Array) -> Array:
        """float32[A]: `row` moved on by `step`, the inverse of `minus`. Parts whose step is zero come back bit for bit."""
        moved = np.where(step == 0, row, np.asarray(row, np.float64) + step).astype(np.float32)
        for triple in self.rotations:
            at = list(triple)
            if np.any(step[at]):
                moved[at] = composed(step[at], row[at])
        return moved

    def gap(self, a: Array, b: Array) -> float:
        """How far apart two rows are: the largest of distances in m, turns in rad, and plain differences of all other numbers."""
        step = self.minus(a, b)
        for triple in self.positions + self.rotations:
            at = list(triple)
            step[at] = np.linalg.norm(step[at])
        return float(np.max(np.abs(step), initial=0.0))


def split(name: str) -> tuple[str, str]:
    """('left', 'x') of 'left.x'; ('', 'joint3') of 'joint_3'."""
    name = re.sub(r"(joint|j|q)[_.](?=\d)", r"\1", name.lower())
    *arm, last = re.split(r"[^a-z0-9]+", name)
    return ".".join(arm), last


def triples(where: dict[tuple[str, str], int], *parts: str) -> tuple[Triple, ...]:
    """Indices of every arm that has all three parts, in the order the arms appear."""
    arms = dict.fromkeys(arm for arm, last in where if last in parts)
    found = [[where.get((arm, part)) for part in parts] for arm in arms]
    return tuple((x, y, z) for x, y, z in found if x is not None and y is not None and z is not None)
