"""Rows with names: what is a position, what a rotation, and that stepping there and back is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.executor.layout import Layout

NAMES = ("x", "y", "z", "rx", "ry", "rz", "q1", "gripper", "speed")
numbers = st.lists(st.floats(-3, 3, width=32), min_size=len(NAMES), max_size=len(NAMES))


@pytest.mark.parametrize(
    ("names", "positions", "rotations", "angles", "grippers"),
    [
        (("x", "y", "z", "rx", "ry", "rz", "gripper"), [(0, 1, 2)], [(3, 4, 5)], [], [6]),
        (("joint1", "joint_2", "joint.3", "finger_joint1"), [], [], [0, 1, 2], [3]),
        (("left.x", "left.y", "left.z", "right_x", "right_y", "right_z"), [(0, 1, 2), (3, 4, 5)], [], [], []),
        (("gripper", "z", "y", "x", "yaw"), [(3, 2, 1)], [], [4], [0]),
        (("x", "y", "vx", "dx", "rx"), [], [], [], []),
    ],
)
def test_names_tell_what_numbers_mean(names: tuple[str, ...], positions: list, rotations: list, angles: list, grippers: list) -> None:
    layout = Layout.of(names)
    assert (list(layout.positions), list(layout.rotations), list(layout.angles), list(layout.grippers)) == (
        positions, rotations, angles, grippers,
    )  # fmt: skip


@given(numbers, numbers)
@settings(deadline=None)
def test_plus_undoes_minus(a: list[float], b: list[float]) -> None:
    layout, row, other = Layout.of(NAMES), np.array(a, np.float32), np.array(b, np.float32)
    assert layout.gap(layout.plus(other, layout.minus(row, other)), row) < 1e-5
    assert np.array_equal(layout.plus(row, np.zeros(len(row))), row), "no step, no change, to the bit"
    assert layout.gap(row, other) == pytest.approx(layout.gap(other, row), abs=1e-5)
    turn = layout.minus(row, other)
    assert np.linalg.norm(turn[3:6]) <= np.pi + 1e-9 and abs(turn[6]) <= np.pi


def test_half_turns_are_one_pose() -> None:
    layout = Layout.of(("rx", "ry", "rz", "yaw"))
    down, same = np.array([np.pi, 0, 0, np.pi], np.float32), np.array([-np.pi, 0, 0, -np.pi], np.float32)
    assert layout.gap(down, same) < 1e-5
