"""Is our π0 the published π0? Compares every array of every fixture set in a folder with numbers from the reference implementation.

A set is NAME_config.json + NAME_weights.safetensors + NAME_io.npz, anywhere below the folder, with any sizes, π0 or π0.5.
Velocities, actions and samples are held to 2e-5 and single losses to 1e-4, in float32; intermediate arrays and gradients to 2e-5 of their
own largest value (or of 1); the mixed bf16 policy to three times the distance that the reference itself moved from float32.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent.executor.models.attention import block_mask, positions_of
from agent.executor.models.paligemma import GemmaConfig, VisionConfig
from agent.executor.models.pi0 import Inputs, Pi0, Pi0Config, time_embedding, to_mixed
from agent.executor.models.pi0_names import TEXT, TIED, pieces
from agent.executor.models.sampling import euler, flow_times
from agent.executor.models.weights import load_pi0

Row = tuple[str, float, float]
"""(array, largest absolute error, bound). A NaN bound: not compared."""

EXACT, LOSS = 2e-5, 1e-4
Arrays = dict[str, Tensor]


def pi0_sets(directory: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """Every set below `directory`: its name and its rows."""
    for config in sorted(Path(directory).rglob("*_config.json")):
        name = config.name.removesuffix("_config.json")
        weights, arrays = config.with_name(f"{name}_weights.safetensors"), config.with_name(f"{name}_io.npz")
        if weights.exists() and arrays.exists():
            yield name, compare(config, weights, arrays)


def compare(config_file: Path, weights: Path, arrays: Path) -> Iterator[Row]:
    """All rows of one set."""
    raw = json.loads(config_file.read_text(encoding="utf-8"))
    with np.load(arrays) as stored:
        io = {name: torch.from_numpy(stored[name]) for name in stored.files}
    model = load_pi0(weights, fixture_config(raw))
    inputs = fixture_inputs(io, model.config.cameras)
    with torch.no_grad():
        ours = {**trained(model, inputs, io), **sampled(model, inputs, io), **insides(model, inputs, io)}
    gradients = published_gradients(model, inputs, io)
    ours |= {f"out/grad/{name}": gradients[name] for name in gradients if f"out/grad/{name}" in io}
    with torch.no_grad():
        ours |= in_bf16(to_mixed(model), inputs, io)
    for name, expected in io.items():
        if name.startswith("out/"):
            yield judge(name.removeprefix("out/"), ours.get(name), expected, raw)
    if norms := raw.get("train_grad_l2_norms"):
        yield judge_norms(gradients, norms)


def judge(name: str, ours: Tensor | None, expected: Tensor, raw: dict[str, Any]) -> Row:
    if ours is None:
        return f"{name} (nothing reads it: not computed)", float("nan"), float("nan")
    if ours.shape != expected.shape:
        return f"{name} shape {list(ours.shape)}, not {list(expected.shape)}", float("inf"), EXACT
    error = (ours.double() - expected.double()).abs().max().item() if expected.numel() else 0.0
    if name.startswith("bf16_"):
        recorded = raw["bf16_vs_f32_train_v_t_max_abs" if "train" in name else "bf16_vs_f32_sample10_max_abs"]
        return name, error, 3 * recorded
    if name == "train_loss_elementwise":
        return name, error, LOSS
    if name.startswith(("train_v_t", "train_loss", "sample_")):
        return name, error, EXACT
    return name, error, EXACT * max(1.0, expected.double().abs().max().item())


def judge_norms(gradients: Arrays, recorded: dict[str, float | None]) -> Row:
    """The L2 norm of every parameter's gradient, relative to the recorded one where that is not tiny; null: the loss must not reach it."""
    worst = 0.0
    for name, norm in recorded.items():
        gradient = gradients.get(TIED if name == TEXT else name)
        ours = 0.0 if gradient is None else gradient.double().norm().item()
        worst = max(worst, abs(ours - (norm or 0.0)) / max(1.0, norm or 0.0))
    return f"gradient norms of {len(recorded)} parameters", worst, 1e-4


