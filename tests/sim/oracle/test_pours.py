"""Pouring: the lip stays while the cup tilts, the arm can follow, and what cannot be poured is refused."""

from math import acos, pi

import numpy as np
import pytest

from agent.types import Observation, Scene, Subtask, Thing
from sim import kinematics
from sim.loose import made
from sim.oracle import Oracle
from sim.oracle.clearance import Box
from sim.oracle.imagined import CUP_HOLD, Imagined, Refused
from sim.oracle.pours import LIP_Z, TILT, UPRIGHT, WAYS, ease, frame, hand_at, held, left_in, lip_over
from sim.vessels import CUP


def thing(name: str, x: float, y: float, z: float | None = None) -> Thing:
    what = made(name)
    return Thing(name=name, kind=what.kind, position=(x, y, what.size[2] / 2 if z is None else z), size=what.size)


def tilted_hand(way: float, tilt: float, slip: float = 0.0) -> tuple[Imagined, Thing]:
    """A hand that holds a cup above its middle, and the cup, which leans `slip` farther."""
    tcp, axes = np.array([0.45, 0.0, 0.3]), frame(way, tilt)
    centre = tcp + CUP_HOLD * frame(way, tilt + slip)[:, 2]
    cup = Thing(name="white cup", kind="cup", position=tuple(centre.tolist()), size=CUP, joint=abs(tilt + slip))
    turn = kinematics.rotation_vector(axes @ kinematics.DOWN.T)
    state = np.array([*np.zeros(7), *tcp, *turn, 0.06], np.float32)
    scene = Scene(tick=0, things=(cup,), holding="white cup")
    return Imagined.of(Observation(0, 0.0, state, {}, scene), scene), cup


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tilt", [0.0, 0.6, 1.5, TILT])
def test_a_hand_tilts_about_the_line_between_its_pads_and_the_lip_stays(way: float, tilt: float) -> None:
    axes = frame(way, tilt)
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1.0)
    assert axes[2, 1] == pytest.approx(0.0) and acos(-axes[2, 2]) == pytest.approx(tilt, abs=1e-6)
    lip = np.array([0.4, 0.1, LIP_Z[0]])
    corner = hand_at(lip, way, tilt, 0.015) - 0.015 * axes[:, 2] - CUP[0] / 2 * axes[:, 0]
    assert np.allclose(corner, lip)


@pytest.mark.parametrize(("tilt", "slip"), [(0.0, 0.0), (0.9, 0.2), (2.0, -0.15), (0.05, 0.3)])
def test_how_a_cup_is_held_is_read_from_hand_and_cup(tilt: float, slip: float) -> None:
    hand, cup = tilted_hand(1.2, tilt, slip)
    how = held(hand, cup)
    assert how.way == pytest.approx(1.2, abs=1e-3) and how.tilt == pytest.approx(tilt, abs=1e-3)
    assert how.slip == pytest.approx(slip, abs=1e-3) and how.grip == pytest.approx(CUP[2] / 2 - CUP_HOLD, abs=1e-3)


def test_beads_in_a_tilted_cup_are_counted() -> None:
    hand, cup = tilted_hand(0.7, 1.0)
    up = -frame(0.7, 1.0)[:, 2]
    pieces = tuple(tuple((np.array(cup.position) + height * up).tolist()) for height in (-0.02, 0.0, 0.02, 0.06))
    assert left_in(Thing(name="beads", kind="beads", position=cup.position, pieces=pieces), cup, held(hand, cup)) == 3


def test_the_arm_follows_the_whole_tilt_all_over_the_table_but_not_through_what_stands_there() -> None:
    for x in (0.35, 0.45, 0.52):
        for y in (-0.35, -0.1, 0.1):
            bowl = thing("large blue bowl", x, y)
            assert any(ease(lip_over(bowl, way, LIP_Z[0]), way, []) is not None for way in WAYS), (x, y)
    bowl = thing("large blue bowl", 0.45, 0.0)
    assert ease(lip_over(bowl, WAYS[0], LIP_Z[0]), WAYS[0], [Box(0.4, -0.2, 0.1, 0.1, 0.0, 0.4)]) is None


def test_what_is_in_no_cup_is_not_poured() -> None:
    beads = Thing(name="beads", kind="beads", position=(0.4, 0.0, 0.01), pieces=((0.4, 0.0, 0.008),))
    scene = Scene(tick=0, things=(beads, thing("large blue bowl", 0.5, 0.2), thing("white cup", 0.3, 0.2)))
    state = np.array([*np.zeros(7), 0.36, 0.0, 0.4, 0.0, 0.0, 0.0, 0.08], np.float32)
    for skill, name, says in (("pour", "beads", "in no cup"), ("empty", "white cup", "in no cup"), ("pour", "white cup", "is a cup")):
        subtask = Subtask(skill=skill, args={"thing": name, "target": "large blue bowl"}, words=skill)
        with pytest.raises(Refused, match=says):
            Oracle().predict(Observation(0, 0.0, state, {}, scene), subtask)


def test_upright_is_less_than_what_counts_as_poured() -> None:
    assert UPRIGHT < pi / 36 < TILT
