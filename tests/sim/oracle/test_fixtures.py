"""The oracle's ways with lid, lever, knob and a half-open drawer, on imagined kinematics from any state."""

from math import pi

import numpy as np
import pytest

from agent.skills.fixtures import Cover, Flip, OpenHalf, Switch, Turn, Uncover
from agent.skills.skill import Skill
from agent.skills.tabletop import Place, Slide
from agent.types import Array, Observation, Scene, Subtask, Thing
from sim.objects import DRAWER_TRAVEL
from sim.oracle import MOVES, NEEDS, Oracle, _follow
from sim.oracle.handles import dragged
from sim.oracle.imagined import DT, Imagined
from sim.oracle.spots import find_spot
from sim.parts import console, store

SPEED, TURN = 0.6, 3.0
LOW, HIGH = np.array([[0.15, 0.85], [-0.60, 0.60], [0.005, 0.80]]).T
FRONT, HANDLE = (0.57, 0.30), store.LID_Z + store.LID_GRASP
CALLS: list[Skill] = [
    Slide(thing="lid", side="left"), Slide(thing="lid", side="right"), Cover(thing="left bay"), Uncover(thing="left bay"),
    Switch(thing="lamp", way="on"), Flip(thing="lever", way="down"), OpenHalf(thing="drawer"),
    *(Turn(thing="knob", mark=mark) for mark in ("mark 1", "mark 2", "mark 3")),
]  # fmt: skip


def bench(rng: np.random.Generator) -> Scene:
    """Everything that has a joint, with the joint anywhere."""
    out, lid = float(rng.uniform(0, DRAWER_TRAVEL)), float(rng.uniform(0, store.LID_TRAVEL))
    angle, turn = (float(rng.uniform(-most, most)) for most in (console.LEVER_SWING, console.KNOB_LIMIT))
    x, y = FRONT
    swing = (0.64 + console.LEVER_LONG * np.sin(angle), -0.18, console.LEVER_PIVOT + console.LEVER_LONG * np.cos(angle))
    bays = [Thing(name=f"{side} bay", kind="bay", position=(x + store.BAY_X, y + sign * store.BAY_Y, store.FLOOR_TOP), size=store.BAY)
            for side, sign in (("left", 1), ("right", -1))]  # fmt: skip
    things = (
        Thing(name="table", kind="table", position=(0.32, 0.0, -0.02), size=(1.05, 1.3, 0.04)),
        Thing(name="drawer", kind="drawer", position=(x - 0.047 - out, y, 0.085), size=(0.165, 0.246, 0.05), joint=out),
        Thing(name="lid", kind="lid", position=(x + store.BAY_X, y - store.BAY_Y + lid, HANDLE), size=store.LID, joint=lid),
        Thing(name="lever", kind="lever", position=swing, size=console.LEVER_GRIP, joint=angle),
        Thing(name="lamp", kind="lamp", position=(0.74, -0.18, 0.06), size=console.LAMP),
        Thing(name="knob", kind="knob", position=(0.64, -0.045, 0.057), size=console.KNOB_FIN, yaw=turn, joint=turn),
        Thing(name="red block", kind="block", position=(0.42, -0.1, 0.02), size=(0.04, 0.04, 0.04), yaw=0.2),
    )
    return Scene(tick=100, things=(*things, *bays))


def seen(scene: Scene, tcp: Array, turn: Array, width: float) -> Observation:
    state = np.array([*np.zeros(7), *tcp, *turn, width], np.float32)
    return Observation(tick=scene.tick, time=scene.tick * DT, state=state, scene=scene)


def anywhere(rng: np.random.Generator) -> Observation:
    tcp = rng.uniform([0.3, -0.4, 0.03], [0.65, 0.4, 0.45])
    return seen(bench(rng), tcp, np.array([*rng.uniform(-0.05, 0.05, 2), rng.uniform(-1.7, 1.7)]), float(rng.uniform(0.0, 0.08)))


def ahead(observation: Observation, subtask: Subtask, rows: int) -> Observation:
    """What would be observed after so many rows, if all goes as imagined."""
    assert observation.scene is not None
    hand = Imagined.of(observation, observation.scene)
    for _ in range(rows):
        _follow(hand, MOVES[subtask.skill](hand, *(subtask.args[need] for need in NEEDS[subtask.skill])))
    scene = observation.scene.model_copy(
        update={"tick": observation.tick + rows, "things": tuple(hand.things.values()), "holding": hand.held}
    )
    return seen(scene, hand.tcp, hand.turn, hand.width)


