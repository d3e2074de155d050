import pytest
import torch

from agent.executor.models.fast import Bucket, FastPi0
from agent.executor.models.pi0 import compact
from agent.executor.models.sampling import Guide, guide_from
from tests.executor.models.test_pi0 import both, noise_for, odd, random_inputs, random_model


@both
def test_the_recorded_stages_give_the_same_chunk(adaptive: bool) -> None:
    config = odd(adaptive)
    model = random_model(config)
    fast = FastPi0(model, steps=4, text_bucket=4)
    for seed, batch in enumerate((1, 3, 1, 2)):
        inputs, noise = random_inputs(config, batch, seed), noise_for(config, batch, seed)
        torch.testing.assert_close(fast.sample(inputs, noise), model.sample(inputs, noise, 4), atol=5e-6, rtol=1e-5)


@both
def test_guides_pass_through(adaptive: bool) -> None:
    config = odd(adaptive)
    model = random_model(config)
    fast, inputs, noise = FastPi0(model, steps=4), random_inputs(config), noise_for(config)
    soft = guide_from(noise_for(config, seed=5)[:, :4], config.horizon, delay=2, execute=3)
    for guide in (soft, Guide(soft.target, soft.weights, frozen=2)):
        torch.testing.assert_close(fast.sample(inputs, noise, guide), model.sample(inputs, noise, 4, guide), atol=5e-6, rtol=1e-5)
    assert not torch.allclose(fast.sample(inputs, noise, soft), fast.sample(inputs, noise), atol=1e-3)


def test_one_program_per_bucket_and_results_of_their_own() -> None:
    config = odd(adaptive=False)
    fast = FastPi0(random_model(config), steps=2, text_bucket=9)
    inputs = random_inputs(config, batch=1)._replace(image_valid=None)
    first = fast.sample(inputs, noise_for(config, 1, seed=1))
    kept = first.clone()
    second = fast.sample(inputs._replace(state=inputs.state + 1), noise_for(config, 1, seed=2))
    assert len(fast.programs) == 1
    assert torch.equal(first, kept) and not torch.equal(first, second)


def test_warm_up_meets_every_shape_before_a_robot_does() -> None:
    config = odd(adaptive=True)
    fast = FastPi0(random_model(config), steps=2, text_bucket=4)
    assert fast.warm_up(views=(1, 2)) > 0
    known = set(fast.programs)
    for seed in range(8):
        inputs = random_inputs(config, batch=1, seed=seed)
        inputs = inputs._replace(images=(127 * (inputs.images + 1)).to(torch.uint8))
        if inputs.image_valid is not None and inputs.image_valid.any():
            assert Bucket.of(compact(inputs, 4), None) in known


def test_bytes_are_scaled_on_the_device() -> None:
    config = odd(adaptive=False)
    model, noise = random_model(config), noise_for(config)
    pixels = torch.randint(0, 256, (3, 2, 3, 24, 24), dtype=torch.uint8)
    inputs = random_inputs(config)
    as_float = inputs._replace(images=pixels.float() / 255 * 2 - 1)
    assert torch.equal(model.sample(inputs._replace(images=pixels), noise), model.sample(as_float, noise))
    fast = FastPi0(model, steps=10)
    for given in (inputs._replace(images=pixels), as_float):  # two buckets, not one buffer for both
        torch.testing.assert_close(fast.sample(given, noise), model.sample(as_float, noise), atol=5e-6, rtol=1e-5)


@pytest.mark.slow
@both
def test_compiled_stages_give_the_same_chunk(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    fast = FastPi0(model, steps=5, compile="default")
    torch.testing.assert_close(fast.sample(inputs, noise), model.sample(inputs, noise, 5), atol=5e-6, rtol=1e-5)
    assert len(fast.programs) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@both
def test_graphs_replay_what_eager_computes(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    expected = model.sample(inputs, noise, 5)
    fast = FastPi0(model.cuda(), steps=5)
    for _ in range(2):
        torch.testing.assert_close(fast.sample(inputs, noise).cpu(), expected, atol=1e-4, rtol=1e-4)
    guide = guide_from(noise_for(config, seed=5)[:, :4], config.horizon, delay=2, execute=3)
    assert not torch.allclose(fast.sample(inputs, noise, guide).cpu(), expected, atol=1e-3)
