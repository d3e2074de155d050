"""Things that are moved by a handle between the fingers: how they go along with the hand, and what they are in its way."""

from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from agent.types import Thing
from sim.objects import CABINET, DRAWER_TRAVEL
from sim.parts import console, store

HANDLED = ("drawer", "lid", "lever", "knob")
LEVER_TOP = 0.108

Vector = NDArray[np.float64]
Upright = tuple[float, float, float, float, float, float]
"""An upright box: centre x, y, half extents along its own axes, yaw, z of its top; m, rad."""


def dragged(thing: Thing, by: Vector, turned: float) -> Thing:
    """Where it is after the hand that grips it went `by`, float64[3], m, and `turned`, rad."""
    joint = thing.joint or 0.0
    match thing.kind:
        case "drawer":
            return at_joint(thing, min(max(joint - float(by[0]), 0.0), DRAWER_TRAVEL))
        case "lid":
            return at_joint(thing, min(max(joint + float(by[1]), 0.0), store.LID_TRAVEL))
        case "lever":
            return at_joint(thing, _within(joint + float(by[0]) / (console.LEVER_LONG * cos(joint)), console.LEVER_SWING))
        case _:
            return at_joint(thing, _within(joint + turned, console.KNOB_LIMIT))


def at_joint(thing: Thing, new: float) -> Thing:
    """Where it is with its joint there, m or rad."""
    (x, y, z), joint = thing.position, thing.joint or 0.0
    match thing.kind:
        case "drawer":
            x -= new - joint
        case "lid":
            y += new - joint
        case "lever":
            x, z = x + console.LEVER_LONG * (sin(new) - sin(joint)), z + console.LEVER_LONG * (cos(new) - cos(joint))
        case _:
            return thing.model_copy(update={"yaw": thing.yaw + new - joint, "joint": new})
    return thing.model_copy(update={"position": (x, y, z), "joint": new})


def _within(angle: float, limit: float) -> float:
    return min(max(angle, -limit), limit)


def store_at(lid: Thing) -> tuple[float, float]:
    """Middle of the cabinet's front below a lid, m."""
    return lid.position[0] - store.BAY_X, lid.position[1] - (lid.joint or 0.0) + store.BAY_Y


def store_boxes(lid: Thing) -> list[Upright]:
    """The walls of the bays, and the lid with its handle."""
    x, y = store_at(lid)
    depth, width, _ = CABINET
    top, wall = store.FLOOR_TOP + store.TALL, store.WALL
    ledge = depth - wall - store.BAY[0]
    boxes = [(x + wall / 2, y, wall / 2, width / 2, 0.0, top), (x + depth - ledge / 2, y, ledge / 2, width / 2, 0.0, top)]
    boxes += [(x + store.BAY_X, y + side * (width - wall) / 2, store.BAY[0] / 2, wall / 2, 0.0, top) for side in (-1, 0, 1)]
    here, handle = lid.position[:2], store.LID_HANDLE
    plate = (*here, store.LID[0] / 2, store.LID[1] / 2, 0.0, store.LID_Z + store.LID[2] / 2)
    return [*boxes, plate, (*here, handle[0] / 2, handle[1] / 2, 0.0, plate[5] + handle[2])]


def console_boxes(thing: Thing) -> list[Upright]:
    """The console that a lever or a knob stands on, and the thing itself."""
    x, y, z = thing.position
    joint = thing.joint or 0.0
    if thing.kind == "lever":
        x -= console.LEVER_LONG * sin(joint)
        grip = (x, y, console.LEVER_LONG * sin(console.LEVER_SWING) + 0.015, 0.007, 0.0, LEVER_TOP)
        middle = (x - console.FRONT_X, y - console.LEVER_Y)
    else:
        grip = (x, y, console.KNOB_DISC[0], console.KNOB_DISC[0], 0.0, z + 0.015)
        middle = (x - console.FRONT_X, y - console.KNOB_Y)
    return [(*middle, console.CONSOLE[0] / 2, console.CONSOLE[1] / 2, 0.0, console.CONSOLE[2]), grip]


def ground(things: dict[str, Thing], x: float, y: float) -> float:
    """How much higher than the table one must be to be as free there, m: the store is high."""
    lid = next((thing for thing in things.values() if thing.kind == "lid"), None)
    if lid is None:
        return 0.0
    front, middle = store_at(lid)
    above = front - 0.05 < x < front + CABINET[0] and abs(y - middle) < CABINET[1] / 2 + 0.05
    return 0.07 if above else 0.0
