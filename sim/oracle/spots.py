"""Where to set a thing down so that "left of the blue bowl" is true and the hand has room. A function of everything but the hand and
the thing itself, so that the spot stays while the thing is on its way; where any free place will do, on the table, of where the thing is as
well, in such a way that whoever goes to the spot is told the same spot all along.
"""

from math import atan2, cos, hypot, inf, pi, radians, sin
from typing import NamedTuple

from agent.errors import hint
from agent.types import Scene, Thing
from sim.loose import HELD, symmetry
from sim.objects import BOWL_FLOOR, CABINET, DRAWER_FLOOR, DRAWER_TRAVEL, HANDLE_LENGTH, HANDLE_TO_INSIDE
from sim.oracle.clearance import Box, bottom, footprint, obstacles, room, under_cabinet, walls
from sim.oracle.imagined import Refused
from sim.vessels import TRAY_FLOOR, TRAY_WALL

AIR = 0.001
"""A thing is let go this far above where it will stand, m."""
BEARINGS = {"left of": pi / 2, "right of": -pi / 2, "behind": 0.0, "in front of": pi}
"""Direction from the target, about world z: left is +y, behind is +x, away from the robot."""
SPREAD = (0, 8, -8, 16, -16, 24, -24, 31, -31)
"""Degrees off the bearing that are tried; up to 35 count as that side."""
GAPS = (0.05, 0.04, 0.065, 0.08, 0.03, 0.02, 0.10)
CLOSE_GAPS = (0.04, 0.032, 0.048, 0.022)
WIDE, CLOSE = 0.08, 0.036
"""The best gap where the side matters, m: from farther away a centimetre less makes another side of it. And where nearness does."""
NEXT_TO = (pi / 2, -pi / 2, pi, 0.0, 3 * pi / 4, -3 * pi / 4, pi / 4, -pi / 4)
NEAREST, FARTHEST = 0.305, 0.74
"""Distances from the base that a hand pointing down reaches at all heights up to CRUISE, m."""
MIDDLE, LEANING = (0.43, -0.10), 0.3
"""The comfortable part of the table, m, and how much a metre nearer to it is worth, in metres that a thing is carried. Below 1 a spot gains
on every other while the thing comes nearer to it."""
ROOMY, SOME, CROWDED = 0.08, 0.035, 3.0
"""Room around a spot on the table that is plenty, and the least, m; and how much further a thing is carried for a metre more of it."""
BASES = ("block", "bar", "cylinder")
"""Kinds with a flat top, where another thing can stand."""
LEDGE, LEVEL = 0.009, 0.003
"""How much of a thing must lie on each of the two that it lies across, and how much these may differ in height, m."""
INSIDE = 0.012
"""How far from the edge of a zone a thing is set down, m."""
BESIDE_IN_BOWL = 0.042
"""What is wider lies alone on a bowl's floor, m."""
RELATIONS = ("in", "on", *BEARINGS, "next to")


class Spot(NamedTuple):
    """Where the centre of a thing should come to rest, m, and its yaw up to so much of a turn, rad (None: any)."""

    x: float
    y: float
    z: float
    yaw: float | None
    turn: float = pi / 2


def find_spot(scene: Scene, thing: Thing, relation: str, target: Thing) -> Spot:
    """The best spot for that sentence; Refused if the sentence makes no sense."""
    rest = [other for other in scene.things if other.name != thing.name]
    others = scene.model_copy(update={"things": tuple(rest)})
    if relation == "in" and target.kind == "bowl":
        return in_bowl(others, thing, target)
    if (relation == "in" and target.kind == "zone") or (relation in ("in", "on") and target.kind == "tray"):
        return in_zone(others, thing, target)
    if relation == "in" and target.kind == "drawer":
        return in_drawer(others, thing, target)
    if relation == "in" and target.kind == "bay":
        return in_bay(others, thing, target)
    if relation == "on" and target.kind == "table":
        return on_table(others, thing)
    if relation == "on" and target.kind in BASES:
        x, y, z = target.position
        if on_it := next((other.name for other in rest if other.kind in HELD and _above(other, target)), None):
            raise Refused(f"The {on_it} stands on the {target.name} already.")
        return Spot(x, y, z + (target.size[2] + thing.size[2]) / 2 + AIR, target.yaw)
    if relation in BEARINGS or relation == "next to":
        return beside(others, thing, relation, target)
    raise Refused(
        f"The oracle cannot put something '{relation}' the {target.name}, which is a {target.kind}. It knows: in a bowl, a tray, a "
        f"drawer or a bay, on a block or the table, {', '.join(BEARINGS)} and next to a thing.{hint(relation, RELATIONS)}"
    )


