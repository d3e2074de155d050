"""Pushing with closed fingers and turning on the spot: things that stay on the table."""

from collections.abc import Callable
from functools import partial
from math import atan2, cos, hypot, pi, radians, sin

import numpy as np

from agent.types import Scene, Thing
from sim.loose import BLOCKS, symmetry
from sim.oracle.clearance import FINGER, PALM, TIP, Box, apart, footprint, obstacles, room
from sim.oracle.grasps import FARTHEST, choose_grasp, sides
from sim.oracle.imagined import DT, FULL, Imagined, Refused, Vector, hold, span, wrap
from sim.oracle.motion import LEAD, Move, over, rise, stay
from sim.oracle.moves import leave, lifted, noted, now, pick, put_away, seize, set_down
from sim.oracle.spots import Spot, across, in_between, in_line, short_of_reach

DIRECTIONS = {"away": 0.0, "left": pi / 2, "near": pi, "right": -pi / 2}
"""About world z, rad."""
FAR_ENOUGH, TURNED, END = 0.108, radians(64), 1.6
"""How far a thing is pushed, m, and turned, rad: a little more than is asked for, and no farther than until it has been told; and the
hand's yaw up to which it turns, to the left, rad."""
TOLD_PUSH, TOLD_TURN = 10, 12
"""Events that tell of enough."""
STEP_M = 0.01
"""What one event of a push tells."""
LATELY, ELL_LATELY, TURN_LATELY = 80, 160, 200
"""Ticks over which what has been done is counted: a push; that of an L, which turns on the way and is gone after; a turn."""
DOWN = 0.06
"""Lower than this, m, the hand is pushing already, and no longer asks whether it may; nor when something has come of it."""
PRESSED = 0.006
"""How far one thing is imagined to be pushed into another, m, before the scene is asked again."""
WAYS = tuple(k * pi / 8 for k in range(-7, 9))
"""Directions that are tried to get a thing out of a zone, rad."""
PUSHING, BEHIND = 0.11, 0.012
"""Speed, m/s, and how far behind a thing the fingers come down, m."""
ELL_WEIGHT, HOLLOW = (0.0075, -0.0075), 0.04
"""Where the weight of an L is in its own frame, and how deep the fingers may come into its corner before they touch it, m."""
WRIST = (-2.0, 2.5)
"""Least yaw of the hand beyond a thing's bearing, and the most, rad."""
SPIN = 0.8
"""rad/s."""


def lately(scene: Scene, ticks: int, *fact: str) -> int:
    """How often something happened in the last `ticks`."""
    return sum(happened == fact and tick > scene.tick - ticks for tick, happened in scene.events)


def push(hand: Imagined, name: str, direction: str) -> Move:
    """From behind, 10 cm in one direction."""
    if hand.held is not None:
        return put_away(hand)
    thing, angle = hand.things[name], DIRECTIONS[direction]
    start = noted(hand, ("start", name), lambda: thing.position)
    gone = (thing.position[0] - start[0]) * cos(angle) + (thing.position[1] - start[1]) * sin(angle)
    told = lately(hand.scene, ELL_LATELY if thing.kind == "L" else LATELY, "moved", name, direction)
    gone += STEP_M * told
    if gone > FAR_ENOUGH or told >= TOLD_PUSH:
        return rise(hand, lifted(hand), 0.0)
    if hand.tcp[2] > DOWN and not told:
        noted(hand, ("way", name), lambda: check_way(now(hand), thing, angle, FAR_ENOUGH - gone))
    return shove(hand, thing, angle)


def push_out(hand: Imagined, name: str, zone: str) -> Move:
    """From behind, until no part of the thing is in the zone: the shortest way that is free, and on with it once begun."""
    if hand.held is not None:
        return put_away(hand)
    thing, goal = hand.things[name], hand.things[zone]
    if to_leave(thing, goal, None) < 0:
        return rise(hand, lifted(hand), 0.0)
    return shove(hand, thing, noted(hand, ("way", name), lambda: way_out(now(hand), hand, thing, goal)))


def to_leave(thing: Thing, zone: Thing, angle: float | None) -> float:
    """How far a thing has to be pushed that way until it is out of a zone, m; without a way: along the zone's nearest side."""
    dx, dy = thing.position[0] - zone.position[0], thing.position[1] - zone.position[1]
    needed = (max(zone.size[:2]) + hypot(*thing.size[:2])) / 2 + 0.004
    shortest = float("inf")
    for side in range(4):
        ax, ay = cos(zone.yaw + side * pi / 2), sin(zone.yaw + side * pi / 2)
        pace = 1.0 if angle is None else ax * cos(angle) + ay * sin(angle)
        if pace > 0.1:
            shortest = min(shortest, (needed - dx * ax - dy * ay) / pace)
    return shortest


