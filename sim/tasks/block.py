"""Blocks: lift one, put one beside another thing."""

from collections.abc import Callable, Iterator
from functools import partial
from math import cos, hypot, sin

from agent.types import Scene
from sim import objects, truth
from sim.oracle.clearance import Box, obstacles
from sim.tasks.task import BESIDE, Measure, Task, Template, anywhere, at_hand, fetch, pick, place_of

LIFTED_M = 0.05
SPOT_M, MARGIN_M = 0.06, 0.04
"""From the edge of a thing to the middle of what stands beside it, and the space kept from what is built in, m."""
BUILT_IN = ("drawer", "button", "lid", "lever", "knob")
NEAREST_M, FARTHEST_M, WIDEST_M = 0.33, 0.70, 0.50
"""Where things are put, by distance from the base and to the sides, m."""


def lifted(thing: str) -> Measure:
    """Held, and at least 5 cm above where it began."""

    def measure(scene: Scene, start: Scene) -> float:
        up = (scene.find(thing).position[2] - start.find(thing).position[2]) / LIFTED_M
        return min(up, 1.0) if scene.holding == thing else min(up, 0.9) if up > 0 and scene.holding is None else 0.0

    return measure


def lift(scene: Scene) -> Iterator[Task]:
    for thing, needs in at_hand(scene):
        where = place_of(scene, thing)
        if where is not None:
            yield Task("lift", f"pick up the {thing}", (pick(thing),), {"thing": thing}, (("holding", thing),), needs,
                       may_move=(thing,), keeps_grip=True, measure=lifted(thing))  # fmt: skip


def spacious(relation: str, scene: Scene, target: str) -> bool:
    """Is there table on that side of the target: within reach, clear of what is built in and of the drawer's way?

    Of a target that was put down somewhere nobody knows. There is always room for "next to" on some side.
    """
    if relation not in truth.BEARINGS:
        return True
    angle, (x, y, _) = truth.BEARINGS[relation], scene.find(target).position
    away = SPOT_M + scene.find(target).size[0] / 2
    x, y = x + away * cos(angle), y + away * sin(angle)
    reach = NEAREST_M < hypot(x, y) < FARTHEST_M and abs(y) < WIDEST_M
    spot = Box(x, y, 0.0, 0.0, 0.0, 0.0, MARGIN_M)
    return reach and not scene.has("somewhere", target) and all(spot.gap(box) > 0 for box in built_in(scene))


def built_in(scene: Scene) -> list[Box]:
    """What is built in, and where the drawer is when it is open."""
    fixtures = tuple(thing for thing in scene.things if thing.kind in BUILT_IN)
    boxes = obstacles(scene.model_copy(update={"things": fixtures}))
    for drawer in (thing for thing in fixtures if thing.kind == "drawer"):
        x, y, _ = drawer.position
        out = objects.DRAWER_TRAVEL - (drawer.joint or 0.0)
        half = (objects.HANDLE_TO_INSIDE + objects.DRAWER_TRAVEL) / 2
        boxes.append(Box(x - out + half, y, half, objects.CABINET[1] / 2, 0.0, 0.0))
    return boxes


def beside(relation: str, scene: Scene) -> Iterator[Task]:
    """Only where it is not so already; of a thing that was put down somewhere nobody knows whether it is."""
    for thing, needs in at_hand(scene):
        for target in scene.names("block", "bowl"):
            if target == thing or ("on", target, "table") not in scene.facts or not spacious(relation, scene, target):
                continue
            free = (("clear", target),) if target in scene.names("block") else ()
            on_table = place_of(scene, thing) == ("on", thing, "table")
            if on_table and (scene.has("somewhere", thing) or scene.has("somewhere", target)):
                continue
            goal = (relation, thing, target)
            requires = (*needs, ("on", target, "table"), *free)
            yield Task(relation, f"put the {thing} {relation} the {target}", fetch(scene, thing, relation, target),
                       {"thing": thing, "target": target}, (goal,), requires, (goal,), (thing, target))  # fmt: skip


def one_beside(relation: str) -> Template:
    tasks: Callable[[Scene], Iterator[Task]] = partial(beside, relation)
    distance = "a gap under 6 cm" if relation == "next to" else "within 35° of that bearing, centres under 25 cm apart"
    return Template(relation, f"The thing stands on the table {relation} the other: {distance}.", tasks, anywhere, ("precise",))


TEMPLATES = (
    Template("lift", "The block is in the hand, at least 5 cm above where it began.", lift, anywhere),
    *map(one_beside, BESIDE),
)
