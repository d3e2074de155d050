"""Pushing and turning: where the oracle says no, and how far the wrist goes. What it does in full physics is tested with all skills."""

from math import atan2, degrees, pi

import numpy as np
import pytest

from agent.errors import PolicyError
from agent.skills.blocks import ALIGNED, alike_after
from agent.types import Scene, Thing
from sim.loose import made
from sim.oracle.clearance import apart
from sim.oracle.pushes import DIRECTIONS, check_way, hand_yaw, lies_in, to_leave, weight, wrist
from sim.oracle.spots import across, in_line
from sim.robot import SimRobot


def thing(name: str, x: float, y: float, yaw: float = 0.0) -> Thing:
    what = made(name)
    return Thing(name=name, kind=what.kind, position=(x, y, what.size[2] / 2), yaw=yaw, size=what.size)


@pytest.mark.parametrize(("direction", "blocked"), [("left", True), ("right", False), ("away", False), ("near", False)])
def test_what_stands_in_the_way_is_not_pushed_into(direction: str, blocked: bool) -> None:
    red, blue = thing("red block", 0.48, 0.0), thing("blue block", 0.48, 0.12)
    scene = Scene(tick=0, things=(red, blue))
    if blocked:
        with pytest.raises(PolicyError, match="in the way"):
            check_way(scene, red, DIRECTIONS[direction], 0.1)
    else:
        assert check_way(scene, red, DIRECTIONS[direction], 0.1)


def test_nothing_is_pushed_out_of_reach() -> None:
    red = thing("red block", 0.68, 0.0)
    with pytest.raises(PolicyError, match="beyond the arm's reach"):
        check_way(Scene(tick=0, things=(red,)), red, DIRECTIONS["away"], 0.1)


def test_the_fingers_stand_across_the_way() -> None:
    rng = np.random.default_rng(0)
    for angle, now in rng.uniform(-pi, pi, (50, 2)):
        yaw = hand_yaw(angle, now / 2)
        assert abs(np.sin(yaw - angle)) < 1e-9 and abs(yaw) < 1.76


def test_the_wrist_can_turn_as_far_as_is_said() -> None:
    from sim import kinematics

    for x, y in [(0.35, -0.4), (0.5, 0.0), (0.35, 0.35), (0.6, -0.2)]:
        for yaw in wrist(thing("red block", x, y)):
            turn = kinematics.rotation(np.array([0.0, 0.0, yaw])) @ kinematics.DOWN
            solution = kinematics.inverse(kinematics.REST, np.array([x, y, 0.02]), turn, iterations=200)
            assert solution.error_m < 1e-3 and solution.error_rad < 0.02, (x, y, degrees(yaw), degrees(atan2(y, x)))


def test_in_a_zone_means_all_of_it() -> None:
    zone = Thing(name="red zone", kind="zone", position=(0.3, 0.2, 0.0), size=(0.14, 0.14, 0.001))
    assert lies_in(thing("yellow bar", 0.3, 0.2, 0.7), zone)
    assert not lies_in(thing("yellow bar", 0.33, 0.2), zone) and not lies_in(thing("red block", 0.36, 0.2), zone)


def test_a_mirrored_bench_is_served_as_well() -> None:
    from agent.config import load_config
    from agent.executor.executor import Executor
    from agent.skills.tabletop import Open
    from sim.oracle import Oracle

    robot = SimRobot({"things": ["red block"], "look": "lab"}, seed=2)
    executor = Executor(robot, Oracle(), load_config().executor)
    try:
        scene = robot.observe(()).scene
        assert scene is not None and scene.find("drawer").position[1] < 0 < scene.find("button").position[1]
        assert executor.run(Open(thing="drawer")).status == "done"
    finally:
        executor.close()
        robot.close()


def test_alike_after_says_what_the_world_says() -> None:
    scene = SimRobot({"things": ["red block", "yellow bar", "green L", "pink prism"]}, seed=5).observe([]).scene
    assert scene is not None and 0 < ALIGNED < pi / 8
    periods = {name: alike_after(scene.find(name)) for name in ("red block", "yellow bar", "green L", "pink prism")}
    assert periods == {"red block": pi / 2, "yellow bar": pi, "green L": 2 * pi, "pink prism": pi}


def test_an_l_is_as_far_away_as_its_legs_are() -> None:
    """A block in the corner of the L touches the box around it, and not the L."""
    ell, block = thing("red L", 0.45, 0.0), thing("small blue block", 0.425, 0.02)
    assert apart(ell, block) == pytest.approx(0.005, abs=1e-6) and apart(block, ell) == pytest.approx(0.005, abs=1e-6)
    assert apart(ell, thing("small blue block", 0.48, 0.055)) == pytest.approx(0.01, abs=1e-6)
    x, y = weight(ell)
    assert x > 0.45 and y < 0.0 and weight(block) == (0.425, 0.02)


def test_how_far_it_is_out_of_a_zone() -> None:
    zone = Thing(name="red zone", kind="zone", position=(0.4, 0.0, 0.0), size=(0.14, 0.14, 0.001))
    inside, beyond = thing("red block", 0.4, 0.03), thing("red block", 0.4, 0.11)
    assert to_leave(beyond, zone, None) < 0 < to_leave(inside, zone, None)
    assert to_leave(inside, zone, pi / 2) == pytest.approx(to_leave(inside, zone, None))
    assert to_leave(inside, zone, pi / 2) < to_leave(inside, zone, -pi / 2)


@pytest.mark.parametrize("angle", [0.0, 0.6, -1.2])
def test_a_bridge_lies_along_and_a_row_goes_on(angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    one, bar = thing("red block", 0.42, -0.1, angle), thing("yellow bar", 0.5, 0.2)
    other = thing("blue block", 0.42 + 0.08 * c, -0.1 + 0.08 * s, angle)
    spot = across(Scene(tick=0, things=(one, other, bar)), bar, one, other)
    assert (spot.x, spot.y) == pytest.approx((0.42 + 0.04 * c, -0.1 + 0.04 * s), abs=2e-3)
    assert spot.yaw == pytest.approx(angle, abs=0.01) and spot.turn == pytest.approx(pi) and spot.z == pytest.approx(0.056, abs=1e-6)
    end = in_line(Scene(tick=0, things=(one, other, bar)), bar, one, other)
    assert abs((end.x - 0.42) * s - (end.y + 0.1) * c) < 0.004 and (end.x - 0.42) * c + (end.y + 0.1) * s > 0.13


def test_what_is_too_far_apart_is_not_bridged() -> None:
    one, other, bar = thing("red block", 0.42, 0.0), thing("blue block", 0.42, 0.13), thing("yellow bar", 0.5, 0.2)
    with pytest.raises(PolicyError, match="too far apart"):
        across(Scene(tick=0, things=(one, other, bar)), bar, one, other)


def test_between_two_ways_as_near_from_home_the_hand_does_not_waver() -> None:
    assert {round(hand_yaw(pi / 2, off), 3) for off in (-0.1, 0.0, 0.1)} == {round(pi / 2, 3)}
