"""The workbench: a world with the arm and the things of one scene in it, and the little logic that they have."""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import pybullet

from agent.types import Fact
from sim import loose, objects, parts
from sim.layout import Layout
from sim.looks import paint
from sim.meshes import cached_file
from sim.panda import FINGERS, Panda
from sim.parts.beads import COUNT, Beads
from sim.poses import arrange
from sim.world import World

PartKind = TypeVar("PartKind", bound=parts.Part)
EVENTS_KEPT_TICKS = 600
PRESS_DEPTH, RELEASE_DEPTH = 0.008, 0.003
HELD_AFTER, LOST_AFTER = 2, 3
"""Ticks of contact with both pads before something counts as held, and without before it counts as lost."""
CLOSED_M = 0.004
"""Fingers closer than this, m, hold nothing: they may push with both tips."""
SETTLE_SUBSTEPS = 60
LOOSE = frozenset((*loose.HELD, *loose.HOLLOW))
JOINTED = ("drawer", "button", "lid", "lever", "knob")
"""Kinds of things that have a joint."""


@dataclass(frozen=True)
class Item:
    """Something with a name: its body, which of its links moves (−1: all of it), and its full extents, m."""

    name: str
    kind: str
    body: int
    link: int
    size: tuple[float, float, float]
    point: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What counts as its position, in the frame of its body or link, m: where a handle is grasped."""

    @property
    def loose(self) -> bool:
        return self.kind in LOOSE


class Logic(NamedTuple):
    """What Bullet does not know; a snapshot carries it."""

    tick: int = 0
    lit: bool = False
    pressed: bool = False
    holding: str | None = None
    candidate: str | None = None
    streak: int = 0
    events: tuple[tuple[int, Fact], ...] = ()


class Bench:
    """Builds a scene and steps it; all randomness comes from the seed."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self.layout, self.seed = layout, seed
        self.world = World(seed)
        self.bullet = self.world.bullet
        self.items: dict[str, Item] = {}
        self.logic = Logic(lit=layout.light == "lit")
        self.drawer_motor = (0.0, objects.DRAWER_FRICTION)
        self._add_fixtures()
        self.parts = parts.build(self)
        self.panda = Panda(self.world)
        self._share_island()
        for name, pose in arrange(layout, self.world.rng).items():
            self._add_loose(name, pose.position, pose.yaw)
        paint(self)
        self.set_light(self.logic.lit)
        for _ in range(SETTLE_SUBSTEPS):
            self.world.step()
        self.world.substeps = 0

    def _add(self, name: str, kind: str, urdf: str, position: tuple[float, float, float], size: tuple[float, float, float],
             yaw: float = 0.0, fixed: bool = True) -> Item:  # fmt: skip
        body = self.world.load(name, str(cached_file(urdf, ".urdf")), position, yaw, fixed)
        self.items[name] = Item(name, kind, body, -1, size)
        return self.items[name]

    def _add_fixtures(self) -> None:
        self._add("table", "table", objects.table(), (objects.TABLE_X, 0, 0), objects.TABLE)
        if self.layout.drawer != "none":
            body = self._add("drawer", "drawer", objects.drawer(), (*self.layout.cabinet_at, 0), objects.DRAWER_INSIDE).body
            self.items["drawer"] = drawer = Item("drawer", "drawer", body, self._link(body, "drawer"), objects.DRAWER_INSIDE)
            self.bullet.resetJointState(body, drawer.link, objects.DRAWER_TRAVEL if self.layout.drawer == "open" else 0.0)
            self.set_drawer_motor(0.0, objects.DRAWER_FRICTION)
        if self.layout.button:
            body = self._add("button", "button", objects.panel(), (*self.layout.panel_at, 0), objects.PANEL).body
            width = 2 * objects.BUTTON_RADIUS
            self.items["button"] = Item("button", "button", body, self._link(body, "cap"), (width, width, objects.CAP_HEIGHT))
            self.items["light"] = Item("light", "light", body, self._link(body, "bulb"), (0.052, 0.052, 0.04))
            self.hold_button()

    def add_fixture(self, name: str, urdf: str, position: tuple[float, float, float]) -> int:
        """Load a body that stands fast; returns it."""
        return self.world.load(name, str(cached_file(urdf, ".urdf")), position, 0.0, True)

    def register(self, name: str, kind: str, body: int, link: str, size: tuple[float, float, float],
                 point: tuple[float, float, float]) -> int:  # fmt: skip
        """Give a link of a fixture a name; "base" is the body itself. Returns the link's index."""
        index = -1 if link == "base" else self._link(body, link)
        self.items[name] = Item(name, kind, body, index, size, point)
        return index

    def _share_island(self) -> None:
        """Tie the arm and all that has a joint by gears without force, so that Bullet always solves their motors as one island.

        It sorts motors by island with an unstable sort, and numbers islands by the history of contacts: as separate islands, equal
        states could be solved in different orders, and a restored snapshot would drift.
        """
        for item in self.items.values():
            if item.kind in JOINTED:
                gear = self.bullet.createConstraint(
                    self.panda.body, 0, item.body, item.link, pybullet.JOINT_GEAR, [0, 0, 1], [0, 0, 0], [0, 0, 0]
                )
                self.bullet.changeConstraint(gear, gearRatio=1, maxForce=0)

    def _add_loose(self, name: str, position: tuple[float, float, float], yaw: float) -> None:
        thing = loose.made(name)
        if thing.kind == "beads":
            self._add_beads(position)
            return
        self._add(name, thing.kind, loose.urdf(thing), position, thing.size, yaw, fixed=thing.kind in loose.FIXED)

    def _add_beads(self, position: tuple[float, float, float]) -> None:
        item = next(item for item in self.layout.things if item.name == "beads")
        beads = Beads(self, position, item.inside, item.count or COUNT)
        self.parts.append(beads)
        self.items["beads"] = Item("beads", "beads", beads.bodies[0], -1, loose.made("beads").size)

    def _link(self, body: int, name: str) -> int:
        """Index of a link, and of the joint that carries it."""
        joints = range(self.bullet.getNumJoints(body))
        return next(joint for joint in joints if self.bullet.getJointInfo(body, joint)[12].decode() == name)

    def part(self, kind: type[PartKind]) -> PartKind:
        """The part of that kind; there is one, if the layout has what it is made for."""
        return next(part for part in self.parts if isinstance(part, kind))

    def set_drawer_motor(self, speed: float, force: float) -> None:
        """What acts on the drawer besides hands: speed 0 is its friction, N."""
        self.drawer_motor = (speed, force)
        if "drawer" in self.items:
            self.bullet.setJointMotorControl2(
                self.items["drawer"].body, self.items["drawer"].link, pybullet.VELOCITY_CONTROL, targetVelocity=speed, force=force
            )

    def hold_button(self) -> None:
        """The button's spring: pushes the cap up with a constant force."""
        if "button" in self.items:
            self.bullet.setJointMotorControl2(
                self.items["button"].body,
                self.items["button"].link,
                pybullet.POSITION_CONTROL,
                targetPosition=0.0,
                force=objects.BUTTON_FORCE,
            )

    def set_light(self, lit: bool) -> None:
        """Switch the light; its colour is no part of Bullet's state."""
        self.logic = self.logic._replace(lit=lit)
        if "light" in self.items:
            light = self.items["light"]
            self.bullet.changeVisualShape(light.body, light.link, rgbaColor=(*(objects.LIT if lit else objects.UNLIT), 1))

    def step(self) -> None:
        """One substep, and what follows from it."""
        self.world.step()
        for part in self.parts:
            part.step()
        if "button" not in self.items:
            return
        depth = self.joint("button")
        if self.logic.pressed and depth < RELEASE_DEPTH:
            self.logic = self.logic._replace(pressed=False)
        elif not self.logic.pressed and depth > PRESS_DEPTH:
            events = (*self.logic.events, (self.logic.tick, ("pressed", "button")))
            self.logic = self.logic._replace(pressed=True, events=events)
            self.set_light(not self.logic.lit)

    def finish_tick(self) -> None:
        """Count one control period: forget old events, see what the hand holds."""
        tick = self.logic.tick + 1
        events = tuple(event for event in self.logic.events if event[0] > tick - EVENTS_KEPT_TICKS)
        self.logic = self._held(self.logic)._replace(tick=tick, events=events)

    def _held(self, logic: Logic) -> Logic:
        now = self.between_pads()
        if now == logic.holding:
            return logic._replace(candidate=now, streak=0)
        streak = logic.streak + 1 if now == logic.candidate else 1
        needed = HELD_AFTER if now is not None else LOST_AFTER
        if streak >= needed:
            return logic._replace(holding=now, candidate=now, streak=0)
        return logic._replace(candidate=now, streak=streak)

    def between_pads(self) -> str | None:
        """The loose thing that presses on both finger pads now, by contact force."""
        forces: dict[int, list[float]] = {}
        if self.panda.width() < CLOSED_M:
            return None
        for side, finger in enumerate(FINGERS):
            for contact in self.bullet.getContactPoints(bodyA=self.panda.body, linkIndexA=finger):
                forces.setdefault(contact[2], [0.0, 0.0])[side] += contact[9]
        for item in self.items.values():
            if item.loose and min(forces.get(item.body, [0.0, 0.0])) > 0.2:
                return item.name
        return None

    def joint(self, name: str) -> float:
        """How far a drawer is out, a button is in or a lid is to the left, m; where a lever or a knob is, rad."""
        return float(self.bullet.getJointState(self.items[name].body, self.items[name].link)[0])

    def pose(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Position float64[3], m, and rotation float64[3, 3] of the frame of a thing or of its moving link."""
        item = self.items[name]
        if item.link < 0:
            position, turn = self.bullet.getBasePositionAndOrientation(item.body)
        else:
            position, turn = self.bullet.getLinkState(item.body, item.link, computeForwardKinematics=1)[4:6]
        return np.array(position), np.array(self.bullet.getMatrixFromQuaternion(turn)).reshape(3, 3)

    def close(self) -> None:
        self.world.close()
