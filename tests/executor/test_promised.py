"""Rows that are promised to the robot while the policy thinks: told with the observation, and kept."""

from dataclasses import replace

import numpy as np
import pytest

from agent.errors import PolicyError, WrongShape
from agent.executor.wire import pack, read_request, unpack, write_request
from agent.testing import FakePolicy, FakeRobot
from agent.types import Array, Chunk, Observation, Subtask
from tests.executor.test_executor import GOAL, Reach, carry_out, reached
from tests.executor.toys import Mixer, observation, subtask


class Listener(FakePolicy):
    """Writes down what it was promised."""

    def __init__(self) -> None:
        super().__init__(GOAL)
        self.promised: dict[int, Array | None] = {}

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        self.promised[observation.tick] = observation.promised
        return super().predict(observation, subtask)


def test_what_is_promised_is_what_is_carried_out() -> None:
    policy, robot = Listener(), FakeRobot(reached)
    carry_out(Reach(), policy, robot, delay_ticks=3)
    later = {tick: rows for tick, rows in policy.promised.items() if rows is not None}
    assert len(later) > 2 and all(rows.shape == (3, 7) and rows.dtype == np.float32 for rows in later.values())
    issued = dict(zip(robot.ticks, robot.rows, strict=True))
    for tick, rows in later.items():
        for ahead, row in enumerate(rows):
            if tick + ahead in issued:
                np.testing.assert_array_equal(issued[tick + ahead], row)


def test_a_robot_that_stands_has_promised_nothing() -> None:
    policy = Listener()
    carry_out(Reach(), policy, delay_ticks=3)
    assert policy.promised[min(policy.promised)] is None
    prompt = Listener()
    carry_out(Reach(), prompt)
    assert set(map(type, prompt.promised.values())) == {type(None)}


def test_promises_travel() -> None:
    policy, rows = Mixer(), np.arange(6, dtype=np.float32).reshape(3, 2)
    sent = replace(observation(), promised=rows)
    got = read_request(unpack(write_request(policy.spec, sent, subtask(), 4)), policy.spec)
    assert got.observation.promised is not None
    np.testing.assert_array_equal(got.observation.promised, rows)
    plain = unpack(write_request(policy.spec, observation(), subtask(), 4))
    assert "promised" not in plain["_saydo"] and read_request(plain, policy.spec).observation.promised is None


@pytest.mark.parametrize("rows", [np.zeros((2, 3), np.float32), np.zeros((0, 2), np.float32), np.full((1, 2), np.nan, np.float32), "two"])
def test_nonsense_is_no_promise(rows: object) -> None:
    policy = Mixer()
    values = unpack(write_request(policy.spec, observation(), subtask(), 4))
    values["_saydo"]["promised"] = rows
    with pytest.raises(PolicyError, match="promised rows"):
        read_request(unpack(pack(values)), policy.spec)


def test_a_promise_has_rows() -> None:
    with pytest.raises(WrongShape, match="promised rows"):
        replace(observation(), promised=np.zeros(7, np.float32))
