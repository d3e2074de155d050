"""Episodes with shapes, sizes and zones, for oracle_success.py: pick and place of everything, push, rotate, align."""

from collections.abc import Callable
from itertools import permutations
from math import atan2, hypot
from typing import Any

import numpy as np

from agent.errors import PolicyError
from agent.skills.blocks import Align, Between, Rotate
from agent.skills.pushes import Push, PushInto
from agent.skills.skill import Skill
from agent.skills.tabletop import Pick, Place, Stack
from agent.types import Scene
from sim import objects
from sim.loose import BLOCKS, SHAPES, made
from sim.oracle.pushes import DIRECTIONS, FAR_ENOUGH, check_way
from sim.robot import SimRobot

KINDS = ("block", "small block", "large block", *SHAPES)
Made = tuple[dict[str, Any], list[Skill]]


def table(rng: np.random.Generator, zones: int = 2, most: int = 5) -> tuple[dict[str, Any], list[str]]:
    """A scene of different shapes in random colours, a bowl and some zones; the names of the shapes, in random order."""
    kinds = [str(kind) for kind in rng.permutation(KINDS)[:most]]
    colours = [str(colour) for colour in rng.permutation(list(objects.COLOURS))]
    names = [f"small {c} block" if k == "small block" else f"large {c} block" if k == "large block" else f"{c} {k}"
             for k, c in zip(kinds, colours, strict=False)]  # fmt: skip
    marks = [f"{colour} zone" for colour in rng.permutation(list(objects.COLOURS))[:zones]]
    return {"things": [*names, f"{colours[-1]} bowl", *marks], "motion": True}, names


def picked(rng: np.random.Generator) -> Made:
    layout, names = table(rng)
    return layout, [Pick(thing=names[0])]


def placed(relation: Any, target: str) -> Callable[[np.random.Generator], Made]:
    def episode(rng: np.random.Generator) -> Made:
        layout, names = table(rng)
        thing, other = names[:2]
        if target == "bowl":
            thing = next(name for name in names if max(made(name).size) <= 0.06)
        zone, bowl = layout["things"][-1], layout["things"][-3]
        where = {"zone": zone, "bowl": bowl, "thing": other}.get(target, target)
        return layout, [Pick(thing=thing), Place(thing=thing, relation=relation, target=where)]

    return episode


def two_in_a_zone(rng: np.random.Generator) -> Made:
    """The two smallest things beside each other."""
    layout, names = table(rng)
    calls: list[Skill] = []
    for thing in sorted(names, key=lambda name: max(made(name).size))[:2]:
        calls += [Pick(thing=thing), Place(thing=thing, relation="in", target=layout["things"][-1])]
    return layout, calls


def stacked(rng: np.random.Generator) -> Made:
    """Anything on a cube, a bar or a standing cylinder."""
    layout, names = table(rng)
    under = next(name for name in names if made(name).kind in ("block", "bar", "cylinder"))
    thing = next(name for name in names if name != under)
    return layout, [Stack(thing=thing, target=under)]


def pushed(rng: np.random.Generator) -> Made:
    """Any thing in any direction in which the way is free; scenes without a free way are drawn again."""
    while True:
        layout, names = table(rng)
        directions = rng.permutation(list(DIRECTIONS))
        scene = beginning(layout)
        for name in names:
            for direction in map(str, directions):
                if free(scene, name, DIRECTIONS[direction], FAR_ENOUGH):
                    return {**layout, **fixed(scene)}, [Push(thing=name, direction=direction)]  # type: ignore[arg-type]


def pushed_into(rng: np.random.Generator) -> Made:
    """Any thing into any zone, over a free way."""
    while True:
        layout, names = table(rng, zones=4, most=4)
        scene = beginning(layout)
        for name in names:
            for zone in scene.names("zone"):
                (x, y, _), (to_x, to_y, _) = scene.find(name).position, scene.find(zone).position
                if free(scene, name, atan2(to_y - y, to_x - x), hypot(to_x - x, to_y - y)):
                    return {**layout, **fixed(scene)}, [PushInto(thing=name, zone=zone)]


def rotated(rng: np.random.Generator) -> Made:
    layout, names = table(rng)
    thing = next(name for name in names if made(name).kind != "cylinder")
    return layout, [Rotate(thing=thing, side=rng.choice(["left", "right"]))]


def aligned(rng: np.random.Generator) -> Made:
    layout, names = table(rng)
    thing, other = [name for name in names if made(name).kind != "cylinder"][:2]
    return layout, [Align(thing=thing, other=other)]


def in_between(rng: np.random.Generator) -> Made:
    """Between two things that leave room for it; scenes without such a pair are drawn again."""
    while True:
        layout, names = table(rng)
        scene = beginning(layout)
        for thing, one, other in permutations(names, 3):
            (ax, ay, _), (bx, by, _) = scene.find(one).position, scene.find(other).position
            half = sum(max(made(name).size[:2]) / 2 for name in (one, other)) + max(made(thing).size[:2])
            if half + 0.06 < hypot(bx - ax, by - ay) < 0.30 and roomy(scene, thing, one, other):
                return {**layout, **fixed(scene)}, [Pick(thing=thing), Between(thing=thing, one=one, other=other)]


def roomy(scene: Scene, thing: str, one: str, other: str) -> bool:
    """Does nothing else stand near the middle between the two?"""
    (ax, ay, _), (bx, by, _) = scene.find(one).position, scene.find(other).position
    rest = [each.position for each in scene.things if each.name not in (thing, one, other) and each.kind in (*BLOCKS, "bowl")]
    return all(hypot((ax + bx) / 2 - x, (ay + by) / 2 - y) > 0.13 for x, y, _ in rest)


def beginning(layout: dict[str, Any]) -> Scene:
    """Where things will start."""
    robot = SimRobot(layout)
    scene = robot.observe(()).scene
    robot.close()
    assert scene is not None
    return scene


def fixed(scene: Scene) -> dict[str, Any]:
    """The same things, where they are."""
    return {"things": [{"name": thing.name, "at": thing.position[:2], "yaw": thing.yaw} for thing in scene.things
                       if thing.kind in (*BLOCKS, "bowl", "zone")]}  # fmt: skip


def free(scene: Scene, name: str, angle: float, distance: float) -> bool:
    try:
        return check_way(scene, scene.find(name), angle, distance, spare=0.008)
    except PolicyError:
        return False


BLOCK_EPISODES: dict[str, Callable[[np.random.Generator], Any]] = {
    "shape pick": picked, "shape in zone": placed("in", "zone"), "shape in bowl": placed("in", "bowl"),
    "shape on table": placed("on", "table"), "shape left of": placed("left of", "thing"), "shape next to": placed("next to", "thing"),
    "two in a zone": two_in_a_zone, "shape stack": stacked, "push": pushed, "push into zone": pushed_into, "rotate": rotated,
    "align": aligned, "between": in_between,
}  # fmt: skip
