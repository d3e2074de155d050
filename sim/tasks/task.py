"""What a task is: where it begins, what is asked, how it is told that it was done, and one plan that does it.

A Template is a kind of task ("put a thing in a bowl"); a Task is one of that kind in one scene ("put the red block in the blue bowl").
Templates ask for facts and leave facts, so the same code finds tasks in the real world's Scene and in one that is only reckoned with
(sim/tasks/reckoning.py). A new template is one more entry in the TEMPLATES of a file in this folder; the file is found by itself.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent.errors import hint
from agent.types import Fact, Scene, Subtask
from sim import loose

COLOURS = ("red", "blue", "green", "yellow")
BLOCKS = tuple(f"{colour} block" for colour in COLOURS)
BOWLS = ("blue bowl", "green bowl")
SHAPES = ("red block", "large green block", "small blue block", "yellow bar", "purple cylinder")
BESIDE = ("left of", "right of", "in front of", "behind", "next to")
BOWL_HOLDS, DRAWER_HOLDS, ZONE_HOLDS = 2, 2, 2
"""How many blocks are asked to share a bowl, a drawer or a zone."""

Layout = dict[str, Any]
Measure = Callable[[Scene, Scene], float]
"""(scene, start) → progress in [0, 1]; 1 is the goal."""


@dataclass(frozen=True, eq=False)
class Task:
    """One thing to do. `requires` and `forbids` are its preconditions, over `known_facts`; `goal` must hold at the end."""

    template: str
    words: str
    """The plain sentence; sim/language has many more."""
    plan: tuple[Subtask, ...]
    """Subtasks that do it from here when each works."""
    args: Mapping[str, str] = field(default_factory=dict)
    """What it is about, slot by slot: {"thing": "red block", "target": "blue bowl"}."""
    goal: tuple[Fact, ...] = ()
    requires: tuple[Fact, ...] = ()
    forbids: tuple[Fact, ...] = ()
    may_move: tuple[str, ...] = ()
    """Things that it is no fault to move."""
    never: tuple[Fact, ...] = ()
    """What must not hold at any time on the way."""
    keeps_grip: bool = False
    """At the end the thing is in the hand."""
    measure: Measure | None = None
    """Progress, where the goal's facts alone do not tell it."""

    def unmet(self, scene: Scene, known: Collection[Fact] = ()) -> tuple[str, ...]:
        """Preconditions that do not hold, in words. known: the scene's `known_facts`, if they are at hand."""
        known = known or known_facts(scene)
        lacking = [" ".join(fact) for fact in self.requires if fact not in known]
        return (*lacking, *(f"not {' '.join(fact)}" for fact in self.forbids if fact in known))

    def progress(self, scene: Scene, start: Scene) -> float:
        """How far it has come from its start, in [0, 1]: by the goal's facts, or its own `measure`."""
        if self.measure is not None:
            return min(max(self.measure(scene, start), 0.0), 1.0)
        now, began = self.shares(scene), self.shares(start)
        whole = float(len(self.goal))
        return 1.0 if now == whole else max((now - began) / (whole - began), 0.0)

    def shares(self, scene: Scene) -> float:
        """The sum over the goal's facts of how near each is."""
        known = known_facts(scene)
        return sum(share(fact, scene, known) for fact in self.goal)


def known_facts(scene: Scene) -> set[Fact]:
    """A scene's facts, and the hand's: ("holding", thing) or ("empty", "gripper")."""
    return {*scene.facts, ("holding", scene.holding) if scene.holding else ("empty", "gripper")}


def share(fact: Fact, scene: Scene, known: set[Fact]) -> float:
    """1 if a fact holds; else how near it is: a thing in the hand is half way to where it should be, a drawer as far as it is out."""
    if fact in known:
        return 1.0
    if len(fact) == 3 and scene.holding == fact[1]:
        return 0.5
    if fact[0] in ("open", "closed") and scene.find(fact[1]).kind == "drawer" and (out := scene.find(fact[1]).joint) is not None:
        way = out / 0.14
        return min(max(way if fact[0] == "open" else 1 - way, 0.0), 0.95)
    return 0.0


@dataclass(frozen=True, eq=False)
class Template:
    """A kind of task."""

    name: str
    about: str
    """What success is, in one sentence."""
    tasks: Callable[[Scene], Iterator[Task]]
    """Every task of this kind whose preconditions hold in a scene."""
    layout: Callable[[np.random.Generator], Layout]
    """A scene (see sim/layout.py) in which there is at least one, for most draws."""
    tags: tuple[str, ...] = ()
    prelude: tuple[Subtask, ...] = ()
    """What has to happen before the task can be asked for, because no layout can begin there."""

    def find(self, scene: Scene) -> list[Task]:
        """The tasks of this kind in a scene; those with unmet preconditions are left out."""
        known = known_facts(scene)
        return [task for task in self.tasks(scene) if not task.unmet(scene, known)]


def nearest_template(name: str, templates: Mapping[str, Template]) -> str:
    """The sentence that says which templates there are."""
    return f"There is no task template '{name}'. Templates: {', '.join(templates)}.{hint(name, templates)}"


# --- the words of the plans: subtasks as agent.skills writes them -------------------------------------------------------------


def pick(thing: str) -> Subtask:
    return Subtask(skill="pick", args={"thing": thing}, words=f"pick up the {thing}")