def way_out(scene: Scene, hand: Imagined, thing: Thing, zone: Thing) -> float:
    """The angle, about world z, rad: of a hand that is down already the one it pushes in. Refused where every way is blocked."""
    if hand.tcp[2] < DOWN:
        mx, my = weight(thing)
        ahead = atan2(my - hand.tcp[1], mx - hand.tcp[0])
        return min(WAYS, key=lambda angle: abs(wrap(angle - ahead)))
    refusal = Refused(f"There is no way to push the {thing.name} out of the {zone.name}.")
    for angle in sorted(WAYS, key=lambda angle: to_leave(thing, zone, angle)):
        try:
            check_way(scene, thing, angle, to_leave(thing, zone, angle))
            return angle
        except Refused as blocked:
            refusal = blocked
    raise refusal


def push_against(hand: Imagined, name: str, other: str) -> Move:
    """From behind, straight towards another thing, until the scene says that they touch."""
    if hand.held is not None:
        return put_away(hand)
    thing, goal = hand.things[name], hand.things[other]
    gap = apart(thing, goal)
    first = noted(hand, ("gap", name), lambda: gap)
    if ("touching", name, other) in hand.scene.facts or gap < min(first, 0.0) - PRESSED:
        return rise(hand, lifted(hand), 0.0)
    angle = atan2(goal.position[1] - thing.position[1], goal.position[0] - thing.position[0])
    if hand.tcp[2] > DOWN:
        noted(hand, ("way", name), lambda: check_way(now(hand), thing, angle, gap, target=other))
    return shove(hand, thing, angle)


def push_into(hand: Imagined, name: str, zone: str) -> Move:
    """From behind, towards the middle of a zone, until the thing lies in it."""
    if hand.held is not None:
        return put_away(hand)
    thing, goal = hand.things[name], hand.things[zone]
    if lies_in(thing, goal):
        return rise(hand, lifted(hand), 0.0)
    dx, dy = goal.position[0] - thing.position[0], goal.position[1] - thing.position[1]
    angle = atan2(dy, dx)
    if hand.tcp[2] > DOWN:
        noted(hand, ("way", name), lambda: check_way(now(hand), thing, angle, hypot(dx, dy) - 0.03))
    return shove(hand, thing, angle)


def lies_in(thing: Thing, zone: Thing) -> bool:
    """Is all of the thing's outline in the zone, with a little to spare?"""
    c, s = cos(zone.yaw), sin(zone.yaw)
    dx, dy = thing.position[0] - zone.position[0], thing.position[1] - zone.position[1]
    box = footprint(thing)
    along, across = abs(dx * c + dy * s) + box.half(c, s), abs(dy * c - dx * s) + box.half(-s, c)
    return along < zone.size[0] / 2 - 0.002 and across < zone.size[1] / 2 - 0.002


def check_way(scene: Scene, thing: Thing, angle: float, distance: float, spare: float = 0.0, target: str = "") -> bool:
    """Refused where the fingers find no room behind a thing, or something else than its target stands in its way, or it would leave the
    arm's reach; all with so much to spare, m."""
    c, s = cos(angle), sin(angle)
    x, y, _ = thing.position
    around = obstacles(scene, (thing.name, target))
    far = max(distance, 0.0)
    start_x, start_y, height = behind(thing, angle)
    start, last = (start_x, start_y), (start_x + c * (BEHIND + far), start_y + s * (BEHIND + far))
    end = (x + c * far, y + s * far)
    middle = Box((x + end[0]) / 2, (y + end[1]) / 2, far / 2, footprint(thing).half(-s, c), angle, 0.0)
    ahead = Box(end[0] + c * 0.01, end[1] + s * 0.01, footprint(thing).half(c, s), footprint(thing).half(-s, c), angle, 0.0)
    if any(short_of_reach(Spot(*at, 0.0, None)) > -spare for at in (start, last)):
        raise Refused(f"The {thing.name} cannot be pushed there: that is beyond the arm's reach.")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        hx, hy = start[0] + share * (last[0] - start[0]), start[1] + share * (last[1] - start[1])
        if room(hx, hy, height, hand_yaw(angle, 0.0), 0.0, around) < spare - 0.002:
            raise Refused(f"There is no room for the hand behind the {thing.name}: clear what stands around it.")
    if any(min(box.gap(middle), box.gap(ahead)) < spare for box in around):
        raise Refused(f"Something stands in the way of the {thing.name}: clear it, or push in another direction.")
    return True


