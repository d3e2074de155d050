"""Things that fit into or onto each other: a fixture with a recess for an L, and pegs for rings. Lengths in m, masses in kg."""

from collections.abc import Iterable, Mapping
from functools import cache
from math import cos, hypot, pi, radians, sin, tan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim import objects
from sim.meshes import cached_file

if TYPE_CHECKING:
    from sim.bench import Item

XYZ = tuple[float, float, float]
Vector = NDArray[np.float64]
Poses = Mapping[str, tuple[Vector, Vector]]
"""Position float64[3], m, and rotation float64[3, 3] in the world frame, by name."""

PLAY = {"fixture": 0.004, "tight fixture": 0.002}
"""Fixtures by name: how much longer and wider the recess is than the L."""
BORDER, FLOOR, DEEP = 0.018, 0.003, 0.012
"""Of a fixture: how wide it is around the recess, how thick below it, and how deep the recess is."""
FIXTURE: XYZ = (0.126, 0.096, FLOOR + DEEP)
SEATED_DEPTH, SEATED_RAD = 0.003, radians(6)
"""An L is in a fixture when it is no higher above the floor of the recess than this, and no more turned or tilted."""

PEGS = {"left peg": 1, "middle peg": 0, "right peg": -1}
"""Pegs and their side."""
SPACING = 0.12
"""From one peg to the next."""
FOOT_RADIUS, FOOT, POST_RADIUS = 0.040, 0.007, 0.007
PEG: XYZ = (2 * FOOT_RADIUS, 2 * FOOT_RADIUS, 0.055)
"""A post on a round foot: low enough for the hand to take a ring off its foot, high enough for three."""
RINGS = {"small": 0.046, "": 0.056, "large": 0.066}
"""How wide rings are from flat to flat, by the word before their colour."""
HOLE, RING_TALL, SIDES = 0.013, 0.015, 8
"""The hole's smallest radius, the height of a ring, and how many flats it has outside."""
UPRIGHT = cos(radians(15))
LOWERED = 0.002
"""By how much every other piece of a ring is less high."""
ENTERED = 0.006
"""A ring that is lower than the top of a post by this is on it."""

RACK, FIXTURES = ((0.49, 0.53), (-0.10, -0.02)), ((0.38, 0.46), (-0.30, 0.04))
"""Where the middle of a row of pegs is, and where a fixture stands, ((x, x), (y, y)), m; on the other side in a mirrored look."""
BESIDE_PEG = 0.02
"""From a peg's foot to what else stands there at the beginning."""

STEEL, SLATE, BEECH = (0.70, 0.72, 0.75), (0.30, 0.33, 0.37), (0.71, 0.50, 0.32)
FIXED = {**dict.fromkeys(PLAY, FIXTURE), **dict.fromkeys(PEGS, PEG)}
"""What stands fast, by name, and its full extents."""


def kind(name: str) -> str:
    """Its last word: "fixture" or "peg", of what stands fast."""
    return name.rpartition(" ")[2]


def fixture(name: str, ell: XYZ) -> str:
    """A plate with a recess in the shape of an L of these extents, as URDF text; its frame is the middle of its extents."""
    long, wide, tall = ell
    spare = PLAY[name] / 2
    x, y, half = long / 2 + spare, wide / 2 + spare, FIXTURE[2] / 2
    deep = FLOOR - half + DEEP / 2
    plate = objects._solid(objects._box((FIXTURE[0], FIXTURE[1], FLOOR)), (0, 0, FLOOR / 2 - half), SLATE)
    parts = objects._link("base", plate, 0.0)
    edge_x, edge_y = FIXTURE[0] / 2 - x, FIXTURE[1] / 2 - y
    inner = (long - tall, wide / 2)
    walls: dict[str, tuple[float, float, float, float]] = {
        "east": (x + edge_x / 2, 0, edge_x, FIXTURE[1]), "west": (-x - edge_x / 2, 0, edge_x, FIXTURE[1]),
        "north": (0, y + edge_y / 2, 2 * x, edge_y), "south": (0, -y - edge_y / 2, 2 * x, edge_y),
        "corner": (inner[0] / 2 - x, y - inner[1] / 2, inner[0], inner[1]),
    }  # fmt: skip
    for wall, (at_x, at_y, size_x, size_y) in walls.items():
        parts += objects._part("base", wall, objects._box((size_x, size_y, DEEP)), 0.0, (at_x, at_y, deep), STEEL)
    return objects._robot("fixture", parts)


@cache
def peg() -> str:
    """A post on a foot, as URDF text; its frame is the middle of its extents."""
    half, bevel = PEG[2] / 2, 0.004
    profile = [(0.0, -half), (FOOT_RADIUS, -half), (FOOT_RADIUS, FOOT - half - 0.002), (FOOT_RADIUS - 0.002, FOOT - half),
               (POST_RADIUS, FOOT - half), (POST_RADIUS, half - bevel), (POST_RADIUS - bevel, half), (0.0, half)]  # fmt: skip
    seen = objects._visual(f'<mesh filename="{cached_file(objects.revolved(profile, 32), ".obj")}"/>', (0, 0, 0), BEECH)
    foot = f"<collision>{objects._origin((0, 0, FOOT / 2 - half))}{objects._geometry(_cylinder(FOOT_RADIUS, FOOT))}</collision>"
    touched = objects._part("base", "post", _cylinder(POST_RADIUS, PEG[2] - FOOT), 0.0, (0, 0, FOOT / 2), None)
    return objects._robot("peg", objects._link("base", seen + foot, 0.0) + touched)


