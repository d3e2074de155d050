"""What each skill does next, from where the hand and the things are. Every function: (imagined hand, things named) → one Move."""

from collections.abc import Callable
from math import hypot
from typing import TypeVar

import numpy as np

from agent.types import Scene, Thing
from sim.loose import BLOCKS, HELD
from sim.oracle.clearance import stands_round
from sim.oracle.grasps import choose_grasp, choose_release, choose_yaw, quarters, skewed
from sim.oracle.handles import ground
from sim.oracle.imagined import DT, FIN, FULL, Imagined, Vector, hold, press_depth, span, wrap
from sim.oracle.motion import LEAD, Move, Near, at, over, rise, stay, straight
from sim.oracle.spots import AIR, Spot, find_spot

HOME = (0.36, 0.0, 0.40)
LIFT = 0.20
"""Height of the tool centre point after picking and placing, m."""
THERE, CLOSING = Near(0.003, 0.004, 0.06), Near(0.012, 0.012, 0.35)
LOWERED, STANDS = Near(0.003, 0.001, 0.06), Near(0.008, 0.0015, 0.15)
"""Near enough to let go: of what goes between walls, and of what stands in the open."""
OPENED, SHUT = 0.136, 0.002
"""How far a gripped drawer is pulled or pushed, m; without a grip, OPENED_ENOUGH and SHUT_ENOUGH will do."""
OPENED_ENOUGH, SHUT_ENOUGH = 0.105, 0.007

T = TypeVar("T")


def noted(hand: Imagined, key: object, decide: Callable[[], T]) -> T:
    """Decided once in a chunk: what stands around does not change while it is imagined."""
    if key not in hand.notes:
        hand.notes[key] = decide()
    return hand.notes[key]  # type: ignore[return-value]


def now(hand: Imagined) -> Scene:
    return hand.scene.model_copy(update={"things": tuple(hand.things.values())})


def point(thing: Thing) -> Vector:
    return np.array(thing.position)


def pick(hand: Imagined, name: str) -> Move:
    """Above, down, close, lift."""
    if hand.held == name:
        return rise(hand, lifted(hand), 0.0)
    if hand.held is not None:
        return put_away(hand)
    thing = hand.things[name]
    grasp = noted(hand, ("grasp", name), lambda: choose_grasp(now(hand), thing, hand.yaw))
    goal = np.array([*hold(thing), grasp.z])
    return seize(hand, goal, grasp.yaw, grasp.opening, span(thing, hand.yaw)) or over(hand, goal, grasp.yaw, grasp.opening)


def seize(hand: Imagined, goal: Vector, yaw: float, opening: float, wide: float) -> Move | None:
    """Close the fingers, if the hand is where it should; once they are closing, that is judged more loosely."""
    closing = wide - 0.006 < hand.width < opening - 0.006
    if at(hand, goal, yaw, CLOSING if closing else THERE):
        return straight(hand, goal, 0.0, 0.05)
    return None


def put_away(hand: Imagined) -> Move:
    """Set down what is held and in the way of the task, on a free spot of the table."""
    assert hand.held is not None
    table = next((thing for thing in hand.things.values() if thing.kind == "table"), None)
    if table is None:
        return stay(0.0)
    return put(hand, "on", table)


def put(hand: Imagined, relation: str, target: Thing) -> Move:
    """Carry what is held to its spot, lower it, let go."""
    assert hand.held is not None
    thing = hand.things[hand.held]
    spot = noted(hand, ("spot", thing.name, relation, target.name), lambda: find_spot(now(hand), thing, relation, target))
    return set_down(hand, thing, spot, LOWERED if target.kind in ("drawer", "bay", "bowl", "tray") else STANDS)


def set_down(hand: Imagined, thing: Thing, spot: Spot, near: Near = LOWERED) -> Move:
    """Carry what is held to that spot, lower it, let go."""
    yaw = noted(hand, ("yaw", thing.name, spot), lambda: yaw_for(hand, thing, spot))
    goal = hand_at(hand, thing, spot, yaw)
    opening = hand.width > span(thing, hand.yaw) + 0.002
    if at(hand, goal, yaw, CLOSING if opening else near):
        x, y, z = map(float, goal)
        return stay(noted(hand, ("release", thing.name), lambda: choose_release(now(hand), thing, (x, y, z), hand.yaw)))
    return over(hand, goal, yaw, 0.0)


def hand_at(hand: Imagined, thing: Thing, spot: Spot, yaw: float) -> Vector:
    """Where the hand must be for the thing to stand at the spot, as it is held: by its measured pose, not the nominal one."""
    x, y, z = hand.offset(thing)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([spot.x - (c * x - s * y), spot.y - (s * x + c * y), spot.z - z])


