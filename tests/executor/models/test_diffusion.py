from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.executor.models.diffusion import add_noise, cosine_betas, ema_decay, sample, signal, solve, solver_steps
from agent.executor.models.sampling import Guide, prefix_weights

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rdt"


def stored(name: str) -> dict[str, torch.Tensor]:
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def test_schedule_is_the_published_one():
    expected = stored("scheduler")
    assert torch.equal(cosine_betas(), expected["betas"])
    assert torch.equal(signal(), expected["alphas_cumprod"])
    spots = {0: 0.9999587, 100: 0.97157562, 500: 0.49228504, 799: 0.0940456, 999: 2.4287e-9}
    assert {t: pytest.approx(signal()[t].item(), rel=1e-4) for t in spots} == spots


def test_noising_is_the_published_one():
    expected = stored("scheduler")
    noisy = add_noise(expected["addnoise_x0"], expected["addnoise_noise"], expected["addnoise_t"])
    assert (noisy - expected["addnoise_out"]).abs().max() < 1e-6


@pytest.mark.parametrize("steps", [5, 10, 20])
def test_sampler_walks_the_published_trajectory(steps: int):
    expected = stored("scheduler")
    times, sigmas = solver_steps(steps)
    assert times == expected[f"dpm{steps}_timesteps"].tolist()
    assert torch.allclose(sigmas, expected[f"dpm{steps}_sigmas"], rtol=1e-6, atol=1e-7)
    walk = solve(lambda x, t: torch.tanh(0.7 * x - 0.3) + 0.2 * np.sin(t / 150), expected[f"dpm{steps}_x_init"], steps)
    for i, (clean, x) in enumerate(walk):
        assert (clean - expected[f"dpm{steps}_model_out"][i]).abs().max() < 2e-6
        assert (x - expected[f"dpm{steps}_x_steps"][i]).abs().max() < 2e-6
    assert i == steps - 1


@given(steps=st.integers(1, 999))
@settings(max_examples=25, deadline=None)
def test_any_number_of_steps_counts_down_from_noise_and_lands_on_the_networks_answer(steps: int):
    times, sigmas = solver_steps(steps)
    assert times[0] == 999 and len(times) == steps and all(a > b for a, b in pairwise(times)) and times[-1] > 0
    assert sigmas[-1] == 0 and all(a > b for a, b in pairwise(sigmas.tolist()))
    answer = torch.full((1, 2, 3), 0.7)
    assert torch.equal(sample(lambda x, t: answer, torch.randn(1, 2, 3), steps), answer)


def test_times_are_rounded_as_the_published_sampler_does():
    assert solver_steps(5)[0] == [999, 799, 599, 400, 200]
    assert solver_steps(26)[0][13 - 1] == 538 and solver_steps(26)[0][13] == 499  # 499.49999… and not 499.5


@pytest.mark.parametrize("steps", [0, -1, 1000])
def test_impossible_numbers_of_steps_are_refused(steps: int):
    with pytest.raises(ValueError, match=f"{steps} were asked for"):
        solver_steps(steps)


def exact_mean(mean: float, spread: float):
    """The ideal network for actions drawn from N(mean, spread²): the posterior mean of the clean action."""

    def predict(x: torch.Tensor, t: int) -> torch.Tensor:
        left = signal()[t].double()
        gain = left.sqrt() * spread**2 / (left * spread**2 + 1 - left)
        return mean + gain * (x.double() - left.sqrt() * mean)

    return predict


def test_sampler_converges_to_the_distribution_it_was_trained_on():
    noise = torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    chunk = sample(exact_mean(0.4, 0.25), noise, 100)
    assert chunk.mean().item() == pytest.approx(0.4, abs=0.01)
    assert chunk.std().item() == pytest.approx(0.25, rel=0.05)


def test_more_steps_come_closer_to_the_exact_solution():
    noise = torch.linspace(-2, 2, 9).double()[:, None, None]
    exact = 0.4 + 0.25 * noise  # for Gaussian actions the solution only shifts and scales
    errors = [(sample(exact_mean(0.4, 0.25), noise, steps) - exact).abs().max().item() for steps in (5, 20, 80, 320)]
    assert all(late < early for early, late in pairwise(errors))


def test_first_step_is_an_euler_step_of_the_equivalent_flow():
    """With τ = α / (α + σ), a diffusion state divided by (α + σ) is a flow state; both step to the same place."""
    _, sigmas = solver_steps(5)
    alphas = 1 / (1 + sigmas**2).sqrt()
    scale = alphas + sigmas * alphas
    flow_time = alphas / scale
    noise, clean = torch.randn(1, 3, 2), torch.randn(1, 3, 2)
    _, x = next(solve(lambda x, t: clean, noise, 5))
    start = noise / scale[0]
    euler = start + (flow_time[1] - flow_time[0]) * (clean - start) / (1 - flow_time[0])
    assert torch.allclose(x / scale[1], euler, atol=1e-6)


def test_guide_binds_the_rows_it_weighs_and_no_others():
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, 10, 3, generator=generator)
    weights = prefix_weights(10, delay=4, execute=5, schedule="hard")
    target = torch.full((1, 10, 3), 0.9) * (weights > 0)[:, None]
    free = sample(lambda x, t: exact_mean(0.4, 0.25)(x, t).float(), noise, 20)
    guided = sample(lambda x, t: exact_mean(0.4, 0.25)(x, t).float(), noise, 20, Guide(target, weights, strength=20.0))
    assert (guided[:, :4] - 0.9).abs().mean() < 0.1 * (free[:, :4] - 0.9).abs().mean()
    assert torch.allclose(guided[:, 4:], free[:, 4:], atol=1e-6)


def test_guide_without_weight_changes_nothing():
    noise = torch.randn(2, 6, 3)
    guide = Guide(torch.randn(2, 6, 3), torch.zeros(6))
    assert torch.equal(sample(lambda x, t: torch.tanh(x), noise, 5, guide), sample(lambda x, t: torch.tanh(x), noise, 5))


def test_frozen_rows_are_refused():
    with pytest.raises(ValueError, match="one time per row"):
        sample(lambda x, t: x, torch.randn(1, 4, 2), 5, Guide(torch.zeros(1, 4, 2), torch.ones(4), frozen=2))


def test_sampler_keeps_the_dtype_of_the_noise_and_works_in_float32_between():
    noise = torch.randn(1, 4, 2)
    wide, narrow = sample(lambda x, t: torch.tanh(x), noise, 5), sample(lambda x, t: torch.tanh(x), noise.bfloat16(), 5)
    assert narrow.dtype == torch.bfloat16
    assert (wide - narrow.float()).abs().max() < 0.03


def test_running_average_decays_as_published():
    expected = stored("ema_decay")
    for power, key in ((0.75, "decay_power_0.7500"), (2 / 3, "decay_power_0.6667")):
        ours = [ema_decay(int(step), power) for step in expected["steps"]]
        assert ours == pytest.approx(expected[key].tolist(), abs=1e-12)
