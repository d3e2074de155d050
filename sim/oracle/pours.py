"""Pouring: carry the cup to the bowl, tilt it about its lip with the whole hand, wait, bring it upright again.

The hand holds the cup below its rim and tilts about the line between its pads, so that the beads leave between rim and palm; the lip
stays where it is while the cup tilts. Which way the hand tilts is decided by the arm: where it can reach, and where it hits nothing.
"""

from collections.abc import Callable
from math import atan2, cos, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.types import Thing
from sim import kinematics, vessels
from sim.oracle.clearance import Box, obstacles
from sim.oracle.grasps import reachable
from sim.oracle.imagined import CUP_HOLD, DT, Imagined, Refused, Vector
from sim.oracle.motion import LEAD, Move, Near, at, over, stay
from sim.oracle.moves import noted, now, pick, put_away

TILT = radians(122)
"""How far the cup is tilted, rad; a bead rolls out of it from about 100° on."""
LIP_Z, AHEAD = (0.20, 0.25, 0.30), 0.030
"""Heights of the lip while it pours, the lowest that does, and how far past the middle of the bowl it is, since beads leave with some
speed, m."""
QUICK, SLOW, FLOWS = 1.1, 0.55, radians(78)
"""Tilting rates, rad/s, and from which tilt on the slow one holds."""
WAYS = tuple(radians(way) for way in (80, 60, 100, 40, 20, -60, -80, -100))
"""Directions in which the hand may tilt, about world z, rad."""
SPARE, ROOMY = radians(8), 0.3
"""How much farther than TILT the arm must be able to go, and beyond which distance from their limits joints are free, rad."""
UPRIGHT, LEVEL = radians(4), radians(6)
"""Less tilt than this of the hand, and of the cup at the end, is none, rad."""
MOST_SLIP = radians(30)
READY = Near(0.010, 0.010, 0.06)
ARM_ROUND = 0.075
"""Radius of the arm's last links, m."""


class Held(NamedTuple):
    """How a hand that may be tilted holds a cup."""

    way: float
    """The hand's yaw, and the direction in which it tilts, rad."""
    tilt: float
    grip: float
    """From the tool centre point to the rim, along the hand, m."""
    slip: float
    """By how much more the cup is tilted than the hand: it may turn between the pads, rad."""


def frame(way: float, tilt: float) -> NDArray[np.float64]:
    """R_world_tcp of a hand with that yaw, tilted about the line between its pads, float64[3, 3]."""
    ahead, side = np.array([cos(way), sin(way), 0.0]), np.array([sin(way), -cos(way), 0.0])
    approach = sin(tilt) * ahead - cos(tilt) * np.array([0.0, 0.0, 1.0])
    return np.column_stack([np.cross(side, approach), side, approach])


def hand_at(lip: Vector, way: float, tilt: float, grip: float) -> Vector:
    """Where the tool centre point is when the lower edge of the rim is at `lip`, m."""
    axes = frame(way, tilt)
    return np.asarray(lip + grip * axes[:, 2] + vessels.CUP[0] / 2 * axes[:, 0])


def held(hand: Imagined, cup: Thing) -> Held:
    """From the hand's rotation; `grip` and `slip` from where the cup was at the start of the chunk."""
    axes = kinematics.rotation(hand.turn) @ kinematics.DOWN
    way = atan2(axes[0, 1], -axes[1, 1])
    tilt = atan2(float(axes[:2, 2] @ (cos(way), sin(way))), -float(axes[2, 2]))
    grip, slip = noted(hand, "grip", lambda: offset_of(cup, hand.tcp, axes, tilt))
    return Held(way, tilt, grip, slip)


def offset_of(cup: Thing, tcp: Vector, axes: NDArray[np.float64], tilt: float) -> tuple[float, float]:
    """How far the rim is from the tool centre point along the hand, m, and how much farther the cup is tilted than the hand, rad. Which
    way it leans is seen from where its middle hangs."""
    aside, _, along = (np.array(cup.position) - tcp) @ axes
    leans = tilt + atan2(float(aside), max(float(along), 1e-3))
    slip = (cup.joint if leans > 0 else -cup.joint) - tilt if cup.joint is not None else 0.0
    return min(max(cup.size[2] / 2 - float(np.hypot(aside, along)), 0.0), 2 * CUP_HOLD), min(max(slip, -MOST_SLIP), MOST_SLIP)


def pour(hand: Imagined, name: str, target: str) -> Move:
    """Fetch the cup that the beads are in, pour, and bring the cup upright again."""
    bowl = hand.things[target]
    cup = hand.things.get(hand.held or "")
    if cup is None or cup.kind != "cup" or cup_of(hand, name) not in (cup.name, None):
        return fetch(hand, name)
    how = held(hand, cup)
    full = noted(hand, "full", lambda: left_in(hand.things[name], cup, how) > 0)
    if not full and abs(how.tilt + how.slip) < LEVEL:
        return stay(0.0)
    if full and abs(how.tilt) < UPRIGHT:
        way, height = noted(hand, ("way", target), lambda: choose_way(hand, bowl, cup.name))
        goal = hand_at(lip_over(bowl, way, height), way, 0.0, how.grip)
        if not at(hand, goal, way, READY):
            return over(hand, goal, way, 0.0)
    height = float(hand.tcp[2] - hand_at(np.zeros(3), how.way, how.tilt, how.grip)[2])
    return tilted(hand, how, lip_over(bowl, how.way, min(max(height, LIP_Z[0]), LIP_Z[-1])), (TILT if full else 0.0) - how.slip)


