"""The bays: put a thing in, uncover one first, take a thing out, hide it, find what is hidden."""

from collections.abc import Iterator

import numpy as np

from agent.types import Scene
from sim.tasks.bowl import fits, loose_on_table, standing
from sim.tasks.lid import EMPTY, OTHER, cover, uncover
from sim.tasks.task import SHAPES, ZONE_HOLDS, Layout, Task, Template, at_hand, fetch, pick, place, within, workbench

SIDES = ("left", "right")


def put_in_open(scene: Scene) -> Iterator[Task]:
    for bay in bare(scene, "uncovered"):
        for thing, needs in at_hand(scene):
            goal = ("in", thing, bay)
            yield Task("in the open bay", f"put the {thing} in the {bay}", fetch(scene, thing, "in", bay), {"thing": thing, "target": bay},
                       (goal,), (*needs, ("uncovered", bay)), (goal,), moved_from(scene, thing))  # fmt: skip


def put_in_covered(scene: Scene) -> Iterator[Task]:
    """It has to be uncovered first, which nobody says."""
    for bay in bare(scene, "covered"):
        for thing in loose_on_table(scene):
            plan = (uncover(bay), pick(thing), place(thing, "in", bay))
            yield Task("in the covered bay", f"put the {thing} in the {bay}", plan, {"thing": thing, "target": bay},
                       (("in", thing, bay),), (*standing(thing), ("covered", bay)), may_move=("lid", thing))  # fmt: skip


def take_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        for bay in scene.names("bay"):
            if ("in", thing, bay) in needs:
                yield Task("out of a bay", f"take the {thing} out of the {bay} and put it on the table",
                           fetch(scene, thing, "on", "table"), {"thing": thing, "target": bay}, (("on", thing, "table"),), needs,
                           may_move=(thing, *within(scene, bay)))  # fmt: skip


def hide(scene: Scene) -> Iterator[Task]:
    """In a bay, under the lid, wherever that is now."""
    for state in ("uncovered", "covered"):
        for bay in bare(scene, state):
            for thing in loose_on_table(scene):
                stored = (pick(thing), place(thing, "in", bay), cover(bay))
                plan = stored if state == "uncovered" else (uncover(bay), *stored)
                yield Task("hide in a bay", f"put the {thing} in the {bay} and cover it", plan, {"thing": thing, "target": bay},
                           (("in", thing, bay), ("covered", bay)), (*standing(thing), (state, bay)), may_move=("lid", thing))  # fmt: skip


def find(scene: Scene) -> Iterator[Task]:
    """What is hidden under the lid goes into a zone or a bowl."""
    for bay in scene.names("bay"):
        if ("covered", bay) not in scene.facts or len(within(scene, bay)) != 1:
            continue
        (thing,) = within(scene, bay)
        bowls = [bowl for bowl in scene.names("bowl") if fits(scene, thing, bowl)]
        for target in (*bowls, *(zone for zone in scene.names("zone") if len(within(scene, zone)) < ZONE_HOLDS)):
            plan = (uncover(bay), pick(thing), place(thing, "in", target))
            requires = (EMPTY, ("covered", bay), ("in", thing, bay), ("clear", thing))
            yield Task("find in a bay", f"find the {thing} and put it in the {target}", plan, {"thing": thing, "target": target},
                       (("in", thing, target),), requires, may_move=("lid", thing, target))  # fmt: skip


def bare(scene: Scene, state: str) -> list[str]:
    """The bays in that state with nothing in them: there is room for one."""
    return [bay for bay in scene.names("bay") if (state, bay) in scene.facts and not within(scene, bay)]


def moved_from(scene: Scene, thing: str) -> tuple[str, ...]:
    """The thing, and what it may drag along when it is taken from where it is."""
    return (thing, *scene.where(thing, "in", "on"))


def one_in(rng: np.random.Generator, *, shown: bool) -> Layout:
    side = str(rng.choice(SIDES))
    return workbench(rng, {"name": str(rng.choice(SHAPES)), "in": f"{side} bay"}, lid=OTHER[side] if shown else side)


def filled(rng: np.random.Generator) -> Layout:
    return one_in(rng, shown=True)


def hidden(rng: np.random.Generator) -> Layout:
    return one_in(rng, shown=False)


TEMPLATES = (
    Template("in the open bay", "The thing is in the bay.", put_in_open, workbench, ("articulated",)),
    Template("in the covered bay", "The thing is in the bay, which had to be uncovered.", put_in_covered, workbench, ("articulated",)),
    Template("out of a bay", "The thing stands on the table.", take_out, filled, ("articulated",)),
    Template("hide in a bay", "The thing is in the bay, and the lid is over it.", hide, workbench, ("articulated",)),
    Template("find in a bay", "The thing that was hidden in the bay is in the zone or bowl.", find, hidden, ("articulated", "memory")),
)
