"""Put a thing between two others."""

from collections.abc import Iterator
from itertools import combinations
from math import cos, sin

from agent.types import Scene
from sim.oracle.clearance import apart
from sim.oracle.imagined import Refused
from sim.oracle.spots import in_between
from sim.tasks.push import shapes
from sim.tasks.room import bearing, call, pushable, spare
from sim.tasks.task import Measure, Task, Template, pick

ROOM_M, FAR_M = 0.13, 0.34
"""How far apart the two are, m: between them there is room for a thing and the hand, and still it is between them."""
ASIDE_M, SHARES = 0.03, (0.2, 0.8)


def amid(thing: str, one: str, other: str) -> Measure:
    """On the table, less than 3 cm from the line between the two, and not at its ends."""

    def measure(scene: Scene, start: Scene) -> float:
        if ("on", thing, "table") not in scene.facts:
            return 0.5 if scene.holding == thing else 0.0
        angle, length = bearing(scene.find(one), scene.find(other))
        (x, y, _), (ax, ay, _) = scene.find(thing).position, scene.find(one).position
        along, across = (x - ax) * cos(angle) + (y - ay) * sin(angle), (y - ay) * cos(angle) - (x - ax) * sin(angle)
        return float(SHARES[0] < along / length < SHARES[1] and abs(across) < ASIDE_M)

    return measure


def between(scene: Scene) -> Iterator[Task]:
    things = list(pushable(scene))
    for (one, needs), (other, also) in combinations(things, 2):
        if not ROOM_M + spare(scene) < apart(one, other) < FAR_M:
            continue
        for thing, own in things:
            if thing in (one, other) or amid(thing.name, one.name, other.name)(scene, scene) == 1.0:
                continue
            try:
                in_between(scene, thing, one, other)
            except Refused:
                continue
            put = call("between", "put the {thing} between the {one} and the {other}", thing=thing.name, one=one.name, other=other.name)
            yield Task("between", put.words, (pick(thing.name), put), {"thing": thing.name, "one": one.name, "other": other.name},
                       requires=(*own, *needs, *also), may_move=(thing.name,),
                       measure=amid(thing.name, one.name, other.name))  # fmt: skip


TEMPLATES = (Template("between", "It stands on the table between the two, within 3 cm of their line.", between, shapes, ("precise",)),)