def fixture_config(raw: dict[str, Any]) -> Pi0Config:
    """The sizes written in a fixture's config file."""
    vision, shared = raw["vision"], {"eps": raw["rms_norm_eps"], "rope_base": raw["rope_theta"]}

    def gemma(of: dict[str, int]) -> GemmaConfig:
        return GemmaConfig(of["width"], of["mlp_dim"], of["depth"], of["num_heads"], of["num_kv_heads"], of["head_dim"], **shared)

    return Pi0Config(
        vision=VisionConfig(
            width=vision["hidden_size"],
            depth=vision["num_hidden_layers"],
            mlp=vision["intermediate_size"],
            heads=vision["num_attention_heads"],
            patch=vision["patch_size"],
            image=vision["image_size"],
            eps=vision["layer_norm_eps"],
        ),
        vlm=gemma(raw["vlm"]),
        expert=gemma(raw["action_expert"]),
        vocab=raw["vocab_size"],
        action_dim=raw["action_dim"],
        horizon=raw["action_horizon"],
        max_text=raw["max_token_len"],
        cameras=tuple(raw["image_keys"]),
        adaptive=raw["pi05"],
        min_period=raw["time_min_period"],
        max_period=raw["time_max_period"],
    )


def fixture_inputs(io: Arrays, cameras: tuple[str, ...]) -> Inputs:
    """A fixture's arrays as model inputs."""
    images = torch.stack([io[f"in/image_u8/{camera}"].permute(0, 3, 1, 2) for camera in cameras], dim=1)
    masks = torch.stack([io[f"in/image_mask/{camera}"] for camera in cameras], dim=1)
    return Inputs(images.float() / 255 * 2 - 1, masks, io["in/tokens"].long(), io["in/token_mask"], io["in/state"])


def noisy(io: Arrays) -> Tensor:
    t = io["in/time"][:, None, None]
    return t * io["in/noise"] + (1 - t) * io["in/actions"]


def trained(model: Pi0, inputs: Inputs, io: Arrays) -> Arrays:
    loss = model.loss(inputs, io["in/actions"], io["in/noise"], io["in/time"])
    return {
        "out/train_x_t": noisy(io),
        "out/train_v_t": model(inputs, noisy(io), io["in/time"]),
        "out/train_loss_elementwise": loss,
        "out/train_loss_mean": loss.mean(),
    }


def sampled(model: Pi0, inputs: Inputs, io: Arrays) -> Arrays:
    if "in/sample_noise" not in io:
        return {}
    noise = io["in/sample_noise"]
    counts = {name: int(name.rsplit("_", 1)[1]) for name in io if name.startswith("out/sample_actions_")}
    ours = {name: model.sample(inputs, noise, steps) for name, steps in counts.items()}
    if "out/sample_v_t" in io:
        cache, conditions = model.prefill(inputs), model.condition(io["out/sample_t"].view(-1, 1))
        recorded = io["out/sample_x_t"]
        ours["out/sample_v_t"] = torch.stack([model.velocity(cache, x, conditions.at(k)) for k, x in enumerate(recorded)])
        seen: list[Tensor] = []
        times = flow_times(len(recorded))

        def field(x: Tensor, k: int) -> Tensor:
            seen.append(x)
            return model.velocity(cache, x, conditions.at(k))

        euler(field, noise, times)
        ours["out/sample_x_t"], ours["out/sample_t"] = torch.stack(seen), torch.tensor(times)
    return ours


