"""Facts come from contact and geometry: they hold when the world is so, whoever brought it about."""

import numpy as np
import pytest

from agent.types import Scene
from sim.disturb import Move, When
from sim.objects import BUTTON_TRAVEL, DRAWER_TRAVEL, HANDLE_TO_INSIDE
from sim.robot import SimRobot
from tests.sim.driver import Driver


def scene_of(layout: dict) -> Scene:
    scene = SimRobot(layout).observe([]).scene
    assert scene is not None
    return scene


@pytest.mark.parametrize(
    ("offset", "fact"),
    [((0, 0.15), "left of"), ((0, -0.15), "right of"), ((-0.12, 0), "in front of"), ((0.12, 0), "behind")],
)
def test_sides_are_as_the_robot_sees_them(offset: tuple[float, float], fact: str) -> None:
    scene = scene_of({"things": [{"name": "blue block", "at": [0.45, -0.1]},
                                 {"name": "red block", "at": [0.45 + offset[0], -0.1 + offset[1]]}]})  # fmt: skip
    opposite = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}[fact]
    sides = [f for f in scene.facts if f[1:] == ("red block", "blue block") and f[0] in ("left of", "right of", "in front of", "behind")]
    assert sides == [(fact, "red block", "blue block")]
    assert scene.has(opposite, "blue block", "red block")
    assert not scene.has("next to", "red block", "blue block")


def test_what_lies_in_a_tray_is_there_and_not_beside_what_stands_on_the_table() -> None:
    scene = scene_of({"things": [{"name": "red tray", "at": [0.45, -0.15]}, {"name": "small blue block", "in": "red tray"},
                                 {"name": "yellow block", "at": [0.45, 0.0]}]})  # fmt: skip
    assert ("in", "small blue block", "red tray") in scene.facts and ("right of", "red tray", "yellow block") in scene.facts
    assert not [fact for fact in scene.facts if fact[0] in ("right of", "next to", "in front of") and "small blue block" in fact]


@pytest.mark.parametrize(("gap", "near"), [(0.055, True), (0.065, False)])
def test_next_to_ends_at_six_centimetres_and_goes_both_ways(gap: float, near: bool) -> None:
    scene = scene_of({"things": [{"name": "blue block", "at": [0.45, -0.1], "yaw": 0},
                                 {"name": "red block", "at": [0.45, -0.06 + gap], "yaw": 0}]})  # fmt: skip
    assert scene.has("next to", "red block", "blue block") is near
    assert scene.has("next to", "blue block", "red block") is near


def test_far_things_have_no_side() -> None:
    scene = scene_of({"things": [{"name": "blue block", "at": [0.45, -0.3]}, {"name": "red block", "at": [0.45, 0.0]}]})
    assert not [fact for fact in scene.facts if set(fact[1:]) == {"blue block", "red block"}]


def test_a_block_is_followed_from_table_to_hand_to_bowl() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue bowl", "at": [0.45, -0.25]}]})
    driver = Driver(robot)
    start = driver.scene()
    assert start.has("on", "red block", "table") and start.has("clear", "blue bowl") and start.holding is None
    driver.grasp("red block")
    lifted = driver.scene()
    assert lifted.holding == "red block" and lifted.has("over", "gripper", "red block")
    assert not lifted.has("on", "red block", "table") and not lifted.has("home", "gripper")
    assert lifted.find("red block").position[2] == pytest.approx(0.17, abs=0.01)
    driver.release(0.45, -0.25, 0.06)
    done = driver.scene()
    assert done.holding is None and done.has("in", "red block", "blue bowl") and not done.has("clear", "blue bowl")
    assert done.has("on", "blue bowl", "table") and done.has("clear", "red block") and not done.has("on", "red block", "table")


def test_a_stack_is_on_and_covers() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue block", "at": [0.45, -0.2], "yaw": 0.0}]})
    driver = Driver(robot)
    driver.grasp("red block")
    driver.release(0.45, -0.2, 0.062)
    scene = driver.scene()
    assert scene.has("on", "red block", "blue block") and scene.has("clear", "red block")
    assert not scene.has("clear", "blue block") and not scene.has("on", "red block", "table")


