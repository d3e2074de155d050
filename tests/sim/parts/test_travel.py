"""How things move on the table is told by events that add up, survive a snapshot, and are not made by a hand that puts things elsewhere."""

from pathlib import Path

import pytest

from agent.skills.blocks import Rotate, net
from agent.skills.pushes import Push
from sim.disturb import Move, When
from sim.robot import SimRobot
from tests.sim.driver import Driver

SCENE = {"things": [{"name": "red block", "at": [0.45, 0.0], "yaw": 0.0}], "drawer": "none", "button": False, "motion": True}


def shoved(robot: SimRobot, by: float) -> Driver:
    """The block is pushed along +y by so much."""
    driver = Driver(robot)
    driver.to(0.45, -0.06, 0.15, 1.57, 0.0)
    driver.to(0.45, -0.06, 0.014, 1.57, 0.0)
    driver.to(0.45, -0.03 + by, 0.014, 1.57, 0.0, step=0.006)
    return driver


def test_every_centimetre_to_the_left_is_told_once() -> None:
    robot = SimRobot(SCENE)
    scene = shoved(robot, 0.12).scene()
    gone = scene.find("red block").position[1]
    assert net(scene, "moved", "red block", "left") == pytest.approx(100 * gone, abs=1)
    assert abs(net(scene, "moved", "red block", "away")) <= 1
    assert scene.holding is None, "two closed fingers that push hold nothing"
    assert Push(thing="red block", direction="left").done(scene) and not Push(thing="red block", direction="right").done(scene)
    assert not Push(thing="red block", direction="left").done(scene.since(scene.tick))


def test_a_turn_is_told_every_five_degrees_and_the_way_back_takes_it_back() -> None:
    robot = SimRobot(SCENE)
    driver = Driver(robot)
    driver.to(0.45, 0.0, 0.15, 0.0, 1.0)
    driver.to(0.45, 0.0, 0.02, 0.0)
    driver.to(0.45, 0.0, 0.02, 0.0, 0.0)
    for degrees in range(5, 76, 5):
        driver.to(0.45, 0.0, 0.02, degrees / 57.3, wait=1)
    driver.to(0.45, 0.0, 0.02, 75 / 57.3, 1.0)
    scene = driver.scene()
    assert 13 <= net(scene, "turned", "red block", "left") <= 15
    assert Rotate(thing="red block", side="left").done(scene)
    driver.to(0.45, 0.0, 0.02, 75 / 57.3, 0.0)
    for degrees in range(70, -1, -5):
        driver.to(0.45, 0.0, 0.02, degrees / 57.3, wait=1)
    assert abs(net(driver.scene(), "turned", "red block", "left")) <= 1


def test_what_is_carried_or_put_elsewhere_was_not_moved_along_the_table() -> None:
    robot = SimRobot(SCENE, disturbances=(Move(thing="red block", to=(0.40, 0.1), when=When(tick=80)),))
    driver = Driver(robot)
    driver.grasp("red block")
    driver.release(0.45, -0.15, 0.021)
    while robot.tick < 90:
        robot.apply(driver.row)
    assert not [fact for _, fact in driver.scene().events if fact[0] == "moved"]


def test_what_has_been_told_comes_back_with_a_snapshot(tmp_path: Path) -> None:
    robot = SimRobot(SCENE)
    driver = shoved(robot, 0.043)
    robot.save(tmp_path / "world")
    other = SimRobot(SCENE)
    other.load(tmp_path / "world")
    for body in (robot, other):
        hand = Driver(body)
        hand.row = driver.row.copy()
        hand.to(0.45, 0.12, 0.014, 1.57, 0.0, step=0.006)
    assert robot.fingerprint() == other.fingerprint()
    assert robot.observe([]).scene == other.observe([]).scene


def test_the_tabletop_tells_nothing_and_offers_no_push() -> None:
    scene = SimRobot("tabletop").observe([]).scene
    assert scene is not None and not scene.has("followed", "table")
    assert not Push(thing="red block", direction="left").can(scene) and not Push(thing="red block", direction="left").needs(scene)


def test_what_is_lifted_is_told_once_and_what_is_pushed_was_not() -> None:
    robot = SimRobot(SCENE)
    pushed = shoved(robot, 0.06).scene()
    assert not [fact for _, fact in pushed.events if fact[0] == "lifted"]
    driver = Driver(robot)
    driver.grasp("red block")
    driver.release(0.45, -0.15, 0.021)
    assert [fact for _, fact in driver.scene().events if fact[0] == "lifted"] == [("lifted", "red block")]


@pytest.mark.parametrize(("apart", "touch"), [(0.0405, True), (0.0412, True), (0.044, False), (0.07, False)])
def test_things_touch_up_to_two_millimetres_both_ways(apart: float, touch: bool) -> None:
    blocks = [{"name": name, "at": [0.45, y], "yaw": 0.0} for name, y in (("red block", 0.0), ("blue block", apart))]
    scene = SimRobot({**SCENE, "things": blocks}).observe([]).scene
    assert scene is not None
    assert scene.has("touching", "red block", "blue block") is scene.has("touching", "blue block", "red block") is touch


def test_a_block_on_another_does_not_touch_it_side_by_side() -> None:
    things = [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue block", "on": "red block"}]
    scene = SimRobot({**SCENE, "things": things}).observe([]).scene
    assert scene is not None and not [fact for fact in scene.facts if fact[0] == "touching"]