def ring(wide: float, rgb: objects.RGB, density: float) -> str:
    """Eight convex pieces around a hole, seen as a round ring, as URDF text; its frame is its middle. It stands on every other piece: on
    all of them a stack of rings would have hundreds of contacts."""
    outer = wide / 2
    seen = objects._visual(f'<mesh filename="{cached_file(_ring_mesh(outer), ".obj")}"/>', (0, 0, 0), rgb)
    thick, along = outer - HOLE, 2 * outer * tan(pi / SIDES)
    mass = density * RING_TALL * SIDES * tan(pi / SIDES) * (outer**2 - HOLE**2)
    parts = objects._link("base", seen, 0.002)
    for side in range(SIDES):
        angle = 2 * pi * side / SIDES
        where = ((outer + HOLE) / 2 * cos(angle), (outer + HOLE) / 2 * sin(angle), 0)
        piece = objects._box((thick, along, RING_TALL - LOWERED * (side % 2)))
        parts += objects._part("base", f"piece{side}", piece, mass / SIDES, where, None, (0, 0, angle))
    return objects._robot("ring", parts)


@cache
def _ring_mesh(outer: float, bevel: float = 0.004) -> str:
    """Bevelled outside and a little inside; between the flats' circle and that of their corners. OBJ text."""
    wide, half = outer * 1.025, RING_TALL / 2
    profile = [(HOLE, -half), (wide - bevel, -half), (wide, bevel - half), (wide, half - bevel), (wide - bevel, half),
               (HOLE + 0.002, half), (HOLE, half - 0.002), (HOLE, -half)]  # fmt: skip
    return objects.revolved(profile, 32)


def _cylinder(radius: float, length: float) -> str:
    return f'<cylinder radius="{radius:.4f}" length="{length:.4f}"/>'


def boxes(kind: str) -> list[tuple[XYZ, XYZ]]:
    """What throws a shadow, as boxes: extents and middle in its own frame."""
    if kind == "fixture":
        return [(FIXTURE, (0, 0, 0))]
    if kind == "peg":
        wide = 2 * POST_RADIUS
        return [((wide, wide, PEG[2]), (0, 0, 0)), ((0.85 * PEG[0], 0.85 * PEG[1], FOOT), (0, 0, (FOOT - PEG[2]) / 2))]
    return []


def seat(ell: XYZ) -> XYZ:
    """Where the middle of an L is that lies in a fixture, in the fixture's frame."""
    return 0.0, 0.0, FLOOR - FIXTURE[2] / 2 + ell[2] / 2


def seated_in(item: "Item", items: Iterable["Item"], poses: Poses) -> str | None:
    """The fixture that an L is in, by the true poses of all."""
    return next((other.name for other in items if other.kind == "fixture" and _seated(item, other, poses)), None)


def _seated(item: "Item", fixture: "Item", poses: Poses) -> bool:
    (at, turn), (base, heading) = poses[item.name], poses[fixture.name]
    x, y, z = heading.T @ (np.asarray(at) - base) - seat(item.size)
    askew = np.arccos(np.clip((np.trace(heading.T @ turn) - 1) / 2, -1, 1))
    return bool(max(abs(x), abs(y)) <= PLAY[fixture.name] and abs(z) <= SEATED_DEPTH and askew <= SEATED_RAD)


def threaded_on(item: "Item", items: Iterable["Item"], poses: Poses) -> str | None:
    """The peg that a ring is around, by the true poses of all."""
    at, turn = poses[item.name]
    if abs(turn[2, 2]) < UPRIGHT:
        return None
    for peg in (other for other in items if other.kind == "peg"):
        x, y, z = np.asarray(at) - poses[peg.name][0]
        if hypot(x, y) < HOLE - POST_RADIUS + 0.003 and abs(z) < PEG[2] / 2 and z - RING_TALL / 2 < PEG[2] / 2 - ENTERED:
            return peg.name
    return None


def rest_height(others: int) -> float:
    """Height of the middle of a ring on a peg with so many others below it, above the table."""
    return FOOT + (others + 0.5) * RING_TALL


def stand(name: str, rack: tuple[float, float], side: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Where a peg stands in a row around the middle of a rack, or a fixture anywhere in its region: x, y, m, and yaw, rad.

    side: −1 where the furniture is mirrored."""
    if name in PEGS:
        return rack[0], rack[1] + PEGS[name] * SPACING, 0.0
    x, y = FIXTURES
    return float(rng.uniform(*x)), side * float(rng.uniform(*y)), float(rng.uniform(-pi / 2, pi / 2))


def takes(place: str, name: str) -> bool:
    """Can a thing be in or on that: a fixture takes an L, a peg takes rings, and others are not asked here."""
    return kind(name) == {"fixture": "L", "peg": "ring"}.get(kind(place), kind(name))
