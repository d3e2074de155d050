"""States that a learner gets into, made from the moments of a motion in the mind and from nothing: the hand anywhere, something held at
any yaw, a missed grasp, a thing lost on the way, everything a little off."""

from collections.abc import Iterator
from itertools import pairwise
from math import pi

import numpy as np

from agent.errors import PolicyError
from agent.learn.calls import any_call, library
from agent.learn.stage import Dice, Moment, Stage
from agent.skills.skill import Skill
from agent.types import Array, Scene, Subtask, Thing
from sim.oracle.clearance import footprint, obstacles
from sim.oracle.grasps import choose_grasp
from sim.oracle.imagined import FULL, Vector, hold, span
from sim.panda import HOME

REACH = np.array([[0.30, 0.68], [-0.45, 0.45], [0.03, 0.45]])
"""Where the hand is drawn, x, y, z, m."""
MOMENTS = 5
"""Of each motion."""
CLOSE, AT = 0.12, 0.02
"""Nearer to what it works on than this, m, the hand is near, or at it."""
DISTURBED = ((0.30, 0.0), (0.30, 0.006), (0.25, 0.02), (0.15, 0.06))
"""How often, and by what standard deviation, m, the hand is displaced; it is turned by 8 rad for each m."""
SOON = 14
"""Ticks."""
MISSED, LOST, ANYWHERE, MISPLACED = 0.10, 0.06, 0.14, 0.35
"""How often a moment is changed into a missed grasp, into one where what was held has fallen, into a hand that is just anywhere, and one
after something was let go into one where it stands elsewhere."""
ASTRAY = (0.02, 0.08)
"""How far it stands from where it should, m."""


def somewhere(rng: Dice) -> Moment:
    """The hand anywhere in reach, often at home."""
    if rng.random() < 0.2:
        return Moment(np.array(HOME) + rng.normal(0, 0.01, 3), np.zeros(3), FULL, FULL)
    tcp = rng.uniform(REACH[:, 0], REACH[:, 1])
    if rng.random() < 0.5:
        tcp[2] = rng.uniform(0.15, 0.30)
    width = float(rng.choice([FULL, 0.0, rng.uniform(0, FULL)], p=[0.5, 0.2, 0.3]))
    return Moment(tcp, np.array([*rng.normal(0, 0.02, 2), hand_yaw(rng)]), width, width)


def hand_yaw(rng: Dice) -> float:
    return float(rng.normal(0, 0.1) if rng.random() < 0.3 else rng.uniform(-pi / 2, pi / 2))


def holding(stage: Stage, rng: Dice) -> Moment | None:
    """Something in the hand, at any yaw and a little off its middle, and the hand anywhere high enough."""
    pick = any_call(library().skills["pick"], stage.scene, rng)
    if pick is None or not pick.can(stage.scene):
        return None
    thing = stage.scene.find(pick.args["thing"])
    yaw, height = grip(stage.scene, thing, rng)
    (x, y), (c, s) = hold(thing), (np.cos(yaw), np.sin(yaw))
    along, up = float(np.clip(rng.normal(0, 0.006), -0.014, 0.014)), float(np.clip(rng.normal(0, 0.004), -0.010, 0.010))
    grasp = np.array([x + c * along, y + s * along, height + up])
    if rng.random() < 0.2:
        there, new_yaw = grasp + np.array([0, 0, rng.uniform(0.005, 0.20)]), yaw
    else:
        there, new_yaw = rng.uniform(REACH[:, 0], REACH[:, 1]), hand_yaw(rng)
        there[2] = max(there[2], rng.uniform(0.08, 0.30))
    moved = carried(thing, grasp, yaw, there, new_yaw)
    width = min(span(thing, yaw) - float(rng.uniform(0, 0.0008)), FULL)
    return Moment(there, np.array([0, 0, new_yaw]), width, 0.0, held=thing.name, things={thing.name: moved})


def grip(scene: Scene, thing: Thing, rng: Dice) -> tuple[float, float]:
    """Yaw of a hand that has grasped a thing somehow, rad, and height of its tool centre point, m; a cube also across its corners."""
    try:
        grasp = choose_grasp(scene, thing, 0.0)
    except PolicyError:
        return thing.yaw, thing.position[2]
    skew = float(rng.uniform(-pi / 4, pi / 4)) if thing.kind == "block" and rng.random() < 0.5 else float(rng.normal(0, 0.05))
    return grasp.yaw + skew if span(thing, grasp.yaw + skew) < 0.075 else grasp.yaw, grasp.z


