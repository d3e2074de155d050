"""The contract runners: what keeps the contract passes, and each way to break it is found and named."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict

from agent.errors import PolicyError
from agent.skills.skill import Skill
from agent.skills.tabletop import Close, Home, Open, Pick, Place, Press, Stack
from agent.testing import ACTION, CAMERAS, POSE, FakePolicy, FakeRobot, check_policy, check_robot, check_skill, line
from agent.types import Array, Chunk, Observation, Policy, Robot, Scene, Subtask, Thing

SUBTASK = Subtask(skill="reach", words="reach out")
SCENE = Scene(
    tick=3,
    things=(
        Thing(name="red block", kind="block", position=(0.5, 0.0, 0.02)),
        Thing(name="green block", kind="block", position=(0.4, 0.1, 0.02)),
        Thing(name="blue bowl", kind="bowl", position=(0.5, 0.2, 0.0)),
        Thing(name="drawer", kind="drawer", position=(0.6, 0.3, 0.1), joint=0.0),
        Thing(name="button", kind="button", position=(0.6, -0.2, 0.05), joint=0.0),
        Thing(name="table", kind="table", position=(0.5, 0.0, 0.0)),
    ),
    facts=(("on", "red block", "table"), ("on", "green block", "table"), ("closed", "drawer"), ("clear", "red block")),
)
poses = st.lists(st.floats(-1, 1, width=32), min_size=7, max_size=7).map(lambda values: np.array(values, np.float32))


# --- the fakes --------------------------------------------------------------------------------------------------------------


@given(st.lists(poses, max_size=10))
@settings(deadline=None)
def test_a_fake_robot_is_where_its_last_row_put_it(rows: list[Array]) -> None:
    robot = FakeRobot()
    for row in rows:
        assert np.array_equal(robot.apply(row), row)
    seen = robot.observe(())
    assert np.array_equal(seen.state, rows[-1] if rows else POSE) and seen.tick == len(rows) and seen.time == len(rows) / 20


@given(poses, poses, st.floats(0.01, 0.5), st.integers(1, 40))
@settings(deadline=None)
def test_a_line_is_straight_and_keeps_its_step(start: Array, goal: Array, step: float, rows: int) -> None:
    path = line(start, goal, step, rows)
    steps = np.diff(np.vstack([start, path]), axis=0)
    assert path.shape == (rows, 7) and path.dtype == np.float32 and np.abs(steps).max() <= step + 1e-5
    if rows * step > np.abs(goal - start).max() + 1e-3:
        assert np.allclose(path[-1], goal, atol=1e-6)


@given(poses, st.integers(1, 20), st.integers(0, 100))
@settings(deadline=None)
def test_fakes_keep_their_own_contract(goal: Array, horizon: int, tick: int) -> None:
    robot = FakeRobot()
    robot.tick = tick
    check_policy(FakePolicy(goal, horizon=horizon, cameras=CAMERAS), robot.observe(), SUBTASK)
    check_robot(robot)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [("nan", "row 3 of its chunk is not finite"), ("wide", "rows are 8 wide"), ("stale", "starts at tick -1"), ("not a chunk", "ndarray")],
)
def test_nonsense_is_named(trouble: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_policy(FakePolicy(trouble={1: trouble}), FakeRobot().observe(), SUBTASK)


@pytest.mark.parametrize("trouble", ["lost", "refused"])
def test_a_policy_that_cannot_answer_says_so_itself(trouble: Any) -> None:
    with pytest.raises(PolicyError):
        check_policy(FakePolicy(trouble={1: trouble}), FakeRobot().observe(), SUBTASK)


# --- policies ---------------------------------------------------------------------------------------------------------------


class Wrapped:
    """A policy around a policy, with one thing wrong."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.spec = policy, policy.spec

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        return self.policy.predict(observation, subtask)


class Scribbles(Wrapped):
    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        chunk = super().predict(observation, subtask)
        observation.state[0] += 1
        return chunk


class TooLong(Wrapped):
    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        return Chunk(observation.tick, np.zeros((self.spec.horizon + 1, 7), np.float32))


