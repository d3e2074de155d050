"""The hand that interferes: it moves things by contact, gives way, leaves, repeats bit for bit, and is only where it was asked for."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from sim.disturb import Disturbance
from sim.hand import FIST
from sim.robot import SimRobot
from tests.sim.driver import Driver

TABLE = {"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "green block", "at": [0.36, -0.1]},
                    {"name": "blue bowl", "at": [0.45, -0.25]}]}  # fmt: skip


def read(*written: dict) -> list[Disturbance]:
    return TypeAdapter(list[Disturbance]).validate_python(written)


def robot_with(*written: dict, seed: int = 0) -> tuple[SimRobot, Driver]:
    robot = SimRobot(TABLE, seed=seed, disturbances=read(*written))
    return robot, Driver(robot)


def at(driver: Driver, name: str) -> np.ndarray:
    return np.array(driver.scene().find(name).position)


def hand_of(robot: SimRobot) -> np.ndarray:
    position, _ = robot._bench.bullet.getBasePositionAndOrientation(robot._bench.world.bodies["hand"])
    return np.array(position)


@pytest.mark.parametrize(("thing", "seed"), [("red block", 0), ("red block", 5), ("blue bowl", 1)])
def test_it_pushes_a_thing_as_far_as_asked_moves_nothing_else_and_leaves(thing: str, seed: int) -> None:
    robot, driver = robot_with({"kind": "hand", "thing": thing, "by": 0.1, "when": {"tick": 3}}, seed=seed)
    before = {name: at(driver, name) for name in ("red block", "green block", "blue bowl")}
    away = hand_of(robot)
    for _ in range(220):
        robot.apply(driver.row)
    for name, was in before.items():
        moved = float(np.hypot(*(at(driver, name) - was)[:2]))
        assert moved == pytest.approx(0.1, abs=0.03) if name == thing else moved < 0.01
    assert np.allclose(hand_of(robot), away) and driver.scene().has("on", thing, "table")
    assert robot.fired == [(3, f"a hand came to push the {thing}")]


def test_it_stands_over_a_thing_and_goes() -> None:
    robot, driver = robot_with({"kind": "hand", "thing": "red block", "does": "block", "ticks": 30, "when": {"tick": 1}})
    over = 0
    for _ in range(200):
        robot.apply(driver.row)
        off = hand_of(robot) - at(driver, "red block")
        over += bool(np.hypot(*off[:2]) < 0.01 and off[2] < 0.02 + FIST + 0.05)
    assert 30 <= over < 60
    assert at(driver, "red block") == pytest.approx((0.45, 0.0, 0.02), abs=2e-3)


def test_the_arm_and_the_hand_meet_by_contact_and_the_hand_draws_back() -> None:
    robot, driver = robot_with({"kind": "hand", "thing": "red block", "does": "block", "ticks": 400, "when": {"tick": 1}})
    driver.to(0.45, 0.0, 0.04, opening=1.0)
    forces, hand = [], robot._bench.parts[-1]
    for _ in range(120):
        robot.apply(driver.row)
        forces.append(hand._pressed())  # type: ignore[attr-defined]
    assert sum(force > 1.0 for force in forces) < 10, "it does not go on pressing"
    assert hand_of(robot)[2] > 0.25 and not robot._bench.parts[-1].state()["legs"], "it left long before its 400 ticks were over"


@pytest.mark.parametrize("after", [26, 36, 44])
def test_what_follows_a_snapshot_is_equal_while_it_pushes(after: int, tmp_path: Path) -> None:
    robot, driver = robot_with({"kind": "hand", "thing": "red block", "by": 0.1, "when": {"tick": 3}})
    for _ in range(after):
        robot.apply(driver.row)
    robot.save(tmp_path / "world")
    onward = []
    for _ in range(100):
        robot.apply(driver.row)
        onward.append(robot.fingerprint())
    other, _ = robot_with({"kind": "hand", "thing": "red block", "by": 0.1, "when": {"tick": 3}})
    other.load(tmp_path / "world")
    again = []
    for _ in range(100):
        other.apply(driver.row)
        again.append(other.fingerprint())
    assert again == onward


def test_it_is_there_only_where_it_was_asked_for() -> None:
    plain, _ = robot_with()
    moved, _ = robot_with({"kind": "move", "thing": "red block", "by": [0.0, 0.1], "when": {"tick": 900}})
    assert "hand" not in plain._bench.world.bodies and plain.observe([]).scene == moved.observe([]).scene
    plain.disturb(read({"kind": "hand", "thing": "red block", "when": {"tick": 0}}))
    assert "hand" in plain._bench.world.bodies


def test_the_same_seed_gives_the_same_way_and_another_another() -> None:
    ends = []
    for seed in (0, 0, 1):
        robot, driver = robot_with({"kind": "hand", "thing": "red block", "by": 0.1, "when": {"tick": 0}}, seed=seed)
        for _ in range(160):
            robot.apply(driver.row)
        ends.append(at(driver, "red block").tolist())
    assert ends[0] == ends[1] != ends[2]