def carried(thing: Thing, here: Vector, yaw: float, there: Vector, new_yaw: float) -> Thing:
    """A thing after the hand that holds it has gone from one pose to another."""
    c, s = np.cos(new_yaw - yaw), np.sin(new_yaw - yaw)
    x, y, z = np.subtract(thing.position, here)
    moved = there + np.array([c * x - s * y, s * x + c * y, z])
    return thing.model_copy(update={"position": tuple(map(float, moved)), "yaw": thing.yaw + new_yaw - yaw})


def handled(subtask: Subtask, scene: Scene) -> tuple[str | None, str | None]:
    """What the hand works on, and what that is brought to; None where there is no such thing, or it is everywhere."""
    thing = subtask.args.get("thing")
    if subtask.skill in ("cover", "uncover"):
        return next(iter(scene.names("lid")), None), thing
    if subtask.skill == "switch":
        return next(iter(scene.names("lever")), None), thing
    target = next((subtask.args[name] for name in ("target", "zone", "other", "one") if name in subtask.args), None)
    return thing, None if target is None or scene.find(target).kind == "table" else target


def chosen(call: Skill, moments: list[Moment], stage: Stage, rng: Dice) -> Iterator[tuple[Moment, str]]:
    """Some moments of a motion, disturbed, each with its kind; more of those where something happens."""
    name, _ = handled(call.subtask, stage.scene)
    if call.skill_name() == "press":  # afterwards nothing that can be seen tells that it was pressed
        moments = [moment for moment in moments if not moment.pressed] or moments[:1]
    weights = worth(moments, name)
    count = min(MOMENTS, len(moments))
    for index in sorted(rng.choice(len(moments), count, replace=False, p=weights / weights.sum())):
        moment, drawn = moments[index], rng.random()
        if drawn < ANYWHERE and not (moment.held or moment.gripped):
            yield elsewhere(moment, rng), "random"
        elif drawn > 1 - MISSED and name and not moment.held and not moment.gripped:
            yield missed(moment, name, rng), "missed"
        elif drawn > 1 - LOST and moment.held:
            yield lost(moment, stage, rng), "missed"
        elif drawn > 1 - MISPLACED and name and let_go(moment, moments[:index], name) and (wrong := misplaced(moment, name, stage, rng)):
            yield wrong, "missed"
        else:
            yield disturbed(moment, moments[:index], name, rng)


def worth(moments: list[Moment], name: str | None) -> Array:
    """How much there is to be learned from each, float64[N]: most where the fingers move or push something, and soon before that, little on
    the way off."""
    widths = np.array([moment.width for moment in moments])
    pushes = np.array([pushed(*pair, name) for pair in pairwise(moments)] + [False])
    busy = np.flatnonzero((np.abs(np.diff(widths, append=widths[-1])) > 1e-4) | pushes)
    weights = np.ones(len(moments))
    for index, moment in enumerate(moments):
        ahead = busy[busy >= index]
        if len(ahead) == 0 and len(busy):
            weights[index] = 0.5
        elif len(ahead) and ahead[0] - index <= SOON:
            weights[index] = 3.0
        elif away(moment, name) < CLOSE and not moment.held:
            weights[index] = 2.0
    return weights


def pushed(moment: Moment, after: Moment, name: str | None) -> bool:
    """Is what the hand works on moved, although nothing holds it?"""
    if name is None or moment.held or moment.gripped or after.held:
        return False
    return moment.things[name].position != after.things[name].position


def away(moment: Moment, name: str | None) -> float:
    """From the hand to what it works on, m."""
    if name is None:
        return float("inf")
    return float(np.linalg.norm(np.subtract(moment.things[name].position, moment.tcp)))


