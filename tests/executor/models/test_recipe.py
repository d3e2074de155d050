import json
from pathlib import Path

import numpy as np
import pytest

from agent.executor.models.recipe import Recipe, RunningStats

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pi0"


@pytest.mark.parametrize(("step", "rate"), json.loads((FIXTURES / "unit_fixtures.json").read_text())["lr_default"].items())
def test_the_learning_rate_is_that_recorded(step: str, rate: float) -> None:
    assert Recipe().learning_rate(int(step)) == pytest.approx(rate, rel=1e-5)


def test_running_statistics_are_those_recorded() -> None:
    numbers = np.load(FIXTURES / "unit_fixtures.npz")
    running = RunningStats()
    for batch in numbers["stats/batches"]:
        running.add(batch)
    stats = running.stats()
    for name in ("mean", "std", "q01", "q99"):
        np.testing.assert_allclose(getattr(stats, name), numbers[f"stats/{name}"], rtol=1e-9, err_msg=name)


def test_running_quantiles_approach_the_true_ones() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 500, 2)) * [1, 30]
    running = RunningStats()
    for batch in rows:
        running.add(batch)
    truth = np.quantile(rows.reshape(-1, 2), [0.01, 0.99], axis=0)
    np.testing.assert_allclose([running.stats().q01, running.stats().q99], truth, rtol=0.02)


def test_one_row_is_too_few() -> None:
    with pytest.raises(ValueError, match="two rows"):
        RunningStats().stats()
