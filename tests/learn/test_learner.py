"""What training draws beside noise: given rows that are off."""

import pytest
import torch

from agent.executor.models.small_space import SLOTS
from agent.learn.learner import Choices, SmallLearner
from tests.executor.models.small_models import tiny_small


@pytest.mark.parametrize("family", ["pi0", "pi0-small", "rdt"])
def test_given_rows_go_astray_more_and_more_and_in_place_alone(family: str) -> None:
    learner = SmallLearner(tiny_small(family), Choices(astray=0.3))
    given = torch.tensor([0, 1, 4, 8] * 200)
    off = learner.astray(given, torch.Generator().manual_seed(0))
    assert off.shape == (800, 32, learner.small.space.width)
    place = [0, 1, 2, 3] if family != "rdt" else SLOTS[:3]
    elsewhere = [number for number in range(off.shape[2]) if number not in place]
    assert not off[..., elsewhere].any() and off[..., place].any()
    for rows in (1, 4, 8):
        mine = off[given == rows][..., place]
        torch.testing.assert_close(mine[:, 0], mine[:, rows - 1] / rows)
        assert 0.1 < float(mine[:, rows - 1].std()) < 0.3  # normal, its deviation drawn between 0 and 0.3
    assert torch.equal(off, learner.astray(given, torch.Generator().manual_seed(0)))
    assert not SmallLearner(tiny_small(family), Choices(astray=0.0)).astray(given, torch.Generator()).any()
