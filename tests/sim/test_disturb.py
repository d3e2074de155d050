"""Disturbances happen once, at the moment their condition says, and really change the world."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from agent.errors import ConfigError, UnknownThing
from sim.disturb import Disturbance
from sim.robot import SimRobot
from tests.sim.driver import Driver

TABLE = {"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue bowl", "at": [0.45, -0.25]}]}


def read(*written: dict) -> list[Disturbance]:
    return TypeAdapter(list[Disturbance]).validate_python(written)


def robot_with(*written: dict, scene: dict = TABLE) -> tuple[SimRobot, Driver]:
    robot = SimRobot(scene, disturbances=read(*written))
    return robot, Driver(robot)


def wait(robot: SimRobot, driver: Driver, ticks: int) -> None:
    for _ in range(ticks):
        robot.apply(driver.row)


def test_a_tick_is_kept_exactly_and_only_once() -> None:
    robot, driver = robot_with({"kind": "light", "when": {"tick": 5}}, {"kind": "light", "when": {"tick": 5, "after_ticks": 4}})
    wait(robot, driver, 30)
    assert [tick for tick, _ in robot.fired] == [5, 9]
    assert driver.scene().has("dark", "light")


def test_a_slip_drops_what_is_held_and_the_hand_can_grasp_again() -> None:
    robot, driver = robot_with({"kind": "slip", "when": {"holding": "red block", "after_ticks": 10}})
    driver.grasp("red block")
    scene = driver.scene()
    assert scene.holding is None and scene.has("on", "red block", "table")
    assert robot.fired[0][1] == "the grip slipped on the red block"
    driver.grasp("red block")
    assert driver.scene().holding == "red block"


def test_without_the_slip_it_would_have_held() -> None:
    _, driver = robot_with()
    driver.grasp("red block")
    assert driver.scene().holding == "red block"


def test_a_moved_bowl_takes_along_what_is_in_it() -> None:
    scene = {"things": [{"name": "blue bowl", "at": [0.45, -0.25]}, {"name": "red block", "in": "blue bowl"}]}
    robot, driver = robot_with({"kind": "move", "thing": "blue bowl", "by": [-0.05, 0.2], "when": {"tick": 3}}, scene=scene)
    wait(robot, driver, 20)
    seen = driver.scene()
    assert seen.find("blue bowl").position[:2] == pytest.approx((0.40, -0.05), abs=2e-3)
    assert seen.has("in", "red block", "blue bowl") and not seen.has("moving", "red block")


def test_a_held_block_can_be_moved_or_taken_away() -> None:
    for written in ({"kind": "move", "thing": "red block", "to": [0.35, -0.3]}, {"kind": "remove_grip"}):
        _, driver = robot_with({**written, "when": {"holding": "red block", "after_ticks": 12}})
        driver.grasp("red block")
        scene = driver.scene()
        assert scene.holding is None and scene.has("on", "red block", "table")


def test_the_drawer_is_pulled_open_and_pushed_shut_with_what_is_in_it() -> None:
    scene = {"things": [{"name": "red block", "in": "drawer"}]}
    robot, driver = robot_with(
        {"kind": "drawer", "to": "open", "when": {"tick": 2}},
        {"kind": "drawer", "to": "closed", "when": {"fact": ["open", "drawer"], "after_ticks": 8}},
        scene=scene,
    )
    opened = 0.0
    for _ in range(60):
        robot.apply(driver.row)
        opened = max(opened, driver.scene().find("drawer").joint or 0.0)
    assert opened > 0.12
    assert [what for _, what in robot.fired] == ["the drawer was pulled open", "the drawer was pushed shut"]
    assert driver.scene().has("closed", "drawer") and driver.scene().has("in", "red block", "drawer")


def test_the_same_run_has_the_same_disturbances() -> None:
    ends = set()
    for _ in range(2):
        robot, driver = robot_with({"kind": "remove_grip", "when": {"holding": "red block"}})
        driver.grasp("red block")
        ends.add((robot.fingerprint(), tuple(robot.fired)))
    assert len(ends) == 1


def test_two_things_are_exchanged_with_what_is_in_them_and_whatever_their_size() -> None:
    spots = {"blue bowl": [0.45, -0.25], "green bowl": [0.36, 0.0], "large yellow block": [0.50, -0.05], "small pink block": [0.50, 0.08]}
    things = [*({"name": name, "at": spot} for name, spot in spots.items()), {"name": "red block", "in": "blue bowl"}]
    robot, driver = robot_with(
        {"kind": "swap", "thing": "blue bowl", "other": "green bowl", "when": {"tick": 2}},
        {"kind": "swap", "thing": "small pink block", "other": "large yellow block", "when": {"tick": 4}},
        scene={"things": things},
    )
    wait(robot, driver, 20)
    seen = driver.scene()
    for name, spot in (("blue bowl", (0.36, 0.0)), ("green bowl", (0.45, -0.25)), ("small pink block", (0.50, -0.05))):
        assert seen.find(name).position[:2] == pytest.approx(spot, abs=2e-3)
    assert seen.find("large yellow block").position == pytest.approx((0.50, 0.08, 0.025), abs=2e-3)
    assert seen.has("in", "red block", "blue bowl") and seen.has("clear", "green bowl")


def test_more_can_go_wrong_later_and_a_snapshot_knows_of_it(tmp_path: Path) -> None:
    robot, driver = robot_with()
    wait(robot, driver, 5)
    robot.disturb(read({"kind": "light", "when": {"tick": 8}}))
    robot.save(tmp_path / "world")
    wait(robot, driver, 10)
    assert [tick for tick, _ in robot.fired] == [8]
    fresh, _ = robot_with({"kind": "light", "when": {"tick": 8}})
    fresh.load(tmp_path / "world")
    wait(fresh, driver, 10)
    assert fresh.fingerprint() == robot.fingerprint()


def test_they_survive_yaml_and_json() -> None:
    written = ({"kind": "slip", "when": {"fact": [True, "red block", "table"]}, "ticks": 4},)
    disturbances = read(*written)
    assert disturbances[0].when.fact == ("on", "red block", "table")
    again = read(*[d.model_dump(mode="json") for d in disturbances])
    assert again == disturbances


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "slip", "when": {}},
        {"kind": "slip", "when": {"tick": 1, "holding": "red block"}},
        {"kind": "move", "thing": "red block", "when": {"tick": 1}},
        {"kind": "earthquake", "when": {"tick": 1}},
        {"kind": "slip", "when": {"tick": 1}, "strength": 3},
    ],
)
def test_a_wrong_script_is_refused(written: dict) -> None:
    with pytest.raises(ValidationError):
        read(written)


def test_a_disturbance_needs_what_is_there() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'red block'"):
        robot_with({"kind": "move", "thing": "rad block", "by": [0.1, 0], "when": {"tick": 1}})
    with pytest.raises(UnknownThing):
        robot_with({"kind": "slip", "when": {"holding": "green block"}})
    with pytest.raises(UnknownThing):
        robot_with({"kind": "drawer", "to": "open", "when": {"tick": 1}}, scene={"things": [], "drawer": "none"})