def low(thing: Thing) -> float:
    """Height of the tool centre point for pushing, m: the tips just above the table, the palm above the thing."""
    return max(TIP + 0.006, thing.size[2] - PALM + 0.006)


def hand_yaw(angle: float, yaw: float, least: float = -FARTHEST, most: float = FARTHEST) -> float:
    """The yaw nearest to `yaw` of a hand whose two fingers stand side by side across a direction, between what the wrist can do; of two
    that are as near from home, always the same."""
    options = [a for a in (wrap(angle), wrap(angle + pi)) if least <= a <= most] or [wrap(angle, pi)]
    return min(options, key=lambda option: abs(option - yaw - 0.3))


def weight(thing: Thing) -> tuple[float, float]:
    """Where its weight is, x and y, m: so that it does not turn when it is pushed there."""
    x, y, _ = thing.position
    if thing.kind != "L":
        return x, y
    c, s = cos(thing.yaw), sin(thing.yaw)
    ahead, aside = ELL_WEIGHT
    return x + ahead * c - aside * s, y + ahead * s + aside * c


def back_of(thing: Thing, angle: float) -> float:
    """From its weight back to where the fingers touch it that way, m."""
    c, s = cos(angle), sin(angle)
    mx, my = weight(thing)
    return footprint(thing).half(c, s) + FINGER[0] / 2 + (mx - thing.position[0]) * c + (my - thing.position[1]) * s


def behind(thing: Thing, angle: float) -> tuple[float, float, float]:
    """Where the fingers come down to push a thing that way, base frame, m."""
    (mx, my), back = weight(thing), back_of(thing, angle) + BEHIND
    return mx - cos(angle) * back, my - sin(angle) * back, low(thing)


def shove(hand: Imagined, thing: Thing, angle: float) -> Move:
    """Come down behind it, then go straight on, keeping the fingers behind its weight."""
    c, s = cos(angle), sin(angle)
    (mx, my), back = weight(thing), back_of(thing, angle)
    dx, dy = hand.tcp[0] - mx, hand.tcp[1] - my
    along, aside = dx * c + dy * s + back, dy * c - dx * s
    yaw, height = hand_yaw(angle, hand.yaw, *wrist(thing)), low(thing)
    close = -BEHIND - 0.004 < along < (HOLLOW if thing.kind == "L" else 0.010)
    above = hand.tcp[2] - height
    if along > -0.004:  # in touch: what is off is put right on the way
        there = close and abs(aside) < footprint(thing).half(-s, c) - 0.005 and -0.008 < above < 0.02
    else:
        there = close and abs(aside) < 0.006 and abs(above) < 0.006
    if not (there and abs(wrap(yaw - hand.yaw)) < 0.15 and hand.width < 0.008):
        return over(hand, np.array(behind(thing, angle)), yaw, 0.0)
    ahead = max(along + PUSHING * DT, 0.0)
    x, y, z = thing.position
    hand.things[thing.name] = thing.model_copy(update={"position": (x + c * ahead, y + s * ahead, z)})
    steer = float(np.clip(-2.0 * aside, -0.03, 0.03))
    velocity = np.array([PUSHING * c - steer * s, PUSHING * s + steer * c, 3.0 * (height - hand.tcp[2])])
    return Move(velocity, np.array([0.0, 0.0, float(np.clip(2.0 * wrap(yaw - hand.yaw), -0.5, 0.5))]), 0.0)


def turn(hand: Imagined, name: str, side: str) -> Move:
    """Grasp it where it stands, turn the wrist on to END, let go; again if it was not enough. What is held does not tell how far it has
    been turned, so the hand begins far enough from there if it can."""
    thing = hand.things[name]
    if lately(hand.scene, TURN_LATELY, "turned", name, side) >= TOLD_TURN:
        return release(hand, name)
    least, most = wrist(thing)
    sign, end = (1.0, max(END, least + pi + 0.05)) if side == "left" else (-1.0, max(-END, least + 0.03))

    def left(yaw: float) -> float:
        """How far it is from there to the end, rad; less than nothing where the wrist has gone through the back."""
        through = yaw < least - 0.3 if sign > 0 else yaw > most + 0.3
        return sign * (end - yaw) - 2 * pi * through

    if hand.held == name:
        return spin(hand, sign * left(hand.yaw)) if left(hand.yaw) > 0.03 else release(hand, name)
    return take(hand, thing, lambda yaw: min(left(yaw), TURNED + 0.1))


