"""Denoising diffusion, the way RDT is trained and sampled.

    t = 999: nothing but noise   →   t = 0: nearly the clean action        x_t = √A_t · action + √(1 − A_t) · noise

The network looks at x_t and answers with the *clean action itself* (x0-prediction), neither with the noise nor with a velocity.
Training takes one t per sample, uniform on 0 … 999, and the squared error of that answer. Sampling starts at pure noise and takes five
steps of DPM-Solver++(2M): between two steps the solver moves along the exact solution of the diffusion's differential equation,
for a clean prediction extrapolated linearly from the last two; the last step lands on the network's answer itself.

Sources: DDPM (arXiv 2006.11239), cosine schedule (2102.09672), DPM-Solver++ (2211.01095).
"""

import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from agent.executor.models.sampling import Guide, guided_clean

TRAIN_STEPS = 1000

Predict = Callable[[Tensor, int], Tensor]
"""(x_t, t) → predicted clean action, both of the shape and dtype of x_t."""


@cache
def cosine_betas(steps: int = TRAIN_STEPS) -> Tensor:
    """How much of the signal each training step destroys: float32[steps], at most 0.999."""

    def kept(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    return torch.tensor([min(1 - kept((i + 1) / steps) / kept(i / steps), 0.999) for i in range(steps)], dtype=torch.float32, device="cpu")


@cache
def signal(steps: int = TRAIN_STEPS) -> Tensor:
    """A_t, the share of the signal's variance left at t: float32[steps], falling from almost 1 to 2.4e-9."""
    return torch.cumprod(1 - cosine_betas(steps), dim=0)


def add_noise(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t for a batch: clean, noise (B, ...), one training step t int64[B] per sample."""
    left = signal().to(clean.device)[t].reshape(-1, *[1] * (clean.ndim - 1))
    return left.sqrt().to(clean.dtype) * clean + (1 - left).sqrt().to(clean.dtype) * noise


def solver_steps(steps: int) -> tuple[list[int], Tensor]:
    """The training times a sampler of `steps` steps visits, and the noise-to-signal ratio σ at each, float32[steps + 1], ending in 0.

    Times are evenly spaced and rounded, halves to even: 5 steps visit 999, 799, 599, 400, 200.
    """
    if not 1 <= steps < TRAIN_STEPS:
        raise ValueError(f"A sampler takes 1 to {TRAIN_STEPS - 1} steps; {steps} were asked for.")
    times = np.linspace(0, TRAIN_STEPS - 1, steps + 1).round()[:0:-1].astype(int).tolist()
    left = signal()[times]
    return times, torch.cat([((1 - left) / left).sqrt(), torch.zeros(1)])


def solve(predict: Predict, noise: Tensor, steps: int = 5, guide: Guide | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """DPM-Solver++(2M): from noise (B, H, A) to a clean action; yields (predicted clean action, x after the step) `steps` times.

    Arithmetic between the network's calls is float32; x keeps the dtype of `noise`. Nothing is remembered between calls, so the result
    is a function of the arguments alone. A guide corrects every prediction (see sampling.py).
    """
    if guide is not None and guide.frozen:
        raise ValueError("Frozen rows need a model with one time per row; this one has a single time per chunk. Use a guide with frozen=0.")
    times, sigmas = solver_steps(steps)
    alphas = 1 / (1 + sigmas**2).sqrt()  # signal scale; σ · alpha is the noise scale, and their squares add up to 1
    spreads = sigmas * alphas
    lambdas = -sigmas.log()  # log signal-to-noise: the clock on which the solution is smooth; infinite at σ = 0
    x, before = noise, torch.zeros_like(noise, dtype=torch.float32)
    for i, t in enumerate(times):
        clean = guided_clean(partial(_float_predict, predict, t, noise.dtype), x.float(), alphas[i].item(), spreads[i].item(), guide)
        if i == steps - 1:
            x = clean.to(noise.dtype)
        else:
            h = lambdas[i + 1] - lambdas[i]
            ahead = clean if i == 0 else clean + 0.5 * (clean - before) * (h / (lambdas[i] - lambdas[i - 1])).item()
            shrink, pull = (spreads[i + 1] / spreads[i]).item(), (alphas[i + 1] * torch.expm1(-h)).item()
            x = (shrink * x.float() - pull * ahead).to(noise.dtype)
        before = clean
        yield clean, x


def _float_predict(predict: Predict, t: int, dtype: torch.dtype, x: Tensor) -> Tensor:
    return predict(x.to(dtype), t).float()


def sample(predict: Predict, noise: Tensor, steps: int = 5, guide: Guide | None = None) -> Tensor:
    """The clean action at the end of `solve`, shaped like `noise`."""
    x = noise
    for _, x in solve(predict, noise, steps, guide):  # noqa: B007
        pass
    return x


def ema_decay(step: int, power: float = 0.75, most: float = 0.9999) -> float:
    """How much of the running average of the weights is kept at training step `step`: 0 at first, rising to `most`.

    Keep that average in float32: in bf16, a change of one part in ten thousand rounds to none.
    """
    return min(most, 1 - (1 + step - 1) ** -power) if step > 1 else 0.0