def reached(call: Skill, scene: Scene) -> bool:
    """By the joints, since nothing else is imagined."""
    joint = {name: scene.find(name).joint or 0.0 for name in ("drawer", "lid", "lever", "knob")}
    match call:
        case Slide(side="left") | Cover():
            return joint["lid"] > store.LID_TRAVEL - store.END
        case Slide() | Uncover():
            return joint["lid"] < store.END
        case Switch() | Flip(way="up"):
            return joint["lever"] > console.THROWN
        case Flip():
            return joint["lever"] < -console.THROWN
        case Turn(mark=mark):
            return abs(joint["knob"] - console.MARKS[mark]) < console.AT_MARK
        case _:
            return 0.05 < joint["drawer"] < 0.09


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_it_gets_there_from_any_state_and_lets_go(call: Skill) -> None:
    rng = np.random.default_rng(11)
    for _ in range(12):
        observation = anywhere(rng)
        for _ in range(26):
            observation = ahead(observation, call.subtask, 16)
        assert observation.scene is not None and reached(call, observation.scene)
        hand = Imagined.of(observation, observation.scene)
        assert hand.gripped is None and hand.held is None and hand.tcp[2] > 0.15


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_chunks_are_finite_inside_slow_enough_and_go_on_where_the_last_one_would_have(call: Skill) -> None:
    rng = np.random.default_rng(12)
    for _ in range(6):
        observation = anywhere(rng)
        for _ in range(6):
            rows = Oracle().predict(observation, call.subtask).actions.astype(float)
            assert np.isfinite(rows).all() and (rows[:, :3] >= LOW - 1e-6).all() and (rows[:, :3] <= HIGH + 1e-6).all()
            steps = np.diff(np.vstack([observation.state[7:13], rows[:, :6]]), axis=0)
            assert np.linalg.norm(steps[:, :3], axis=1).max() <= SPEED * DT and np.linalg.norm(steps[:, 3:], axis=1).max() <= TURN * DT
            after = ahead(observation, call.subtask, 16)
            then = Oracle().predict(after, call.subtask).actions
            assert np.abs(rows[16:, :3] - then[:16, :3]).max() < 2e-3 and np.abs(rows[16:, 3:6] - then[:16, 3:6]).max() < 2e-2
            observation = after


def test_what_is_dragged_stays_within_its_joint_and_comes_back() -> None:
    rng = np.random.default_rng(13)
    for _ in range(50):
        for name in ("drawer", "lid", "lever", "knob"):
            thing = bench(rng).find(name)
            by, turn = rng.uniform(-0.5, 0.5, 3), float(rng.uniform(-pi, pi))
            there = dragged(thing, by, turn)
            assert there.joint is not None and thing.joint is not None
            assert dragged(there, np.zeros(3), 0.0).joint == there.joint
            far = dragged(thing, 10 * np.sign(by), 10 * np.sign(turn)), dragged(thing, -10 * np.sign(by), -10 * np.sign(turn))
            low, high = sorted(float(end.joint or 0.0) for end in far)
            assert low <= min(there.joint, thing.joint) and high >= max(there.joint, thing.joint)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bay_holds_two_with_room_for_the_hand(side: str) -> None:
    rng = np.random.default_rng(14)
    scene = bench(rng)
    lid = scene.find("lid")
    goal = store.LID_TRAVEL if side == "right" else 0.0
    lid = dragged(lid, np.array([0.0, goal - (lid.joint or 0.0), 0.0]), 0.0)
    blue = scene.find("red block").model_copy(update={"name": "blue block"})
    scene = scene.model_copy(update={"things": (*(thing for thing in scene.things if thing.name != "lid"), lid, blue)})
    bay = scene.find(f"{side} bay")
    place = Place(thing="red block", relation="in", target=bay.name)
    first = find_spot(scene, scene.find("red block"), place.relation, bay)
    put = scene.find("red block").model_copy(update={"position": (first.x, first.y, first.z), "yaw": 0.0})
    scene = scene.model_copy(update={"things": (*(thing for thing in scene.things if thing.name != "red block"), put)})
    second = find_spot(scene, blue, place.relation, bay)
    for spot in (first, second):
        assert abs(spot.x - bay.position[0]) + 0.02 < store.BAY[0] / 2 and abs(spot.y - bay.position[1]) + 0.02 < store.BAY[1] / 2
    assert max(abs(first.x - second.x), abs(first.y - second.y)) > 0.045
