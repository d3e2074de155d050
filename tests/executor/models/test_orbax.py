from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from agent.errors import WeightsError
from agent.executor.models.orbax import as_tensor, flatten, from_jax
from agent.executor.models.pi0_names import EXPERT, TIED, UNUSED, VLM

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pi0"
HEADS, HEAD = 8, 16
EYE_HEADS = 4


def stack(weights: dict[str, torch.Tensor], root: str, name: str, layers: int = 2) -> np.ndarray:
    return np.stack([weights[f"{root}layers.{n}.{name}"].numpy() for n in range(layers)])


def to_jax(weights: dict[str, torch.Tensor], adaptive: bool) -> dict[str, np.ndarray]:
    """The tree that openpi's JAX model would hold for these weights, written from its einsum shapes."""
    tree: dict[str, np.ndarray] = {"PaliGemma/llm/embedder/input_embedding": weights[TIED].numpy()}
    for root, end in ((VLM + "model.language_model.", ""), (EXPERT + "model.", "_1")):
        at = "PaliGemma/llm/layers/"
        q, k, v = (stack(weights, root, f"self_attn.{x}_proj.weight") for x in "qkv")
        L, _, D = q.shape
        tree[f"{at}attn/q_einsum{end}/w"] = q.reshape(L, HEADS, HEAD, D).swapaxes(2, 3)  # [L, N, D, K]
        kv = np.stack([k, v], 1).reshape(L, 2, 1, HEAD, D).swapaxes(3, 4)  # [L, 2, G, D, K]
        tree[f"{at}attn/kv_einsum{end}/w"] = kv
        o = stack(weights, root, "self_attn.o_proj.weight")
        tree[f"{at}attn/attn_vec_einsum{end}/w"] = o.reshape(L, D, HEADS, HEAD).transpose(0, 2, 3, 1)  # [L, N, K, D]
        gate, up, down = (stack(weights, root, f"mlp.{x}_proj.weight") for x in ("gate", "up", "down"))
        tree[f"{at}mlp{end}/gating_einsum"] = np.stack([gate, up], 1).swapaxes(2, 3)  # [L, 2, D, F]
        tree[f"{at}mlp{end}/linear"] = down.swapaxes(1, 2)  # [L, F, D]
        dense = adaptive and end
        for jax_name, name in (("pre_attention_norm", "input_layernorm"), ("pre_ffw_norm", "post_attention_layernorm")):
            if dense:
                tree[f"{at}{jax_name}{end}/Dense_0/kernel"] = stack(weights, root, f"{name}.dense.weight").swapaxes(1, 2)
                tree[f"{at}{jax_name}{end}/Dense_0/bias"] = stack(weights, root, f"{name}.dense.bias")
            else:
                tree[f"{at}{jax_name}{end}/scale"] = stack(weights, root, f"{name}.weight")
        if dense:
            tree[f"PaliGemma/llm/final_norm{end}/Dense_0/kernel"] = weights[root + "norm.dense.weight"].numpy().T
            tree[f"PaliGemma/llm/final_norm{end}/Dense_0/bias"] = weights[root + "norm.dense.bias"].numpy()
        else:
            tree[f"PaliGemma/llm/final_norm{end}/scale"] = weights[root + "norm.weight"].numpy()
    for name, tensor in weights.items():
        if name.split(".")[0] in ("action_in_proj", "action_out_proj", "state_proj") or "time_mlp" in name:
            layer, kind = name.rsplit(".", 1)
            tree[f"{layer}/{'kernel' if kind == 'weight' else 'bias'}"] = tensor.numpy().T
    return tree | eyes(weights)


def eyes(weights: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    root, at = VLM + "model.vision_tower.vision_model.", "PaliGemma/img/"
    tree = {
        at + "embedding/kernel": weights[root + "embeddings.patch_embedding.weight"].numpy().transpose(2, 3, 1, 0),  # HWIO
        at + "embedding/bias": weights[root + "embeddings.patch_embedding.bias"].numpy(),
        at + "pos_embedding": weights[root + "embeddings.position_embedding.weight"].numpy()[None],
        at + "Transformer/encoder_norm/scale": weights[root + "post_layernorm.weight"].numpy(),
        at + "Transformer/encoder_norm/bias": weights[root + "post_layernorm.bias"].numpy(),
        at + "head/kernel": weights[VLM + "model.multi_modal_projector.linear.weight"].numpy().T,
        at + "head/bias": weights[VLM + "model.multi_modal_projector.linear.bias"].numpy(),
    }
    block, root = at + "Transformer/encoderblock/", root + "encoder."
    for n in (0, 1):
        tree[f"{block}LayerNorm_{n}/scale"] = stack(weights, root, f"layer_norm{n + 1}.weight")
        tree[f"{block}LayerNorm_{n}/bias"] = stack(weights, root, f"layer_norm{n + 1}.bias")
        tree[f"{block}MlpBlock_0/Dense_{n}/kernel"] = stack(weights, root, f"mlp.fc{n + 1}.weight").swapaxes(1, 2)
        tree[f"{block}MlpBlock_0/Dense_{n}/bias"] = stack(weights, root, f"mlp.fc{n + 1}.bias")
    for part in ("query", "key", "value"):
        kernel = stack(weights, root, f"self_attn.{part[0]}_proj.weight")
        L, W, _ = kernel.shape
        tree[f"{block}MultiHeadDotProductAttention_0/{part}/kernel"] = kernel.swapaxes(1, 2).reshape(L, W, EYE_HEADS, -1)
        bias = stack(weights, root, f"self_attn.{part[0]}_proj.bias")
        tree[f"{block}MultiHeadDotProductAttention_0/{part}/bias"] = bias.reshape(L, EYE_HEADS, -1)
    out = stack(weights, root, "self_attn.out_proj.weight").swapaxes(1, 2)
    tree[f"{block}MultiHeadDotProductAttention_0/out/kernel"] = out.reshape(len(out), EYE_HEADS, -1, out.shape[2])
    tree[f"{block}MultiHeadDotProductAttention_0/out/bias"] = stack(weights, root, "self_attn.out_proj.bias")
    return tree


@pytest.mark.parametrize("name", ["pi0", "pi05"])
@pytest.mark.parametrize("ending", ["", "/value"])
def test_the_jax_tree_becomes_the_pytorch_file(name: str, ending: str) -> None:
    weights = load_file(FIXTURES / f"{name}_tiny_weights.safetensors")
    ours = from_jax({path + ending: array for path, array in to_jax(weights, name == "pi05").items()})
    weights.pop(UNUSED)
    assert set(ours) == set(weights)
    assert all(torch.equal(ours[key], weights[key]) for key in weights)


def test_a_part_that_is_missing_or_unknown_is_named() -> None:
    tree = to_jax(load_file(FIXTURES / "pi0_tiny_weights.safetensors"), adaptive=False)
    with pytest.raises(WeightsError, match=r"Unexpected parts.*PaliGemma/llm/more"):
        from_jax(tree | {"PaliGemma/llm/more": np.zeros(2)})
    del tree["PaliGemma/img/head/bias"]
    with pytest.raises(WeightsError, match="no 'PaliGemma/img/head/bias'"):
        from_jax(tree)


def test_nested_trees_flatten_and_arrays_become_contiguous_tensors() -> None:
    assert set(flatten({"a": {"b": {"value": 1}, "c": 2}})) == {"a/b/value", "a/c"}
    assert as_tensor(np.arange(6.0).reshape(2, 3).T).is_contiguous()
