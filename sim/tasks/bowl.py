"""Bowls: put a block in, take it out, gather two in one, sort two into two."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from agent.types import Fact, Scene
from sim.tasks.task import BOWL_HOLDS, BOWLS, Layout, Task, Template, anywhere, at_hand, bench, fetch, place_of, some, within


def put_in(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        for bowl in scene.names("bowl"):
            goal = ("in", thing, bowl)
            if len(within(scene, bowl)) < BOWL_HOLDS:
                yield Task("in a bowl", f"put the {thing} in the {bowl}", fetch(scene, thing, "in", bowl), {"thing": thing, "target": bowl},
                           (goal,), needs, (goal,), (thing, bowl))  # fmt: skip


def take_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        where = place_of(scene, thing)
        if where and where[0] == "in" and where[2] in scene.names("bowl"):
            bowl = where[2]
            yield Task("out of a bowl", f"take the {thing} out of the {bowl} and put it on the table", fetch(scene, thing, "on", "table"),
                       {"thing": thing, "target": bowl}, (("on", thing, "table"),), needs, may_move=(thing, bowl))  # fmt: skip


def loose_on_table(scene: Scene) -> list[str]:
    """Blocks on the table with nothing on them, while the hand is empty."""
    return [thing for thing, needs in at_hand(scene) if ("on", thing, "table") in needs]


def standing(*things: str) -> tuple[Fact, ...]:
    return (("empty", "gripper"), *(fact for thing in things for fact in (("on", thing, "table"), ("clear", thing))))


def gather(scene: Scene) -> Iterator[Task]:
    for bowl in scene.names("bowl"):
        if within(scene, bowl):
            continue
        for one, other in permutations(loose_on_table(scene), 2):
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


def one_in_a_bowl(rng: np.random.Generator) -> Layout:
    return bench(rng, {"name": some(rng)[0], "in": str(rng.choice(BOWLS))})


TEMPLATES = (
    Template("in a bowl", "The block's centre is within the rim, and it rests.", put_in, anywhere),
    Template("out of a bowl", "The block stands on the table.", take_out, one_in_a_bowl),
    Template("two in a bowl", "Both blocks are in the bowl.", gather, bench, ("multi-object",)),
    Template("sort", "The blue block is in the blue bowl and the green one in the green bowl.", sort, bench, ("multi-object",)),
)
