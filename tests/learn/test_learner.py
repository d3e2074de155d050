"""What training draws beside noise: given rows that are off, and how much a sample counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agent.executor.models.small import GREY, Senses, SmallConfig
from agent.executor.models.small_rdt import DROP
from agent.executor.models.small_space import SLOTS
from agent.learn.learner import Batch, Choices, SmallLearner, lit
from tests.executor.models.small_models import tiny_small
from tests.learn.few import Few


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


@pytest.mark.parametrize("family", ["pi0", "rdt"])
def test_a_sample_counts_by_the_way_that_the_network_sees_before_it(family: str) -> None:
    """The way of an answer is that of the demonstration if the answer is; the weight knows of no other."""
    data, rates = Few(48), [20, 10] * 4 if family == "rdt" else [20] * 8
    config = replace(SmallConfig(vocab=32, stem=(8, 8), width=32, depth=4, heads=2, mlp=48, steps=3), family=family)
    learner = SmallLearner.fresh(data, config, Choices(near=0.02), seed=1)
    batch = data.batch(np.arange(8))
    answers, counts = learner.targets(batch, rates)
    went = np.linalg.norm(batch["chunk"][:, :16, :3] - batch["state"][:, None, 7:10], axis=-1)
    for sample, rate in enumerate(rates):
        way = went[sample, 20 // rate - 1 :: 20 // rate].mean()
        assert float(learner.way(answers, rates)[sample]) == pytest.approx(way, rel=1e-3)
        torch.testing.assert_close(learner.weigh(counts, rates)(answers)[sample], counts[sample] / (0.02 + way), rtol=1e-3, atol=1e-5)


def test_a_lost_view_is_that_of_a_missing_camera_and_nothing_is_pointed_at_in_it() -> None:
    data = Few(48)
    config = SmallConfig(vocab=32, stem=(8, 8), width=32, depth=4, heads=2, mlp=48, steps=3)
    learner = SmallLearner.fresh(data, config, Choices(), seed=1)
    batch = dict(data.batch(np.arange(8)))
    lost = torch.tensor([[False, True]] * 8)
    senses = learner.senses(batch, torch.Generator().manual_seed(0), lost)
    blind = torch.full_like(senses.images[:, 1], GREY, dtype=torch.uint8)
    torch.testing.assert_close(senses.images[:, 1], lit(blind[:, None], 0.0, torch.Generator())[:, 0])
    assert senses.images[:, 0].std() > 0.1
    pointing = learner.looked(senses)
    before = learner.pointed(pointing, batch, lost)
    for view, same in ((1, True), (0, False)):
        moved = batch["points"].copy()
        moved[:, view] = 0.1, 0.9, 1.0
        assert torch.equal(learner.pointed(pointing, {**batch, "points": moved}, lost), before) == same


@pytest.mark.parametrize(("family", "share"), [("pi0", 0.3), ("rdt", DROP)])
def test_views_are_lost_as_often_as_chosen_and_in_rdt_as_published(family: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = views_lost(family, Choices(lost_views=0.3), monkeypatch)
    assert float(gone.float().mean()) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("family", ["pi0", "rdt"])
def test_one_camera_may_be_lost_more_often(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = views_lost(family, Choices(lost_views=0.1, lost={"wrist": 0.5}), monkeypatch)
    assert gone.float().mean(0).tolist() == [pytest.approx(0.1, abs=0.05), pytest.approx(0.5, abs=0.08)]


def views_lost(family: str, choices: Choices, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Which pictures of 480 samples a training step takes away, bool[480, 2]."""
    data, config = Few(48), replace(SmallConfig(vocab=32, stem=(8, 8), width=32, depth=4, heads=2, mlp=48, steps=3), family=family)
    learner = SmallLearner.fresh(data, config, choices, seed=1)
    batch, lost = data.batch(np.arange(48).repeat(10)), list[torch.Tensor]()
    inner = learner.senses

    def watched(batch: Batch, generator: torch.Generator | None = None, gone: torch.Tensor | None = None) -> Senses:
        assert gone is not None
        lost.append(gone)
        return inner(batch, generator, gone)

    monkeypatch.setattr(learner, "senses", watched)
    learner.loss(batch, torch.Generator().manual_seed(0))
    return lost[0]
