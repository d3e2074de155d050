"""How training paces itself."""

import pytest
import torch
from torch import nn

from agent.learn.schedule import Average, choose_precision, learning_rate


def test_the_rate_climbs_then_falls_to_its_floor() -> None:
    climb = [learning_rate(1.0, step, 0.0) for step in range(300)]
    assert climb == sorted(climb) and climb[0] == pytest.approx(1 / 200) and climb[-1] == 1
    fall = [learning_rate(1.0, 1000, progress / 100) for progress in range(101)]
    assert fall == sorted(fall, reverse=True) and fall[-1] == pytest.approx(0.02) and learning_rate(1.0, 1000, 1.5) == fall[-1]


def test_the_average_follows_the_weights_and_forgets_how_they_began() -> None:
    model = nn.Linear(3, 2)
    average = Average(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(2.0)
    for step in range(200):
        average.update(model, step)
    torch.testing.assert_close(average.tensors(model)["weight"], torch.full((2, 3), 2.0), atol=1e-4, rtol=0)
    with torch.no_grad():
        model.weight.fill_(3.0)
    average.update(model, 200)
    torch.testing.assert_close(average.tensors(model)["weight"], torch.full((2, 3), 2.1), atol=1e-3, rtol=0)


def test_precision_is_what_was_asked_for_or_what_is_faster() -> None:
    assert choose_precision("float32", "cuda") == torch.float32 and choose_precision("bfloat16", "cpu") == torch.bfloat16
    assert choose_precision("auto", "cuda") == torch.bfloat16 and choose_precision("auto", "cpu") in (torch.float32, torch.bfloat16)