def yaw_for(hand: Imagined, thing: Thing, spot: Spot) -> float:
    """The hand's yaw at the spot: the thing square to where it goes, if that leaves the hand room."""
    if spot.yaw is None or stands_round(thing):
        options = skewed()
    else:
        skew = wrap(thing.yaw - hand.yaw, spot.turn)
        options = [yaw for yaw in quarters(spot.yaw - skew) if abs(wrap(yaw - spot.yaw + skew, spot.turn)) < 0.01]
    return choose_yaw(now(hand), thing, (spot.x, spot.y, spot.z - float(hand.offset(thing)[2])), options, hand.yaw)


def place(hand: Imagined, name: str, relation: str, target: str) -> Move:
    """Put what is held at its spot and retreat; what was lost on the way is fetched again."""
    if hand.held == name:
        return put(hand, relation, hand.things[target])
    if hand.held is not None:
        return put_away(hand)
    if rests(hand, name, relation, target):
        return leave(hand)
    return pick(hand, name)


def rests(hand: Imagined, name: str, relation: str, target: str) -> bool:
    """Is it where it should be: the scene says so, or it stands at the spot that was meant."""
    told = (relation, name, target) in hand.scene.facts
    if told and not (hand.things[target].kind == "table" and hand.scene.zones(name)):
        return True
    thing = hand.things[name]
    spot = noted(hand, ("spot", name, relation, target), lambda: find_spot(now(hand), thing, relation, hand.things[target]))
    x, y, z = thing.position
    return hypot(x - spot.x, y - spot.y) < 0.02 and abs(z - spot.z + AIR) < 0.008


def leave(hand: Imagined) -> Move:
    """Straight up, with the fingers as they are until nothing is near them."""
    return rise(hand, lifted(hand), hand.width if hand.tcp[2] < lifted(hand) - 0.08 else FULL)


def lifted(hand: Imagined) -> float:
    """How high the hand rises where it is: LIFT above the table, m."""
    return LIFT + ground(hand.things, float(hand.tcp[0]), float(hand.tcp[1]))


def stack(hand: Imagined, name: str, target: str) -> Move:
    return place(hand, name, "on", target)


def open_drawer(hand: Imagined, name: str) -> Move:
    """Grip the handle from above, pull it along −x, let go, rise."""
    out = hand.things[name].joint or 0.0
    if hand.gripped == name and out < OPENED:
        return slide((-1.0, 0.0), OPENED + 0.002 - out, out)
    if hand.gripped == name or out >= OPENED_ENOUGH:
        return let_go(hand)
    return grip_handle(hand, name)


def close_drawer(hand: Imagined, name: str) -> Move:
    """Grip the handle from above, push it along +x until it is shut, let go, rise."""
    out = hand.things[name].joint or 0.0
    if hand.gripped == name and out > SHUT:
        return slide((1.0, 0.0), out, OPENED - out)
    if hand.gripped == name or out <= SHUT_ENOUGH:
        return let_go(hand)
    return grip_handle(hand, name)


def grip_handle(hand: Imagined, name: str, yaw: float = 0.0) -> Move:
    """From above, with the fingers at both sides of the fin."""
    if hand.held is not None:
        return put_away(hand)
    goal, opening = point(hand.things[name]), FIN + 0.04
    return seize(hand, goal, yaw, opening, FIN) or over(hand, goal, yaw, opening)


def slide(direction: tuple[float, float], left: float, gone: float) -> Move:
    """Along x or y with a gripped handle, `left` m to go; starts and ends softly, by how far it has gone already."""
    speed = min(0.22, 0.05 + 2 * max(gone, 0.0), 0.05 + 4 * left, left / DT / LEAD)
    return Move(speed * np.array([*direction, 0.0]), np.zeros(3), 0.0)


def let_go(hand: Imagined) -> Move:
    if hand.held is not None:
        return put_away(hand)
    return stay(FIN + 0.03) if hand.gripped else leave(hand)


def press(hand: Imagined, name: str) -> Move:
    """Closed fingers straight down on the cap, once, and up again."""
    if hand.held is not None:
        return put_away(hand)
    button = hand.things[name]
    if name in hand.pressed or (button.joint or 0.0) > 0.009:
        return rise(hand, LIFT, 0.0)
    return over(hand, np.array([*button.position[:2], press_depth(button)]), 0.0, 0.0)


def home(hand: Imagined) -> Move:
    """Above the middle of the table, keeping what is held."""
    return over(hand, np.array(HOME), 0.0, 0.0 if hand.held else FULL)


NEEDS: dict[str, tuple[str, ...]] = {
    "pick": ("thing",), "place": ("thing", "relation", "target"), "stack": ("thing", "target"),
    "open": ("thing",), "close": ("thing",), "press": ("thing",), "home": (),
}  # fmt: skip
KINDS: dict[str, tuple[str, ...]] = {
    "pick": HELD, "place": HELD, "stack": BLOCKS, "open": ("drawer",), "close": ("drawer",), "press": ("button",)}
MOVES: dict[str, Callable[..., Move]] = {
    "pick": pick, "place": place, "stack": stack, "open": open_drawer, "close": close_drawer, "press": press, "home": home,
}  # fmt: skip
