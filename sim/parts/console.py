"""A console beside the button: a lever that snaps between two ends and switches a lamp, and a knob with three marks."""

from functools import cache
from math import cos, pi, radians, sin
from typing import TYPE_CHECKING, Any

import numpy as np
import pybullet

from agent.types import Fact
from sim.meshes import cached_file, obj_text
from sim.objects import COLOURS, DARK, METAL, RGB, SHELL, XYZ, _box, _geometry, _link, _origin, _part, _robot, _solid, _visual
from sim.parts.part import Hull, Part, hinge

if TYPE_CHECKING:
    from sim.bench import Bench

CONSOLE: XYZ = (0.22, 0.27, 0.03)
FRONT_X, BACK_X = -0.05, 0.055
"""What is moved stands in front, the lamp behind; from the console's middle, m."""
LEVER_Y, KNOB_Y = -0.065, 0.070
LEVER_SWING, LEVER_TORQUE, LEVER_PUSH, LEVER_SPEED = 0.45, 0.15, 3.0, 4.0
LEVER_PIVOT, LEVER_LONG = 0.034, 0.056
"""Height of the pivot above the table, and from there to where it is grasped, m."""
LEVER_GRIP: XYZ = (0.022, 0.014, 0.034)
SNAP, THROWN = 0.05, 0.25
"""The lever goes over to the other side when it is this far past the middle; it counts as up or down from THROWN on, rad."""
KNOB_LIMIT, KNOB_FRICTION = radians(150), 0.03
KNOB_DISC, KNOB_FIN = (0.027, 0.012), (0.046, 0.014, 0.026)
KNOB_GRASP = 0.027
MARKS = {"mark 1": pi / 2, "mark 2": 0.0, "mark 3": -pi / 2}
"""Where the pointer shows at a mark, rad about z: to the left, straight ahead, to the right."""
TICKS = 0.044
"""How far from the knob's middle the marks are, m."""
AT_MARK = radians(15)
LAMP_ON: RGB = (0.66, 0.90, 1.0)
LAMP_OFF: RGB = (0.36, 0.40, 0.45)
LAMP: XYZ = (0.066, 0.066, 0.060)


