"""One world that is set into any state without having been driven there: the hand, what it holds, loose things, fixtures.

A state is put into Bullet (joints, bodies), one substep of physics is taken so that contacts are known, and then it is seen, told and
labelled like any other: the same pictures, the same Scene, the same oracle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import atan2, cos, sin

import numpy as np
from PIL.Image import composite

from agent.learn.dataset import SIDE
from agent.types import Array, Observation, Scene, Thing
from sim import kinematics, truth
from sim.backdrop import Lens, Shadows, draw, moving_backdrop
from sim.bench import Bench, Logic
from sim.camera import CAMERAS, Photographer
from sim.layout import Layout
from sim.objects import BUTTON_TRAVEL, CAP_HEIGHT, DRAWER_TRAVEL
from sim.oracle.imagined import FULL, Imagined, Vector
from sim.panda import FINGERS, HOME
from sim.parts.console import KNOB_LIMIT, LEVER_SWING, MARKS, Console
from sim.parts.store import LID_TRAVEL
from sim.poses import arrange
from sim.robot import RATE_HZ
from sim.world import Bullet

Dice = np.random.Generator

SETTLE = 6
"""Substeps after things were put somewhere."""
MISSED_M, MISSED_RAD = 0.004, 0.04
"""A hand pose that inverse kinematics misses by more than this is not taken."""
SUNK, HELD_SUNK = -0.003, -0.006
"""Contacts that go deeper than this, m: the state is impossible."""
DRAWN_OUT = 0.102
"""How far a drawer is out at least where the layout has it open, m: as soon as it counts as open, whoever opens it may leave it."""
LATER = 100
"""Ticks from one state to the next, so that nothing has just happened."""


@dataclass(slots=True)
class Moment:
    """A state of hand and things: lengths in m, angles in rad, world frame."""

    tcp: Vector
    turn: Vector
    """Rotation vector r of the hand, as in its state."""
    width: float
    opening: float
    """What the fingers are told, m."""
    held: str | None = None
    gripped: str | None = None
    things: Mapping[str, Thing] = field(default_factory=dict)
    """Where things are that are not where the arrangement has them."""
    pressed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hand: Imagined, opening: float) -> "Moment":
        pressed = frozenset(hand.pressed)
        return cls(hand.tcp.copy(), hand.turn.copy(), hand.width, opening, hand.held, hand.gripped, dict(hand.things), pressed)


class Stage:
    """A world of one layout and seed, or one that is there already."""

    def __init__(self, layout: Layout, seed: int, bench: Bench | None = None) -> None:
        self.layout, self.seed = layout, seed
        self.bench = bench or Bench(layout, seed)
        self.pictures = Pictures(self.bench, Photographer(self.bench))
        self.loose = [item for item in self.bench.items.values() if item.loose]
        self._base: dict[str, tuple[Array, Array]] = {}
        self._keep()

    def close(self) -> None:
        self.bench.close()

    # --- arrangements -----------------------------------------------------------------------------------------------------------

    def arrange(self, layout: Layout, rng: Dice) -> None:
        """Put things where a layout of the same things has them, and the fixtures as it says, or somewhere in between."""
        bullet = self.bench.bullet
        self._hand(np.array(HOME), np.zeros(3), FULL, FULL)
        for name, pose in arrange(layout, rng).items():
            self._reset(name, np.array(pose.position), np.array(bullet.getQuaternionFromEuler((0, 0, pose.yaw))))
        self.settle()
        inside = [item.name for item in layout.things if item.inside == "drawer"]
        for name, joint in self._joints(layout, rng, free=not inside).items():
            if name == "drawer":
                self._shift(inside, (DRAWER_TRAVEL if layout.drawer == "open" else 0.0) - joint)
            self._set_joint(name, joint)
        self.bench.set_light(rng.random() < 0.5)
        self.settle()

    def settle(self) -> None:
        """Let things come to rest; where they are then is the arrangement from now on."""
        for _ in range(SETTLE):
            self.bench.world.step()
        self.bench.logic = Logic(tick=self.bench.logic.tick + LATER, lit=self.bench.logic.lit)
        self._keep()

    def _keep(self) -> None:
        bullet = self.bench.bullet
        for item in self.loose:
            position, turn = bullet.getBasePositionAndOrientation(item.body)
            self._base[item.name] = (np.array(position), np.array(turn))
        self.scene = truth.scene(self.bench).model_copy(update={"events": ()})
        """The arrangement."""

    def _joints(self, layout: Layout, rng: Dice, free: bool) -> dict[str, float]:
        """Where the fixtures stand: mostly at an end."""
        joints: dict[str, float] = {}
        for name, item in self.bench.items.items():
            if item.kind == "drawer":
                ajar, drawn_out = float(rng.uniform(0, DRAWER_TRAVEL)), float(rng.uniform(DRAWN_OUT, DRAWER_TRAVEL))
                end = (drawn_out if rng.random() < 0.5 else DRAWER_TRAVEL) if layout.drawer == "open" else 0.0
                joints[name] = ajar if free and rng.random() < 0.25 else end
            elif item.kind == "lid":
                joints[name] = float(rng.choice([0.0, LID_TRAVEL, rng.uniform(0, LID_TRAVEL)], p=[0.42, 0.42, 0.16]))
            elif item.kind == "lever":
                joints[name] = float(rng.choice([-LEVER_SWING, LEVER_SWING]))
            elif item.kind == "knob":
                joints[name] = float(rng.choice([*MARKS.values(), rng.uniform(-KNOB_LIMIT, KNOB_LIMIT)]))
        return joints

    # --- states -----------------------------------------------------------------------------------------------------------------

    def put(self, moment: Moment) -> Observation | None:
        """Make it so. The observation has no pictures; None if the arm cannot be there, or would be inside of something."""
        self._things(moment)
        if not self._hand(moment.tcp, moment.turn, moment.width, moment.opening):
            return None
        self._buttons(moment)
        self.bench.world.step()
        if self._sunk(moment):
            return None
        tick = self.bench.logic.tick + LATER
        events = tuple((tick, ("pressed", name)) for name in sorted(moment.pressed))
        self.bench.logic = Logic(tick=tick, lit=self.bench.logic.lit, holding=moment.held, events=events)
        return self.observation()

    def observation(self) -> Observation:
        """What SimRobot.observe gives, without pictures."""
        scene = truth.scene(self.bench)
        return Observation(scene.tick, scene.tick / RATE_HZ, self._state(), {}, scene)

    def _things(self, moment: Moment) -> None:
        """Everything as the arrangement has it, but for what the moment has elsewhere."""
        for item in self.loose:
            position, turn = self._base[item.name]
            was, now = self.scene.find(item.name), moment.things.get(item.name)
            if now is not None and (now.position, now.yaw) != (was.position, was.yaw):
                position, turn = position + np.subtract(now.position, was.position), turned(turn, now.yaw - was.yaw)
            self._reset(item.name, position, turn)
        for name, item in self.bench.items.items():
            was = self.scene.find(name)
            if item.kind in ("drawer", "lid", "lever", "knob") and was.joint is not None:
                joint = (moment.things.get(name) or was).joint or 0.0
                self._set_joint(name, joint)
                if item.kind == "drawer":
                    inside = [fact[1] for fact in self.scene.facts if fact[0] == "in" and fact[2] == name and fact[1] != moment.held]
                    self._shift(inside, was.joint - joint)

    def _shift(self, inside: Sequence[str], by: float) -> None:
        """What lies in a drawer goes along with it, m along x."""
        for name in inside:
            position, turn = self._base[name]
            self._reset(name, position + np.array([by, 0, 0]), turn)

    def _hand(self, tcp: Vector, turn: Vector, width: float, opening: float) -> bool:
        """Joints for that pose; False if there are none."""
        panda = self.bench.panda
        start = panda.home.copy()
        start[0] = atan2(float(tcp[1]), float(tcp[0]))
        found = kinematics.inverse(start, tcp, kinematics.rotation(turn) @ kinematics.DOWN)
        if found.error_m > MISSED_M or found.error_rad > MISSED_RAD:
            return False
        for joint, angle in enumerate(found.joints):
            self.bench.bullet.resetJointState(panda.body, joint, float(angle))
        for finger in FINGERS:
            self.bench.bullet.resetJointState(panda.body, finger, width / 2)
        panda.command(found.joints, min(max(opening / FULL, 0.0), 1.0))
        return True

    def _buttons(self, moment: Moment) -> None:
        """A cap is as deep as the fingers press it; having been pressed, it has switched its light."""
        for item in self.bench.items.values():
            if item.kind == "button":
                top = self.bench.pose(item.name)[0][2] + self.bench.joint(item.name) + CAP_HEIGHT
                over = np.hypot(*(self.scene.find(item.name).position[:2] - moment.tcp[:2])) < 0.02
                depth = min(max(float(top - moment.tcp[2] + 0.0072), 0.0), BUTTON_TRAVEL) if over else 0.0
                self.bench.bullet.resetJointState(item.body, item.link, depth)

    def _sunk(self, moment: Moment) -> bool:
        """Is the arm inside of something, or what it holds?"""
        bullet, panda = self.bench.bullet, self.bench.panda.body
        held = self.bench.items[moment.held].body if moment.held else -1
        hold = self.bench.items[moment.gripped].body if moment.gripped else -1
        arm = bullet.getContactPoints(bodyA=panda)
        if any(contact[8] < (HELD_SUNK if contact[2] in (held, hold) else SUNK) for contact in arm if contact[2] != panda):
            return True
        return held >= 0 and any(contact[8] < SUNK for contact in bullet.getContactPoints(bodyA=held) if contact[2] != panda)

    def _reset(self, name: str, position: Array, turn: Array) -> None:
        body = self.bench.items[name].body
        self.bench.bullet.resetBasePositionAndOrientation(body, position.tolist(), turn.tolist())
        self.bench.bullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0))

    def _set_joint(self, name: str, joint: float) -> None:
        item = self.bench.items[name]
        self.bench.bullet.resetJointState(item.body, item.link, joint)
        if item.kind == "lever":
            console = self.bench.part(Console)
            console.restore({**console.state(), "up": joint > 0})

    def _state(self) -> Array:
        """As SimRobot has it."""
        panda = self.bench.panda
        position, turn = panda.tcp()
        pose = [*position, *kinematics.rotation_vector(turn @ kinematics.DOWN.T)]
        return np.array([*panda.joints()[0], *pose, panda.width()], dtype=np.float32)


def turned(quaternion: Array, yaw: float) -> Array:
    """A quaternion x, y, z, w after a turn about the vertical, rad."""
    c, s = cos(yaw / 2), sin(yaw / 2)
    x, y, z, w = quaternion
    return np.array([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z])


# --- pictures -------------------------------------------------------------------------------------------------------------------


class Pictures:
    """A bench's cameras at the size of datasets, and where things are in their pictures."""

    def __init__(self, bench: Bench, photographer: Photographer) -> None:
        self.bench, self.photographer = bench, photographer
        self._shadows = Shadows(bench)

    def take(self, view: str) -> tuple[Array, Array]:
        """uint8[SIDE, SIDE, 3], as Photographer.take(view, SIDE), and which body each pixel shows, int[SIDE, SIDE], -1 for none."""
        lens = self.lens(view)
        bullet = Segmenting(self.bench.bullet)
        behind = moving_backdrop(lens) if CAMERAS[view].on_hand else self._shadows.over(lens)
        pixels, drawn = draw(bullet, lens)  # type: ignore[arg-type]
        return np.array(composite(pixels, behind, drawn)), bullet.seen

    def lens(self, view: str) -> Lens:
        return self.photographer.lens(view)._replace(height=SIDE, width=SIDE)

    def point(self, view: str, position: tuple[float, float, float], seen: Array, name: str | None) -> tuple[float, float, float]:
        """u, v and visible of a place: of a thing, if its body shows near there, or anywhere if it is loose; of a place without a name, if
        it is in view."""
        x, y, _, ahead = self.lens(view).matrix() @ (*position, 1.0)
        if ahead <= 0:
            return 0.0, 0.0, 0.0
        u, v = float((x / ahead + 1) / 2), float((1 - y / ahead) / 2)
        if not (0 <= u < 1 and 0 <= v < 1):
            return 0.0, 0.0, 0.0
        if name is not None and not self._shows(name, seen, int(v * SIDE), int(u * SIDE)):
            return 0.0, 0.0, 0.0
        return u, v, 1.0

    def _shows(self, name: str, seen: Array, row: int, column: int) -> bool:
        item = self.bench.items[name]
        if item.loose:
            return int((seen == item.body).sum()) >= SHOWS
        return bool((seen[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] == item.body).any())


SHOWS = 6
"""A loose thing can be seen if it has so many pixels."""


class Segmenting:
    """Bullet for one picture, which keeps the bodies that its pixels show."""

    def __init__(self, bullet: Bullet) -> None:
        self._bullet = bullet
        self.seen: Array = np.zeros((0, 0), np.int32)

    def getCameraImage(self, width: int, height: int, *rest: object, **options: object) -> tuple[object, ...]:
        shot: tuple[object, ...] = self._bullet.getCameraImage(width, height, *rest, **{**options, "flags": 0})
        self.seen = np.asarray(shot[4]).reshape(height, width)
        return shot


def things_of(scene: Scene) -> dict[str, Thing]:
    return {thing.name: thing for thing in scene.things}
