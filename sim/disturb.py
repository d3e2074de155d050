"""What goes wrong on purpose: each disturbance has a condition and an effect, and happens once.

    - {kind: move, thing: red block, to: [0.45, 0.1], when: {tick: 40}}
    - {kind: slip, when: {holding: red block, after_ticks: 10}}
    - {kind: drawer, to: closed, when: {fact: [in, green block, drawer]}}
    - {kind: lid, to: left, when: {fact: [in, red block, left bay]}}
    - {kind: lever, when: {fact: [lit, lamp]}}
    - {kind: swap, thing: red block, other: blue block, when: {tick: 20}}
    - {kind: hand, thing: red block, does: push, by: 0.1, when: {tick: 20}}

Conditions and effects depend on the world and its tick alone, so the same run has the same disturbances at the same ticks.
"""

from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import pybullet
from pydantic import BeforeValidator, Field, model_validator

from agent.errors import ConfigError, UnknownThing, hint
from agent.types import Frozen, Scene
from sim import objects
from sim.bench import Bench, Item
from sim.hand import Hand
from sim.loose import HOLLOW
from sim.panda import GRIP_FORCE, GRIP_FRICTION
from sim.parts.beads import Beads
from sim.parts.console import MARKS, Console
from sim.parts.store import LID_FRICTION, Store

SLIP_FRICTION, SLIP_FORCE = 0.02, 1.0
PUSH_SPEED, PUSH_FORCE, PUSH_TICKS = 0.25, 25.0, 20
LID_SPEED = 0.20
CONTROL_HZ = 20
SPACING = 0.11
"""Free space around the spot where something is put down, between centres, m."""


def _fact(value: Any) -> Any:
    """YAML reads a bare `on` as true."""
    return ["on" if word is True else word for word in value] if isinstance(value, list | tuple) else value


class When(Frozen):
    """One of `tick`, `holding`, `fact`: the moment it first holds; then `after_ticks` more."""

    tick: int | None = Field(None, ge=0)
    holding: str | None = None
    fact: Annotated[tuple[str, ...] | None, BeforeValidator(_fact)] = None
    after_ticks: int = Field(0, ge=0)

    @model_validator(mode="after")
    def one_condition(self) -> Self:
        if sum(value is not None for value in (self.tick, self.holding, self.fact)) != 1:
            raise ValueError("a disturbance's `when` needs exactly one of: tick, holding, fact")
        return self

    def holds(self, scene: Scene) -> bool:
        """True in this Scene?"""
        if self.tick is not None:
            return scene.tick >= self.tick
        if self.holding is not None:
            return scene.holding == self.holding
        return self.fact is not None and scene.has(*self.fact)


class _Disturbance(Frozen):
    when: When


class Move(_Disturbance):
    """Someone puts a thing elsewhere: `to` x, y (and z), or `by` dx, dy (and dz), m. What is in or on it goes along."""

    kind: Literal["move"] = "move"
    thing: str
    to: tuple[float, float] | tuple[float, float, float] | None = None
    by: tuple[float, float] | tuple[float, float, float] | None = None

    @model_validator(mode="after")
    def one_place(self) -> Self:
        if (self.to is None) == (self.by is None):
            raise ValueError("a `move` needs exactly one of: to, by")
        return self


class Slip(_Disturbance):
    """The grip slips: finger friction and force are cut for a while, and what is held falls."""

    kind: Literal["slip"] = "slip"
    ticks: int = Field(6, ge=1)


class PushDrawer(_Disturbance):
    """Someone pushes the drawer shut or pulls it open; a hand on the handle can resist."""

    kind: Literal["drawer"] = "drawer"
    to: Literal["open", "closed"]


class ToggleLight(_Disturbance):
    """Someone switches the light."""

    kind: Literal["light"] = "light"


class PushLid(_Disturbance):
    """Someone slides the lid to one side; a hand on its handle can resist."""

    kind: Literal["lid"] = "lid"
    to: Literal["left", "right"]


class ThrowLever(_Disturbance):
    """Someone throws the lever over, and so switches the lamp; a hand on it can resist."""

    kind: Literal["lever"] = "lever"


class RemoveGrip(_Disturbance):
    """Someone takes what is held out of the hand and lays it on a free spot of the table."""

    kind: Literal["remove_grip"] = "remove_grip"


class Swap(_Disturbance):
    """Someone exchanges two things, behind the robot's back: each stands where the other stood. What is in or on them goes along."""

    kind: Literal["swap"] = "swap"
    thing: str
    other: str


class Interfere(_Disturbance):
    """Someone's hand comes to a thing, pushes it `by` so far, m, or stands over it for `ticks`, and leaves. By contact; see sim/hand.py."""

    kind: Literal["hand"] = "hand"
    thing: str
    does: Literal["push", "block"] = "push"
    by: float = Field(0.10, gt=0, le=0.3)
    ticks: int = Field(60, ge=1)


