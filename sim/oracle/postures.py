"""Standing a bar up and laying it down; see moves.py.

Up: the hand takes it near one end, leaning back over that end, lifts it, leans over to the other side, and so turns it by a quarter
about the line between the pads; a horizontal hand would hit the table. A bar that lies where the arm cannot lean so, or where others are
in the way, is brought to a better place first. Down: closed fingers push it over near its top.
"""

from collections.abc import Callable
from math import atan2, cos, hypot, pi, radians, sin
from typing import NamedTuple

import numpy as np

from agent.types import Thing
from sim import kinematics
from sim.loose import BAR
from sim.oracle.clearance import Box, obstacles, room
from sim.oracle.imagined import DT, FULL, Imagined, Refused, Vector, wrap
from sim.oracle.motion import LEAD, Move, caught, over, rise, stay
from sim.oracle.moves import lifted, noted, now, pick, put_away, set_down
from sim.oracle.pours import frame
from sim.oracle.pushes import hand_yaw
from sim.oracle.spots import AIR, MIDDLE, Spot, allowed, short_of_reach

LEAN = radians(45)
LEANS = (radians(58), radians(108))
"""Yaws of the hand between which the arm can lean both ways wherever things stand, rad."""
SQUARE = radians(84)
"""The yaw that a bar is brought to first, rad."""
END, BY_END = 0.030, 0.018
"""How far from its middle a bar is taken to be turned, and from where on it counts as taken there, m."""
TURNED, STOOD = radians(3), radians(60)
"""How upright a bar must be to be set down, and from where on it will stand, rad from the horizontal."""
HIGH = 0.13
"""Height of the tool centre point while a bar is turned, m."""
SPARE = 0.015
"""Room, m, beyond which more is no better."""
LEANING: tuple[float, float] = (0.10, 0.23)
"""What the leaning hand needs beside the end that it takes, along and across the bar, m."""
TOPPLE_HIGH, TOPPLE_FAR, TOPPLE_SPEED = 0.072, 0.045, 0.10
"""Where a bar is pushed over, how far the fingers go beyond where they meet it, m, and how fast, m/s."""
FALLS: tuple[float, float] = (0.14, 0.05)
"""What a bar that falls needs in front of it, along and across, m."""


class Lean(NamedTuple):
    """The hand's yaw and by how much its fingers point ahead, rad."""

    way: float
    tilt: float


class End(NamedTuple):
    """How to take a bar that lies: where, m, the hand's lean, and how much room there is, m."""

    x: float
    y: float
    lean: Lean
    room: float


def leaning(hand: Imagined) -> Lean:
    axes = kinematics.rotation(hand.turn) @ kinematics.DOWN
    way = atan2(axes[0, 1], -axes[1, 1])
    return Lean(way, atan2(float(axes[:2, 2] @ (cos(way), sin(way))), -float(axes[2, 2])))


def tall(thing: Thing) -> bool:
    return thing.size[2] > 2 * thing.size[0]


def stand_up(hand: Imagined, name: str) -> Move:
    """Take it by one end and turn it upright; bring it to a better place first where it cannot be turned."""
    if hand.held is not None and hand.held != name:
        return put_away(hand)
    thing = hand.things[name]
    if hand.held is None:
        if tall(thing):
            return let_be(hand, thing)
        end = noted(hand, ("end", name), lambda: choose_end(hand, thing))
        return pick(hand, name) if end is None else take_end(hand, thing, end)
    if float(np.linalg.norm(np.array(thing.position) - hand.tcp)) < BY_END:
        spot = noted(hand, ("roomy", name), lambda: roomy(hand, thing))
        return put_away(hand) if tall(thing) else set_down(hand, thing, spot)
    return swing(hand, thing)


def choose_end(hand: Imagined, thing: Thing) -> End | None:
    """The end with the most room for the hand; the one that a hand that leans already leans over. None: neither can be taken."""
    around, tilt = scene_boxes(hand, thing), leaning(hand).tilt
    yaws = [yaw for yaw in (thing.yaw + k * pi for k in (-1, 0, 1)) if LEANS[0] <= yaw <= LEANS[1]]
    ends = [end for yaw in yaws for end in ends_of(around, thing, yaw) if end.room > 0.002]
    x, y, z = thing.position
    if z > BAR[2] or short_of_reach(Spot(x, y, z, None)) > -0.02:
        return None
    return max(ends, key=lambda end: end.room + 0.02 * end.lean.tilt * tilt, default=None)


def scene_boxes(hand: Imagined, thing: Thing) -> list[Box]:
    """What the leaning hand could hit."""
    return [box for box in obstacles(now(hand), (thing.name,)) if box.top > 0.012]


