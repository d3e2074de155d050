"""Intervals, against what is known of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluate.statistics import bootstrap, paired, wilson


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_rate_and_mirrors(n: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, n))
    low, high = wilson(done, n)
    assert 0.0 <= low <= done / n <= high <= 1.0
    other_low, other_high = wilson(n - done, n)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high))


def test_wilson_by_the_book() -> None:
    """80 % at n = 20, 100 and 400: 58 to 92, 71 to 87, 76 to 84."""
    assert [tuple(round(100 * bound) for bound in wilson(done, n)) for done, n in ((16, 20), (80, 100), (320, 400))] == [
        (58, 92), (71, 87), (76, 84),
    ]  # fmt: skip
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilson_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [low <= 0.85 <= high for low, high in (wilson(int(k), 60) for k in rng.binomial(60, 0.85, 3000))]
    assert 0.93 < np.mean(covered) < 0.98


def test_the_bootstrap_holds_the_mean_narrows_and_repeats() -> None:
    rng = np.random.default_rng(1)
    few, many = rng.integers(0, 6, 20).tolist(), rng.integers(0, 6, 500).tolist()
    for values in (few, many):
        low, high = bootstrap(values)
        assert low <= np.mean(values) <= high and (low, high) == bootstrap(values)
    assert np.diff(bootstrap(many)) < np.diff(bootstrap(few))
    assert bootstrap([3.0] * 9) == (3.0, 3.0)


def test_pairing_takes_out_what_the_seeds_share() -> None:
    rng = np.random.default_rng(2)
    hard = rng.uniform(0, 5, 60)
    by, low, high = paired((hard + 0.3).tolist(), hard.tolist())
    assert by == pytest.approx(0.3) and low == pytest.approx(0.3) and high == pytest.approx(0.3)