AnyDisturbance = Move | Slip | PushDrawer | ToggleLight | PushLid | ThrowLever | RemoveGrip | Swap | Interfere
Disturbance = Annotated[AnyDisturbance, Field(discriminator="kind")]


class Course(NamedTuple):
    """How far one disturbance has come; ticks, or None for not yet."""

    seen: int | None = None
    fired: int | None = None


class Mischief:
    """Carries out the disturbances of one run; `courses` and `told` are all of its state."""

    def __init__(self, bench: Bench, disturbances: tuple[AnyDisturbance, ...]) -> None:
        self._bench = bench
        self.disturbances: tuple[AnyDisturbance, ...] = ()
        self.courses: list[Course] = []
        self.told: list[tuple[int, str]] = []
        self._hand: Hand | None = None
        self.add(disturbances)

    def add(self, disturbances: tuple[AnyDisturbance, ...]) -> None:
        """More of them, from now on."""
        for disturbance in disturbances:
            _check(disturbance, self._bench)
        self.disturbances = (*self.disturbances, *disturbances)
        self.courses += [Course()] * len(disturbances)
        if self._hand is None and any(isinstance(disturbance, Interfere) for disturbance in disturbances):
            self._hand = Hand(self._bench)
            self._bench.parts.append(self._hand)

    def watches(self) -> bool:
        """True while a condition is still waited for."""
        return any(course.seen is None for course in self.courses)

    def start_tick(self, scene: Scene | None) -> bool:
        """Before a control period: fire what is due and keep up what lasts. True if the world was changed.

        `scene` is the truth of this tick; it may be None when `watches` is False.
        """
        tick, changed = self._bench.logic.tick, False
        for index, disturbance in enumerate(self.disturbances):
            course = self.courses[index]
            if course.seen is None and scene is not None and disturbance.when.holds(scene):
                course = Course(seen=tick)
            if course.seen is not None and course.fired is None and tick >= course.seen + disturbance.when.after_ticks:
                self.told.append((tick, self._fire(disturbance)))
                course, changed = course._replace(fired=tick), True
            elif course.fired is not None:
                self._keep_up(disturbance, tick - course.fired)
            self.courses[index] = course
        return changed

    def _fire(self, disturbance: Frozen) -> str:
        """Do it; says what was done."""
        match disturbance:
            case Move():
                return self._move(disturbance)
            case Slip():
                motors = self._bench.panda.motors
                self._bench.panda.set_motors(motors._replace(force=SLIP_FORCE, friction=SLIP_FRICTION))
                return f"the grip slipped{f' on the {self._bench.logic.holding}' if self._bench.logic.holding else ''}"
            case PushDrawer():
                out = disturbance.to == "open"
                self._bench.set_drawer_motor(PUSH_SPEED if out else -PUSH_SPEED, PUSH_FORCE)
                return "the drawer was pulled open" if out else "the drawer was pushed shut"
            case ToggleLight():
                self._bench.set_light(not self._bench.logic.lit)
                return f"the light was switched {'on' if self._bench.logic.lit else 'off'}"
            case PushLid():
                self._bench.part(Store).set_motor(LID_SPEED if disturbance.to == "left" else -LID_SPEED, PUSH_FORCE)
                return f"the lid was pushed to the {disturbance.to}"
            case ThrowLever():
                self._bench.part(Console).push(True)
                return "the lever was thrown over"
            case Swap():
                return self._swap(disturbance)
            case Interfere():
                return self._interfere(disturbance)
            case _:
                return self._take()

    def _keep_up(self, disturbance: Frozen, ticks: int) -> None:
        if isinstance(disturbance, Slip) and ticks == disturbance.ticks:
            motors = self._bench.panda.motors
            self._bench.panda.set_motors(motors._replace(force=GRIP_FORCE, friction=GRIP_FRICTION))
        if ticks != PUSH_TICKS or self._pushing(type(disturbance)):
            return
        if isinstance(disturbance, PushDrawer):
            self._bench.set_drawer_motor(0.0, objects.DRAWER_FRICTION)
        elif isinstance(disturbance, PushLid):
            self._bench.part(Store).set_motor(0.0, LID_FRICTION)
        elif isinstance(disturbance, ThrowLever):
            self._bench.part(Console).push(False)

    def _pushing(self, kind: type[Frozen]) -> bool:
        """True while a later push of that kind goes on."""
        now = self._bench.logic.tick
        pushes = [course.fired for course, what in zip(self.courses, self.disturbances, strict=True) if isinstance(what, kind)]
        return any(fired is not None and now - fired < PUSH_TICKS for fired in pushes)

    def _move(self, move: Move) -> str:
        here, _ = self._bench.pose(move.thing)
        wanted = np.array([*here])
        if move.to is not None:
            wanted[: len(move.to)] = move.to
        elif move.by is not None:
            wanted[: len(move.by)] += move.by
        if len(move.to or move.by or ()) == 2:
            wanted[2] = rest_height(self._bench.items[move.thing])
        put_down(self._bench, move.thing, wanted)
        return f"the {move.thing} was moved to x {wanted[0]:.2f}, y {wanted[1]:.2f}"

    def _swap(self, swap: Swap) -> str:
        places = {}
        for name, other in ((swap.thing, swap.other), (swap.other, swap.thing)):
            there, _ = self._bench.pose(other)
            places[name] = np.add(there, (0, 0, (self._bench.items[name].size[2] - self._bench.items[other].size[2]) / 2))
        along = {name: [rider for rider in riders(self._bench, name) if rider not in places] for name in places}
        for name, place in places.items():
            put_down(self._bench, name, place, along[name])
        return f"the {swap.thing} and the {swap.other} were exchanged"

    def _interfere(self, hand: Interfere) -> str:
        assert self._hand is not None
        if hand.does == "block":
            self._hand.block(hand.thing, hand.ticks / CONTROL_HZ)
            return f"a hand came and stood over the {hand.thing}"
        self._hand.push(hand.thing, hand.by, (self._bench.seed, self.disturbances.index(hand), 29))
        return f"a hand came to push the {hand.thing}"

    def _take(self) -> str:
        name = self._bench.logic.holding or self._bench.between_pads()
        if name is None:
            return "someone reached for the hand, which held nothing"
        spot = free_spot(self._bench, name)
        put_down(self._bench, name, spot)
        return f"the {name} was taken out of the hand and laid at x {spot[0]:.2f}, y {spot[1]:.2f}"


