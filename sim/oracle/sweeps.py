"""Sweeping: a held sponge comes down behind the beads and pushes them, broad side first, to the middle of a zone; stroke after stroke.

A stroke is a straight lane towards the zone. It is chosen from where the beads are: the lane that takes most of them along, from behind
the farthest. Low over the table with beads ahead, the hand goes on with its stroke; else it rises and begins another.
"""

from collections.abc import Callable
from math import atan2, cos, hypot, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.types import Scene, Thing
from sim import vessels
from sim.oracle.clearance import Box, obstacles, room
from sim.oracle.grasps import FARTHEST, reachable
from sim.oracle.imagined import DT, Imagined, Refused, Vector, wrap
from sim.oracle.motion import Move, over, rise
from sim.oracle.moves import hand_at, lifted, noted, now, pick, put_away
from sim.oracle.spots import Spot, short_of_reach

Points = NDArray[np.float64]

FRONT, HALF = vessels.SPONGE[1] / 2, vessels.SPONGE[0] / 2
TAKES = HALF - vessels.BEAD
"""How far off the middle of a lane a bead is still taken along, m."""
BEHIND = 0.018
"""Between the front and the bead that it comes down behind, m."""
SHORT = 0.018
"""How far before the middle of the zone the front stops, m."""
INSIDE = 0.012
"""A bead is in a zone when its centre is that far from the edge, m: a little more than is asked for."""
HOVER, LOW = 0.002, 0.006
"""Height of the sponge's underside in a stroke, and below which it is in one, m."""
PALM_UNDER = 0.035
"""Height of the tool centre point in a stroke, m."""
HIGH = 0.12
"""Only from above this, m, it is said that there is no way: what is swept now may open one, or be enough."""
SWEEPING = 0.12
"""m/s."""


class Lane(NamedTuple):
    """A straight way to the middle of a zone."""

    angle: float
    """Its direction about world z, rad."""
    length: float
    """From the farthest bead in it to the middle of the zone, m."""
    taken: int
    """How many beads it takes along."""


def sweep(hand: Imagined, name: str, zone: str) -> Move:
    """Take the sponge, then stroke after stroke until all beads lie in the zone."""
    if hand.held is None or hand.things[hand.held].kind != "sponge":
        return fetch(hand)
    sponge, goal = hand.things[hand.held], hand.things[zone]
    beads = outside(hand.things[name], goal)
    if not len(beads):
        return rise(hand, lifted(hand), 0.0)
    if under(hand, sponge) < LOW and (angle := stroke(sponge, goal, beads)) is not None:
        return push_on(hand, sponge, goal, hand.things[name], angle)
    lane = noted(hand, ("lane", zone), lambda: choose_lane(now(hand), beads, goal, sponge.name))
    if lane is not None:
        return come_down(hand, sponge, goal, lane)
    if hand.tcp[2] > HIGH and ("in", name, zone) not in hand.scene.facts:
        raise Refused(f"There is no free way for the sponge from the {name} to the {zone}: clear what stands there.")
    return rise(hand, lifted(hand), 0.0)


def fetch(hand: Imagined) -> Move:
    if hand.held is not None:
        return put_away(hand)
    sponge = next((thing.name for thing in hand.things.values() if thing.kind == "sponge"), None)
    if sponge is None:
        raise Refused("There is no sponge to sweep with.")
    return pick(hand, sponge)


def outside(beads: Thing, zone: Thing) -> Points:
    """The beads that are not well inside a zone, x and y, float64[N, 2], m."""
    spots = np.array(beads.pieces)[:, :2]
    c, s = cos(zone.yaw), sin(zone.yaw)
    off = np.abs((spots - zone.position[:2]) @ np.array([[c, -s], [s, c]]))
    return np.asarray(spots[(off > np.array(zone.size[:2]) / 2 - INSIDE).any(axis=1)])


def under(hand: Imagined, sponge: Thing) -> float:
    """Height of the underside of the held sponge, m."""
    return float(hand.things[sponge.name].position[2]) - vessels.SPONGE[2] / 2


def lane_frame(points: Points, zone: Thing, angle: float) -> tuple[Points, Points]:
    """How far points are from the middle of a zone against a direction, and how far aside, float64[N] each, m."""
    off = np.atleast_2d(points) - zone.position[:2]
    return -(off @ (cos(angle), sin(angle))), off @ (-sin(angle), cos(angle))


def choose_lane(scene: Scene, beads: Points, zone: Thing, sponge: str) -> Lane | None:
    """The lane with the most beads in it and nothing else, if there is one; of equal ones the longest."""
    ways = [(atan2(zone.position[1] - y, zone.position[0] - x), hypot(zone.position[0] - x, zone.position[1] - y))
            for x, y in [*beads, beads.mean(axis=0)]]  # fmt: skip
    angles = [angle + share * TAKES / max(length, TAKES) for angle, length in ways for share in (0.0, 0.45, -0.45, 0.9, -0.9)]
    around = obstacles(scene, (sponge, zone.name))
    lanes = sorted((look(beads, zone, angle) for angle in angles), key=lambda lane: (-lane.taken, round(-lane.length, 2)))
    return next((lane for lane in lanes if lane.taken and clear(lane, zone, around)), None)


