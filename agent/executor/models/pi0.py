"""π0 and π0.5: a vision-language model that speaks in motor commands, by flow matching.

    images, words ──▶ wide expert (Gemma 2B) ──▶ keys and values, once per chunk
                                                   │
    state, noisy actions, time ──▶ narrow expert (Gemma 300M), once per step ──▶ velocity ──▶ a chunk of H actions

THE TIME CONVENTION, used everywhere in this file:   t = 1 is NOISE,   t = 0 is DATA.
    x_t = t * noise + (1 - t) * actions,     the network predicts  v = dx/dt = noise - actions,     sampling walks t from 1 down to 0.
    (The paper runs the other way, tau = 1 - t. Code and released checkpoints use t.)

What sees what: images and text form one block; the state token sees them; the actions see everything, and one another, in both directions.
The rule itself is `attention.block_mask`. So neither prefix nor state depends on the actions: both are cached for all sampling steps.

π0.5 differs in three things: the state is written into the prompt as text (no state token), the flow time modulates every norm of the
narrow expert (adaptive RMSNorm) instead of being mixed into the action tokens, and the text may be 200 tokens long.

Letters: B batch, V views (cameras), I image side, P tokens per image, L text tokens, H horizon, A action width (padded), D expert width.
Sources: π0 2410.24164, π0.5 2504.16054; sizes and key layouts from the released checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.executor.models.paligemma import GEMMA_2B, GEMMA_300M, Cache, GemmaConfig, Trunk, Vision, VisionConfig
from agent.executor.models.sampling import Guide, euler, flow_times, row_times

CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")  # the order matters: the model was trained with it


@dataclass(frozen=True)
class Pi0Config:
    """Sizes of a π0 or π0.5. The defaults are the released π0: 3.24 billion parameters in use."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    vlm: GemmaConfig = GEMMA_2B
    expert: GemmaConfig = GEMMA_300M
    vocab: int = 257152
    action_dim: int = 32  # A; robots with fewer numbers are padded with zeros
    horizon: int = 50  # H
    max_text: int = 48  # L
    cameras: tuple[str, ...] = CAMERAS
    adaptive: bool = False  # True: π0.5
    min_period: float = 0.004  # of the time embedding
    max_period: float = 4.0

    @property
    def family(self) -> str:
        return "pi05" if self.adaptive else "pi0"


PI0 = Pi0Config()
PI05 = Pi0Config(adaptive=True, max_text=200)


def tiny(adaptive: bool = False, horizon: int = 50, vocab: int = 300) -> Pi0Config:
    """A quarter of a million parameters, same code path: for tests and for machines without an accelerator."""
    shape = {"depth": 2, "heads": 8, "kv_heads": 1, "head_dim": 16}
    return Pi0Config(
        vision=VisionConfig(width=48, depth=2, mlp=100, heads=4, image=56),
        vlm=GemmaConfig(width=64, mlp=128, **shape),
        expert=GemmaConfig(width=32, mlp=64, **shape),
        vocab=vocab,
        horizon=horizon,
        adaptive=adaptive,
    )


class Inputs(NamedTuple):
    """What the network is given; `preprocess.py` makes it from an observation.

    images       uint8[B, V, 3, I, I], or float32 in -1..1 (bytes / 255 * 2 - 1), cameras in the order of the config
    image_valid  bool[B, V], False for a camera the robot lacks (its image is black); None: all valid
    tokens       int64[B, L]
    token_valid  bool[B, L], False on the padding at the end; None: all valid
    state        float32[B, A], normalised, zero-padded (π0.5 ignores it: there the prompt carries the state)
    """

    images: Tensor
    image_valid: Tensor | None
    tokens: Tensor
    token_valid: Tensor | None
    state: Tensor


def compact(inputs: Inputs, text_bucket: int = 1) -> Inputs:
    """Drop what nobody can see: cameras absent in the whole batch, padding beyond the longest text (rounded up to `text_bucket`).

    Exact, since what is dropped neither is attended to nor advances a position. Where nothing invalid is left the masks become None, and
    attention runs unmasked. Looks at the values of the masks, so call it before the inputs travel to the device.
    """
    images, image_valid, tokens, token_valid, state = inputs
    if image_valid is not None:
        present = image_valid.any(0)
        present[0] |= not present.any()  # a robot without eyes keeps one black, masked image
        images, image_valid = images[:, present], image_valid[:, present]
        image_valid = None if bool(image_valid.all()) else image_valid
    if token_valid is not None:
        longest = int(token_valid.sum(-1).max())
        length = min(math.ceil(longest / text_bucket) * text_bucket, tokens.shape[1])
        tokens, token_valid = tokens[:, :length], token_valid[:, :length]
        token_valid = None if bool(token_valid.all()) else token_valid
    return Inputs(images, image_valid, tokens, token_valid, state)


