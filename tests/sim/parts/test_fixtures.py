"""Lid and bays, lever and lamp, knob: their facts follow from where their joints are, by hand or by somebody else's."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.types import Scene
from sim.disturb import Move, PushLid, ThrowLever, When
from sim.layout import read_layout
from sim.parts.console import AT_MARK, KNOB_LIMIT, LEVER_SWING, MARKS
from sim.parts.store import LID_TRAVEL
from sim.robot import SimRobot
from tests.sim.driver import Driver
from tests.sim.test_robot import wander
from tests.sim.test_snapshot import fingerprints

BARE = {"things": [], "lid": "left", "lever": "down", "knob": "mark 2"}


def made(**changes: Any) -> SimRobot:
    return SimRobot({**BARE, **changes})


def seen(robot: SimRobot) -> Scene:
    scene = robot.observe([]).scene
    assert scene is not None
    return scene


def put(robot: SimRobot, name: str, joint: float) -> Scene:
    """The scene with a joint set by hand."""
    item = robot._bench.items[name]
    robot._bench.bullet.resetJointState(item.body, item.link, joint)
    robot._scene = None
    return seen(robot)


def rest(robot: SimRobot, ticks: int) -> Scene:
    for _ in range(ticks):
        robot.apply(robot._applied)
    return seen(robot)


def test_a_lid_covers_one_bay_at_its_ends_and_both_in_between() -> None:
    robot = made()
    for at in np.linspace(0, LID_TRAVEL, 15):
        scene = put(robot, "lid", float(at))
        open_bays = [bay for bay in ("left bay", "right bay") if scene.has("uncovered", bay)]
        assert all(scene.has("covered", bay) != (bay in open_bays) for bay in ("left bay", "right bay"))
        assert open_bays == (["left bay"] if scene.has("at right", "lid") else ["right bay"] if scene.has("at left", "lid") else [])
    assert len({put(robot, "lid", at).has("at left", "lid") for at in (0.0, LID_TRAVEL)}) == 2
    robot.close()


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_block_starts_in_a_bay_and_is_known_to_be_there(side: str) -> None:
    for seed in range(4):
        robot = SimRobot({**BARE, "things": [{"name": "red block", "in": f"{side} bay"}, "blue block"], "lid": side}, seed=seed)
        scene = seen(robot)
        assert scene.where("red block", "in", "on") == [f"{side} bay"] and scene.where("blue block", "on") == ["table"]
        assert scene.has("covered", f"{side} bay") and scene.find("red block").position[2] < scene.find("lid").position[2]
        robot.close()


def test_a_lever_rests_at_both_ends_snaps_over_past_the_middle_and_switches_the_lamp() -> None:
    robot = made()
    assert {("down", "lever"), ("dark", "lamp")} <= set(seen(robot).facts)
    for angle, way, lamp in ((-0.02, "down", "dark"), (0.12, "up", "lit"), (0.02, "up", "lit"), (-0.12, "down", "dark")):
        put(robot, "lever", angle)
        scene = rest(robot, 15)
        assert scene.has(way, "lever") and scene.has(lamp, "lamp") and not scene.has("moving", "lever")
        assert scene.find("lever").joint == pytest.approx(LEVER_SWING if way == "up" else -LEVER_SWING, abs=0.02)
    robot.close()


def test_a_lamp_that_is_lit_looks_it() -> None:
    dark, lit = made(), made(lever="up")
    assert np.abs(dark.observe(["front"]).images["front"].astype(int) - lit.observe(["front"]).images["front"]).max() > 60
    dark.close()
    lit.close()


def test_a_knob_is_at_a_mark_within_15_degrees_of_it_and_stays_where_it_is_put() -> None:
    robot = made()
    for angle in np.linspace(-KNOB_LIMIT, KNOB_LIMIT, 25):
        scene = put(robot, "knob", float(angle))
        there = [mark for mark, at in MARKS.items() if abs(at - angle) < AT_MARK]
        assert [fact[2] for fact in scene.facts if fact[:2] == ("at", "knob")] == there
        assert scene.find("knob").joint == pytest.approx(angle, abs=1e-6)
        assert scene.find("knob").yaw == pytest.approx(angle, abs=1e-6)
    before = put(robot, "knob", 1.0).find("knob").joint
    assert rest(robot, 20).find("knob").joint == pytest.approx(before, abs=1e-3)
    robot.close()


def test_somebody_slides_the_lid_and_throws_the_lever_and_then_lets_go() -> None:
    script = (PushLid(to="right", when=When(tick=3)), ThrowLever(when=When(fact=("at right", "lid"))), ThrowLever(when=When(tick=60)))
    robot = SimRobot(BARE, disturbances=script)
    scene = rest(robot, 50)
    assert {("uncovered", "left bay"), ("covered", "right bay"), ("up", "lever"), ("lit", "lamp")} <= set(scene.facts)
    scene = rest(robot, 50)
    assert {("down", "lever"), ("dark", "lamp")} <= set(scene.facts) and len(robot.fired) == 3
    put(robot, "lid", LID_TRAVEL)
    assert rest(robot, 10).has("at left", "lid"), "nobody pushes any more"
    robot.close()


def test_a_hand_moves_the_lid_by_its_handle() -> None:
    robot = made()
    driver = Driver(robot)
    x, y, z = driver.scene().find("lid").position
    driver.to(x, y, z + 0.1, 0.0, 0.6)
    driver.to(x, y, z, 0.0)
    driver.to(x, y, z, 0.0, 0.0)
    driver.to(x, y - 0.137, z, 0.0, step=0.01)
    assert driver.scene().has("at right", "lid")
    robot.close()


def used(seed: int, **changes: Any) -> SimRobot:
    """A bench in the middle of things: a lid on the move, a lever half over, a knob between marks."""
    robot = SimRobot("bench", seed=seed, disturbances=(PushLid(to="right", when=When(tick=32)), ThrowLever(when=When(tick=34))))
    put(robot, "knob", 0.7)
    return robot


@pytest.mark.parametrize("after", [33, 35, 70])
def test_what_follows_a_snapshot_of_the_bench_is_equal(after: int, tmp_path: Path) -> None:
    rows = wander(after + 80, after)
    robot = used(2)
    for row in rows[:after]:
        robot.apply(row)
    robot.save(tmp_path / "world")
    scene = seen(robot)
    onward = fingerprints(robot, rows[after:])
    robot.load(tmp_path / "world")
    assert seen(robot) == scene
    assert fingerprints(robot, rows[after:]) == onward
    robot.close()


def test_a_lamp_that_was_lit_is_lit_again(tmp_path: Path) -> None:
    robot = made()
    put(robot, "lever", 0.3)
    rest(robot, 40)
    picture = robot.observe(["front"]).images["front"]
    robot.save(tmp_path / "world")
    fresh = made()
    fresh.load(tmp_path / "world")
    assert seen(fresh).has("lit", "lamp")
    assert np.array_equal(fresh.observe(["front"]).images["front"], picture)
    robot.close()
    fresh.close()


def test_another_process_sees_the_same_bench(tmp_path: Path) -> None:
    code = ("from tests.sim.parts.test_fixtures import used, wander, fingerprints; "
            "print('end', fingerprints(used(5), wander(60, 1))[-1])")  # fmt: skip
    root = Path(__file__).parents[3]
    ends = [subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=100, check=True).stdout
            for _ in range(2)]  # fmt: skip
    assert ends[0] == ends[1] and "end" in ends[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"lid": "middle"}, "left"),
        ({"lid": "none", "things": [{"name": "red block", "in": "left bay"}]}, "left bay"),
        ({"lid": "left", "drawer": "none"}, "drawer"),
        ({"knob": "mark 4"}, "mark 1"),
        ({"lid": "left", "things": [{"name": "red block", "on": "left bay"}]}, "not 'left bay' that way"),
    ],
)
def test_a_bench_that_makes_no_sense_is_refused_in_words(data: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_layout(data)


def test_disturbances_of_what_is_not_there_are_refused() -> None:
    for disturbance, part in ((PushLid(to="left", when=When(tick=1)), "lid"), (ThrowLever(when=When(tick=1)), "lever")):
        with pytest.raises(Exception, match=part):
            SimRobot({"things": []}, disturbances=(disturbance,))
    SimRobot(BARE, disturbances=(ThrowLever(when=When(fact=("at", "knob", "mark 3"))),)).close()
    with pytest.raises(ConfigError):
        SimRobot(BARE, disturbances=(Move(thing="lid", by=(0.1, 0.0), when=When(tick=1)),))