def test_the_drawer_opens_by_its_handle_takes_a_block_and_closes() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0]}]})
    driver = Driver(robot)
    handle = driver.scene().find("drawer")
    assert driver.scene().has("closed", "drawer")
    x, y, z = handle.position
    driver.to(x, y, z + 0.1)
    driver.to(x, y, z)
    driver.to(x, y, z, opening=0.0)
    driver.to(x - DRAWER_TRAVEL, y, z, step=0.01)
    assert driver.scene().holding is None, "a handle is pulled, not held"
    driver.to(x - DRAWER_TRAVEL, y, z, opening=1.0)
    driver.to(x - DRAWER_TRAVEL, y, z + 0.12)
    opened = driver.scene()
    assert opened.has("open", "drawer") and not opened.has("closed", "drawer")
    assert (opened.find("drawer").joint or 0) > 0.13
    assert opened.find("drawer").position[0] == pytest.approx(x - DRAWER_TRAVEL, abs=5e-3)
    driver.grasp("red block", lift=0.2)
    driver.to(0.5, y, 0.25)
    driver.release(x - DRAWER_TRAVEL + HANDLE_TO_INSIDE + 0.065, y, 0.05)
    assert driver.scene().has("in", "red block", "drawer")
    front = x - DRAWER_TRAVEL
    driver.to(front - 0.05, y, 0.2, opening=0.0)
    driver.to(front - 0.05, y, z)
    driver.to(front + 0.12, y, z, step=0.01)
    closed = driver.scene()
    assert closed.has("closed", "drawer") and closed.has("in", "red block", "drawer")


def test_a_press_toggles_the_light_once_and_is_remembered() -> None:
    robot = SimRobot({"things": []})
    driver = Driver(robot)
    x, y, top = driver.scene().find("button").position
    for count, light in ((1, "lit"), (2, "dark")):
        driver.to(x, y, top + 0.1, opening=0.0)
        driver.to(x, y, top - 0.004, step=0.01)
        pressed = driver.scene()
        assert (pressed.find("button").joint or 0) > 0.6 * BUTTON_TRAVEL
        driver.to(x, y, top + 0.1)
        scene = driver.scene()
        assert scene.has(light, "light") and len(scene.events) == count
        assert scene.events[-1][1] == ("pressed", "button") and scene.has("pressed", "button")
        assert scene.find("button").joint == pytest.approx(0.0, abs=1e-3)
        assert not scene.since(scene.tick).has("pressed", "button")


def test_a_block_that_falls_is_moving_then_still() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0]}]})
    driver = Driver(robot)
    driver.grasp("red block", lift=0.2)
    falling = []
    for _ in range(12):
        driver.row[6] = 1.0
        robot.apply(driver.row)
        falling.append(driver.scene().has("moving", "red block"))
    driver.to(0.45, 0.0, 0.3, wait=15)
    assert any(falling) and not driver.scene().has("moving", "red block")


def test_yaw_of_a_cube_is_within_an_eighth_turn() -> None:
    for yaw in (-2.0, -0.9, 0.0, 0.7, 1.5):
        scene = scene_of({"things": [{"name": "red block", "at": [0.45, 0.0], "yaw": yaw}]})
        seen = scene.find("red block").yaw
        assert -np.pi / 4 <= seen <= np.pi / 4
        assert np.isclose(np.cos(4 * (seen - yaw)), 1.0, atol=1e-3)


def test_what_falls_off_the_table_lies_on_the_floor_and_is_not_seen_through_the_table() -> None:
    fall = Move(thing="red block", to=(1.0, 0.0, 0.1), when=When(tick=0))
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, 0.0]}], "button": False}, disturbances=(fall,))
    driver = Driver(robot)
    driver.to(*driver.row[:3], wait=40)
    scene = driver.scene()
    assert scene.find("red block").position[2] < -0.5
    assert not scene.where("red block", "on", "in") and not scene.has("moving", "red block")
    bare = SimRobot({"things": [], "button": False})
    bare_driver = Driver(bare)
    bare_driver.to(*bare_driver.row[:3], wait=40)
    fallen, empty = (body.observe(["front"]).images["front"].astype(int) for body in (robot, bare))
    assert (np.abs(fallen - empty).sum(axis=2) > 60).sum() < 20


def test_a_block_on_a_block_in_a_bowl_is_in_the_bowl_too() -> None:
    """Too high to be within its rim, it is carried by what is."""
    robot = SimRobot({"things": [{"name": "blue bowl", "at": [0.45, 0.0]}, {"name": "large red block", "in": "blue bowl"},
                                 {"name": "green block", "on": "large red block"}]})  # fmt: skip
    for _ in range(10):
        robot.apply(Driver(robot).row)
    scene = robot.observe([]).scene
    robot.close()
    assert scene is not None and scene.has("on", "green block", "large red block")
    assert scene.where("green block", "in") == ["blue bowl"] and not scene.has("clear", "large red block")
