"""Noise and loss: as strong as asked for, the same for the same seed, and the truth stays the truth."""

import numpy as np
import pytest

from agent.errors import PolicyError
from agent.evaluate.faults import Lossy, Noisy, Wanderer
from agent.testing import check_policy, check_robot
from agent.types import Subtask
from sim.robot import PANDA, SimRobot

SCENE = {"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue bowl", "at": [0.40, -0.25]}]}


def test_noise_is_as_large_as_asked_and_repeats() -> None:
    robot = SimRobot(SCENE, seed=0)
    noisy = Noisy(robot, 0.003, seed=4)
    row = np.array([*robot.observe(()).state[7:13], 1.0], np.float32)
    errors = []
    for _ in range(60):
        seen, again, true = noisy.observe(()), noisy.observe(()), robot.observe(())
        assert seen.scene == again.scene and np.array_equal(seen.state, again.state)
        assert seen.scene is not None and true.scene is not None and seen.scene.facts == true.scene.facts
        errors += np.subtract(seen.scene.find("red block").position, true.scene.find("red block").position).tolist()
        assert seen.scene.find("drawer") == true.scene.find("drawer")
        noisy.apply(row)
    assert np.std(errors) == pytest.approx(0.003, rel=0.2)
    check_robot(noisy, row)
    robot.close()


def test_so_many_answers_are_lost() -> None:
    robot = SimRobot(SCENE, seed=0)
    lossy = Lossy(Wanderer(PANDA), 0.3, seed=1)
    lost = 0
    for _ in range(300):
        try:
            lossy.predict(robot.observe(()), Subtask(skill="", words="do it"))
        except PolicyError:
            lost += 1
    robot.close()
    assert 60 < lost < 120


def test_the_wanderer_is_a_policy_for_the_panda() -> None:
    robot = SimRobot(SCENE, seed=0)
    observation = robot.observe(())
    chunk = check_policy(Wanderer(PANDA, 3), observation, Subtask(skill="", words="put the red block in the blue bowl"))
    again = Wanderer(PANDA, 3).predict(observation, Subtask(skill="", words="something else"))
    assert np.array_equal(chunk.actions, again.actions)
    steps = np.linalg.norm(np.diff(chunk.actions[:, :3], axis=0), axis=1)
    assert steps.max() <= Wanderer.SPEED_M + 1e-6
    robot.close()
