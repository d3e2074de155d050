"""The drawer: open, close, put in, take out, put away, find what is hidden in it."""

from collections.abc import Iterator

import numpy as np

from agent.types import Fact, Scene, Subtask
from sim.tasks.bowl import fits, loose_on_table, standing
from sim.tasks.task import (
    DRAWER_HOLDS,
    Layout,
    Task,
    Template,
    at_hand,
    bench,
    closed,
    fetch,
    opened,
    pick,
    place,
    some,
    within,
)

LONG_M = 0.06
EMPTY, OPEN, CLOSED, HALF = ("empty", "gripper"), ("open", "drawer"), ("closed", "drawer"), ("half open", "drawer")


def there(scene: Scene, *facts: tuple[str, ...]) -> bool:
    """Is there a drawer, and do the facts hold of it?"""
    return "drawer" in scene.names("drawer") and all(fact in scene.facts for fact in facts)


def moved_with(scene: Scene, *things: str) -> tuple[str, ...]:
    """The drawer, what lies in it, and more."""
    return ("drawer", *within(scene, "drawer"), *things)


def open_(scene: Scene) -> Iterator[Task]:
    yield from drawn(scene, "open the drawer", "open the drawer", opened("drawer"), OPEN)


def close(scene: Scene) -> Iterator[Task]:
    yield from drawn(scene, "close the drawer", "close the drawer", closed("drawer"), CLOSED)


def open_half(scene: Scene) -> Iterator[Task]:
    """From either side."""
    halfway = Subtask(skill="open_half", args={"thing": "drawer"}, words="open the drawer half way")
    yield from drawn(scene, "open the drawer half way", halfway.words, halfway, HALF)


def drawn(scene: Scene, name: str, words: str, subtask: Subtask, goal: Fact) -> Iterator[Task]:
    """From wherever it is to where it should be."""
    for was in (OPEN, CLOSED, HALF):
        if was != goal and there(scene, was):
            yield Task(name, words, (subtask,), {"target": "drawer"}, (goal,), (EMPTY, was), may_move=moved_with(scene))


def has_room(scene: Scene, thing: str) -> bool:
    """Two things fit beside each other in the drawer; what is long fits alone."""
    inside = within(scene, "drawer")
    short = all(max(scene.find(name).size[:2]) < LONG_M for name in (thing, *inside))
    return not inside or (short and len(inside) < DRAWER_HOLDS)


def put_in_open(scene: Scene) -> Iterator[Task]:
    if not there(scene, OPEN):
        return
    for thing, needs in at_hand(scene):
        if not has_room(scene, thing):
            continue
        goal = ("in", thing, "drawer")
        yield Task("in the open drawer", f"put the {thing} in the drawer", fetch(scene, thing, "in", "drawer"),
                   {"thing": thing, "target": "drawer"}, (goal,), (*needs, OPEN), (goal,), moved_with(scene, thing))  # fmt: skip


def put_in_closed(scene: Scene) -> Iterator[Task]:
    """It has to be opened first, which nobody says."""
    if not there(scene, CLOSED):
        return
    for thing in (name for name in loose_on_table(scene) if has_room(scene, name)):
        plan = (opened("drawer"), pick(thing), place(thing, "in", "drawer"))
        yield Task("in the closed drawer", f"put the {thing} in the drawer", plan, {"thing": thing, "target": "drawer"},
                   (("in", thing, "drawer"),), (*standing(thing), CLOSED), may_move=moved_with(scene, thing))  # fmt: skip


def stow(scene: Scene) -> Iterator[Task]:
    if not there(scene, CLOSED):
        return
    for thing in (name for name in loose_on_table(scene) if has_room(scene, name)):
        plan = (opened("drawer"), pick(thing), place(thing, "in", "drawer"), closed("drawer"))
        yield Task("put away", f"put the {thing} in the drawer and close it", plan, {"thing": thing, "target": "drawer"},
                   (("in", thing, "drawer"), CLOSED), (*standing(thing), CLOSED), may_move=moved_with(scene, thing))  # fmt: skip


def take_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        if ("in", thing, "drawer") in needs:
            yield Task("out of the drawer", f"take the {thing} out of the drawer and put it on the table",
                       fetch(scene, thing, "on", "table"), {"thing": thing, "target": "drawer"}, (("on", thing, "table"),), needs,
                       may_move=moved_with(scene))  # fmt: skip


def find(scene: Scene) -> Iterator[Task]:
    """What is hidden in the closed drawer goes into a bowl."""
    if not there(scene, CLOSED) or len(within(scene, "drawer")) != 1:
        return
    (thing,) = within(scene, "drawer")
    for bowl in scene.names("bowl"):
        if fits(scene, thing, bowl):
            plan = (opened("drawer"), pick(thing), place(thing, "in", bowl))
            requires = (EMPTY, CLOSED, ("in", thing, "drawer"), ("clear", thing))
            yield Task("find", f"find the {thing} and put it in the {bowl}", plan, {"thing": thing, "target": bowl},
                       (("in", thing, bowl),), requires, may_move=moved_with(scene, bowl))  # fmt: skip


def shut(rng: np.random.Generator) -> Layout:
    return bench(rng, drawer="closed")


def ajar(rng: np.random.Generator) -> Layout:
    return bench(rng, drawer="open")


def filled(rng: np.random.Generator) -> Layout:
    return bench(rng, {"name": some(rng)[0], "in": "drawer"}, drawer="open")


def hidden(rng: np.random.Generator) -> Layout:
    return bench(rng, {"name": some(rng)[0], "in": "drawer"}, drawer="closed")


TEMPLATES = (
    Template("open the drawer", "The drawer is out by more than 10 cm.", open_, shut, ("articulated",)),
    Template("close the drawer", "The drawer is out by less than 1 cm.", close, ajar, ("articulated",)),
    Template("open the drawer half way", "The drawer is out by 5 to 9 cm.", open_half, bench, ("articulated", "precise")),
    Template("in the open drawer", "The block is in the drawer.", put_in_open, ajar, ("articulated",)),
    Template("in the closed drawer", "The block is in the drawer, which had to be opened.", put_in_closed, shut, ("articulated",)),
    Template("put away", "The block is in the drawer, and the drawer is shut again.", stow, shut, ("articulated",)),
    Template("out of the drawer", "The block stands on the table.", take_out, filled, ("articulated",)),
    Template("find", "The block that was hidden in the drawer is in the bowl.", find, hidden, ("articulated", "memory")),
)