def _check(disturbance: Frozen, bench: Bench) -> None:
    loose = [item.name for item in bench.items.values() if item.loose]
    names = [*bench.items, "gripper"]
    when = getattr(disturbance, "when", None)
    for name in [getattr(disturbance, "thing", None), getattr(disturbance, "other", None)]:
        if name is not None and name not in loose:
            raise ConfigError(f"A disturbance moves '{name}', which is not loose in this scene. "
                              f"Loose: {', '.join(loose) or 'nothing'}.{hint(name, loose)}")  # fmt: skip
    needed = {PushDrawer: "drawer", ToggleLight: "light", PushLid: "lid", ThrowLever: "lever"}.get(type(disturbance))
    if needed is not None and needed not in bench.items:
        raise UnknownThing(needed, bench.items)
    for word in [when.holding] if isinstance(when, When) and when.holding else (when.fact or ())[1:] if isinstance(when, When) else []:
        if word not in (*names, *MARKS):
            raise UnknownThing(word, names)


def rest_height(item: Item) -> float:
    """Height of the centre of a thing that stands on the table, m."""
    return item.size[2] / 2


def riders(bench: Bench, name: str) -> list[str]:
    """What is in or on a loose thing."""
    here, reach = bench.pose(name)[0], max(bench.items[name].size[:2]) / 2
    others = {item.name: bench.pose(item.name)[0] - here for item in bench.items.values() if item.loose and item.name != name}
    return [other for other, off in others.items() if np.hypot(*off[:2]) < reach and 0 < off[2] < 0.15]


def put_down(bench: Bench, name: str, place: np.ndarray, along: list[str] | None = None) -> None:
    """Put a loose thing at a place, float[3], at rest and upright; what is in or on it goes along, or those named."""
    bullet, item = bench.bullet, bench.items[name]
    here, turn = bench.pose(name)
    for rider in riders(bench, name) if along is None else along:
        body = bench.items[rider].body
        bullet.resetBasePositionAndOrientation(body, bench.pose(rider)[0] + place - here, bullet.getBasePositionAndOrientation(body)[1])
        bullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0))
    heading = pybullet.getQuaternionFromEuler((0, 0, float(np.arctan2(turn[1, 0], turn[0, 0]))))
    for beads in (part for part in bench.parts if isinstance(part, Beads) and item.kind in HOLLOW):
        beads.follow(item, place, np.array(pybullet.getMatrixFromQuaternion(heading)).reshape(3, 3))
    bullet.resetBasePositionAndOrientation(item.body, place, heading)
    bullet.resetBaseVelocity(item.body, (0, 0, 0), (0, 0, 0))
    if bench.logic.holding == name:
        bench.logic = bench.logic._replace(holding=None, candidate=None, streak=0)


def free_spot(bench: Bench, name: str) -> np.ndarray:
    """A spot on the table clear of all loose things and of the hand, float64[3]; drawn by the world's own generator."""
    taken = [bench.pose(item.name)[0][:2] for item in bench.items.values() if item.loose and item.name != name]
    taken.append(bench.panda.tcp()[0][:2])
    (low_x, high_x), (low_y, high_y) = bench.layout.regions[0]
    spots = bench.world.rng.uniform((low_x, low_y), (high_x, high_y), size=(200, 2))
    room = [min(float(np.hypot(*(spot - other))) for other in taken) for spot in spots]
    first = next((index for index, space in enumerate(room) if space >= SPACING), int(np.argmax(room)))
    return np.array([*spots[first], rest_height(bench.items[name])])
