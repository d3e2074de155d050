"""π0 once more, as plainly as can be: published names, float64, no fused matrices, no cache, no folded heads; at sizes nobody recorded."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from agent.executor.models.pi0 import Inputs, Pi0, Pi0Config
from agent.executor.models.pi0_names import EXPERT, TIED, VLM, pieces
from tests.executor.models.test_pi0 import both, noise_for, odd, random_inputs, random_model

Weights = dict[str, Tensor]


def published(model: Pi0) -> Weights:
    """The model's parameters under their published names, unstacked."""
    weights: Weights = {}
    for ours, parameter in model.named_parameters():
        stack = pieces(model.config)[ours]
        parts = parameter.double().split([piece.shape[0] for piece in stack])
        weights |= {piece.name: part.reshape(piece.shape) for piece, part in zip(stack, parts, strict=True)}
    return weights


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", torch.zeros(()))


def see(w: Weights, c: Pi0Config, image: Tensor) -> Tensor:
    """One image [3, I, I] -> [P, D]."""
    root, v = VLM + "model.vision_tower.vision_model.", c.vision
    at = root + "embeddings."
    x = F.conv2d(image[None], w[at + "patch_embedding.weight"], w[at + "patch_embedding.bias"], stride=v.patch)[0].flatten(1).T
    x = x + w[at + "position_embedding.weight"]
    for n in range(v.depth):
        layer = f"{root}encoder.layers.{n}."
        y = F.layer_norm(x, (v.width,), w[layer + "layer_norm1.weight"], w[layer + "layer_norm1.bias"], v.eps)
        q, k, val = (linear(w, f"{layer}self_attn.{p}_proj", y).view(len(x), v.heads, -1) for p in "qkv")
        heads = [(q[:, h] @ k[:, h].T / math.sqrt(q.shape[-1])).softmax(-1) @ val[:, h] for h in range(v.heads)]
        x = x + linear(w, layer + "self_attn.out_proj", torch.cat(heads, -1))
        y = F.layer_norm(x, (v.width,), w[layer + "layer_norm2.weight"], w[layer + "layer_norm2.bias"], v.eps)
        x = x + linear(w, layer + "mlp.fc2", F.gelu(linear(w, layer + "mlp.fc1", y), approximate="tanh"))
    x = F.layer_norm(x, (v.width,), w[root + "post_layernorm.weight"], w[root + "post_layernorm.bias"], v.eps)
    return linear(w, VLM + "model.multi_modal_projector.linear", x)


def norm(w: Weights, name: str, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | float]:
    y = x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
    if f"{name}.weight" in w:
        return y * (1 + w[f"{name}.weight"]), 1.0
    assert condition is not None
    scale, shift, gate = linear(w, f"{name}.dense", condition).chunk(3)
    return y * (1 + scale) + shift, gate


def turn(x: Tensor, position: int, base: float) -> Tensor:
    half = len(x) // 2
    angle = torch.tensor([position * base ** (-j / half) for j in range(half)], dtype=torch.float64)
    a, b = x[:half], x[half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()])


def trunk(w: Weights, c: Pi0Config, tokens: list[tuple[str, int, bool, Tensor]], condition: Tensor | None) -> list[Tensor]:
    """tokens: (expert's root, block, valid, vector) in order. Returns the vectors after the last layer."""
    N, G, K = c.vlm.heads, c.vlm.kv_heads, c.vlm.head_dim
    at = [sum(valid for _, _, valid, _ in tokens[: i + 1]) - 1 for i in range(len(tokens))]
    x = [vector for *_, vector in tokens]
    for n in range(c.vlm.depth):
        roots = [f"{root}layers.{n}." for root, *_ in tokens]
        normed = [norm(w, r + "input_layernorm", y, condition) for r, y in zip(roots, x, strict=True)]
        q, k, v = ([linear(w, f"{r}self_attn.{p}_proj", y).view(-1, K) for r, (y, _) in zip(roots, normed, strict=True)] for p in "qkv")
        q = [torch.stack([turn(h, p, c.vlm.rope_base) for h in row]) for row, p in zip(q, at, strict=True)]
        k = [torch.stack([turn(h, p, c.vlm.rope_base) for h in row]) for row, p in zip(k, at, strict=True)]
        out = []
        for i, (_, block, _, _) in enumerate(tokens):
            seen = [j for j, (_, other, valid, _) in enumerate(tokens) if other <= block and valid] or [i]
            heads = []
            for h in range(N):
                g = h // (N // G)
                weight = torch.stack([q[i][h] @ k[j][g] / math.sqrt(K) for j in seen]).softmax(0)
                heads.append(sum(weight[m] * v[j][g] for m, j in enumerate(seen)))
            y = x[i] + normed[i][1] * linear(w, roots[i] + "self_attn.o_proj", torch.cat(heads))
            z, gate = norm(w, roots[i] + "post_attention_layernorm", y, condition)
            m = roots[i] + "mlp."
            z = linear(w, m + "down_proj", F.gelu(linear(w, m + "gate_proj", z), approximate="tanh") * linear(w, m + "up_proj", z))
            out.append(y + gate * z)
        x = out
    return x


def velocity(w: Weights, c: Pi0Config, inputs: Inputs, x: Tensor, t: float, b: int) -> Tensor:
    D = c.expert.width
    tokens = []
    assert inputs.image_valid is not None and inputs.token_valid is not None
    for image, valid in zip(inputs.images[b].double(), inputs.image_valid[b].tolist(), strict=True):
        tokens += [(VLM + "model.language_model.", 0, valid, row) for row in see(w, c, image)]
    for token, valid in zip(inputs.tokens[b], inputs.token_valid[b].tolist(), strict=True):
        tokens.append((VLM + "model.language_model.", 0, valid, w[TIED][token] * math.sqrt(c.vlm.width)))
    periods = [c.min_period * (c.max_period / c.min_period) ** (j / (D // 2 - 1)) for j in range(D // 2)]
    angles = [2 * math.pi * t / p for p in periods]
    e = torch.tensor([*map(math.sin, angles), *map(math.cos, angles)], dtype=torch.float64)
    condition = None
    if c.adaptive:
        condition = F.silu(linear(w, "time_mlp_out", F.silu(linear(w, "time_mlp_in", e))))
    else:
        tokens.append((EXPERT + "model.", 1, True, linear(w, "state_proj", inputs.state[b].double())))
    for row in x[b].double():
        a = linear(w, "action_in_proj", row)
        if not c.adaptive:
            a = linear(w, "action_time_mlp_out", F.silu(linear(w, "action_time_mlp_in", torch.cat([a, e]))))
        tokens.append((EXPERT + "model.", 2, True, a))
    out = trunk(w, c, tokens, condition)[-c.horizon :]
    return torch.stack([linear(w, "action_out_proj", norm(w, EXPERT + "model.norm", row, condition)[0]) for row in out])


@both
@pytest.mark.parametrize("t", [0.001, 0.55, 1.0])
def test_the_model_is_its_plain_reading(adaptive: bool, t: float) -> None:
    config = odd(adaptive)
    model, inputs, x = random_model(config, seed=3), random_inputs(config, batch=2, seed=3), noise_for(config, 2)
    weights = published(model)
    ours = model(inputs, x, torch.full((2,), t))
    for b in range(2):
        torch.testing.assert_close(ours[b].double(), velocity(weights, config, inputs, x, t, b), atol=2e-5, rtol=1e-4)
