"""How things move on the table, told as events: a skill can know that something was pushed or turned since it began."""

from itertools import combinations
from math import atan2, hypot, pi
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.types import Fact
from sim import loose
from sim.parts.part import Part

if TYPE_CHECKING:
    from sim.bench import Bench, Item

STEP_M, STEP_RAD = 0.01, pi / 36
"""One event for so much."""
ON_TABLE, LIFTED = 0.006, 0.02
"""A thing whose underside is higher than this, m, is not on the table, and is not followed; and what was lifted."""
TOUCHING = 0.002
"""Nearer than this, m, things touch."""
STILL = (0.002, 0.02)
"""m/s and rad/s below which a thing counts from where it is."""
JUMP = (0.05, 0.5)
"""m and rad in a tick that nothing goes by itself: someone put it there, or it fell over."""
SUBSTEPS = 12


class Mark(NamedTuple):
    """Up to where a thing's motion has been told: m, rad, and the axis whose heading that is."""

    x: float
    y: float
    heading: float
    axis: int
    up: bool = False
    """Is it off the table?"""


class Travel(Part):
    """Events ("moved", thing, "left" | "right" | "away" | "near") for every centimetre, net, and ("turned", thing, "left" | "right")
    for every 5° about the vertical, of blocks that stay on the table; ("lifted", thing) once it leaves the table. Facts ("touching", thing,
    other) of blocks side by side on the table, both ways."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self.substep = 0
        self.marks: dict[str, Mark] = {}

    def step(self) -> None:
        """Look once in a control period."""
        self.substep = (self.substep + 1) % SUBSTEPS
        if self.substep == 0:
            events = [event for item in self._bench.items.values() if item.kind in loose.BLOCKS for event in self._follow(item)]
            if events:
                logic = self._bench.logic
                self._bench.logic = logic._replace(events=(*logic.events, *((logic.tick, event) for event in events)))

    def _follow(self, item: "Item") -> list[Fact]:
        here, low = self._look(item)
        was = self.marks.get(item.name)
        if was is None or low > ON_TABLE or was.axis != here.axis or self._rests(item):
            up = low > LIFTED or (low > ON_TABLE and was is not None and was.up)
            self.marks[item.name] = here._replace(up=up)
            return [("lifted", item.name)] if up and was is not None and not was.up else []
        dx, dy, turn = here.x - was.x, here.y - was.y, (here.heading - was.heading + pi) % (2 * pi) - pi
        if hypot(dx, dy) > JUMP[0] or abs(turn) > JUMP[1]:
            self.marks[item.name] = here
            return []
        steps = [int(dx / STEP_M), int(dy / STEP_M), int(turn / STEP_RAD)]
        self.marks[item.name] = was._replace(
            x=was.x + steps[0] * STEP_M, y=was.y + steps[1] * STEP_M, heading=was.heading + steps[2] * STEP_RAD, up=False
        )
        ways = (("moved", "away", "near"), ("moved", "left", "right"), ("turned", "left", "right"))
        told: list[Fact] = []
        for count, (verb, plus, minus) in zip(steps, ways, strict=True):
            told += [(verb, item.name, plus if count > 0 else minus)] * abs(count)
        return told

    def _look(self, item: "Item") -> tuple[Mark, float]:
        """Where a thing is, and how high its underside, m."""
        bullet = self._bench.bullet
        (x, y, z), quaternion = bullet.getBasePositionAndOrientation(item.body)
        turn = bullet.getMatrixFromQuaternion(quaternion)
        up = max(range(3), key=lambda row: abs(turn[6 + row]))
        axis = (up + 1) % 3
        return Mark(x, y, atan2(turn[3 + axis], turn[axis]), axis), z - item.size[up] / 2

    def _rests(self, item: "Item") -> bool:
        speed, spin = self._bench.bullet.getBaseVelocity(item.body)
        return hypot(*speed) < STILL[0] and hypot(*spin) < STILL[1]

    def state(self) -> dict[str, Any]:
        return {"substep": self.substep, "marks": {name: list(mark) for name, mark in self.marks.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        self.substep = state["substep"]
        self.marks = {name: Mark(*mark) for name, mark in state["marks"].items()}

    def facts(self) -> list[Fact]:
        return [("followed", "table"), *self._touching()]

    def _touching(self) -> list[Fact]:
        """Bullet keeps contacts of things this small only up to half a millimetre: so of those near each other the distance is asked."""
        looks = [(item, *self._look(item)) for item in self._bench.items.values() if item.kind in loose.BLOCKS]
        low = [(item, mark) for item, mark, height in looks if height < ON_TABLE]
        touching: list[Fact] = []
        for (one, here), (other, there) in combinations(low, 2):
            near = hypot(here.x - there.x, here.y - there.y) < (hypot(*one.size) + hypot(*other.size)) / 2 + TOUCHING
            if near and self._bench.bullet.getClosestPoints(one.body, other.body, TOUCHING):
                touching += [("touching", one.name, other.name), ("touching", other.name, one.name)]
        return touching
