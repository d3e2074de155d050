"""What holds other things, and what goes with it: cups, trays, the beads that are poured, the sponge that sweeps them. Lengths in m."""

from functools import cache
from math import cos, pi, sin, tan

import numpy as np
from numpy.typing import NDArray

from sim import objects
from sim.meshes import cached_file

XYZ = tuple[float, float, float]

CUP: XYZ = (0.060, 0.060, 0.068)
"""Straight walls with eight flat sides, so that two of them lie flat between the pads; a smooth one is seen."""
CUP_WALL, CUP_FLOOR, CUP_MASS, CUP_SIDES = 0.004, 0.005, 0.08, 8
CUP_FRICTION, GRIPPED = 1.2, 0.05
"""A cup is dull, so that it does not slip while it is tilted. Spinning friction of a cup and a sponge, m: what a pad that lies flat on it
does against its turning between the pads."""
TRAY: XYZ = (0.20, 0.15, 0.016)
TRAY_WALL, TRAY_FLOOR, TRAY_MASS = 0.006, 0.004, 0.35
SPONGE: XYZ = (0.115, 0.040, 0.050)
SPONGE_MASS = 0.06
BEAD = 0.008
"""Radius of a bead."""
BEAD_MASS, BEAD_FRICTION, BEAD_ROLLING = 0.005, 0.5, 0.0012
"""Rolling friction is what lets a bead come to rest on a table, and on a slope of some degrees."""
BEADS: XYZ = (0.13, 0.13, 2 * BEAD)
"""Extents of a lot that is strewn on the table."""
BEAD_COLOURS: tuple[objects.RGB, ...] = ((0.95, 0.66, 0.12), (0.72, 0.11, 0.20), (0.11, 0.30, 0.62))
"""Mixed, so that some of them show on whatever they lie."""


def cup(colour: objects.RGB) -> str:
    """A tumbler; its frame is the middle of its height."""
    radius, height = CUP[0] / 2, CUP[2]
    shell = cached_file(_tumbler(), ".obj")
    seen = objects._visual(f'<mesh filename="{shell}"/>', (0, 0, 0), colour)
    foot = f'<cylinder radius="{radius - CUP_WALL / 2:.4f}" length="{CUP_FLOOR}"/>'
    parts = objects._link("base", seen, 0.002)
    parts += objects._part("base", "foot", foot, CUP_MASS / 2, (0, 0, (CUP_FLOOR - height) / 2), None)
    wall = objects._box((CUP_WALL, 2 * radius * tan(pi / CUP_SIDES), height))
    for index in range(CUP_SIDES):
        angle = 2 * pi * index / CUP_SIDES
        where = ((radius - CUP_WALL / 2) * cos(angle), (radius - CUP_WALL / 2) * sin(angle), 0.0)
        parts += objects._part("base", f"wall{index}", wall, CUP_MASS / 2 / CUP_SIDES, where, None, (0, 0, angle))
    return objects._robot("cup", _resisting(parts.replace('friction value="0.8"', f'friction value="{CUP_FRICTION}"'), 0.0, GRIPPED))


@cache
def _tumbler() -> str:
    radius, half = CUP[0] / 2, CUP[2] / 2
    profile = [(0.0, -half), (radius - 0.001, -half), (radius, -half + 0.001), (radius, half), (radius - CUP_WALL, half),
               (radius - CUP_WALL, -half + CUP_FLOOR), (0.0, -half + CUP_FLOOR)]  # fmt: skip
    return objects.revolved(profile)


def tray(colour: objects.RGB) -> str:
    """A flat plate with a low wall all around; its frame is the middle of its extents."""
    long, wide, tall = TRAY
    dark: objects.RGB = (0.82 * colour[0], 0.82 * colour[1], 0.82 * colour[2])
    speck = objects._visual(objects._box((1e-3, 1e-3, 1e-3)), (0, 0, -tall / 2 + 1e-3), dark)
    parts = objects._link("base", speck, 0.002)
    plate = objects._box((long, wide, TRAY_FLOOR))
    parts += objects._part("base", "plate", plate, 0.6 * TRAY_MASS, (0, 0, (TRAY_FLOOR - tall) / 2), dark)
    for name, size, where in tray_walls():
        parts += objects._part("base", name, objects._box(size), 0.1 * TRAY_MASS, where, colour)
    return objects._robot("tray", parts)


def tray_walls() -> list[tuple[str, XYZ, XYZ]]:
    """Name, extents and middle of each wall, in the tray's frame."""
    long, wide, tall = TRAY
    ends: list[tuple[str, XYZ, XYZ]] = [
        (f"end{side}", (TRAY_WALL, wide, tall), (side * (long - TRAY_WALL) / 2, 0, 0)) for side in (-1, 1)]
    return ends + [(f"side{side}", (long - 2 * TRAY_WALL, TRAY_WALL, tall), (0, side * (wide - TRAY_WALL) / 2, 0)) for side in (-1, 1)]


def sponge(colour: objects.RGB) -> str:
    """A long block that beads are swept with; its frame is its centre."""
    link = objects._link("base", objects._solid(objects._box(SPONGE), (0, 0, 0), colour), SPONGE_MASS)
    return objects._robot("sponge", _resisting(link, 0.0, GRIPPED))


def bead(index: int) -> str:
    """One of a lot of beads, in the shade of its number; its frame is its centre."""
    colour = BEAD_COLOURS[index % len(BEAD_COLOURS)]
    body = objects._solid(f'<sphere radius="{BEAD}"/>', (0, 0, 0), colour)
    return objects._robot("bead", _resisting(objects._link("base", body, BEAD_MASS, friction=BEAD_FRICTION), BEAD_ROLLING, BEAD_ROLLING))


def _resisting(links: str, rolling: float, spinning: float) -> str:
    """Links that resist rolling, and turning about the contact normal; coefficients in m."""
    more = f'<rolling_friction value="{rolling}"/>' * (rolling > 0) + f'<spinning_friction value="{spinning}"/>'
    return links.replace("</contact>", f"{more}</contact>")


def holds(kind: str, size: XYZ, turn: NDArray[np.float64], offset: NDArray[np.float64], over: float = 0.0) -> NDArray[np.bool_]:
    """Which points are inside a vessel: offsets from its frame's origin, float64[N, 3], m, in the world's axes; `turn` is its rotation,
    float64[3, 3]; `over`: how far above its rim a point may be. bool[N]."""
    x, y, z = (np.asarray(offset) @ turn).T
    half = np.array(size) / 2
    if kind == "tray":
        beside = (np.abs(x) < half[0]) & (np.abs(y) < half[1])
    else:
        beside = np.hypot(x, y) < half[0]
    return np.asarray(beside & (z > -half[2]) & (z < half[2] + over))
