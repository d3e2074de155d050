"""The oracle: properties of its chunks on imagined kinematics, then a few scenes per skill in full contact physics."""

from math import atan2, hypot, pi

import numpy as np
import pytest

from agent.errors import PolicyError, UnknownThing
from agent.skills.tabletop import Close, Home, Open, Pick, Place, Press, Skill, Stack
from agent.types import Array, Fact, Observation, Policy, Scene, Subtask, Thing
from benchmarks.oracle_success import SKILLS, attempt
from sim import panda
from sim.oracle import HOME, STATE, Oracle, _follow
from sim.oracle.clearance import footprint, obstacles, room
from sim.oracle.grasps import FARTHEST, choose_grasp, surroundings
from sim.oracle.imagined import Imagined, span
from sim.oracle.moves import MOVES, NEEDS
from sim.oracle.spots import BEARINGS, Spot, find_spot, short_of_reach
from sim.robot import PANDA, SimRobot

SPEED, TURN, DT = 0.6, 3.0, 0.05
LOW, HIGH = np.array([[0.15, 0.85], [-0.60, 0.60], [0.005, 0.80]]).T
SPOTS = [(0.42, -0.30), (0.50, -0.10), (0.38, 0.05), (0.56, 0.02), (0.40, -0.12), (0.54, -0.36)]
NAMES = ["red block", "blue block", "green block", "yellow block", "blue bowl", "green bowl"]
CALLS: list[Skill] = [
    Pick(thing="red block"),
    Place(thing="red block", relation="in", target="blue bowl"),
    Place(thing="red block", relation="on", target="table"),
    Place(thing="red block", relation="left of", target="green block"),
    Stack(thing="red block", target="yellow block"),
    Open(thing="drawer"),
    Close(thing="drawer"),
    Press(thing="button"),
    Home(),
]


def thing(name: str, at: tuple[float, float], yaw: float = 0.0, z: float | None = None) -> Thing:
    kind = name.split()[1]
    size = (0.04, 0.04, 0.04) if kind == "block" else (0.136, 0.136, 0.034)
    return Thing(name=name, kind=kind, position=(*at, size[2] / 2 if z is None else z), yaw=yaw, size=size)


def scene(rng: np.random.Generator, out: float = 0.0, holding: str | None = None, events: tuple[tuple[int, Fact], ...] = ()) -> Scene:
    """Blocks and bowls on six far-apart spots, each moved a little; a drawer that far out."""
    loose = []
    for name, spot in zip(NAMES, rng.permutation(SPOTS), strict=True):
        x, y = spot + rng.uniform(-0.015, 0.015, 2)
        loose.append(thing(name, (float(x), float(y)), float(rng.uniform(-pi / 4, pi / 4))))
    fixed = (
        Thing(name="table", kind="table", position=(0.32, 0.0, -0.02), size=(1.05, 1.3, 0.04)),
        Thing(name="drawer", kind="drawer", position=(0.523 - out, 0.33, 0.085), size=(0.165, 0.246, 0.05), joint=out),
        Thing(name="button", kind="button", position=(0.62, -0.32, 0.048), size=(0.044, 0.044, 0.018), joint=0.0),
    )
    return Scene(tick=100, things=(*fixed, *loose), holding=holding, events=events)


def seen(scene: Scene, tcp: Array, turn: Array, width: float) -> Observation:
    state = np.array([*np.zeros(7), *tcp, *turn, width], np.float32)
    return Observation(tick=scene.tick, time=scene.tick * DT, state=state, scene=scene)


def anywhere(rng: np.random.Generator) -> Observation:
    """Any hand above the table, any opening, tilted a little; sometimes a block in it, held askew."""
    tcp = rng.uniform([0.3, -0.4, 0.02], [0.6, 0.4, 0.45])
    turn = np.array([*rng.uniform(-0.05, 0.05, 2), rng.uniform(-1.7, 1.7)])
    world = scene(rng, out=float(rng.choice([0.0, 0.07, 0.14])))
    if rng.random() < 0.5:
        return seen(world, tcp, turn, float(rng.uniform(0.0, 0.08)))
    held = "red block" if rng.random() < 0.7 else "blue block"
    offset = rng.uniform(-0.004, 0.004, 3) * [1, 0, 1]
    tcp[2] = max(tcp[2], 0.03)
    block = thing(held, (float(tcp[0] + offset[0]), float(tcp[1])), float(turn[2] + rng.uniform(-0.3, 0.3)), float(tcp[2] + offset[2]))
    things = tuple(block if other.name == held else other for other in world.things)
    world = world.model_copy(update={"things": things, "holding": held})
    return seen(world, tcp, turn, span(block, float(turn[2])))


