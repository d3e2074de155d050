"""openpi's JAX checkpoints into the PyTorch layout:  python -m agent.executor.models.orbax CHECKPOINT FOLDER

Only reading needs orbax and jax (pip install orbax-checkpoint jax), and only when it is run; what follows is numpy. Writes
model.safetensors under openpi's PyTorch names, config.json, and the normalisation statistics found under assets/.

In the JAX files layers are stacked on axis 0, dense kernels are (in, out), heads are axes of their own, convolutions are HWIO, and the
action expert's parts carry the suffix _1. Letters: L layers, N heads, G key heads, D width, K head width, F feed-forward width.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from agent.errors import WeightsError, hint
from agent.executor.models.pi0_names import EXPERT, TIED, VLM
from agent.types import Array

TOWER = VLM + "model.vision_tower.vision_model."
Stacked = tuple[str, str, Callable[[Array], Array]]
"""(JAX path, PyTorch name below a layer, one layer's array -> PyTorch's)."""


def transposed(kernel: Array) -> Array:
    return kernel.T


def as_is(x: Array) -> Array:
    return x


def heads_out(kernel: Array) -> Array:
    """[D, N, K] -> [N*K, D]: a projection into heads."""
    return kernel.reshape(kernel.shape[0], -1).T


def heads_in(kernel: Array) -> Array:
    """[N, K, D] -> [D, N*K]: the projection back."""
    return kernel.reshape(-1, kernel.shape[-1]).T


def einsum_out(kernel: Array) -> Array:
    """[N, D, K] -> [N*K, D]."""
    return kernel.transpose(0, 2, 1).reshape(-1, kernel.shape[1])


EYES: tuple[Stacked, ...] = (
    *((f"{norm}/{a}", f"{ours}.{b}", as_is) for norm, ours in (("LayerNorm_0", "layer_norm1"), ("LayerNorm_1", "layer_norm2"))
      for a, b in (("scale", "weight"), ("bias", "bias"))),
    *((f"MlpBlock_0/Dense_{n}/{a}", f"mlp.fc{n + 1}.{b}", how) for n in (0, 1)
      for a, b, how in (("kernel", "weight", transposed), ("bias", "bias", as_is))),
    *((f"MultiHeadDotProductAttention_0/{part}/{a}", f"self_attn.{part[0]}_proj.{b}", how) for part in ("query", "key", "value")
      for a, b, how in (("kernel", "weight", heads_out), ("bias", "bias", np.ravel))),
    ("MultiHeadDotProductAttention_0/out/kernel", "self_attn.out_proj.weight", heads_in),
    ("MultiHeadDotProductAttention_0/out/bias", "self_attn.out_proj.bias", as_is),
)  # fmt: skip


def from_jax(params: Mapping[str, Array]) -> dict[str, Tensor]:
    """JAX parameters by path ("PaliGemma/llm/…", "/value" may follow) -> tensors by PyTorch name; the sizes are in the shapes."""
    left = {path.removesuffix("/value"): array for path, array in params.items()}

    def take(path: str) -> Array:
        if path not in left:
            raise WeightsError(f"The JAX checkpoint has no '{path}'.{hint(path, left)}")
        return left.pop(path)

    out: dict[str, Array] = {}
    _eyes(take, out)
    _expert(take, out, VLM + "model.language_model.", "", "PaliGemma/llm/final_norm_1/Dense_0/kernel" in left)
    _expert(take, out, EXPERT + "model.", "_1", "PaliGemma/llm/final_norm_1/Dense_0/kernel" in left)
    out[TIED] = take("PaliGemma/llm/embedder/input_embedding")
    for path in [path for path in left if path.endswith(("_proj/kernel", "_proj/bias")) or "time_mlp_" in path]:
        layer, kind = path.rsplit("/", 1)
        out[f"{layer}.{'weight' if kind == 'kernel' else 'bias'}"] = left.pop(path).T
    if left:
        raise WeightsError(f"Unexpected parts in the JAX checkpoint: {', '.join(sorted(left))}.")
    return {name: as_tensor(array) for name, array in out.items()}


def _eyes(take: Callable[[str], Array], out: dict[str, Array]) -> None:
    out[TOWER + "embeddings.patch_embedding.weight"] = take("PaliGemma/img/embedding/kernel").transpose(3, 2, 0, 1)  # HWIO -> OIHW
    out[TOWER + "embeddings.patch_embedding.bias"] = take("PaliGemma/img/embedding/bias")
    out[TOWER + "embeddings.position_embedding.weight"] = take("PaliGemma/img/pos_embedding")[0]
    for path, name, how in EYES:
        for n, layer in enumerate(take(f"PaliGemma/img/Transformer/encoderblock/{path}")):
            out[f"{TOWER}encoder.layers.{n}.{name}"] = how(layer)
    out[TOWER + "post_layernorm.weight"] = take("PaliGemma/img/Transformer/encoder_norm/scale")
    out[TOWER + "post_layernorm.bias"] = take("PaliGemma/img/Transformer/encoder_norm/bias")
    out[VLM + "model.multi_modal_projector.linear.weight"] = take("PaliGemma/img/head/kernel").T
    out[VLM + "model.multi_modal_projector.linear.bias"] = take("PaliGemma/img/head/bias")


def _expert(take: Callable[[str], Array], out: dict[str, Array], root: str, suffix: str, adaptive: bool) -> None:
    adaptive = adaptive and suffix == "_1"
    stack = "PaliGemma/llm/layers/"
    q, kv = take(f"{stack}attn/q_einsum{suffix}/w"), take(f"{stack}attn/kv_einsum{suffix}/w")  # [L, N, D, K], [L, 2, G, D, K]
    o = take(f"{stack}attn/attn_vec_einsum{suffix}/w")  # [L, N, K, D]
    gate_up, down = take(f"{stack}mlp{suffix}/gating_einsum"), take(f"{stack}mlp{suffix}/linear")  # [L, 2, D, F], [L, F, D]
    for n in range(len(q)):
        layer = f"{root}layers.{n}."
        out[layer + "self_attn.q_proj.weight"] = einsum_out(q[n])
        out[layer + "self_attn.k_proj.weight"], out[layer + "self_attn.v_proj.weight"] = einsum_out(kv[n, 0]), einsum_out(kv[n, 1])
        out[layer + "self_attn.o_proj.weight"] = heads_in(o[n])
        out[layer + "mlp.gate_proj.weight"], out[layer + "mlp.up_proj.weight"] = gate_up[n, 0].T, gate_up[n, 1].T
        out[layer + "mlp.down_proj.weight"] = down[n].T
    parts = (("Dense_0/kernel", "dense.weight"), ("Dense_0/bias", "dense.bias")) if adaptive else (("scale", "weight"),)
    for theirs, ours in parts:
        for jax_norm, norm in (("pre_attention_norm", "input_layernorm"), ("pre_ffw_norm", "post_attention_layernorm")):
            for n, layer_norm in enumerate(take(f"{stack}{jax_norm}{suffix}/{theirs}")):
                out[f"{root}layers.{n}.{norm}.{ours}"] = layer_norm.T
        out[f"{root}norm.{ours}"] = take(f"PaliGemma/llm/final_norm{suffix}/{theirs}").T


def as_tensor(array: Array) -> Tensor:
    """numpy, with JAX's bfloat16, -> a contiguous tensor of the same type."""
    array = np.ascontiguousarray(array)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy() if not array.flags.writeable else array)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Array]:
    """{"a": {"b": x}} -> {"a/b": x}."""
    flat: dict[str, Array] = {}
    for key, value in tree.items():
        path = f"{prefix}/{key}" if prefix else str(key)
        flat |= flatten(value, path) if isinstance(value, Mapping) else {path: np.asarray(value)}
    return flat


