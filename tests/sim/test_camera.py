"""Cameras show what is there, where it is, in its colour."""

import numpy as np
import pytest

from sim.camera import CAMERAS
from sim.robot import SimRobot
from tests.sim.driver import Driver

BLOCKS = {"things": [{"name": "red block", "at": [0.5, -0.15]}, {"name": "blue block", "at": [0.5, 0.1]}]}


def where(image: np.ndarray, channel: int) -> tuple[float, float]:
    """Mean row and column of the pixels in which one channel stands out; px."""
    others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(image[:, :, channel].astype(int) - others > 60)
    assert len(rows) > 20
    return float(rows.mean()), float(columns.mean())


def test_the_front_camera_has_the_robots_left_on_the_left_and_far_above_near() -> None:
    image = SimRobot({**BLOCKS, "button": False}).observe(["front"]).images["front"]
    (_, red), (_, blue) = where(image, 0), where(image, 2)
    assert blue < red
    near = SimRobot({"things": [{"name": "red block", "at": [0.35, -0.1]}], "button": False}).observe(["front"]).images["front"]
    far = SimRobot({"things": [{"name": "red block", "at": [0.58, -0.1]}], "button": False}).observe(["front"]).images["front"]
    assert where(far, 0)[0] < where(near, 0)[0]


def test_the_wrist_camera_sees_what_is_between_the_fingers() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.5, 0.0], "yaw": 0.0}], "button": False})
    Driver(robot).to(0.5, 0.0, 0.08)
    image = robot.observe(["wrist"]).images["wrist"]
    row, column = where(image, 0)
    assert abs(column - image.shape[1] / 2) < 10
    assert row > image.shape[0] / 3


@pytest.mark.parametrize("camera", ["front", "studio"])
def test_a_lit_light_looks_lit(camera: str) -> None:
    dark, lit = (SimRobot({"things": [], "light": light}).observe([camera]).images[camera] for light in ("dark", "lit"))
    changed = np.abs(lit.astype(int) - dark).sum(axis=2) > 90
    assert 10 < changed.sum() < 0.01 * changed.size
    assert lit[changed].mean() > dark[changed].mean() + 50


def test_the_open_drawer_is_seen() -> None:
    closed, opened = (SimRobot({"things": [], "drawer": drawer}).observe(["front"]).images["front"] for drawer in ("closed", "open"))
    assert (np.abs(opened.astype(int) - closed).sum(axis=2) > 60).sum() > 500


def test_pictures_are_bright_and_repeatable() -> None:
    first, second = SimRobot(seed=5).observe().images, SimRobot(seed=5).observe().images
    for name, camera in CAMERAS.items():
        assert first[name].shape == (camera.height, camera.width, 3) and first[name].dtype == np.uint8
        assert np.array_equal(first[name], second[name])
        assert 90 < first[name].mean() < 225
        assert first[name].flags.writeable or first[name].flags.c_contiguous


def test_a_shadow_lies_beside_a_lifted_block() -> None:
    robot = SimRobot({"things": [{"name": "red block", "at": [0.45, -0.2]}], "drawer": "none", "button": False})
    bare = SimRobot({"things": [], "drawer": "none", "button": False}).observe(["front"]).images["front"]
    image = robot.observe(["front"]).images["front"]
    darker = (bare.astype(int) - image).min(axis=2) > 30
    assert darker.sum() > 10
