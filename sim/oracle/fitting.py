"""Putting things into and onto what they fit: an L into a fixture, a ring onto a peg; see moves.py.

What fits goes down in two stages: to just above the opening, and from there only while it is lined up with it.
"""

from collections.abc import Callable
from math import hypot, pi

import numpy as np

from agent.types import Thing
from sim import fits, loose
from sim.oracle.clearance import TIP, bottom
from sim.oracle.grasps import choose_release, choose_yaw, skewed
from sim.oracle.imagined import Imagined, Refused, Vector, span, wrap
from sim.oracle.motion import Move, Near, at, over, stay
from sim.oracle.moves import CLOSING, hand_at, leave, noted, now, pick, put_away
from sim.oracle.pushes import take, wrist
from sim.oracle.spots import AIR, Spot, on_table

ABOVE = 0.006
"""How far above the opening a thing is lined up with it, m."""
LINED_UP, LINED_UP_RAD = 0.25, 0.03
"""How far off the axis it may then be, as a share of its play, and turned, rad."""
SEATED = Near(0.004, 0.0015, 0.06)
LANDED = 0.003
"""How near in height a thing is to where it was let go, m."""
CLEAR = 0.001
"""The least height of the finger tips above what a thing goes into, m."""


def insert(hand: Imagined, name: str, fixture: str) -> Move:
    """Bring an L over its recess, turned as the recess is, and lower it into it; what was lost on the way is fetched again."""
    thing, into = hand.things[name], hand.things[fixture]
    x, y, z = into.position
    spot = Spot(x, y, z + fits.seat(loose.ELL)[2] + AIR, into.yaw)
    if hand.held is None:
        return leave(hand) if rests_at(thing, spot) else fetch(hand, thing, into)
    top = z + into.size[2] / 2
    tips = float(hand.tcp[2]) - TIP - (thing.position[2] - spot.z)
    if hand.held != name or tips < top + CLEAR:
        return put_away(hand)
    yaw = ending(hand, thing, into)
    if yaw is None:
        return turn_over(hand, thing)
    return plunge(hand, thing, spot, yaw, top, fits.PLAY[fixture] / 2)


def ending(hand: Imagined, thing: Thing, into: Thing, grip: float | None = None) -> float | None:
    """The hand's yaw once an L lies in a fixture; None if the wrist cannot turn that far. grip: the yaw at which it takes the L, if it
    does not hold it yet."""
    held_at = hand.yaw if grip is None else grip
    least, most = wrist(into)
    ways = [into.yaw - thing.yaw + held_at + k * 2 * pi for k in (-1, 0, 1)]
    return min((yaw for yaw in ways if least <= yaw <= most), key=lambda yaw: abs(yaw - held_at), default=None)


def fetch(hand: Imagined, thing: Thing, into: Thing) -> Move:
    """Take an L the way round in which the wrist can turn it as the fixture is."""

    def prefer(grip: float) -> float:
        end = ending(hand, thing, into, grip)
        return -9.0 if end is None else -0.2 * abs(end - grip)

    return take(hand, thing, prefer)


def turn_over(hand: Imagined, thing: Thing) -> Move:
    """Set down what has to be taken the other way round, where the wrist can do so."""
    spot = noted(hand, ("aside", thing.name), lambda: on_table(now(hand).model_copy(update={"things": others(hand, thing)}), thing))
    least, most = wrist(thing.model_copy(update={"position": (spot.x, spot.y, spot.z), "kind": "block"}))
    ways = [yaw for yaw in skewed() if least <= yaw <= most and (yaw + pi <= most or yaw - pi >= least)]
    yaw = min(ways or skewed(), key=lambda option: abs(option - hand.yaw))
    return lower(hand, thing, hand_at(hand, thing, spot, yaw), yaw)


def others(hand: Imagined, thing: Thing) -> tuple[Thing, ...]:
    return tuple(each for each in hand.things.values() if each.name != thing.name)


