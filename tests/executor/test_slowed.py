"""A robot that is commanded at half its rate: rows last longer, ticks count rows, and a policy of that rate gets its work done."""

import numpy as np
import pytest

from agent.app import build_robot
from agent.config import load_config
from agent.errors import ConfigError, Mismatch
from agent.evaluate.protocol import Fault
from agent.evaluate.rollout import Stage
from agent.executor.slowed import Slowed, at_rate, slowed
from agent.testing import FakeRobot, check_robot
from agent.types import Chunk, Observation, Scene, Subtask
from sim.oracle import Oracle
from sim.panda import HOME
from sim.robot import SimRobot
from sim.tasks import template
from sim.tasks.chains import draw_start


class Halved:
    """The oracle at 10 Hz: of its rows the second, the fourth, …"""

    def __init__(self) -> None:
        self.oracle = Oracle()
        spec = self.oracle.spec
        self.spec = spec.model_copy(update={"rate_hz": spec.rate_hz / 2, "horizon": spec.horizon // 2})

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        return Chunk(observation.tick, self.oracle.predict(observation, subtask).actions[1::2])


def test_a_row_is_gone_to_in_equal_steps_and_lasts_as_many_periods() -> None:
    robot = FakeRobot(rate_hz=20.0)
    slow = Slowed(robot, 2)
    assert slow.spec.rate_hz == 10 and slow.spec.action == robot.spec.action
    rows = np.zeros((3, len(robot.spec.action)), np.float32)
    rows[1:, 0] = 0.02, 0.04
    applied: list[float] = []
    inner = robot.apply
    robot.apply = lambda row: (applied.append(float(row[0])), inner(row))[1]  # type: ignore[method-assign]
    for count, row in enumerate(rows, start=1):
        slow.apply(row)
        assert slow.observe(()).tick == count and robot.tick == 2 * count
    assert applied == pytest.approx([0.0, 0.0, 0.01, 0.02, 0.03, 0.04])
    slow.stop()
    slow.apply(rows[0])
    assert applied[-2:] == [0.0, 0.0], "after standing still nothing is drawn out from an old row"


def test_what_happened_since_a_tick_is_the_same_in_either_count() -> None:
    scene = Scene(tick=9, things=(), events=((5, ("pressed", "button")), (8, ("pressed", "bell"))))
    assert slowed(scene, 2).tick == 4
    assert [event for _, event in slowed(scene, 2).since(6 // 2).events] == [event for _, event in scene.since(6).events]


def test_only_whole_fractions_of_a_rate_can_be_commanded() -> None:
    robot = FakeRobot(rate_hz=20.0)
    assert at_rate(robot, 20.0) is robot
    assert at_rate(robot, 5.0).spec.rate_hz == 5
    for rate in (15.0, 40.0):
        with pytest.raises(Mismatch, match="whole multiple"):
            at_rate(robot, rate)


def test_the_simulator_takes_its_rate_as_an_option() -> None:
    config = load_config(changes={"robot.options": {"rate_hz": 10}})
    robot = build_robot(config)
    assert robot.spec.rate_hz == 10
    robot.close()  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="'port'"):
        build_robot(load_config(changes={"robot.options": {"port": "/dev/ttyUSB0"}}))


def test_the_panda_at_10_hz_is_a_robot_and_does_what_a_policy_of_10_hz_wants() -> None:
    robot = at_rate(SimRobot("tabletop", seed=1), 10.0)
    check_robot(robot, np.array([*HOME, 0, 0, 0, 1], np.float32))
    robot.close()  # type: ignore[attr-defined]
    for name in ("in a bowl", "press n times"):
        start, task = draw_start(template(name), 3)
        stage = Stage(load_config(), start, Halved(), "plan", Fault())
        result = stage.play(task, task.words, 600)
        stage.close()
        assert result["success"], result["why"]
