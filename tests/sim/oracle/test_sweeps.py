"""Sweeping: which lane, from where, and what goes along; that it works in physics is shown with a bed of beads."""

from math import atan2, cos, pi, sin

import numpy as np
import pytest

from agent.types import Scene, Subtask, Thing
from sim.loose import made
from sim.oracle.sweeps import FRONT, SHORT, TAKES, Lane, choose_lane, clear, lane_frame, outside, start_of, stroke, taken_along
from sim.robot import SimRobot
from tests.sim.parts.test_beads import act


def thing(name: str, x: float, y: float, yaw: float = 0.0) -> Thing:
    what = made(name)
    return Thing(name=name, kind=what.kind, position=(x, y, what.size[2] / 2), yaw=yaw, size=what.size)


ZONE = thing("red zone", 0.30, 0.25)


def beads(*spots: tuple[float, float]) -> Thing:
    return Thing(name="beads", kind="beads", position=(*spots[0], 0.008), pieces=tuple((x, y, 0.008) for x, y in spots))


@pytest.mark.parametrize(("x", "y", "out"), [(0.30, 0.25, 0), (0.35, 0.30, 0), (0.362, 0.25, 1), (0.45, 0.0, 1)])
def test_a_bead_is_outside_until_it_is_well_inside(x: float, y: float, out: int) -> None:
    assert len(outside(beads((x, y)), ZONE)) == out


def test_a_lane_takes_all_that_is_near_it_and_begins_behind_the_farthest() -> None:
    spots = outside(beads((0.45, -0.05), (0.47, -0.02), (0.42, 0.02)), ZONE)
    lane = choose_lane(Scene(tick=0, things=(ZONE,)), spots, ZONE, "yellow sponge")
    assert lane is not None and lane.taken == 3
    back, aside = lane_frame(spots, ZONE, lane.angle)
    assert (np.abs(aside) < TAKES).all() and lane.length == pytest.approx(back.max())
    (here,), (off,) = lane_frame(np.array([start_of(lane, ZONE)]), ZONE, lane.angle)
    assert here - FRONT > back.max() and off == pytest.approx(0.0, abs=1e-9)


def test_a_lane_through_something_is_not_taken() -> None:
    spots = np.array([[0.45, -0.1]])
    block = thing("blue block", 0.375, 0.075)
    angle = atan2(0.35, -0.15)
    assert clear(Lane(angle, 0.38, 1), ZONE, [])
    lane = choose_lane(Scene(tick=0, things=(ZONE, block)), spots, ZONE, "yellow sponge")
    assert lane is None or abs(lane.angle - angle) > 0.05


@pytest.mark.parametrize("angle", np.linspace(-pi, pi, 7))
def test_what_is_ahead_goes_along_and_what_is_beside_stays(angle: float) -> None:
    c, s = cos(angle), sin(angle)
    x, y, _ = ZONE.position
    ahead, aside, past = ((x - a * c - b * s, y - a * s + b * c) for a, b in ((0.15, 0.01), (0.15, 0.12), (0.05, 0.0)))
    moved = np.array(taken_along(beads(ahead, aside, past), ZONE, angle, 0.14, 0.0).pieces)[:, :2]
    back, off = lane_frame(moved, ZONE, angle)
    assert np.allclose(back, [0.14, 0.15, 0.05]) and np.allclose(off, [0.01, 0.12, 0.0])


def test_a_stroke_goes_on_while_beads_are_ahead_of_it() -> None:
    sponge = thing("yellow sponge", 0.30, 0.10)
    assert stroke(sponge, ZONE, np.array([[0.31, 0.16]])) == pytest.approx(pi / 2)
    assert stroke(sponge, ZONE, np.array([[0.31, 0.02]])) is None, "it is behind"
    close = sponge.model_copy(update={"position": (0.30, 0.25 - FRONT - SHORT / 2, 0.03)})
    assert stroke(close, ZONE, np.array([[0.31, 0.30]])) is None, "it has arrived"


def test_strewn_beads_are_swept_into_a_zone() -> None:
    things = [{"name": "red zone", "at": [0.30, 0.25]}, {"name": "yellow sponge", "at": [0.35, -0.2], "yaw": 0.3},
              {"name": "beads", "at": [0.42, 0.02]}]  # fmt: skip
    robot = SimRobot({"things": things, "drawer": "none", "button": False}, seed=0)
    sweep = Subtask(skill="sweep", args={"thing": "beads", "zone": "red zone"}, words="sweep the beads into the red zone")
    scene = None
    while robot.tick < 360 and not (scene and scene.has("in", "beads", "red zone")):
        act(robot, sweep, 12)
        scene = robot.observe(()).scene
    robot.close()
    assert scene is not None and scene.has("in", "beads", "red zone") and scene.holding == "yellow sponge" and not robot.rejected