def time_embedding(t: Tensor, width: int, min_period: float = 0.004, max_period: float = 4.0) -> Tensor:
    """[...] -> float32[..., width]: sines, then cosines, of 2 pi t / period, the periods spaced geometrically.

    In float64, because at t = 1 the fastest angle is 1571 rad and float32 is already off by 1e-4 there.
    """
    fraction = torch.linspace(0, 1, width // 2, dtype=torch.float64, device=t.device)
    period = min_period * (max_period / min_period) ** fraction
    angle = 2 * math.pi * t.double()[..., None] / period
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()


def training_time(uniform: Tensor) -> Tensor:
    """Uniform numbers in 0..1 -> flow times 0.999 * Beta(1.5, 1) + 0.001: more often near the noise."""
    return 0.999 * uniform ** (1 / 1.5) + 0.001


class StepCondition(NamedTuple):
    """All that the flow time contributes, for one or many times at once; R rows is 1, or H when every row has a time of its own.

    mixed       π0: float[B, R, D], the time's share of the action-time mixer; None in π0.5
    modulation  π0.5: per norm of the expert [B, R, 3D]; Nones in π0
    """

    mixed: Tensor | None
    modulation: list[Tensor | None]

    def at(self, k: int) -> StepCondition:
        """The k-th of many times, as a batch of one."""
        mixed = None if self.mixed is None else self.mixed[k : k + 1]
        return StepCondition(mixed, [None if m is None else m[k : k + 1] for m in self.modulation])


class Flow(nn.Module):
    """What every policy of this kind shares: the loss, and the walk from noise to a chunk.

    A subclass gives `prefill` (inputs → cache, once per chunk), `condition` (times → what the steps need of them), `velocity` (cache,
    x, condition → dx/dt), and `forward` (inputs, x, t → dx/dt), which training uses.
    """

    prefill: Callable[[Inputs], Any]
    condition: Callable[[Tensor], StepCondition]
    velocity: Callable[[Any, Tensor, StepCondition], Tensor]

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon

    def loss(self, inputs: Inputs, actions: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Squared error of the velocity, float32[B, H, A], not reduced. Published training averages it over all A, padding included.

        t [B], or [B, H] to train with frozen prefixes (t = 0 on the given rows, whose loss the caller leaves out).
        """
        t_row = t.view(t.shape[0], -1, 1)
        x = t_row * noise + (1 - t_row) * actions
        return (self(inputs, x, t) - (noise - actions)) ** 2

    def denoise(self, cache: Any, noise: Tensor, steps: int = 10, guide: Guide | None = None) -> Tensor:
        """Noise float32[B, H, A] -> a chunk, in `steps` Euler steps from t = 1 to t = 0."""
        times = flow_times(steps, noise_at=1)
        rows = row_times(times, self.horizon, guide, noise_at=1).to(noise.device)
        conditions = self.condition(rows.view(steps, -1))
        return euler(lambda x, k: self.velocity(cache, x, conditions.at(k)), noise, times, guide, noise_at=1)

    @torch.no_grad()
    def sample(self, inputs: Inputs, noise: Tensor, steps: int = 10, guide: Guide | None = None) -> Tensor:
        """A chunk float32[B, H, A] in the normalised action space; a pure function of its arguments. `guide`: see sampling.Guide."""
        return self.denoise(self.prefill(inputs), noise, steps, guide)


class Pi0(Flow):
    """π0, or π0.5 when `config.adaptive`. Train with `loss`, run with `sample`."""

    def __init__(self, config: Pi0Config) -> None:
        super().__init__(config.horizon)
        self.config = config
        width, A = config.expert.width, config.action_dim
        self.vision = Vision(config.vision, config.vlm.width)
        self.trunk = Trunk(config.vlm, config.expert, config.vocab, config.adaptive)
        self.action_in = nn.Linear(A, width)
        self.action_out = nn.Linear(width, A)
        if config.adaptive:
            self.time_in, self.time_out = nn.Linear(width, width), nn.Linear(width, width)
        else:
            self.state_in = nn.Linear(A, width)
            self.mix_in, self.mix_out = nn.Linear(2 * width, width), nn.Linear(width, width)  # mixes [action | time]

    # --- tokens -------------------------------------------------------------------------------------------------------------

    def see(self, images: Tensor) -> Tensor:
        """[B, V, 3, I, I] -> image tokens [B, V*P, D of the vlm], camera by camera."""
        B, V = images.shape[:2]
        return self.vision(images.flatten(0, 1)).unflatten(0, (B, V)).flatten(1, 2)

    def embed_prefix(self, seen: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        """Image tokens, then text: [B, V*P + L, D of the vlm], and which are valid (None: all)."""
        B, V = inputs.images.shape[:2]
        prefix = torch.cat([seen, self.trunk.vlm.embed_text(inputs.tokens).to(seen.dtype)], dim=1)
        if inputs.image_valid is None and inputs.token_valid is None:
            return prefix, None
        of_images = torch.ones(B, V, dtype=torch.bool, device=prefix.device) if inputs.image_valid is None else inputs.image_valid
        of_text = torch.ones_like(inputs.tokens, dtype=torch.bool) if inputs.token_valid is None else inputs.token_valid
        return prefix, torch.cat([of_images.repeat_interleave(seen.shape[1] // V, dim=1), of_text], dim=1)

    def embed_state(self, state: Tensor) -> Tensor:
        """π0 only: [B, A] -> one token [B, 1, D]."""
        return self.state_in(state.to(self.state_in.weight.dtype))[:, None].to(self.compute_dtype)

    def condition(self, t: Tensor) -> StepCondition:
        """Flow times float[B, R] -> what each step needs to know of them. B may be a batch, or all steps of a chunk at once."""
        embedded = time_embedding(t, self.config.expert.width, self.config.min_period, self.config.max_period)  # [B, R, D]
        if not self.config.adaptive:
            of_time = self.mix_in.weight[:, self.config.expert.width :]
            return StepCondition(F.linear(embedded.to(of_time.dtype), of_time, self.mix_in.bias), self.trunk.expert.modulate(None))
        hidden = F.silu(self.time_in(embedded.to(self.time_in.weight.dtype)))
        return StepCondition(None, self.trunk.expert.modulate(F.silu(self.time_out(hidden))))

    def embed_actions(self, x: Tensor, condition: StepCondition) -> Tensor:
        """Noisy actions [B, H, A] -> tokens [B, H, D]. π0 mixes the time in: out(silu(in([action | time])))."""
        tokens = self.action_in(x.to(self.action_in.weight.dtype))
        if condition.mixed is not None:
            of_action = self.mix_in.weight[:, : self.config.expert.width]
            tokens = self.mix_out(F.silu(F.linear(tokens, of_action) + condition.mixed))
        return tokens.to(self.compute_dtype)

    @property
    def compute_dtype(self) -> torch.dtype:
        return self.trunk.expert.blocks[0].qkv.weight.dtype

    # --- training -----------------------------------------------------------------------------------------------------------

    def forward(self, inputs: Inputs, x: Tensor, t: Tensor) -> Tensor:
        """The velocity at x [B, H, A], time t [B] (or [B, H]): float32[B, H, A]. Everything in one pass, as in training."""
        prefix, valid = self.embed_prefix(self.see(inputs.images), inputs)
        condition = self.condition(t.view(x.shape[0], -1))
        suffix = self.embed_actions(x, condition)
        first = torch.zeros(suffix.shape[1], dtype=torch.int64, device=x.device)
        first[0] = 1  # the actions are one block …
        if not self.config.adaptive:
            suffix = torch.cat([self.embed_state(inputs.state), suffix], dim=1)
            first = torch.cat([first[:1], first])  # … and the state is a block before it
        if valid is None:
            valid = torch.ones(prefix.shape[:2], dtype=torch.bool, device=x.device)
        valid = torch.cat([valid, valid.new_ones(suffix.shape[:2])], dim=1)
        starts = torch.cat([first.new_zeros(prefix.shape[1]), first])
        hidden = self.trunk.joint(prefix, suffix, valid, starts, condition.modulation)
        return self.read_out(hidden)

    def read_out(self, hidden: Tensor) -> Tensor:
        """The last H tokens -> float32[B, H, A]."""
        return self.action_out(hidden[:, -self.config.horizon :].to(self.action_out.weight.dtype)).float()

    # --- sampling -----------------------------------------------------------------------------------------------------------

    def prefill(self, inputs: Inputs) -> Cache:
        """All that does not depend on the actions: images, text and (π0) the state. Once per chunk."""
        return self.remember(self.see(inputs.images), inputs)

    def remember(self, seen: Tensor, inputs: Inputs) -> Cache:
        """`prefill`, with the image tokens already made."""
        cache = self.trunk.prefill(*self.embed_prefix(seen, inputs))
        if self.config.adaptive:
            return cache
        return self.trunk.extend(cache, self.embed_state(inputs.state), self.trunk.expert.modulate(None))[1]

    def velocity(self, cache: Cache, x: Tensor, condition: StepCondition) -> Tensor:
        """The same velocity as `forward`, from the cache: float32[B, H, A]."""
        return self.read_out(self.trunk.extend(cache, self.embed_actions(x, condition), condition.modulation)[0])


def to_mixed(model: Pi0, dtype: torch.dtype = torch.bfloat16) -> Pi0:
    """The released dtype policy, in place: the trunk and eyes in `dtype`; in float32 the patch and position embeddings, the norms of
    the experts, and the small layers around actions, state and time."""
    keep = ("vision.patch.", "vision.position", "action_", "state_in.", "mix_", "time_")
    for name, parameter in model.named_parameters():
        is_expert_norm = name.startswith("trunk.") and ".norm" in name
        parameter.data = parameter.data.to(torch.float32 if name.startswith(keep) or is_expert_norm else dtype)
    return model
