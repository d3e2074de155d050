"""The oracle's ways with what fits and what is long: on imagined kinematics from any state, and in full physics where it is hard."""

from collections.abc import Callable
from math import hypot, pi

import numpy as np
import pytest

from agent.errors import PolicyError
from agent.skills.fitting import Insert, Thread
from agent.skills.postures import LayDown, StandUp
from agent.skills.skill import Skill
from agent.types import Observation, Scene, Thing
from sim import fits
from sim.loose import ELL, made
from sim.oracle import Oracle
from sim.oracle.fitting import ending
from sim.oracle.imagined import DT, Imagined
from sim.oracle.postures import frame, tall
from sim.robot import SimRobot
from tests.sim.oracle.test_fixtures import HIGH, LOW, SPEED, TURN, ahead, seen

FIXTURE = Insert(thing="red L", fixture="fixture")
PEG = Thread(thing="blue ring", peg="left peg")
BAR = StandUp(thing="green bar")
CALLS: list[Skill] = [FIXTURE, PEG, BAR]


def thing(name: str, x: float, y: float, yaw: float = 0.0, low: float = 0.0) -> Thing:
    what = made(name)
    return Thing(name=name, kind=what.kind, position=(x, y, low + what.size[2] / 2), yaw=yaw, size=what.size)


def table(rng: np.random.Generator) -> Scene:
    """An L turned anyhow, a fixture turned anyhow, a ring on a peg and one beside it, a bar."""
    turn, other, third = rng.uniform(-pi, pi, 3)
    things = (
        Thing(name="table", kind="table", position=(0.32, 0.0, -0.02), size=(1.05, 1.3, 0.04)),
        thing("fixture", 0.45, -0.30, float(turn)), thing("red L", 0.36, -0.12, float(other)),
        thing("left peg", 0.50, 0.12), thing("large red ring", 0.50, 0.12, low=fits.FOOT), thing("blue ring", 0.36, 0.06),
        thing("green bar", 0.52, -0.08, float(third / 2)),
    )  # fmt: skip
    facts = tuple(("on", name, "table") for name in ("red L", "blue ring", "green bar"))
    return Scene(tick=100, things=things, facts=(*facts, ("on", "large red ring", "left peg")))


def anywhere(rng: np.random.Generator) -> Observation:
    tcp = rng.uniform([0.3, -0.35, 0.10], [0.6, 0.35, 0.45])
    return seen(table(rng), tcp, np.array([*rng.uniform(-0.05, 0.05, 2), rng.uniform(-1.7, 1.7)]), float(rng.uniform(0.05, 0.08)))


def reached(call: Skill, scene: Scene) -> bool:
    """By where things are, since no facts are imagined."""
    match call:
        case Insert():
            ell, jig = scene.find("red L"), scene.find("fixture")
            off = hypot(ell.position[0] - jig.position[0], ell.position[1] - jig.position[1])
            turned = (ell.yaw - jig.yaw + pi) % (2 * pi) - pi
            return off < 0.002 and abs(turned) < 0.03 and abs(ell.position[2] - ELL[2] / 2 - fits.FLOOR) < 0.003
        case Thread():
            ring, peg = scene.find("blue ring"), scene.find("left peg")
            off = hypot(ring.position[0] - peg.position[0], ring.position[1] - peg.position[1])
            return off < 0.004 and abs(ring.position[2] - fits.rest_height(1)) < 0.003
        case _:
            bar = scene.find("green bar")
            return tall(bar) and abs(bar.position[2] - 0.045) < 0.004


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_it_gets_there_from_any_state_and_lets_go(call: Skill) -> None:
    rng = np.random.default_rng(21)
    for _ in range(6):
        observation = anywhere(rng)
        for _ in range(55):
            observation = ahead(observation, call.subtask, 16)
        assert observation.scene is not None and reached(call, observation.scene)
        hand = Imagined.of(observation, observation.scene)
        assert hand.held is None and hand.tcp[2] > 0.15 and max(abs(hand.turn[:2])) < 0.05


@pytest.mark.parametrize("call", [*CALLS, LayDown(thing="green bar")], ids=lambda call: call.words)
def test_chunks_are_finite_inside_slow_enough_and_go_on_where_the_last_one_would_have(call: Skill) -> None:
    rng = np.random.default_rng(22)
    for _ in range(3):
        observation = anywhere(rng)
        for _ in range(14):
            rows = Oracle().predict(observation, call.subtask).actions.astype(float)
            assert np.isfinite(rows).all() and (rows[:, :3] >= LOW - 1e-6).all() and (rows[:, :3] <= HIGH + 1e-6).all()
            steps = np.diff(np.vstack([observation.state[7:13], rows[:, :6]]), axis=0)
            assert np.linalg.norm(steps[:, :3], axis=1).max() <= SPEED * DT and np.linalg.norm(steps[:, 3:], axis=1).max() <= TURN * DT
            observation = ahead(observation, call.subtask, 16)


