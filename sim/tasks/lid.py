"""The lid over the two bays: slide it to a side, uncover a bay, cover one."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.types import Scene, Subtask
from sim.tasks.task import Layout, Task, Template, workbench

EMPTY = ("empty", "gripper")
OTHER = {"left": "right", "right": "left"}


def slide(side: str) -> Subtask:
    return Subtask(skill="slide", args={"thing": "lid", "side": side}, words=f"slide the lid to the {side}")


def uncover(bay: str) -> Subtask:
    return Subtask(skill="uncover", args={"thing": bay}, words=f"uncover the {bay}")


def cover(bay: str) -> Subtask:
    return Subtask(skill="cover", args={"thing": bay}, words=f"cover the {bay}")


def slid(side: str, scene: Scene) -> Iterator[Task]:
    was = (f"at {OTHER[side]}", "lid")
    if was in scene.facts:
        yield Task(f"slide the lid {side}", f"slide the lid to the {side}", (slide(side),), {"target": "lid", "side": side},
                   ((f"at {side}", "lid"),), (EMPTY, was), may_move=("lid",))  # fmt: skip


def uncovered(scene: Scene) -> Iterator[Task]:
    for bay in scene.names("bay"):
        yield Task("uncover a bay", f"uncover the {bay}", (uncover(bay),), {"target": bay}, (("uncovered", bay),),
                   (EMPTY, ("covered", bay)), may_move=("lid",))  # fmt: skip


def covered(scene: Scene) -> Iterator[Task]:
    for bay in scene.names("bay"):
        yield Task("cover a bay", f"cover the {bay}", (cover(bay),), {"target": bay}, (("covered", bay),),
                   (EMPTY, ("uncovered", bay)), may_move=("lid",))  # fmt: skip


def at_right(rng: np.random.Generator) -> Layout:
    return workbench(rng, lid="right")


def at_left(rng: np.random.Generator) -> Layout:
    return workbench(rng, lid="left")


TEMPLATES = (
    Template("slide the lid left", "The lid is at the left end of its rails.", partial(slid, "left"), at_right, ("articulated",)),
    Template("slide the lid right", "The lid is at the right end of its rails.", partial(slid, "right"), at_left, ("articulated",)),
    Template("uncover a bay", "The lid is at the other end, so that the bay lies open.", uncovered, workbench, ("articulated",)),
    Template("cover a bay", "The lid is over the bay.", covered, workbench, ("articulated",)),
)
