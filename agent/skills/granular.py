"""Skills with beads: pour them out of a cup, sweep them into a zone."""

from typing import Annotated

from agent.skills.skill import Kind, Skill
from agent.skills.tabletop import Pick
from agent.types import Scene

Beads = Annotated[str, Kind("beads")]
Bowl = Annotated[str, Kind("bowl")]
Cup = Annotated[str, Kind("cup")]
Zone = Annotated[str, Kind("zone")]

WIDE = 0.16
"""A bowl must be this wide to be poured into, m."""


def spoken(what: str, where: str, *verbs: str) -> tuple[str, ...]:
    """Each verb with each way to say into."""
    return tuple(f"{verb} {what} {into} {where}" for verb in verbs for into in ("into", "in", "inside"))


def taking(scene: Scene, thing: str) -> list[Skill]:
    """What brings a thing into the hand."""
    pick = Pick(thing=thing)
    return [pick] if pick.can(scene) else [*pick.needs(scene), pick]


class Pour(
    Skill,
    say="pour the {thing} into the {target}",
    also=(*spoken("the {thing}", "the {target}", "tip", "pour", "empty", "dump", "pour out", "put", "transfer", "move"),
          "fill the {target} with the {thing}"),
):  # fmt: skip
    """Pour beads out of the cup that is in the hand into a large bowl, and hold the cup upright again. A small bowl is too narrow."""

    thing: Beads
    target: Bowl

    def cup(self, scene: Scene) -> str | None:
        """The cup that they are in."""
        return next((place for place in scene.where(self.thing, "in") if scene.find(place).kind == "cup"), None)

    def beads(self, scene: Scene) -> str:
        return self.thing

    def fits(self, scene: Scene) -> bool:
        """Is the bowl wide enough, and does it stand on the table?"""
        return scene.find(self.target).size[0] >= WIDE and "table" in scene.where(self.target, "on")

    def can(self, scene: Scene) -> bool:
        cup = self.cup(scene)
        return cup is not None and scene.holding == cup and self.fits(scene)

    def needs(self, scene: Scene) -> list[Skill]:
        cup = self.cup(scene)
        return taking(scene, cup) if cup is not None and cup != scene.holding and self.fits(scene) else []

    def done(self, scene: Scene) -> bool:
        level = scene.holding not in scene.names("cup") or scene.has("upright", str(scene.holding))
        beads = self.beads(scene)
        return level and scene.has("in", beads, self.target) and not scene.has("moving", beads)


class Empty(
    Pour,
    say="empty the {thing} into the {target}",
    also=spoken("the {thing}", "the {target}", "pour", "empty", "tip", "dump", "pour out", "empty out"),
):
    """Pour what is in a cup into a large bowl, and hold the cup upright again. Needs the cup in the hand, with beads in it."""

    thing: Cup

    def cup(self, scene: Scene) -> str | None:
        return self.thing if any(scene.has("in", beads, self.thing) for beads in scene.names("beads")) else None

    def beads(self, scene: Scene) -> str:
        return next(iter(scene.names("beads")), self.thing)


class Sweep(
    Skill,
    say="sweep the {thing} into the {zone}",
    also=(*spoken("the {thing}", "the {zone}", "brush", "sweep", "wipe", "push", "put", "move", "sweep up"),
          *spoken("the {thing} together", "the {zone}", "sweep", "brush", "wipe"),
          *spoken("the {thing}", "the {zone} with the sponge", "sweep", "brush", "wipe"), "sweep the {thing} to the {zone}"),
    time_limit_s=90.0,
):  # fmt: skip
    """Sweep beads that lie on the table into a zone with a sponge, stroke by stroke. Needs the sponge in the hand."""

    thing: Beads
    zone: Zone

    def can(self, scene: Scene) -> bool:
        return scene.holding in scene.names("sponge") and self.strewn(scene)

    def strewn(self, scene: Scene) -> bool:
        """Do they lie on the table, and not there yet?"""
        return "table" in scene.where(self.thing, "on") and self.zone not in scene.where(self.thing, "in")

    def needs(self, scene: Scene) -> list[Skill]:
        sponges = scene.names("sponge")
        return taking(scene, sponges[0]) if sponges and scene.holding not in sponges and self.strewn(scene) else []

    def done(self, scene: Scene) -> bool:
        return scene.has("in", self.thing, self.zone) and not scene.has("moving", self.thing)
