"""Blocks by size: a tower with the largest below, a row from large to small."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from agent.types import Scene, Thing
from sim.oracle.imagined import Refused
from sim.oracle.spots import in_line
from sim.tasks.bowl import standing
from sim.tasks.reckoning import after
from sim.tasks.room import FOLLOWED, SIDES, amidst, call, clear_strip, mixed, pushable
from sim.tasks.task import Layout, Measure, Task, Template, pick, place, stack, workbench

IN_LINE_M, NEIGHBOUR_M = 0.015, 0.17
"""How far from a straight line the middles of a row may be, and how far from each other, m."""
ROW_M, WIDE_M = 0.20, 0.10
"""How much table a row needs beside its first block, m."""


def sized(scene: Scene) -> Iterator[tuple[Thing, Thing, Thing]]:
    """Three blocks, each smaller than the one before."""
    cubes = [thing for thing, _ in pushable(scene, "block")]
    yield from ((a, b, c) for a, b, c in product(cubes, repeat=3) if a.size > b.size > c.size)


def tower(scene: Scene) -> Iterator[Task]:
    for things in sized(scene):
        large, middle, small = (thing.name for thing in things)
        goal = (("on", middle, large), ("on", small, middle))
        plan = (stack(middle, large), stack(small, middle))
        yield Task("tower by size", f"stack the {large}, the {middle} and the {small} by size", plan,
                   {"thing": small, "other": middle, "target": large}, goal, standing(small, middle, large),
                   may_move=(small, middle, large))  # fmt: skip


def row(scene: Scene) -> Iterator[Task]:
    for things in sized(scene):
        large, middle, small = (thing.name for thing in things)
        for side, angle in SIDES.items():
            if not clear_strip(scene, things[0], angle, ROW_M, WIDE_M, (middle, small)):
                continue
            begun = after(scene, pick(middle), place(middle, side, large))
            if not can_go_on(begun, small, large, middle):
                continue
            end = call("in_line", "put the {thing} in line with the {one} and the {other}", thing=small, one=large, other=middle)
            plan = (pick(middle), place(middle, side, large), pick(small), end)
            measure = in_a_row(large, middle, small)
            if measure(scene, scene) < 1.0:
                yield Task("row by size", f"put the {large}, the {middle} and the {small} in a row by size", plan,
                           {"thing": small, "other": middle, "target": large}, requires=(*standing(small, middle, large), FOLLOWED),
                           may_move=(small, middle, large), measure=measure)  # fmt: skip
                break


def can_go_on(scene: Scene, thing: str, one: str, other: str) -> bool:
    """Is there room at the end of a row?"""
    try:
        in_line(scene, scene.find(thing), scene.find(one), scene.find(other))
        return True
    except Refused:
        return False


def in_a_row(*names: str) -> Measure:
    """On the table in that order along a straight line, up to 1.5 cm, none far from the next; half for the first two."""

    def measure(scene: Scene, start: Scene) -> float:
        standing_ = [name for name in names if ("on", name, "table") in scene.facts]
        points = np.array([scene.find(name).position[:2] for name in names])
        if len(standing_) < len(names):
            return 0.5 * (scene.holding in names)
        line = np.linalg.svd(points - points.mean(axis=0))[2][0]
        along, aside = (points - points.mean(axis=0)) @ line, (points - points.mean(axis=0)) @ np.array([-line[1], line[0]])
        steps = np.diff(along)
        ordered = bool((steps > 0).all() or (steps < 0).all())
        return 1.0 if ordered and np.abs(aside).max() < IN_LINE_M and np.abs(steps).max() < NEIGHBOUR_M else 0.0

    return measure


def three_sizes(rng: np.random.Generator) -> Layout:
    """A large, a middle and a small block."""
    large, *others = mixed(rng, 3, "large block", "block", "small block")
    return workbench(rng, amidst(rng, large), plain=others)


TEMPLATES = (
    Template("tower by size", "The middle block is on the large one and the small one on the middle one.", tower, three_sizes,
             ("precise", "multi-object")),
    Template("row by size", "The three stand in a straight line, up to 1.5 cm, from large to small.", row, three_sizes,
             ("precise", "multi-object")),
)  # fmt: skip
