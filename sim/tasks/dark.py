"""Everything dark: the button's light and the lever's lamp both go out."""

from collections.abc import Iterator

import numpy as np

from agent.types import Scene
from sim.tasks.lever import EMPTY, switch
from sim.tasks.task import Layout, Task, Template, press, workbench


def all_off(scene: Scene) -> Iterator[Task]:
    lit, dark = (tuple((state, name) for name in ("light", "lamp")) for state in ("lit", "dark"))
    if all(fact in scene.facts for fact in lit):
        yield Task("everything dark", "turn off the light and the lamp", (press("button"), switch("off")),
                   {"target": "light", "second": "lamp"}, dark, (EMPTY, *lit), may_move=("button", "lever"))  # fmt: skip


def both_lit(rng: np.random.Generator) -> Layout:
    return workbench(rng, light="lit", lever="up")


TEMPLATES = (Template("everything dark", "The light and the lamp are both dark.", all_off, both_lit, ("articulated", "multi-object")),)
