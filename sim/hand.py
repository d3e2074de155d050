"""A person's hand that interferes: a fist with a forearm, moved along a path from outside. It pushes a thing or stands over it, and leaves.

It is a kinematic body: what it meets is moved by contact alone. Pressed by more than MOST_N it draws back and leaves. It has no name in
the Scene; cameras see it. Worlds without such a disturbance have no such body.
"""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.meshes import cached_file
from sim.objects import RGB, XYZ, _link, _part, _robot, _solid
from sim.parts.part import Hull, Part
from sim.world import SUBSTEPS_HZ

if TYPE_CHECKING:
    from sim.bench import Bench

FIST, FOREARM, FOREARM_LONG = 0.034, 0.027, 0.30
SKIN: RGB = (0.87, 0.66, 0.54)
SLEEVE: RGB = (0.24, 0.29, 0.42)
PARKED = (0.40, 0.70, 0.30)
"""Where it waits, m; the person stands beside the table, across from the cabinet."""
HIGH, LOW, GAP = 0.16, 0.040, 0.02
"""Height at which it comes, height at which it pushes, and the space it keeps from a thing before it touches it, m."""
REACHING, LOWERING, PUSHING = 1.0, 0.5, 0.25
"""m/s."""
MOST_N, ASIDE = 25.0, (0.15, 0.05)
"""Pressed harder than this it draws back: so far to its own side and up, m; then it leaves."""
ROOM, FIXED_ROOM = 0.11, 0.17
"""From where a thing is pushed to, and from where the hand comes down, to the next thing; from there to what is built in, m."""
AWAY = 0.02
"""How much rather it pushes away from the person than towards them, m of room."""
FLAT = ("table", "zone")


Points = Sequence[Sequence[float]]


class Leg(NamedTuple):
    """Straight to a point at a speed, m and m/s; then it rests there for so many substeps."""

    to: XYZ
    speed: float
    rest: int = 0
    leaving: bool = False


