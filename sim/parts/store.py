"""On top of the cabinet: two open bays side by side, and one lid that slides between them and always covers one."""

from typing import TYPE_CHECKING, Any

import pybullet

from agent.types import Fact
from sim.objects import CABINET, FRONT, METAL, RGB, SHELL, XYZ, _box, _link, _part, _robot, _solid, _visual
from sim.parts.part import Hull, Part, slider

if TYPE_CHECKING:
    from sim.bench import Bench

WALL, FLOOR, TALL = 0.008, 0.006, 0.048
"""Thickness of walls and floor, height of the walls above the floor, m."""
BASE = CABINET[2] + 0.0005
FLOOR_TOP = BASE + FLOOR
"""z of the bays' floor, m."""
BAY: XYZ = (0.115, (CABINET[1] - 3 * WALL) / 2, TALL)
"""A bay's inside, m."""
BAY_X, BAY_Y = WALL + BAY[0] / 2, (BAY[1] + WALL) / 2
"""A bay's middle, from the middle of the cabinet's front, m: the left one at +y."""
LID: XYZ = (BAY[0] + 0.012, BAY[1] + 0.010, 0.005)
LID_GAP = 0.004
"""From the top of the walls to the lid, which rides on rails: what is 5 cm high lies under it with 2 mm to spare, m."""
LID_Z = FLOOR_TOP + TALL + LID_GAP + LID[2] / 2
LID_TRAVEL, LID_FRICTION = 2 * BAY_Y, 2.0
LID_HANDLE: XYZ = (0.044, 0.014, 0.030)
LID_GRASP = LID[2] / 2 + 0.017
"""Where its handle is grasped, above the lid's middle, m."""
END = 0.015
"""So near to the end of its travel, m, the lid is at that side and leaves the other bay uncovered."""
INSIDE: RGB = (0.72, 0.69, 0.65)


class Store(Part):
    """Joint "glide" of the lid: 0 at the right, LID_TRAVEL at the left, m."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        x, y = bench.layout.cabinet_at
        self._body = body = bench.add_fixture("store", urdf(), (x, y, 0.0))
        self._lid = bench.register("lid", "lid", body, "lid", LID, (0, 0, LID_GRASP))
        for name, side in (("left bay", 1), ("right bay", -1)):
            bench.register(name, "bay", body, "base", BAY, (BAY_X, side * BAY_Y, FLOOR_TOP))
        bench.bullet.resetJointState(body, self._lid, LID_TRAVEL if bench.layout.lid == "left" else 0.0)
        self.set_motor(0.0, LID_FRICTION)

    def set_motor(self, speed: float, force: float) -> None:
        """What acts on the lid besides hands: speed 0 is its friction, N."""
        self.motor = (speed, force)
        drive = self._bench.bullet.setJointMotorControl2
        drive(self._body, self._lid, pybullet.VELOCITY_CONTROL, targetVelocity=speed, force=force)

    def state(self) -> dict[str, Any]:
        return {"motor": self.motor}

    def restore(self, state: dict[str, Any]) -> None:
        self.set_motor(*state["motor"])

    def facts(self) -> list[Fact]:
        at = self._bench.joint("lid")
        left, right = at > LID_TRAVEL - END, at < END
        facts: list[Fact] = [("uncovered" if right else "covered", "left bay"), ("uncovered" if left else "covered", "right bay")]
        return facts + ([("at left", "lid")] if left else [("at right", "lid")] if right else [])

    def hulls(self) -> list[Hull]:
        depth, width, _ = CABINET
        return [(self._body, -1, (depth, width, TALL), (depth / 2, 0, FLOOR_TOP + TALL / 2))]


def urdf() -> str:
    """Its frame: floor level, middle of the cabinet's front, as the cabinet's."""
    depth, width, _ = CABINET
    middle = FLOOR_TOP + TALL / 2
    floor = _solid(_box((depth, width, FLOOR)), (depth / 2, 0, BASE + FLOOR / 2), INSIDE)
    rails = "".join(_visual(_box((0.003, width, 2 * LID_GAP)), (x, 0, FLOOR_TOP + TALL), METAL) for x in (WALL / 2, WALL + BAY[0] + 0.004))
    parts = _link("base", floor + rails, 0.0)
    parts += _part("base", "front", _box((WALL, width, TALL)), 0.0, (WALL / 2, 0, middle), SHELL)
    ledge = depth - WALL - BAY[0]
    parts += _part("base", "ledge", _box((ledge, width, TALL)), 0.0, (depth - ledge / 2, 0, middle), SHELL)
    for name, y in (("left", (width - WALL) / 2), ("middle", 0.0), ("right", (WALL - width) / 2)):
        parts += _part("base", f"{name}_wall", _box((BAY[0], WALL, TALL)), 0.0, (BAY_X, y, middle), SHELL)
    parts += _link("lid", _solid(_box(LID), (0, 0, 0), FRONT), 0.15) + slider("glide", "lid", (BAY_X, -BAY_Y, LID_Z), (0, 1, 0), LID_TRAVEL)
    return _robot("store", parts + _part("lid", "lid_handle", _box(LID_HANDLE), 0.03, (0, 0, (LID[2] + LID_HANDLE[2]) / 2), METAL))
