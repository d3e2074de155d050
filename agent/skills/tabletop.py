"""The built-in skills of a tabletop: pick, place, stack, open, close, slide, press, home."""

from math import hypot
from typing import Annotated, ClassVar, Literal

from agent.skills.skill import Kind, Skill
from agent.types import Scene

BLOCKS = ("block", "bar", "cylinder", "prism", "L", "ring")
"""Kinds of small things that are built and pushed with."""
HELD = (*BLOCKS, "cup", "sponge")
"""Everything that a hand can grasp."""
Block = Annotated[str, Kind(*BLOCKS)]
Movable = Annotated[str, Kind(*HELD)]
Base = Annotated[str, Kind("block", "bar", "cylinder")]
Drawer = Annotated[str, Kind("drawer")]
Button = Annotated[str, Kind("button")]
Lid = Annotated[str, Kind("lid")]
Relation = Literal["in", "on", "left of", "right of", "in front of", "behind", "next to"]

LIFTED_M = 0.03
"""So much air under a thing, and it is picked up."""
SUPPORTS = {"in": ("bowl", "tray", "drawer", "bay", "zone"), "on": ("block", "bar", "cylinder", "tray", "table")}
"""What a thing can be put in or on. The other relations take anything that stands on the table."""


def buried(scene: Scene, name: str) -> list[str]:
    """What has to be taken away before `name` can be grasped."""
    return [fact[1] for fact in scene.facts if len(fact) == 3 and fact[0] == "on" and fact[2] == name]


def shut_in(scene: Scene, name: str) -> list[str]:
    """The closed drawers and covered bays that `name` lies in."""
    return [place for place in scene.where(name, "in") if shut(scene, place)]


def shut(scene: Scene, place: str) -> bool:
    """Is it a drawer that is not open, or a bay that is not uncovered?"""
    opened = {"drawer": "open", "bay": "uncovered"}.get(scene.find(place).kind)
    return opened is not None and not scene.has(opened, place)


def unshut(scene: Scene, place: str) -> "list[Skill]":
    """What opens a drawer or uncovers a bay: its lid slides to where the other bay is."""
    if scene.find(place).kind == "drawer":
        return [Open(thing=place)]
    y = scene.find(place).position[1]
    others = [scene.find(name).position[1] for name in scene.names("bay") if name != place]
    return [Slide(thing=lid, side="left" if max(others, default=y - 1) > y else "right") for lid in scene.names("lid")]


def free_hand(scene: Scene) -> list[Skill]:
    """Put down what is held."""
    return [Place(thing=scene.holding, relation="on", target="table")] if scene.holding else []


def free_thing(scene: Scene, name: str) -> list[Skill]:
    """What stands between the hand and a thing: a full hand first, then closed drawers, then what lies on top."""
    if hand := free_hand(scene):
        return hand
    return [call for place in shut_in(scene, name) for call in unshut(scene, place)] + [Pick(thing=top) for top in buried(scene, name)]


def lies_in_bowl(scene: Scene, name: str) -> bool:
    """Is the thing short enough for the floor of a bowl?"""
    return max(scene.find(name).size[:2]) <= 0.06


def air_under(scene: Scene, name: str) -> float:
    """How high a thing is above the table and above whatever it is over, m. Where it has just been grasped, a motion elsewhere would begin
    by dragging it; and what moves the arm cannot see whether it is on its way up or down."""
    thing = scene.find(name)
    (x, y, z), half = thing.position, max(thing.size[:2]) / 2
    below = [other.position[2] + other.size[2] / 2 for other in scene.things if other.kind in HELD and other.position[2] < z
             and hypot(other.position[0] - x, other.position[1] - y) < half + max(other.size[:2]) / 2]  # fmt: skip
    return z - thing.size[2] / 2 - max(below, default=0.0)


def flat(scene: Scene, name: str) -> bool:
    """Can something stand on it? Not on a cylinder that lies."""
    thing = scene.find(name)
    return thing.kind != "cylinder" or abs(thing.size[0] - thing.size[1]) < 0.001


def buried_deep(scene: Scene, name: str) -> bool:
    """Does it lie in something that has walls?"""
    return any(scene.find(place).kind != "zone" for place in scene.where(name, "in"))


