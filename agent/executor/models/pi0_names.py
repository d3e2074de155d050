"""Parameter names of the released π0 and π0.5 checkpoints, and how they map to ours.

Ours differ from openpi's PyTorch names in two ways: they are short, and matrices that read the same input are stacked (q|k|v, gate|up).
So each of our parameters is made of one or more published ones, stacked along axis 0. Facts: the released checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from agent.executor.models.paligemma import GemmaConfig, VisionConfig
from agent.executor.models.pi0 import Pi0Config

Shape = tuple[int, ...]

ROOT = "paligemma_with_expert."
VLM, EXPERT = ROOT + "paligemma.", ROOT + "gemma_expert."
TEXT, TIED = VLM + "model.language_model.embed_tokens.weight", VLM + "lm_head.weight"  # one matrix, two names; files hold either or both
UNUSED = EXPERT + "lm_head.weight"  # present in released files, random, read by nothing

OLD_PATHS = (  # lerobot files made before October 2025, and stock PaliGemma inside them
    (re.compile(rf"^{re.escape(VLM)}language_model\.model\."), VLM + "model.language_model."),
    (re.compile(rf"^{re.escape(VLM)}language_model\.lm_head\."), VLM + "lm_head."),
    (re.compile(rf"^{re.escape(VLM)}(vision_tower|multi_modal_projector)\."), VLM + r"model.\1."),
)


@dataclass(frozen=True)
class Piece:
    """One published parameter: its name, and its shape in the file. In the model it lies flat as (shape[0], rest)."""

    name: str
    shape: Shape


def pieces(config: Pi0Config) -> dict[str, list[Piece]]:
    """Our parameter name -> the published parameters it is stacked from."""
    width, A = config.expert.width, config.action_dim
    table = {"trunk.vlm.embedding.weight": [Piece(TIED, (config.vocab, config.vlm.width))]}
    table |= _vision(config.vision, config.vlm.width)
    table |= _expert("trunk.vlm.", VLM + "model.language_model.", config.vlm, adaptive=False)
    table |= _expert("trunk.expert.", EXPERT + "model.", config.expert, adaptive=config.adaptive)
    table |= _linear("action_in", "action_in_proj", (width, A)) | _linear("action_out", "action_out_proj", (A, width))
    if config.adaptive:
        table |= _linear("time_in", "time_mlp_in", (width, width)) | _linear("time_out", "time_mlp_out", (width, width))
    else:
        table |= _linear("state_in", "state_proj", (width, A))
        table |= _linear("mix_in", "action_time_mlp_in", (width, 2 * width)) | _linear("mix_out", "action_time_mlp_out", (width, width))
    return table


def published_shapes(config: Pi0Config) -> dict[str, Shape]:
    """Every entry of the published state_dict, with both names of the text embedding and the unused head: 778 (π0) or 813 (π0.5)."""
    shapes = {piece.name: piece.shape for stack in pieces(config).values() for piece in stack}
    return shapes | {TEXT: shapes[TIED], UNUSED: (config.vocab, config.expert.width)}


def modern(names: Mapping[str, Tensor]) -> dict[str, str]:
    """openpi's name -> the name in this file, for files of openpi, lerobot (with or without a leading `model.`) and old lerobot."""
    table = {}
    for name in names:
        plain = name.removeprefix("model.") if name.startswith(("model." + ROOT, "model.action_", "model.state_", "model.time_")) else name
        for old, new in OLD_PATHS:
            plain = old.sub(new, plain)
        table[plain] = name
    if TEXT in table:
        table.setdefault(TIED, table[TEXT])
        del table[TEXT]
    table.pop(UNUSED, None)
    return table


def is_adaptive(names: Mapping[str, str]) -> bool:
    """True for π0.5, by its time layers."""
    return "time_mlp_in.weight" in names


def _linear(ours: str, theirs: str, shape: Shape) -> dict[str, list[Piece]]:
    return {f"{ours}.weight": [Piece(f"{theirs}.weight", shape)], f"{ours}.bias": [Piece(f"{theirs}.bias", shape[:1])]}


def _vision(config: VisionConfig, out_width: int) -> dict[str, list[Piece]]:
    tower, W, M = VLM + "model.vision_tower.vision_model.", config.width, config.mlp
    table = _linear("vision.patch", tower + "embeddings.patch_embedding", (W, 3, config.patch, config.patch))
    table["vision.position"] = [Piece(tower + "embeddings.position_embedding.weight", (config.tokens, W))]
    for n in range(config.depth):
        ours, theirs = f"vision.blocks.{n}.", f"{tower}encoder.layers.{n}."
        table |= _norm(ours + "norm1", theirs + "layer_norm1", W) | _norm(ours + "norm2", theirs + "layer_norm2", W)
        table |= _linear(ours + "out", theirs + "self_attn.out_proj", (W, W))
        table |= _linear(ours + "up", theirs + "mlp.fc1", (M, W)) | _linear(ours + "down", theirs + "mlp.fc2", (W, M))
        for kind, shape in (("weight", (W, W)), ("bias", (W,))):
            table[f"{ours}qkv.{kind}"] = [Piece(f"{theirs}self_attn.{x}_proj.{kind}", shape) for x in "qkv"]
    table |= _norm("vision.norm", tower + "post_layernorm", W)
    return table | _linear("vision.projector", VLM + "model.multi_modal_projector.linear", (out_width, W))


def _norm(ours: str, theirs: str, width: int) -> dict[str, list[Piece]]:
    return {f"{ours}.{kind}": [Piece(f"{theirs}.{kind}", (width,))] for kind in ("weight", "bias")}


def _rms(ours: str, theirs: str, width: int, adaptive: bool) -> dict[str, list[Piece]]:
    if adaptive:
        return _linear(f"{ours}.dense", f"{theirs}.dense", (3 * width, width))
    return {f"{ours}.weight": [Piece(f"{theirs}.weight", (width,))]}


def _expert(ours: str, theirs: str, config: GemmaConfig, adaptive: bool) -> dict[str, list[Piece]]:
    W, M, q, kv = config.width, config.mlp, config.heads * config.head_dim, config.kv_heads * config.head_dim
    table: dict[str, list[Piece]] = {}
    for n in range(config.depth):
        us, them = f"{ours}blocks.{n}.", f"{theirs}layers.{n}."
        table |= _rms(us + "norm1", them + "input_layernorm", W, adaptive)
        table |= _rms(us + "norm2", them + "post_attention_layernorm", W, adaptive)
        rows = {"q": q, "k": kv, "v": kv}
        table[us + "qkv.weight"] = [Piece(f"{them}self_attn.{x}_proj.weight", (r, W)) for x, r in rows.items()]
        table[us + "out.weight"] = [Piece(them + "self_attn.o_proj.weight", (W, q))]
        table[us + "gate_up.weight"] = [Piece(f"{them}mlp.{x}_proj.weight", (M, W)) for x in ("gate", "up")]
        table[us + "down.weight"] = [Piece(them + "mlp.down_proj.weight", (W, M))]
    return table | _rms(ours + "norm", theirs + "norm", W, adaptive)