def disturbed(moment: Moment, before: list[Moment], name: str | None, rng: Dice) -> tuple[Moment, str]:
    """The hand displaced, with what it holds; only a little where it is among things."""
    scale = float(rng.choice([size for _, size in DISTURBED], p=[share for share, _ in DISTURBED]))
    inside = moment.gripped is not None or (name is not None and away(moment, name) < AT and not moment.held)
    if inside:
        scale = min(scale, 0.004)
    shift = rng.normal(0, 1, 3) * scale * ((1, 0.4, 1) if inside else (1, 1, 1))
    if moment.held:
        shift[2] = abs(shift[2])
    shift[:2] = np.array([[np.cos(moment.turn[2]), -np.sin(moment.turn[2])], [np.sin(moment.turn[2]), np.cos(moment.turn[2])]]) @ shift[:2]
    tcp = moment.tcp + shift
    tcp[2] = max(float(tcp[2]), 0.010)
    yaw = float(moment.turn[2] + rng.normal(0, 8 * scale * (0.3 if inside else 1.0)))
    tilt = moment.turn[:2] + rng.normal(0, 0.01 if moment.held is None and moment.gripped is None else 0.0, 2)
    width = moment.width
    if not (inside or moment.held) and rng.random() < 0.25:
        width = float(np.clip(width + rng.normal(0, 0.02), 0, FULL))
    things = dict(moment.things)
    if moment.held:
        things[moment.held] = carried(things[moment.held], moment.tcp, float(moment.turn[2]), tcp, yaw)
    new = Moment(tcp, np.array([*tilt, yaw]), width, moment.opening, moment.held, moment.gripped, things, moment.pressed)
    had = any(earlier.held or earlier.gripped for earlier in before)
    if moment.held or moment.gripped:
        kind = "held"
    elif had:
        kind = "released"
    elif inside:
        kind = "at grasp"
    else:
        kind = "off path" if scale > 0.01 else "near" if away(new, name) < CLOSE else "random"
    return new, kind


def elsewhere(moment: Moment, rng: Dice) -> Moment:
    """The same things, the hand anywhere."""
    hand = somewhere(rng)
    return Moment(hand.tcp, hand.turn, hand.width, hand.opening, things=moment.things, pressed=moment.pressed)


def missed(moment: Moment, name: str, rng: Dice) -> Moment:
    """The fingers closed beside a thing, at about the height of a grasp."""
    thing = moment.things[name]
    angle, far = rng.uniform(0, 2 * pi), max(thing.size[:2]) / 2 * 1.2 + float(rng.uniform(0.008, 0.04))
    if thing.kind not in ("block", "bar", "cylinder", "prism", "L"):
        far = float(rng.uniform(0.02, 0.05))
    x, y, z = thing.position
    tcp = np.array([x + far * np.cos(angle), y + far * np.sin(angle), max(z + float(rng.uniform(-0.01, 0.05)), 0.010)])
    return Moment(tcp, np.array([0, 0, moment.turn[2] + rng.normal(0, 0.2)]), float(rng.choice([0.0, rng.uniform(0, 0.02)])), 0.0,
                  things=moment.things, pressed=moment.pressed)  # fmt: skip


def let_go(moment: Moment, before: list[Moment], name: str) -> bool:
    """Has the hand just put that thing somewhere?"""
    return moment.held is None and any(earlier.held == name for earlier in before)


def misplaced(moment: Moment, name: str, stage: Stage, rng: Dice) -> Moment | None:
    """A thing set down on the table somewhere else than it should, under the hand that has let it go. None if there is no room."""
    thing = moment.things[name]
    angle, far = rng.uniform(0, 2 * pi), rng.uniform(*ASTRAY)
    shift = np.array([far * np.cos(angle), far * np.sin(angle), thing.size[2] / 2 + 0.0005 - thing.position[2]])
    there = thing.model_copy(update={"position": tuple(map(float, np.add(thing.position, shift)))})
    scene = stage.scene.model_copy(update={"things": tuple(moment.things.values())})
    if any(footprint(there).gap(box) < 0.003 for box in obstacles(scene, (name, *scene.names("zone")))):
        return None
    shift[2] = min(shift[2], 0.0) if moment.tcp[2] - thing.position[2] < 0.05 else 0.0
    tcp = moment.tcp + shift
    return Moment(tcp, moment.turn, moment.width, moment.opening, things={**moment.things, name: there}, pressed=moment.pressed)


def lost(moment: Moment, stage: Stage, rng: Dice) -> Moment:
    """What was held has fallen onto the table somewhere below; the fingers have closed."""
    assert moment.held is not None
    thing = moment.things[moment.held]
    x, y = moment.tcp[:2] + rng.normal(0, 0.02, 2)
    update = {"position": (float(x), float(y), thing.size[2] / 2 + 0.0005), "yaw": thing.yaw + float(rng.normal(0, 0.2))}
    things = {**moment.things, moment.held: thing.model_copy(update=update)}
    tcp = moment.tcp.copy()
    tcp[2] = max(tcp[2], thing.size[2] + 0.02)
    return Moment(tcp, moment.turn, 0.0, 0.0, things=things, pressed=moment.pressed)