def read_orbax(path: Path) -> dict[str, Array]:
    """All parameters as numpy, on the host, whatever devices they were saved from."""
    try:
        import jax  # type: ignore[import-not-found]
        import orbax.checkpoint as ocp  # type: ignore[import-not-found]
    except ImportError as error:
        raise WeightsError("Reading a JAX checkpoint needs orbax and jax here: pip install orbax-checkpoint jax.") from error
    folder = (path / "params" if (path / "params").is_dir() else path).absolute()
    with ocp.PyTreeCheckpointer() as checkpointer:
        metadata = checkpointer.metadata(folder)
        tree = getattr(metadata, "item_metadata", metadata)
        tree = getattr(tree, "tree", tree)
        plain = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        restored = checkpointer.restore(folder, ocp.args.PyTreeRestore(item=tree, restore_args=plain))
    return flatten(restored.get("params", restored))


def convert(source: Path, folder: Path) -> None:
    """Read an orbax checkpoint, write model.safetensors, config.json and assets/."""
    tensors = from_jax(read_orbax(source))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / "model.safetensors"))
    precision = str(tensors[TIED].dtype).removeprefix("torch.")
    card = {"action_dim": tensors["action_in_proj.weight"].shape[1], "pi05": "time_mlp_in.weight" in tensors, "precision": precision}
    (folder / "config.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    for assets in (source / "assets", source.parent / "assets"):
        if assets.is_dir():
            shutil.copytree(assets, folder / "assets", dirs_exist_ok=True)
            break
    print(f"{len(tensors)} tensors, {sum(t.numel() for t in tensors.values()):,} numbers -> {folder / 'model.safetensors'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="the folder that holds params/ (or params/ itself)")
    parser.add_argument("folder", type=Path, help="where model.safetensors goes")
    arguments = parser.parse_args()
    convert(arguments.checkpoint, arguments.folder)


if __name__ == "__main__":
    main()
