"""Beads: a lot of small balls that is one thing with one name. They are where four fifths of them are."""

from collections.abc import Iterator
from math import cos, pi, sin
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.types import Fact, Thing
from sim import loose, vessels
from sim.meshes import cached_file
from sim.parts.part import Part

if TYPE_CHECKING:
    from sim.bench import Bench, Item

COUNT = 6
MOST = 0.8
"""The share of them that must be in a place for the beads to be there."""
MOVING = 0.02
"""m/s of the fastest of them."""
SPREAD, TOGETHER = 0.062, 0.035
"""Radius of the patch that they are strewn over on a table, and in a bowl or a tray, m."""
APART = 0.018
"""Between the centres of two beads at the start, m."""
OVER_RIM = 0.004
"""How far above the rim of what holds it the centre of a bead may be, m."""


class Beads(Part):
    """The bodies, and where they are."""

    def __init__(self, bench: "Bench", place: tuple[float, float, float], inside: str | None, count: int) -> None:
        """`place`: middle of the lowest layer, m; `inside`: what they are in, if they do not lie on the table."""
        self._bench = bench
        spots = cup_spots(count, bench.world.rng) if inside and loose.made(inside).kind == "cup" else strewn(
            count, SPREAD if inside is None or loose.made(inside).kind == "zone" else TOGETHER, bench.world.rng)
        self.bodies = [
            bench.world.load(f"bead {number + 1}", str(cached_file(vessels.bead(number), ".urdf")), tuple(np.add(place, spot)))
            for number, spot in enumerate(spots)
        ]

    def spots(self) -> NDArray[np.float64]:
        """The centre of each, float64[N, 3], m."""
        return np.array([self._bench.bullet.getBasePositionAndOrientation(body)[0] for body in self.bodies])

    def within(self, item: "Item") -> NDArray[np.bool_]:
        """Which of them are inside a bowl, a cup, a tray or a zone, bool[N]."""
        at, turn = self._bench.pose(item.name)
        if item.kind == "zone":
            flat = np.abs((self.spots() - at) @ turn)
            return np.asarray((flat[:, 0] < item.size[0] / 2) & (flat[:, 1] < item.size[1] / 2) & (flat[:, 2] < 2 * vessels.BEAD))
        return vessels.holds(item.kind, item.size, turn, self.spots() - at, OVER_RIM)

    def thing(self) -> Thing:
        """All of them as one thing."""
        spots = self.spots()
        low, high = spots.min(axis=0) - vessels.BEAD, spots.max(axis=0) + vessels.BEAD
        return Thing(name="beads", kind="beads", position=tuple(((low + high) / 2).tolist()), size=tuple((high - low).tolist()),
                     pieces=tuple(map(tuple, spots.tolist())))  # fmt: skip

    def follow(self, item: "Item", place: NDArray[np.float64], turn: NDArray[np.float64]) -> None:
        """Before a vessel is put at a place, float64[3], m, with a rotation, float64[3, 3]: what is in it, and in nothing narrower, goes
        along."""
        mine = self.within(item)
        for other in self._bench.items.values():
            if other.kind in loose.HOLLOW and other.size[0] < item.size[0]:
                mine &= ~self.within(other)
        here, was = self._bench.pose(item.name)
        for body, spot, goes in zip(self.bodies, self.spots(), mine, strict=True):
            if goes:
                there = place + turn @ was.T @ (spot - here)
                self._bench.bullet.resetBasePositionAndOrientation(body, there.tolist(), (0, 0, 0, 1))
                self._bench.bullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0))

    def facts(self) -> list[Fact]:
        return list(self._facts())

    def _facts(self) -> Iterator[Fact]:
        least = MOST * len(self.bodies) - 1e-9
        low = self.spots()[:, 2] < 1.5 * vessels.BEAD
        for item in self._bench.items.values():
            if item.kind in (*loose.HOLLOW, "zone"):
                there = self.within(item)
                low &= ~there | (item.kind == "zone")
                if there.sum() >= least:
                    yield ("in", "beads", item.name)
        if low.sum() >= least:
            yield ("on", "beads", "table")
        if max(np.linalg.norm(self._bench.bullet.getBaseVelocity(body)[0]) for body in self.bodies) > MOVING:
            yield ("moving", "beads")


def cup_spots(count: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Rings of six, one above the other, turned by the seed."""
    start = float(rng.uniform(0, 2 * pi))
    radius = 1.03 * 2 * vessels.BEAD
    turns = [start + pi / 3 * (number % 6) + pi / 6 * (number // 6) for number in range(count)]
    return [(radius * cos(turn), radius * sin(turn), number // 6 * 2 * vessels.BEAD) for number, turn in enumerate(turns)]


def strewn(count: int, spread: float, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """At random within a circle, none touching another; where it is full, in another layer."""
    spots: list[tuple[float, float, float]] = []
    layer = tries = 0
    while len(spots) < count:
        radius, turn = spread * float(np.sqrt(rng.uniform())), float(rng.uniform(0, 2 * pi))
        spot = (radius * cos(turn), radius * sin(turn), layer * APART)
        if all(np.hypot(spot[0] - x, spot[1] - y) > APART or z < spot[2] for x, y, z in spots):
            spots.append(spot)
        tries += 1
        layer = tries // 200
    return spots
