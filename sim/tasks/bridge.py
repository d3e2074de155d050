"""Build across: a bar over two blocks, and a pyramid of three."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from agent.types import Scene, Thing
from sim.tasks.bowl import standing
from sim.tasks.room import FOLLOWED, KINDS, SEEN, SIDES, amidst, call, clear_strip, pushable
from sim.tasks.task import Layout, Task, Template, pick, place, workbench

SPOT_M, HAND_M = 0.12, 0.10
"""How much table beside a block a second one needs, and that and a hand behind it, m."""
ACROSS = "put the {thing} across the {one} and the {other}"


def pairs(scene: Scene, length: float) -> Iterator[tuple[Thing, str, Thing]]:
    """(one, relation, other): two cubes of one size with that much free table on one side of the second."""
    cubes = [thing for thing, _ in pushable(scene, "block")]
    for one, other in combinations(cubes, 2):
        if one.size != other.size:
            continue
        for first, second in ((one, other), (other, one)):
            free = (side for side, angle in SIDES.items() if clear_strip(scene, second, angle, length, SPOT_M, (first.name,)))
            if side := next(free, None):
                yield first, side, second
                break


def bridge(scene: Scene) -> Iterator[Task]:
    for one, relation, other in pairs(scene, SPOT_M):
        for bar in (thing for thing, _ in pushable(scene, "bar")):
            names = (bar.name, one.name, other.name)
            laid = call("across", ACROSS, thing=bar.name, one=one.name, other=other.name)
            plan = (pick(one.name), place(one.name, relation, other.name), pick(bar.name), laid)
            yield Task("bridge", f"build a bridge of the {one.name} and the {other.name} with the {bar.name} across them", plan,
                       {"thing": bar.name, "one": one.name, "other": other.name}, tuple(("on", bar.name, name) for name in names[1:]),
                       (*standing(*names), FOLLOWED), may_move=names)  # fmt: skip


def pyramid(scene: Scene) -> Iterator[Task]:
    for one, relation, other in pairs(scene, SPOT_M + HAND_M):
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
