"""What the skills of lid, lever, knob and a half-open drawer do next; see moves.py."""

from collections.abc import Callable, Mapping
from math import atan2, cos, pi, sin

import numpy as np

from agent.types import Scene, Subtask, Thing
from sim.oracle.grasps import FARTHEST, WRIST
from sim.oracle.handles import at_joint
from sim.oracle.imagined import DT, Imagined, wrap
from sim.oracle.motion import LEAD, TURN, Move
from sim.oracle.moves import OPENED, grip_handle, let_go, slide
from sim.parts.console import KNOB_GRASP, LEVER_LONG, LEVER_SWING, MARKS, TICKS
from sim.parts.store import LID_TRAVEL

LID_AT = {"left": LID_TRAVEL, "right": 0.0}
AT_END, NEAR_END = 0.002, 0.008
"""How near to its end a gripped lid is brought, and how near is enough without a grip, m."""
HALF, HALF_OFF, HALF_ENOUGH = 0.07, 0.004, 0.014
"""A drawer half way: where, and how near a gripped one is brought to it, and how near is enough without a grip, m."""
THROWN = 0.34
"""From here on, rad, the lever goes the rest of the way by itself."""
TURNED, TURNED_ENOUGH = 0.03, 0.12
"""How near to its mark a gripped knob is brought, and how near is enough without a grip, rad."""


def slide_lid(hand: Imagined, name: str, side: str) -> Move:
    """Grip the handle from above, pull it along y to that end, let go, rise."""
    here = hand.things[name].joint or 0.0
    left = LID_AT[side] - here
    if hand.gripped == name and abs(left) > AT_END:
        return slide((0.0, float(np.sign(left))), abs(left), LID_TRAVEL - abs(left))
    if hand.gripped == name or abs(left) <= NEAR_END:
        return let_go(hand)
    return grip_handle(hand, name)


def uncover(hand: Imagined, name: str) -> Move:
    """Slide the lid to where the other bay is."""
    return slide_lid(hand, _the(hand.things, "lid").name, _side(hand.things, name, covers=False))


def cover(hand: Imagined, name: str) -> Move:
    """Slide the lid to where that bay is."""
    return slide_lid(hand, _the(hand.things, "lid").name, _side(hand.things, name, covers=True))


def _the(things: Mapping[str, Thing], kind: str) -> Thing:
    """The only one of its kind."""
    return next(thing for thing in things.values() if thing.kind == kind)


def _side(things: Mapping[str, Thing], bay: str, covers: bool) -> str:
    """To which side the lid goes so that it covers a bay, or does not."""
    leftmost = max(thing.position[1] for thing in things.values() if thing.kind == "bay")
    return "left" if (things[bay].position[1] == leftmost) == covers else "right"


def open_half(hand: Imagined, name: str) -> Move:
    """Grip the handle from above, pull or push it to the middle, let go, rise."""
    left = HALF - (hand.things[name].joint or 0.0)
    if hand.gripped == name and abs(left) > HALF_OFF:
        return slide((-float(np.sign(left)), 0.0), abs(left), HALF - abs(left))
    if hand.gripped == name or abs(left) <= HALF_ENOUGH:
        return let_go(hand)
    return grip_handle(hand, name)


def switch(hand: Imagined, name: str, way: str) -> Move:
    """Grip the lever from above and lead it along its arc past where it snaps over; away from the robot is on."""
    lever = hand.things[name]
    if lever.kind == "lamp":
        return switch(hand, _the(hand.things, "lever").name, way)
    angle, sign = lever.joint or 0.0, 1.0 if way in ("on", "up") else -1.0
    if sign * angle >= THROWN:
        return let_go(hand)
    if hand.gripped != name:
        return grip_handle(hand, name)
    left = LEVER_LONG * (LEVER_SWING - sign * angle)
    speed = sign * min(0.10, 0.04 + 2 * (2 * LEVER_LONG * LEVER_SWING - left), left / DT / LEAD)
    lift = 2.0 * float(lever.position[2] - hand.tcp[2])
    return Move(np.array([speed * cos(angle), 0.0, lift - speed * sin(angle)]), np.zeros(3), 0.0)


