"""Push: 10 cm to the left, to the right, away or near, without lifting it."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.types import Fact, Scene
from sim.oracle.pushes import DIRECTIONS
from sim.tasks.room import amidst, call, free_way, mixed, pushable
from sim.tasks.task import Layout, Measure, Task, Template, workbench

PUSHED = 10
"""Events of a centimetre."""
WAY_M = 0.11
OPPOSITE = {"left": "right", "right": "left", "away": "near", "near": "away"}
SAID = {"left": "to the left", "right": "to the right", "away": "away from you", "near": "towards you"}


def since(scene: Scene, start: Scene) -> list[Fact]:
    """What happened after the start."""
    return [fact for tick, fact in scene.events if tick >= start.tick]


def lifted(scene: Scene, start: Scene, thing: str) -> bool:
    """Has it left the table since the start?"""
    return scene.holding == thing or ("lifted", thing) in since(scene, start)


def pushed(thing: str, direction: str) -> Measure:
    """Centimetres that way, the way back taken off; nothing for what was lifted."""

    def measure(scene: Scene, start: Scene) -> float:
        told = since(scene, start)
        far = told.count(("moved", thing, direction)) - told.count(("moved", thing, OPPOSITE[direction]))
        return 0.0 if lifted(scene, start, thing) else far / PUSHED

    return measure


def push(direction: str, scene: Scene) -> Iterator[Task]:
    for thing, needs in pushable(scene):
        if free_way(scene, thing, DIRECTIONS[direction], WAY_M):
            plan = call("push", "push the {thing} {direction}", thing=thing.name, direction=direction)
            yield Task(f"push {direction}", f"push the {thing.name} {SAID[direction]}", (plan,), {"thing": thing.name}, requires=needs,
                       may_move=(thing.name,), measure=pushed(thing.name, direction))  # fmt: skip


def shapes(rng: np.random.Generator) -> Layout:
    """Four things of different shapes, one of them amidst the table."""
    thing, *others = mixed(rng)
    return workbench(rng, amidst(rng, thing), plain=others)


TEMPLATES = tuple(
    Template(f"push {way}", f"It went 10 cm {SAID[way]} along the table, and was never lifted.", partial(push, way), shapes)
    for way in DIRECTIONS
)
