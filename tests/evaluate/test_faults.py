"""Trouble with cameras, time and answers: as much as asked for, the same for the same seed, and the truth stays the truth."""

import numpy as np
import pytest

from agent.errors import PolicyError
from agent.evaluate.faults import DEGREE_M, GREY_M, Blinking, Blurred, LateArm, LateEyes, Lossy, Wanderer, shifted, troubled
from agent.evaluate.protocol import Cameras, Fault
from agent.testing import check_policy, check_robot
from agent.types import Robot, Subtask
from sim.disturb import ToggleLight, When
from sim.robot import PANDA, SimRobot

SCENE = {"things": [{"name": "red block", "at": [0.45, 0.0]}, {"name": "blue bowl", "at": [0.40, -0.25]}]}


def still(robot: Robot) -> np.ndarray:
    return np.array([*robot.observe(()).state[7:13], 1.0], np.float32)


def test_camera_noise_is_as_large_as_declared_and_repeats() -> None:
    robot = SimRobot(SCENE, seed=0)
    noisy, row = Blurred(robot, Cameras(noise=12), seed=4), still(robot)
    errors: list[float] = []
    for _ in range(60):
        seen, again, true = noisy.observe(()), noisy.observe(()), robot.observe(())
        assert seen.scene == again.scene and np.array_equal(seen.state, true.state)
        assert seen.scene is not None and true.scene is not None and seen.scene.facts == true.scene.facts
        errors += np.subtract(seen.scene.find("red block").position, true.scene.find("red block").position).tolist()
        noisy.apply(row)
    assert np.std(errors) == pytest.approx(12 * GREY_M, rel=0.2)
    seen_image, image = noisy.observe(["wrist"]).images["wrist"].astype(int), robot.observe(["wrist"]).images["wrist"]
    middle = (image > 40) & (image < 215)
    assert np.std((seen_image - image)[middle]) == pytest.approx(12, rel=0.1)
    check_robot(noisy, row)
    robot.close()


def test_a_camera_that_is_turned_shows_things_beside_where_they_are() -> None:
    robot = SimRobot(SCENE, seed=0)
    turned = Blurred(robot, Cameras(shift_deg=1.0), seed=4)
    seen, true = turned.observe(("front",)), robot.observe(("front",))
    assert seen.scene is not None and true.scene is not None
    offs = [np.subtract(seen.scene.find(name).position, true.scene.find(name).position) for name in ("red block", "drawer", "button")]
    assert pytest.approx(0.0206, abs=1e-4) == DEGREE_M
    assert all(np.allclose(off, offs[0]) and np.hypot(*off[:2]) == pytest.approx(DEGREE_M) for off in offs)
    right, down = (round(float(way) * 224 / 46) for way in turned.way[:2])
    assert np.array_equal(seen.images["front"], shifted(true.images["front"], right, down))
    robot.close()


def test_a_picture_is_moved_and_its_border_drawn_out() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(shifted(image, 1, 0), image[:, [0, 0]]) and np.array_equal(shifted(image, 0, -1), image[[1, 1]])


@pytest.mark.parametrize("cameras", [Cameras(out_s=0.5), Cameras(stuck_s=0.5)])
def test_cameras_go_out_or_get_stuck_for_so_long_and_come_back(cameras: Cameras) -> None:
    robot = SimRobot({**SCENE, "light": "dark"}, seed=0, disturbances=(ToggleLight(when=When(tick=62)),))
    blinking = Blinking(robot, cameras, seed=0, holds=True)
    blinking.first = 60
    lit, black, moved = [], [], []
    x = still(robot)
    for tick in range(90):
        seen = blinking.observe(("wrist",))
        assert seen.scene is not None and seen.scene.tick == seen.tick == tick
        lit.append(seen.scene.has("lit", "light"))
        black.append(not seen.images["wrist"].any())
        x[0] -= 0.002
        moved.append(not np.array_equal(blinking.apply(x), x))
    assert lit.index(True) == 70, "the scene is old for half a second"
    assert [tick for tick, dark in enumerate(black) if dark] == (list(range(60, 70)) if cameras.out_s else [])
    assert [tick for tick, held in enumerate(moved) if held] == (list(range(60, 70)) if cameras.out_s else [])
    check_robot(blinking, still(robot))
    robot.close()


def test_a_robot_whose_policy_sees_pictures_goes_on_blindly() -> None:
    robot = SimRobot(SCENE, seed=0)
    blinking = Blinking(robot, Cameras(out_s=0.5), seed=0, holds=False)
    blinking.first, x = 2, still(robot)
    for _ in range(8):
        blinking.observe(())
        x[0] -= 0.002
        assert np.array_equal(blinking.apply(x), x)
    robot.close()


def test_late_eyes_see_what_was_so_many_ticks_ago() -> None:
    robot = SimRobot(SCENE, seed=0)
    late, x, states = LateEyes(robot, 3), still(robot), []
    for tick in range(12):
        states.append(robot.observe(()).state)
        seen = late.observe(())
        assert seen.tick == tick and np.array_equal(seen.state, states[max(0, tick - 3)])
        assert seen.scene is not None and seen.scene.tick == tick
        x[0] -= 0.01
        late.apply(x)
    assert late.observe(("wrist",)).images["wrist"].shape == (128, 128, 3)
    check_robot(late, still(robot))
    robot.close()


def test_a_late_arm_does_what_was_commanded_so_many_ticks_ago_and_stops_at_once() -> None:
    robot, direct = SimRobot(SCENE, seed=0), SimRobot(SCENE, seed=0)
    late, start = LateArm(robot, 4), still(robot)
    rows = [start + np.array([-0.01 * i, 0, 0, 0, 0, 0, 0], np.float32) for i in range(1, 9)]
    for row in rows:
        assert np.array_equal(late.apply(row), row)
    for row in [start] * 4 + rows[:4]:
        direct.apply(row)
    assert np.array_equal(robot.observe(()).state, direct.observe(()).state)
    assert late.stop()
    assert np.allclose(late._here(start)[:3], robot.observe(()).state[7:10])
    check_robot(late, still(robot))
    robot.close(), direct.close()


def test_nothing_is_put_around_a_robot_with_which_nothing_is_wrong() -> None:
    robot = SimRobot(SCENE, seed=0)
    assert troubled(robot, Fault(), 0, True) is robot
    fault = Fault(cameras=Cameras(noise=1, out_s=1), see_ticks=1, act_ticks=1)
    around = troubled(robot, fault, 0, True)
    kinds = []
    while around is not robot:
        kinds.append(type(around))
        around = around.robot  # type: ignore[attr-defined]
    assert kinds == [LateArm, LateEyes, Blinking, Blurred]
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
