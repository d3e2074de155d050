"""Beads: one thing of many balls, which is where four fifths of them are; what holds them, and exactness with them."""

from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.types import Subtask
from sim.disturb import Move, Swap, When
from sim.layout import read_layout
from sim.loose import made
from sim.oracle import Oracle
from sim.parts.beads import COUNT, Beads, cup_spots, strewn
from sim.robot import SimRobot
from sim.vessels import BEAD, BEADS, CUP, holds
from tests.sim.test_snapshot import fingerprints

FULL_CUP = {"things": [{"name": "large blue bowl", "at": [0.45, -0.1]}, {"name": "white cup", "at": [0.42, 0.15]},
                       {"name": "beads", "in": "white cup"}], "drawer": "none", "button": False}  # fmt: skip


@pytest.mark.parametrize("count", [1, 6, 13, 20])
def test_no_two_beads_begin_in_one_place_and_all_fit(count: int) -> None:
    rng = np.random.default_rng(count)
    for spots, radius in ((cup_spots(count, rng), CUP[0] / 2 - 0.004), (strewn(count, BEADS[0] / 2, rng), BEADS[0] / 2 + BEAD)):
        assert len(spots) == count
        gaps = [np.linalg.norm(np.subtract(a, b)) for k, a in enumerate(spots) for b in spots[:k]]
        assert min(gaps, default=1.0) >= 2 * BEAD - 0.001
        assert all(np.hypot(x, y) + BEAD <= radius + 1e-9 for x, y, _ in spots)


@pytest.mark.parametrize("inside", [None, "white cup", "red tray", "green bowl", "large blue bowl", "yellow zone"])
def test_beads_are_where_they_were_put(inside: str | None) -> None:
    things = [*([inside] if inside else []), {"name": "beads", **({"in": inside} if inside else {})}]
    robot = SimRobot({"things": things, "drawer": "none", "button": False}, seed=4)
    scene = robot.observe(()).scene
    robot.close()
    assert scene is not None
    beads = scene.find("beads")
    assert len(beads.pieces) == COUNT and all(z > 0.8 * BEAD for _, _, z in beads.pieces)
    low, high = np.min(beads.pieces, axis=0) - BEAD, np.max(beads.pieces, axis=0) + BEAD
    assert np.allclose(beads.position, (low + high) / 2) and np.allclose(beads.size, high - low)
    on_table = inside is None or inside.endswith("zone")
    assert scene.where("beads", "in") == ([inside] if inside else []) and scene.has("on", "beads", "table") == on_table
    assert not scene.has("moving", "beads")
    assert inside is None or not scene.has("clear", inside)


@pytest.mark.parametrize(("there", "counts"), [(6, True), (5, True), (4, False)])
def test_four_fifths_of_them_are_enough(there: int, counts: bool) -> None:
    robot = SimRobot({"things": [{"name": "red zone", "at": [0.4, 0.0]}, {"name": "beads", "in": "red zone"}]}, seed=0)
    bench = robot._bench
    for body in bench.part(Beads).bodies[there:]:
        bench.bullet.resetBasePositionAndOrientation(body, (0.4, 0.3 + 0.03 * body, BEAD), (0, 0, 0, 1))
    assert (("in", "beads", "red zone") in bench.part(Beads).facts()) == counts
    robot.close()


def test_a_cup_holds_what_is_in_it_however_it_is_tilted() -> None:
    rng = np.random.default_rng(0)
    inside = rng.uniform(-0.02, 0.02, (20, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert holds("cup", CUP, turn, inside @ turn.T).all()
    assert not holds("cup", CUP, turn, (inside + np.array([0.06, 0, 0])) @ turn.T).any()
    assert not holds("cup", CUP, turn, (inside + np.array([0, 0, 0.08])) @ turn.T).any()


def test_a_cup_can_be_lifted_with_its_beads_and_stands_upright() -> None:
    robot = SimRobot(FULL_CUP, seed=1)
    pick = Subtask(skill="pick", args={"thing": "white cup"}, words="pick up the white cup")
    act(robot, pick, 60)
    scene = robot.observe(()).scene
    robot.close()
    assert scene is not None and scene.holding == "white cup" and scene.has("upright", "white cup")
    assert scene.has("in", "beads", "white cup") and not scene.where("white cup", "on")


def act(robot: SimRobot, subtask: Subtask, ticks: int) -> np.ndarray:
    """The oracle for so many ticks; the rows, float32[ticks, 7]."""
    oracle = Oracle()
    rows: list[np.ndarray] = []
    while len(rows) < ticks:
        for row in oracle.predict(robot.observe(()), subtask).actions[: min(12, ticks - len(rows))]:
            robot.apply(row)
            rows.append(row)
    return np.array(rows)


def test_what_follows_a_snapshot_in_mid_pour_is_equal(tmp_path: Path) -> None:
    """Saved while the cup tips over, compared over 200 ticks in which the beads fall, roll and come to rest."""
    robot = SimRobot(FULL_CUP, seed=2)
    act(robot, Subtask(skill="pour", args={"thing": "beads", "target": "large blue bowl"}, words="pour"), 125)
    robot.save(tmp_path / "world")
    beside = SimRobot(FULL_CUP, seed=2)
    beside.load(tmp_path / "world")
    rows = act(robot, Subtask(skill="pour", args={"thing": "beads", "target": "large blue bowl"}, words="pour"), 200)
    end, scene = robot.fingerprint(), robot.observe(()).scene
    assert scene is not None and scene.has("in", "beads", "large blue bowl")
    assert fingerprints(beside, rows)[-1] == end
    robot.close()
    beside.close()


@pytest.mark.parametrize(("thing", "says"), [
    ({"name": "red block", "count": 3}, "only beads have one"),
    ({"name": "red block", "in": "white cup"}, "not 'white cup' that way"),
    ({"name": "beads", "in": "drawer"}, "not 'drawer' that way"),
])  # fmt: skip
def test_a_wrong_layout_says_what_goes_where(thing: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_layout({"things": ["white cup", thing]})


def test_a_large_bowl_is_a_bowl_that_is_wide() -> None:
    assert made("large red bowl").kind == "bowl" and made("large red bowl").size[0] > 1.3 * made("red bowl").size[0]


def test_a_cup_that_someone_moves_takes_its_beads_along() -> None:
    move = Move(thing="white cup", to=(0.35, -0.3), when=When(tick=2, after_ticks=0))
    swap = Swap(thing="white cup", other="large blue bowl", when=When(tick=6, after_ticks=0))
    robot = SimRobot(FULL_CUP, seed=3, disturbances=(move, swap))
    row = np.array([*robot.observe(()).state[7:13], 1.0], np.float32)
    spots = []
    for _ in range(14):
        robot.apply(row)
        scene = robot.observe(()).scene
        assert scene is not None and scene.has("in", "beads", "white cup") and not scene.where("beads", "in")[1:]
        spots.append(scene.find("white cup").position[:2])
    robot.close()
    assert np.allclose(spots[4], (0.35, -0.3), atol=0.005) and np.allclose(spots[-1], (0.45, -0.1), atol=0.005)
