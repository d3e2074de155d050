"""Long things: stand a bar up, lay it down."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.types import Scene, Subtask
from sim.tasks.task import COLOURS, Layout, Task, Template, at_hand

BARS = ("red bar", "blue bar", "green bar", "yellow bar")


def stood_up(thing: str) -> Subtask:
    return Subtask(skill="stand_up", args={"thing": thing}, words=f"stand the {thing} up")


def laid_down(thing: str) -> Subtask:
    return Subtask(skill="lay_down", args={"thing": thing}, words=f"lay the {thing} down")


def posed(name: str, was: str, will: str, scene: Scene) -> Iterator[Task]:
    """Bars on the table that stand or lie now."""
    for thing, needs in at_hand(scene, "bar"):
        if ("on", thing, "table") in needs and (was, thing) in scene.facts:
            step = stood_up(thing) if will == "standing" else laid_down(thing)
            yield Task(name, step.words, (step,), {"thing": thing}, ((will, thing), ("on", thing, "table")), (*needs, (was, thing)),
                       may_move=(thing,))  # fmt: skip


def with_bar(rng: np.random.Generator) -> Layout:
    """A bar, a bowl, and up to two blocks."""
    blocks = [f"{colour} block" for colour in rng.permutation(COLOURS)[: rng.integers(0, 3)]]
    return {"things": [str(rng.choice(BARS)), "green bowl", *blocks], "motion": True}


def with_first_bar(rng: np.random.Generator) -> Layout:
    """The same with the bar that is stood up before the task."""
    layout = with_bar(rng)
    return {**layout, "things": [BARS[0], *layout["things"][1:]]}


TEMPLATES = (
    Template("stand up", "The bar stands on its end on the table, within 10° of the vertical.",
             partial(posed, "stand up", "lying", "standing"), with_bar, ("precise",)),
    Template("lay down", "The bar lies on the table, within 10° of the horizontal.",
             partial(posed, "lay down", "standing", "lying"), with_first_bar, prelude=(stood_up(BARS[0]),)),
)  # fmt: skip
