"""Is our RDT the published RDT? Compares every array of every fixture set in a folder with numbers from the reference implementation.

    python benchmarks/parity_rdt.py DIR        one line per array; exit status 1 if any error is past its bound

A set is NAME.config.json + NAME.safetensors + NAME.io.npz, anywhere below DIR, with any sizes; NAME.posinit.npz beside it is optional.
"""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from agent.executor.models.diffusion import add_noise, solve, solver_steps
from agent.executor.models.rdt import RDT, RDTConfig, Senses

Row = tuple[str, float, float]
"""(array, largest absolute error, bound)."""

EXACT, LOSS, BF16 = 2e-5, 1e-4, 0.1
INPUTS = {
    "lang_tokens", "lang_attn_mask", "img_tokens", "state_tokens", "action_mask", "ctrl_freqs", "noisy_action", "timesteps",
    "predict_init_noise", "action_gt", "loss_noise", "loss_timesteps",
}  # fmt: skip


def rdt_sets(directory: Path) -> Iterator[tuple[str, list[Row]]]:
    """Every set below `directory`: its name and its rows."""
    for path in sorted(Path(directory).rglob("*.config.json")):
        name = path.name.removesuffix(".config.json")
        weights, arrays = path.with_name(f"{name}.safetensors"), path.with_name(f"{name}.io.npz")
        if weights.exists() and arrays.exists():
            yield name, compare(path, weights, arrays)


def compare(config: Path, weights: Path, arrays: Path) -> list[Row]:
    """All rows of one set."""
    torch.set_float32_matmul_precision("highest")
    fresh = RDT(RDTConfig.from_published(json.loads(config.read_text())))
    rows = starts(fresh, arrays.with_name(arrays.name.replace(".io.", ".posinit.")))
    model = fresh.eval()
    model.load_state_dict(load_file(weights), strict=True)
    with np.load(arrays) as stored:
        expected = {name: torch.from_numpy(stored[name]) for name in stored.files}
    ours = {**outputs(model, expected), **losses(model, expected), **sampled(model, expected)}
    if "model_out_bf16_as_f32" in expected:
        ours["model_out_bf16_as_f32"] = in_bf16(model, expected)
    return rows + [judge(name, ours.get(name), array) for name, array in expected.items() if name not in INPUTS]


def judge(name: str, ours: Tensor | None, expected: Tensor) -> Row:
    if ours is None:
        return f"{name} (unknown array, not compared)", float("nan"), float("nan")
    bound = BF16 if "bf16" in name else LOSS if name.startswith("loss") else EXACT
    return name, worst(ours, expected, relative=name.startswith(("dbg_", "grad:", "loss_grad", "predict_sigmas"))), bound


def worst(ours: Tensor, expected: Tensor, relative: bool = False) -> float:
    """Largest absolute error. Where `relative` (inner values, which grow with the model): of values above 1, in units of themselves.

    A wrong shape is infinitely wrong, and so is a number that is none.
    """
    if ours.shape != expected.shape or not torch.isfinite(ours).all():
        return float("inf")
    error = (ours.double() - expected.double()).abs()
    return float((error / expected.double().abs().clamp(min=1) if relative else error).max())


def starts(fresh: RDT, path: Path) -> list[Row]:
    """The position parameters as an untrained model has them."""
    if not path.exists():
        return []
    with np.load(path) as stored:
        expected = {name: torch.from_numpy(stored[name]) for name in stored.files}
    return [(f"initial {name}", worst(fresh.get_parameter(name).detach(), array), EXACT) for name, array in expected.items()]


def senses(arrays: dict[str, Tensor], dtype: torch.dtype = torch.float32, masked: bool = True) -> Senses:
    return Senses(
        words=arrays["lang_tokens"].to(dtype),
        words_mask=arrays["lang_attn_mask"] if masked else None,
        images=arrays["img_tokens"].to(dtype),
        state=arrays["state_tokens"][:, 0].to(dtype),
        has=arrays["action_mask"][:, 0].to(dtype),
        hz=arrays["ctrl_freqs"],
    )


def outputs(model: RDT, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network once, with everything it computes on the way."""
    seen: dict[str, Tensor] = {}
    watched = {
        "dbg_t_emb": model.model.t_embedder,
        "dbg_freq_emb": model.model.freq_embedder,
        "dbg_lang_adapted": model.lang_adaptor,
        "dbg_img_adapted": model.img_adaptor,
        "dbg_state_action_adapted": model.state_adaptor,
        "dbg_block0_norm1_out": model.model.blocks[0].norm1,
        "dbg_block0_selfattn_out": model.model.blocks[0].attn,
        "dbg_block0_crossattn_out": model.model.blocks[0].cross_attn,
        **{f"dbg_block{i}_out": block for i, block in enumerate(model.model.blocks)},
    }
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output.detach()}))
        for name, module in watched.items()
    ]
    hooks.append(model.model.blocks[0].register_forward_pre_hook(lambda _module, inputs: seen.update(dbg_tokens_in=inputs[0].detach())))
    noisy, t = arrays["noisy_action"], arrays["timesteps"]
    with torch.no_grad():
        seen["model_out"] = model(noisy, t, senses(arrays))
        for hook in hooks:
            hook.remove()
        seen["model_out_t_broadcast"] = model(noisy, t[:1], senses(arrays))
        seen["model_out_nomask"] = model(noisy, t, senses(arrays, masked=False))
    return seen


def in_bf16(model: RDT, arrays: dict[str, Tensor]) -> Tensor:
    """Weights and inputs in bf16, on a copy."""
    narrow, told = deepcopy(model).bfloat16(), senses(arrays, torch.bfloat16)
    with torch.no_grad():
        return narrow(arrays["noisy_action"].bfloat16(), arrays["timesteps"], told).float()


def losses(model: RDT, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Noising, the loss, and its gradients."""
    clean, noise, t = arrays["action_gt"], arrays["loss_noise"], arrays["loss_timesteps"]
    model.zero_grad()
    loss = model.loss(clean, noise, t, senses(arrays)).mean()
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {
        "noisy_action_from_add_noise": add_noise(clean, noise, t),
        "loss": loss.detach(),
        "loss_grad_norm": torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm(),
        **{f"grad:{name}": gradient for name, gradient in gradients.items()},
    }


def sampled(model: RDT, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """A chunk from given noise, step by step and in one call."""
    told, noise = senses(arrays), arrays["predict_init_noise"]
    times, sigmas = solver_steps(model.config.steps)
    with torch.no_grad():
        memories = model.remember(told)
        steps = list(solve(lambda x, t: model.denoise(x, torch.tensor([t]), told, memories), noise, model.config.steps))
    return {
        "predict_action": model.sample(told, noise),
        "predict_timesteps": torch.tensor(times),
        "predict_sigmas": sigmas,
        "predict_step_model_out": torch.stack([clean for clean, _ in steps]),
        "predict_step_x": torch.stack([x for _, x in steps]),
    }


def main(directory: Path) -> int:
    compared = past = 0
    for name, rows in rdt_sets(directory):
        for array, error, bound in rows:
            wrong = not error <= bound and bound == bound  # a bound that is no number marks an array that is not compared
            compared, past = compared + 1, past + wrong
            print(f"{name:12} {array:48} {error:9.1e}  bound {bound:.0e}{'  PAST ITS BOUND' if wrong else ''}")
    if not compared:
        print(f"No RDT fixture sets under {directory}.")
    return int(past > 0 or not compared)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
