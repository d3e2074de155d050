"""SimRobot: the numbers of its contract, what it refuses, how it stops, and that it is exactly repeatable."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from agent.errors import RobotError, WrongShape
from agent.testing import check_robot
from agent.types import Robot
from sim.robot import PANDA, SimRobot
from tests.sim.driver import Driver


def wander(count: int, seed: int) -> np.ndarray:
    """float32[count, 7]: a smooth path low over the table that bumps into things."""
    t = np.arange(count) / 20
    phase = np.random.default_rng(seed).uniform(0, 6, 5)
    columns = [0.45 + 0.1 * np.sin(2 * t + phase[0]), -0.1 + 0.2 * np.sin(1.3 * t + phase[1]), 0.04 + 0.03 * np.cos(3 * t + phase[2])]
    return np.column_stack([*columns, 0 * t, 0 * t, 0.5 * np.sin(t + phase[3]), np.sin(4 * t + phase[4]) > 0]).astype(np.float32)


def test_it_is_a_robot_of_its_own_spec() -> None:
    robot = SimRobot(seed=2)
    assert isinstance(robot, Robot)
    seen = robot.observe()
    assert seen.state.shape == (len(PANDA.state),) and seen.tick == 0 and seen.time == 0.0
    assert {name: image.shape for name, image in seen.images.items()} == {n: (*hw, 3) for n, hw in PANDA.cameras.items()}
    assert robot.observe([]).images == {} and list(robot.observe(["wrist"]).images) == ["wrist"]
    assert seen.scene is not None and seen.scene.has("home", "gripper")


def test_ticks_and_time_count_control_periods() -> None:
    robot = SimRobot({"things": []})
    row = Driver(robot).row
    for _ in range(3):
        robot.apply(row)
    assert (robot.tick, robot.observe([]).time) == (3, pytest.approx(0.15))


def test_the_tool_goes_where_it_is_told() -> None:
    robot = SimRobot({"things": []})
    driver = Driver(robot)
    for target in [(0.5, 0.2, 0.1), (0.4, -0.3, 0.25), (0.6, 0.0, 0.05)]:
        driver.to(*target, yaw=0.4, opening=0.5, wait=15)
        state = robot.observe([]).state
        np.testing.assert_allclose(state[7:10], target, atol=2e-3)
        np.testing.assert_allclose(state[10:13], [0, 0, 0.4], atol=1e-2)
        assert state[13] == pytest.approx(0.04, abs=1e-3)


@pytest.mark.parametrize("bad", [(1.5, 0, 0.3), (0.5, 0, -3.0), (float("nan"), 0, 0.3), (0.5, float("inf"), 0.3)])
def test_a_row_that_cannot_be_followed_is_refused_and_held(bad: tuple[float, float, float]) -> None:
    robot = SimRobot({"things": []})
    before = robot.observe([]).state
    applied = robot.apply(np.array([*bad, 0, 0, 0, 1], np.float32))
    for _ in range(5):
        robot.apply(np.array([*bad, 0, 0, 0, 1], np.float32))
    after = robot.observe([]).state
    assert np.isfinite(applied).all()
    np.testing.assert_allclose(applied[:3], before[7:10], atol=1e-3)
    np.testing.assert_allclose(after[7:10], before[7:10], atol=1e-3)
    assert len(robot.rejected) == 6 and robot.rejected[0][0] == 0 and robot.rejected[0][1]


def test_wrong_widths_and_unknown_cameras_say_what_is_right() -> None:
    robot = SimRobot({"things": []})
    with pytest.raises(WrongShape, match=r"float32\[7\]"):
        robot.apply(np.zeros(6, np.float32))
    with pytest.raises(RobotError, match="Did you mean 'wrist'"):
        robot.observe(["wirst"])


def test_stop_holds_where_it_is_in_the_middle_of_a_fast_move() -> None:
    robot = SimRobot({"things": []})
    for _ in range(6):
        robot.apply(np.array([0.6, 0.35, 0.1, 0, 0, 0, 1], np.float32))
    moving = robot.observe([]).state
    tick = robot.tick
    assert robot.stop() is True
    still = robot.observe([]).state
    assert robot.tick > tick
    assert np.linalg.norm(still[7:10] - moving[7:10]) < 0.05
    robot.apply(np.array([*still[7:13], 1], np.float32))
    assert np.linalg.norm(robot.observe([]).state[7:10] - still[7:10]) < 1e-3


def test_stop_keeps_hold_of_what_is_held() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0], "yaw": 0.2}]})
    driver = Driver(robot)
    driver.grasp("red block")
    assert robot.stop() and robot.stop()
    assert driver.scene().holding == "red block"


def test_pace_waits_for_the_wall_clock() -> None:
    robot = SimRobot({"things": []}, pace=2.0)
    row = Driver(robot).row
    began = time.monotonic()
    for _ in range(20):
        robot.apply(row)
    assert 0.45 < time.monotonic() - began < 1.5


def digest_of(seed: int) -> str:
    robot = SimRobot(seed=seed)
    for row in wander(60, seed):
        robot.apply(row)
    images = robot.observe().images
    return robot.fingerprint() + "".join(str(int(image.astype(np.int64).sum())) for image in images.values())


def test_same_seed_same_bytes_in_two_processes() -> None:
    code = "from tests.sim.test_robot import digest_of; print('digest', digest_of(4))"
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=100, check=True)
    assert f"digest {digest_of(4)}" in other.stdout
    assert digest_of(5) != digest_of(4)


def test_looking_changes_nothing() -> None:
    quiet, watched = SimRobot(seed=3), SimRobot(seed=3)
    for index, row in enumerate(wander(30, 3)):
        quiet.apply(row)
        watched.apply(row)
        watched.observe(["front", "wrist"] if index % 10 == 0 else [])
    assert quiet.fingerprint() == watched.fingerprint()


def test_two_robots_in_one_process_are_strangers() -> None:
    alone = SimRobot(seed=1)
    rows = wander(30, 1)
    for row in rows:
        alone.apply(row)
    first, second = SimRobot(seed=1), SimRobot(seed=2)
    for row in rows:
        first.apply(row)
        second.apply(row[[0, 1, 2, 3, 4, 5, 6]])
    second.close()
    second.close()
    assert first.fingerprint() == alone.fingerprint()


def test_a_closed_robot_says_so_and_touches_no_newer_world() -> None:
    old = SimRobot(seed=1)
    old.close()
    new, alike = SimRobot(seed=2), SimRobot(seed=2)
    for use in (lambda: old.observe([]), lambda: old.apply(Driver(new).row), old.stop, old.fingerprint):
        with pytest.raises(RobotError, match="closed"):
            use()
    assert new.fingerprint() == alike.fingerprint()


def test_another_thread_may_look_while_one_drives() -> None:
    robot = SimRobot(seed=1)
    faults: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(10):
                robot.observe(["wrist"])
        except Exception as fault:
            faults.append(fault)

    watcher = threading.Thread(target=look)
    watcher.start()
    for row in wander(20, 1):
        robot.apply(row)
    watcher.join(timeout=20)
    assert not faults and not watcher.is_alive()


def test_it_keeps_the_contract_of_a_robot() -> None:
    robot = SimRobot(seed=6)
    check_robot(robot, Driver(robot).row)
