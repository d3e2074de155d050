"""Loose things by name: "small red block", "green bar", "pink bowl", and the zones they are put in. Lengths in m, masses in kg."""

from functools import cache
from math import atan2, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError, hint
from sim import fits, objects, vessels
from sim.meshes import cached_file, obj_text

XYZ = tuple[float, float, float]
CUBES = {"small": 0.03, "": objects.BLOCK, "large": 0.05}
"""Edges of cubes by the word before their colour; the middle size is called a block alone."""
BAR: XYZ = (0.09, 0.03, 0.03)
CYLINDER: XYZ = (0.04, 0.04, 0.05)
PRISM: XYZ = (0.05, 0.046, 0.046 * sqrt(3) / 2)
"""An equilateral triangle with its ridge along x; the fingers take it by its flat ends."""
ELL: XYZ = (0.09, 0.06, 0.03)
"""A bar along x at −y, and a cube at the +x end of it towards +y; the frame is the middle of both together."""
BLOCKS = ("block", "bar", "cylinder", "prism", "L", "ring")
SHAPES: dict[str, XYZ] = {"bar": BAR, "cylinder": CYLINDER, "prism": PRISM, "L": ELL}
HELD = (*BLOCKS, "cup", "sponge")
"""Kinds that a hand can grasp."""
WARE: dict[str, XYZ] = {"cup": vessels.CUP, "tray": vessels.TRAY, "sponge": vessels.SPONGE}
HOLLOW = ("bowl", "cup", "tray")
"""Kinds that have an inside and are loose."""
DENSITY = objects.BLOCK_MASS / objects.BLOCK**3
ZONE: XYZ = (0.14, 0.14, 0.001)
FIXED = ("zone", "fixture", "peg")
"""Kinds that stand fast."""


class Made(NamedTuple):
    """What a name stands for: its kind, its colour (of what has none: its name), and its full extents."""

    kind: str
    colour: str
    size: XYZ


def names() -> list[str]:
    """Everything that a scene can have on its table."""
    cubes = [f"{size} {colour} block".strip() for size in CUBES for colour in objects.COLOURS]
    bowls = [f"large {colour} bowl" for colour in objects.COLOURS]
    kinds = ("bowl", *SHAPES, "zone", *WARE)
    rings = [f"{size} {colour} ring".strip() for size in fits.RINGS for colour in objects.COLOURS]
    return [*cubes, *bowls, *(f"{colour} {kind}" for kind in kinds for colour in objects.COLOURS), "beads", *rings, *fits.FIXED]


@cache
def made(name: str) -> Made:
    """What "small red block" is; ConfigError lists what can be made."""
    if name not in names():
        raise ConfigError(
            f"A scene cannot have a '{name}'. What can be made: a colour ({', '.join(objects.COLOURS)}) and a kind (block, bowl, "
            f"{', '.join((*SHAPES, 'ring', 'zone', *WARE))}); a block or a ring may be small or large as well, a bowl large; and beads, "
            f"{', '.join(fits.FIXED)}.{hint(name, names())}"
        )
    if name in fits.FIXED:
        return Made(fits.kind(name), name, fits.FIXED[name])
    if name == "beads":
        return Made(name, "", vessels.BEADS)
    *size, colour, kind = name.split()
    if kind == "block":
        return Made(kind, colour, (CUBES[" ".join(size)],) * 3)
    if kind == "ring":
        wide = fits.RINGS[" ".join(size)]
        return Made(kind, colour, (wide, wide, fits.RING_TALL))
    scale = objects.LARGE_BOWL if size else 1.0
    wide = 2 * scale * objects.BOWL_RADIUS
    return Made(kind, colour, {**SHAPES, **WARE, "zone": ZONE, "bowl": (wide, wide, scale * objects.BOWL_HEIGHT)}[kind])


def urdf(thing: Made) -> str:
    """The thing as URDF text; its frame is the middle of its extents."""
    if thing.kind == "fixture":
        return fits.fixture(thing.colour, ELL)
    if thing.kind == "peg":
        return fits.peg()
    rgb = objects.COLOURS[thing.colour]
    match thing.kind:
        case "ring":
            return fits.ring(thing.size[0], rgb, DENSITY)
        case "bowl":
            return objects.bowl(rgb, objects.LARGE_BOWL if thing.size[2] > objects.BOWL_HEIGHT else 1.0)
        case "cup" | "tray" | "sponge":
            return {"cup": vessels.cup, "tray": vessels.tray, "sponge": vessels.sponge}[thing.kind](rgb)
        case "zone":
            return zone(rgb)
        case "cylinder":
            body = objects._solid(_round(thing.size), (0, 0, 0), rgb)
            return objects._robot("cylinder", objects._link("base", body, _mass(thing.size, pi / 4)))
        case "prism":
            mesh = f'<mesh filename="{cached_file(_prism_mesh(), ".obj")}"/>'
            return objects._robot("prism", objects._link("base", objects._solid(mesh, (0, 0, 0), rgb), _mass(thing.size, 0.5)))
        case "L":
            return ell(rgb)
        case _:
            body = objects._solid(objects._box(thing.size), (0, 0, 0), rgb)
            return objects._robot(thing.kind, objects._link("base", body, _mass(thing.size, 1.0)))


