"""Skills with things on the table: turn them where they stand, and set them down by two others."""

from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from math import hypot, pi, radians
from typing import Annotated, ClassVar, Literal, cast

from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import BLOCKS, Base, Block, Pick, Place, buried, flat, free_thing
from agent.types import Scene, Thing

Flat = Annotated[str, Kind(*(kind for kind in BLOCKS if kind not in ("cylinder", "ring")))]
Stood = Annotated[str, Kind(*BLOCKS, "bowl")]

PUSHED, TURNED = 10, 12
"""Events of a centimetre and of 5° that make a push and a rotation."""
OPPOSITE = {"left": "right", "right": "left", "away": "near", "near": "away"}
ALIGNED = radians(10)
ASIDE = 0.03
"""How far from the line between two things something is still between them, m."""
IN_LINE = 0.015
"""The same for a row."""
SPANNED = 0.10
"""How far apart the centres of two things may be for a third to lie across them, m."""


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


class Standing:
    """What is done to a thing where it stands on the table, with an empty hand and nothing on it."""

    thing: str
    followed: ClassVar[bool] = True
    """Only where the world tells how things move."""

    def can(self, scene: Scene) -> bool:
        return self.told(scene) and at_hand(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return onto_table(scene, self.thing) if self.told(scene) else []

    def told(self, scene: Scene) -> bool:
        return scene.has("followed", "table") or not self.followed


class Rotate(
    Standing,
    Skill,
    say="rotate the {thing} to the {side}",
    also=("turn the {thing} to the {side}", "rotate the {thing} {side}", "turn the {thing} {side}", "twist the {thing} to the {side}",
          "spin the {thing} to the {side}", "twist the {thing} {side}", "turn the {thing} {side} on the spot",
          "rotate the {thing} {side} on the spot", "turn the {thing} {side} where it stands", "rotate the {thing} {side} where it stands",
          "turn the {thing} to the {side} where it stands", "twist the {thing} {side} where it stands"),
    time_limit_s=45.0,
):  # fmt: skip
    """Turn a block by 60° or more where it stands, left being against the clock seen from above. Needs an empty hand."""

    thing: Flat
    side: Literal["left", "right"]
    undoes: ClassVar[bool] = True

    def done(self, scene: Scene) -> bool:
        stayed = all(abs(net(scene, "moved", self.thing, way)) < PUSHED for way in ("left", "away"))
        return still(scene, self.thing) and stayed and net(scene, "turned", self.thing, self.side) >= TURNED


class Align(
    Standing,
    Skill,
    say="align the {thing} with the {other}",
    also=("line up the {thing} with the {other}", "make the {thing} parallel to the {other}", "turn the {thing} parallel to the {other}"),
    time_limit_s=45.0,
):
    """Turn a block where it stands until its sides are parallel to those of another. Needs an empty hand."""

    thing: Flat
    other: Flat

    def done(self, scene: Scene) -> bool:
        thing, other = scene.find(self.thing), scene.find(self.other)
        period = min(alike_after(thing), alike_after(other))
        off = (thing.yaw - other.yaw + period / 2) % period - period / 2
        return still(scene, self.thing) and abs(off) < ALIGNED


class ByTwo:
    """What is held is set down by two things that stand on the table."""

    thing: str
    one: str
    other: str
    ordered: ClassVar[bool] = False
    """Does it matter which of the two is named first?"""
    marks: ClassVar[tuple[str, ...]] = BLOCKS
    """Kinds that the two can be."""

    @classmethod
    def calls(cls, scene: Scene) -> Iterator[Skill]:
        """Only for what is held."""
        if scene.holding and scene.has("followed", "table"):
            for one, other in (permutations if cls.ordered else combinations)(scene.names(*cls.marks), 2):
                if scene.holding not in (one, other):
                    yield cast(Callable[..., Skill], cls)(thing=scene.holding, one=one, other=other)

    def can(self, scene: Scene) -> bool:
        return scene.holding == self.thing and self.fit(scene)

    def fit(self, scene: Scene) -> bool:
        return all("table" in scene.where(name, "on") for name in (self.one, self.other))

    def needs(self, scene: Scene) -> list[Skill]:
        if not all("table" in scene.where(name, "on") for name in (self.one, self.other) if name != scene.holding):
            return []
        pick = Pick(thing=self.thing)
        return [pick] if pick.can(scene) else [*pick.needs(scene), pick]

    def along(self, scene: Scene) -> tuple[float, float]:
        """Where the thing is by the line from one to the other: along it, as a share of its length, and across, m."""
        (x, y, _), (ax, ay, _), (bx, by, _) = (scene.find(name).position for name in (self.thing, self.one, self.other))
        length = max(hypot(bx - ax, by - ay), 1e-6)
        along, across = (x - ax) * (bx - ax) + (y - ay) * (by - ay), (x - ax) * (by - ay) - (y - ay) * (bx - ax)
        return along / length**2, abs(across) / length


class Between(
    ByTwo,
    Skill,
    say="put the {thing} between the {one} and the {other}",
    also=("place the {thing} between the {one} and the {other}", "set the {thing} between the {one} and the {other}",
          "move the {thing} between the {one} and the {other}"),
):  # fmt: skip
    """Put what is held on the table between two things that stand there."""

    thing: Block
    one: Stood
    other: Stood
    marks: ClassVar[tuple[str, ...]] = (*BLOCKS, "bowl")

    def done(self, scene: Scene) -> bool:
        if not still(scene, self.thing) or "table" not in scene.where(self.thing, "on"):
            return False
        along, across = self.along(scene)
        return 0.2 < along < 0.8 and across < ASIDE


class InLine(
    ByTwo,
    Skill,
    say="put the {thing} in line with the {one} and the {other}",
    also=("continue the row of the {one} and the {other} with the {thing}", "place the {thing} in line with the {one} and the {other}",
          "put the {thing} in a row with the {one} and the {other}"),
):  # fmt: skip
    """Go on with a row: put what is held on the table beyond the second of two things, on the line through both."""

    thing: Block
    one: Block
    other: Block
    ordered: ClassVar[bool] = True

    def done(self, scene: Scene) -> bool:
        if not still(scene, self.thing) or "table" not in scene.where(self.thing, "on"):
            return False
        along, across = self.along(scene)
        return along > 1.0 and across < IN_LINE


class Across(
    ByTwo,
    Skill,
    say="put the {thing} across the {one} and the {other}",
    also=("lay the {thing} across the {one} and the {other}", "bridge the {one} and the {other} with the {thing}",
          "put the {thing} on top of both the {one} and the {other}", "put the {thing} on the {one} and the {other}"),
    time_limit_s=45.0,
):  # fmt: skip
    """Bridge two things of one height that stand near each other: put what is held on both."""

    thing: Block
    one: Base
    other: Base
    marks: ClassVar[tuple[str, ...]] = ("block", "bar", "cylinder")

    def fit(self, scene: Scene) -> bool:
        one, other = scene.find(self.one), scene.find(self.other)
        near = hypot(one.position[0] - other.position[0], one.position[1] - other.position[1]) < SPANNED
        level = abs(one.size[2] - other.size[2]) < 0.002
        free = not any(buried(scene, name) or not flat(scene, name) for name in (self.one, self.other))
        return ByTwo.fit(self, scene) and near and level and free

    def needs(self, scene: Scene) -> list[Skill]:
        """What is too far apart is brought together first."""
        if self.fit(scene):
            return ByTwo.needs(self, scene)
        together = Place(thing=self.one, relation="left of", target=self.other)
        return [together] if together.can(scene) else together.needs(scene)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and all(scene.has("on", self.thing, name) for name in (self.one, self.other))


def alike_after(thing: Thing) -> float:
    """After which turn about the vertical it looks the same, rad."""
    if thing.kind == "L":
        return 2 * pi
    return pi / 2 if abs(thing.size[0] - thing.size[1]) < 0.001 else pi
