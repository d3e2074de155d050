"""Turn a thing where it stands: to the left, to the right, parallel to another."""

from collections.abc import Iterator
from functools import partial
from math import dist, pi, radians

from agent.types import Scene, Thing
from sim.loose import symmetry
from sim.tasks.push import shapes, since
from sim.tasks.room import FLAT, alone, call, pushable
from sim.tasks.task import Measure, Task, Template

TURNED = 12
"""Events of 5°."""
STAYED_M = 0.10
ALIGNED, ASKEW = radians(10), radians(16)
"""What counts as parallel, and how far from it the two are at the beginning, rad."""
OPPOSITE = {"left": "right", "right": "left"}


def turned(thing: str, side: str) -> Measure:
    """60° that way, the way back taken off, and less than 10 cm from where it was."""

    def measure(scene: Scene, start: Scene) -> float:
        told = since(scene, start)
        far = told.count(("turned", thing, side)) - told.count(("turned", thing, OPPOSITE[side]))
        return 0.0 if dist(scene.find(thing).position, start.find(thing).position) > STAYED_M else far / TURNED

    return measure


def rotate(side: str, scene: Scene) -> Iterator[Task]:
    for thing, needs in pushable(scene, *FLAT):
        if alone(scene, thing):
            plan = call("rotate", "rotate the {thing} to the {side}", thing=thing.name, side=side)
            yield Task(f"rotate {side}", plan.words, (plan,), {"thing": thing.name}, requires=needs, may_move=(thing.name,),
                       measure=turned(thing.name, side))  # fmt: skip


def askew(thing: Thing, other: Thing) -> float:
    """The angle between two things, up to turns after which one of them looks the same, rad."""
    period = min(symmetry(each.kind, each.size) or 2 * pi for each in (thing, other))
    return abs((thing.yaw - other.yaw + period / 2) % period - period / 2)


def parallel(thing: str, other: str) -> Measure:
    """By the angle between them; nothing for what was carried off."""

    def measure(scene: Scene, start: Scene) -> float:
        if scene.holding == thing or dist(scene.find(thing).position, start.find(thing).position) > STAYED_M:
            return 0.0
        began, now = (askew(at.find(thing), at.find(other)) for at in (start, scene))
        return 1.0 if now < ALIGNED else min(1 - now / began, 0.9)

    return measure


def align(scene: Scene) -> Iterator[Task]:
    things = list(pushable(scene, *FLAT))
    for thing, needs in things:
        for other, also in things:
            known = not any(scene.has("somewhere", each.name) for each in (thing, other))
            if thing is not other and known and askew(thing, other) > ASKEW and alone(scene, thing):
                plan = call("align", "align the {thing} with the {other}", thing=thing.name, other=other.name)
                yield Task("align", plan.words, (plan,), {"thing": thing.name, "target": other.name}, requires=(*needs, *also),
                           may_move=(thing.name,), measure=parallel(thing.name, other.name))  # fmt: skip


TEMPLATES = (
    *(Template(f"rotate {side}", f"It was turned by 60° to the {side} and moved by less than 10 cm.", partial(rotate, side), shapes,
               ("precise",)) for side in OPPOSITE),
    Template("align", "The sides of the two are within 10° of parallel.", align, shapes, ("precise",)),
)  # fmt: skip
