"""Skills with long things: stand a bar up, lay it down."""

from typing import Annotated

from agent.skills.blocks import at_hand, onto_table, still
from agent.skills.skill import Kind, Skill
from agent.types import Scene

Bar = Annotated[str, Kind("bar")]


class StandUp(
    Skill,
    say="stand the {thing} up",
    also=(
        "stand up the {thing}", "set the {thing} upright", "stand the {thing} on its end", "put the {thing} upright",
        "raise the {thing} upright", "make the {thing} stand",
    ),
    time_limit_s=60.0,
):  # fmt: skip
    """Turn a bar that lies on the table upright, onto one of its ends. Needs an empty hand and some room."""

    thing: Bar

    def can(self, scene: Scene) -> bool:
        return at_hand(scene, self.thing) and not scene.has("standing", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return [] if scene.has("standing", self.thing) else onto_table(scene, self.thing)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and scene.has("standing", self.thing) and "table" in scene.where(self.thing, "on")


class LayDown(
    Skill,
    say="lay the {thing} down",
    also=(
        "lay down the {thing}", "tip the {thing} over", "tip over the {thing}", "knock the {thing} over", "knock over the {thing}",
        "topple the {thing}", "lay the {thing} flat", "push the {thing} over",
    ),
):  # fmt: skip
    """Push a bar that stands on the table over, so that it lies. Needs an empty hand and room for it to fall."""

    thing: Bar

    def can(self, scene: Scene) -> bool:
        return at_hand(scene, self.thing) and not scene.has("lying", self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        return [] if scene.has("lying", self.thing) else onto_table(scene, self.thing)

    def done(self, scene: Scene) -> bool:
        return still(scene, self.thing) and scene.has("lying", self.thing) and "table" in scene.where(self.thing, "on")
