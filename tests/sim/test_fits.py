"""Fixtures, pegs and rings: what fits and what does not, told by geometry and contact, and snapshots in the middle of it."""

from math import cos, pi, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.types import Scene, Subtask
from sim import fits, objects
from sim.layout import read_layout
from sim.loose import ELL, made
from sim.oracle import Oracle
from sim.poses import arrange
from sim.robot import SimRobot

AT = (0.45, -0.1)
THREE = ["large red ring", "blue ring", "small green ring"]


def scene_of(*things: Any, seed: int = 0) -> Scene:
    robot = SimRobot({"things": list(things), "drawer": "none", "button": False}, seed=seed)
    for _ in range(10):
        robot.apply(robot._measured_row(1.0))
    scene = robot.observe([]).scene
    robot.close()
    assert scene is not None
    return scene


@pytest.mark.parametrize("fixture", fits.PLAY)
@pytest.mark.parametrize("yaw", [0.0, 0.9, -1.4])
def test_an_l_that_lies_in_a_fixture_is_in_it(fixture: str, yaw: float) -> None:
    scene = scene_of({"name": fixture, "at": AT, "yaw": yaw}, {"name": "red L", "in": fixture})
    thing = scene.find("red L")
    assert scene.has("in", "red L", fixture) and not scene.where("red L", "on") and scene.has("clear", "red L")
    assert thing.yaw == pytest.approx(yaw, abs=0.05)
    assert thing.position[2] - ELL[2] / 2 == pytest.approx(fits.FLOOR, abs=1.5e-3)


@pytest.mark.parametrize(("turn", "dx", "inside"), [(0.0, 0.001, True), (0.0, 0.012, False), (pi, 0.0, False), (0.4, 0.0, False)])
def test_only_what_is_lined_up_falls_in(turn: float, dx: float, inside: bool) -> None:
    robot = SimRobot({"things": [{"name": "fixture", "at": AT, "yaw": 0.5}, "red L"], "drawer": "none", "button": False}, seed=1)
    body = robot._bench.items["red L"].body
    where = (AT[0] + dx * cos(0.5), AT[1] + dx * sin(0.5), fits.FIXTURE[2] + ELL[2] / 2 + 0.002)
    robot._bench.bullet.resetBasePositionAndOrientation(body, where, (0, 0, sin((0.5 + turn) / 2), cos((0.5 + turn) / 2)))
    for _ in range(30):
        robot.apply(robot._measured_row(1.0))
    scene = robot.observe([]).scene
    assert scene is not None and scene.has("in", "red L", "fixture") is inside
    assert inside or "table" not in scene.where("red L", "on")
    robot.close()


def test_in_is_a_matter_of_depth_place_and_turn() -> None:
    """The recess alone would not let it be turned or off by more: each tolerance is tried by itself, on made-up poses."""
    robot = SimRobot({"things": [{"name": "fixture", "at": AT}, {"name": "red L", "in": "fixture"}]})
    items, level = robot._bench.items, np.eye(3)
    base = np.array([*AT, fits.FIXTURE[2] / 2])
    cases = [((0, 0, 0), 0.0, True), ((0.0035, 0, 0), 0.0, True), ((0.006, 0, 0), 0.0, False), ((0, -0.006, 0), 0.0, False),
             ((0, 0, 0.005), 0.0, False), ((0, 0, 0), radians(4), True), ((0, 0, 0), radians(9), False)]  # fmt: skip
    for shift, turn, inside in cases:
        askew = np.array([[cos(turn), -sin(turn), 0], [sin(turn), cos(turn), 0], [0, 0, 1]])
        poses = {"fixture": (base, level), "red L": (base + fits.seat(ELL) + shift, askew)}
        assert (fits.seated_in(items["red L"], items.values(), poses) == "fixture") is inside, (shift, turn)
    robot.close()