def ahead(observation: Observation, subtask: Subtask, rows: int) -> Observation:
    """What would be observed after so many rows, if all goes as imagined."""
    assert observation.scene is not None
    hand = Imagined.of(observation, observation.scene)
    for _ in range(rows):
        _follow(hand, MOVES[subtask.skill](hand, *(subtask.args[need] for need in NEEDS[subtask.skill])))
    tick = observation.tick + rows
    events = (*observation.scene.events, *((tick, ("pressed", name)) for name in hand.pressed))
    world = observation.scene.model_copy(
        update={"tick": tick, "things": tuple(hand.things.values()), "holding": hand.held, "events": events}
    )
    return seen(world, hand.tcp, hand.turn, hand.width)


def later(observation: Observation, subtask: Subtask, chunks: int) -> Observation:
    for _ in range(chunks):
        observation = ahead(observation, subtask, 16)
    return observation


def test_it_is_a_policy_that_fits_the_panda() -> None:
    oracle = Oracle()
    assert isinstance(oracle, Policy) and oracle.spec.sees_scene and not oracle.spec.cameras
    assert (oracle.spec.state, oracle.spec.action, oracle.spec.rate_hz) == (PANDA.state, PANDA.action, PANDA.rate_hz)
    assert HOME == panda.HOME, "where the oracle goes home is where the world says that home is"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_every_chunk_from_anywhere_is_finite_inside_and_within_the_speed_limits(call: Skill) -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        observation = anywhere(rng)
        chunk = Oracle().predict(observation, call.subtask)
        rows = chunk.actions.astype(float)
        assert chunk.start == observation.tick and rows.shape == (32, 7) and np.isfinite(rows).all()
        assert (rows[:, :3] >= LOW - 1e-6).all() and (rows[:, :3] <= HIGH + 1e-6).all()
        assert (rows[:, 6] >= 0).all() and (rows[:, 6] <= 1).all()
        path = np.vstack([observation.state[7:13], rows[:, :6]])
        steps = np.diff(path, axis=0)
        assert np.linalg.norm(steps[:, :3], axis=1).max() <= SPEED * DT
        assert np.linalg.norm(steps[:, 3:], axis=1).max() <= TURN * DT


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_a_chunk_is_a_function_of_scene_state_and_subtask_alone(call: Skill) -> None:
    rng = np.random.default_rng(2)
    oracle = Oracle()
    for _ in range(5):
        observation = anywhere(rng)
        first = oracle.predict(observation, call.subtask)
        oracle.predict(anywhere(rng), CALLS[int(rng.integers(len(CALLS)))].subtask)
        assert np.array_equal(oracle.predict(observation, call.subtask).actions, first.actions)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_the_next_chunk_goes_on_where_the_last_one_would_have(call: Skill) -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        observation = anywhere(rng)
        for _ in range(6):
            after = ahead(observation, call.subtask, 16)
            now, then = Oracle().predict(observation, call.subtask), Oracle().predict(after, call.subtask)
            assert np.abs(now.actions[16:, :3] - then.actions[:16, :3]).max() < 2e-3
            assert np.abs(now.actions[16:, 3:6] - then.actions[:16, 3:6]).max() < 2e-2
            observation = after


def test_it_picks_from_any_state() -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        end = later(anywhere(rng), Pick(thing="red block").subtask, 25)
        assert end.scene is not None and end.scene.holding == "red block" and end.state[9] > 0.15


@pytest.mark.parametrize("relation", [*BEARINGS, "next to", "in", "on"])
def test_it_places_from_any_state(relation: str) -> None:
    rng = np.random.default_rng(5)
    target = {"in": "blue bowl", "on": "green block"}.get(relation, "green block")
    subtask = Subtask(skill="place", args={"thing": "red block", "relation": relation, "target": target}, words="")
    for _ in range(12):
        begin = anywhere(rng)
        assert begin.scene is not None
        end = later(begin, subtask, 30).scene
        assert end is not None and end.holding is None
        red, goal = end.find("red block").position, end.find(target).position
        spot = find_spot(end, end.find("red block"), relation, end.find(target))
        assert hypot(red[0] - spot.x, red[1] - spot.y) < 0.006
        if relation in BEARINGS:
            off = atan2(red[1] - goal[1], red[0] - goal[0]) - BEARINGS[relation]
            assert abs((off + pi) % (2 * pi) - pi) < np.radians(35) and hypot(red[0] - goal[0], red[1] - goal[1]) < 0.25
        if relation == "next to":
            assert hypot(red[0] - goal[0], red[1] - goal[1]) - 0.04 < 0.06


