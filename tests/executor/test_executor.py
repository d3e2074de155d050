"""The closed loop, on fakes: what happens when all goes well, and that the robot stands still when it does not."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from agent.config import ExecutorConfig
from agent.errors import ConfigError, Mismatch, RecordError, RobotError
from agent.executor.executor import Executor
from agent.skills.skill import Skill
from agent.testing import POSE, FakePolicy, FakeRobot
from agent.types import Array, Chunk, Observation, Outcome, Policy, Scene, Thing

GOAL = POSE + np.array([0.2, 0.1, -0.1, 0, 0, 0, 0], np.float32)
CONFIG = ExecutorConfig(rows=4, delay_ticks=0, chunk_deadline_s=5.0, recover_deadline_s=5.0, hold_s=0.1, fault_s=1.0)


class Reach(Skill, say="reach out", time_limit_s=5.0):
    """Move the point to its goal."""

    def done(self, scene: Scene) -> bool | None:
        return scene.has("reached", "point")


class Wander(Skill, say="wander", time_limit_s=5.0):
    """Move; nobody can say whether it worked."""


class Never(Skill, say="try the impossible", time_limit_s=3.0):
    """Never done."""

    def done(self, scene: Scene) -> bool | None:
        return False


def reached(state: Array, tick: int) -> Scene:
    at = (float(state[0]), float(state[1]), float(state[2]))
    close = bool(np.linalg.norm(state[:3] - GOAL[:3]) < 0.005)
    return Scene(tick=tick, things=(Thing(name="point", kind="point", position=at),), facts=(("reached", "point"),) if close else ())


class Log(list[dict[str, Any]]):
    def __call__(self, kind: str, **fields: Any) -> None:
        self.append({"kind": kind, **fields})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self if event["kind"] == kind]


def carry_out(
    skill: Skill, policy: FakePolicy, robot: FakeRobot | None = None, lockstep: bool = True, **changes: Any
) -> tuple[Outcome, FakeRobot, Log]:
    robot, log = robot or FakeRobot(reached), Log()
    executor = Executor(robot, policy, CONFIG.model_copy(update=changes), log, lockstep=lockstep)
    outcome = executor.run(skill)
    executor.close()
    policy.release()
    assert robot.stops > 0 and robot.ticks == sorted(set(robot.ticks)), "the robot must be stopped at the end, and get one row a tick"
    assert all(np.isfinite(row).all() for row in robot.rows)
    return outcome, robot, log


def test_reaches_the_goal_and_says_what_changed() -> None:
    outcome, _, log = carry_out(Reach(), FakePolicy(GOAL))
    assert outcome.status == "done" and outcome.confirmed
    assert outcome.evidence == ("point moved 24 cm", "point is now reached")
    assert outcome.ticks == 20 + 5, "twenty ticks to the goal, five for which it has to stay so"
    assert [event["asked"] for event in log.of("chunk")] == list(range(0, 25, 4)), "receding horizon: a chunk every `rows` ticks"


def test_what_is_so_already_needs_no_motion() -> None:
    robot = FakeRobot(reached)
    robot.state = GOAL.copy()
    outcome, robot, _ = carry_out(Reach(), FakePolicy(GOAL), robot)
    assert (outcome.status, outcome.ticks, robot.rows) == ("done", 0, [])


@pytest.mark.parametrize("delay", [0, 1, 2, 4])
def test_lockstep_uses_a_chunk_exactly_so_many_ticks_after_its_observation(delay: int) -> None:
    outcome, robot, log = carry_out(Reach(), FakePolicy(GOAL), delay_ticks=delay)
    assert outcome.status == "done"
    assert [event["row"] for event in log.of("chunk")][1:] == [delay] * (len(log.of("chunk")) - 1)
    assert robot.ticks == list(range(len(robot.ticks))), "no tick without a row: chunks are asked for while the old one lasts"


@pytest.mark.parametrize("delay", [0, 3])
def test_lockstep_does_not_depend_on_the_wall_clock(delay: int) -> None:
    quick = carry_out(Reach(), FakePolicy(GOAL), delay_ticks=delay)[1]
    slow = carry_out(Reach(), FakePolicy(GOAL, seconds=0.02), delay_ticks=delay)[1]
    assert np.array_equal(quick.rows, slow.rows) and quick.ticks == slow.ticks


def test_a_seam_leaves_a_policy_that_keeps_to_its_plan_alone() -> None:
    straight = carry_out(Reach(), FakePolicy(GOAL), delay_ticks=0)[1]
    delayed = carry_out(Reach(), FakePolicy(GOAL), delay_ticks=3)[1]
    assert np.allclose(straight.rows[:20], delayed.rows[:20], atol=1e-6)


def test_a_stop_stands_the_robot_still_at_the_next_tick() -> None:
    robot = FakeRobot(reached)
    executor = Executor(robot, FakePolicy(GOAL), CONFIG)
    outcome = executor.run(Reach(), stop=lambda: "stop!" if robot.tick >= 7 else None)
    executor.close()
    assert (outcome.status, outcome.why, outcome.confirmed, robot.tick) == ("stopped", "stop!", True, 8)


def test_a_stop_is_heard_while_waiting_for_the_policy() -> None:
    robot, policy, since = FakeRobot(reached), FakePolicy(GOAL, trouble={1: "hang"}), time.monotonic()
    executor = Executor(robot, policy, CONFIG.model_copy(update={"chunk_deadline_s": 20.0}))
    outcome = executor.run(Reach(), stop=lambda: "stop" if time.monotonic() - since > 0.1 else None)
    policy.release()
    assert outcome.status == "stopped" and time.monotonic() - since < 5.0 and robot.rows == []


def test_an_unconfirmed_stop_is_said_loudly() -> None:
    outcome, _, _ = carry_out(Reach(), FakePolicy(GOAL), FakeRobot(reached, still=False))
    assert outcome.status == "done" and not outcome.confirmed and "could NOT be confirmed" in outcome.why


@pytest.mark.parametrize(("delay", "lockstep"), [(0, True), (3, True), (0, False)])
def test_a_lost_policy_costs_a_pause_and_never_the_run(delay: int, lockstep: bool) -> None:
    policy = FakePolicy(GOAL, trouble={2: "lost", 3: "lost", 4: "lost"})
    outcome, robot, log = carry_out(Reach(), policy, lockstep=lockstep, delay_ticks=delay)
    assert outcome.status == "done", outcome.why
    assert log.of("waiting") or not lockstep
    if lockstep:
        (waiting,), (recovered,) = log.of("waiting"), log.of("recovered")
        again = next(event for event in log.of("chunk") if event["tick"] >= waiting["tick"])
        assert again["asked"] >= waiting["tick"] and again["row"] == 0, "it goes on with what was seen after the stop, from the first row"
        assert recovered["tick"] in robot.ticks, "and at once"
    assert robot.stops > 1 or not lockstep


def test_a_missed_deadline_costs_a_pause_and_the_late_answer_is_dropped() -> None:
    policy = FakePolicy(GOAL, trouble={2: "hang"})
    threading.Timer(0.5, policy.release).start()
    outcome, _, log = carry_out(Reach(), policy, chunk_deadline_s=0.3)
    assert outcome.status == "done", outcome.why
    assert "did not answer within 0.3 s" in log.of("chunk_failed")[0]["why"]
    assert log.of("chunk_dropped") and log.of("recovered")


def test_a_worker_that_never_returns_is_left_behind() -> None:
    outcome, _, _ = carry_out(Reach(), FakePolicy(GOAL, trouble={2: "hang"}), chunk_deadline_s=0.1, recover_deadline_s=5.0)
    assert outcome.status == "done", outcome.why


def test_a_policy_that_stays_away_fails_the_subtask_and_says_so() -> None:
    outcome, robot, _ = carry_out(Reach(), FakePolicy(GOAL, trouble=dict.fromkeys(range(2, 200), "lost")), recover_deadline_s=0.4)
    assert outcome.status == "failed" and outcome.confirmed
    assert "did not answer within 0.4 s" in outcome.why and "the replica is gone" in outcome.why
    assert len(robot.rows) == 4, "nothing moves on a lost policy's old plan"


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("nan", "row 3 of 8: 'gripper' is nan"),
        ("wide", "rows are 8 wide, but an action has 7 numbers"),
        ("empty", "must be float32[H ≥ 1, A]"),
        ("stale", "tick 3, but tick 4 was asked"),
        ("not a chunk", "not a Chunk but a ndarray"),
        ("broken", "KeyError: 'no such layer'"),
        ("refused", "I cannot wipe"),
    ],
)
def test_nonsense_gets_three_tries(trouble: Any, says: str) -> None:
    policy = FakePolicy(GOAL, trouble=dict.fromkeys(range(2, 100), trouble))
    outcome, robot, _ = carry_out(Reach(), policy)
    assert outcome.status == "failed" and outcome.confirmed and "no usable answer in 3 tries" in outcome.why
    assert len(policy.asked) == 4 and len(robot.rows) == 4
    if trouble != "stale":
        assert says in outcome.why
    assert outcome.why.count("\n") == 0


@pytest.mark.parametrize("trouble", ["nan", "wide", "empty", "stale", "not a chunk", "broken", "refused"])
def test_one_piece_of_nonsense_is_forgiven(trouble: Any) -> None:
    assert carry_out(Reach(), FakePolicy(GOAL, trouble={2: trouble, 3: trouble}))[0].status == "done"


def test_the_recovery_deadline_holds_even_if_the_policy_hangs() -> None:
    since = time.monotonic()
    policy = FakePolicy(GOAL, trouble=dict.fromkeys(range(2, 99), "hang"))
    outcome, _, _ = carry_out(Reach(), policy, chunk_deadline_s=1.0, recover_deadline_s=0.2)
    assert outcome.status == "failed" and 1.2 <= time.monotonic() - since < 1.8


def test_an_answer_to_an_ended_subtask_is_dropped_and_reported() -> None:
    robot, policy, log = FakeRobot(reached), FakePolicy(GOAL, seconds=0.1), Log()
    executor = Executor(robot, policy, CONFIG, log)
    executor.run(Reach(), stop=lambda: "stop" if policy.asked else None)
    assert not log.of("chunk") and robot.rows == []
    outcome = executor.run(Reach())
    executor.close()
    assert outcome.status == "done" and "abandoned" in log.of("chunk_dropped")[0]["why"]


def test_nonsense_is_counted_in_a_row() -> None:
    assert carry_out(Reach(), FakePolicy(GOAL, trouble=dict.fromkeys((2, 3, 5, 6, 8, 9), "nan")))[0].status == "done"


def test_nothing_of_one_subtask_is_left_for_the_next() -> None:
    robot, policy = FakeRobot(reached), FakePolicy(GOAL, horizon=32)
    executor = Executor(robot, policy, CONFIG.model_copy(update={"rows": 32}))
    executor.run(Reach(), stop=lambda: "stop" if robot.tick >= 5 else None)
    policy.goal, away = POSE, len(robot.rows)
    executor.run(Wander())
    executor.close()
    assert robot.rows[away][0] < robot.rows[away - 1][0], "the first row of the second subtask is already its own"


def test_the_time_limit() -> None:
    there_and_back = FakePolicy(GOAL, step=0.002)
    outcome, robot, _ = carry_out(Never(), there_and_back)
    assert outcome.status == "timed_out" and "3 s" in outcome.why and robot.tick == 61


def test_a_policy_that_stops_short_has_failed() -> None:
    outcome, _, _ = carry_out(Reach(), FakePolicy((POSE + GOAL) / 2))
    assert outcome.status == "failed" and "stopped moving before" in outcome.why
    assert 10 + 40 <= outcome.ticks <= 10 + 42


def test_a_policy_that_never_moves_has_failed() -> None:
    outcome, _, _ = carry_out(Reach(), FakePolicy(POSE))
    assert outcome.status == "failed" and "did not move" in outcome.why and outcome.ticks == 40


def test_a_robot_that_does_something_else_is_named_as_the_reason() -> None:
    class Stuck(FakeRobot):
        def apply(self, action: Array) -> Array:
            return super().apply(self.state.copy())

    outcome, _, _ = carry_out(Reach(), FakePolicy(GOAL), Stuck(reached))
    assert outcome.status == "failed" and "did not take its last 40 rows" in outcome.why


@pytest.mark.parametrize("scene", [reached, None])
def test_what_cannot_be_judged_ends_at_rest(scene: Any) -> None:
    outcome, _, _ = carry_out(Wander(), FakePolicy(GOAL), FakeRobot(scene))
    assert outcome.status == "done" and "not judged" in outcome.why and 20 + 20 <= outcome.ticks <= 20 + 22


def test_done_must_hold() -> None:
    def flickers(state: Array, tick: int) -> Scene:
        return reached(GOAL if tick % 4 else POSE, tick)

    robot = FakeRobot(flickers)
    outcome, _, _ = carry_out(Reach(), FakePolicy(GOAL, step=0.001), robot)
    assert outcome.status == "timed_out"


def test_a_skill_that_raises_is_blamed_by_name() -> None:
    class Faulty(Skill, say="fault"):
        """Broken on purpose."""

        def done(self, scene: Scene) -> bool | None:
            raise ZeroDivisionError("one over none")

    outcome, robot, _ = carry_out(Faulty(), FakePolicy(GOAL))
    assert outcome.status == "failed" and "'faulty'" in outcome.why and "one over none" in outcome.why and robot.rows == []


def test_a_name_that_is_not_there_is_not_asked_again() -> None:
    class Find(Reach, say="find it"):
        """Look for what is not there."""

        def act(self, observation: Observation, policy: Policy) -> Chunk:
            assert observation.scene is not None
            observation.scene.find("elephant")
            raise AssertionError

    outcome, _, log = carry_out(Find(), FakePolicy(GOAL))
    assert outcome.status == "failed" and "no 'elephant'" in outcome.why and len(log.of("chunk_asked")) == 1


@pytest.mark.parametrize("error", [RobotError("a motor is hot"), RecordError("the disk is full"), KeyboardInterrupt()])
def test_what_breaks_the_loop_stops_the_robot_first(error: BaseException) -> None:
    class Breaks(FakeRobot):
        def apply(self, action: Array) -> Array:
            if self.tick == 5:
                raise error
            return super().apply(action)

    robot = Breaks(reached)
    with pytest.raises(type(error)):
        Executor(robot, FakePolicy(GOAL), CONFIG).run(Reach())
    assert robot.stops == 1


def test_the_policy_sees_its_cameras_and_only_then() -> None:
    policy = FakePolicy(GOAL, cameras={"front": (8, 8)})
    outcome, _, _ = carry_out(Reach(), policy)
    assert outcome.status == "done" and all(list(seen.images) == ["front"] for seen in policy.seen)


def test_misfits_are_refused_before_anything_moves() -> None:
    with pytest.raises(Mismatch, match="20 Hz\n    policy 50 Hz"):
        Executor(FakeRobot(), FakePolicy(rate_hz=50.0), CONFIG)
    with pytest.raises(ConfigError, match="delay_ticks is 8"):
        Executor(FakeRobot(), FakePolicy(), CONFIG.model_copy(update={"delay_ticks": 8}))


# --- real time, on the fake robot's virtual clock ---------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_real_time_never_waits_while_there_is_a_row(delay: int) -> None:
    robot = FakeRobot(reached, pace_s=0.005)
    policy = FakePolicy(GOAL, horizon=24, delay_ticks=delay, clock=robot)
    outcome, robot, log = carry_out(Reach(), policy, robot, lockstep=False, delay_ticks=delay)
    assert outcome.status == "done", outcome.why
    steps = np.diff(np.array(robot.rows)[:, 0])
    assert steps.max() < 0.0101, "no jump at a switch"
    first, *later = log.of("chunk")
    assert first["row"] == 0, "the robot stood until it came: none of its rows was used up"
    assert later and all(event["row"] == event["tick"] - event["asked"] >= delay for event in later)


def test_real_time_learns_how_long_answers_take() -> None:
    robot = FakeRobot(reached, pace_s=0.02)
    policy = FakePolicy(GOAL, horizon=16, step=0.004, delay_ticks=7, clock=robot)
    outcome, _, log = carry_out(Reach(), policy, robot, lockstep=False, rows=14, delay_ticks=8, chunk_deadline_s=5.0)
    assert outcome.status == "done", outcome.why
    assert not log.of("starved"), "asked so early that 16 rows last although an answer takes 7 ticks"


def test_real_time_waits_patiently_for_the_first_chunk() -> None:
    robot = FakeRobot(reached, pace_s=0.002)
    policy = FakePolicy(GOAL, horizon=120, delay_ticks=45, clock=robot)
    outcome, robot, _ = carry_out(Reach(), policy, robot, lockstep=False, chunk_deadline_s=5.0)
    assert outcome.status == "done", f"two seconds of standing are no failure before anything moved: {outcome.why}"
    assert robot.ticks[0] >= 45 and np.allclose(robot.rows[0], POSE + (GOAL - POSE) / 20, atol=1e-5)


def test_real_time_ladder_holds_then_stops_then_fails() -> None:
    robot = FakeRobot(reached)
    policy = FakePolicy(GOAL, trouble={2: "hang"})
    outcome, robot, log = carry_out(Reach(), policy, robot, lockstep=False, chunk_deadline_s=30.0, fault_s=0.5)
    assert outcome.status == "failed" and "no chunk came in time for 0.5 s" in outcome.why
    held = [np.array_equal(a, b) for a, b in zip(robot.rows, robot.rows[1:], strict=False)]
    assert held[-2:] == [True, True] and not held[-3], "two ticks (hold_s) of holding, then the robot stands by itself"
    assert [event["why"].split(",")[0] for event in log.of("starved")] == ["no fresh row", "no fresh row for 0.10 s"]


def test_pressing_again_is_pressing_again() -> None:
    """The event of one call must not pass for that of the next."""
    from agent.skills.tabletop import Press
    from sim.oracle import Oracle
    from sim.robot import SimRobot

    robot = SimRobot(seed=0)
    executor = Executor(robot, Oracle(), CONFIG)
    outcomes = [executor.run(Press(thing="button")) for _ in range(3)]
    executor.close()
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    assert robot.observe(()).scene.has("lit", "light"), "three presses: on, off, on"  # type: ignore[union-attr]
    robot.close()
