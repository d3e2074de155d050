"""The lever and its lamp: the lamp on and off, the lever up and down."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.types import Scene, Subtask
from sim.tasks.task import Layout, Task, Template, workbench

EMPTY = ("empty", "gripper")
WAYS = {"on": ("dark", "lit"), "off": ("lit", "dark")}
BACK = {"up": "down", "down": "up"}


def switch(way: str) -> Subtask:
    return Subtask(skill="switch", args={"thing": "lamp", "way": way}, words=f"turn {way} the lamp")


def flip(way: str) -> Subtask:
    return Subtask(skill="flip", args={"thing": "lever", "way": way}, words=f"flip the lever {way}")


def switched(way: str, scene: Scene) -> Iterator[Task]:
    was, will = WAYS[way]
    if (was, "lamp") in scene.facts:
        yield Task(f"lamp {way}", f"turn {way} the lamp", (switch(way),), {"target": "lamp"}, ((will, "lamp"),), (EMPTY, (was, "lamp")),
                   may_move=("lever",))  # fmt: skip


def flipped(way: str, scene: Scene) -> Iterator[Task]:
    was = (BACK[way], "lever")
    if was in scene.facts:
        yield Task(f"lever {way}", f"flip the lever {way}", (flip(way),), {"target": "lever"}, ((way, "lever"),), (EMPTY, was),
                   may_move=("lever",))  # fmt: skip


def down(rng: np.random.Generator) -> Layout:
    return workbench(rng, lever="down")


def up(rng: np.random.Generator) -> Layout:
    return workbench(rng, lever="up")


TEMPLATES = (
    Template("lamp on", "The lamp is lit, by its lever.", partial(switched, "on"), down, ("articulated",)),
    Template("lamp off", "The lamp is dark, by its lever.", partial(switched, "off"), up, ("articulated",)),
    Template("lever up", "The lever leans away from the robot.", partial(flipped, "up"), down, ("articulated",)),
    Template("lever down", "The lever leans towards the robot.", partial(flipped, "down"), up, ("articulated",)),
)
