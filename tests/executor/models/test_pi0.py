from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.executor.models.paligemma import GemmaConfig, VisionConfig
from agent.executor.models.pi0 import (
    PI0,
    PI05,
    Inputs,
    Pi0,
    Pi0Config,
    compact,
    time_embedding,
    tiny,
    to_mixed,
    training_time,
)
from agent.executor.models.sampling import Guide, guide_from
from benchmarks.parity_pi0 import compare

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pi0"


def odd(adaptive: bool) -> Pi0Config:
    """Sizes that nothing else uses: two key heads, another patch, two cameras, a narrow action."""
    shape = {"depth": 3, "heads": 4, "kv_heads": 2, "head_dim": 8}
    return Pi0Config(
        VisionConfig(width=24, depth=1, mlp=32, heads=2, patch=8, image=24),
        GemmaConfig(width=40, mlp=56, **shape),
        GemmaConfig(width=16, mlp=48, **shape),
        vocab=50, action_dim=5, horizon=7, max_text=9, cameras=("front", "wrist"), adaptive=adaptive,
    )  # fmt: skip


def random_model(config: Pi0Config, seed: int = 0) -> Pi0:
    """Every parameter random, norms and modulations too, so that nothing is hidden behind an initial zero."""
    torch.manual_seed(seed)
    model = Pi0(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.normal_(std=0.3 if parameter.dim() < 2 or ".dense." in name else parameter.shape[-1] ** -0.5)
    return model


def random_inputs(config: Pi0Config, batch: int = 3, seed: int = 0) -> Inputs:
    torch.manual_seed(seed)
    V, side, L = len(config.cameras), config.vision.image, config.max_text
    lengths = torch.randint(1, L + 1, (batch, 1))
    views = torch.rand(batch, V) > 0.3
    return Inputs(
        torch.rand(batch, V, 3, side, side) * 2 - 1,
        views,
        torch.randint(0, config.vocab, (batch, L)),
        torch.arange(L) < lengths,
        torch.randn(batch, config.action_dim),
    )


def noise_for(config: Pi0Config, batch: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, config.horizon, config.action_dim, generator=torch.Generator().manual_seed(seed))


both = pytest.mark.parametrize("adaptive", [False, True], ids=["pi0", "pi05"])


@pytest.mark.parametrize("name", ["pi0_tiny", "pi05_tiny"])
def test_every_recorded_array_is_reproduced(name: str) -> None:
    files = (FIXTURES / f"{name}_{part}" for part in ("config.json", "weights.safetensors", "io.npz"))
    rows = list(compare(*files))
    assert len(rows) > 30
    assert not [row for row in rows if not np.isnan(row[2]) and not row[1] <= row[2]]


def test_time_embedding_is_that_recorded() -> None:
    numbers = np.load(FIXTURES / "unit_fixtures.npz")
    ours = time_embedding(torch.from_numpy(numbers["time_emb/t"]), 1024)
    np.testing.assert_allclose(ours.numpy(), numbers["time_emb/dim1024_f64_cast_f32"], atol=1e-7)


@both
def test_the_cached_velocity_is_the_velocity_of_one_joint_pass(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, x = random_model(config), random_inputs(config), noise_for(config)
    t = torch.tensor([0.9, 0.4, 0.05])
    cached = model.velocity(model.prefill(inputs), x, model.condition(t[:, None]))
    torch.testing.assert_close(cached, model(inputs, x, t), atol=5e-6, rtol=1e-5)


@both
def test_a_batch_is_its_singles_and_a_repeat_is_itself(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    batch = model.sample(inputs, noise)
    assert torch.equal(batch, model.sample(inputs, noise))
    for k in range(len(noise)):
        single = model.sample(Inputs(*(part[k : k + 1] for part in inputs)), noise[k : k + 1])
        torch.testing.assert_close(single[0], batch[k], atol=5e-6, rtol=1e-5)


@both
def test_dropping_what_nobody_sees_is_exact(adaptive: bool) -> None:
    config = odd(adaptive)
    model, noise = random_model(config), noise_for(config, batch=1)
    for seed, views in enumerate([(True, False), (False, True), (True, True)]):
        inputs = random_inputs(config, batch=1, seed=seed)._replace(image_valid=torch.tensor([views]))
        small = compact(inputs)
        assert small.image_valid is None and small.token_valid is None and small.images.shape[1] == sum(views)
        torch.testing.assert_close(model.sample(small, noise), model.sample(inputs, noise), atol=5e-6, rtol=1e-5)
        bucketed = compact(inputs, text_bucket=4)
        assert bucketed.tokens.shape[1] in (4, 8, 9)
        torch.testing.assert_close(model.sample(bucketed, noise), model.sample(inputs, noise), atol=5e-6, rtol=1e-5)


@both
def test_a_robot_without_eyes_still_gets_a_chunk(adaptive: bool) -> None:
    config = odd(adaptive)
    model, noise = random_model(config), noise_for(config)
    inputs = random_inputs(config)._replace(image_valid=torch.zeros(3, 2, dtype=torch.bool))
    torch.testing.assert_close(model.sample(compact(inputs), noise), model.sample(inputs, noise), atol=5e-6, rtol=1e-5)


@both
def test_padding_and_absent_cameras_have_no_say(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config), random_inputs(config, seed=4), noise_for(config)
    assert inputs.image_valid is not None and inputs.token_valid is not None
    scrambled = inputs._replace(
        images=torch.where(inputs.image_valid[..., None, None, None], inputs.images, torch.randn_like(inputs.images)),
        tokens=torch.where(inputs.token_valid, inputs.tokens, 3),
    )
    torch.testing.assert_close(model.sample(scrambled, noise), model.sample(inputs, noise), atol=1e-6, rtol=1e-6)
    assert not torch.allclose(model.sample(inputs._replace(tokens=(inputs.tokens + 1) % 50), noise), model.sample(inputs, noise), atol=1e-3)


def test_the_state_cannot_see_the_actions_but_they_see_it() -> None:
    config = odd(adaptive=False)
    model, inputs = random_model(config), random_inputs(config)
    before = model.prefill(inputs)
    after = model.prefill(inputs._replace(state=inputs.state + 1))
    assert all(torch.equal(a[:, :-1], b[:, :-1]) for a, b in zip(before.keys, after.keys, strict=True))
    x, t = noise_for(config), model.condition(torch.full((1, 1), 0.5))
    assert not torch.allclose(model.velocity(before, x, t), model.velocity(after, x, t), atol=1e-3)


@pytest.mark.parametrize("steps", [1, 3, 17])
def test_any_number_of_steps_is_a_walk_along_the_velocity(steps: int) -> None:
    config = odd(adaptive=True)
    model, inputs, x = random_model(config), random_inputs(config), noise_for(config)
    ours = model.sample(inputs, x, steps)
    for k in range(steps):
        x = x - model(inputs, x, torch.full((3,), 1 - k / steps)) / steps
    torch.testing.assert_close(ours, x, atol=2e-5, rtol=1e-4)


@both
def test_one_time_per_row_generalises_one_time_per_chunk(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, x = random_model(config), random_inputs(config), noise_for(config)
    t = torch.tensor([0.9, 0.4, 0.05])
    torch.testing.assert_close(model(inputs, x, t[:, None].expand(3, config.horizon)), model(inputs, x, t))


@both
def test_a_guide_pulls_the_chunk_towards_the_promised_rows(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    free = model.sample(inputs, noise)
    guide = guide_from(free[:, :4] + 0.3, config.horizon, delay=2, execute=3)
    pulled = model.sample(inputs, noise, guide=guide)
    miss = [(chunk - guide.target)[:, :2].pow(2).mean().sqrt() for chunk in (free, pulled)]
    assert miss[1] < 0.3 * miss[0]
    frozen = model.sample(inputs, noise, guide=Guide(guide.target, guide.weights, frozen=2))
    assert torch.equal(frozen[:, :2], guide.target[:, :2])


@both
def test_the_loss_is_zero_for_the_true_velocity_and_trains_every_used_parameter(adaptive: bool) -> None:
    config = odd(adaptive)
    model, inputs, noise = random_model(config).requires_grad_(True), random_inputs(config), noise_for(config)
    actions, t = noise_for(config, seed=2), training_time(torch.tensor([0.1, 0.5, 0.9]))
    loss = model.loss(inputs, actions, noise, t)
    x = t[:, None, None] * noise + (1 - t[:, None, None]) * actions
    torch.testing.assert_close(loss, (model(inputs, x, t) - (noise - actions)) ** 2)
    loss.mean().backward()
    last = f"trunk.vlm.blocks.{config.vlm.depth - 1}."
    unused = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unused == {"trunk.vlm.norm.weight", *(last + part for part in ("out.weight", "norm2.weight", "gate_up.weight", "down.weight"))}


def test_training_times_lean_towards_the_noise() -> None:
    t = training_time(torch.linspace(0, 1, 10001))
    assert t.min() == pytest.approx(0.001) and t.max() == pytest.approx(1.0)
    assert t.mean() == pytest.approx(0.999 * 0.6 + 0.001, abs=1e-3)  # Beta(1.5, 1) has mean 0.6


@both
def test_the_mixed_policy_keeps_the_small_layers_in_float32(adaptive: bool) -> None:
    config = tiny(adaptive)
    model = to_mixed(random_model(config))
    kept = {name for name, parameter in model.named_parameters() if parameter.dtype == torch.float32}
    assert {"vision.patch.weight", "vision.position", "action_in.weight", "action_out.bias"} < kept
    assert ("trunk.expert.norm.dense.weight" if adaptive else "trunk.expert.norm.weight") in kept
    assert not any("qkv" in name or "down" in name or "vision.blocks" in name for name in kept)
    out = model.sample(random_inputs(config), noise_for(config))
    assert out.dtype == torch.float32 and out.isfinite().all()


def test_published_sizes() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in Pi0(config).parameters()) for config in (PI0, PI05)]
    trunk = 412_442_352 + 2_361_344 + 2_508_531_712
    assert counts == [trunk + 311_464_960 + 3_248_160, trunk + 427_932_672 + 2_165_792]
    assert replace(PI0, adaptive=True, max_text=200) == PI05


@pytest.mark.slow
@both
def test_compiled_is_eager(adaptive: bool) -> None:
    config = odd(adaptive)
    model, noise = random_model(config), noise_for(config)
    inputs = compact(random_inputs(config))
    eager = model.sample(inputs, noise, 3)
    prefill, denoise = torch.compile(model.prefill), torch.compile(model.denoise)
    with torch.no_grad():
        torch.testing.assert_close(denoise(prefill(inputs), noise, 3), eager, atol=5e-6, rtol=1e-5)
