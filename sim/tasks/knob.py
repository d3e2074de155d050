"""The knob: turn it to a mark."""

from collections.abc import Iterator

from agent.types import Scene, Subtask
from sim.parts.console import MARKS
from sim.tasks.task import Task, Template, workbench

EMPTY = ("empty", "gripper")


def turn(mark: str) -> Subtask:
    return Subtask(skill="turn", args={"thing": "knob", "mark": mark}, words=f"turn the knob to {mark}")


def turned(scene: Scene) -> Iterator[Task]:
    for knob in scene.names("knob"):
        for mark in MARKS:
            goal = ("at", knob, mark)
            yield Task("turn the knob", f"turn the {knob} to {mark}", (turn(mark),), {"target": knob, "mark": mark}, (goal,),
                       (EMPTY,), (goal,), may_move=(knob,))  # fmt: skip


TEMPLATES = (Template("turn the knob", "The pointer is within 15° of the mark.", turned, workbench, ("articulated", "precise")),)
