"""Skills with things on the table: push, push into a zone, rotate, align, put between."""

from collections.abc import Iterator
from itertools import combinations
from math import hypot, pi, radians
from typing import Annotated, Literal

from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import BLOCKS, Movable, Pick, free_thing
from agent.types import Scene, Thing

Flat = Annotated[str, Kind(*(kind for kind in BLOCKS if kind != "cylinder"))]
Standing = Annotated[str, Kind(*BLOCKS, "bowl")]
Zone = Annotated[str, Kind("zone")]

PUSHED, TURNED = 10, 12
"""Events of a centimetre and of 5° that make a push and a rotation."""
OPPOSITE = {"left": "right", "right": "left", "away": "near", "near": "away"}
ALIGNED = radians(10)
ASIDE = 0.03
"""How far from the line between two things something is still between them, m."""


def net(scene: Scene, verb: str, thing: str, way: str) -> int:
    """How much more often it was moved or turned that way than back."""
    told = [fact for _, fact in scene.events]
    return told.count((verb, thing, way)) - told.count((verb, thing, OPPOSITE[way]))


def at_hand(scene: Scene, name: str) -> bool:
    """On the table, with nothing on it, and the hand is empty: it can be pushed and turned where it stands."""
    return scene.holding is None and "table" in scene.where(name, "on") and Pick(thing=name).can(scene)


def onto_table(scene: Scene, name: str) -> list[Skill]:
    """What brings a thing out onto the table, for a hand that is empty afterwards."""
    if "table" in scene.where(name, "on") or scene.holding:
        return free_thing(scene, name)
    return [*free_thing(scene, name), Pick(thing=name)]


def still(scene: Scene, name: str) -> bool:
    return scene.holding != name and not scene.has("moving", name)


class Push(
    Skill,
    say="push the {thing} {direction}",
    also=(
        "push the {thing} to the {direction}", "shove the {thing} {direction}", "shove the {thing} to the {direction}",
        "push the {thing} {direction} from you", "nudge the {thing} to the {direction}", "push the {thing} towards the {direction}",
        "slide the {thing} {direction}", "slide the {thing} to the {direction}",
    ),
):  # fmt: skip
    """Push a block 10 cm along the table without grasping it. Needs an empty hand, and a world that tells how things move."""

    thing: Movable
    direction: Literal["left", "right", "away", "near"]

    def can(self, scene: Scene) -> bool:
        return scene.has("followed", "table") and at_hand(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return onto_table(scene, self.thing) if scene.has("followed", "table") else []

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and net(scene, "moved", self.thing, self.direction) >= PUSHED


class PushInto(
    Skill,
    say="push the {thing} into the {zone}",
    also=("shove the {thing} into the {zone}", "push the {thing} to the {zone}", "slide the {thing} into the {zone}"),
    time_limit_s=45.0,
):
    """Push a block along the table until it lies in a zone. Needs an empty hand and a free way."""

    thing: Movable
    zone: Zone

    def can(self, scene: Scene) -> bool:
        return at_hand(scene, self.thing) and self.zone not in scene.where(self.thing, "in")

    def needs(self, scene: Scene) -> list[Skill]:
        return onto_table(scene, self.thing)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and scene.has("in", self.thing, self.zone)


class Rotate(
    Skill,
    say="rotate the {thing} to the {side}",
    also=("turn the {thing} to the {side}", "rotate the {thing} {side}", "turn the {thing} {side}", "twist the {thing} to the {side}",
          "spin the {thing} to the {side}"),
    time_limit_s=45.0,
):  # fmt: skip
    """Turn a block by 60° or more where it stands, left being against the clock seen from above. Needs an empty hand."""

    thing: Flat
    side: Literal["left", "right"]

    def can(self, scene: Scene) -> bool:
        return scene.has("followed", "table") and at_hand(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return onto_table(scene, self.thing) if scene.has("followed", "table") else []

    def done(self, scene: Scene) -> bool:
        stayed = all(abs(net(scene, "moved", self.thing, way)) < PUSHED for way in ("left", "away"))
        return still(scene, self.thing) and stayed and net(scene, "turned", self.thing, self.side) >= TURNED


class Align(
    Skill,
    say="align the {thing} with the {other}",
    also=("line up the {thing} with the {other}", "make the {thing} parallel to the {other}", "turn the {thing} parallel to the {other}"),
    time_limit_s=45.0,
):
    """Turn a block where it stands until its sides are parallel to those of another. Needs an empty hand."""

    thing: Flat
    other: Flat

    def can(self, scene: Scene) -> bool:
        return scene.has("followed", "table") and at_hand(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return onto_table(scene, self.thing) if scene.has("followed", "table") else []

    def done(self, scene: Scene) -> bool:
        thing, other = scene.find(self.thing), scene.find(self.other)
        period = min(alike_after(thing), alike_after(other))
        off = (thing.yaw - other.yaw + period / 2) % period - period / 2
        return still(scene, self.thing) and abs(off) < ALIGNED


class Between(
    Skill,
    say="put the {thing} between the {one} and the {other}",
    also=("place the {thing} between the {one} and the {other}", "set the {thing} between the {one} and the {other}",
          "move the {thing} between the {one} and the {other}"),
):  # fmt: skip
    """Put what is held on the table between two things that stand there."""

    thing: Movable
    one: Standing
    other: Standing

    @classmethod
    def calls(cls, scene: Scene) -> Iterator[Skill]:
        """Only for what is held, and each pair once."""
        if scene.holding and scene.has("followed", "table"):
            things = scene.names(*BLOCKS, "bowl")
            pairs = ((one, other) for one, other in combinations(things, 2) if scene.holding not in (one, other))
            yield from (cls(thing=scene.holding, one=one, other=other) for one, other in pairs)

    def can(self, scene: Scene) -> bool:
        return scene.holding == self.thing and all("table" in scene.where(name, "on") for name in (self.one, self.other))

    def needs(self, scene: Scene) -> list[Skill]:
        if not all("table" in scene.where(name, "on") for name in (self.one, self.other) if name != scene.holding):
            return []
        pick = Pick(thing=self.thing)
        return [pick] if pick.can(scene) else [*pick.needs(scene), pick]

    def done(self, scene: Scene) -> bool:
        if not still(scene, self.thing) or "table" not in scene.where(self.thing, "on"):
            return False
        (x, y, _), (ax, ay, _), (bx, by, _) = (scene.find(name).position for name in (self.thing, self.one, self.other))
        length = hypot(bx - ax, by - ay)
        along, across = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, abs((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length
        return 0.2 < along / length < 0.8 and across < ASIDE


def alike_after(thing: Thing) -> float:
    """After which turn about the vertical it looks the same, rad."""
    if thing.kind == "L":
        return 2 * pi
    return pi / 2 if abs(thing.size[0] - thing.size[1]) < 0.001 else pi
