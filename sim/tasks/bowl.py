"""Bowls: put a block in, take it out, gather two in one, sort two into two."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from agent.types import Fact, Scene
from sim.tasks.task import BOWL_HOLDS, BOWLS, Layout, Task, Template, anywhere, at_hand, bench, fetch, place_of, some, within

EMPTY = ("empty", "gripper")
IN_BOWL_M, BESIDE_IN_BOWL_M = 0.06, 0.042
"""How wide a thing may be that lies in a bowl, alone and beside another, m."""


def put_in(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        for bowl in scene.names("bowl"):
            goal = ("in", thing, bowl)
            if fits(scene, thing, bowl):
                yield Task("in a bowl", f"put the {thing} in the {bowl}", fetch(scene, thing, "in", bowl), {"thing": thing, "target": bowl},
                           (goal,), needs, (goal,), (thing, bowl))  # fmt: skip


def take_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        where = place_of(scene, thing)
        if where and where[0] == "in" and where[2] in scene.names("bowl"):
            bowl = where[2]
            yield Task("out of a bowl", f"take the {thing} out of the {bowl} and put it on the table", fetch(scene, thing, "on", "table"),
                       {"thing": thing, "target": bowl}, (("on", thing, "table"),), needs, may_move=(thing, bowl))  # fmt: skip


def fits(scene: Scene, thing: str, bowl: str) -> bool:
    """Is there room for it on the floor of the bowl?"""
    things = [thing, *within(scene, bowl)]
    widest = max(max(scene.find(name).size[:2]) for name in things)
    return len(things) <= BOWL_HOLDS and widest <= (IN_BOWL_M if len(things) == 1 else BESIDE_IN_BOWL_M)


def loose_on_table(scene: Scene) -> list[str]:
    """Blocks on the table with nothing on them, while the hand is empty."""
    return [thing for thing, needs in at_hand(scene) if ("on", thing, "table") in needs]


def standing(*things: str) -> tuple[Fact, ...]:
    return (EMPTY, *(fact for thing in things for fact in (("on", thing, "table"), ("clear", thing))))


def gather(scene: Scene) -> Iterator[Task]:
    for bowl in scene.names("bowl"):
        if within(scene, bowl):
            continue
        narrow = [thing for thing in loose_on_table(scene) if max(scene.find(thing).size[:2]) <= BESIDE_IN_BOWL_M]
        for one, other in permutations(narrow, 2):
            goal = (("in", one, bowl), ("in", other, bowl))
            plan = (*fetch(scene, one, "in", bowl), *fetch(scene, other, "in", bowl))
            words = f"put the {one} and the {other} in the {bowl}"
            yield Task("two in a bowl", words, plan, {"thing": one, "other": other, "target": bowl}, goal,
                       (*standing(one, other), ("clear", bowl)), may_move=(one, other, bowl))  # fmt: skip


def sort(scene: Scene) -> Iterator[Task]:
    """Each bowl gets the block of its own colour."""
    bowls = scene.names("bowl")
    colours = [bowl.removesuffix(" bowl") for bowl in bowls]
    blocks = [f"{colour} block" for colour in colours]
    if len(bowls) < 2 or not {*blocks[:2]} <= {*loose_on_table(scene)}:
        return
    pairs = list(zip(blocks[:2], bowls[:2], strict=True))
    goal = tuple(("in", block, bowl) for block, bowl in pairs)
    plan = tuple(step for block, bowl in pairs for step in fetch(scene, block, "in", bowl))
    words = f"sort the {blocks[0]} and the {blocks[1]} into the bowls of their colour"
    args = {"thing": blocks[0], "other": blocks[1], "target": bowls[0], "second": bowls[1]}
    if all(len(within(scene, bowl)) < BOWL_HOLDS for bowl in bowls[:2]):
        yield Task("sort", words, plan, args, goal, standing(*blocks[:2]), may_move=(*blocks[:2], *bowls[:2]))


def empty(scene: Scene) -> Iterator[Task]:
    """Two blocks come out of a bowl."""
    for bowl in scene.names("bowl"):
        things = within(scene, bowl)
        if len(things) < BOWL_HOLDS:
            continue
        plan = tuple(step for thing in things for step in fetch(scene, thing, "on", "table"))
        requires = (EMPTY, *(fact for thing in things for fact in (("in", thing, bowl), ("clear", thing))))
        yield Task("empty a bowl", f"take everything out of the {bowl} and put it on the table", plan, {"target": bowl},
                   tuple(("on", thing, "table") for thing in things), requires, may_move=(*things, bowl))  # fmt: skip


def two_in_a_bowl(rng: np.random.Generator) -> Layout:
    bowl = str(rng.choice(BOWLS))
    return bench(rng, *({"name": name, "in": bowl} for name in some(rng, 2)))


def one_in_a_bowl(rng: np.random.Generator) -> Layout:
    return bench(rng, {"name": some(rng)[0], "in": str(rng.choice(BOWLS))})


TEMPLATES = (
    Template("in a bowl", "The block's centre is within the rim, and it rests.", put_in, anywhere),
    Template("out of a bowl", "The block stands on the table.", take_out, one_in_a_bowl),
    Template("empty a bowl", "Both blocks that were in the bowl stand on the table.", empty, two_in_a_bowl, ("multi-object",)),
    Template("two in a bowl", "Both blocks are in the bowl.", gather, bench, ("multi-object",)),
    Template("sort", "The blue block is in the blue bowl and the green one in the green bowl.", sort, bench, ("multi-object",)),
)
