"""Rotations in the forms policies speak: vectors, matrices, six numbers, angles. All work on any leading axes, in float64.

A matrix R turns coordinates of the rotated frame into coordinates of the fixed one: its columns are the rotated axes.
"""

from math import atan2, cos, hypot, sin

import numpy as np

from agent.types import Array

DOWN = np.diag([1.0, -1.0, -1.0])
"""A tool that points straight down, fingers opening along world y."""


def matrix_from_vector(vector: Array) -> Array:
    """Rotation vector [..., 3], rad → matrix [..., 3, 3] (Rodrigues)."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*vector.shape[:-1], 3, 3)
    half = np.sinc(angle / (2 * np.pi))
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * half**2 * (cross @ cross)


def vector_from_matrix(matrix: Array) -> Array:
    """Matrix [..., 3, 3] → rotation vector [..., 3] of at most π rad; at exactly π, one of the two."""
    matrix = np.asarray(matrix, np.float64)
    w, x, y, z = np.moveaxis(_quaternion(matrix), -1, 0)
    xyz = np.stack([x, y, z], axis=-1)
    sine = np.linalg.norm(xyz, axis=-1)
    small = sine < 1e-12
    scale = np.where(small, 2.0, 2 * np.arctan2(sine, w) / np.where(small, 1.0, sine))
    return xyz * scale[..., None]


def composed(a: Array, b: Array) -> Array:
    """The rotation vector of R_a R_b, of at most π rad; a and b are rotation vectors [3]. By quaternions of plain numbers: executors ask
    for this several times a tick."""
    (aw, ax, ay, az), (bw, bx, by, bz) = _quaternion_of(a), _quaternion_of(b)
    w = aw * bw - ax * bx - ay * by - az * bz
    x = aw * bx + ax * bw + ay * bz - az * by
    y = aw * by + ay * bw + az * bx - ax * bz
    z = aw * bz + az * bw + ax * by - ay * bx
    sine, sign = hypot(x, y, z), -1.0 if w < 0 else 1.0
    scale = sign * (2 * atan2(sine, sign * w) / sine if sine > 1e-12 else 2.0)
    return np.array([scale * x, scale * y, scale * z])


def _quaternion_of(vector: Array) -> tuple[float, float, float, float]:
    """The unit quaternion w, x, y, z of a rotation vector."""
    x, y, z = map(float, vector)
    angle = hypot(x, y, z)
    share = sin(angle / 2) / angle if angle > 1e-12 else 0.5
    return cos(angle / 2), share * x, share * y, share * z


def _quaternion(matrix: Array) -> Array:
    """(w, x, y, z) with w ≥ 0: column of the outer product q qᵀ with the largest diagonal, so that nothing small is divided by."""
    m = matrix
    trace = np.trace(m, axis1=-2, axis2=-1)
    outer = np.empty((*m.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1 + trace
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        outer[..., i + 1, i + 1] = 1 + 2 * m[..., i, i] - trace
        outer[..., 0, i + 1] = outer[..., i + 1, 0] = m[..., k, j] - m[..., j, k]
        outer[..., j + 1, k + 1] = outer[..., k + 1, j + 1] = m[..., j, k] + m[..., k, j]
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    unit = row / np.linalg.norm(row, axis=-1, keepdims=True)
    return np.where(unit[..., :1] < 0, -unit, unit)


def six_from_matrix(matrix: Array) -> Array:
    """[..., 3, 3] → [..., 6]: first column, then second (Zhou et al. 2019; RDT's eef_angle_0 … 5)."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def matrix_from_six(six: Array) -> Array:
    """[..., 6], in general not orthogonal → [..., 3, 3]: x along the first three, z across both, y = z × x."""
    six = np.asarray(six, np.float64)
    x = _unit(six[..., :3])
    z = _unit(np.cross(x, six[..., 3:]))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def matrix_from_euler(angles: Array) -> Array:
    """Roll, pitch, yaw [..., 3] about the fixed x, then y, then z axis, rad → [..., 3, 3]."""
    x, y, z = (matrix_from_vector(angles[..., i : i + 1] * np.eye(3)[i]) for i in range(3))
    return z @ y @ x


def euler_from_matrix(matrix: Array) -> Array:
    """The inverse, pitch in [−π/2, π/2]."""
    roll = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    pitch = np.arctan2(-matrix[..., 2, 0], np.hypot(matrix[..., 2, 1], matrix[..., 2, 2]))
    yaw = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return np.stack([roll, pitch, yaw], axis=-1)


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)