def look(beads: Points, zone: Thing, angle: float) -> Lane:
    back, aside = lane_frame(beads, zone, angle)
    taken = (np.abs(aside) < TAKES) & (back > -SHORT)
    return Lane(angle, float(back[taken].max(initial=0.0)), int(taken.sum()))


def start_of(lane: Lane, zone: Thing) -> tuple[float, float]:
    """Where the middle of the sponge comes down, m."""
    back = lane.length + vessels.BEAD + BEHIND + FRONT
    return zone.position[0] - back * cos(lane.angle), zone.position[1] - back * sin(lane.angle)


def clear(lane: Lane, zone: Thing, around: list[Box]) -> bool:
    """Is it within reach, and does nothing stand in it?"""
    x, y = start_of(lane, zone)
    mid_x, mid_y = (x + zone.position[0]) / 2, (y + zone.position[1]) / 2
    swept = Box(mid_x, mid_y, hypot(zone.position[0] - x, zone.position[1] - y) / 2 + FRONT, HALF + 0.004, lane.angle, 0.0)
    hand = [room(*at, PALM_UNDER, lane.angle + pi / 2, vessels.SPONGE[1], around) for at in ((x, y), (mid_x, mid_y))]
    return short_of_reach(Spot(x, y, 0.0, None)) < 0 and min(hand) > 0 and all(box.gap(swept) > 0 for box in around)


def come_down(hand: Imagined, sponge: Thing, zone: Thing, lane: Lane) -> Move:
    """From above to the beginning of a lane, the broad side towards the zone."""
    skew = wrap(sponge.yaw - hand.yaw, pi)
    yaws = [yaw for quarter in (pi / 2, -pi / 2) if abs(yaw := wrap(lane.angle + quarter - skew)) <= FARTHEST]
    x, y = start_of(lane, zone)
    yaw = min(reachable(yaws, x, y), key=lambda option: abs(option - hand.yaw))
    spot = Spot(x, y, vessels.SPONGE[2] / 2 + HOVER, None)
    return over(hand, hand_at(hand, sponge, spot, yaw), yaw, 0.0)


def stroke(sponge: Thing, zone: Thing, beads: Points) -> float | None:
    """The direction of the stroke that the sponge is in, rad; None if no bead is ahead of it."""
    x, y, _ = sponge.position
    to_zone = atan2(zone.position[1] - y, zone.position[0] - x)
    angle = min((sponge.yaw + pi / 2, sponge.yaw - pi / 2), key=lambda option: abs(wrap(option - to_zone)))
    back, aside = lane_frame(beads, zone, angle)
    (here,), (off,) = lane_frame(np.array([[x, y]]), zone, angle)
    ahead = (np.abs(aside - off) < HALF) & (back < here) & (back > -SHORT)
    return angle if here > FRONT + SHORT and abs(off) < 0.03 and ahead.any() else None


def push_on(hand: Imagined, sponge: Thing, zone: Thing, beads: Thing, angle: float) -> Move:
    """Straight on, keeping to the middle of the lane, and taking along what lies ahead."""
    (here,), (off,) = lane_frame(np.array([sponge.position[:2]]), zone, angle)
    speed = min(SWEEPING, 0.03 + 3.0 * max(here - FRONT - SHORT, 0.0))
    c, s = cos(angle), sin(angle)
    aside = float(np.clip(-2.0 * off, -0.03, 0.03))
    height = vessels.SPONGE[2] / 2 + HOVER - sponge.position[2]
    velocity: Vector = np.array([speed * c - aside * s, speed * s + aside * c, 3.0 * height])
    hand.things[beads.name] = taken_along(beads, zone, angle, float(here) - FRONT - vessels.BEAD - speed * DT, float(off))
    turn = float(np.clip(2.0 * wrap(angle + pi / 2 - sponge.yaw, pi), -0.5, 0.5))
    return Move(velocity, np.array([0.0, 0.0, turn]), 0.0)


def taken_along(beads: Thing, zone: Thing, angle: float, front: float, off: float) -> Thing:
    """The beads, those ahead of the sponge no farther back than its front."""
    spots = np.array(beads.pieces)
    back, aside = lane_frame(spots[:, :2], zone, angle)
    met = (np.abs(aside - off) < HALF) & (back > front) & (back < front + 0.03)
    spots[met, :2] += np.outer((back - front)[met], (cos(angle), sin(angle)))
    return beads.model_copy(update={"pieces": tuple(map(tuple, spots.tolist()))})


NEEDS: dict[str, tuple[str, ...]] = {"sweep": ("thing", "zone")}
KINDS: dict[str, tuple[str, ...]] = {"sweep": ("beads",)}
MOVES: dict[str, Callable[..., Move]] = {"sweep": sweep}
