"""Beads, and what goes with them: pour them, sweep them, put things in a tray, put down what is in the hand."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from agent.types import Fact, Scene, Subtask, Thing
from sim import loose, objects
from sim.oracle.sweeps import choose_lane, outside
from sim.parts.beads import MOST
from sim.tasks.task import Layout, Measure, Task, Template, at_hand, fetch, hand_for, pick, place, within

WIDE_M = 0.16
"""How wide a bowl must be to be poured into, m."""
TRAY_HOLDS, TRAY_SHORT_M = 2, 0.06
"""How many things are asked to share a tray, and how long they may be, m; a longer one lies there alone."""
TRAY_KINDS = ("small block", "block", "cylinder", "bar", "cup", "sponge")


def pour(beads: str, target: str) -> Subtask:
    return Subtask(skill="pour", args={"thing": beads, "target": target}, words=f"pour the {beads} into the {target}")


def sweep(beads: str, zone: str) -> Subtask:
    return Subtask(skill="sweep", args={"thing": beads, "zone": zone}, words=f"sweep the {beads} into the {zone}")


def brought(place: str, *more: Fact) -> Measure:
    """The share of the beads that have come to a place; all of it only when they count as there, and more holds."""

    def share(scene: Scene) -> float:
        here, beads = scene.find(place), scene.find("beads")
        return float(np.mean([over(here, spot) for spot in beads.pieces]))

    def measure(scene: Scene, start: Scene) -> float:
        if all(fact in scene.facts for fact in (("in", "beads", place), *more)):
            return 1.0
        began = share(start)
        return min((share(scene) - began) / max(MOST - began, 1e-9), 0.95)

    return measure


def over(place: Thing, spot: tuple[float, float, float]) -> bool:
    """Seen from above, is a point within a place, and not high above it?"""
    x, y = spot[0] - place.position[0], spot[1] - place.position[1]
    near = np.hypot(x, y) < place.size[0] / 2 if place.kind != "zone" else max(abs(x), abs(y)) < place.size[0] / 2
    return bool(near and spot[2] < place.position[2] + place.size[2] + 0.02)


def pouring(scene: Scene) -> Iterator[Task]:
    """From the cup that they are in to any large bowl that stands on the table."""
    for cup in scene.where("beads", "in"):
        hand = hand_for(scene, cup)
        if scene.find(cup).kind != "cup" or hand is None or not scene.has("upright", cup):
            continue
        for bowl in scene.names("bowl"):
            if scene.find(bowl).size[0] >= WIDE_M and scene.has("on", bowl, "table"):
                there: Fact = ("in", "beads", bowl)
                requires = (hand, ("in", "beads", cup), ("upright", cup), ("on", bowl, "table"))
                plan = (pour("beads", bowl),) if scene.holding == cup else (pick(cup), pour("beads", bowl))
                yield Task("pour", f"pour the beads into the {bowl}", plan, {"thing": "beads", "source": cup, "target": bowl},
                           (there, ("upright", cup)), requires, (there,), ("beads", cup, bowl), keeps_grip=True,
                           measure=brought(bowl, ("upright", cup)))  # fmt: skip


def sweeping(scene: Scene) -> Iterator[Task]:
    """Along a way that is free."""
    for sponge in scene.names("sponge") if scene.has("on", "beads", "table") else ():
        if (hand := hand_for(scene, sponge)) is None:
            continue
        for zone in scene.names("zone"):
            there: Fact = ("in", "beads", zone)
            if there in scene.facts or not free(scene, sponge, zone):
                continue
            plan = (sweep("beads", zone),) if scene.holding == sponge else (pick(sponge), sweep("beads", zone))
            yield Task("sweep", f"sweep the beads into the {zone}", plan, {"thing": "beads", "target": zone}, (there,),
                       (hand, ("on", "beads", "table")), (there,), ("beads", sponge), keeps_grip=True, measure=brought(zone))  # fmt: skip


def free(scene: Scene, sponge: str, zone: str) -> bool:
    """Is there a way for a sponge to every one of the beads, that leads to the zone?"""
    away = outside(scene.find("beads"), scene.find(zone))
    return all(choose_lane(scene, away[[index]], scene.find(zone), sponge) is not None for index in range(len(away)))


def in_tray(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene, *loose.HELD):
        for tray in scene.names("tray"):
            goal = ("in", thing, tray)
            if goal not in scene.facts and has_room(scene, tray, thing):
                yield Task("in the tray", f"put the {thing} in the {tray}", fetch(scene, thing, "in", tray),
                           {"thing": thing, "target": tray}, (goal,), needs, (goal,), (*moving(scene, thing), tray))  # fmt: skip


def has_room(scene: Scene, tray: str, thing: str) -> bool:
    """Is a tray empty, or do all that share it fit?"""
    things = [thing, *within(scene, tray)]
    return len(things) == 1 or (len(things) <= TRAY_HOLDS and all(max(scene.find(name).size[:2]) <= TRAY_SHORT_M for name in things))


def moving(scene: Scene, thing: str) -> tuple[str, ...]:
    """A thing, and the beads if they are in it."""
    return (thing, "beads") if ("in", "beads", thing) in scene.facts else (thing,)


def put_down(scene: Scene) -> Iterator[Task]:
    """What is in the hand, whatever it is."""
    if (thing := scene.holding) is not None:
        goal = ("on", thing, "table")
        yield Task("put down", f"put the {thing} down on the table", (place(thing, "on", "table"),), {"thing": thing}, (goal,),
                   (("holding", thing),), (goal,), moving(scene, thing))  # fmt: skip


# --- scenes ---------------------------------------------------------------------------------------------------------------------


def colours(rng: np.random.Generator, count: int) -> list[str]:
    """Different ones, none of them held out."""
    seen = [colour for colour in objects.COLOURS if colour not in objects.HELD_OUT]
    return [str(colour) for colour in rng.permutation(seen)[:count]]


def fitted(rng: np.random.Generator, things: list[Any]) -> Layout:
    """With a drawer, a button and its light."""
    drawn = {"drawer": str(rng.choice(["closed", "open"])), "light": str(rng.choice(["dark", "lit"]))}
    return {"things": things, **drawn}


def full_cup(rng: np.random.Generator) -> Layout:
    one, two, three, four = colours(rng, 4)
    return fitted(rng, [f"large {one} bowl", f"{two} cup", {"name": "beads", "in": f"{two} cup"}, f"{three} block", f"{four} block"])


def strewn(rng: np.random.Generator) -> Layout:
    one, two, three, four = colours(rng, 4)
    return fitted(rng, ["beads", f"{one} zone", f"{two} zone", f"{three} sponge", f"{four} block"])


def with_tray(rng: np.random.Generator) -> Layout:
    tray, *rest = colours(rng, 5)
    kinds = [str(kind) for kind in rng.permutation(TRAY_KINDS)[:4]]
    return fitted(rng, [f"{tray} tray", *(" ".join([*kind.split()[:-1], colour, kind.split()[-1]])
                                          for kind, colour in zip(kinds, rest, strict=True))])  # fmt: skip


def one_cup(rng: np.random.Generator) -> Layout:
    return fitted(rng, ["yellow cup", {"name": "beads", "in": "yellow cup"}, "red block", "blue bowl"])


TEMPLATES = (
    Template("pour", "Five sixths of the beads are in the bowl, and the cup is upright.", pouring, full_cup, ("precise",)),
    Template("sweep", "Four fifths of the beads lie in the zone.", sweeping, strewn, ("multi-object",)),
    Template("in the tray", "The thing rests in the tray.", in_tray, with_tray),
    Template("put down", "What was in the hand stands on the table.", put_down, one_cup, prelude=(pick("yellow cup"),)),
)
