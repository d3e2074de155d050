from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.errors import WrongShape
from agent.executor.models.action_tokens import CENTRES, EDGES, Quantiles, from_tokens, to_tokens

with np.load(Path(__file__).parents[2] / "fixtures" / "rdt" / "openvla_tokens.npz") as stored:
    PUBLISHED = dict(stored)
QUANTILES = Quantiles(PUBLISHED["un_q01"], PUBLISHED["un_q99"], PUBLISHED["un_mask"])


def test_tokens_are_the_published_ones():
    assert np.allclose(EDGES, PUBLISHED["bins"]) and np.allclose(CENTRES, PUBLISHED["bin_centers"])
    assert np.array_equal(to_tokens(PUBLISHED["values"]), PUBLISHED["token_ids"])
    assert np.allclose(from_tokens(PUBLISHED["token_ids"]), PUBLISHED["decoded"])
    assert np.allclose(from_tokens(PUBLISHED["probe_ids"]), PUBLISHED["probe_decoded"])


def test_scaling_is_the_published_one():
    assert np.allclose(QUANTILES.unnormalise(from_tokens(PUBLISHED["un_token_ids"])), PUBLISHED["un_actions"])
    assert np.allclose(QUANTILES.normalise(PUBLISHED["norm_raw"]), PUBLISHED["norm_out"])


@given(arrays(np.float64, 7, elements=st.floats(-1, 1)))
def test_a_round_trip_is_off_by_less_than_half_an_interval(values: np.ndarray):
    ids = to_tokens(values)
    assert ((ids >= 31744) & (ids <= 31999)).all()
    assert np.abs(from_tokens(ids) - values).max() <= 1 / 255 + 1e-12


@given(arrays(np.float64, 7, elements=st.floats(-0.25, 1)))
def test_scaling_comes_back(shares: np.ndarray):
    actions = QUANTILES.low + np.clip(shares, 0, 1) * (QUANTILES.high - QUANTILES.low)
    actions[6] = 3 * shares[6]  # a gripper passes as it is, however large
    assert np.allclose(QUANTILES.unnormalise(QUANTILES.normalise(actions)), actions, atol=1e-7)


def test_a_number_that_never_varied_becomes_zero():
    still = Quantiles(np.array([0.3]), np.array([0.3]), np.array([True]))
    assert still.normalise(np.array([0.7])) == 0 and still.unnormalise(np.array([0.0])) == pytest.approx(0.3)


def test_quantiles_of_unequal_width_are_refused():
    with pytest.raises(WrongShape, match="quantiles' 'high'"):
        Quantiles(np.zeros(7), np.ones(6), np.ones(7, bool))
