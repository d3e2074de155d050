"""The Guard: no output ever breaks a limit, and what is legal passes bit for bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import GuardConfig
from agent.errors import Mismatch, RobotError, WrongShape
from agent.executor.layout import Layout
from agent.executor.safety import Guard, check_match
from agent.testing import ACTION, POSE, FakeRobot, check_robot, line
from agent.types import Array, PolicySpec, RobotSpec

CONFIG = GuardConfig(workspace=((0.15, 0.85), (-0.60, 0.60), (0.005, 0.80)), speed=0.6, turn=3.0)
MOVE, TURN = 0.6 / 20, 3.0 / 20
LOW, HIGH = np.array(CONFIG.workspace, np.float32).T
LAYOUT = Layout.of(ACTION)

numbers = st.floats(-4, 4, width=32) | st.floats(width=32, allow_nan=True, allow_infinity=True)
poses = st.lists(numbers, min_size=7, max_size=7).map(lambda row: (None, np.array(row, np.float32)))
ways = st.lists(st.floats(-1, 1), min_size=6, max_size=6)
steps = st.tuples(st.floats(0, 3), ways).map(lambda step: (step[0], np.array(step[1])))
commands = st.lists(poses | steps, min_size=1, max_size=12)


def command(kind: float | None, values: Array, before: Array) -> Array:
    """Either a row as it stands, or a step from the last one of `kind` times the limits, in some direction."""
    if kind is None:
        return values
    length = np.repeat([np.linalg.norm(values[:3]), np.linalg.norm(values[3:])], 3)
    step = values / np.maximum(length, 1e-9) * kind * np.repeat([MOVE, TURN], 3)
    return LAYOUT.plus(before, np.append(step, 0.0))


@given(commands)
@settings(deadline=None)
def test_no_output_ever_breaks_a_limit(given_commands: list[tuple[float | None, Array]]) -> None:
    robot = FakeRobot()
    guard, before = Guard(robot, CONFIG), POSE
    guard.apply(POSE)
    for kind, values in given_commands:
        with np.errstate(over="ignore", invalid="ignore"):
            applied = guard.apply(command(kind, values, before))
        assert np.array_equal(applied, robot.rows[-1]), "what it returns is what was applied"
        assert np.isfinite(applied).all()
        assert np.all(applied[:3] >= LOW) and np.all(applied[:3] <= HIGH)
        step = LAYOUT.minus(applied, before)
        assert np.linalg.norm(step[:3]) <= MOVE * 1.0001 and np.linalg.norm(step[3:6]) <= TURN * 1.0001
        before = applied


def legal(seed: int, length: int = 40) -> Array:
    """A random walk that keeps to every limit, now and then exactly at it."""
    random, row, walk = np.random.default_rng(seed), POSE.copy(), []
    for _ in range(length):
        step = np.zeros(7)
        for at, most in ((slice(0, 3), MOVE), (slice(3, 6), TURN)):
            way = random.normal(size=3)
            step[at] = way / np.linalg.norm(way) * most * random.choice([0.2, 0.9, 1.0])
        after = LAYOUT.plus(row, step)
        after[6] = random.uniform(0, 1)
        if np.all(after[:3] >= LOW) and np.all(after[:3] <= HIGH):
            row = after
        walk.append(row)
    return np.array(walk)


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_a_legal_trajectory_passes_bit_for_bit(seed: int) -> None:
    robot = FakeRobot()
    guard, walk = Guard(robot, CONFIG), legal(seed)
    for row in walk:
        guard.apply(row)
    assert np.array_equal(robot.rows, walk) and not guard.interventions


def test_a_far_goal_is_reached_at_the_speed_limit() -> None:
    robot = FakeRobot()
    guard, goal = Guard(robot, CONFIG), POSE + np.array([0.3, 0, 0, 0, 0, 0, 0], np.float32)
    for _ in range(10):
        guard.apply(goal)
    assert np.allclose(robot.state, goal, atol=1e-6) and guard.interventions == {"speed": 9}


def test_interventions_are_told_with_their_tick() -> None:
    told: list[dict[str, Any]] = []
    guard = Guard(FakeRobot(), CONFIG, lambda kind, **fields: told.append({"kind": kind, **fields}))
    guard.apply(POSE)
    guard.apply(np.full(7, np.nan, np.float32))
    guard.apply(POSE + np.array([0, 0, -0.4, 0, 0, 0, 0], np.float32))
    assert [(event["kind"], event["tick"], event["limit"]) for event in told] == [
        ("guarded", 1, "finite"), ("guarded", 2, "workspace"), ("guarded", 2, "speed"),
    ]  # fmt: skip
    assert "10.5 cm out of the workspace" in told[1]["why"] and "30 mm" in told[2]["why"]


def test_after_a_stop_limits_count_from_the_measured_pose() -> None:
    robot = FakeRobot()
    guard = Guard(robot, CONFIG)
    guard.apply(POSE)
    robot.state = POSE + np.array([0.1, 0, 0, 0, 0, 0, 0], np.float32)  # pushed away while it stood
    guard.stop()
    applied = guard.apply(POSE)
    assert applied[0] == pytest.approx(0.6 - MOVE, abs=1e-6)


def test_the_way_back_into_the_workspace_obeys_the_speed_limit() -> None:
    robot = FakeRobot()
    robot.state = POSE.copy()
    robot.state[2] = 1.0
    guard = Guard(robot, CONFIG)
    heights = [float(guard.apply(POSE)[2]) for _ in range(8)]
    assert np.allclose(-np.diff([1.0, *heights]), MOVE, atol=1e-6), "0.2 m above the border it comes down, no faster than allowed"


def test_a_first_row_that_is_not_finite_stops_the_robot() -> None:
    robot = FakeRobot()
    with pytest.raises(RobotError, match="not finite"):
        Guard(robot, CONFIG).apply(np.full(7, np.inf, np.float32))
    assert robot.rows == [] and robot.stops == 1


@pytest.mark.parametrize("row", [np.zeros(6, np.float32), np.zeros((1, 7), np.float32), np.zeros(7, np.int64)])
def test_another_shape_is_refused(row: Array) -> None:
    robot = FakeRobot()
    with pytest.raises(WrongShape, match=r"float32\[7\]"):
        Guard(robot, CONFIG).apply(row)
    assert robot.rows == []


def test_joints_are_limited_by_their_turning_speed() -> None:
    class Joints(FakeRobot):
        def __init__(self) -> None:
            super().__init__()
            self.spec = self.spec.model_copy(update={"action": tuple(f"q{i}" for i in range(7)), "state": tuple(f"q{i}" for i in range(7))})

    robot = Joints()
    robot.state = np.zeros(7, np.float32)
    assert np.allclose(Guard(robot, CONFIG).apply(np.ones(7, np.float32)), TURN)


def test_a_guard_is_a_robot() -> None:
    check_robot(Guard(FakeRobot(), CONFIG))


def test_unguarded_and_guarded_are_equal_where_all_is_legal() -> None:
    path = line(POSE, POSE + np.array([0.1, 0.1, 0.1, 0, 0, 0, 0], np.float32), 0.01, 20)
    bare, robot = FakeRobot(), FakeRobot()
    guard = Guard(robot, CONFIG)
    for row in path:
        assert np.array_equal(bare.apply(row), guard.apply(row))
    assert np.array_equal(bare.observe().state, guard.observe().state)


# --- robot and policy meet --------------------------------------------------------------------------------------------------

ROBOT = RobotSpec(name="arm", rate_hz=20, state=("x", "width"), action=("x", "gripper"), cameras={"front": (224, 224), "wrist": (128, 128)})
POLICY = PolicySpec(name="net", rate_hz=20, horizon=8, state=ROBOT.state, action=ROBOT.action, cameras={"wrist": (128, 128)})


def test_what_fits_is_let_through() -> None:
    check_match(ROBOT, POLICY)
    check_match(ROBOT, POLICY.model_copy(update={"state": (), "cameras": {}}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rate_hz": 50.0}, "rate:\n    robot  20 Hz\n    policy 50 Hz"),
        ({"state": ("width", "x")}, "state:\n    robot  2: x width\n    policy 2: width x"),
        ({"action": ("x",)}, "action:\n    robot  2: x gripper\n    policy 1: x"),
        ({"cameras": {"wrist": (96, 128)}}, "camera 'wrist':\n    robot  128×128 px (height × width)\n    policy 96×128 px"),
        ({"cameras": {"side": (8, 8)}}, "has no such camera; it has: front 224×224"),
    ],
)
def test_what_does_not_fit_is_printed_side_by_side(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Mismatch) as caught:
        check_match(ROBOT, POLICY.model_copy(update=change))
    assert says in str(caught.value) and "'arm'" in str(caught.value) and "'net'" in str(caught.value)
