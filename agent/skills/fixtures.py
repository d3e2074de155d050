"""The skills of what is built into the bench: slide a lid, open a drawer half way, switch a lamp, flip a lever, turn a knob."""

from typing import Annotated, Literal

from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import Drawer, free_hand
from agent.types import Scene

Lamp = Annotated[str, Kind("lamp")]
Lever = Annotated[str, Kind("lever")]
Knob = Annotated[str, Kind("knob")]
Bay = Annotated[str, Kind("bay")]
Way = Literal["on", "off"]
Mark = Literal["mark 1", "mark 2", "mark 3"]


class OpenHalf(
    Skill,
    say="open the {thing} half way",
    also=("open the {thing} halfway", "open the {thing} half", "half open the {thing}", "pull the {thing} half open",
          "pull the {thing} out half way", "pull out the {thing} half way"),
):  # fmt: skip
    """Bring a drawer half way out, from either side. Needs an empty hand."""

    thing: Drawer

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has("half open", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("half open", self.thing) and not scene.has("moving", self.thing)


class Uncover(
    Skill,
    say="uncover the {thing}",
    also=("open the {thing}", "slide the lid off the {thing}", "take the lid off the {thing}", "push the lid off the {thing}",
          "move the lid off the {thing}", "slide the lid away from the {thing}", "the {thing} open"),
):  # fmt: skip
    """Slide the lid off a bay, so that it lies open. Needs an empty hand."""

    thing: Bay

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has("uncovered", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("uncovered", self.thing)


class Cover(
    Skill,
    say="cover the {thing}",
    also=("close the {thing}", "slide the lid over the {thing}", "put the lid on the {thing}", "push the lid over the {thing}",
          "move the lid over the {thing}", "the lid over the {thing}", "the {thing} closed"),
):  # fmt: skip
    """Slide the lid over a bay; the other one then lies open. Needs an empty hand."""

    thing: Bay

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not self.done(scene)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        others = [bay for bay in scene.names("bay") if bay != self.thing]
        return scene.has("covered", self.thing) and all(scene.has("uncovered", bay) for bay in others)


class Switch(
    Skill,
    say="turn {way} the {thing}",
    also=("switch {way} the {thing}", "turn the {thing} {way}", "switch the {thing} {way}", "the {thing} {way}",
          "turn {way} the {thing} with the lever", "switch {way} the {thing} with the lever"),
):  # fmt: skip
    """Switch a lamp by its lever: away from the robot is on. Needs an empty hand."""

    thing: Lamp
    way: Way

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not self.done(scene)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("lit" if self.way == "on" else "dark", self.thing)


class Flip(
    Skill,
    say="flip the {thing} {way}",
    also=("flip {way} the {thing}", "push the {thing} {way}", "pull the {thing} {way}", "move the {thing} {way}", "put the {thing} {way}",
          "push {way} the {thing}", "move {way} the {thing}", "the {thing} {way}"),
):  # fmt: skip
    """Throw a lever over: up is away from the robot, down is towards it. Needs an empty hand."""

    thing: Lever
    way: Literal["up", "down"]

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has(self.way, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has(self.way, self.thing)


class Turn(
    Skill,
    say="turn the {thing} to {mark}",
    also=("rotate the {thing} to {mark}", "set the {thing} to {mark}", "twist the {thing} to {mark}", "dial the {thing} to {mark}",
          "the {thing} to {mark}", "the {thing} at {mark}", "turn the {thing} until it is at {mark}"),
):  # fmt: skip
    """Turn a knob until its pointer is at a mark. Needs an empty hand."""

    thing: Knob
    mark: Mark

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and not scene.has("at", self.thing, self.mark)

    def needs(self, scene: Scene) -> list[Skill]:
        return free_hand(scene)

    def done(self, scene: Scene) -> bool:
        return scene.has("at", self.thing, self.mark) and not scene.has("moving", self.thing)