def ends_of(around: list[Box], thing: Thing, yaw: float) -> list[End]:
    """Both ends of a bar that lies along that yaw."""
    (x, y, _), c, s = thing.position, cos(yaw), sin(yaw)
    ends = []
    for side in (1, -1):
        at = (x - side * END * c, y - side * END * s)
        along, across = LEANING
        needed = Box(at[0] - side * along / 2 * c, at[1] - side * along / 2 * s, along / 2, across / 2, yaw, 0.0)
        space = min((needed.gap(box) for box in around), default=0.03)
        ends.append(End(*at, Lean(yaw, side * LEAN), min(space, 0.03)))
    return ends


def roomy(hand: Imagined, thing: Thing) -> Spot:
    """A free spot near the middle of the table where the bar can be turned."""
    around, scene = scene_boxes(hand, thing), now(hand)
    grid = [Spot(0.34 + 0.03 * i, -0.36 + 0.03 * j, BAR[2] / 2 + AIR, SQUARE, pi) for i in range(8) for j in range(18)]
    grid.sort(key=lambda spot: hypot(spot.x - MIDDLE[0], spot.y - MIDDLE[1]))

    def space(spot: Spot) -> float:
        laid = thing.model_copy(update={"position": spot[:3], "yaw": SQUARE})
        own = min((Box(spot.x, spot.y, BAR[0] / 2, BAR[1] / 2 + 0.035, SQUARE, 0.0).gap(box) for box in around), default=0.03)
        return min(own - 0.01, max(end.room for end in ends_of(around, laid, SQUARE)))

    within = [spot for spot in grid if allowed(scene, spot) >= 0 and short_of_reach(spot) < -0.03]
    best = next((spot for spot in within if space(spot) > SPARE), None) or max(within, key=space)
    if space(best) < 0.003:
        raise Refused(f"There is no room on the table to stand the {thing.name} up: clear some of what stands there.")
    return best


def take_end(hand: Imagined, thing: Thing, end: End) -> Move:
    """From above with the hand leaning, then close."""
    wide = min(thing.size[:2])
    goal, opening = np.array([end.x, end.y, thing.position[2]]), wide + 0.02
    turn = turn_to(hand, end.lean)
    off = hypot(*(goal - hand.tcp)[:2])
    closing = wide - 0.006 < hand.width < opening - 0.006
    near = (0.010, 0.010, 0.2) if closing else (0.003, 0.0025, 0.05)
    if off < near[0] and abs(goal[2] - hand.tcp[2]) < near[1] and float(np.linalg.norm(turn)) < near[2]:
        if hand.width <= wide + 0.0015:
            hand.width, hand.held = wide, thing.name
        return Move(np.zeros(3), np.zeros(3), 0.0)
    return travel(hand, goal, turn, opening)


def turn_to(hand: Imagined, lean: Lean) -> Vector:
    """What is left to turn, as a difference of rotation vectors, float64[3], rad."""
    return np.asarray(kinematics.rotation_vector(frame(*lean) @ kinematics.DOWN.T) - hand.turn)


def travel(hand: Imagined, goal: Vector, turn: Vector, opening: float) -> Move:
    """To the goal from above, turning on the way: the farther off it is, the higher the hand must be; see motion.over."""
    if move := caught(hand):
        return move
    aside, angle = goal[:2] - hand.tcp[:2], float(np.linalg.norm(turn))
    distance = hypot(*aside)
    off = distance + 0.08 * angle + max(abs(opening - hand.width) - 0.004, 0.0)
    surface = float(goal[2]) + min(3.0 * max(off - 0.004, 0.0), 0.20)
    free = min(max(1 - (surface - float(hand.tcp[2])) / 0.04, 0.0), 1.0)
    velocity = np.zeros(3)
    if distance > 1e-9:
        velocity[:2] = aside * (free * min(0.30, distance / 0.15) / distance)
    velocity[2] = climb(surface - float(hand.tcp[2]))
    width = opening if hand.tcp[2] > 0.12 else max(opening, hand.width)
    return Move(velocity, turn * (free * min(1.2, angle / 0.15) / max(angle, 1e-9)), width)


def climb(gap: float) -> float:
    """Speed up or down, m/s."""
    return float(np.sign(gap)) * min(0.20, 0.02 + 2.0 * abs(gap), abs(gap) / DT / LEAD)


def swing(hand: Imagined, thing: Thing) -> Move:
    """Lift a bar that is held by its end, lean over until it is upright, lower it, let go."""
    axis = np.array(thing.position) - hand.tcp
    risen = atan2(-axis[2], hypot(axis[0], axis[1]))
    if risen > STOOD and not tall(thing):
        thing = hand.things[thing.name] = thing.model_copy(update={"size": (BAR[1], BAR[2], BAR[0])})
    still: Vector = np.zeros(3)
    if pi / 2 - risen > TURNED:
        if hand.tcp[2] < HIGH - 0.01 and risen < STOOD:
            return Move(np.array([0.0, 0.0, climb(HIGH - float(hand.tcp[2]))]), still, 0.0)
        lean = leaning(hand)
        side = 1.0 if axis[0] * cos(lean.way) + axis[1] * sin(lean.way) > 0 else -1.0
        left = pi / 2 - risen
        rate = min(0.9, 0.1 + 2.5 * left, left / DT / LEAD)
        turn = turn_to(hand, Lean(lean.way, lean.tilt - side * rate * DT)) / DT
        return Move(still, turn, 0.0)
    gap = thing.size[2] / 2 + AIR - thing.position[2]
    if abs(gap) < 0.0015 or hand.width > min(thing.size[:2]) + 0.002:
        return stay(min(thing.size[:2]) + 0.02)
    return Move(np.array([0.0, 0.0, climb(gap)]), still, 0.0)


