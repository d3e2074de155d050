"""Zones: put a thing in, take it out, from one to another, clear one, sort by colour, by shape and by size."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from agent.types import Scene, Subtask
from sim import loose
from sim.tasks.bay import moved_from
from sim.tasks.bowl import loose_on_table, standing
from sim.tasks.room import surely_outside
from sim.tasks.task import (
    SHAPES,
    ZONE_HOLDS,
    Layout,
    Measure,
    Task,
    Template,
    at_hand,
    fetch,
    pick,
    place,
    within,
    workbench,
)

ZONES = ("red zone", "blue zone")
PLURALS = {"block": "blocks", "bar": "bars", "cylinder": "cylinders", "prism": "prisms"}
SORTED = 3
"""How many things are asked to be sorted by shape or size at most."""


def free(scene: Scene, but: tuple[str, ...] = ()) -> list[str]:
    """Zones with room for one more."""
    return [zone for zone in scene.names("zone") if zone not in but and len(within(scene, zone)) < ZONE_HOLDS]


def put_in(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        for zone in free(scene) if not scene.zones(thing) else ():
            if not surely_outside(scene, thing, zone):
                continue
            goal = ("in", thing, zone)
            yield Task("in a zone", f"put the {thing} in the {zone}", fetch(scene, thing, "in", zone), {"thing": thing, "target": zone},
                       (goal,), needs, (goal,), moved_from(scene, thing))  # fmt: skip


def across(scene: Scene) -> Iterator[Task]:
    for thing in loose_on_table(scene):
        for origin in scene.zones(thing):
            for zone in free(scene, (origin,)):
                goal = ("in", thing, zone)
                yield Task("zone to zone", f"move the {thing} from the {origin} to the {zone}", fetch(scene, thing, "in", zone),
                           {"thing": thing, "origin": origin, "target": zone}, (goal,), (*standing(thing), ("in", thing, origin)), (goal,),
                           (thing,))  # fmt: skip


def emptied(zone: str) -> Measure:
    """The share of what was in the zone that stands on the table outside it now."""

    def measure(scene: Scene, start: Scene) -> float:
        began = within(start, zone)
        out = [thing for thing in began if ("on", thing, "table") in scene.facts and ("in", thing, zone) not in scene.facts]
        return len(out) / len(began)

    return measure


def take_out(scene: Scene) -> Iterator[Task]:
    for thing in loose_on_table(scene):
        for zone in scene.zones(thing):
            yield Task("out of a zone", f"take the {thing} out of the {zone}", fetch(scene, thing, "on", "table"),
                       {"thing": thing, "target": zone}, (), (*standing(thing), ("in", thing, zone)), (), (thing,),
                       measure=out_of(thing, zone))  # fmt: skip


def out_of(thing: str, zone: str) -> Measure:
    """On the table outside the zone; half way while it is in the hand."""

    def measure(scene: Scene, start: Scene) -> float:
        on_table = ("on", thing, "table") in scene.facts
        return 1.0 if on_table and ("in", thing, zone) not in scene.facts else 0.5 if scene.holding == thing else 0.0

    return measure


def clear(scene: Scene) -> Iterator[Task]:
    for zone in scene.names("zone"):
        things = within(scene, zone)
        if len(things) > 1 and {*things} <= {*loose_on_table(scene)}:
            plan = tuple(step for thing in things for step in fetch(scene, thing, "on", "table"))
            yield Task("clear a zone", f"take everything out of the {zone}", plan, {"target": zone}, (),
                       (*standing(*things), *(("in", thing, zone) for thing in things)), may_move=tuple(things),
                       measure=emptied(zone))  # fmt: skip


def sorted_into(name: str, scene: Scene, words: str, pairs: list[tuple[str, str]], args: dict[str, str]) -> Task:
    """One thing after another into its zone."""
    things = [thing for thing, _ in pairs]
    plan: tuple[Subtask, ...] = tuple(step for thing, zone in pairs for step in (pick(thing), place(thing, "in", zone)))
    goal = tuple(("in", thing, zone) for thing, zone in pairs)
    return Task(name, words, plan, args, goal, standing(*things), may_move=tuple(things))


def by_colour(scene: Scene) -> Iterator[Task]:
    """Two things, each into the zone of its own colour."""
    ready = [thing for thing in loose_on_table(scene) if not scene.zones(thing)]
    fitting = [(thing, zone) for zone in free(scene) for thing in ready
               if loose.made(thing).colour == loose.made(zone).colour and surely_outside(scene, thing, zone)]  # fmt: skip
    for (one, first), (other, second) in permutations(fitting, 2):
        if first < second:
            args = {"thing": one, "other": other, "target": first, "second": second}
            words = f"put the {one} in the {first} and the {other} in the {second}"
            yield sorted_into("sort into zones", scene, words, [(one, first), (other, second)], args)


def groups(scene: Scene) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """All things of each shape, and the small and the large blocks."""
    shapes = {plural: scene.names(kind) for kind, plural in PLURALS.items()}
    sizes = {f"{size} blocks": [name for name in scene.names("block") if name.startswith(size)] for size in ("small", "large")}
    return shapes, sizes


def by_group(name: str, which: int, scene: Scene) -> Iterator[Task]:
    """All of one group into one zone, all of another into the other."""
    ready = {*loose_on_table(scene)}
    for (first, ones), (second, others) in permutations(groups(scene)[which].items(), 2):
        both = [*ones, *others]
        if not ones or not others or len(both) > SORTED or not {*both} <= ready:
            continue
        if not all(surely_outside(scene, thing, zone) for thing in both for zone in scene.names("zone")):
            continue
        for target, other in permutations(free(scene), 2):
            if len(within(scene, target)) + len(ones) <= ZONE_HOLDS and len(within(scene, other)) + len(others) <= ZONE_HOLDS:
                pairs = [*((thing, target) for thing in ones), *((thing, other) for thing in others)]
                words = f"put all the {first} in the {target} and all the {second} in the {other}"
                args = {"ones": first, "others": second, "target": target, "second": other}
                yield sorted_into(name, scene, words, pairs, args)


def by_shape(scene: Scene) -> Iterator[Task]:
    yield from by_group("sort by shape", 0, scene)


def by_size(scene: Scene) -> Iterator[Task]:
    yield from by_group("sort by size", 1, scene)


def one_in(rng: np.random.Generator) -> Layout:
    return workbench(rng, {"name": str(rng.choice(SHAPES)), "in": str(rng.choice(ZONES))})


def two_in(rng: np.random.Generator) -> Layout:
    zone, names = str(rng.choice(ZONES)), rng.permutation([name for name in SHAPES if "bar" not in name])[:2]
    return workbench(rng, *({"name": str(name), "in": zone} for name in names))


def few_shapes(rng: np.random.Generator) -> Layout:
    """Two of one shape and one of another."""
    blocks, cylinders = ("red block", "green block"), ("yellow cylinder", "purple cylinder")
    bars = ("yellow bar", "blue bar")
    picked = [(*blocks, cylinders[0]), (*blocks, bars[0]), (*cylinders, blocks[0]), (*cylinders, bars[1])][int(rng.integers(4))]
    return workbench(rng, plain=(*picked, "orange prism"))


def four_zones(rng: np.random.Generator) -> Layout:
    return workbench(rng, {"name": "green zone"}, {"name": "yellow zone"})


def small_and_large(rng: np.random.Generator) -> Layout:
    """One of a size and two of the other, and one of neither."""
    small, large = ("small red block", "small blue block"), ("large green block", "large yellow block")
    picked = (*small, large[0]) if rng.integers(2) else (*large, small[1])
    return workbench(rng, plain=(*picked, "purple block"))


TEMPLATES = (
    Template("in a zone", "Nine tenths of the thing's outline are in the zone, and it stands on the table.", put_in, workbench),
    Template("out of a zone", "The thing stands on the table outside the zone.", take_out, one_in),
    Template("zone to zone", "The thing is in the other zone.", across, one_in),
    Template("clear a zone", "All that was in the zone stands on the table outside it.", clear, two_in, ("multi-object",)),
    Template("sort into zones", "Each of the two things is in the zone of its own colour.", by_colour, four_zones, ("multi-object",)),
    Template("sort by shape", "All things of one shape are in one zone, all of another in another.", by_shape, few_shapes,
             ("multi-object",)),
    Template("sort by size", "All small blocks are in one zone, all large ones in another.", by_size, small_and_large, ("multi-object",)),
)  # fmt: skip
