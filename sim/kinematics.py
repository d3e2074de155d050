"""The Panda's kinematics as pure functions: forward, and inverse by damped least squares with a posture in the null space.

Poses are those of the tool centre point (TCP), midway between the finger pads, in the world frame (the robot's base), m. Its axes:
z out of the hand, y along the finger travel. The joint frames are those of the URDF (modified Denavit–Hartenberg), the limits
those of Franka's data sheet. Damped least squares: Nakamura & Hanafusa 1986; null-space posture: Liégeois 1977.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
REST = np.array([0.0, -0.55, 0.0, -2.45, 0.0, 1.95, np.pi / 4])
"""The posture that the null space leans to: elbow up, in the robot's own plane."""
DOWN = np.diag([1.0, -1.0, -1.0])
"""R_world_tcp of a tool that points straight down, with the fingers opening along world y."""
TCP_OFFSET = 0.107 + 0.105
CLOSE_M, CLOSE_RAD = 1e-4, 1e-3
DAMPING = 0.02
MAX_STEP = 0.25
LEAN, FAR_M = 0.05, 0.005
"""Share of the way to REST per iteration; not in the last few millimetres, where it would only disturb convergence."""
LIMIT_MARGIN = 0.005
LOWEST, UPMOST = LOWER + LIMIT_MARGIN, UPPER - LIMIT_MARGIN
DAMPED = DAMPING**2 * np.eye(6)


def _frames() -> NDArray[np.float64]:
    """T_parent_joint of the seven joints at zero, float64[7, 4, 4]."""
    turn = np.pi / 2
    rows = [(0, 0, 0, 0.333), (-turn, 0, 0, 0), (turn, 0, -0.316, 0), (turn, 0.0825, 0, 0)]
    rows += [(-turn, -0.0825, 0.384, 0), (turn, 0, 0, 0), (turn, 0.088, 0, 0)]
    frames = np.zeros((7, 4, 4))
    for frame, (roll, x, y, z) in zip(frames, rows, strict=True):
        cos, sin = round(float(np.cos(roll))), round(float(np.sin(roll)))
        frame[:] = np.array([[1, 0, 0, x], [0, cos, -sin, y], [0, sin, cos, z], [0, 0, 0, 1]], dtype=float)
    return frames


FRAMES = _frames()
HAND = np.eye(4)
HAND[:2, :2] = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
HAND[2, 3] = TCP_OFFSET


class Solution(NamedTuple):
    joints: Vector
    """float64[7], rad."""
    error_m: float
    error_rad: float


def rotation(vector: Vector) -> NDArray[np.float64]:
    """exp: rotation vector float[3], rad, to a rotation matrix float64[3, 3] (Rodrigues)."""
    angle = float(np.sqrt(vector @ vector))
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=float)
    if angle < 1e-8:
        return np.eye(3) + cross
    return np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross


def rotation_vector(matrix: NDArray[np.float64]) -> Vector:
    """log: rotation matrix to the rotation vector float64[3] of at most π rad; by way of the quaternion, so exact near π too."""
    m = matrix
    four = np.array([1 + m[0, 0] + m[1, 1] + m[2, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2],
                     1 - m[0, 0] + m[1, 1] - m[2, 2], 1 - m[0, 0] - m[1, 1] + m[2, 2]])  # fmt: skip
    rows = [[four[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], four[1], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], four[2], m[2, 1] + m[1, 2]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], four[3]]]  # fmt: skip
    quaternion = np.array(rows[int(np.argmax(four))])
    quaternion /= np.sqrt(quaternion @ quaternion)
    if quaternion[0] < 0:
        quaternion = -quaternion
    length = float(np.sqrt(quaternion[1:] @ quaternion[1:]))
    if length < 1e-12:
        return np.zeros(3)
    return quaternion[1:] * (2 * np.arctan2(length, quaternion[0]) / length)


def _chain(joints: Vector) -> NDArray[np.float64]:
    """T_world_joint of the seven joints and of the TCP, float64[8, 4, 4]."""
    cos, sin = np.cos(joints)[:, None], np.sin(joints)[:, None]
    local = FRAMES.copy()
    local[:, :, 0] = FRAMES[:, :, 0] * cos + FRAMES[:, :, 1] * sin
    local[:, :, 1] = FRAMES[:, :, 1] * cos - FRAMES[:, :, 0] * sin
    chain = np.empty((8, 4, 4))
    pose = chain[0] = local[0]
    for index in range(1, 7):
        pose = pose @ local[index]
        chain[index] = pose
    chain[7] = pose @ HAND
    return chain


def forward(joints: Vector) -> tuple[Vector, NDArray[np.float64]]:
    """Joint angles float[7], rad, to the TCP's position float64[3] and rotation float64[3, 3]."""
    pose = _chain(np.asarray(joints, dtype=float))[7]
    return pose[:3, 3], pose[:3, :3]


def _jacobian(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric Jacobian of the TCP in the world frame, float64[6, 7]."""
    axes, arms = chain[:7, :3, 2], chain[7, :3, 3] - chain[:7, :3, 3]
    jacobian = np.empty((6, 7))
    jacobian[0] = axes[:, 1] * arms[:, 2] - axes[:, 2] * arms[:, 1]
    jacobian[1] = axes[:, 2] * arms[:, 0] - axes[:, 0] * arms[:, 2]
    jacobian[2] = axes[:, 0] * arms[:, 1] - axes[:, 1] * arms[:, 0]
    jacobian[3:] = axes.T
    return jacobian


def inverse(start: Vector, position: Vector, turn: NDArray[np.float64], iterations: int = 60) -> Solution:
    """Joint angles, within the limits, that bring the TCP to a pose; `start` float[7] is where the search begins.

    Stops at 0.1 mm and 1 mrad, or after `iterations`; the caller judges the errors that are left.
    """
    joints = np.minimum(np.maximum(start, LOWEST), UPMOST)
    error = np.empty(6)
    for iteration in range(iterations):
        chain = _chain(joints)
        error[:3] = position - chain[7, :3, 3]
        error[3:] = rotation_vector(turn @ chain[7, :3, :3].T)
        if error[:3] @ error[:3] < CLOSE_M**2 and error[3:] @ error[3:] < CLOSE_RAD**2:
            break
        jacobian = _jacobian(chain)
        lean = LEAN * (REST - joints) if iteration == 0 or error[:3] @ error[:3] > FAR_M**2 else np.zeros(7)
        damped = jacobian @ jacobian.T + DAMPED
        step = lean + jacobian.T @ np.linalg.solve(damped, error - jacobian @ lean)
        step *= min(1.0, MAX_STEP / float(np.abs(step).max()))
        joints = np.minimum(np.maximum(joints + step, LOWEST), UPMOST)
    return Solution(joints, float(np.sqrt(error[:3] @ error[:3])), float(np.sqrt(error[3:] @ error[3:])))
