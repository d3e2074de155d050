"""Which way the fingers should face, and how wide and how high: the choice with the most room, then the smaller turn."""

from math import atan2, hypot, pi
from typing import NamedTuple

from agent.types import Scene, Thing
from sim.oracle.clearance import TIP, Box, Ring, bottom, footprint, obstacles, room, stands_round, walls
from sim.oracle.imagined import FULL, Refused, grip_height, hold, span, wrap

QUARTER = pi / 2
FARTHEST, WRIST = 1.75, 1.95
"""Largest yaw of the hand, a little more than a quarter turn; and how far it may lag behind the direction of the arm, rad."""
ASKEW = 0.12
"""How far from square a thing may be set down, rad."""
ENOUGH = 0.008
"""More room than this, m, is no better."""
NO_ROOM = -0.015
"""With this little, m, the hand would surely hit something."""
TIGHT = 0.003
"""With less room than this, m, another way is looked for."""
RELEASE = (0.03, 0.02, 0.012)
"""How much wider than the thing the fingers may open to let go, m."""
WIDEST = 0.068
"""What is wider than this is not grasped that way, m."""
SPARE = (0.04, 0.022, 0.012)
"""How much wider than the thing the fingers may come down, m."""


class Grasp(NamedTuple):
    yaw: float
    opening: float
    z: float
    """Height of the tool centre point, m."""


def quarters(angle: float) -> list[float]:
    """All hand yaws within reach that equal `angle` up to quarter turns."""
    start = wrap(angle, QUARTER)
    return [start + k * QUARTER for k in (-1, 0, 1) if abs(start + k * QUARTER) <= FARTHEST]


def sides(thing: Thing) -> list[float]:
    """Hand yaws that take a thing squarely: a cylinder anyhow, a cup by two of its eight sides, a prism by its ends, an L by its long
    leg, a bar across."""
    if thing.kind == "cup":
        return [yaw for turn in (0.0, pi / 4) for yaw in quarters(thing.yaw + turn)]
    if thing.kind == "ring":
        return [yaw for turn in (0.0, pi / 4) for yaw in quarters(thing.yaw + turn)]
    if stands_round(thing):
        return skewed()
    if thing.kind in ("prism", "L"):
        across = thing.yaw + QUARTER * (thing.kind == "prism")
        return [yaw for yaw in quarters(thing.yaw) if abs(wrap(yaw - across, pi)) < QUARTER / 2]
    return [yaw for yaw in quarters(thing.yaw) if span(thing, yaw) < WIDEST] or quarters(thing.yaw)


def reachable(yaws: list[float], x: float, y: float) -> list[float]:
    """Those that the wrist can turn to with the hand at (x, y): its last joint ends at 2.9 rad."""
    return [yaw for yaw in yaws if yaw > atan2(y, x) - WRIST] or yaws


def nearly(yaws: list[float], x: float, y: float) -> list[float]:
    """The same for setting down, where a little askew will do: what is just out of reach is taken as far as the wrist goes, or a held
    thing that sits not quite square in the hand would change its mind on the way."""
    end = atan2(y, x) - WRIST
    return [max(yaw, end) for yaw in yaws if yaw > end - ASKEW] or yaws


def skewed() -> list[float]:
    """Hand yaws in steps of 5°, for places where no square grasp fits."""
    return [k * pi / 36 for k in range(-18, 19)]


def bowl_around(scene: Scene, x: float, y: float, without: str = "") -> Thing | None:
    """The bowl whose rim encloses the point."""
    bowls = (thing for thing in scene.things if thing.kind == "bowl" and thing.name != without)
    return next((bowl for bowl in bowls if hypot(bowl.position[0] - x, bowl.position[1] - y) < bowl.size[0] / 2), None)


def tray_around(scene: Scene, x: float, y: float) -> Thing | None:
    """The tray that the point is over."""
    return next((thing for thing in scene.things if thing.kind == "tray" and footprint(thing).gap(Box(x, y, 0, 0, 0, 0)) < 0), None)


def ring_of(bowl: Thing) -> Ring:
    x, y, z = bowl.position
    return Ring(x, y, bottom(bowl), z + bowl.size[2] / 2)


def surroundings(scene: Scene, name: str, x: float, y: float) -> tuple[list[Box], Ring | None]:
    """What the hand must keep clear of when it brings or takes `name` at (x, y)."""
    bowl, tray = bowl_around(scene, x, y), tray_around(scene, x, y)
    without = (name, *(vessel.name for vessel in (bowl, tray) if vessel))
    return [*obstacles(scene, without), *(walls(tray) if tray else ())], ring_of(bowl) if bowl else None


def choose_grasp(scene: Scene, thing: Thing, yaw: float) -> Grasp:
    """How to grasp a thing where it lies, for a hand that has that yaw now. Raises Refused where the hand does not fit."""
    x, y = hold(thing)
    z = thing.position[2]
    around, ring = surroundings(scene, thing.name, x, y)
    height = max(z + (0.007 if ring else 0.0) + grip_height(thing), bottom(thing) + TIP + 0.006)

    def score(grasp: Grasp) -> float:
        space = min(room(x, y, height, grasp.yaw, grasp.opening, around, ring), ENOUGH)
        skew = 0.0 if stands_round(thing) else abs(wrap(grasp.yaw - thing.yaw, QUARTER))
        return 100 * space - 0.15 * abs(wrap(grasp.yaw - yaw)) - skew + 10 * min(grasp.opening - span(thing, grasp.yaw), 0.03)

    def best(yaws: list[float]) -> Grasp:
        options = [Grasp(a, min(span(thing, a) + spare, FULL), height) for a in reachable(yaws, x, y) for spare in SPARE]
        return max(options, key=score)

    def free(grasp: Grasp) -> float:
        return room(x, y, height, grasp.yaw, grasp.opening, around, ring)

    square = best(sides(thing))
    if free(square) > TIGHT or thing.kind != "block":
        return square
    found = max(square, best(skewed()), key=score)
    if free(found) < NO_ROOM:
        raise Refused(f"There is no room for the hand to grasp the {thing.name}: clear what stands on it or around it, or open its drawer.")
    return found


def choose_yaw(scene: Scene, thing: Thing, place: tuple[float, float, float], options: list[float], yaw: float) -> float:
    """The hand's yaw for setting a held thing down with the tool centre point at `place`, m: room first, then the smaller turn."""
    x, y, z = place
    around, ring = surroundings(scene, thing.name, x, y)
    opening = span(thing, yaw) + RELEASE[-1]

    def score(option: float) -> float:
        return 100 * min(room(x, y, z, option, opening, around, ring), ENOUGH) - 0.15 * abs(wrap(option - yaw))

    return max(nearly(options, x, y), key=score)


def choose_release(scene: Scene, thing: Thing, place: tuple[float, float, float], yaw: float) -> float:
    """How far to open for letting go there, m: wide, but not into what stands around."""
    x, y, z = place
    around, ring = surroundings(scene, thing.name, x, y)
    wide = span(thing, yaw)
    fits = (wide + spare for spare in RELEASE if room(x, y, z, yaw, wide + spare, around, ring) > TIGHT)
    return min(next(fits, wide + RELEASE[-1]), FULL)
