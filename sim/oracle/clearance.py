"""Would the hand hit something there? Flat geometry: the hand and the things as upright boxes, seen from above.

Distances are the largest gap along an edge normal of either box (separating axes, Gottschalk 1996): never more than the true
distance, negative where they overlap.
"""

from dataclasses import dataclass
from math import atan2, cos, hypot, pi, sin

from agent.types import Scene, Thing
from sim.fits import FOOT, FOOT_RADIUS, POST_RADIUS
from sim.loose import ELL
from sim.objects import (
    BOWL_BASE,
    BOWL_FLOOR,
    BOWL_HEIGHT,
    BOWL_RADIUS,
    BOWL_WALL,
    BUTTON_X,
    CABINET,
    FRONT_THICK,
    HANDLE_LENGTH,
    HANDLE_TO_INSIDE,
    PANEL,
)
from sim.oracle.handles import console_boxes, store_boxes
from sim.vessels import tray_walls

TIP = 0.0072
"""How far the finger tips reach below the tool centre point, m."""
PALM = 0.039
"""How far the hand's underside is above the tool centre point, m."""
FINGER = (0.019, 0.0143)
"""A finger's section at its tip, across and along the opening direction, m."""
HAND = (0.064, 0.210)
"""The hand's section, the same way."""
DRAWER_WALL_TOP, CAP_TOP = 0.067, 0.05


FAR = 0.06
"""Beyond this nobody asks how far exactly, m."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box: centre x, y, half extents along its own axes, yaw, z of its top, and by how much it is rounded out; m, rad."""

    x: float
    y: float
    hx: float
    hy: float
    yaw: float
    top: float
    radius: float = 0.0

    @property
    def reach(self) -> float:
        return hypot(self.hx, self.hy) + self.radius

    def half(self, ax: float, ay: float) -> float:
        """Half its extent along the unit vector (ax, ay)."""
        c, s = cos(self.yaw), sin(self.yaw)
        return self.hx * abs(ax * c + ay * s) + self.hy * abs(ay * c - ax * s) + self.radius

    def gap(self, other: "Box") -> float:
        """Distance to another box, m; negative if they overlap. Far apart it is only a lower bound."""
        dx, dy = other.x - self.x, other.y - self.y
        best = hypot(dx, dy) - self.reach - other.reach
        if best > FAR:
            return best
        for yaw in (self.yaw, self.yaw + pi / 2, other.yaw, other.yaw + pi / 2, atan2(dy, dx)):
            ax, ay = cos(yaw), sin(yaw)
            best = max(best, abs(dx * ax + dy * ay) - self.half(ax, ay) - other.half(ax, ay))
        return best

    def corners(self) -> list[tuple[float, float]]:
        c, s = cos(self.yaw), sin(self.yaw)
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return [(self.x + a * self.hx * c - b * self.hy * s, self.y + a * self.hx * s + b * self.hy * c) for a, b in signs]


@dataclass(frozen=True, slots=True)
class Ring:
    """The inside of a bowl: whatever is lowered into it must stay within the slanted wall."""

    x: float
    y: float
    bottom: float
    """z of the bowl's foot, m."""
    top: float

    def radius(self, z: float) -> float:
        """Free radius at height z, m."""
        scale = (self.top - self.bottom) / BOWL_HEIGHT
        floor, rim = scale * BOWL_BASE - BOWL_WALL / 2, scale * BOWL_RADIUS - BOWL_WALL
        share = (z - self.bottom - BOWL_FLOOR) / (self.top - self.bottom - BOWL_FLOOR)
        return floor + (rim - floor) * min(max(share, 0.0), 1.0)

    def gap(self, box: Box, z: float) -> float:
        """Room between a box whose underside is at z and the wall, m."""
        if z >= self.top:
            return 1.0
        return self.radius(z) - max(hypot(x - self.x, y - self.y) for x, y in box.corners())


def footprint(thing: Thing) -> Box:
    """Seen from above: a bowl and a cylinder or a cup that stands are round, all else a rectangle."""
    x, y, z = thing.position
    if thing.kind == "bowl" or stands_round(thing):
        return Box(x, y, 0.0, 0.0, 0.0, z + thing.size[2] / 2, thing.size[0] / 2)
    return Box(x, y, thing.size[0] / 2, thing.size[1] / 2, thing.yaw, z + thing.size[2] / 2)


def walls(tray: Thing) -> list[Box]:
    """The low walls around a tray."""
    x, y, z = tray.position
    c, s = cos(tray.yaw), sin(tray.yaw)
    return [Box(x + a * c - b * s, y + a * s + b * c, long / 2, wide / 2, tray.yaw, z + tray.size[2] / 2)
            for _, (long, wide, _), (a, b, _) in tray_walls()]  # fmt: skip


def apart(one: Thing, other: Thing) -> float:
    """How far two things are from each other, seen from above, m; an L is taken for what it is, not for the box around it."""
    return min(a.gap(b) for a in _solids(one) for b in _solids(other))