class Hand(Part):
    """The body and the way that it still has to go."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self._side = -1.0 if bench.layout.cabinet_at[1] > 0 else 1.0
        self.park: XYZ = (PARKED[0], self._side * PARKED[1], PARKED[2])
        self._body = bench.world.load("hand", str(cached_file(urdf(self._side), ".urdf")), self.park, 0.0, True)
        self.at: XYZ = self.park
        self.legs: list[Leg] = []

    def push(self, name: str, by: float, seed: Sequence[int]) -> None:
        """Come down beside a thing and push it so far, m; the seed draws the directions that it has to choose from."""
        (x, y, z), size = self._bench.pose(name)[0], self._bench.items[name].size
        away = max(size[:2]) / 2 + FIST + GAP
        dx, dy = self._direction(name, by, away, np.random.default_rng(list(seed)))
        low = max(LOW, float(z))
        begin = (x - away * dx, y - away * dy)
        end = (begin[0] + (GAP + by) * dx, begin[1] + (GAP + by) * dy)
        self._go([(*begin, HIGH), (*begin, low)], [(*end, low)], [(*end, HIGH)], 0)

    def block(self, name: str, seconds: float) -> None:
        """Stand over a thing for so long."""
        (x, y, z), size = self._bench.pose(name)[0], self._bench.items[name].size
        over = float(z) + size[2] / 2 + FIST + GAP
        self._go([(x, y, over + HIGH), (x, y, over)], [], [(x, y, over + HIGH)], round(seconds * SUBSTEPS_HZ))

    def _go(self, coming: Points, working: Points, leaving: Points, rest: int) -> None:
        above, down = map(_point, coming)
        work = [Leg(_point(point), PUSHING) for point in working]
        leave = [Leg(_point(point), REACHING, leaving=True) for point in (*leaving, self.park)]
        self.legs = [Leg(above, REACHING), Leg(down, LOWERING, rest), *work, *leave]

    def _direction(self, name: str, by: float, away: float, rng: np.random.Generator) -> tuple[float, float]:
        """The way with the most room: for the thing at its end, for the hand at its beginning; rather away from the person."""
        here = self._bench.pose(name)[0][:2]
        others = [self._bench.pose(item.name)[0][:2] for item in self._bench.items.values() if item.loose and item.name != name]
        fixed = [self._bench.pose(item.name)[0][:2] for item in self._bench.items.values() if not item.loose and item.kind not in FLAT]
        (low_x, high_x), (low_y, high_y) = self._bench.layout.regions[0]
        best, least = (1.0, 0.0), float("inf")
        for angle in rng.uniform(-pi, pi, 36):
            way = np.array([cos(angle), sin(angle)])
            end, begin = here + by * way, here - away * way
            out = max(low_x - end[0], end[0] - high_x, 0.0) + max(low_y - end[1], end[1] - high_y, 0.0)
            room = min((min(_off(other, here, end), float(np.hypot(*(other - begin)))) for other in others), default=1.0)
            beside = min((float(np.hypot(*(other - begin))) for other in fixed), default=1.0)
            towards = AWAY * (1 + float(way[1]) * self._side)
            cost = float(out) + max(0.0, ROOM - room) + max(0.0, FIXED_ROOM - beside) + towards
            if cost < least:
                best, least = (float(way[0]), float(way[1])), cost
        return best

    def step(self) -> None:
        """One substep along the way."""
        if not self.legs:
            return
        leg = self.legs[0]
        if not leg.leaving and self._pressed() > MOST_N:
            x, y, z = self.at
            aside = (x, y + self._side * ASIDE[0], z + ASIDE[1])
            self.legs = [Leg(to, REACHING, leaving=True) for to in (aside, (aside[0], aside[1], HIGH), self.park)]
            return None
        way = np.subtract(leg.to, self.at)
        far, stride = float(np.linalg.norm(way)), leg.speed / SUBSTEPS_HZ
        if far > stride:
            return self._place(_point(np.array(self.at) + way * (stride / far)), way * (leg.speed / far))
        self._place(leg.to, np.zeros(3))
        self.legs = [leg._replace(rest=leg.rest - 1), *self.legs[1:]] if leg.rest > 0 else self.legs[1:]

    def _pressed(self) -> float:
        """The force on it, N."""
        return float(sum(contact[9] for contact in self._bench.bullet.getContactPoints(bodyA=self._body)))

    def _place(self, at: XYZ, velocity: np.ndarray) -> None:
        self.at = at
        self._bench.bullet.resetBasePositionAndOrientation(self._body, at, (0, 0, 0, 1))
        self._bench.bullet.resetBaseVelocity(self._body, velocity.tolist(), (0, 0, 0))

    def state(self) -> dict[str, Any]:
        return {"at": list(self.at), "legs": [list(leg) for leg in self.legs]}

    def restore(self, state: dict[str, Any]) -> None:
        self.at = _point(state["at"])
        self.legs = [Leg(_point(leg[0]), *leg[1:]) for leg in state["legs"]]

    def hulls(self) -> list[Hull]:
        return [(self._body, -1, (2 * FIST,) * 3, (0, 0, 0)), (self._body, 0, (2 * FOREARM, 2 * FOREARM, FOREARM_LONG), (0, 0, 0))]


def _point(values: Sequence[float] | np.ndarray) -> XYZ:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _off(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Distance of a point from a straight way, m."""
    way = end - start
    share = float(np.clip((point - start) @ way / max(float(way @ way), 1e-12), 0.0, 1.0))
    return float(np.hypot(*(point - start - share * way)))


def urdf(side: float) -> str:
    """Its frame is the middle of the fist; the forearm rises from there to the person's side, which is +y or −y."""
    lean = 0.93
    reach = FIST * 0.6 + FOREARM_LONG / 2
    where = (0.0, side * reach * sin(lean), reach * cos(lean))
    fist = _link("base", _solid(f'<sphere radius="{FIST}"/>', (0, 0, 0), SKIN), 0.0)
    sleeve = f'<cylinder radius="{FOREARM}" length="{FOREARM_LONG}"/>'
    return _robot("hand", fist + _part("base", "forearm", sleeve, 0.0, where, SLEEVE, (-side * lean, 0, 0)))
