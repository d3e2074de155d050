import math

import numpy as np
import pytest
import torch
from torch import Tensor

from agent.executor.models.sampling import Guide, euler, flow_times, guide_from, guided_clean, prefix_weights, row_times

H, A = 12, 3


def field_of(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(H * A, 64), torch.nn.Tanh(), torch.nn.Linear(64, H * A)).double()


def velocity(net: torch.nn.Module, x: Tensor) -> Tensor:
    return net(x.flatten(1)).view_as(x)


def guide_of(seed: int, strength: float = 10.0) -> Guide:
    torch.manual_seed(100 + seed)
    return guide_from(torch.randn(2, 8, A, dtype=torch.float64), horizon=H, delay=3, execute=4, strength=strength)


def test_times_are_accumulated_in_float32() -> None:
    times = flow_times(10)
    assert times[0] == 1 and len(times) == 10
    assert times[2] == np.float32(0.79999995) and times[9] == np.float32(0.09999993)
    assert flow_times(4, noise_at=0) == [0.0, 0.25, 0.5, 0.75]
    with pytest.raises(ValueError, match="at least one step"):
        flow_times(0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("guided", [False, True])
def test_both_time_conventions_give_the_same_chunk(seed: int, guided: bool) -> None:
    net, noise = field_of(seed), torch.randn(2, H, A, dtype=torch.float64)
    guide = guide_of(seed) if guided else None
    paper = [k / 8 for k in range(8)]
    ours = [1 - t for t in paper]
    forward = euler(lambda x, k: velocity(net, x) * (1 + paper[k]), noise, paper, guide, noise_at=0)
    backward = euler(lambda x, k: -velocity(net, x) * (2 - ours[k]), noise, ours, guide, noise_at=1)
    torch.testing.assert_close(forward, backward, rtol=0, atol=1e-12)


def test_the_correction_is_the_papers() -> None:
    """v + w * (e + (1 - tau) (dv/dx)^T e) with w = min(beta, (tau^2 + (1 - tau)^2) / (tau (1 - tau))), written out once by hand."""
    net, guide = field_of(5), guide_of(5, strength=5.0)
    x, tau, h = torch.randn(2, H, A, dtype=torch.float64), 0.3, 1.0
    x_grad = x.clone().requires_grad_()
    v = velocity(net, x_grad)
    error = guide.row_weights() * (guide.target - (x + (1 - tau) * v.detach()))
    (jacobian,) = torch.autograd.grad(v, x_grad, error)
    weight = min(5.0, (tau**2 + (1 - tau) ** 2) / (tau * (1 - tau)))
    by_hand = x + h * (v.detach() + weight * (error + (1 - tau) * jacobian))
    assert weight < 5
    ours = euler(lambda y, k: velocity(net, y), x, [tau], guide, noise_at=0)
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-12)


def test_a_guide_pulls_the_prefix_and_leaves_the_gradients_off() -> None:
    net, guide = field_of(1), guide_of(1)
    noise, times = torch.randn(2, H, A, dtype=torch.float64), flow_times(10)
    with torch.no_grad():
        free = euler(lambda x, k: velocity(net, x), noise, times)
        pulled = euler(lambda x, k: velocity(net, x), noise, times, guide)
    miss = [(chunk - guide.target)[:, :3].pow(2).mean().sqrt().item() for chunk in (free, pulled)]
    assert miss[1] < 0.05 * miss[0]
    assert not pulled.requires_grad and all(p.grad is None for p in net.parameters())


def test_a_guide_without_weight_changes_nothing() -> None:
    net, noise, times = field_of(2), torch.randn(2, H, A, dtype=torch.float64), flow_times(5)
    guide = Guide(torch.randn(2, H, A, dtype=torch.float64), torch.zeros(H))
    free = euler(lambda x, k: velocity(net, x), noise, times)
    torch.testing.assert_close(euler(lambda x, k: velocity(net, x), noise, times, guide), free)


def test_diffusion_and_flow_share_one_correction() -> None:
    """A clean estimate that ignores x has no Jacobian: nothing to pull with. One that is x itself moves by kappa * weights * error."""
    guide, x = guide_of(3, strength=100), torch.randn(2, H, A, dtype=torch.float64)
    constant = guided_clean(lambda y: torch.zeros_like(y) + 0 * y, x, 0.8, 0.6, guide)
    assert (constant == 0).all()
    moved = guided_clean(lambda y: y, x, 0.8, 0.6, guide)
    torch.testing.assert_close(moved, x + (1 / 0.8) * guide.row_weights() * (guide.target - x))


@pytest.mark.parametrize("schedule", ["exp", "linear", "hard"])
def test_prefix_weights_follow_their_formula(schedule: str) -> None:
    horizon, delay, execute = 50, 6, 25
    weights = prefix_weights(horizon, delay, execute, schedule).tolist()
    for i, weight in enumerate(weights):
        c = (horizon - execute - i) / (horizon - execute - delay + 1)
        fade = {"exp": c * (math.exp(c) - 1) / (math.e - 1), "linear": c, "hard": 0.0}[schedule]
        expected = 1.0 if i < delay else fade if i < horizon - execute else 0.0
        assert weight == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="exp, linear, hard"):
        prefix_weights(10, 2, 2, "cosine")


def test_a_delay_past_the_overlap_is_clipped_and_unknown_rows_bind_nothing() -> None:
    assert prefix_weights(10, 9, 6).tolist() == [1.0] * 4 + [0.0] * 6
    guide = guide_from(torch.ones(1, 2, A), horizon=10, delay=4, execute=5)
    assert guide.weights[:2].tolist() == [1, 1] and (guide.weights[2:] == 0).all() and guide.target.shape == (1, 10, A)


def test_frozen_rows_come_out_as_given() -> None:
    net, noise, times = field_of(4), torch.randn(2, H, A, dtype=torch.float64), flow_times(6)
    guide = Guide(torch.randn(2, H, A, dtype=torch.float64), torch.zeros(H), frozen=4)
    seen = []

    def field(x: Tensor, k: int) -> Tensor:
        seen.append(x[:, :4])
        return velocity(net, x)

    chunk = euler(field, noise, times, guide)
    assert torch.equal(chunk[:, :4], guide.target[:, :4]) and all(torch.equal(x, guide.target[:, :4]) for x in seen)
    rows = row_times(times, H, guide)
    assert (rows[:, :4] == 0).all() and torch.equal(rows[:, 5], torch.tensor(times))