def thread(hand: Imagined, name: str, peg: str) -> Move:
    """Bring a ring over a post and lower it onto what is there; what was lost on the way is fetched again."""
    thing, post = hand.things[name], hand.things[peg]
    x, y, z = post.position
    below = noted(hand, ("below", name, peg), lambda: sum(around(other, post) for other in others(hand, thing)))
    foot = z - post.size[2] / 2
    spot = Spot(x, y, foot + fits.rest_height(below) + AIR, None)
    if below * fits.RING_TALL + fits.FOOT + fits.ENTERED > post.size[2]:
        raise Refused(f"The {peg} is full: {below} rings are on it.")
    if hand.held is None:
        there = rests_at(thing, spot) or (around(thing, post) and ("on", name, peg) in hand.scene.facts)
        return leave(hand) if there else pick(hand, name)
    if hand.held != name or hand.tcp[2] - TIP < bottom(thing) + CLEAR:
        return put_away(hand)
    yaw = noted(hand, ("yaw", name, peg), lambda: around_yaw(hand, thing, spot, peg))
    return plunge(hand, thing, spot, yaw, z + post.size[2] / 2, fits.HOLE - fits.POST_RADIUS)


def around(ring: Thing, post: Thing) -> bool:
    """Is a ring around a post?"""
    near = hypot(ring.position[0] - post.position[0], ring.position[1] - post.position[1]) < fits.HOLE
    return ring.kind == "ring" and near and bottom(ring) < post.position[2] + post.size[2] / 2 - fits.ENTERED


def around_yaw(hand: Imagined, thing: Thing, spot: Spot, peg: str) -> float:
    """The hand's yaw with the most room beside other pegs; the ring may turn as it likes."""
    scene = now(hand)
    alone = scene.model_copy(update={"things": tuple(each for each in scene.things if each.name != peg)})
    return choose_yaw(alone, thing, (spot.x, spot.y, spot.z - float(hand.offset(thing)[2])), skewed(), hand.yaw)


def rests_at(thing: Thing, spot: Spot) -> bool:
    """Is it where it was to go?"""
    x, y, z = thing.position
    turned = abs(wrap(thing.yaw - spot.yaw)) > 0.1 if spot.yaw is not None else False
    return hypot(x - spot.x, y - spot.y) < 0.006 and abs(z - spot.z + AIR) < LANDED and not turned


def plunge(hand: Imagined, thing: Thing, spot: Spot, yaw: float, top: float, play: float) -> Move:
    """Line a held thing up with what it goes into, whose upper end is at `top`, and lower it to its spot; play: to each side, m."""
    goal = hand_at(hand, thing, spot, yaw)
    off = hypot(thing.position[0] - spot.x, thing.position[1] - spot.y)
    lined_up = off < LINED_UP * play + 0.0003 and abs(wrap(yaw - hand.yaw)) < LINED_UP_RAD
    inside = bottom(thing) < top - 0.001 and off < 2 * play
    if lined_up or inside:
        return lower(hand, thing, goal, yaw)
    rise = top + ABOVE - (spot.z - thing.size[2] / 2)
    return over(hand, goal + np.array([0.0, 0.0, rise]), yaw, 0.0)


def lower(hand: Imagined, thing: Thing, goal: Vector, yaw: float) -> Move:
    """Carry what is held to where the hand must be, and let go."""
    opening = hand.width > span(thing, hand.yaw) + 0.002
    if at(hand, goal, yaw, CLOSING if opening else SEATED):
        x, y, z = map(float, goal)
        return stay(noted(hand, ("release", thing.name), lambda: choose_release(now(hand), thing, (x, y, z), hand.yaw)))
    return over(hand, goal, yaw, 0.0)


LITERALS: tuple[str, ...] = ()
NEEDS: dict[str, tuple[str, ...]] = {"insert": ("thing", "fixture"), "thread": ("thing", "peg")}
KINDS: dict[str, tuple[str, ...]] = {"insert": ("L",), "thread": ("ring",)}
MOVES: dict[str, Callable[..., Move]] = {"insert": insert, "thread": thread}
