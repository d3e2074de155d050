"""Kinematics: against Bullet's own, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import kinematics
from sim.meshes import panda_urdf
from sim.world import World

VECTOR = st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3).map(np.array)


def test_forward_agrees_with_bullet() -> None:
    world = World(0)
    body = world.load("robot", str(panda_urdf()), (0, 0, 0), fixed=True)
    for joints in np.random.default_rng(1).uniform(kinematics.LOWER, kinematics.UPPER, size=(20, 7)):
        for index, angle in enumerate(joints):
            world.bullet.resetJointState(body, index, angle)
        state = world.bullet.getLinkState(body, 11, computeForwardKinematics=1)
        turn = np.array(world.bullet.getMatrixFromQuaternion(state[5])).reshape(3, 3)
        position, rotation = kinematics.forward(joints)
        np.testing.assert_allclose(position, state[4], atol=1e-6)
        np.testing.assert_allclose(rotation, turn, atol=1e-6)
    world.close()


@given(VECTOR)
def test_rotation_vectors_come_back(vector: np.ndarray) -> None:
    matrix = kinematics.rotation(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    back = kinematics.rotation_vector(matrix)
    assert np.linalg.norm(back) <= np.pi + 1e-9
    np.testing.assert_allclose(kinematics.rotation(back), matrix, atol=1e-9)


def test_half_turns_have_a_vector() -> None:
    for axis in np.eye(3):
        matrix = kinematics.rotation(np.pi * axis)
        np.testing.assert_allclose(kinematics.rotation(kinematics.rotation_vector(matrix)), matrix, atol=1e-9)


@settings(max_examples=40)
@given(st.floats(0.35, 0.60), st.floats(-0.4, 0.4), st.floats(0.02, 0.35), st.floats(-0.8, 0.8))
def test_the_table_is_in_reach_from_above(x: float, y: float, z: float, yaw: float) -> None:
    turn = kinematics.rotation(np.array([0, 0, yaw])) @ kinematics.DOWN
    solution = kinematics.inverse(kinematics.REST, np.array([x, y, z]), turn, iterations=200)
    assert solution.error_m < 1e-3 and solution.error_rad < 5e-3
    assert (solution.joints >= kinematics.LOWER).all() and (solution.joints <= kinematics.UPPER).all()
    position, rotation = kinematics.forward(solution.joints)
    np.testing.assert_allclose(position, [x, y, z], atol=1e-3)
    np.testing.assert_allclose(rotation, turn, atol=1e-2)


@pytest.mark.parametrize("far", [(1.2, 0.0, 0.3), (0.0, 0.0, 1.6), (0.85, 0.4, 0.02)])
def test_what_is_out_of_reach_leaves_an_error(far: tuple[float, float, float]) -> None:
    assert kinematics.inverse(kinematics.REST, np.array(far), kinematics.DOWN).error_m > 0.02
