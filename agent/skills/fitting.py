"""Skills with things that fit: insert an L into a fixture, thread a ring onto a peg."""

from typing import Annotated

from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import Pick, Place
from agent.types import Scene

Ell = Annotated[str, Kind("L")]
Fixture = Annotated[str, Kind("fixture")]
Ring = Annotated[str, Kind("ring")]
Peg = Annotated[str, Kind("peg")]

RINGS_ON_PEG = 3


def ready(scene: Scene, thing: str) -> bool:
    """Is it in the hand, or can it be picked up?"""
    return scene.holding == thing or Pick(thing=thing).can(scene)


def within(scene: Scene, place: str, relation: str) -> list[str]:
    """What is in or on a place."""
    return [fact[1] for fact in scene.facts if len(fact) == 3 and fact[0] == relation and fact[2] == place]


class Insert(
    Skill,
    say="insert the {thing} into the {fixture}",
    also=(
        "put the {thing} in the {fixture}", "put the {thing} into the {fixture}", "fit the {thing} into the {fixture}",
        "place the {thing} in the {fixture}", "lay the {thing} into the {fixture}", "plug the {thing} into the {fixture}",
    ),
    time_limit_s=60.0,
):  # fmt: skip
    """Fit an L into the recess of its shape: fetch it, unless it is in the hand already, turn it as the recess is, and lower it in."""

    thing: Ell
    fixture: Fixture

    def can(self, scene: Scene) -> bool:
        return not within(scene, self.fixture, "in") and ready(scene, self.thing)

    def needs(self, scene: Scene) -> list[Skill]:
        if inside := [name for name in within(scene, self.fixture, "in") if name != self.thing]:
            hand: list[Skill] = [Place(thing=scene.holding, relation="on", target="table")] if scene.holding else []
            return [*hand, *(Pick(thing=name) for name in inside)]
        return Pick(thing=self.thing).needs(scene)

    def done(self, scene: Scene) -> bool:
        return scene.holding != self.thing and scene.has("in", self.thing, self.fixture) and not scene.has("moving", self.thing)


class Thread(
    Skill,
    say="thread the {thing} onto the {peg}",
    also=(
        "put the {thing} on the {peg}", "put the {thing} onto the {peg}", "place the {thing} on the {peg}",
        "slide the {thing} onto the {peg}", "hang the {thing} on the {peg}", "move the {thing} to the {peg}",
        "slip the {thing} over the {peg}",
    ),
    time_limit_s=45.0,
):  # fmt: skip
    """Put a ring on a peg, over those that are there: fetch it, unless it is in the hand already, and lower it over the post."""

    thing: Ring
    peg: Peg

    def can(self, scene: Scene) -> bool:
        return not self.there(scene) and not self.full(scene) and ready(scene, self.thing)

    def there(self, scene: Scene) -> bool:
        return scene.holding != self.thing and scene.has("on", self.thing, self.peg)

    def full(self, scene: Scene) -> bool:
        return len(within(scene, self.peg, "on")) >= RINGS_ON_PEG

    def needs(self, scene: Scene) -> list[Skill]:
        return [] if self.there(scene) or self.full(scene) else Pick(thing=self.thing).needs(scene)

    def done(self, scene: Scene) -> bool:
        return self.there(scene) and not scene.has("moving", self.thing)