def turn_knob(hand: Imagined, name: str, mark: str) -> Move:
    """Grip the fin from above and turn it with the wrist; at the end of the wrist's way let go and grip it the other way round."""
    knob = hand.things[name]
    left = MARKS[mark] - (knob.joint or 0.0)
    sign = float(np.sign(left))
    low, high = _twist(knob)
    if hand.gripped == name and abs(left) > TURNED and (hand.yaw < high if sign > 0 else hand.yaw > low):
        rate = sign * min(0.8 * TURN, 0.3 + 2 * abs(left), abs(left) / DT / LEAD)
        return Move(1.5 * (np.array(knob.position) - hand.tcp), np.array([-hand.turn[0], -hand.turn[1], rate]), 0.0)
    if hand.gripped == name or abs(left) <= TURNED_ENOUGH:
        return let_go(hand)
    return grip_handle(hand, name, _grip_yaw(hand, knob, left))


def _twist(knob: Thing) -> tuple[float, float]:
    """The wrist's way there: the least and the largest yaw of the hand, rad."""
    x, y, _ = knob.position
    return max(-FARTHEST, atan2(y, x) - WRIST) + 0.02, FARTHEST - 0.02


def _grip_yaw(hand: Imagined, knob: Thing, left: float) -> float:
    """Along the fin, so that the whole turn fits into the wrist's way if it can."""
    along = wrap(knob.yaw, pi)
    low, high = _twist(knob)
    options = [yaw for yaw in (along - pi, along, along + pi) if low - 0.02 <= yaw <= high + 0.02] or [along]

    def cost(yaw: float) -> float:
        return 10 * max(yaw + left - high, low - yaw - left, 0.0) + 0.15 * abs(wrap(yaw - hand.yaw))

    return min(options, key=cost)


def resting(scene: Scene, subtask: Subtask) -> tuple[float, float, float] | None:
    """Where the handle that a call moves comes to rest, base frame, m; of a knob, the tick that it is to show at. None for other calls."""
    things, args = {thing.name: thing for thing in scene.things}, subtask.args
    match subtask.skill:
        case "open" | "close" | "open_half":
            joint = {"open": OPENED, "close": 0.0, "open_half": HALF}[subtask.skill]
            return at_joint(things[args["thing"]], joint).position
        case "slide":
            return at_joint(things[args["thing"]], LID_AT[args["side"]]).position
        case "cover" | "uncover":
            return at_joint(_the(things, "lid"), LID_AT[_side(things, args["thing"], subtask.skill == "cover")]).position
        case "flip" | "switch":
            return at_joint(_the(things, "lever"), LEVER_SWING if args["way"] in ("on", "up") else -LEVER_SWING).position
        case "turn":
            return shown_at(things[args["thing"]], MARKS[args["mark"]])
        case _:
            return None


def shown_at(knob: Thing, angle: float | None = None) -> tuple[float, float, float]:
    """Where on its dial a knob shows, base frame, m; angle: where it is turned to, rad, or None: as it is."""
    (x, y, z), angle = knob.position, (knob.joint or 0.0) if angle is None else angle
    return x + TICKS * cos(angle), y + TICKS * sin(angle), z - KNOB_GRASP


LITERALS = ("side", "way", "mark")
"""Arguments that name no thing."""
NEEDS: dict[str, tuple[str, ...]] = {
    "slide": ("thing", "side"), "open_half": ("thing",), "switch": ("thing", "way"), "flip": ("thing", "way"), "turn": ("thing", "mark"),
    "cover": ("thing",), "uncover": ("thing",),
}  # fmt: skip
KINDS = {"slide": ("lid",), "open_half": ("drawer",), "switch": ("lamp",), "flip": ("lever",), "turn": ("knob",),
         "cover": ("bay",), "uncover": ("bay",)}  # fmt: skip
MOVES: dict[str, Callable[..., Move]] = {
    "slide": slide_lid, "open_half": open_half, "switch": switch, "flip": switch, "turn": turn_knob,
    "cover": cover, "uncover": uncover,
}  # fmt: skip