def in_bowl(scene: Scene, thing: Thing, bowl: Thing) -> Spot:
    """Two side by side on the floor, then two on top of these; whatever lies there otherwise is avoided, or built upon."""
    x, y, _ = bowl.position
    half = thing.size[2] / 2
    inside = [t for t in scene.things if t.kind in HELD and hypot(t.position[0] - x, t.position[1] - y) < bowl.size[0] / 2]
    floor = bottom(bowl) + BOWL_FLOOR
    shift = max(thing.size[:2]) / 2 + 0.0005
    for side in (shift, -shift) if max(thing.size[:2]) < BESIDE_IN_BOWL else (0.0,):
        spot = Spot(x + side, y, floor + half + AIR, 0.0)
        if _footing(spot, thing, [footprint(t) for t in inside]) > -0.001:
            return spot
    bare = [t for t in inside if not any(_above(other, t) for other in inside)]
    lowest = min(bare, key=lambda t: (round(t.position[2], 2), -t.position[0]))
    return Spot(lowest.position[0], lowest.position[1], lowest.position[2] + lowest.size[2] / 2 + half + AIR, lowest.yaw)


def _above(upper: Thing, lower: Thing) -> bool:
    near = hypot(upper.position[0] - lower.position[0], upper.position[1] - lower.position[1]) < 0.03
    return near and upper.position[2] > lower.position[2] + 0.02


def in_drawer(scene: Scene, thing: Thing, drawer: Thing) -> Spot:
    """Across the open part: the slot with the most room for thing and hand, near the middle."""
    x, y, _ = drawer.position
    out = min(drawer.joint or 0.0, DRAWER_TRAVEL)
    along = x + HANDLE_TO_INSIDE + out / 2
    if under_cabinet(drawer, along) > 0:
        raise Refused(f"The {drawer.name} is only {100 * out:.0f} cm out, too little for a hand. Open it first.")
    height = DRAWER_FLOOR + thing.size[2] / 2 + AIR
    slots = [y + side for side in (0.0, 0.06, -0.06, 0.03, -0.03, 0.07, -0.07)]
    blocks = obstacles(scene)
    best = max((Spot(along, slot, height, 0.0) for slot in slots), key=lambda spot: _score(spot, thing, blocks, (0.0,)))
    if _footing(best, thing, blocks) < 0:
        raise Refused(f"The {drawer.name} is full.")
    return best


def in_bay(scene: Scene, thing: Thing, bay: Thing) -> Spot:
    """At the front or at the back, so that two fit, or in the middle if it is wide: the slot with the most room for thing and hand."""
    x, y, floor = bay.position
    height = floor + thing.size[2] / 2 + AIR
    slots = [Spot(x + ahead, y + side, height, 0.0) for ahead in (-0.027, 0.027, 0.0) for side in (0.0, 0.012, -0.012)]
    high = [box for box in obstacles(scene) if box.top > floor + 0.002]
    free = [spot for spot in slots if _footing(spot, thing, high) > 0]
    if not free:
        raise Refused(f"There is no room in the {bay.name}: it is full or covered.")
    return max(free, key=lambda spot: min(_score(spot, thing, high, (0.0,)), 0.01))


def in_zone(scene: Scene, thing: Thing, zone: Thing) -> Spot:
    """Wholly inside a zone or a tray, with room for thing and hand. In a zone well away from its edges, on one side of its middle, so that
    another finds a place beside it; in a tray from the far left corner on."""
    x, y, _ = zone.position
    tray = zone.kind == "tray"
    height, wall = thing.size[2] / 2 + AIR + TRAY_FLOOR * tray, TRAY_WALL if tray else 0.0
    long, wide = (max((extent - max(thing.size[:2])) / 2 - wall - (0.004 if tray else INSIDE), 0.0) for extent in zone.size[:2])
    c, s = cos(zone.yaw), sin(zone.yaw)
    steps = [step / 4 for step in range(-4, 5)]
    spots = [Spot(x + a * long * c - b * wide * s, y + a * long * s + b * wide * c, height, zone.yaw) for a in steps for b in steps]
    around = [*obstacles(scene, (zone.name,)), *(walls(zone) if tray else ())]
    best_at = [(x + long, y + wide)] if tray else [(x + side * long * c, y + side * long * s) for side in (0.75, -0.75)]

    def score(spot: Spot) -> float:
        off = min(hypot(spot.x - there[0], spot.y - there[1]) + 0.01 * rank for rank, there in enumerate(best_at))
        return 10 * min(_score(spot, thing, around), 0.01) + 10 * allowed(scene, spot) - 0.1 * off

    best = max(spots, key=score)
    if _footing(best, thing, around) < 0:
        raise Refused(f"There is no room in the {zone.name} for the {thing.name}: it is full.")
    return best