def fetch(hand: Imagined, name: str) -> Move:
    """Take the cup that the beads are in; something else in the hand is put down first."""
    cup = cup_of(hand, name)
    if hand.held is not None:
        return put_away(hand)
    if cup is None:
        raise Refused(f"The {name} are in no cup, so they cannot be poured.")
    return pick(hand, cup)


def cup_of(hand: Imagined, beads: str) -> str | None:
    """The cup that they are in."""
    return next((place for place in hand.scene.where(beads, "in") if hand.things[place].kind == "cup"), None)


def left_in(beads: Thing, cup: Thing, how: Held) -> int:
    """How many beads are still in a held cup."""
    offsets = np.array(beads.pieces) - cup.position
    return int(vessels.holds("cup", cup.size, frame(how.way, how.tilt) @ kinematics.DOWN, offsets, 0.002).sum())


def lip_over(bowl: Thing, way: float, height: float) -> Vector:
    x, y, _ = bowl.position
    return np.array([x + AHEAD * cos(way), y + AHEAD * sin(way), height])


def tilted(hand: Imagined, how: Held, lip: Vector, goal: float) -> Move:
    """Turn the cup towards a tilt about its lip; slowly where beads flow."""
    left = goal - how.tilt
    fastest = SLOW if left > 0 and how.tilt > FLOWS else QUICK
    gone = how.tilt if left > 0 else TILT - how.tilt
    rate = float(np.sign(left)) * min(fastest, 0.15 + 3 * max(gone, 0.0), 0.05 + 4 * abs(left), abs(left) / DT / LEAD)
    tilt = how.tilt + rate * DT
    here, there = (hand_at(lip, how.way, angle, how.grip) for angle in (how.tilt, tilt))
    velocity = (there - here) / DT + np.clip(2.0 * (here - hand.tcp), -0.08, 0.08)
    turn = kinematics.rotation_vector(frame(how.way, tilt) @ kinematics.DOWN.T)
    return Move(velocity, (turn - hand.turn) / DT, 0.0)


def choose_way(hand: Imagined, bowl: Thing, cup: str) -> tuple[float, float]:
    """The one of WAYS in which the arm can tilt all the way over the bowl without hitting anything, and tilts with the most ease;
    and the height of the lip."""
    x, y, _ = bowl.position
    around = obstacles(now(hand), (bowl.name, cup))
    for height in LIP_Z:
        eases = {way: ease(lip_over(bowl, way, height), way, around) for way in reachable(list(WAYS), x, y)}
        able = {way: found for way, found in eases.items() if found is not None}
        if able:
            return max(able, key=able.__getitem__), height
    raise Refused(f"The arm cannot tilt a cup over the {bowl.name} where that stands: move it nearer to the middle of the table.")


def ease(lip: Vector, way: float, around: list[Box]) -> float | None:
    """How easily the arm follows the whole tilt: far from the limits of its joints, with little motion of them. None: it cannot, or its
    last links would hit something."""
    joints, spare, travel = kinematics.REST, ROOMY, 0.0
    grip = vessels.CUP[2] / 2 - CUP_HOLD
    for step, tilt in enumerate(np.linspace(0.0, TILT + SPARE, 12)):
        solution = kinematics.inverse(joints, hand_at(lip, way, tilt, grip), frame(way, tilt), 200 if step == 0 else 60)
        if solution.error_m > 0.005 or solution.error_rad > 0.03 or (step and float(np.abs(solution.joints - joints).max()) > 0.7):
            return None
        travel += float(np.abs(solution.joints - joints).sum()) if step else 0.0
        joints = solution.joints
        spare = min(spare, float(min((joints - kinematics.LOWER).min(), (kinematics.UPPER - joints).min())))
        for px, py, pz in kinematics._chain(joints)[4:7, :3, 3]:
            low = [box for box in around if box.top > pz - ARM_ROUND]
            if pz < ARM_ROUND + 0.01 or any(box.gap(Box(px, py, 0.0, 0.0, 0.0, 0.0, ARM_ROUND)) < 0 for box in low):
                return None
    return 10 * spare - 0.1 * travel


def empty(hand: Imagined, name: str, target: str) -> Move:
    """The same, told by the cup."""
    beads = next((thing.name for thing in hand.things.values() if thing.kind == "beads"), None)
    if beads is None or cup_of(hand, beads) not in (name, None):
        raise Refused(f"Nothing is in the {name} that could be poured.")
    return pour(hand, beads, target)


NEEDS: dict[str, tuple[str, ...]] = {"pour": ("thing", "target"), "empty": ("thing", "target")}
KINDS: dict[str, tuple[str, ...]] = {"pour": ("beads",), "empty": ("cup",)}
MOVES: dict[str, Callable[..., Move]] = {"pour": pour, "empty": empty}
