"""Is there room for it: what must be free before something can be pushed, turned or built, by the geometry of the hand.

Of a thing that was put down somewhere in reckoning one knows only roughly where it is; then more room is asked for.
"""

from collections.abc import Iterator
from math import atan2, cos, hypot, sin
from typing import Any

import numpy as np

from agent.types import Fact, Scene, Subtask, Thing
from sim import objects, truth
from sim.oracle.clearance import Box, footprint, obstacles
from sim.oracle.imagined import Refused
from sim.oracle.pushes import check_way
from sim.oracle.spots import Spot, short_of_reach
from sim.tasks.bowl import loose_on_table, standing

SEEN = list(objects.COLOURS)[:6]
"""Colours that are not held out."""
KINDS = ("block", "bar", "cylinder", "prism", "L")
EVEN = ("block", "bar", "cylinder", "prism")
"""Kinds that can be pushed on to a goal: an L turns on the way, and the hand loses it."""
FLAT = ("block", "bar", "prism", "L")
"""Kinds of which one can see how they are turned."""
SIDES = {side: truth.BEARINGS[side] for side in ("left of", "right of", "behind", "in front of")}
"""Directions from a thing about world z, rad."""
FOLLOWED: Fact = ("followed", "table")
SPARE, GUESSED = 0.006, 0.02
"""How much more room than the hand needs is asked for, where everything is known and where something is guessed, m."""
MIDDLE = ((0.38, 0.50), (-0.30, 0.0))
"""Where there is table on all sides, ((x, x), (y, y)), m."""
AROUND = 0.045
"""What a hand needs around a thing that it turns, m."""


def amidst(rng: np.random.Generator, name: str) -> dict[str, Any]:
    """The thing, placed with table on all sides."""
    return {"name": name, "at": [float(rng.uniform(*span)) for span in MIDDLE]}


def call(skill: str, words: str, **args: str) -> Subtask:
    """A subtask as agent.skills writes it: the words with its arguments in them."""
    return Subtask(skill=skill, args=args, words=words.format(**args))


def mixed(rng: np.random.Generator, count: int = 4, *first: str) -> tuple[str, ...]:
    """Names of things of different shapes or sizes and colours; `first` says which kinds there are at least, like "large block"."""
    others = [kind for kind in (*KINDS, "small block", "large block") if kind not in first]
    kinds = [*first, *(str(kind) for kind in rng.permutation(others))]
    colours = [str(colour) for colour in rng.permutation(SEEN)]
    return tuple(named(kind, colour) for kind, colour in zip(kinds[:count], colours, strict=False))


def named(kind: str, colour: str) -> str:
    *size, kind = kind.split()
    return " ".join([*size, colour, kind])


def pushable(scene: Scene, *kinds: str) -> Iterator[tuple[Thing, tuple[Fact, ...]]]:
    """Things on the table that can be pushed or turned where they are, each with the facts that make it so. A bar that stands on its end
    would fall."""
    if FOLLOWED in scene.facts:
        for thing in map(scene.find, loose_on_table(scene)):
            lying: tuple[Fact, ...] = (("lying", thing.name),) if thing.kind == "bar" else ()
            if thing.kind in (kinds or KINDS) and all(fact in scene.facts for fact in lying):
                yield thing, (*standing(thing.name), FOLLOWED, *lying)


def spare(scene: Scene) -> float:
    return GUESSED if any(fact[0] == "somewhere" for fact in scene.facts) else SPARE


def free_way(scene: Scene, thing: Thing, angle: float, distance: float, target: str = "") -> bool:
    """Can it be pushed so far that way, up to a target if there is one?"""
    try:
        return check_way(scene, thing, angle, distance, spare(scene), target)
    except Refused:
        return False


def bearing(thing: Thing, other: Thing) -> tuple[float, float]:
    """Direction from one thing to another about world z, rad, and the distance of their centres, m."""
    dx, dy = other.position[0] - thing.position[0], other.position[1] - thing.position[1]
    return atan2(dy, dx), hypot(dx, dy)


def surely_outside(scene: Scene, thing: str, zone: str) -> bool:
    """Is a thing not in a zone? Of one that was put down somewhere that is told by where it may be."""
    own, place = scene.find(thing), scene.find(zone)
    apart = bearing(own, place)[1] - (hypot(*own.size[:2]) + hypot(*place.size[:2])) / 2
    return not scene.has("in", thing, zone) and (apart > GUESSED or not scene.has("somewhere", thing))


def alone(scene: Scene, thing: Thing) -> bool:
    """Does nothing stand so near that a hand that turns it would touch that?"""
    around = obstacles(scene, (thing.name,))
    x, y, _ = thing.position
    circle = Box(x, y, 0.0, 0.0, 0.0, 0.0, hypot(*thing.size[:2]) / 2)
    return min((circle.gap(box) for box in around), default=1.0) > AROUND + spare(scene) - SPARE


def clear_strip(scene: Scene, start: Thing, angle: float, length: float, width: float, but: tuple[str, ...] = ()) -> bool:
    """Is the table free, and within reach, from a thing on in one direction: a strip that long and wide, m?"""
    c, s = cos(angle), sin(angle)
    (x, y, _), back = start.position, footprint(start).half(c, s) + 0.01
    middle = back + length / 2
    strip = Box(x + c * middle, y + s * middle, length / 2, width / 2, angle, 0.0)
    ends = [Spot(x + c * at, y + s * at, 0.0, None) for at in (back, back + length)]
    near = min((strip.gap(box) for box in obstacles(scene, (start.name, *but))), default=1.0)
    return near > spare(scene) and all(short_of_reach(end) < -0.02 for end in ends)