def on_table(scene: Scene, thing: Thing) -> Spot:
    """A spot on a grid of 4 cm, in no zone, with room around it: near where the thing is and the middle of the table, and not crowded."""
    height, (x, y, _) = thing.size[2] / 2 + AIR, thing.position
    grid = [Spot(0.33 + 0.04 * i, -0.42 + 0.04 * j, height, 0.0) for i in range(7) for j in range(21)]
    around = [*obstacles(scene), *(footprint(zone) for zone in scene.things if zone.kind == "zone")]
    best, least = None, inf
    ways = [(hypot(spot.x - x, spot.y - y) + LEANING * hypot(spot.x - MIDDLE[0], spot.y - MIDDLE[1]), spot) for spot in grid]
    for way, spot in sorted(ways):
        if way >= least:
            break
        free = _footing(spot, thing, around)
        crowded = way + CROWDED * max(ROOMY - free, 0.0)
        if free > SOME and crowded < least and allowed(scene, spot) == 0:
            best, least = spot, crowded
    return best or max(grid, key=lambda spot: _footing(spot, thing, around) + allowed(scene, spot))


def beside(scene: Scene, thing: Thing, relation: str, target: Thing) -> Spot:
    """On the table at the right bearing, in a gap that makes the fact hold, where the hand has room."""
    around = obstacles(scene)
    best, best_score = Spot(0.0, 0.0, 0.0, None), float("-inf")
    middles = NEXT_TO if relation == "next to" else (BEARINGS[relation],)
    x, y = round(target.position[0], 3), round(target.position[1], 3)
    height, wanted = thing.size[2] / 2 + AIR, CLOSE if relation == "next to" else WIDE
    for order, middle in enumerate(middles):
        for off in SPREAD:
            for gap in CLOSE_GAPS if relation == "next to" else GAPS:
                angle = middle + radians(off)
                distance = _touching(thing, target, angle) + gap
                spot = Spot(x + distance * cos(angle), y + distance * sin(angle), height, 0.0)
                score = 100 * min(_score(spot, thing, around), 0.008) + 200 * allowed(scene, spot)
                score -= 0.03 * abs(off) + 0.05 * order + 2 * abs(gap - wanted) + 0.003 * (off < 0)
                if score > best_score:
                    best, best_score = spot, score
    if _footing(best, thing, around) < -0.002:
        raise Refused(f"There is no room for the {thing.name} {relation} the {target.name}: clear what stands there.")
    if short_of_reach(best) > 0.02:
        raise Refused(
            f"There is no spot within reach {relation} the {target.name}: it would be at x {best.x:.2f}, y {best.y:.2f} m, and the arm "
            f"reaches from {NEAREST} to {FARTHEST} m around its base."
        )
    return best


def in_between(scene: Scene, thing: Thing, one: Thing, other: Thing) -> Spot:
    """On the line between two things, nearest to its middle, where the thing and the hand have room."""
    height = thing.size[2] / 2 + AIR
    (ax, ay, _), (bx, by, _) = one.position, other.position
    along = round(atan2(by - ay, bx - ax), 2)
    shares = [0.5 + 0.04 * step for step in (0, 1, -1, 2, -2, 3, -3, 4, -4)]
    spots = [Spot(round(ax + share * (bx - ax), 3), round(ay + share * (by - ay), 3), height, along) for share in shares]
    return on_line(scene, thing, spots, along, f"between the {one.name} and the {other.name} for the {thing.name}")


def in_line(scene: Scene, thing: Thing, one: Thing, other: Thing) -> Spot:
    """Beyond the other, on the line from one to the other, in a gap like theirs if thing and hand have room there."""
    height = thing.size[2] / 2 + AIR
    (ax, ay, _), (bx, by, _) = one.position, other.position
    along = round(atan2(by - ay, bx - ax), 2)
    c, s = cos(along), sin(along)
    gaps = sorted(GAPS, key=lambda gap: abs(gap - footprint(one).gap(footprint(other))))
    steps = [_touching(thing, other, along) + gap for gap in gaps]
    spots = [Spot(round(bx + step * c, 3), round(by + step * s, 3), height, along) for step in steps]
    return on_line(scene, thing, spots, along, f"for the {thing.name} in line with the {one.name} and the {other.name}")


