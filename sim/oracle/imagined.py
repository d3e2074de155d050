"""The hand and what it moves, rolled forward in the mind: no physics, only where things go when nothing goes wrong.

R_world_tcp = exp(r)·R_down; the oracle always wants rx = ry = 0, so rz is the hand's yaw.
"""

from dataclasses import dataclass, field
from math import cos, hypot, pi, sin

import numpy as np
from numpy.typing import NDArray

from agent.errors import PolicyError
from agent.types import Observation, Scene, Thing
from sim.kinematics import rotation
from sim.loose import ELL, HELD
from sim.objects import BUTTON_TRAVEL
from sim.oracle.handles import HANDLED, dragged

Vector = NDArray[np.float64]

DT = 0.05
TAKEN = frozenset((*HELD, *HANDLED))
"""Kinds that fingers close on."""
FULL = 0.08
"""Opening of the gripper at 1, m."""
SQUEEZE = 0.13
"""How fast the opening is imagined to change, m/s: slower than it does, so that nothing is lifted before it is gripped."""
FIN = 0.014
JUST_NOW = 25
"""A button that was pressed within so many ticks is not pressed again."""
GRIPPED = 0.002
"""A thing is gripped when the opening is no wider than it by more than this, m."""
ELL_HOLD = (-0.012, -ELL[1] / 4)
"""Where an L is taken, in its own frame, m: on the middle of its long leg, clear of the short one."""
ELL_HIGH, UNDER_PALM = 0.007, 0.035
"""How far above its middle an L is taken, and how far the tool centre point may be below the top of anything, m."""
LOWEST_HOLD, BETWEEN_PADS = 0.02, 0.01
"""How high above the foot of what is low the tool centre point is at least, where it stays so far below its top, m."""
CUP_HOLD, SPONGE_HOLD = 0.019, 0.008
"""How far above their middle a cup and a sponge are taken, m."""
LEANS = 0.01
"""A hand that leans by less than this, rad, carries things level."""
SLACK = 0.004
"""A thing slips out when the opening is this much wider than it, m."""


class Refused(PolicyError):
    """The oracle is there and has understood, but cannot: asking again will not help."""

    refused = True


def wrap(angle: float, period: float = 2 * pi) -> float:
    """The same angle, modulo `period`, nearest to zero."""
    return (angle + period / 2) % period - period / 2


def span(thing: Thing, yaw: float) -> float:
    """How wide a thing is between fingers that open along the y axis of a hand with that yaw, m."""
    if thing.kind in ("drawer", "lid"):
        return FIN
    turn = thing.yaw - yaw
    if thing.kind in ("cylinder", "cup", "ring") and abs(thing.size[0] - thing.size[1]) < 1e-3:
        return thing.size[0]
    if thing.kind == "L":
        return abs(thing.size[0] * sin(turn)) + abs(ELL[1] / 2 * cos(turn))
    return abs(thing.size[0] * sin(turn)) + abs(thing.size[1] * cos(turn))


def grip_height(thing: Thing) -> float:
    """Where between the pads it is taken, height above its middle, m: a cup below its rim, so that the palm does not cover it, a
    sponge so that beads pass under the finger tips, an L high, so that the fingers stay above the fixture that it goes into, what is
    low so that the palm clears what stands beside it, and what is tall so that the palm does not touch it."""
    higher = {"cup": CUP_HOLD, "sponge": SPONGE_HOLD, "L": ELL_HIGH}
    half = thing.size[2] / 2
    return higher.get(thing.kind, max(half - UNDER_PALM, min(LOWEST_HOLD - half, half - BETWEEN_PADS), 0.0))


def hold(thing: Thing) -> tuple[float, float]:
    """Where between the pads it is taken, x and y in the world, m: an L by its long leg, all else by its middle."""
    x, y, _ = thing.position
    if thing.kind != "L":
        return x, y
    c, s = cos(thing.yaw), sin(thing.yaw)
    ahead, aside = ELL_HOLD
    return x + ahead * c - aside * s, y + ahead * s + aside * c


