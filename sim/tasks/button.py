"""The button and its light."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.types import Fact, Scene
from sim.tasks.task import Layout, Measure, Task, Template, bench, press

EMPTY = ("empty", "gripper")
NUMBERS = {2: "twice", 3: "three times"}


def switched(name: str, was: str, will: str, scene: Scene) -> Iterator[Task]:
    if "button" in scene.names("button") and scene.has(was, "light"):
        before: Fact = (was, "light")
        words = f"turn {'on' if will == 'lit' else 'off'} the light"
        yield Task(name, words, (press("button"),), {"target": "light"}, ((will, "light"),), (EMPTY, before), may_move=("button",))


def presses(times: int) -> Measure:
    """Pressed so often since the start, and not once more."""

    def measure(scene: Scene, start: Scene) -> float:
        count = sum(fact == ("pressed", "button") for tick, fact in scene.events if tick >= start.tick)
        return count / times if count <= times else 0.0

    return measure


def several(scene: Scene) -> Iterator[Task]:
    if "button" in scene.names("button"):
        for times, words in NUMBERS.items():
            yield Task("press n times", f"press the button {words}", (press("button"),) * times, {"target": "button", "times": words},
                       requires=(EMPTY,), may_move=("button",), measure=presses(times))  # fmt: skip


def dark(rng: np.random.Generator) -> Layout:
    return bench(rng, light="dark")


def lit(rng: np.random.Generator) -> Layout:
    return bench(rng, light="lit")


TEMPLATES = (
    Template("light on", "The light is on.", partial(switched, "light on", "dark", "lit"), dark, ("contact-free",)),
    Template("light off", "The light is off.", partial(switched, "light off", "lit", "dark"), lit, ("contact-free",)),
    Template("press n times", "The button was pressed exactly so often.", several, bench),
)
