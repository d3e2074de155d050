"""The world as a Scene: every fact from geometry, contact and speed, none from what was commanded."""

from functools import lru_cache
from math import acos, atan2, cos, hypot, pi, radians, sin

import numpy as np
from numpy.typing import NDArray

from agent.types import Fact, Scene, Thing
from sim import fits, loose, objects, vessels
from sim.bench import JOINTED, Bench, Item
from sim.panda import HOME
from sim.parts.beads import Beads

BESIDE_M, BEARING = 0.25, radians(35)
NEXT_TO_M = 0.06
OPEN_M, CLOSED_M, HALF_M = 0.10, 0.01, (0.05, 0.09)
OVER_M, HOME_M = 0.025, 0.03
MOVING = 0.02
STEEP = radians(10)
IN_ZONE = 0.9
"""How much of a thing's outline must lie in a zone."""
UPRIGHT = cos(radians(15))
SUPPORT_SLOPE = 0.5
"""How upright a contact normal must be to carry: cosine to the vertical."""
BEARINGS = {"behind": 0.0, "left of": pi / 2, "in front of": pi, "right of": -pi / 2}

Vector = NDArray[np.float64]


class _View:
    """One look at the world: poses, contacts and things read once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.poses = {name: bench.pose(name) for name in bench.items}
        self.at: dict[str, list[float]] = {name: pose[0].tolist() for name, pose in self.poses.items()}
        self.loose = [item for item in bench.items.values() if item.loose]
        self.zones = [item for item in bench.items.values() if item.kind == "zone"]
        self.bays = [item for item in bench.items.values() if item.kind == "bay"]
        self.supports = sorted(self._supports())
        self.things = {item.name: _thing(self, item) for item in bench.items.values()}

    def _supports(self) -> set[tuple[str, str]]:
        """Pairs (upper, lower) where lower carries upper: touching, with an upright normal pressing upwards."""
        by_body = {item.body: item.name for item in self.bench.items.values() if item.kind != "light"}
        pairs: set[tuple[str, str]] = set()
        for contact in self.bench.bullet.getContactPoints():
            first, second = by_body.get(contact[1]), by_body.get(contact[2])
            upright = contact[7][2]
            floor = (first == "table" and contact[3] >= 0) or (second == "table" and contact[4] >= 0)
            if floor or first is None or second is None or contact[9] <= 0 or abs(upright) < SUPPORT_SLOPE:
                continue
            pairs.add((first, second) if upright > 0 else (second, first))
        return pairs


def scene(bench: Bench) -> Scene:
    """What is there now, as planning may know it."""
    view = _View(bench)
    parts = [fact for part in bench.parts for fact in part.facts()]
    full = {("clear", fact[2]) for fact in parts if fact[:2] == ("in", "beads")}
    support = [fact for fact in _support(view) if fact not in full]
    facts = [*support, *_beside(view, support), *_fixtures(bench), *parts, *_gripper(view), *_motion(bench)]
    logic = bench.logic
    return Scene(tick=logic.tick, things=tuple(view.things.values()), facts=tuple(facts), holding=logic.holding, events=logic.events)


def _thing(view: _View, item: Item) -> Thing:
    position, turn = view.poses[item.name]
    joint = view.bench.joint(item.name) if item.kind in JOINTED else None
    if item.kind == "cup":
        joint = acos(min(max(float(turn[2, 2]), -1.0), 1.0))
    if item.kind == "drawer":
        position = np.add(position, (-objects.FRONT_THICK - objects.HANDLE_GRASP, 0, objects.HANDLE_Z))
    elif item.kind == "button":
        position = np.add(position, (0, 0, objects.CAP_HEIGHT))
    elif item.kind == "table":
        position = np.subtract(position, (0, 0, item.size[2] / 2))
    x, y, z = (position + turn @ item.point if any(item.point) else position).tolist()
    if item.kind == "beads":
        return view.bench.part(Beads).thing()
    size, yaw = _as_it_lies(item, turn)
    return Thing(name=item.name, kind=item.kind, position=(x, y, z), yaw=yaw, size=size, joint=joint)


def _as_it_lies(item: Item, turn: NDArray[np.float64]) -> tuple[tuple[float, float, float], float]:
    """Extents, m, and yaw about world z, rad. Of a cube, which looks the same after a quarter turn, within ±π/4, whichever face is up."""
    if item.kind in loose.SHAPES:
        return loose.as_it_lies(item.kind, item.size, turn)
    if item.kind != "block":
        return item.size, atan2(turn[1, 0], turn[0, 0])
    axis = turn[:, int(np.argmin(np.abs(turn[2])))]
    return item.size, (atan2(axis[1], axis[0]) + pi / 4) % (pi / 2) - pi / 4


def _support(view: _View) -> list[Fact]:
    facts: list[Fact] = []
    full: set[str] = set()
    for item in view.loose:
        carriers = [lower for upper, lower in view.supports if upper == item.name]
        holder = _holder(view, item) or _bowl_below(view, item, carriers)
        if holder is not None:
            facts += [(relation, item.name, holder) for relation in (("in", "on") if holder.endswith("tray") else ("in",))]
            full.add(holder)
        elif "table" in carriers:
            facts.append(("on", item.name, "table"))
        if item.kind == "ring" and carriers and (peg := fits.threaded_on(item, view.bench.items.values(), view.poses)):
            facts.append(("on", item.name, peg))
        facts += [("in", item.name, zone) for zone in _zones(view, item, carriers)]
        for lower in carriers:
            if view.bench.items[lower].kind in loose.BLOCKS:
                facts.append(("on", item.name, lower))
                full.add(lower)
    facts += [("upright", item.name) for item in view.loose if item.kind == "cup" and view.poses[item.name][1][2, 2] > UPRIGHT]
    facts += [posture for item in view.loose if item.kind == "bar" for posture in _posture(view, item)]
    return facts + [("clear", item.name) for item in view.loose if item.name not in full]


def _posture(view: _View, item: Item) -> list[Fact]:
    """Standing or lying, of a long thing that something carries: its long axis within 10° of the vertical or the horizontal."""
    if not any(upper == item.name for upper, _ in view.supports):
        return []
    up = abs(float(view.poses[item.name][1][2, 0]))
    facts: list[Fact] = [("standing", item.name)] if up > cos(STEEP) else [("lying", item.name)] if up < sin(STEEP) else []
    return facts


def _holder(view: _View, item: Item) -> str | None:
    """The bowl or drawer whose inside the centre of a block is in, if any."""
    if item.kind not in loose.HELD:
        return None
    x, y, z = view.at[item.name]
    for bowl in (other for other in view.loose if other.kind == "bowl"):
        bx, by, bz = view.at[bowl.name]
        wide, _, tall = bowl.size
        if hypot(x - bx, y - by) < wide / 2 and -tall / 2 < z - bz < tall / 2 + 0.03:
            return bowl.name
    for tray in (other for other in view.loose if other.kind == "tray"):
        at, turn = view.poses[tray.name]
        if vessels.holds("tray", tray.size, turn, np.array([[x, y, z]]) - at, item.size[2] / 2 + 0.01)[0]:
            return tray.name
    if (bay := _bay(view, x, y, z)) is not None:
        return bay
    if item.kind == "L" and (fixture := fits.seated_in(item, view.bench.items.values(), view.poses)):
        return fixture
    if "drawer" in view.bench.items:
        front = view.at["drawer"]
        deep, wide, tall = objects.DRAWER_INSIDE
        if 0 < x - front[0] < deep and abs(y - front[1]) < wide / 2 and 0 < z - front[2] < objects.DRAWER_FLOOR + tall:
            return "drawer"
    return None


def _bowl_below(view: _View, item: Item, carriers: list[str]) -> str | None:
    """The bowl that holds what carries a thing, if its centre is above the inside: a block on a block in a bowl is in the bowl too."""
    for lower in (view.bench.items[name] for name in carriers if view.at[name][2] < view.at[item.name][2]):
        if lower.kind not in loose.BLOCKS:
            continue
        below = [under for upper, under in view.supports if upper == lower.name]
        bowl = _holder(view, lower) or _bowl_below(view, lower, below)
        if bowl is None or view.bench.items[bowl].kind != "bowl":
            continue
        (x, y, _), (bx, by, _) = view.at[item.name], view.at[bowl]
        if hypot(x - bx, y - by) < view.bench.items[bowl].size[0] / 2:
            return bowl
    return None


def _bay(view: _View, x: float, y: float, z: float) -> str | None:
    """The bay whose inside that point is in."""
    for item in view.bays:
        dx, dy, dz = (here - there - off for here, there, off in zip((x, y, z), view.at[item.name], item.point, strict=True))
        if abs(dx) < item.size[0] / 2 and abs(dy) < item.size[1] / 2 and 0 < dz < item.size[2]:
            return item.name
    return None


def _zones(view: _View, item: Item, carriers: list[str]) -> list[str]:
    """The zones that a thing on the table lies in, with nearly all of its outline."""
    thing = view.things[item.name]
    zones = [zone for zone in view.zones if _near(view.at[zone.name], thing, zone)]
    if not zones or "table" not in carriers or item.kind not in loose.HELD:
        return []
    c, s = cos(thing.yaw), sin(thing.yaw)
    points = _outline(item.kind, thing.size) @ np.array([[c, s], [-s, c]]) + thing.position[:2]
    inside = []
    for zone in zones:
        half = np.array(zone.size[:2]) / 2
        at, turn = view.poses[zone.name]
        share = (np.abs((points - at[:2]) @ turn[:2, :2]) <= half).all(axis=1).mean()
        inside += [zone.name] if share >= IN_ZONE else []
    return inside


def _near(at: list[float], thing: Thing, zone: Item) -> bool:
    """Whether anything of a thing can be in a zone, by the circles around both."""
    return hypot(at[0] - thing.position[0], at[1] - thing.position[1]) < (hypot(*thing.size[:2]) + hypot(*zone.size[:2])) / 2


@lru_cache(maxsize=64)
def _outline(kind: str, size: tuple[float, float, float]) -> NDArray[np.float64]:
    return loose.outline(kind, size)


def _beside(view: _View, support: list[Fact]) -> list[Fact]:
    """Left, right, in front, behind (as the robot sees them) and next to, between loose things that stand on the table; what lies in a tray
    is in the tray, although it touches the table."""
    standing = [item for item in view.loose if ("on", item.name, "table") in support]
    facts: list[Fact] = []
    for a in standing:
        for b in standing:
            if a is b:
                continue
            dx, dy = view.at[a.name][0] - view.at[b.name][0], view.at[a.name][1] - view.at[b.name][1]
            distance = hypot(dx, dy)
            if distance < BESIDE_M:
                bearing = atan2(dy, dx)
                facts += [(name, a.name, b.name) for name, middle in BEARINGS.items() if _between(bearing, middle) <= BEARING]
            if distance - (a.size[0] + b.size[0]) / 2 < NEXT_TO_M:
                facts.append(("next to", a.name, b.name))
    return facts


def _between(first: float, second: float) -> float:
    """The angle between two bearings, rad."""
    return abs((first - second + pi) % (2 * pi) - pi)


def _fixtures(bench: Bench) -> list[Fact]:
    facts: list[Fact] = []
    if "drawer" in bench.items:
        out = bench.joint("drawer")
        facts += [("open", "drawer")] * (out > OPEN_M) + [("closed", "drawer")] * (out < CLOSED_M)
        facts += [("half open", "drawer")] * (HALF_M[0] < out < HALF_M[1])
    if "light" in bench.items:
        facts.append(("lit" if bench.logic.lit else "dark", "light"))
    return facts


def _gripper(view: _View) -> list[Fact]:
    tcp, _ = view.bench.panda.tcp()
    facts: list[Fact] = [("home", "gripper")] if np.linalg.norm(tcp - HOME) < HOME_M else []
    for item in view.bench.items.values():
        if item.kind == "table":
            continue
        x, y, z = view.things[item.name].position
        if hypot(tcp[0] - x, tcp[1] - y) < OVER_M and tcp[2] > z:
            facts.append(("over", "gripper", item.name))
    return facts


def _motion(bench: Bench) -> list[Fact]:
    return [("moving", item.name) for item in bench.items.values() if item.kind != "light" and _speed(bench, item) > MOVING]


def _speed(bench: Bench, item: Item) -> float:
    """m/s of a loose thing or of a joint."""
    if item.loose:
        return hypot(*bench.bullet.getBaseVelocity(item.body)[0])
    return abs(float(bench.bullet.getJointState(item.body, item.link)[1])) if item.link >= 0 else 0.0