def on_line(scene: Scene, thing: Thing, spots: list[Spot], along: float, where: str) -> Spot:
    """The first of the spots on a line in that direction, or one near it where thing and hand have more room; Refused if none will do."""
    rest = scene.model_copy(update={"things": tuple(each for each in scene.things if each.name != thing.name)})
    around = obstacles(rest)

    def score(spot: Spot) -> float:
        room_there = _score(spot, thing, around, (along, along + pi / 2))
        return 10 * min(room_there, 0.008) + 10 * allowed(rest, spot) - hypot(spot.x - spots[0].x, spot.y - spots[0].y)

    best = max(spots, key=score)
    if _footing(best, thing, around) < 0.002 or short_of_reach(best) > 0.02:
        raise Refused(f"There is no room {where}.")
    return best


def across(scene: Scene, thing: Thing, one: Thing, other: Thing) -> Spot:
    """On both, over the middle of what is between them, its long side from the one to the other."""
    (ax, ay, az), (bx, by, bz) = one.position, other.position
    along = round(atan2(by - ay, bx - ax), 2)
    c, s = cos(along), sin(along)
    near, far = footprint(one).half(c, s), hypot(bx - ax, by - ay) - footprint(other).half(c, s)
    tops = az + one.size[2] / 2, bz + other.size[2] / 2
    on_each = (thing.size[0] - (far - near)) / 2
    if on_each < LEDGE or abs(tops[0] - tops[1]) > LEVEL:
        raise Refused(f"The {thing.name} cannot lie across the {one.name} and the {other.name}: too far apart, or not of one height.")
    middle = (near + far) / 2
    period = symmetry(thing.kind, thing.size) or pi / 2
    return Spot(round(ax + middle * c, 3), round(ay + middle * s, 3), max(tops) + thing.size[2] / 2 + AIR, along, min(period, pi))


def _touching(thing: Thing, target: Thing, angle: float) -> float:
    """Distance between the centres when thing (at yaw 0) and target touch in that direction, m."""
    half = max(thing.size[:2]) / 2
    own = Box(0.0, 0.0, half, half, 0.0, 0.0)
    other = target.size[0] / 2 if target.kind == "bowl" else footprint(target).half(cos(angle), sin(angle))
    return own.half(cos(angle), sin(angle)) + other


def _footing(spot: Spot, thing: Thing, around: list[Box]) -> float:
    """Smallest gap between the thing, standing there, and everything else, m."""
    half = max(thing.size[:2]) / 2
    own = Box(spot.x, spot.y, half, half, spot.yaw or 0.0, 0.0)
    return min((own.gap(box) for box in around), default=1.0)


def _score(spot: Spot, thing: Thing, around: list[Box], yaws: tuple[float, ...] = (0.0, pi / 2)) -> float:
    """Room for the thing itself and for the hand that brings it, in the better of its yaws, m."""
    opening = max(thing.size[:2]) + 0.03
    hand = max(room(spot.x, spot.y, spot.z, yaw, opening, around) for yaw in yaws)
    return min(hand, _footing(spot, thing, around))


def short_of_reach(spot: Spot) -> float:
    """How far a spot is outside what a hand that points down can reach, m; negative inside."""
    away = hypot(spot.x, spot.y)
    return max(NEAREST - away, away - FARTHEST, 0.17 - spot.x, abs(spot.y) - 0.57)


def allowed(scene: Scene, spot: Spot) -> float:
    """0 where a thing may stand; less out of reach, and where a drawer would sweep it away, m short."""
    lack = max(short_of_reach(spot), abs(spot.y) - 0.50, 0.0)
    for drawer in scene.things:
        if drawer.kind == "drawer":
            x, y, _ = drawer.position
            shut = x + (drawer.joint or 0.0)
            nose = shut + HANDLE_TO_INSIDE - 0.010 - HANDLE_LENGTH - DRAWER_TRAVEL - 0.03
            if spot.x > nose and abs(spot.y - y) < CABINET[1] / 2 + 0.03:
                lack = max(lack, 0.05)
    return -lack
