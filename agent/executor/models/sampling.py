"""From noise to a chunk, and how to make the new chunk agree with the rows the robot is already executing.

Letters: B batch, H horizon (rows of a chunk), A action width.

Every generative policy here passes through states  x = alpha * clean + sigma * noise  and can say, at each of them, what it thinks the
clean chunk is. So one correction serves them all (`guided_clean`), whatever the network predicts:

    family                         alpha    sigma    clean estimate from the network
    flow, noise at t = 1 (π0)      1 - t    t        x - t * v
    flow, noise at t = 0 (paper)   t        1 - t    x + (1 - t) * v
    diffusion (RDT)                a_t      s_t      the prediction itself

Both models take the same argument, `guide: Guide | None`, in `sample`. Sources: flow matching, Lipman et al. 2210.02747; real-time
chunking (guided inpainting), Black et al. 2506.07339; pseudo-inverse guidance, Song et al. 2023; frozen prefixes, 2512.05964.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Noise = Literal[0, 1]  # the time at which a flow is pure noise: 1 for π0's code and checkpoints, 0 in the paper


@dataclass(frozen=True, eq=False)
class Guide:
    """The rows already promised to the robot, seen from the tick of the new observation.

    target   float[B, H, A], the model's normalised action space; row 0 is the observation's tick; rows without a promise are zero
    weights  float[H] or float[B, H] in 0..1: how much each row binds (see `prefix_weights`); 0 where there is no promise
    strength the clip of the guidance weight; best near the number of sampling steps
    frozen   rows that are simply given (trained prefixes): they are overwritten before each step and carry the time of clean data.
             Costs nothing, but needs a model that was trained so and that takes one time per row (π0, π0.5; not RDT).
    """

    target: Tensor
    weights: Tensor
    strength: float = 10.0
    frozen: int = 0

    def row_weights(self) -> Tensor:
        """Weights as float[B or 1, H, 1], ready to multiply a chunk."""
        weights = self.weights if self.weights.dim() == 2 else self.weights[None]
        return weights[..., None].to(self.target)


def guide_from(rest: Tensor, horizon: int, delay: int, execute: int, strength: float = 10.0, schedule: str = "exp") -> Guide:
    """Guide towards `rest` (float[B, R, A]): what is left of the running chunk, row 0 being the tick of the new observation.

    `delay` rows will have run before the new chunk arrives, `execute` rows pass between two chunks. Rows past R bind nothing.
    """
    known = min(rest.shape[1], horizon)
    target = rest.new_zeros(rest.shape[0], horizon, rest.shape[2])
    target[:, :known] = rest[:, :known]
    weights = prefix_weights(horizon, delay, execute, schedule).to(rest)
    weights[known:] = 0
    return Guide(target, weights, strength)


def prefix_weights(horizon: int, delay: int, execute: int, schedule: str = "exp") -> Tensor:
    """float32[H]: 1 for the `delay` rows that will surely run, fading to 0 at row H - execute, where the new chunk is free.

    schedule: "exp" (the paper's), "linear" (without the exponential factor), "hard" (the first `delay` rows only).
    """
    end = max(horizon - execute, 0)
    delay = min(delay, end)
    rows = torch.arange(horizon, dtype=torch.float64)
    fade = (end - rows) / (end - delay + 1)
    if schedule == "exp":
        fade = fade * torch.expm1(fade) / (np.e - 1)
    elif schedule == "hard":
        fade = torch.zeros_like(fade)
    elif schedule != "linear":
        raise ValueError(f"Prefix weight schedule {schedule!r} is unknown; the schedules are exp, linear, hard.")
    weights = torch.where(rows < delay, torch.ones_like(fade), fade)
    return torch.where(rows < end, weights, torch.zeros_like(weights)).float()


def guided_clean(clean: Callable[[Tensor], Tensor], x: Tensor, alpha: float, sigma: float, guide: Guide | None) -> Tensor:
    """The clean chunk `clean(x)`, pulled towards `guide.target` where its weights bind. Without a guide: `clean(x)` itself.

    x float[B, H, A] = alpha * actions + sigma * noise. `clean` must be differentiable in x (call it with caches built beforehand,
    and not inside torch.inference_mode). The correction is  kappa * J^T (weights * (target - clean)),  J = d clean / d x, one
    vector-Jacobian product, with  kappa = min(strength * sigma, (alpha^2 + sigma^2) / alpha).  For flows this equals the paper's
    velocity correction; for a diffusion model (alpha^2 + sigma^2 = 1) it is the same posterior step.
    """
    if guide is None:
        return clean(x)
    estimate, pull_back = torch.func.vjp(clean, x)[:2]
    (direction,) = pull_back(guide.row_weights() * (guide.target - estimate))
    ceiling = (alpha**2 + sigma**2) / alpha if alpha > 0 else float("inf")
    return estimate.detach() + min(guide.strength * sigma, ceiling) * direction.detach()


def flow_times(steps: int, noise_at: Noise = 1) -> list[float]:
    """The `steps` times at which the field is evaluated, accumulated in float32 as the published sampler does (1, 0.9, 0.79999995, …)."""
    if steps < 1:
        raise ValueError(f"Sampling needs at least one step; {steps} were asked for.")
    step, time, times = np.float32((1 - 2 * noise_at) / steps), np.float32(noise_at), []
    for _ in range(steps):
        times.append(float(time))
        time = np.float32(time + step)
    return times


def row_times(times: Sequence[float], horizon: int, guide: Guide | None, noise_at: Noise = 1) -> Tensor:
    """The same times as a tensor: float32[steps], or float32[steps, H] with the time of clean data on a guide's frozen rows."""
    tensor = torch.tensor(times, dtype=torch.float32)
    if guide is None or not guide.frozen:
        return tensor
    tensor = tensor[:, None].repeat(1, horizon)
    tensor[:, : guide.frozen] = 1 - noise_at
    return tensor


def euler(
    field: Callable[[Tensor, int], Tensor], noise: Tensor, times: Sequence[float], guide: Guide | None = None, noise_at: Noise = 1
) -> Tensor:
    """Follow the flow from noise to a chunk: float[B, H, A] -> float[B, H, A].

    field(x, k) is the network's velocity dx/dt at times[k]; the step is 1/len(times), towards the clean end. Exactly len(times)
    evaluations (each followed by a vector-Jacobian product when guided). No clipping.
    """
    clean_at = 1 - noise_at
    step = (clean_at - noise_at) / len(times)
    x = noise
    for k, time in enumerate(times):
        if guide is not None and guide.frozen:
            x = torch.cat([guide.target[:, : guide.frozen].to(x), x[:, guide.frozen :]], dim=1)
        x = x + step * _velocity(field, x, k, time, guide, noise_at)
    if guide is not None and guide.frozen:
        x = torch.cat([guide.target[:, : guide.frozen].to(x), x[:, guide.frozen :]], dim=1)
    return x


def _velocity(
    field: Callable[[Tensor, int], Tensor], x: Tensor, k: int, time: float, guide: Guide | None, noise_at: Noise
) -> Tensor:
    if guide is None or guide.frozen:
        return field(x, k)
    to_clean = (1 - noise_at) - time  # clean = x + to_clean * velocity, in either direction
    sigma = abs(to_clean)
    return (guided_clean(lambda y: y + to_clean * field(y, k), x, 1 - sigma, sigma, guide) - x) / to_clean