def test_it_opens_and_closes_a_drawer_from_any_state() -> None:
    rng = np.random.default_rng(6)
    for _ in range(12):
        opened = later(anywhere(rng), Open(thing="drawer").subtask, 30)
        assert opened.scene is not None and (opened.scene.find("drawer").joint or 0.0) > 0.10 and opened.state[9] > 0.15
        shut = later(opened, Close(thing="drawer").subtask, 20)
        assert shut.scene is not None and (shut.scene.find("drawer").joint or 0.0) < 0.01 and shut.state[9] > 0.15


def test_a_button_is_pressed_once_and_then_left_alone() -> None:
    subtask = Press(thing="button").subtask
    rng = np.random.default_rng(7)
    end = later(seen(scene(rng), np.array([0.4, 0.0, 0.3]), np.zeros(3), 0.08), subtask, 10)
    assert end.scene is not None and end.scene.has("pressed", "button")
    pressed = scene(rng, events=((98, ("pressed", "button")),))
    chunk = Oracle().predict(seen(pressed, np.array([0.62, -0.32, 0.045]), np.zeros(3), 0.0), subtask)
    assert (np.diff(chunk.actions[:, 2]) >= -1e-6).all() and chunk.actions[-1, 2] > 0.1


def test_another_thing_in_the_hand_is_put_away_first() -> None:
    rng = np.random.default_rng(8)
    for call, check in [(Pick(thing="green block"), "green block"), (Press(thing="button"), None), (Open(thing="drawer"), None)]:
        world = scene(rng)
        blue = thing("blue block", (0.45, 0.0), 0.2, 0.2)
        world = world.model_copy(update={"things": tuple(blue if t.name == blue.name else t for t in world.things), "holding": blue.name})
        end = later(seen(world, np.array([0.45, 0.0, 0.2]), np.array([0, 0, 0.1]), span(blue, 0.1)), call.subtask, 30).scene
        assert end is not None and end.holding == check
        assert end.find("blue block").position[2] == pytest.approx(0.021, abs=2e-3)


