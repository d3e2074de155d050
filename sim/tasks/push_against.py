"""Push one thing until it touches another."""

from collections.abc import Iterator

from agent.types import Scene
from sim.oracle.clearance import apart
from sim.tasks.push import lifted, shapes
from sim.tasks.room import EVEN, bearing, call, free_way, pushable
from sim.tasks.task import Measure, Task, Template

NEAR, FAR = 0.02, 0.30
"""How far apart the two are at the beginning, m."""


def touches(thing: str, other: str) -> Measure:
    """Side by side on the table in contact, and never lifted; on the way by how much nearer it is."""

    def measure(scene: Scene, start: Scene) -> float:
        if lifted(scene, start, thing) or lifted(scene, start, other):
            return 0.0
        began, now = (max(apart(at.find(thing), at.find(other)), 0.0) for at in (start, scene))
        return 1.0 if scene.has("touching", thing, other) else min(1 - now / max(began, NEAR), 0.9)

    return measure


def push_against(scene: Scene) -> Iterator[Task]:
    things = list(pushable(scene, *EVEN))
    for thing, needs in things:
        for other, also in things:
            between = apart(thing, other)
            if thing is other or not NEAR < between < FAR or not free_way(scene, thing, bearing(thing, other)[0], between, other.name):
                continue
            goal = ("touching", thing.name, other.name)
            plan = call("push_against", "push the {thing} against the {other}", thing=thing.name, other=other.name)
            yield Task("push against", f"push the {thing.name} until it touches the {other.name}", (plan,),
                       {"thing": thing.name, "target": other.name}, (goal,), (*needs, *also), (goal,), (thing.name, other.name),
                       measure=touches(thing.name, other.name))  # fmt: skip


TEMPLATES = (Template("push against", "The two touch on the table, and neither was lifted.", push_against, shapes),)
