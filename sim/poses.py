"""Where the things of a scene start: what is not fixed is drawn, by rejection sampling, so that the hand finds room everywhere."""

from collections.abc import Iterator, Mapping
from math import hypot, pi
from typing import NamedTuple

import numpy as np

from agent.errors import ConfigError
from sim import fits, loose, objects, vessels
from sim.layout import BAYS, Layout, Placement, Regions
from sim.parts import store

CLEARANCE = {("block", "block"): 0.12, ("block", "bowl"): 0.14, ("bowl", "bowl"): 0.16}
"""Smallest distance between centres, m: the open hand comes down beside a neighbour without touching it."""
HAND_BESIDE = 0.05
"""The same for other kinds: this much between the circles around them, m."""
ZONES = ((0.275, -0.385), (0.245, -0.215), (0.245, 0.215), (0.275, 0.385))
"""Where zones are: in front of where loose things start, at the corners of the robot's reach."""
ZONE_APART = 0.038
"""How far from the middle of a zone each of two things in it starts, m."""
BAY_ROOM = (0.018, 0.016, 0.3)
"""How far from the middle of a bay a block starts at most, x and y, m, and how far it is turned, rad: the open hand fits around it."""
IN_DRAWER, DRAWER_YAW = ((0.06, 0.085), (-0.075, 0.075)), 0.12
"""Where blocks start in a drawer, ((x, x), (y, y)) from the middle of its front, m, and how far they are turned at most, rad: when it
is open, the hand fits between its front and the cabinet."""


class Pose(NamedTuple):
    """Where a loose thing starts: centre, m, and yaw, rad."""

    position: tuple[float, float, float]
    yaw: float


