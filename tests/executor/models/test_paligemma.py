from pathlib import Path

import numpy as np
import pytest
import torch

from agent.executor.models.attention import attend, attention_bias, block_mask, positions_of, rope_at, rotate
from agent.executor.models.paligemma import GEMMA_2B, GEMMA_300M, AdaRMSNorm, GemmaConfig, RMSNorm, Trunk, Vision, VisionConfig

NUMBERS = np.load(Path(__file__).parents[2] / "fixtures" / "pi0" / "unit_fixtures.npz")


def test_masks_and_positions_are_those_recorded() -> None:
    valid, starts = torch.from_numpy(NUMBERS["mask/pad"]), torch.from_numpy(NUMBERS["mask/ar"])
    assert np.array_equal(block_mask(valid, starts).numpy(), NUMBERS["mask/att2d"])
    assert np.array_equal(positions_of(valid).numpy(), NUMBERS["mask/positions"])


@pytest.mark.parametrize(("heads", "groups"), [(8, 1), (8, 2), (4, 4)])
def test_stacked_heads_are_ordinary_attention(heads: int, groups: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 5, heads, 16), torch.randn(2, 7, groups, 16), torch.randn(2, 7, groups, 16)
    mask = torch.rand(2, 5, 7) > 0.4
    mask[:, :, 0] = True
    keys, values = (x.repeat_interleave(heads // groups, dim=2) for x in (k, v))
    logits = torch.einsum("btnk,bsnk->bnts", q, keys) / 4
    weights = logits.masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    expected = torch.einsum("bnts,bsnk->btnk", weights, values).flatten(2)
    torch.testing.assert_close(attend(q, k, v, attention_bias(mask, q.dtype)), expected, atol=1e-6, rtol=1e-5)


def test_a_row_that_may_see_nothing_is_uniform_and_never_nan() -> None:
    q, k, v = torch.randn(1, 3, 2, 8), torch.randn(1, 4, 1, 8), torch.randn(1, 4, 1, 8)
    out = attend(q, k, v, attention_bias(torch.zeros(1, 3, 4, dtype=torch.bool), q.dtype))
    torch.testing.assert_close(out.view(1, 3, 2, 8), v.mean(1, keepdim=True).expand(1, 3, 1, 8).expand(1, 3, 2, 8))


def test_rotation_keeps_lengths_and_depends_on_distance_only() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def logit(at_q: int, at_k: int) -> torch.Tensor:
        return (rotate(q, rope_at(torch.tensor([at_q]), 16, 1e4)) * rotate(k, rope_at(torch.tensor([at_k]), 16, 1e4))).sum()

    torch.testing.assert_close(logit(3, 8), logit(103, 108), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logit(3, 8), logit(3, 9))
    torch.testing.assert_close(rotate(q, rope_at(torch.tensor([5]), 16, 1e4)).norm(), q.norm())


def test_norms_start_as_identities() -> None:
    x = torch.randn(2, 3, 8)
    unit = x / x.pow(2).mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(RMSNorm(8, 1e-6)(x)[0], unit, atol=1e-5, rtol=1e-4)
    adaptive = AdaRMSNorm(8, 1e-6)
    y, gate = adaptive(x, adaptive.dense(torch.randn(2, 1, 8)))
    torch.testing.assert_close(y, unit, atol=1e-5, rtol=1e-4)
    assert gate is not None and (gate == 0).all()


def test_patches_are_a_convolution() -> None:
    vision = Vision(VisionConfig(width=24, depth=0, mlp=8, heads=2, patch=7, image=21), out_width=10)
    images = torch.randn(2, 3, 21, 21)
    convolved = torch.nn.functional.conv2d(images, vision.patch.weight.view(24, 3, 7, 7), vision.patch.bias, stride=7)
    torch.testing.assert_close(vision(images), vision.projector(vision.norm(convolved.flatten(2).transpose(1, 2))))


def test_experts_that_cannot_share_an_attention_are_refused() -> None:
    with pytest.raises(ValueError, match="depth must agree; it is 18 and 2"):
        Trunk(GEMMA_2B, GemmaConfig(width=32, mlp=64, depth=2), vocab=10)


def test_published_sizes() -> None:
    with torch.device("meta"):
        trunk = Trunk(GEMMA_2B, GEMMA_300M, vocab=257152)
        adaptive = Trunk(GEMMA_2B, GEMMA_300M, vocab=8, adaptive=True)
        vision = Vision(VisionConfig(), out_width=2048)

    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(trunk.vlm) == 2_508_531_712
    assert count(trunk.expert) == 311_464_960
    assert count(adaptive.expert) == 427_932_672
    assert count(vision.projector) == 2_361_344
    assert count(vision) - count(vision.projector) == 412_442_352