class Console(Part):
    """Joints "swing" of the lever, −LEVER_SWING (down, towards the robot, lamp off) to LEVER_SWING, and "turn" of the knob; rad."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        x, y = bench.layout.console_at
        has_lever, has_knob = bench.layout.lever != "none", bench.layout.knob != "none"
        self._body = body = bench.add_fixture("console", urdf(has_lever, has_knob), (x, y, 0.0))
        self._lever = self._knob = -1
        self.up, self._force = bench.layout.lever == "up", LEVER_TORQUE
        if has_lever:
            self._lever = bench.register("lever", "lever", body, "lever", LEVER_GRIP, (0, 0, LEVER_LONG))
            bench.register("lamp", "lamp", body, "lamp", LAMP, (0, 0, LAMP[2] / 2))
            bench.bullet.resetJointState(body, self._lever, LEVER_SWING if self.up else -LEVER_SWING)
            self._show()
        if has_knob:
            self._knob = bench.register("knob", "knob", body, "knob", KNOB_FIN, (0, 0, KNOB_GRASP))
            bench.bullet.resetJointState(body, self._knob, MARKS[bench.layout.knob])
        self._hold()

    def _hold(self) -> None:
        """The lever's spring, towards the side that it is on; the knob's friction."""
        drive = self._bench.bullet.setJointMotorControl2
        if self._lever >= 0:
            target = LEVER_SWING if self.up == (self._force == LEVER_TORQUE) else -LEVER_SWING
            drive(self._body, self._lever, pybullet.POSITION_CONTROL, targetPosition=target, force=self._force, maxVelocity=LEVER_SPEED)
        if self._knob >= 0:
            drive(self._body, self._knob, pybullet.VELOCITY_CONTROL, targetVelocity=0.0, force=KNOB_FRICTION)

    def push(self, on: bool) -> None:
        """Someone throws the lever over (on), or lets go of it; a hand on it can resist."""
        self._force = LEVER_PUSH if on else LEVER_TORQUE
        self._hold()

    def _show(self) -> None:
        lamp = self._bench.items["lamp"]
        self._bench.bullet.changeVisualShape(lamp.body, lamp.link, rgbaColor=(*(LAMP_ON if self.up else LAMP_OFF), 1))

    def step(self) -> None:
        if self._lever < 0:
            return
        angle = self._bench.joint("lever")
        if (angle > SNAP and not self.up) or (angle < -SNAP and self.up):
            self.up, self._force = not self.up, LEVER_TORQUE
            self._hold()
            self._show()

    def state(self) -> dict[str, Any]:
        return {"up": self.up, "force": self._force}

    def restore(self, state: dict[str, Any]) -> None:
        self.up, self._force = state["up"], state["force"]
        self._hold()
        if self._lever >= 0:
            self._show()

    def facts(self) -> list[Fact]:
        facts: list[Fact] = []
        if self._lever >= 0:
            angle = self._bench.joint("lever")
            facts += [("up", "lever")] * (angle > THROWN) + [("down", "lever")] * (angle < -THROWN)
            facts.append(("lit" if self.up else "dark", "lamp"))
        if self._knob >= 0:
            angle = self._bench.joint("knob")
            facts += [("at", "knob", mark) for mark, there in MARKS.items() if abs(angle - there) < AT_MARK]
        return facts

    def hulls(self) -> list[Hull]:
        hulls: list[Hull] = [(self._body, -1, CONSOLE, (0, 0, CONSOLE[2] / 2))]
        if self._lever >= 0:
            hulls += [(self._body, self._lever, LEVER_GRIP, (0, 0, LEVER_LONG)),
                      (self._body, self._bench.items["lamp"].link, LAMP, (0, 0, LAMP[2] / 2))]  # fmt: skip
        return hulls


def _cylinder(radius: float, length: float) -> str:
    return f'<cylinder radius="{radius:.4f}" length="{length:.4f}"/>'


def urdf(lever: bool, knob: bool) -> str:
    """Its frame: floor level, middle of the console."""
    seen, parts = _solid(_box(CONSOLE), (0, 0, CONSOLE[2] / 2), DARK), ""
    if lever:
        seen += _visual(_box((0.07, 0.026, 0.004)), (FRONT_X, LEVER_Y, CONSOLE[2] + 0.001), METAL)
        seen += _visual(_box((0.010, 0.010, 0.03)), (BACK_X, LEVER_Y, CONSOLE[2] + 0.015), METAL)
        seen += _visual(_box((0.040, 0.040, 0.006)), (BACK_X, LEVER_Y, CONSOLE[2] + 0.003), METAL)
        parts += _lever_parts()
    if knob:
        seen += "".join(_visual(_box((0.014, 0.0045, 0.003)), (x, y, CONSOLE[2] + 0.001), SHELL, (0, 0, yaw)) for x, y, yaw in _ticks())
        parts += _knob_parts()
    return _robot("console", _link("base", seen, 0.0) + parts)


def _lever_parts() -> str:
    rod = _solid(_box((0.009, 0.009, 0.044)), (0, 0, 0.022), METAL)
    parts = _link("lever", rod, 0.03, (0, 0, 0.03))
    parts += hinge("swing", "lever", (FRONT_X, LEVER_Y, LEVER_PIVOT), (0, 1, 0), LEVER_SWING)
    parts += _part("lever", "grip", _box(LEVER_GRIP), 0.02, (0, 0, LEVER_LONG), COLOURS["orange"])
    shade = f'<mesh filename="{cached_file(_shade_mesh(), ".obj")}"/>'
    touched = f"<collision>{_origin((0, 0, LAMP[2] / 2))}{_geometry(_cylinder(LAMP[0] / 2, LAMP[2]))}</collision>"
    fixed = f'<joint name="lamp_at" type="fixed"><parent link="base"/><child link="lamp"/>{_origin((BACK_X, LEVER_Y, CONSOLE[2]))}</joint>'
    return parts + _link("lamp", _visual(shade, (0, 0, 0), LAMP_OFF) + touched, 0.02) + fixed


def _knob_parts() -> str:
    radius, thick = KNOB_DISC
    parts = _link("knob", _solid(_cylinder(radius, thick), (0, 0, thick / 2), METAL), 0.03, (0, 0, thick / 2))
    parts += hinge("turn", "knob", (FRONT_X, KNOB_Y, CONSOLE[2]), (0, 0, 1), KNOB_LIMIT)
    parts += _part("knob", "fin", _box(KNOB_FIN), 0.02, (0, 0, thick + KNOB_FIN[2] / 2), SHELL)
    pointer = _visual(_box((0.024, 0.006, 0.002)), (0, 0, 0), COLOURS["red"])
    where = (KNOB_FIN[0] / 2 - 0.012, 0, thick + KNOB_FIN[2])
    fixed = f'<joint name="pointer_at" type="fixed"><parent link="knob"/><child link="pointer"/>{_origin(where)}</joint>'
    return parts + _link("pointer", pointer, 0.001) + fixed


def _ticks() -> list[tuple[float, float, float]]:
    """One tick at mark 1, two at mark 2, three at mark 3, around the knob: x, y, m, and which way they point, rad."""
    ticks = []
    for count, angle in enumerate(MARKS.values(), start=1):
        for index in range(count):
            bearing = angle + 0.24 * (index - (count - 1) / 2)
            ticks.append((FRONT_X + TICKS * cos(bearing), KNOB_Y + TICKS * sin(bearing), bearing))
    return ticks


@cache
def _shade_mesh(steps: int = 24) -> str:
    """A lampshade: wide below, narrow above, closed; OBJ text."""
    low, high, top = 0.024, LAMP[2], 0.4 * LAMP[0]
    angles = [2 * pi * step / steps for step in range(steps)]
    rings = [[(r * cos(a), r * sin(a), z) for a in angles] for r, z in ((LAMP[0] / 2, low), (top * 0.75, high))]
    vertices = np.array([*rings[0], *rings[1], (0, 0, low), (0, 0, high)])
    faces = []
    for a in range(steps):
        b = (a + 1) % steps
        faces += [(a, b, b + steps), (a, b + steps, a + steps), (b, a, 2 * steps), (a + steps, b + steps, 2 * steps + 1)]
    return obj_text(vertices, np.array(faces))
