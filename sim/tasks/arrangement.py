"""Arrangements told in words: two things beside a third; two blocks that change places; a tower taken down."""

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from agent.types import Fact, Scene, Subtask
from sim.tasks.block import spacious
from sim.tasks.bowl import standing
from sim.tasks.push import shapes
from sim.tasks.room import SEEN, SIDES, mixed, pushable
from sim.tasks.task import Layout, Task, Template, pick, place, place_of, within, workbench


def moved(*steps: tuple[str, str, str]) -> tuple[Subtask, ...]:
    """Pick and place for each (thing, relation, target)."""
    return tuple(step for thing, relation, target in steps for step in (pick(thing), place(thing, relation, target)))


def arrange(scene: Scene) -> Iterator[Task]:
    """Two things on two sides of a third, neither of them there yet."""
    names = [thing.name for thing, _ in pushable(scene)]
    if any(scene.has("somewhere", name) for name in names):
        return
    for one, other, target in permutations(names, 3):
        for first, second in permutations(SIDES, 2):
            goal: tuple[Fact, ...] = ((first, one, target), (second, other, target))
            if any(scene.has(*fact) for fact in goal) or not all(spacious(side, scene, target) for side in (first, second)):
                continue
            args = {"thing": one, "other": other, "target": target, "here": first, "there": second}
            plan = moved((one, first, target), (other, second, target))
            yield Task("arrangement", f"put the {one} {first} the {target} and the {other} {second} it", plan, args, goal,
                       standing(one, other, target), goal, (one, other, target))  # fmt: skip


def swap(scene: Scene) -> Iterator[Task]:
    """Two things in two zones, each alone there."""
    held = {zone: within(scene, zone) for zone in scene.names("zone")}
    for here, there in combinations([zone for zone, things in held.items() if len(things) == 1], 2):
        (one,), (other,) = held[here], held[there]
        if place_of(scene, one) is None or not all(scene.has("clear", name) for name in (one, other)) or scene.holding:
            continue
        goal = (("in", one, there), ("in", other, here))
        plan = moved((one, "on", "table"), (other, "in", here), (one, "in", there))
        yield Task("swap", f"swap the {one} and the {other}", plan, {"thing": one, "other": other}, goal,
                   (*standing(one, other), ("in", one, here), ("in", other, there)), goal, (one, other))  # fmt: skip


def take_down(scene: Scene) -> Iterator[Task]:
    """Three on each other: all of them onto the table."""
    on = {fact[1]: fact[2] for fact in scene.facts if fact[0] == "on" and fact[2] != "table"}
    for top, middle in on.items():
        bottom = on.get(middle)
        if bottom is None or scene.holding or not scene.has("clear", top) or ("on", bottom, "table") not in scene.facts:
            continue
        requires = (("empty", "gripper"), ("on", top, middle), ("on", middle, bottom), ("on", bottom, "table"), ("clear", top))
        yield Task("take down a tower", f"take down the tower on the {bottom}", moved((top, "on", "table"), (middle, "on", "table")),
                   {"thing": top, "other": middle, "target": bottom}, (("on", top, "table"), ("on", middle, "table")), requires,
                   may_move=(top, middle, bottom))  # fmt: skip


def two_in_zones(rng: np.random.Generator) -> Layout:
    one, other, *others = mixed(rng)
    return workbench(rng, {"name": "red zone"}, {"name": "blue zone"}, {"name": one, "in": "red zone"}, {"name": other, "in": "blue zone"},
                     plain=others)  # fmt: skip


def tower_of_three(rng: np.random.Generator) -> Layout:
    bottom, middle, top, other = (f"{colour} block" for colour in rng.permutation(SEEN)[:4])
    return workbench(rng, {"name": bottom}, {"name": middle, "on": bottom}, {"name": top, "on": middle}, plain=(other,))


TEMPLATES = (
    Template("arrangement", "Both relations hold between the things on the table.", arrange, shapes, ("precise", "multi-object")),
    Template("swap", "Each of the two lies in the zone where the other was.", swap, two_in_zones, ("multi-object",)),
    Template("take down a tower", "All three blocks stand on the table.", take_down, tower_of_three, ("multi-object",)),
)