def arrange(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """A pose for every loose thing, by rejection sampling; the same generator state gives the same poses."""
    for _ in range(200):
        poses = _attempt(layout, rng)
        if poses is not None:
            return poses
    raise ConfigError(
        f"The scene '{layout.name}' is too full: no free spots for its {len(layout.things)} things. Take some out or fix their `at`."
    )


def _attempt(layout: Layout, rng: np.random.Generator) -> dict[str, Pose] | None:
    poses = {**_zones(layout, rng), **_stands(layout, rng)}
    things = [item for item in layout.things if item.name not in poses]
    fixed = [item for item in things if item.at]
    anywhere = (item for item in things if not (item.at or item.inside or item.on))
    free = sorted(anywhere, key=lambda item: not item.name.endswith(("bowl", "tray")))
    for item in fixed + free:
        regions = layout.strewn if item.name == "beads" else layout.regions
        spot = item.at or _free_spot(item.name, regions, poses, rng)
        if spot is None:
            return None
        poses[item.name] = Pose((*spot, _rest_height(item.name)), _yaw(item, rng))
    based = [item for item in things if item.inside or item.on]
    for item in based:
        pose = _pose_on(item, layout, poses, rng)
        if pose is None:
            return None
        poses[item.name] = pose
    return poses


def _zones(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """Zones where they are fixed, the others on the places of ZONES, in an order drawn by the seed."""
    zones = [item for item in layout.things if item.name.endswith("zone")]
    if not zones:
        return {}
    order = [ZONES[index] for index in rng.permutation(len(ZONES))]
    return {item.name: Pose((*(item.at or order.pop()), 0.0), item.yaw or 0.0) for item in zones}


def _stands(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """Pegs in a row, and fixtures: where they are fixed, or drawn by the seed."""
    stands = [item for item in layout.things if item.name in fits.FIXED]
    rack = (float(rng.uniform(*fits.RACK[0])), float(rng.uniform(*fits.RACK[1]))) if stands else (0.0, 0.0)
    poses: dict[str, Pose] = {}
    for item in stands:
        *at, yaw = fits.stand(item.name, layout._sided(rack), layout._sided((1, 1))[1], rng)
        poses[item.name] = Pose((*(item.at or at), _rest_height(item.name)), yaw if item.yaw is None else item.yaw)
    return poses


def _yaw(item: Placement, rng: np.random.Generator) -> float:
    drawn = float(rng.uniform(-pi / 4, pi / 4))
    return drawn if item.yaw is None else item.yaw


def _rest_height(name: str) -> float:
    return loose.made(name).size[2] / 2


def _spots(regions: Regions, rng: np.random.Generator, tries: int = 60) -> Iterator[tuple[float, float]]:
    areas = np.array([(x[1] - x[0]) * (y[1] - y[0]) for x, y in regions])
    for region in rng.choice(len(regions), size=tries, p=areas / areas.sum()):
        (x, y) = regions[region]
        yield float(rng.uniform(*x)), float(rng.uniform(*y))


def _free_spot(name: str, regions: Regions, poses: Mapping[str, Pose], rng: np.random.Generator) -> tuple[float, float] | None:
    for x, y in _spots(regions, rng):
        if all(hypot(x - p.position[0], y - p.position[1]) >= clearance(name, other) for other, p in poses.items()):
            return x, y
    return None


def clearance(name: str, other: str) -> float:
    """Smallest distance between the centres of two things, m."""
    one, two = loose.made(name), loose.made(other)
    first, second = sorted((one.kind, two.kind))
    if (first, second) in CLEARANCE and max(*one.size, *two.size) <= 2 * objects.BOWL_RADIUS:
        return CLEARANCE[first, second]
    if "zone" in (first, second):
        return max(one.size[0], two.size[0]) / 2 + min(hypot(*one.size[:2]), hypot(*two.size[:2])) / 2
    return _around(one) + _around(two) + (fits.BESIDE_PEG if "peg" in (first, second) else HAND_BESIDE)


def _around(thing: loose.Made) -> float:
    """Radius of the circle around a thing, m; of a small bowl around the square that it stands in."""
    wide, deep, _ = thing.size
    is_round = thing.kind in ("cup", "beads", "peg", "ring") or (thing.kind == "bowl" and wide > 2 * objects.BOWL_RADIUS)
    return wide / 2 if is_round else hypot(wide, deep) / 2


def _pose_on(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator) -> Pose | None:
    yaw = _yaw(item, rng)
    if item.inside == "drawer":
        return _pose_in_drawer(item, layout, poses, rng, yaw * DRAWER_YAW / (pi / 4) if item.yaw is None else yaw)
    if item.inside in BAYS:
        return _pose_in_bay(item, layout, poses, rng)
    base = poses[item.on or item.inside or ""]
    x, y, z = base.position
    if item.on in fits.PEGS:
        return Pose((x, y, fits.rest_height(sum(other.on == item.on and other.name in poses for other in layout.things))), yaw)
    if item.inside in fits.PLAY:
        return Pose((x, y, z + fits.seat(loose.ELL)[2]), base.yaw)
    if item.on:
        on_top = z + _rest_height(item.on) + _rest_height(item.name)
        return Pose((x, y, on_top), base.yaw if item.yaw is None else item.yaw)
    aside = _aside(item, layout)
    if (item.inside or "").endswith("zone"):
        return Pose((x, y + aside, _rest_height(item.name)), yaw)
    yaw = 0.0 if aside and item.yaw is None else yaw
    floor = {"tray": vessels.TRAY_FLOOR, "cup": vessels.CUP_FLOOR}.get((item.inside or "").split()[-1], objects.BOWL_FLOOR)
    return Pose((x + aside, y, floor + _rest_height(item.name)), yaw)


def _aside(item: Placement, layout: Layout) -> float:
    """How far from the middle of a bowl or a zone one of two blocks starts that share it, m; 0 for one that is alone there."""
    sharing = [other.name for other in layout.things if other.inside == item.inside and loose.made(other.name).kind in loose.BLOCKS]
    if len(sharing) != 2 or not (item.inside or "").endswith(("bowl", "zone")):
        return 0.0
    side = 1 if sharing[0] == item.name else -1
    return side * (ZONE_APART if (item.inside or "").endswith("zone") else loose.made(item.name).size[0] / 2 + 0.0005)


def _pose_in_drawer(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator, yaw: float) -> Pose | None:
    out = objects.DRAWER_TRAVEL if layout.drawer == "open" else 0.0
    for _ in range(60):
        x = layout.cabinet_at[0] - out + float(rng.uniform(*IN_DRAWER[0]))
        y = layout.cabinet_at[1] + float(rng.uniform(*IN_DRAWER[1]))
        if all(hypot(x - pose.position[0], y - pose.position[1]) > 0.075 for pose in poses.values()):
            return Pose((x, y, objects.DRAWER_FLOOR + _rest_height(item.name)), yaw)
    return None


def _pose_in_bay(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator) -> Pose | None:
    """In a bay there is room for one."""
    middle_x = layout.cabinet_at[0] + store.BAY_X
    middle_y = layout.cabinet_at[1] + BAYS[item.inside or ""] * store.BAY_Y
    dx, dy, turn = (float(rng.uniform(-most, most)) for most in BAY_ROOM)
    if any(hypot(middle_x - pose.position[0], middle_y - pose.position[1]) < store.BAY_Y for pose in poses.values()):
        return None
    return Pose((middle_x + dx, middle_y + dy, store.FLOOR_TOP + _rest_height(item.name)), turn if item.yaw is None else item.yaw)