def test_spots_are_within_reach_and_clear_and_stay_while_the_thing_is_on_its_way() -> None:
    """A spot on the table, which depends on where the thing is: whoever goes there, from anywhere, is told the same all along."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        world = scene(rng)
        red, table = world.find("red block"), world.find("table")
        spot = find_spot(world, red, "on", table)
        assert short_of_reach(spot) <= 0
        at_spot = red.model_copy(update={"position": (spot.x, spot.y, spot.z), "yaw": 0.0})
        assert min(footprint(at_spot).gap(box) for box in obstacles(world, ("red block",))) > 0.03
        begun = rng.uniform((0.3, -0.4), (0.6, 0.4))
        told = found(world, red, begun)
        assert {found(world, red, begun + share * (np.array(told[:2]) - begun)) for share in np.linspace(0, 1, 6)} == {told}
        zone = Thing(name="red zone", kind="zone", position=(told.x, told.y, 0.0), size=(0.1, 0.1, 0.001))
        kept_off = found(world.model_copy(update={"things": (*world.things, zone)}), red, begun)
        assert footprint(zone).gap(footprint(red.model_copy(update={"position": kept_off[:3]}))) > 0.02
        assert beside_bowl(carried_to(world, red, begun)) == beside_bowl(world)


def found(world: Scene, red: Thing, at: Array) -> Spot:
    """Where the oracle would set the block down on the table while it is carried over that place."""
    carried = carried_to(world, red, at)
    return find_spot(carried, carried.find(red.name), "on", world.find("table"))


def beside_bowl(world: Scene) -> Spot:
    return find_spot(world, world.find("red block"), "next to", world.find("blue bowl"))


def carried_to(world: Scene, red: Thing, at: Array) -> Scene:
    lifted = red.model_copy(update={"position": (float(at[0]), float(at[1]), 0.3)})
    return world.model_copy(update={"things": tuple(lifted if each.name == red.name else each for each in world.things)})


def test_grasps_keep_clear_of_neighbours_and_within_the_hand_s_turn() -> None:
    rng = np.random.default_rng(10)
    for _ in range(40):
        world = scene(rng)
        red = world.find("red block")
        angle = float(rng.uniform(-pi, pi))
        beside = (red.position[0] + 0.062 * np.cos(angle), red.position[1] + 0.062 * np.sin(angle))
        near = thing("blue block", beside, float(rng.uniform(-0.7, 0.7)))
        world = world.model_copy(update={"things": tuple(near if t.name == "blue block" else t for t in world.things)})
        others = [footprint(t) for t in world.things if t.kind in ("block", "bowl") and t.name not in (red.name, near.name)]
        crowded = min(footprint(t).gap(other) for t in (red, near) for other in others) < 0.02
        if crowded or footprint(red).gap(footprint(near)) < 0.004:
            continue
        grasp = choose_grasp(world, red, 0.0)
        around, ring = surroundings(world, red.name, *red.position[:2])
        assert abs(grasp.yaw) <= FARTHEST
        assert room(*red.position[:2], grasp.z, grasp.yaw, grasp.opening, around, ring) > 0


@pytest.mark.parametrize(
    ("subtask", "says"),
    [
        (Subtask(skill="pik", args={"thing": "red block"}, words="pik"), "Did you mean 'pick'?"),
        (Subtask(skill="", words="put it there"), "put it there"),
        (Subtask(skill="place", args={"thing": "red block"}, words=""), "'relation' is missing"),
        (Subtask(skill="open", args={"thing": "red block"}, words=""), "Of this kind are: drawer"),
        (
            Subtask(skill="place", args={"thing": "red block", "relation": "at", "target": "blue bowl"}, words=""),
            "in a bowl, a tray, a drawer or a bay",
        ),
    ],
)
def test_what_it_does_not_know_is_refused_in_words_and_for_good(subtask: Subtask, says: str) -> None:
    world = scene(np.random.default_rng(0), holding="red block")
    with pytest.raises(PolicyError, match=r"oracle|needs") as caught:
        Oracle().predict(seen(world, np.array([0.4, 0.0, 0.3]), np.zeros(3), 0.04), subtask)
    assert says in str(caught.value) and getattr(caught.value, "refused", False)


def test_it_says_where_there_is_no_room_instead_of_pushing_into_it() -> None:
    rng = np.random.default_rng(11)
    high = np.array([0.4, 0.0, 0.3])

    def refusal(call: Skill, *moved: Thing, out: float = 0.0, holding: str | None = None) -> str:
        world = scene(rng, out, holding)
        by_name = {other.name: other for other in moved}
        world = world.model_copy(update={"things": tuple(by_name.get(t.name, t) for t in world.things)})
        with pytest.raises(PolicyError) as caught:
            Oracle().predict(seen(world, high, np.zeros(3), 0.04 if holding else 0.08), call.subtask)
        return str(caught.value)

    carried = thing("red block", (0.4, 0.0), 0.0, 0.3)
    in_drawer = Place(thing="red block", relation="in", target="drawer")
    assert "Open it first" in refusal(in_drawer, carried, out=0.04, holding="red block")
    shut_in = thing("red block", (0.62, 0.30), 0.0, 0.034)
    assert "no room for the hand" in refusal(Pick(thing="red block"), shut_in)
    base, top = thing("green block", (0.45, 0.0)), thing("blue block", (0.45, 0.0), 0.0, 0.06)
    assert "blue block stands on" in refusal(Stack(thing="red block", target="green block"), carried, base, top, holding="red block")
    assert "no room for the hand" in refusal(Pick(thing="green block"), base, top)
    near = thing("green block", (0.31, 0.02))
    beyond = Place(thing="red block", relation="in front of", target="green block")
    assert "within reach in front of" in refusal(beyond, carried, near, holding="red block")


def test_names_that_are_not_there_and_missing_truth_are_errors_that_help() -> None:
    world = scene(np.random.default_rng(0))
    observation = seen(world, np.array([0.4, 0.0, 0.3]), np.zeros(3), 0.08)
    with pytest.raises(UnknownThing, match="red block"):
        Oracle().predict(observation, Pick(thing="red blok").subtask)
    with pytest.raises(PolicyError, match="true scene"):
        Oracle().predict(Observation(tick=0, time=0.0, state=observation.state), Pick(thing="red block").subtask)
    with pytest.raises(PolicyError, match=str(len(STATE))):
        Oracle().predict(Observation(tick=0, time=0.0, state=np.zeros(3, np.float32), scene=world), Pick(thing="red block").subtask)


@pytest.mark.parametrize("call", [Pick(thing="red block"), Open(thing="drawer"), Press(thing="button")], ids=lambda call: call.words)
def test_the_arm_goes_as_the_oracle_imagines(call: Skill) -> None:
    robot, oracle = SimRobot(seed=7), Oracle()
    try:
        for _ in range(4):
            before = robot.observe(())
            imagined = ahead(before, call.subtask, 16).state[7:13]
            for row in oracle.predict(before, call.subtask).actions[:16]:
                robot.apply(row)
            measured = robot.observe(()).state[7:13]
            assert np.abs(measured[:3] - imagined[:3]).max() < 0.004
            assert np.abs(measured[3:] - imagined[3:]).max() < 0.02
    finally:
        robot.close()


@pytest.mark.parametrize("name", SKILLS)
def test_it_solves_random_scenes_in_full_contact_physics(name: str) -> None:
    failures = {seed: why for seed in (7001, 7002) if (why := attempt(name, seed).why)}
    assert not failures