def let_be(hand: Imagined, thing: Thing) -> Move:
    """Open around a bar that stands, go straight up, and lean no longer once nothing is near."""
    lean = leaning(hand)
    beside = hypot(hand.tcp[0] - thing.position[0], hand.tcp[1] - thing.position[1]) < 0.06 and hand.tcp[2] < 0.16
    if beside and hand.width < min(thing.size[:2]) + 0.015:
        return stay(min(thing.size[:2]) + 0.02)
    if beside or abs(lean.tilt) < 0.02:
        return rise(hand, lifted(hand), hand.width if beside else FULL)
    turn = turn_to(hand, Lean(lean.way, 0.0))
    angle = float(np.linalg.norm(turn))
    return Move(np.array([0.0, 0.0, climb(max(lifted(hand) - float(hand.tcp[2]), 0.0))]), turn * min(1.2, angle / 0.15) / angle, hand.width)


def lay_down(hand: Imagined, name: str) -> Move:
    """Push a bar that stands over, away from what is around."""
    if hand.held is not None:
        return put_away(hand)
    thing = hand.things[name]
    if not tall(thing) or ("over", name) in hand.notes:
        return rise(hand, lifted(hand), 0.0)
    angle = noted(hand, ("fall", name), lambda: choose_fall(hand, thing))
    c, s = cos(angle), sin(angle)
    start = noted(hand, ("stood", name), lambda: thing.position)
    back = max(thing.size[:2]) / 2 + 0.0095
    along = (hand.tcp[0] - start[0]) * c + (hand.tcp[1] - start[1]) * s + back
    aside = (hand.tcp[1] - start[1]) * c - (hand.tcp[0] - start[0]) * s
    yaw = hand_yaw(angle, hand.yaw)
    there = along > -0.03 and abs(aside) < 0.010 and abs(hand.tcp[2] - TOPPLE_HIGH) < 0.008
    if not (there and abs(wrap(yaw - hand.yaw)) < 0.15 and hand.width < 0.01):
        return over(hand, np.array([start[0] - c * (back + 0.015), start[1] - s * (back + 0.015), TOPPLE_HIGH]), yaw, 0.0)
    if along > TOPPLE_FAR:
        hand.notes["over", name] = True
    return Move(np.array([TOPPLE_SPEED * c, TOPPLE_SPEED * s, 2.0 * (TOPPLE_HIGH - float(hand.tcp[2]))]), np.zeros(3), 0.0)


def choose_fall(hand: Imagined, thing: Thing) -> float:
    """The way to push it over, rad about world z: square to one of its sides, with the most room for its fall and for the hand behind
    it; for a hand that is there already, the way that it faces."""
    x, y, _ = thing.position
    ways = [wrap(thing.yaw + k * pi / 2) for k in range(4)]
    dx, dy = x - float(hand.tcp[0]), y - float(hand.tcp[1])
    if hand.tcp[2] < TOPPLE_HIGH + 0.01 and hypot(dx, dy) < 0.07:
        return min(ways, key=lambda way: abs(wrap(way - atan2(dy, dx))))
    around = scene_boxes(hand, thing)

    def score(way: float) -> float:
        c, s = cos(way), sin(way)
        along, across = FALLS
        fall = Box(x + along / 2 * c, y + along / 2 * s, along / 2, across / 2, way, 0.0)
        behind = room(x - 0.04 * c, y - 0.04 * s, TOPPLE_HIGH, hand_yaw(way, 0.0), 0.0, around)
        end = Spot(x + 0.08 * c, y + 0.08 * s, 0.0, None)
        return min(behind, 0.02, *(fall.gap(box) for box in around)) + 5 * min(-short_of_reach(end), 0.0) + 5 * allowed(now(hand), end)

    best = max(ways, key=score)
    if score(best) < 0:
        raise Refused(f"There is no room for the {thing.name} to fall: clear what stands around it.")
    return best


LITERALS: tuple[str, ...] = ()
NEEDS: dict[str, tuple[str, ...]] = {"stand_up": ("thing",), "lay_down": ("thing",)}
KINDS: dict[str, tuple[str, ...]] = {"stand_up": ("bar",), "lay_down": ("bar",)}
MOVES: dict[str, Callable[..., Move]] = {"stand_up": stand_up, "lay_down": lay_down}
