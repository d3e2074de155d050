from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.executor.blend import Ensemble, between

FIXTURES = Path(__file__).parents[1] / "fixtures" / "rdt"


def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / f"{name}.npz") as file:
        return dict(file)


def carried_out(chunks: np.ndarray, m: float) -> np.ndarray:
    ensemble = Ensemble(m)
    return np.stack([ensemble.next(chunk) for chunk in chunks])


@pytest.mark.parametrize("m", [0.01, 0.1, 0.0, -0.05])
def test_ensembling_is_the_published_one(m: float):
    expected = stored("act_temporal_ensemble")
    assert np.allclose(carried_out(expected["chunks"], m), expected[f"lerobot_m{m}_executed"], atol=1e-6)
    if m == 0.01:
        assert np.allclose(carried_out(expected["chunks"], m), expected["act_k0.01_executed"], atol=1e-12)


def test_an_action_of_exactly_zero_counts():
    expected = stored("act_temporal_ensemble")
    ours = carried_out(expected["chunks_with_exact_zeros"], 0.01)
    assert np.allclose(ours, expected["lerobot_m0.01_executed_with_exact_zeros"], atol=1e-6)
    assert not np.allclose(ours, expected["act_k0.01_executed_with_exact_zeros"], atol=1e-3)  # the first implementation dropped those


@given(arrays(np.float64, (9, 4, 2), elements=st.floats(-1, 1)), st.floats(-0.5, 0.5))
@settings(deadline=None)
def test_online_equals_the_weighted_mean_of_all_answers(chunks: np.ndarray, m: float):
    rows = carried_out(chunks, m)
    for t, row in enumerate(rows):
        answers = np.stack([chunks[s, t - s] for s in range(max(0, t - 3), t + 1)])
        weights = np.exp(-m * np.arange(len(answers)))
        assert np.allclose(row, (weights[:, None] * answers).sum(0) / weights.sum())


def test_a_cleared_ensemble_starts_over():
    ensemble = Ensemble()
    first = ensemble.next(np.ones((3, 2)))
    ensemble.next(np.zeros((3, 2)))
    ensemble.clear()
    assert np.array_equal(ensemble.next(np.ones((3, 2))), first)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_interpolation_is_the_published_one(case: int):
    expected = stored("agilex_interpolation")
    limits = np.tile(expected["steps"], 2)
    assert np.allclose(between(expected[f"prev{case}"], expected[f"cur{case}"], limits), expected[f"out{case}"], atol=1e-9)


@given(arrays(np.float64, (2, 3), elements=st.floats(-2, 2)))
def test_no_interpolated_step_passes_its_limit_and_the_last_is_the_target(ends: np.ndarray):
    limits = np.array([0.01, 0.05, 0.2])
    rows = between(ends[0], ends[1], limits)
    assert np.allclose(rows[-1], ends[1])
    assert (np.abs(np.diff(np.vstack([ends[0], rows]), axis=0)) <= limits + 1e-12).all()
