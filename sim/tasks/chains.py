"""Chains of tasks, drawn by reckoning: each task's preconditions hold when those before it have worked.

Stratified: at each step the template that was used least so far, of those that can go on from here, is taken, so that every template
appears about equally often; no template twice in one chain, and no task that only undoes the one before. (CALVIN draws its chains from
such a model too, but as they come: its most frequent task appears twenty times as often as its rarest.)
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from agent.types import Scene
from sim.layout import read_layout
from sim.tasks.reckoning import after, first_scene
from sim.tasks.task import Layout, Task, Template

TRIES, PATIENCE = 40, 4
"""How many beginnings are tried for a chain, and how many of them with the same template first."""
APART = 1_000_000_007
"""From the seed of one try to that of the next: no world that another episode has."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where an episode begins: SimRobot(layout, seed)."""

    layout: Layout
    seed: int
    scene: Scene
    """As it is reckoned to be."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Tasks to be done one after the other, in one world that is not set back in between."""

    start: Start
    tasks: tuple[Task, ...]


def draw_start(template: Template, seed: int, change: Callable[[Layout], Layout] = lambda layout: layout) -> tuple[Start, Task]:
    """A scene for a template and one of its tasks there, both by the seed; a template with a prelude has its task after that. In most
    worlds there is one at once; else things are put elsewhere too. change: what is different from the template's own layouts, such as
    their look."""
    rng = np.random.default_rng([seed, *template.name.encode()])
    for attempt in range(TRIES):
        start = start_of(template, rng, seed + attempt * APART, change)
        scene = after(start.scene, *template.prelude)
        if tasks := template.find(scene):
            return start, tasks[int(rng.integers(len(tasks)))]
    raise RuntimeError(f"{TRIES} layouts of the template '{template.name}' had no task of its kind in them.")


def start_of(template: Template, rng: np.random.Generator, seed: int, change: Callable[[Layout], Layout] = lambda layout: layout) -> Start:
    layout = change(template.layout(rng))
    return Start(layout, seed, first_scene(read_layout(layout), seed))


def draw_chains(templates: Mapping[str, Template], count: int, length: int, seed_base: int = 0) -> list[Chain]:
    """So many chains; equal arguments give equal chains. Chain i plays in the world of seed seed_base + i."""
    rng, used = np.random.default_rng([seed_base, length]), Counter(dict.fromkeys(templates, 0))
    chains: list[Chain] = []
    while len(chains) < count:
        chain = draw_chain(templates, length, used, rng, seed_base + len(chains))
        used.update(task.template for task in chain.tasks)
        chains.append(chain)
    return chains


def draw_chain(templates: Mapping[str, Template], length: int, used: Counter[str], rng: np.random.Generator, seed: int) -> Chain:
    """One more chain, with the templates that were used least; not every world has so many tasks, and not every task can come first."""
    names = [name for name, template in templates.items() if not template.prelude]
    order = sorted(rng.permutation(names), key=lambda name: used[name])
    for attempt in range(TRIES):
        first = str(order[attempt // PATIENCE % len(order)])
        start = start_of(templates[first], rng, seed)
        tasks = extend(templates, start.scene, length, used, rng, first)
        if len(tasks) == length:
            return Chain(start, tuple(tasks))
    raise RuntimeError(f"{TRIES} beginnings led to no chain of {length} tasks. Ask for shorter chains, or add templates.")


def extend(
    templates: Mapping[str, Template], scene: Scene, length: int, used: Counter[str], rng: np.random.Generator, first: str
) -> list[Task]:
    """Tasks from a scene on, beginning with one of the template `first`; fewer than `length` if it leads nowhere."""
    tasks: list[Task] = []
    while len(tasks) < length:
        done = {task.template for task in tasks}
        open_ = {name: found for name, template in templates.items() if name not in done and (found := fresh(template, scene, tasks))}
        if not open_ or (not tasks and first not in open_):
            return tasks
        name = least_used(list(open_), used, rng) if tasks else first
        task = open_[name][int(rng.integers(len(open_[name])))]
        tasks.append(task)
        scene = after(scene, *task.plan)
    return tasks


def fresh(template: Template, scene: Scene, tasks: list[Task]) -> list[Task]:
    """Its tasks in a scene, but for those that bring about what the last one began with."""
    found = template.find(scene)
    if not tasks:
        return found
    last = tasks[-1]
    return [task for task in found if not (task.goal and set(task.goal) <= set(last.requires))]


def least_used(names: list[str], used: Counter[str], rng: np.random.Generator) -> str:
    """One of those with the smallest count, by lot."""
    fewest = min(used[name] for name in names)
    return str(rng.choice([name for name in names if used[name] == fewest]))