class Pick(
    Skill,
    say="pick up the {thing}",
    also=("grab the {thing}", "take the {thing}", "lift the {thing}", "get the {thing}", "hold the {thing}", "grasp the {thing}"),
):
    """Grasp a block, a cup or a sponge and lift it. Needs an empty hand and nothing on top of it."""

    thing: Movable

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not buried(scene, self.thing) and not shut_in(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_thing(scene, self.thing)

    def done(self, scene: Scene) -> bool:
        return scene.holding == self.thing and not scene.where(self.thing, "on", "in") and air_under(scene, self.thing) > LIFTED_M


class Place(
    Skill,
    say="put the {thing} {relation} the {target}",
    also=(
        "place the {thing} {relation} the {target}",
        "drop the {thing} {relation} the {target}",
        "move the {thing} {relation} the {target}",
        "set the {thing} {relation} the {target}",
        "bring the {thing} {relation} the {target}",
    ),
):
    """Put what is held somewhere: in a bowl, a tray or an open drawer or bay, on a block or the table, or beside another thing."""

    thing: Movable
    relation: Relation
    target: str

    def fits(self, scene: Scene) -> bool:
        """Does the sentence make sense: nothing can be put in the table or on a button."""
        kind = scene.find(self.target).kind
        if self.relation in SUPPORTS:
            return kind in SUPPORTS[self.relation] and (kind != "bowl" or lies_in_bowl(scene, self.thing)) and flat(scene, self.target)
        return kind in (*HELD, "bowl", "tray") and (self.target == scene.holding or "table" in scene.where(self.target, "on"))

    def can(self, scene: Scene) -> bool:
        return scene.holding == self.thing and self.fits(scene) and not self.blocked(scene)

    def blocked(self, scene: Scene) -> bool:
        """The target is shut, or something stands where the thing should go: beside a tower there is room."""
        on_top = self.relation == "on" and scene.find(self.target).kind in BLOCKS
        return shut(scene, self.target) or (on_top and bool(buried(scene, self.target)))

    def needs(self, scene: Scene) -> list[Skill]:
        if not self.fits(scene):
            return []
        if self.blocked(scene):
            return free_place(scene, self.target)
        pick = Pick(thing=self.thing)
        return [pick] if pick.can(scene) else [*pick.needs(scene), pick]

    def done(self, scene: Scene) -> bool:
        if scene.find(self.target).kind == "table" and scene.zones(self.thing):
            return False  # who asks for the table means the table beside its zones
        return scene.holding != self.thing and scene.has(self.relation, self.thing, self.target) and not scene.has("moving", self.thing)


class Stack(
    Skill,
    say="stack the {thing} on the {target}",
    also=("stack the {thing} on top of the {target}", "pile the {thing} on the {target}", "put the {thing} on top of the {target}"),
    time_limit_s=45.0,
):
    """Build a tower of two: fetch a block, unless it is in the hand already, and set it down on another block."""

    thing: Block
    target: Base

    def can(self, scene: Scene) -> bool:
        if buried(scene, self.target) or shut_in(scene, self.target) or buried_deep(scene, self.target) or not flat(scene, self.target):
            return False
        return scene.holding == self.thing or Pick(thing=self.thing).can(scene)

    def needs(self, scene: Scene) -> list[Skill]:
        if buried(scene, self.target):
            return free_place(scene, self.target)
        if not flat(scene, self.target):
            return []
        if buried_deep(scene, self.target):
            pick = Pick(thing=self.target)
            way: list[Skill] = [pick] if pick.can(scene) else pick.needs(scene)
            return way if scene.holding != self.target else [Place(thing=self.target, relation="on", target="table")]
        return Pick(thing=self.thing).needs(scene)

    def done(self, scene: Scene) -> bool:
        return scene.holding != self.thing and scene.has("on", self.thing, self.target) and not scene.has("moving", self.thing)


class Open(Skill, say="open the {thing}", also=("pull the {thing} open", "pull out the {thing}", "slide the {thing} open")):
    """Pull a drawer out by its handle. Needs an empty hand."""

    thing: Drawer

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has("open", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("open", self.thing) and not scene.has("moving", self.thing)


class Close(Skill, say="close the {thing}", also=("shut the {thing}", "push the {thing} shut", "push the {thing} closed")):
    """Push a drawer shut. Needs an empty hand."""

    thing: Drawer

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has("closed", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("closed", self.thing)


class Slide(
    Skill,
    say="slide the {thing} to the {side}",
    also=("push the {thing} to the {side}", "move the {thing} to the {side}", "pull the {thing} to the {side}", "slide the {thing} {side}",
          "push the {thing} {side}", "move the {thing} {side}", "pull the {thing} {side}", "slide the {thing} over to the {side}"),
):
    """Slide a lid to one end, so that it covers the bay there and uncovers the other. Needs an empty hand."""

    thing: Lid
    side: Literal["left", "right"]

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has(f"at {self.side}", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has(f"at {self.side}", self.thing)


class Press(Skill, say="press the {thing}", also=("push the {thing}", "hit the {thing}", "tap the {thing}")):
    """Press a button once; it toggles its light. Needs an empty hand."""

    undoes: ClassVar[bool] = True
    thing: Button

    def can(self, scene: Scene) -> bool:
        return scene.holding is None

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("pressed", self.thing)


class Home(
    Skill,
    say="move the arm home",
    also=("go home", "return home", "move the arm back", "retract the arm", "go to the home position"),
):
    """Bring the arm to its resting pose above the table, keeping what is in the hand."""

    def can(self, scene: Scene) -> bool:
        return not scene.has("home", "gripper")

    def done(self, scene: Scene) -> bool:
        return scene.has("home", "gripper")


def free_place(scene: Scene, target: str) -> list[Skill]:
    """Make room: open the drawer, uncover the bay, or take away what stands on the block; with an empty hand."""
    if scene.find(target).kind in ("drawer", "bay"):
        ways = unshut(scene, target)
        return ways if all(way.can(scene) for way in ways) else [*free_hand(scene), *ways]
    return [*free_hand(scene), *(Pick(thing=top) for top in buried(scene, target) if top != scene.holding)]
