"""Towers: stack one block on another, take one down, three in order."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from agent.types import Scene
from sim.tasks.bowl import loose_on_table, standing
from sim.tasks.task import Layout, Task, Template, anywhere, at_hand, bench, fetch, place_of, some, stack


def on_another(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        for target in scene.names("block"):
            where = place_of(scene, target)
            if target == thing or where != ("on", target, "table") or not scene.has("clear", target):
                continue
            goal = ("on", thing, target)
            yield Task("stack", f"stack the {thing} on the {target}", (stack(thing, target),), {"thing": thing, "target": target},
                       (goal,), (*needs, where, ("clear", target)), (goal,), (thing, target))  # fmt: skip


def unstack(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        where = place_of(scene, thing)
        if where and where[0] == "on" and where[2] in scene.names("block"):
            lower = where[2]
            yield Task("unstack", f"take the {thing} off the {lower} and put it on the table", fetch(scene, thing, "on", "table"),
                       {"thing": thing, "target": lower}, (("on", thing, "table"),), needs, may_move=(thing, lower))  # fmt: skip


def three(scene: Scene) -> Iterator[Task]:
    cubes = [thing for thing in loose_on_table(scene) if scene.find(thing).kind == "block"]
    for bottom, middle, top in permutations(cubes, 3):
        if not scene.find(bottom).size >= scene.find(middle).size >= scene.find(top).size:
            continue
        goal = (("on", middle, bottom), ("on", top, middle))
        words = f"stack the {middle} on the {bottom} and the {top} on the {middle}"
        yield Task("tower", words, (stack(middle, bottom), stack(top, middle)), {"thing": top, "other": middle, "target": bottom}, goal,
                   standing(bottom, middle, top), may_move=(bottom, middle, top))  # fmt: skip


def one_on_another(rng: np.random.Generator) -> Layout:
    upper, lower = some(rng, 2)
    return bench(rng, {"name": lower}, {"name": upper, "on": lower})


TEMPLATES = (
    Template("stack", "The block rests on the other.", on_another, anywhere, ("precise",)),
    Template("unstack", "The upper block stands on the table.", unstack, one_on_another),
    Template("tower", "Three blocks stand on each other in the order asked for.", three, bench, ("precise", "multi-object")),
)