def place(thing: str, relation: str, target: str) -> Subtask:
    args = {"thing": thing, "relation": relation, "target": target}
    return Subtask(skill="place", args=args, words=f"put the {thing} {relation} the {target}")


def stack(thing: str, target: str) -> Subtask:
    return Subtask(skill="stack", args={"thing": thing, "target": target}, words=f"stack the {thing} on the {target}")


def opened(thing: str) -> Subtask:
    return Subtask(skill="open", args={"thing": thing}, words=f"open the {thing}")


def closed(thing: str) -> Subtask:
    return Subtask(skill="close", args={"thing": thing}, words=f"close the {thing}")


def press(thing: str) -> Subtask:
    return Subtask(skill="press", args={"thing": thing}, words=f"press the {thing}")


def home() -> Subtask:
    return Subtask(skill="home", words="move the arm home")


def fetch(scene: Scene, thing: str, relation: str, target: str) -> tuple[Subtask, ...]:
    """Bring a thing somewhere: picking it up first, unless it is in the hand."""
    brought = place(thing, relation, target)
    return (brought,) if scene.holding == thing else (pick(thing), brought)


# --- what the templates ask of a scene ------------------------------------------------------------------------------------------


def hand_for(scene: Scene, thing: str) -> Fact | None:
    """The state of the hand in which a thing can be brought: empty, or holding that very thing. None: it holds another."""
    if scene.holding is None:
        return ("empty", "gripper")
    return ("holding", thing) if scene.holding == thing else None


def place_of(scene: Scene, thing: str) -> Fact | None:
    """The fact that says where a thing is; None while it is in the hand."""
    return next((fact for fact in scene.facts if len(fact) == 3 and fact[1] == thing and fact[0] in ("in", "on")), None)


def within(scene: Scene, place: str) -> list[str]:
    """What is in a bowl or a drawer."""
    return [fact[1] for fact in scene.facts if len(fact) == 3 and fact[0] == "in" and fact[2] == place]


def at_hand(scene: Scene, *kinds: str) -> list[tuple[str, tuple[Fact, ...]]]:
    """Things (of these kinds; none: every kind of block) that can be brought somewhere now, each with the facts that make it so."""
    found: list[tuple[str, tuple[Fact, ...]]] = []
    for thing in scene.names(*(kinds or loose.BLOCKS)):
        hand, where = hand_for(scene, thing), place_of(scene, thing)
        if hand is None:
            continue
        if hand[0] == "holding":
            found.append((thing, (hand,)))
        elif where and scene.has("clear", thing) and (reach := way_to(scene, where[2])) is not None:
            found.append((thing, (hand, where, ("clear", thing), *reach)))
    return found


def way_to(scene: Scene, place: str) -> tuple[Fact, ...] | None:
    """What must hold so that the hand gets into a place: an open drawer, an uncovered bay. None: it does not hold."""
    opening: Fact | None = {"drawer": ("open", place), "bay": ("uncovered", place)}.get(scene.find(place).kind)
    if opening is None:
        return ()
    return (opening,) if opening in scene.facts else None


# --- scenes ---------------------------------------------------------------------------------------------------------------------


def bench(rng: np.random.Generator, *special: dict[str, Any], drawer: str | None = None, light: str | None = None) -> Layout:
    """Four blocks, two bowls, a drawer, a button and its light; `special` says where some of the blocks are."""
    named = {item["name"] for item in special}
    plain = [{"name": name} for name in (*BOWLS, *BLOCKS) if name not in named]
    return {
        "things": [*plain, *special],
        "drawer": drawer or str(rng.choice(["closed", "open"])),
        "light": light or str(rng.choice(["dark", "lit"])),
    }


def workbench(rng: np.random.Generator, *special: dict[str, Any], plain: Collection[str] = SHAPES, **fixed: Any) -> Layout:
    """Everything that is built in, two zones, a bowl and blocks of many shapes. special: where some of the things are; plain: what else
    there is; fixed: keys of the layout (drawer, light, lid, lever, knob), drawn if they are left out."""
    named = {item["name"] for item in special}
    drawn = {
        "drawer": str(rng.choice(["closed", "open"])), "light": str(rng.choice(["dark", "lit"])), "lid": str(rng.choice(["left", "right"])),
        "lever": str(rng.choice(["up", "down"])), "knob": f"mark {rng.integers(1, 4)}", "motion": True,
    }  # fmt: skip
    things = [{"name": name} for name in ("red zone", "blue zone", "blue bowl", *plain) if name not in named]
    return {"things": [*things, *special], **drawn, **fixed}


def some(rng: np.random.Generator, count: int = 1) -> list[str]:
    """Different blocks."""
    return [str(name) for name in rng.permutation(BLOCKS)[:count]]


def anywhere(rng: np.random.Generator) -> Layout:
    """A bench where up to one block is in a bowl, in the drawer or on another block."""
    thing, other = some(rng, 2)
    where = int(rng.integers(4))
    if where == 0:
        return bench(rng)
    if where == 1:
        return bench(rng, {"name": thing, "in": str(rng.choice(BOWLS))})
    if where == 2:
        return bench(rng, {"name": thing, "in": "drawer"})
    return bench(rng, {"name": other}, {"name": thing, "on": other})