def _solids(thing: Thing) -> list[Box]:
    whole = footprint(thing)
    if thing.kind != "L":
        return [whole]
    long, wide, thick = ELL
    c, s = cos(thing.yaw), sin(thing.yaw)
    pieces = ((0.0, -wide / 4, long / 2, wide / 4), ((long - thick) / 2, wide / 4, thick / 2, wide / 4))
    return [Box(whole.x + x * c - y * s, whole.y + x * s + y * c, hx, hy, thing.yaw, whole.top) for x, y, hx, hy in pieces]


def stands_round(thing: Thing) -> bool:
    return thing.kind in ("cylinder", "cup", "ring") and abs(thing.size[0] - thing.size[1]) < 1e-3


def bottom(thing: Thing) -> float:
    return thing.position[2] - thing.size[2] / 2


def fingers(x: float, y: float, yaw: float, opening: float) -> list[Box]:
    """The two finger tips of a hand that points down; `opening` between the pads, m."""
    across, along = FINGER
    reach = (opening + along) / 2
    nx, ny = -sin(yaw) * reach, cos(yaw) * reach
    return [Box(x + sign * nx, y + sign * ny, across / 2, along / 2, yaw, 0.0) for sign in (1, -1)]


def under_cabinet(drawer: Thing, x: float) -> float:
    """How far something at x in the drawer is from where the hand still fits down in front of the cabinet, m; negative if it fits."""
    return x - (drawer.position[0] + (drawer.joint or 0.0) + HANDLE_TO_INSIDE - HAND[0] / 2)


def palm(x: float, y: float, yaw: float) -> Box:
    return Box(x, y, HAND[0] / 2, HAND[1] / 2, yaw, 0.0)


def furniture(drawer: Thing) -> list[Box]:
    """The cabinet, and the drawer's front, sides and handle as far as it is out."""
    x, y, _ = drawer.position
    front = x + HANDLE_TO_INSIDE
    out = drawer.joint or 0.0
    depth, width, height = CABINET
    cabinet = Box(front + out + depth / 2, y, depth / 2, width / 2, 0.0, height)
    face = Box(front - FRONT_THICK / 2, y, FRONT_THICK / 2, width / 2, 0.0, height - 0.008)
    fin = Box(front - FRONT_THICK - HANDLE_LENGTH / 2, y, HANDLE_LENGTH / 2, 0.007, 0.0, 0.10)
    sides = [Box(front + out / 2, y + sign * (width / 2 - 0.014), max(out, 0.002) / 2, 0.004, 0.0, DRAWER_WALL_TOP) for sign in (1, -1)]
    return [cabinet, face, fin, *sides]


def panel(button: Thing) -> Box:
    """What the button is built into."""
    x, y, _ = button.position
    return Box(x - BUTTON_X * cos(button.yaw), y - BUTTON_X * sin(button.yaw), PANEL[0] / 2, PANEL[1] / 2, button.yaw, CAP_TOP)


def obstacles(scene: Scene, without: tuple[str, ...] = ()) -> list[Box]:
    """Everything that stands there as boxes, but the table and the things named in `without`."""
    boxes: list[Box] = []
    for thing in scene.things:
        if thing.name in without or thing.kind in ("table", "bay", "zone", "beads"):
            continue
        if thing.kind == "drawer":
            boxes += furniture(thing)
        elif thing.kind == "button":
            boxes.append(panel(thing))
        elif thing.kind == "lid":
            boxes += [Box(*box) for box in store_boxes(thing)]
        elif thing.kind in ("lever", "knob"):
            boxes += [Box(*box) for box in console_boxes(thing)]
        elif thing.kind == "peg":
            boxes += peg_boxes(thing)
        else:
            boxes.append(footprint(thing))
    return boxes


def peg_boxes(peg: Thing) -> list[Box]:
    """The foot and the post."""
    x, y, z = peg.position
    low, high = z - peg.size[2] / 2 + FOOT, z + peg.size[2] / 2
    return [Box(x, y, 0.0, 0.0, 0.0, low, FOOT_RADIUS), Box(x, y, 0.0, 0.0, 0.0, high, POST_RADIUS)]


def room(x: float, y: float, z: float, yaw: float, opening: float, around: list[Box], ring: Ring | None = None) -> float:
    """Smallest distance of fingers and palm to what is around, m, with the tool centre point at x, y, z; at most 3 cm counts."""
    low, high = fingers(x, y, yaw, opening), palm(x, y, yaw)
    best = 0.03
    for box in around:
        if box.top > z - TIP and hypot(box.x - x, box.y - y) < box.reach + 0.10:
            best = min(best, *(box.gap(finger) for finger in low))
        if box.top > z + PALM - 0.003:
            best = min(best, box.gap(high))
    if ring is not None:
        best = min(best, *(ring.gap(finger, z - TIP) for finger in low))
    return best