def test_an_l_that_the_wrist_cannot_turn_far_enough_is_taken_the_other_way_round() -> None:
    """Whichever way the L and the fixture are turned, some chain of grips leads there: see the test above; here that one grip alone would
    not do."""
    scene = table(np.random.default_rng(0))
    jig, held = scene.find("fixture"), scene.find("red L")
    hand = Imagined.of(seen(scene, np.array([0.4, -0.1, 0.3]), np.zeros(3), 0.08), scene)
    level = held.model_copy(update={"yaw": 0.0})
    reach = {turn: ending(hand, level, jig.model_copy(update={"yaw": turn}), 0.0) for turn in (-3.0, -1.0, 0.0, 1.0, 3.0)}
    assert None in reach.values() and reach[0.0] == pytest.approx(0.0) and reach[1.0] == pytest.approx(1.0)


def test_a_full_peg_is_refused() -> None:
    scene = table(np.random.default_rng(0))
    more = [thing(name, 0.50, 0.12, low=fits.FOOT + fits.RING_TALL * k) for k, name in enumerate(("green ring", "small red ring"), start=1)]
    full = scene.model_copy(update={"things": (*scene.things, *more)})
    with pytest.raises(PolicyError, match="left peg is full: 3 rings"):
        Oracle().predict(seen(full, np.array([0.4, 0.0, 0.3]), np.zeros(3), 0.08), PEG.subtask)


def test_a_bar_that_has_no_room_is_refused() -> None:
    scene = table(np.random.default_rng(0))
    spots = [(0.34 + 0.09 * i, -0.44 + 0.09 * j) for i in range(3) for j in range(9)]
    crowd = [thing("red block", *spot).model_copy(update={"name": f"block {k}"}) for k, spot in enumerate(spots)]
    full = scene.model_copy(update={"things": (*scene.things, *crowd), "holding": "green bar"})
    bar = full.find("green bar").model_copy(update={"position": (0.4, 0.0, 0.30)})
    full = full.model_copy(update={"things": tuple(bar if each.name == bar.name else each for each in full.things)})
    with pytest.raises(PolicyError, match="no room on the table to stand the green bar up"):
        Oracle().predict(seen(full, np.array([0.4, 0.0, 0.3]), np.zeros(3), 0.03), BAR.subtask)


def test_a_lean_is_told_from_the_rotation_it_makes() -> None:
    from sim import kinematics
    from sim.oracle.postures import leaning

    for way, tilt in np.random.default_rng(3).uniform((-1.5, -0.9), (1.9, 0.9), (40, 2)):
        turn = kinematics.rotation_vector(frame(way, tilt) @ kinematics.DOWN.T)
        hand = Imagined.of(seen(table(np.random.default_rng(0)), np.array([0.4, 0.0, 0.3]), turn, 0.08), table(np.random.default_rng(0)))
        assert leaning(hand) == pytest.approx((way, tilt), abs=1e-6)


def by_physics(layout: dict[str, object], call: Skill, until: Callable[[Scene], bool], seed: int = 0) -> Scene:
    robot, oracle = SimRobot(layout, seed=seed), Oracle()
    for _ in range(90):
        observation = robot.observe([])
        assert observation.scene is not None
        if until(observation.scene):
            break
        for row in oracle.predict(observation, call.subtask).actions[:12]:
            robot.apply(row)
    scene = robot.observe([]).scene
    robot.close()
    assert scene is not None and not robot.rejected
    return scene


@pytest.mark.parametrize("yaws", [(2.9, -0.2), (-2.0, 1.5)])
def test_an_l_lying_backwards_goes_into_a_tight_fixture(yaws: tuple[float, float]) -> None:
    fixture = {"name": "tight fixture", "at": [0.45, -0.22], "yaw": yaws[1]}
    layout: dict[str, object] = {"things": [fixture, {"name": "red L", "at": [0.4, 0.05], "yaw": yaws[0]}]}
    call = Insert(thing="red L", fixture="tight fixture")
    assert call.done(by_physics(layout, call, call.done))


def test_the_top_ring_goes_from_peg_to_peg_and_the_others_stay() -> None:
    rings = [{"name": name, "on": "left peg"} for name in ("large red ring", "blue ring")]
    layout: dict[str, object] = {"things": [*fits.PEGS, *rings]}
    call = Thread(thing="blue ring", peg="middle peg")
    scene = by_physics(layout, call, call.done, seed=4)
    assert call.done(scene) and scene.has("on", "large red ring", "left peg") and scene.has("clear", "large red ring")


def test_a_bar_stands_up() -> None:
    layout: dict[str, object] = {"things": [{"name": "green bar", "at": [0.45, -0.05], "yaw": 1.4}, "red block"], "motion": True}
    up = by_physics(layout, BAR, BAR.done)
    assert BAR.done(up) and tall(up.find("green bar"))
