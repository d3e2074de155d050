"""What fits: an L goes into a fixture, rings go onto pegs and off them, a tower of rings moves from peg to peg."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from agent.types import Fact, Scene, Subtask
from sim.fits import PEGS
from sim.tasks.task import COLOURS, Layout, Task, Template, at_hand, fetch, pick, place, place_of, within

ELLS = ("red L", "blue L", "green L", "yellow L")
RINGS_ON_PEG = 3
EMPTY = ("empty", "gripper")


def insert(thing: str, fixture: str) -> Subtask:
    return Subtask(skill="insert", args={"thing": thing, "fixture": fixture}, words=f"insert the {thing} into the {fixture}")


def thread(thing: str, peg: str) -> Subtask:
    return Subtask(skill="thread", args={"thing": thing, "peg": peg}, words=f"thread the {thing} onto the {peg}")


def put_in(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene, "L"):
        for fixture in scene.names("fixture"):
            goal = ("in", thing, fixture)
            if not within(scene, fixture):
                yield Task("insert", f"insert the {thing} into the {fixture}", (insert(thing, fixture),),
                           {"thing": thing, "target": fixture}, (goal,), needs, (goal,), (thing,))  # fmt: skip


def take_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene, "L"):
        where = place_of(scene, thing)
        if where and where[2] in scene.names("fixture"):
            yield Task("out of the fixture", f"take the {thing} out of the {where[2]} and put it on the table",
                       fetch(scene, thing, "on", "table"), {"thing": thing, "target": where[2]}, (("on", thing, "table"),), needs,
                       may_move=(thing,))  # fmt: skip


def on_peg(scene: Scene, peg: str) -> list[str]:
    """Rings on a peg, from below to above."""
    rings = [fact[1] for fact in scene.facts if len(fact) == 3 and fact[0] == "on" and fact[2] == peg]
    return sorted(rings, key=lambda name: scene.find(name).position[2])


def put_on(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene, "ring"):
        for peg in scene.names("peg"):
            goal = ("on", thing, peg)
            if len(on_peg(scene, peg)) < RINGS_ON_PEG:
                yield Task("thread", f"thread the {thing} onto the {peg}", (thread(thing, peg),), {"thing": thing, "target": peg},
                           (goal,), needs, (goal,), (thing,))  # fmt: skip


def take_off(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene, "ring"):
        where = place_of(scene, thing)
        if where and where[2] in scene.names("peg"):
            yield Task("off the peg", f"take the {thing} off the {where[2]} and put it on the table", fetch(scene, thing, "on", "table"),
                       {"thing": thing, "target": where[2]}, (("on", thing, "table"),), needs, may_move=(thing,))  # fmt: skip


def hanoi(scene: Scene) -> Iterator[Task]:
    """A smaller ring on a larger one go to another peg, by way of the third, or of the table where there is none; never the larger one on
    the smaller one."""
    for source, target in permutations(scene.names("peg"), 2):
        rings = on_peg(scene, source)
        if scene.holding or len(rings) != 2 or on_peg(scene, target) or ("clear", rings[1]) not in scene.facts:
            continue
        lower, upper = rings
        if scene.find(upper).size[0] >= scene.find(lower).size[0]:
            continue
        spare = next((peg for peg in scene.names("peg") if peg not in (source, target) and not on_peg(scene, peg)), None)
        aside = (thread(upper, spare),) if spare else (pick(upper), place(upper, "on", "table"))
        goal: tuple[Fact, ...] = (("on", lower, target), ("on", upper, target), ("on", upper, lower))
        words = f"move the tower from the {source} to the {target}, one ring at a time, never a larger ring on a smaller one"
        requires = (EMPTY, ("on", lower, source), ("on", upper, source), ("on", upper, lower), ("clear", upper))
        about = {"thing": upper, "other": lower, "source": source, "target": target, "spare": spare or "table"}
        yield Task("hanoi", words, (*aside, thread(lower, target), thread(upper, target)), about, goal, requires, may_move=rings_of(scene),
                   never=(("on", lower, upper),))  # fmt: skip


def rings_of(scene: Scene) -> tuple[str, ...]:
    return tuple(scene.names("ring"))


# --- scenes ---------------------------------------------------------------------------------------------------------------------


def others(rng: np.random.Generator) -> list[str]:
    """A bowl and up to two blocks that stand around."""
    return ["green bowl", *(f"{colour} block" for colour in rng.permutation(COLOURS)[: rng.integers(1, 3)])]


def rings(rng: np.random.Generator) -> list[str]:
    """A large, a middle and a small ring, each of another colour."""
    return [f"{size} {colour} ring".strip() for size, colour in zip(("large", "", "small"), rng.permutation(COLOURS), strict=False)]


def with_fixture(rng: np.random.Generator) -> Layout:
    return {"things": ["fixture", str(rng.choice(ELLS)), *others(rng)]}


def filled(rng: np.random.Generator) -> Layout:
    return {"things": ["fixture", {"name": str(rng.choice(ELLS)), "in": "fixture"}, *others(rng)]}


def with_pegs(rng: np.random.Generator) -> Layout:
    """Two or three pegs; a ring is on one of them, every other time."""
    large, middle, small = rings(rng)
    pegs = pegs_of(rng)
    first = {"name": large, "on": str(rng.choice(pegs))} if rng.random() < 0.5 else {"name": large}
    return {"things": [*pegs, first, middle, small, *others(rng)]}


def on_pegs(rng: np.random.Generator) -> Layout:
    """Two rings on one peg."""
    pegs = pegs_of(rng)
    large, middle, small = rings(rng)
    peg = str(rng.choice(pegs))
    return {"things": [*pegs, {"name": large, "on": peg}, {"name": str(rng.choice([middle, small])), "on": peg}, *others(rng)]}


def pegs_of(rng: np.random.Generator) -> list[str]:
    """All three, or the outer two."""
    return [*PEGS] if rng.random() < 0.5 else [peg for peg in PEGS if PEGS[peg]]


TEMPLATES = (
    Template("insert", "The L lies in the recess, no higher than 3 mm above its floor and within 6° of it.", put_in, with_fixture,
             ("precise",)),
    Template("out of the fixture", "The L lies on the table.", take_out, filled),
    Template("thread", "The ring is around the post and rests.", put_on, with_pegs, ("precise",)),
    Template("off the peg", "The ring lies on the table.", take_off, on_pegs),
    Template("hanoi", "Both rings are on the other peg, the smaller one above, and were never the other way round.", hanoi, on_pegs,
             ("precise", "multi-object")),
)  # fmt: skip