@pytest.mark.parametrize(("broken", "says"), [(Scribbles, "read-only"), (TooLong, "promises at most 8")])
def test_broken_policies_are_named(broken: type[Wrapped], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_policy(broken(FakePolicy()), FakeRobot().observe(), SUBTASK)


def test_a_camera_that_is_missing_or_of_another_size_is_named() -> None:
    with pytest.raises(AssertionError, match="no picture of camera 'side'; there is: front"):
        check_policy(FakePolicy(cameras={"side": (8, 8)}), FakeRobot().observe(), SUBTASK)
    with pytest.raises(AssertionError, match="should be 9×8 px; it is 8×8"):
        check_policy(FakePolicy(cameras={"front": (9, 8)}), FakeRobot().observe(), SUBTASK)


# --- robots -----------------------------------------------------------------------------------------------------------------


class Skips(FakeRobot):
    def apply(self, action: Array) -> Array:
        self.tick += 1
        return super().apply(action)


class Silent(FakeRobot):
    def apply(self, action: Array) -> Array:
        super().apply(action)
        return None  # type: ignore[return-value]


class Lenient(FakeRobot):
    def apply(self, action: Array) -> Array:
        return super().apply(action[:7])


class Restless(FakeRobot):
    def stop(self) -> bool:
        return super().stop() and self.stops < 2


class Renders(FakeRobot):
    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        return super().observe(None)


class Slow(FakeRobot):
    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = super().observe(cameras)
        return Observation(seen.tick, seen.time * 3, seen.state, seen.images)


class Narrow(FakeRobot):
    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = super().observe(cameras)
        return Observation(seen.tick, seen.time, seen.state[:3], seen.images)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (Skips, "three ticks; they took 6"),
        (Silent, "must return the row truly applied"),
        (Lenient, "must refuse a row that is 8 wide"),
        (Restless, "twice in a row"),
        (Renders, "must render no camera; it gave front"),
        (Slow, "took 0.450 s on its own clock"),
        (Narrow, "3 numbers, the spec names 7"),
    ],
)
def test_broken_robots_are_named(broken: type[FakeRobot], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_robot(broken())


def test_an_unconfirmed_stop_and_a_missing_row_are_named() -> None:
    with pytest.raises(AssertionError, match="it returned False"):
        check_robot(FakeRobot(still=False))
    robot = FakeRobot()
    robot.spec = robot.spec.model_copy(update={"state": ("width", *ACTION[1:])})
    with pytest.raises(AssertionError, match="does not measure x"):
        check_robot(robot)
    check_robot(robot, POSE)


def test_fakes_are_what_the_protocols_ask_for() -> None:
    assert isinstance(FakeRobot(), Robot) and isinstance(FakePolicy(), Policy)


# --- skills -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "skill",
    [
        Pick(thing="red block"),
        Place(thing="red block", relation="in", target="blue bowl"),
        Stack(thing="red block", target="green block"),
        Open(thing="drawer"),
        Close(thing="drawer"),
        Press(thing="button"),
        Home(),
    ],
    ids=lambda skill: skill.subtask.key,
)
def test_the_built_in_skills_keep_the_contract(skill: Skill) -> None:
    check_skill(skill, SCENE)


class Maybe(Skill, say="perhaps"):
    """Says perhaps."""

    def can(self, scene: Scene) -> bool:
        return "perhaps"  # type: ignore[return-value]


class Unsure(Skill, say="guess"):
    """Returns a number where a verdict is asked."""

    def done(self, scene: Scene) -> bool | None:
        return 0.7  # type: ignore[return-value]


class Fickle(Skill, say="change your mind"):
    """Judges by how often it was asked."""

    def can(self, scene: Scene) -> bool:
        Fickle.asked = getattr(Fickle, "asked", 0) + 1
        return Fickle.asked % 2 == 0


class Lost(Skill, say="look for the elephant"):
    """Asks for what is not there."""

    def done(self, scene: Scene) -> bool | None:
        return scene.find("elephant").yaw > 0


class Melting(Skill, say="take the {thing}"):
    """Can be changed after it was written down."""

    model_config = ConfigDict(frozen=False)
    thing: str


@pytest.mark.parametrize(
    ("skill", "says"),
    [
        (Maybe(), "can must return True or False; it returned 'perhaps'"),
        (Unsure(), "it returned 0.7"),
        (Fickle(), "on the scene alone"),
        (Lost(), "There is no 'elephant' here"),
        (Melting(thing="red block"), "field 'thing' can be changed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_broken_skills_are_named(skill: Skill, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_skill(skill, SCENE)
