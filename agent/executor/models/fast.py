"""π0 at speed: the same chunk as `Pi0.sample`, as three recorded programs per input shape.

    eyes      images → tokens                       ┐
    prefix    tokens, state → keys and values       ├ each compiled, and on CUDA replayed as one graph: no launches, no allocation
    steps     noise → chunk, the whole Euler loop   ┘

What is gained, and why it is exact:
- All that depends only on the flow time is computed once per program: it is the same for every chunk.
- Cameras that are absent and padding of the text are dropped before the device sees them (`pi0.compact`); where nothing masked is left,
  attention runs without a mask, on the flash kernel. Text lengths are rounded up to a bucket, so that few shapes exist.
- Keys and values live in the buffers of the recorded prefix; the steps read them in place.
Call `warm_up` before serving: compiling takes minutes, and a shape met for the first time is compiled while its robot waits.
On a CPU nothing is recorded, and the same stages run as plain (or compiled) functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from agent.executor.models.pi0 import Inputs, Pi0, StepCondition, compact
from agent.executor.models.sampling import Guide, euler, flow_times, row_times

Compile = Literal["off", "default", "max-autotune"]
SHAPES = 128  # one stage may be compiled for so many shapes
ROUNDS = 3  # runs before a graph is recorded, so that libraries have chosen their kernels


class Bucket(NamedTuple):
    """What a program is recorded for."""

    batch: int
    views: int
    text: int
    masked_views: bool
    masked_text: bool
    pixels: torch.dtype
    guided: tuple[int, float] | None  # (frozen rows, strength)

    @staticmethod
    def of(inputs: Inputs, guide: Guide | None) -> Bucket:
        batch, views = inputs.images.shape[:2]
        guided = None if guide is None else (guide.frozen, guide.strength)
        masked_views, masked_text = inputs.image_valid is not None, inputs.token_valid is not None
        return Bucket(batch, views, inputs.tokens.shape[1], masked_views, masked_text, inputs.images.dtype, guided)


class Recorded:
    """A function without arguments, over fixed buffers. Each call runs it again and leaves the result in `output`."""

    def __init__(self, function: Callable[[], Any], cuda: bool) -> None:
        self.function, self.graph = function, None
        if not cuda:
            self.output = function()
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(ROUNDS):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = function()

    def __call__(self) -> Any:
        if self.graph is None:
            self.output = self.function()
        else:
            self.graph.replay()
        return self.output


class Program:
    """The three stages for one bucket. `inputs`, `noise` and `guide` are its own buffers."""

    def __init__(self, stages: Stages, inputs: Inputs, guide: Guide | None) -> None:
        model, device = stages.model, stages.device
        self.inputs = Inputs._make(None if part is None else part.to(device, copy=True) for part in inputs)
        shape = (inputs.images.shape[0], model.config.horizon, model.config.action_dim)
        self.noise = torch.zeros(shape, device=device)
        self.guide = guide
        if guide is not None:
            self.guide = replace(guide, target=guide.target.to(device, copy=True), weights=guide.weights.to(device, copy=True))
        cuda = device.type == "cuda"
        self.eyes = Recorded(lambda: stages.eyes(self.inputs.images), cuda)
        self.prefix = Recorded(lambda: stages.prefix(self.eyes.output, self.inputs), cuda)
        self.steps = Recorded(partial(self._walk, stages), cuda)

    def _walk(self, stages: Stages) -> Tensor:
        times, conditions = stages.clock(self.guide)
        cache = self.prefix.output
        pulled = self.guide is not None and not self.guide.frozen
        step = stages.model.velocity if pulled else stages.velocity  # what is differentiated is not compiled
        return euler(lambda x, k: step(cache, x, conditions[k]), self.noise, times, self.guide)

    def fill(self, inputs: Inputs, noise: Tensor, guide: Guide | None) -> None:
        for ours, theirs in zip(self.inputs, inputs, strict=True):
            if ours is not None and theirs is not None:
                ours.copy_(theirs, non_blocking=True)
        self.noise.copy_(noise, non_blocking=True)
        if self.guide is not None and guide is not None:
            self.guide.target.copy_(guide.target, non_blocking=True)
            self.guide.weights.copy_(guide.weights, non_blocking=True)

    def run(self) -> Tensor:
        self.eyes()
        self.prefix()
        return self.steps()


class Stages:
    """The model's three stages, compiled or not, and the constants of the flow's clock."""

    def __init__(self, model: Pi0, steps: int, compile: Compile) -> None:
        self.model, self.steps = model, steps
        self.device = model.action_in.weight.device
        self.eyes = self._compiled(model.see, compile)
        self.prefix = self._compiled(model.remember, compile)
        self.velocity = self._compiled(model.velocity, compile)
        self.clocks: dict[int, tuple[list[float], list[StepCondition]]] = {}

    def _compiled(self, function: Callable[..., Any], mode: Compile) -> Callable[..., Any]:
        if mode == "off":
            return function
        from torch._dynamo import config

        config.recompile_limit = max(config.recompile_limit, SHAPES)
        chosen = "max-autotune-no-cudagraphs" if mode == "max-autotune" else None
        return torch.compile(function, mode=chosen, dynamic=False, fullgraph=True)

    def clock(self, guide: Guide | None) -> tuple[list[float], list[StepCondition]]:
        """The times of the steps, and what each contributes to the network: constants, kept per number of frozen rows."""
        frozen = 0 if guide is None else guide.frozen
        if frozen not in self.clocks:
            times = flow_times(self.steps)
            rows = row_times(times, self.model.config.horizon, guide).to(self.device)
            together = self.model.condition(rows.view(self.steps, -1))
            self.clocks[frozen] = (times, [_own(together.at(k)) for k in range(self.steps)])
        return self.clocks[frozen]


def _own(condition: StepCondition) -> StepCondition:
    """Copies with strides of their own, so that every step looks alike to the compiler."""
    mixed = None if condition.mixed is None else condition.mixed.clone()
    return StepCondition(mixed, [None if m is None else m.clone() for m in condition.modulation])


class FastPi0:
    """`sample` like Pi0's, from programs recorded per bucket. One instance serves one thread at a time."""

    def __init__(self, model: Pi0, steps: int = 10, compile: Compile = "off", text_bucket: int = 16) -> None:
        self.model = model.eval().requires_grad_(False)
        self.stages = Stages(self.model, steps, compile)
        self.text_bucket = text_bucket
        self.programs: dict[Bucket, Program] = {}

    @torch.no_grad()
    def program(self, inputs: Inputs, guide: Guide | None = None) -> Program:
        """The program for compact inputs; recorded now if their shape is new."""
        bucket = Bucket.of(inputs, guide)
        if bucket not in self.programs:
            self.stages.clock(guide)
            self.programs[bucket] = Program(self.stages, inputs, guide)
        return self.programs[bucket]

    @torch.no_grad()
    def sample(self, inputs: Inputs, noise: Tensor, guide: Guide | None = None) -> Tensor:
        """The chunk, float32[B, H, A], on the model's device. `inputs` and `noise` may be on the CPU; masks should be."""
        inputs = compact(inputs, self.text_bucket)
        program = self.program(inputs, guide)
        program.fill(inputs, noise, guide)
        return program.run().clone()

    def warm_up(self, views: Iterable[int] = (3,), texts: Sequence[int] = (), batches: Iterable[int] = (1,)) -> float:
        """Record a program for every combination, text padded and not; returns the seconds it took. Text lengths default to all buckets.

        Images are expected as bytes, as `preprocess.py` makes them.
        """
        began, config = time.perf_counter(), self.model.config
        bucket = self.text_bucket
        lengths = texts or sorted({min(n, config.max_text) for n in range(bucket, config.max_text + bucket, bucket)})
        side = config.vision.image
        for B in batches:
            for V in views:
                for L in lengths:
                    real = torch.ones(B, L, dtype=torch.bool)
                    real[:, -1] = L == 1
                    for mask in (None, real):
                        images, tokens = torch.zeros(B, V, 3, side, side, dtype=torch.uint8), torch.zeros(B, L, dtype=torch.int64)
                        self.program(Inputs(images, None, tokens, mask, torch.zeros(B, config.action_dim)))
        if self.stages.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began
