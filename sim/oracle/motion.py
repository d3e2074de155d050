"""Velocities as a function of where the hand is, never of how it got there: so any chunk can begin anywhere, and the next one goes on
as if nothing had ended.

Travelling is a funnel: the farther from the point above the goal (in place, in yaw, in opening), the higher the hand must be; as long
as it is lower than that it climbs before it moves aside.
"""

from math import hypot, sqrt
from typing import NamedTuple

import numpy as np

from sim.oracle.imagined import DT, FULL, Imagined, Vector, span, wrap

CRUISE = 0.25
"""Height at which nothing is in the way, m."""
FREE, CLIMB, SINK = 0.36, 0.30, 0.30
"""Top speeds sideways, up and down, m/s."""
BRAKE = 1.2
"""Deceleration towards a goal, m/s²."""
TOP = 0.40
"""Of all together; the first row of a journey is LEAD times farther ahead, and that must stay below what guards allow, m/s."""
TURN = 1.6
"""rad/s."""
LEAD = 1.41
"""How many periods a row is ahead of the hand: the arm goes 1/LEAD of the way to a row in one period."""
SLOPE = 3.0
OFF = 0.012
"""How much wider than what stands between them the fingers must be before they leave it, m."""
SHUT = 0.008
"""Nothing stands between fingers that are nearer to each other, m; they touch it from one side."""
EASE = 0.04
"""Sideways motion begins this far below the height that it needs, m."""


class Move(NamedTuple):
    """What one row does: velocities in m/s and rad/s, and the opening wanted, m."""

    velocity: Vector
    turn: Vector
    opening: float


class Near(NamedTuple):
    """How near is near enough: sideways and in height, m; in yaw, rad."""

    side: float
    height: float
    yaw: float


def at(hand: Imagined, goal: Vector, yaw: float, near: Near) -> bool:
    dx, dy, dz = goal - hand.tcp
    return bool(hypot(dx, dy) < near.side and abs(dz) < near.height and abs(wrap(yaw - hand.yaw)) < near.yaw)


def stay(opening: float) -> Move:
    return Move(np.zeros(3), np.zeros(3), opening)


def _brake(distance: float, top: float) -> float:
    """Speed towards a goal that far away: constant deceleration, then an exponential end."""
    return min(top, sqrt(2 * BRAKE * distance), distance / 0.12)


def _vertical(gap: float, height: float) -> float:
    """Speed up (gap > 0) or down; slow next to contact, at the goal and when leaving the table."""
    if gap > 0:
        return min(CLIMB, 0.07 + 2.5 * max(height - 0.02, 0.0), gap / DT / LEAD, sqrt(2 * BRAKE * gap) + 0.02)
    return -min(SINK, 0.025 + 1.8 * -gap, -gap / DT / LEAD)


def _turning(hand: Imagined, yaw: float) -> Vector:
    """Towards upright and that yaw, rad/s; never through the back, where the wrist ends."""
    error = np.array([-hand.turn[0], -hand.turn[1], yaw - hand.yaw])
    size = float(np.sqrt(error @ error))
    return error * (min(TURN, size / 0.12) / size) if size > 1e-6 else np.zeros(3)


def caught(hand: Imagined) -> Move | None:
    """Before the hand leaves something that stands between its fingers, it opens; None if there is nothing to open for."""
    thing = hand.straddled()
    if thing is None or hand.held is not None or hand.width < SHUT:
        return None
    room = hand.width - span(thing, hand.yaw)
    return stay(min(hand.width - room + OFF, FULL)) if room < OFF - 0.003 and hand.width < FULL - 0.002 else None


def over(hand: Imagined, goal: Vector, yaw: float, opening: float) -> Move:
    """Travel to the goal from above. Waits above it until yaw and opening are right; with something held the opening is its own."""
    if move := caught(hand):
        return move
    aside = goal[:2] - hand.tcp[:2]
    distance = hypot(*aside)
    tilt = hypot(hand.turn[0], hand.turn[1])
    off = distance + 0.06 * (abs(wrap(yaw - hand.yaw)) + tilt)
    if hand.held is None:
        off += max(abs(opening - hand.width) - 0.004, 0.0)
    ceiling = max(CRUISE, float(goal[2]))
    surface = min(goal[2] + SLOPE * max(off - 0.003, 0.0), ceiling)
    free = min(max(1 - (surface - hand.tcp[2]) / EASE, 0.0), 1.0)
    speed = free * _brake(distance, FREE)
    velocity = np.zeros(3)
    if distance > 1e-9:
        velocity[:2] = aside * (min(speed, distance / DT) / distance)
    velocity[2] = _vertical(float(surface - hand.tcp[2]), float(hand.tcp[2]))
    velocity *= min(1.0, TOP / max(float(np.sqrt(velocity @ velocity)), 1e-9))
    high = hand.tcp[2] > 0.12 or hand.straddled() is None
    return Move(velocity, free * _turning(hand, yaw), opening if high else max(opening, hand.width))


def straight(hand: Imagined, goal: Vector, opening: float, speed: float) -> Move:
    """The direct line, without turning; slow at its end."""
    line = goal - hand.tcp
    length = float(np.sqrt(line @ line))
    if length < 1e-9:
        return stay(opening)
    return Move(line * (min(speed, 0.03 + 2 * length, length / DT / LEAD) / length), np.zeros(3), opening)


def rise(hand: Imagined, height: float, opening: float) -> Move:
    """Straight up to that height, m; stays where it is if it is higher."""
    if move := caught(hand):
        return move
    gap = height - float(hand.tcp[2])
    return Move(np.array([0.0, 0.0, _vertical(gap, float(hand.tcp[2]))]) if gap > 0 else np.zeros(3), np.zeros(3), opening)
