"""A snapshot is whole: what follows it is equal bit for bit, here and in another process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.errors import RecordError
from sim.disturb import Slip, When
from sim.robot import SimRobot
from tests.sim.driver import Driver
from tests.sim.test_robot import wander

STEPS = 100


def fingerprints(robot: SimRobot, rows: np.ndarray) -> list[str]:
    prints = []
    for row in rows:
        robot.apply(row)
        prints.append(robot.fingerprint())
    return prints


@pytest.mark.parametrize(("seed", "after"), [(0, 111), (1, 60), (2, 57), (5, 97)])
def test_what_follows_a_snapshot_in_mid_contact_is_equal(seed: int, after: int, tmp_path: Path) -> None:
    rows = wander(after + STEPS, seed)
    robot = SimRobot(seed=seed)
    for row in rows[:after]:
        robot.apply(row)
    robot.save(tmp_path / "world")
    scene = robot.observe([]).scene
    onward = fingerprints(robot, rows[after:])
    robot.load(tmp_path / "world")
    assert robot.observe([]).scene == scene and robot.tick == after
    assert fingerprints(robot, rows[after:]) == onward


def carry(robot: SimRobot, folder: Path) -> np.ndarray:
    """Grasp, save in the air, and say what to do next: float32[100, 7]."""
    driver = Driver(robot)
    driver.grasp("red block")
    robot.save(folder / "world")
    rows = np.repeat(driver.row[None], STEPS, axis=0)
    rows[:, 1] += 0.1 * np.sin(np.arange(STEPS) / 6)
    rows[60:, 6] = 1.0
    return rows


def test_a_held_block_is_held_in_another_process(tmp_path: Path) -> None:
    robot = SimRobot(seed=3)
    rows = carry(robot, tmp_path)
    assert robot.observe([]).scene.holding == "red block"  # type: ignore[union-attr]
    onward = fingerprints(robot, rows)
    np.save(tmp_path / "rows.npy", rows)
    code = (f"import numpy as np; from sim.robot import SimRobot; from tests.sim.test_snapshot import fingerprints; r = SimRobot(seed=3); "
            f"r.load({str(tmp_path / 'world')!r}); print('end', fingerprints(r, np.load({str(tmp_path / 'rows.npy')!r}))[-1])")  # fmt: skip
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=100, check=True)
    assert f"end {onward[-1]}" in other.stdout


def test_light_events_disturbances_and_refusals_come_back(tmp_path: Path) -> None:
    slip = (Slip(when=When(tick=2)),)
    robot = SimRobot({"things": [], "light": "lit"}, disturbances=slip)
    driver = Driver(robot)
    x, y, top = driver.scene().find("button").position
    driver.to(x, y, top + 0.1, opening=0.0)
    driver.to(x, y, top - 0.004)
    robot.apply(np.full(7, np.nan, np.float32))
    robot.save(tmp_path / "world")
    fresh = SimRobot({"things": [], "light": "lit"}, disturbances=slip)
    fresh.load(tmp_path / "world")
    assert fresh.fingerprint() == robot.fingerprint()
    assert fresh.fired == robot.fired and len(fresh.fired) == 1
    assert fresh.rejected == robot.rejected and len(fresh.rejected) == 1
    assert fresh.observe([]).scene == robot.observe([]).scene
    assert fresh.observe([]).scene.has("dark", "light")  # type: ignore[union-attr]
    assert np.array_equal(fresh.observe(["front"]).images["front"], robot.observe(["front"]).images["front"])


def test_a_snapshot_of_another_world_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "world"
    SimRobot(seed=1).save(path)
    with pytest.raises(RecordError, match="seed 1"):
        SimRobot(seed=2).load(path)
    with pytest.raises(RecordError, match="'tabletop'"):
        SimRobot({"things": []}, seed=1).load(path)
    with pytest.raises(RecordError, match="disturbances"):
        SimRobot(seed=1, disturbances=(Slip(when=When(tick=1)),)).load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RecordError, match="Cannot read"):
        SimRobot(seed=1).load(path)
    with pytest.raises(RecordError, match="Cannot read"):
        SimRobot(seed=1).load(tmp_path / "nothing")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_steps_after_any_moment_are_equal(seed: int, tmp_path: Path) -> None:
    rows, moments = wander(400, seed), (13, 60, 111, 190)
    robot, onward = SimRobot(seed=seed), []
    for index, row in enumerate(rows):
        if index in moments:
            robot.save(tmp_path / str(index))
        robot.apply(row)
        onward.append(robot.fingerprint())
    for moment in moments:
        robot.load(tmp_path / str(moment))
        assert fingerprints(robot, rows[moment : moment + 200]) == onward[moment : moment + 200]
