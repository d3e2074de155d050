"""Build across: a bar over two blocks, and a pyramid of three."""

from collections.abc import Iterator
from itertools import combinations, islice
from math import dist

import numpy as np

from agent.types import Scene, Thing
from sim.oracle.clearance import apart
from sim.tasks.bowl import standing
from sim.tasks.reckoning import after
from sim.tasks.room import FOLLOWED, KINDS, SEEN, SIDES, amidst, bearing, call, clear_strip, free_way, pushable
from sim.tasks.task import Layout, Task, Template, pick, place, workbench

SPOT_M, SPAN_M = 0.12, 0.095
"""How much table beside a block a second one needs, and how far apart the middles of two can be that a bar spans, m."""
ACROSS = "put the {thing} across the {one} and the {other}"


def pairs(scene: Scene, joined: bool) -> Iterator[tuple[Thing, str, Thing]]:
    """(one, relation, other): two cubes of one size, and a side of the second where the first can be put, and from there pushed against it
    if the two are to be joined."""
    cubes = [thing for thing, _ in pushable(scene, "block")]
    for first, second in combinations(cubes, 2):
        ways = ((one, side, other) for one, other in ((first, second), (second, first)) for side in SIDES if one.size == other.size)
        yield from islice((way for way in ways if buildable(scene, *way, joined)), 1)


def buildable(scene: Scene, one: Thing, side: str, other: Thing, joined: bool) -> bool:
    """Is there room for one beside the other, near enough, and for the hand behind it?"""
    if not clear_strip(scene, other, SIDES[side], SPOT_M, SPOT_M, (one.name,)):
        return False
    built = after(scene, pick(one.name), place(one.name, side, other.name))
    put = built.find(one.name)
    if not joined:
        return dist(put.position, other.position) < SPAN_M
    return free_way(built, put, bearing(put, other)[0], apart(put, other), other.name)


def bridge(scene: Scene) -> Iterator[Task]:
    for one, relation, other in pairs(scene, joined=False):
        for bar in (thing for thing, _ in pushable(scene, "bar")):
            names = (bar.name, one.name, other.name)
            laid = call("across", ACROSS, thing=bar.name, one=one.name, other=other.name)
            plan = (pick(one.name), place(one.name, relation, other.name), pick(bar.name), laid)
            yield Task("bridge", f"build a bridge of the {one.name} and the {other.name} with the {bar.name} across them", plan,
                       {"thing": bar.name, "one": one.name, "other": other.name}, tuple(("on", bar.name, name) for name in names[1:]),
                       (*standing(*names), FOLLOWED), may_move=names)  # fmt: skip


def pyramid(scene: Scene) -> Iterator[Task]:
    for one, relation, other in pairs(scene, joined=True):
        for top in (thing for thing, _ in pushable(scene, "block")):
            if top in (one, other) or top.size != one.size:
                continue
            names = (top.name, one.name, other.name)
            together = call("push_against", "push the {thing} against the {other}", thing=one.name, other=other.name)
            laid = call("across", ACROSS, thing=top.name, one=one.name, other=other.name)
            plan = (pick(one.name), place(one.name, relation, other.name), together, pick(top.name), laid)
            yield Task("pyramid", f"build a pyramid with the {top.name} on top of the {one.name} and the {other.name}", plan,
                       {"thing": top.name, "one": one.name, "other": other.name}, tuple(("on", top.name, name) for name in names[1:]),
                       (*standing(*names), FOLLOWED), may_move=names)  # fmt: skip


def cubes_and(rng: np.random.Generator, *more: str) -> Layout:
    """Three cubes of one size, and something else."""
    colours = [str(colour) for colour in rng.permutation(SEEN)]
    cubes = [f"{colour} block" for colour in colours[:3]]
    others = [f"{colour} {kind}" for colour, kind in zip(colours[3:], more, strict=False)]
    return workbench(rng, amidst(rng, cubes[0]), plain=(*cubes[1:], *others))


def bar_and_blocks(rng: np.random.Generator) -> Layout:
    return cubes_and(rng, "bar")


def blocks(rng: np.random.Generator) -> Layout:
    return cubes_and(rng, str(rng.choice([kind for kind in KINDS if kind != "block"])))


TEMPLATES = (
    Template("bridge", "The bar rests on both blocks.", bridge, bar_and_blocks, ("precise", "multi-object")),
    Template("pyramid", "The upper block rests on the two others, which stand beside each other.", pyramid, blocks,
             ("precise", "multi-object")),
)  # fmt: skip