@dataclass(slots=True)
class Imagined:
    """The state that one chunk is unrolled from; changes as the rows go by. Lengths in m, angles in rad, world frame."""

    scene: Scene
    tcp: Vector
    turn: Vector
    """Rotation vector r of the hand."""
    width: float
    things: dict[str, Thing]
    held: str | None
    gripped: str | None
    """The thing whose handle is between closed fingers."""
    pressed: set[str]
    notes: dict[object, object] = field(default_factory=dict)
    """What was decided once for this chunk: grasps and spots."""

    @classmethod
    def of(cls, observation: Observation, scene: Scene) -> "Imagined":
        state = observation.state.astype(float)
        things = {thing.name: thing for thing in scene.things}
        pressed = {fact[1] for tick, fact in scene.events if fact[0] == "pressed" and tick > scene.tick - JUST_NOW}
        self = cls(scene, state[7:10].copy(), state[10:13].copy(), float(state[13]), things, scene.holding, None, pressed)
        if self.held not in things or things[self.held].kind not in HELD:
            self.held = next((thing.name for thing in scene.things if thing.kind in HELD and self._between(thing, -0.008)), None)
        if self.held is None:
            self.gripped = next((thing.name for thing in scene.things if thing.kind in HANDLED and self._between(thing, -0.006)), None)
        return self

    @property
    def yaw(self) -> float:
        return float(self.turn[2])

    def offset(self, thing: Thing) -> Vector:
        """From the tool centre point to the thing's position, in the hand's yaw frame, z up, m."""
        return self._seen(np.asarray(thing.position))

    def centred(self, thing: Thing) -> Vector:
        """The same for where the thing is taken."""
        return self._seen(np.array([*hold(thing), thing.position[2]]))

    def _seen(self, point: Vector) -> Vector:
        x, y, z = point - self.tcp
        c, s = cos(self.yaw), sin(self.yaw)
        return np.array([c * x + s * y, c * y - s * x, z])

    def inside(self, thing: Thing) -> bool:
        """Is the thing between the fingers, gripped or not? Asked of every thing at every step of a motion in the mind: plain numbers."""
        tcp_x, tcp_y, tcp_z = self.tcp.tolist()
        if abs(thing.position[2] - tcp_z) >= 0.028:
            return False
        x, y = hold(thing)
        x, y, c, s = x - tcp_x, y - tcp_y, cos(self.yaw), sin(self.yaw)
        return abs(c * x + s * y) < 0.022 and abs(c * y - s * x) < 0.02

    def _between(self, thing: Thing, least: float) -> bool:
        """Inside, centred, and the fingers as far apart as it is wide: so it is gripped, whatever the contact sensors say."""
        x, y, z = self.centred(thing)
        near = abs(x) < 0.016 and abs(y) < 0.006 and abs(z) < 0.025
        return bool(near and least < self.width - span(thing, self.yaw) <= GRIPPED)

    def straddled(self) -> Thing | None:
        """What stands between the fingers without being held, if anything; of several, the one most level with them."""
        inside = [t for t in self.things.values() if t.kind in TAKEN and t.name != self.held and self.inside(t)]
        return min(inside, key=lambda t: abs(self.offset(t)[2]), default=None)

    def move(self, velocity: Vector, turn_velocity: Vector, opening: float) -> None:
        """One control period: the hand goes as told, and takes along what it holds."""
        before, turn, yaw = self.tcp.copy(), self.turn, self.yaw
        self.tcp = self.tcp + velocity * DT
        self.turn = self.turn + turn_velocity * DT
        if self.held is not None:
            self._carry(self.held, before, turn)
        if self.gripped is not None:
            self.things[self.gripped] = dragged(self.things[self.gripped], self.tcp - before, self.yaw - yaw)
        self._squeeze(opening)
        self._press()

    def _carry(self, name: str, before: Vector, turn: Vector) -> None:
        thing, turned = self.things[name], self.yaw - float(turn[2])
        c, s = cos(turned), sin(turned)
        x, y, z = offset = np.asarray(thing.position) - before
        if max(abs(turn[0]), abs(turn[1])) < LEANS:
            moved = self.tcp + np.array([c * x - s * y, s * x + c * y, z])
        else:
            moved = self.tcp + rotation(self.turn) @ rotation(turn).T @ offset
        self.things[name] = thing.model_copy(update={"position": tuple(map(float, moved)), "yaw": thing.yaw + turned})

    def _squeeze(self, opening: float) -> None:
        step = min(max(opening - self.width, -SQUEEZE * DT), SQUEEZE * DT)
        thing = self.things[self.held] if self.held else self.things[self.gripped] if self.gripped else self.straddled()
        if thing is None:
            self.width += step
            return
        wide = span(thing, self.yaw)
        self.width = max(self.width + step, min(wide, self.width))
        if self.width > wide + SLACK:
            self.held = self.gripped = None
        elif step < 0 and self.width <= wide + GRIPPED:
            if thing.kind in HANDLED:
                self.gripped = thing.name
            else:
                self.held = thing.name

    def _press(self) -> None:
        for button in self.things.values():
            if button.kind != "button":
                continue
            x, y = button.position[:2]
            if hypot(self.tcp[0] - x, self.tcp[1] - y) < 0.02 and self.tcp[2] <= press_depth(button) + 0.0015:
                self.pressed.add(button.name)


def press_depth(button: Thing) -> float:
    """z of the tool centre point at which closed fingers have pushed the cap nearly all the way, m."""
    rest = button.position[2] + (button.joint or 0.0)
    return rest - BUTTON_TRAVEL + 0.0005 + 0.0072