def _mass(size: XYZ, filled: float) -> float:
    """Of a thing that fills this share of its box; all are of the same stuff."""
    return DENSITY * size[0] * size[1] * size[2] * filled


def _round(size: XYZ) -> str:
    return f'<cylinder radius="{size[0] / 2:.6f}" length="{size[2]:.6f}"/>'


@cache
def _prism_mesh() -> str:
    """OBJ text; the frame is the middle of the box around it."""
    x, y, z = (extent / 2 for extent in PRISM)
    corners = np.array([(side * x, *end) for side in (-1, 1) for end in ((-y, -z), (y, -z), (0, z))])
    faces = np.array([(0, 2, 1), (3, 4, 5), (0, 1, 4), (0, 4, 3), (1, 2, 5), (1, 5, 4), (2, 0, 3), (2, 3, 5)])
    return obj_text(corners, faces)


def ell(rgb: objects.RGB) -> str:
    """Two convex pieces, each a link of its own with its own weight, on a base that hardly weighs anything."""
    long, wide, tall = ELL
    leg, foot = (long, wide / 2, tall), (tall, wide / 2, tall)
    speck = objects._visual(objects._box((1e-3, 1e-3, 1e-3)), (0, -wide / 4, 0), rgb)
    parts = objects._part("base", "leg", objects._box(leg), _mass(leg, 1.0), (0, -wide / 4, 0), rgb)
    parts += objects._part("base", "foot", objects._box(foot), _mass(foot, 1.0), ((long - tall) / 2, wide / 4, 0), rgb)
    return objects._robot("ell", objects._link("base", speck, 0.002) + parts)


def zone(rgb: objects.RGB) -> str:
    """A coloured square, seen and not felt; its frame is on the table."""
    pale = (0.35 + 0.65 * rgb[0], 0.35 + 0.65 * rgb[1], 0.35 + 0.65 * rgb[2])
    return objects._robot("zone", objects._link("base", objects._visual(objects._box(ZONE), (0, 0, ZONE[2] / 2), pale), 0.0))


def as_it_lies(kind: str, size: XYZ, turn: NDArray[np.float64]) -> tuple[XYZ, float]:
    """Extents with the axis that is nearest to vertical last, m, and the yaw of the first of the others, rad: a bar that was stood up is
    a tall thing with a small foot. The yaw is within half of the angle after which the thing looks the same."""
    up = int(np.argmax(np.abs(turn[2])))
    first, second = [axis for axis in range(3) if axis != up]
    lies = (size[first], size[second], size[up])
    period = symmetry(kind, lies)
    yaw = atan2(turn[1, first], turn[0, first])
    return lies, (yaw + period / 2) % period - period / 2 if period else 0.0


def symmetry(kind: str, size: XYZ) -> float:
    """After which turn about the vertical a thing looks the same, rad; 0: after any."""
    if kind == "cylinder" and size == CYLINDER:
        return 0.0
    if kind == "L":
        return 2 * pi
    if kind == "ring":
        return 2 * pi / fits.SIDES if size[2] == fits.RING_TALL else pi
    return pi / 2 if abs(size[0] - size[1]) < 1e-3 else pi


def outline(kind: str, size: XYZ) -> NDArray[np.float64]:
    """Points that fill a thing as seen from above, in its own frame as it lies, float64[N, 2], m: for how much of it is somewhere."""
    grid = (np.arange(15) + 0.5) / 15 - 0.5
    x, y = (axis.ravel() for axis in np.meshgrid(grid * size[0], grid * size[1]))
    keep = np.ones(len(x), dtype=bool)
    if (kind == "cylinder" and size == CYLINDER) or kind == "ring":
        keep = np.hypot(x, y) <= size[0] / 2
    elif kind == "L":
        keep = (y <= 0) | (x >= size[0] / 2 - ELL[2])
    return np.column_stack([x[keep], y[keep]])
