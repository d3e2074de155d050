import pytest
import torch

from agent.errors import PolicyError
from agent.executor.models.pi0 import Inputs, training_time
from agent.executor.models.pi0_small import Eye, Pi0Small, Pi0SmallConfig, StandardConv, pi0_small, tiny
from agent.executor.models.sampling import Guide, guide_from


def random_model(config: Pi0SmallConfig, seed: int = 0) -> Pi0Small:
    """Every parameter random, so that nothing is hidden behind an initial zero."""
    torch.manual_seed(seed)
    model = Pi0Small(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2 or "modulat" in name:
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def random_inputs(config: Pi0SmallConfig, batch: int = 3, seed: int = 0) -> Inputs:
    torch.manual_seed(seed)
    V, side, L = len(config.cameras), config.image, config.max_text
    real = torch.arange(L) < torch.randint(1, L + 1, (batch, 1))
    images = torch.rand(batch, V, 3, side, side) * 2 - 1
    return Inputs(images, torch.rand(batch, V) > 0.4, torch.randint(0, 300, (batch, L)), real, torch.randn(batch, config.action_dim))


def noise_for(config: Pi0SmallConfig, batch: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, config.horizon, config.action_dim, generator=torch.Generator().manual_seed(seed))


languages = pytest.mark.parametrize("words", [True, False], ids=["words", "no words"])


@languages
def test_the_chunk_is_a_function_of_observation_and_noise(words: bool) -> None:
    config = tiny(words)
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    chunk = model.sample(inputs, noise, steps=4)
    assert chunk.shape == noise.shape and torch.equal(chunk, model.sample(inputs, noise, steps=4))
    for k in range(3):
        single = model.sample(Inputs(*(part[k : k + 1] for part in inputs)), noise[k : k + 1], steps=4)
        torch.testing.assert_close(single[0], chunk[k], atol=1e-5, rtol=1e-5)
    blind = model.sample(inputs._replace(images=-inputs.images), noise, steps=4)
    deaf = model.sample(inputs._replace(tokens=(inputs.tokens + 1) % 300), noise, steps=4)
    numb = model.sample(inputs._replace(state=-inputs.state), noise, steps=4)
    assert not torch.allclose(blind, chunk, atol=1e-4) and not torch.allclose(numb, chunk, atol=1e-4)
    assert torch.allclose(deaf, chunk, atol=1e-4) is not words


def test_padding_and_absent_cameras_have_no_say() -> None:
    config = tiny()
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    assert inputs.image_valid is not None and inputs.token_valid is not None
    scrambled = inputs._replace(
        images=torch.where(inputs.image_valid[..., None, None, None], inputs.images, torch.randn_like(inputs.images)),
        tokens=torch.where(inputs.token_valid, inputs.tokens, 3),
    )
    torch.testing.assert_close(model.sample(scrambled, noise, 2), model.sample(inputs, noise, 2), atol=1e-5, rtol=1e-5)


def test_all_present_needs_no_mask() -> None:
    config = tiny()
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    masked = inputs._replace(image_valid=torch.ones(3, 3, dtype=torch.bool), token_valid=torch.ones(3, 8, dtype=torch.bool))
    free = inputs._replace(image_valid=None, token_valid=None)
    assert model.prefill(free).mask is None
    torch.testing.assert_close(model.sample(free, noise, 2), model.sample(masked, noise, 2), atol=1e-5, rtol=1e-5)


def test_an_untrained_decoder_is_the_identity_and_every_parameter_learns() -> None:
    """AdaLN-Zero: with closed gates the velocity depends on the noisy action alone, row by row."""
    torch.manual_seed(0)
    config = tiny()
    model, inputs, x = Pi0Small(config), random_inputs(config), noise_for(config)
    t = torch.tensor([0.2, 0.5, 0.9])
    torch.testing.assert_close(model(inputs, x, t), model(random_inputs(config, seed=9), x, 1 - t))
    trained = random_model(config).requires_grad_(True)
    trained.loss(inputs, noise_for(config, seed=3), x, training_time(t)).mean().backward()
    dead = {name for name, parameter in trained.named_parameters() if parameter.grad is None}
    assert dead == set()


def test_guides_and_times_per_row_work_as_in_pi0() -> None:
    config = tiny()
    model, inputs, noise = random_model(config), random_inputs(config), noise_for(config)
    t = torch.tensor([0.2, 0.5, 0.9])
    torch.testing.assert_close(model(inputs, noise, t[:, None].expand(3, config.horizon)), model(inputs, noise, t))
    free = model.sample(inputs, noise)
    guide = guide_from(free[:, :4] + 0.5, config.horizon, delay=2, execute=4)
    pulled = model.sample(inputs, noise, guide=guide)
    miss = [(chunk - guide.target)[:, :2].pow(2).mean().sqrt() for chunk in (free, pulled)]
    assert miss[1] < 0.3 * miss[0]
    frozen = model.sample(inputs, noise, guide=Guide(guide.target, guide.weights, frozen=2))
    assert torch.equal(frozen[:, :2], guide.target[:, :2])


def test_filters_are_standardised() -> None:
    conv, x = StandardConv(3, 8, 3, bias=False), torch.randn(1, 3, 6, 6)
    before = conv(x)
    conv.weight.data.mul_(7).add_(3)
    torch.testing.assert_close(conv(x), before, atol=1e-2, rtol=1e-3)


def test_bytes_and_floats_are_one_picture() -> None:
    eye, pixels = Eye(tiny()), torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(eye(pixels), eye(pixels.float() / 255 * 2 - 1), atol=1e-5, rtol=1e-4)


def test_a_left_out_camera_is_refused() -> None:
    config = tiny()
    inputs = random_inputs(config)
    with pytest.raises(PolicyError, match="2 images were given"):
        random_model(config).sample(inputs._replace(images=inputs.images[:, :2]), noise_for(config))


def test_the_papers_parts() -> None:
    config = pi0_small()
    assert config.tokens == 49
    with torch.device("meta"):
        model = Pi0Small(config)
        tokens = Eye(config)(torch.zeros(1, 3, 224, 224))
    assert tokens.shape == (1, 49, 384)
    assert model.words is not None

    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(model.words) == 66_362_880  # DistilBERT base
    assert count(model.eyes[0]) == pytest.approx(36.4e6, rel=0.02)  # R26+ViT-S/32 without its class head
    assert count(model) == 497_093_600