def insides(model: Pi0, inputs: Inputs, io: Arrays) -> Arrays:
    """Embeddings, masks, hidden states and caches, by the names of the fixtures."""
    ours: Arrays = {f"out/image_tokens/{name}": model.vision(inputs.images[:, v]) for v, name in enumerate(model.config.cameras)}
    prefix, valid = model.embed_prefix(model.see(inputs.images), inputs)
    assert valid is not None, "fixtures bring their masks"
    condition = model.condition(io["in/time"].view(-1, 1))
    suffix = model.embed_actions(noisy(io), condition)
    starts = [0] * prefix.shape[1] + [1] + [0] * (model.config.horizon - 1)
    if not model.config.adaptive:
        suffix = torch.cat([model.embed_state(inputs.state), suffix], dim=1)
        starts.insert(prefix.shape[1], 1)
    else:
        t = time_embedding(io["in/time"], model.config.expert.width, model.config.min_period, model.config.max_period)
        silu = torch.nn.functional.silu
        ours["out/adarms_cond"] = silu(model.time_out(silu(model.time_in(t))))
    valid = torch.cat([valid, valid.new_ones(suffix.shape[:2])], dim=1)
    blocks = torch.tensor(starts, dtype=torch.int32)
    ours |= {
        "out/prefix_embs": prefix,
        "out/suffix_embs": suffix,
        "out/time_emb": time_embedding(io["in/time"], model.config.expert.width, model.config.min_period, model.config.max_period),
        "out/pad_mask": valid,
        "out/att_mask_ar": blocks.expand(valid.shape),
        "out/att_2d_mask": block_mask(valid, blocks),
        "out/position_ids": positions_of(valid),
    }
    cache = model.trunk.prefill(prefix, valid[:, : prefix.shape[1]])
    for n, (k, v) in enumerate(zip(cache.keys, cache.values, strict=True)):
        ours[f"out/prefix_cache/layer{n}_k"], ours[f"out/prefix_cache/layer{n}_v"] = k.transpose(1, 2), v.transpose(1, 2)
    return ours | hidden_states(model, lambda: model.trunk.joint(prefix, suffix, valid, blocks, condition.modulation))


def hidden_states(model: Pi0, run: Callable[[], Tensor]) -> Arrays:
    """What enters each layer of both experts, and the expert's final norm."""
    seen: Arrays = {}
    hooks = []
    for side, expert in (("vlm", model.trunk.vlm), ("expert", model.trunk.expert)):
        norms: dict[str, torch.nn.Module] = {f"layer{n}_in": block.norm1 for n, block in enumerate(expert.blocks)}
        norms["final_norm_in"] = expert.norm
        for name, norm in norms.items():

            def keep(module: torch.nn.Module, inputs: tuple[Tensor, ...], key: str = f"out/train_hidden/{side}/{name}") -> None:
                seen[key] = inputs[0]

            hooks.append(norm.register_forward_pre_hook(keep))
    seen["out/train_hidden/expert/final_norm_out"] = run()
    for hook in hooks:
        hook.remove()
    return seen


def published_gradients(model: Pi0, inputs: Inputs, io: Arrays) -> Arrays:
    """The gradient of the mean loss, unstacked to the published parameters; those the loss does not reach are left out."""
    model.requires_grad_(True)
    model.loss(inputs, io["in/actions"], io["in/noise"], io["in/time"]).mean().backward()
    gradients: Arrays = {}
    table = pieces(model.config)
    for ours, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        parts = parameter.grad.split([piece.shape[0] for piece in table[ours]])
        gradients |= {piece.name: part.reshape(piece.shape) for piece, part in zip(table[ours], parts, strict=True)}
    model.zero_grad(set_to_none=True)
    model.requires_grad_(False)
    return gradients


def in_bf16(mixed: Pi0, inputs: Inputs, io: Arrays) -> Arrays:
    ours: Arrays = {}
    if "out/bf16_train_v_t" in io:
        ours["out/bf16_train_v_t"] = mixed(inputs, noisy(io), io["in/time"])
    if "out/bf16_sample_actions_10" in io:
        ours["out/bf16_sample_actions_10"] = mixed.sample(inputs, io["in/sample_noise"], 10)
    return ours