def test_rings_on_a_peg_lie_on_each_other_and_the_top_one_is_clear() -> None:
    scene = scene_of("left peg", "right peg", *({"name": name, "on": "left peg"} for name in THREE))
    for name in THREE:
        assert scene.has("on", name, "left peg") and not scene.has("on", name, "table") and not scene.has("moving", name)
    assert scene.has("on", "blue ring", "large red ring") and scene.has("on", "small green ring", "blue ring")
    assert [name for name in THREE if scene.has("clear", name)] == ["small green ring"]


def test_a_ring_beside_a_peg_is_not_on_it_and_a_held_one_neither() -> None:
    scene = scene_of({"name": "left peg", "at": AT}, {"name": "red ring", "at": (AT[0] + 0.09, AT[1])})
    assert scene.where("red ring", "on") == ["table"]
    robot = SimRobot({"things": [{"name": "left peg", "at": AT}, {"name": "red ring", "on": "left peg"}]})
    bench = robot._bench
    bench.bullet.resetBasePositionAndOrientation(bench.items["red ring"].body, (*AT, 0.045), (0, 0, 0, 1))
    bench.bullet.performCollisionDetection()
    scene = robot._truth()
    assert scene.where("red ring", "on") == [], "it is around the post, but nothing carries it"
    robot.close()


@pytest.mark.parametrize("name", THREE)
def test_a_hand_can_open_around_every_ring(name: str) -> None:
    assert made(name).size[0] + 0.012 <= 0.08 and made(name).size[0] / 2 > fits.HOLE + 0.008


def test_a_row_of_pegs_stands_in_order_within_the_table_whichever_the_look() -> None:
    for look in ("oak", "lab"):
        for seed in range(20):
            poses = arrange(read_layout({"things": [*fits.PEGS, "red block"], "look": look}), np.random.default_rng(seed))
            left, middle, right = (poses[name].position for name in fits.PEGS)
            assert left[1] - middle[1] == pytest.approx(fits.SPACING) == pytest.approx(middle[1] - right[1])
            assert left[0] == right[0] < objects.TABLE_X + objects.TABLE[0] / 2


MISFITS = [{"name": "red L", "on": "left peg"}, {"name": "red block", "in": "fixture"}, {"name": "red ring", "in": "fixture"}]


@pytest.mark.parametrize("thing", MISFITS)
def test_what_does_not_fit_is_refused(thing: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="fixture takes an L, a peg takes rings"):
        read_layout({"things": ["left peg", "fixture", thing]})


CASES = [
    ({"things": [{"name": "fixture", "at": AT, "yaw": 0.3}, {"name": "red L", "at": [0.38, -0.3]}]}, "red L",
     Subtask(skill="insert", args={"thing": "red L", "fixture": "fixture"}, words="insert")),
    ({"things": ["left peg", {"name": "large red ring", "on": "left peg"}, {"name": "blue ring", "at": [0.36, -0.25]}]}, "blue ring",
     Subtask(skill="thread", args={"thing": "blue ring", "peg": "left peg"}, words="thread")),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "name", "subtask"), CASES, ids=["insert", "thread"])
def test_what_follows_a_snapshot_while_it_goes_in_is_equal(layout: dict[str, Any], name: str, subtask: Subtask, tmp_path: Path) -> None:
    """Bit for bit, over 200 steps."""
    robot, oracle = SimRobot(layout, seed=2), Oracle()

    def low() -> bool:
        scene = robot.observe([]).scene
        assert scene is not None
        return scene.holding == name and robot.tick > 60 and scene.find(name).position[2] < 0.045

    while not low():
        assert robot.tick < 400
        for row in oracle.predict(robot.observe([]), subtask).actions[:8]:
            robot.apply(row)
    robot.save(tmp_path / "world")
    rows: list[np.ndarray] = []
    while len(rows) < 200:
        for row in oracle.predict(robot.observe([]), subtask).actions[:20]:
            rows.append(robot.apply(row))
    end = robot.fingerprint()
    robot.load(tmp_path / "world")
    for row in rows:
        robot.apply(row)
    assert robot.fingerprint() == end
    robot.close()