def align(hand: Imagined, name: str, other: str) -> Move:
    """Turn it where it stands until it is parallel to the other."""
    thing, model = hand.things[name], hand.things[other]
    period = min(symmetry(thing.kind, thing.size) or pi, symmetry(model.kind, model.size) or pi)
    off, (least, most) = wrap(model.yaw - thing.yaw, period), wrist(thing)
    if abs(off) < radians(1.5):
        return release(hand, name)

    def way(yaw: float) -> float:
        """The smallest turn that the wrist can make from there, rad."""
        ways = [off + k * period for k in (0, -1, 1) if least <= yaw + off + k * period <= most]
        return min(ways, key=abs, default=off)

    if hand.held == name:
        return spin(hand, way(hand.yaw))
    return take(hand, thing, lambda yaw: -abs(way(yaw)) - 9.0 * (not least <= yaw + way(yaw) <= most))


def wrist(thing: Thing) -> tuple[float, float]:
    """Between which yaws the hand can turn where a thing is, rad: the last joint ends sooner on one side, and depends on the bearing."""
    x, y = hold(thing)
    return atan2(y, x) + WRIST[0], WRIST[1]


def by_two(spot_for: Callable[[Scene, Thing, Thing, Thing], Spot], hand: Imagined, name: str, one: str, other: str) -> Move:
    """Put what is held at a spot that two things tell; what was lost on the way is fetched again."""
    if hand.held is not None and hand.held != name:
        return put_away(hand)
    thing = hand.things[name]
    spot = noted(hand, (spot_for, name), lambda: spot_for(now(hand), thing, hand.things[one], hand.things[other]))
    if hand.held == name:
        return set_down(hand, thing, spot)
    x, y, z = thing.position
    there = hypot(x - spot.x, y - spot.y) < 0.02 and abs(z - spot.z) < 0.01
    return leave(hand) if there else pick(hand, name)


def take(hand: Imagined, thing: Thing, prefer: Callable[[float], float]) -> Move:
    """Grasp a thing in the way that leaves the wrist the most of what is preferred; then the one with the smaller turn."""
    if hand.held is not None:
        return put_away(hand)

    def decide() -> tuple[float, float, float]:
        grasp = choose_grasp(now(hand), thing, hand.yaw)
        least, most = wrist(thing)
        halves = [yaw + k * pi for yaw in sides(thing) for k in (0, -1, 1)]
        yaw = max((yaw for yaw in halves if least <= yaw <= most), key=lambda option: prefer(option) - 0.01 * abs(option - hand.yaw))
        return yaw, min(span(thing, yaw) + 0.02, FULL), grasp.z

    yaw, opening, height = noted(hand, ("hold", thing.name), decide)
    goal = np.array([*hold(thing), height])
    return seize(hand, goal, yaw, opening, span(thing, hand.yaw)) or over(hand, goal, yaw, opening)


def spin(hand: Imagined, by: float) -> Move:
    """Turn the closed hand about the vertical where it is."""
    rate = np.sign(by) * min(SPIN, 0.1 + 4 * abs(by), abs(by) / DT / LEAD)
    still: Vector = np.zeros(3)
    return Move(still, np.array([-2.0 * hand.turn[0], -2.0 * hand.turn[1], rate]), 0.0)


def release(hand: Imagined, name: str) -> Move:
    """Open where it is, then rise."""
    if hand.held == name:
        return stay(min(span(hand.things[name], hand.yaw) + 0.02, FULL))
    return put_away(hand) if hand.held else leave(hand)


FLAT = tuple(kind for kind in BLOCKS if kind not in ("cylinder", "ring"))
"""Kinds of which one can see how they are turned."""
TWO = ("thing", "one", "other")
NEEDS: dict[str, tuple[str, ...]] = {
    "push": ("thing", "direction"), "push_into": ("thing", "zone"), "push_out": ("thing", "zone"), "push_against": ("thing", "other"),
    "rotate": ("thing", "side"), "align": ("thing", "other"), "between": TWO, "in_line": TWO, "across": TWO,
}  # fmt: skip
KINDS: dict[str, tuple[str, ...]] = dict.fromkeys(NEEDS, BLOCKS) | {"rotate": FLAT, "align": FLAT}
LITERALS = ("direction", "side")
MOVES: dict[str, Callable[..., Move]] = {
    "push": push, "push_into": push_into, "push_out": push_out, "push_against": push_against, "rotate": turn, "align": align,
    "between": partial(by_two, in_between), "in_line": partial(by_two, in_line), "across": partial(by_two, across),
}  # fmt: skip
