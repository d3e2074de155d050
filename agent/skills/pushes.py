"""Pushes: 10 cm one way, into a zone and out of it, against something else. What stands on its end would fall, and is laid down first."""

from math import cos, hypot, sin
from typing import Annotated, ClassVar, Literal

from agent.skills.blocks import PUSHED, Standing, at_hand, net, onto_table, still
from agent.skills.postures import LayDown
from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import Block
from agent.types import Scene

Zone = Annotated[str, Kind("zone")]


class Pushed(Standing):
    """What is pushed along the table with closed fingers."""

    def can(self, scene: Scene) -> bool:
        return Standing.can(self, scene) and not on_end(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return laid_down(scene, self.thing) if self.told(scene) else []


def on_end(scene: Scene, name: str) -> bool:
    return scene.has("standing", name)


def laid_down(scene: Scene, name: str) -> list[Skill]:
    """What brings a thing out onto the table, to lie there."""
    return [LayDown(thing=name)] if on_end(scene, name) and at_hand(scene, name) else onto_table(scene, name)


class Push(
    Pushed,
    Skill,
    say="push the {thing} {direction}",
    also=(
        "push the {thing} to the {direction}", "shove the {thing} {direction}", "shove the {thing} to the {direction}",
        "push the {thing} {direction} from you", "nudge the {thing} to the {direction}", "push the {thing} towards the {direction}",
        "slide the {thing} {direction}", "slide the {thing} to the {direction}", "push the {thing} a little {direction}",
        "push the {thing} {direction} without lifting it", "push the {thing} {direction} along the table",
    ),
):  # fmt: skip
    """Push a block 10 cm along the table without grasping it. Needs an empty hand, and a world that tells how things move."""

    thing: Block
    direction: Literal["left", "right", "away", "near"]
    undoes: ClassVar[bool] = True

    def done(self, scene: Scene) -> bool:
        return scene.holding != self.thing and net(scene, "moved", self.thing, self.direction) >= PUSHED


class PushInto(
    Pushed,
    Skill,
    say="push the {thing} into the {zone}",
    also=("shove the {thing} into the {zone}", "push the {thing} to the {zone}", "slide the {thing} into the {zone}"),
    time_limit_s=45.0,
):
    """Push a block along the table until it lies in a zone. Needs an empty hand and a free way."""

    thing: Block
    zone: Zone
    followed: ClassVar[bool] = False

    def can(self, scene: Scene) -> bool:
        return Pushed.can(self, scene) and self.zone not in scene.where(self.thing, "in")

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and scene.has("in", self.thing, self.zone)


class PushOut(
    Pushed,
    Skill,
    say="push the {thing} out of the {zone}",
    also=("shove the {thing} out of the {zone}", "slide the {thing} out of the {zone}", "push the {thing} off the {zone}"),
    time_limit_s=45.0,
):
    """Push a block that lies in a zone along the table until no part of it is in there. Needs an empty hand."""

    thing: Block
    zone: Zone
    followed: ClassVar[bool] = False

    def can(self, scene: Scene) -> bool:
        return Pushed.can(self, scene) and not self.outside(scene)

    def outside(self, scene: Scene) -> bool:
        thing, zone = scene.find(self.thing), scene.find(self.zone)
        dx, dy = thing.position[0] - zone.position[0], thing.position[1] - zone.position[1]
        along, across = dx * cos(zone.yaw) + dy * sin(zone.yaw), dy * cos(zone.yaw) - dx * sin(zone.yaw)
        return max(abs(along), abs(across)) > (max(zone.size[:2]) + hypot(*thing.size[:2])) / 2

    def needs(self, scene: Scene) -> list[Skill]:
        return [] if self.outside(scene) else Pushed.needs(self, scene)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and "table" in scene.where(self.thing, "on") and self.outside(scene)


class PushAgainst(
    Pushed,
    Skill,
    say="push the {thing} against the {other}",
    also=(
        "push the {thing} until it touches the {other}", "push the {thing} up against the {other}", "push the {thing} up to the {other}",
        "shove the {thing} against the {other}", "slide the {thing} against the {other}", "slide the {thing} until it touches the {other}",
        "shove the {thing} until it touches the {other}", "push the {thing} towards the {other} until they touch",
        "shove the {thing} towards the {other} until they touch", "push the {thing} along the table against the {other}",
    ),
):  # fmt: skip
    """Push a block straight towards another until the two touch. Needs an empty hand, and both on the table."""

    thing: Block
    other: Block

    def can(self, scene: Scene) -> bool:
        placed = "table" in scene.where(self.other, "on") and not on_end(scene, self.other)
        return Pushed.can(self, scene) and placed and not scene.has("touching", self.thing, self.other)

    def needs(self, scene: Scene) -> list[Skill]:
        return laid_down(scene, self.other) if on_end(scene, self.other) else Pushed.needs(self, scene)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and still(scene, self.other) and scene.has("touching", self.thing, self.other)
