"""Zones by pushing: into one, and out of one, without lifting anything."""

from collections.abc import Iterator

import numpy as np

from agent.types import Scene, Thing
from sim.oracle.pushes import WAYS, to_leave
from sim.tasks.push import lifted, shapes
from sim.tasks.room import EVEN, amidst, bearing, call, free_way, mixed, pushable, surely_outside
from sim.tasks.task import Layout, Measure, Task, Template, workbench

INTO_M = 0.03
"""A thing lies in a zone when it is still so far from its middle."""


def inside(thing: str, zone: str) -> Measure:
    """In the zone, and never lifted; on the way by how much nearer it is."""

    def measure(scene: Scene, start: Scene) -> float:
        if lifted(scene, start, thing):
            return 0.0
        began, now = (bearing(at.find(thing), at.find(zone))[1] for at in (start, scene))
        return 1.0 if scene.has("in", thing, zone) else min((began - now) / began, 0.9)

    return measure


def outside(thing: str, zone: str) -> Measure:
    """No part of it in the zone, and never lifted."""

    def measure(scene: Scene, start: Scene) -> float:
        if lifted(scene, start, thing):
            return 0.0
        began, now = (left(at.find(thing), at.find(zone)) for at in (start, scene))
        return 1.0 if now <= 0 else (began - now) / began

    return measure


def left(thing: Thing, zone: Thing) -> float:
    """How far it still has to go to be out of the zone whichever way it is turned, m."""
    return to_leave(thing, zone, None) - 0.004


def push_into(scene: Scene) -> Iterator[Task]:
    for thing, needs in pushable(scene):
        for zone in scene.names("zone"):
            angle, distance = bearing(thing, scene.find(zone))
            if not surely_outside(scene, thing.name, zone) or not free_way(scene, thing, angle, distance - INTO_M):
                continue
            goal = ("in", thing.name, zone)
            plan = call("push_into", "push the {thing} into the {zone}", thing=thing.name, zone=zone)
            yield Task("push into a zone", plan.words, (plan,), {"thing": thing.name, "target": zone}, (goal,), needs, (goal,),
                       (thing.name,), measure=inside(thing.name, zone))  # fmt: skip


def push_out(scene: Scene) -> Iterator[Task]:
    for thing, needs in pushable(scene, *EVEN):
        for zone in scene.where(thing.name, "in"):
            there = scene.find(zone)
            if there.kind == "zone" and any(free_way(scene, thing, angle, to_leave(thing, there, angle)) for angle in WAYS):
                plan = call("push_out", "push the {thing} out of the {zone}", thing=thing.name, zone=zone)
                yield Task("push out of a zone", plan.words, (plan,), {"thing": thing.name, "target": zone},
                           requires=(*needs, ("in", thing.name, zone)), may_move=(thing.name,),
                           measure=outside(thing.name, zone))  # fmt: skip


def one_in_a_zone(rng: np.random.Generator) -> Layout:
    thing, *others = mixed(rng)
    return workbench(rng, amidst(rng, "red zone"), {"name": thing, "in": "red zone"}, plain=others)


TEMPLATES = (
    Template("push into a zone", "It lies in the zone, and was never lifted.", push_into, shapes),
    Template("push out of a zone", "No part of it is in the zone, and it was never lifted.", push_out, one_in_a_zone),
)
