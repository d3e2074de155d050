from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.executor.rotation import (
    composed,
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_six,
    matrix_from_vector,
    six_from_matrix,
    vector_from_matrix,
)

with np.load(Path(__file__).parents[1] / "fixtures" / "rdt" / "rot6d.npz") as stored:
    ROT6D = dict(stored)

VECTORS = arrays(np.float64, (4, 3), elements=st.floats(-10, 10))


def test_published_conversions_are_ours():
    assert np.allclose(matrix_from_euler(ROT6D["euler_xyz"]), ROT6D["rotmat"], atol=1e-12)
    assert np.allclose(six_from_matrix(ROT6D["rotmat"]), ROT6D["ortho6d"], atol=1e-12)
    assert np.allclose(matrix_from_six(ROT6D["ortho6d"]), ROT6D["rotmat_back"], atol=1e-12)
    assert np.allclose(euler_from_matrix(ROT6D["rotmat_back"]), ROT6D["euler_back"], atol=1e-12)
    assert np.allclose(matrix_from_six(ROT6D["ortho6d_unnormalised"]), ROT6D["rotmat_from_unnormalised"], atol=1e-12)


@given(VECTORS)
def test_every_form_leads_back_to_the_same_rotation(vectors: np.ndarray):
    matrices = matrix_from_vector(vectors)
    assert np.allclose(matrices @ np.swapaxes(matrices, -1, -2), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(matrices), 1)
    assert np.allclose(matrix_from_vector(vector_from_matrix(matrices)), matrices, atol=1e-9)
    assert np.allclose(matrix_from_six(six_from_matrix(matrices)), matrices, atol=1e-12)
    assert np.allclose(matrix_from_euler(euler_from_matrix(matrices)), matrices, atol=1e-9)


@given(arrays(np.float64, 3, elements=st.floats(-1.8, 1.8)))
def test_short_vectors_come_back_themselves(vector: np.ndarray):
    assert np.allclose(vector_from_matrix(matrix_from_vector(vector)), vector, atol=1e-9)


def test_a_half_turn_keeps_its_axis():
    for axis in np.eye(3):
        vector = vector_from_matrix(matrix_from_vector(np.pi * axis))
        assert np.allclose(np.abs(vector), np.pi * axis, atol=1e-7)


@given(arrays(np.float64, 3, elements=st.floats(-10, 10)), arrays(np.float64, 3, elements=st.floats(-10, 10)))
def test_composing_vectors_is_multiplying_matrices(a: np.ndarray, b: np.ndarray):
    vector = composed(a, b)
    assert np.linalg.norm(vector) <= np.pi + 1e-9
    assert np.allclose(matrix_from_vector(vector), matrix_from_vector(a) @ matrix_from_vector(b), atol=1e-9)
    assert np.allclose(matrix_from_vector(composed(a, -a)), np.eye(3), atol=1e-9)
