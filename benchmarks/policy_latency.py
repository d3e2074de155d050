"""How long does one chunk take, stage by stage?  python benchmarks/policy_latency.py [--model pi0 pi05 rdt] [--views 1 2 3] …

Random weights of the published sizes (--size full) or tiny ones (--size tiny, for a CPU). Stages: image (the eyes), prefix (what else is
computed once per chunk: keys and values), steps (the whole sampling loop), chunk (all three, inputs copied in, result awaited). For each
the median and the 99th percentile over --repeats, and model FLOP utilisation: the FLOPs that the stage must do, over its median time,
against the matrix-multiplication rate measured here first. On CUDA every stage is one recorded graph and the default type is bf16.
With --guided, π0's loop is also timed as real-time chunking runs it: each step with a vector-Jacobian product, about three times the work.
For RDT, `uncached` is the same loop with keys and values of words and images computed anew in every step.

    π0-3.3B and RDT-1B on a GPU     python benchmarks/policy_latency.py --model pi0 rdt --views 1 2 3 --guided --compile max-autotune
    a quick look on a CPU           python benchmarks/policy_latency.py --size tiny --repeats 20
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agent.executor.models import diffusion
from agent.executor.models.fast import FastPi0, Recorded
from agent.executor.models.paligemma import GemmaConfig, VisionConfig
from agent.executor.models.pi0 import PI0, PI05, Inputs, Pi0, Pi0Config, tiny, to_mixed
from agent.executor.models.rdt import RDT, RDT_1B, RDT_TINY, RDTConfig, Senses
from agent.executor.models.sampling import guide_from


class Stage(NamedTuple):
    """A timed piece of work: run it, and the FLOPs it must do (2 per multiply-add)."""

    name: str
    run: Callable[[], Any]
    flops: float


# --- what must be computed --------------------------------------------------------------------------------------------------


def vision_flops(config: VisionConfig, images: int, out_width: int) -> float:
    P, W = config.tokens, config.width
    block = 2 * P * (4 * W * W + 2 * W * config.mlp) + 4 * P * P * W
    return images * (2 * P * 3 * config.patch**2 * W + config.depth * block + 2 * P * W * out_width)


def layer_flops(config: GemmaConfig, tokens: int, keys: int) -> float:
    q, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
    return 2 * tokens * config.width * (2 * q + 2 * kv + 3 * config.mlp) + 4 * tokens * keys * q


def pi0_flops(config: Pi0Config, views: int, text: int, steps: int) -> tuple[float, float, float]:
    """(image, prefix, steps) for one sample. The prefix's last layer needs only its keys and values."""
    vlm, expert = config.vlm, config.expert
    prefix = views * config.vision.tokens + text
    last = 2 * prefix * vlm.width * 2 * vlm.kv_heads * vlm.head_dim
    state = 0 if config.adaptive else 1
    once = (vlm.depth - 1) * layer_flops(vlm, prefix, prefix) + last + state * expert.depth * layer_flops(expert, 1, prefix + 1)
    heads = 2 * config.horizon * expert.width * (2 * config.action_dim + (0 if config.adaptive else 2 * expert.width))
    step = expert.depth * layer_flops(expert, config.horizon, prefix + state + config.horizon) + heads
    return vision_flops(config.vision, views, vlm.width), once, steps * step


def rdt_flops(config: RDTConfig, words: int, images: int) -> tuple[float, float, float]:
    """(adaptors, keys and values, steps) for one sample."""
    D, T = config.width, config.horizon + 3
    adapt = 2 * D * (words * (config.words_width + D) + images * (config.image_width + D))
    memory = config.depth / 2 * 2 * 2 * D * D * (words + images)  # half of the blocks look at words, half at images
    block = 2 * T * D * D * (4 + 2 + 2) + 4 * T * T * D + 4 * T * D * (words + images) / 2
    return adapt, memory, config.steps * (config.depth * block + 2 * T * D * (2 * config.action + 2 * D))


# --- measuring --------------------------------------------------------------------------------------------------------------


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a square product on random data, the median of ten."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / float(np.median(timed(lambda: a @ b, 10, device)))


def timed(run: Callable[[], Any], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of `repeats` runs, after three that do not count; on CUDA by events."""
    for _ in range(3):
        run()
    if device.type != "cuda":
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        return seconds
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    torch.cuda.synchronize()
    for first, last in marks:
        first.record()
        run()
        last.record()
    torch.cuda.synchronize()
    return [first.elapsed_time(last) / 1000 for first, last in marks]


def whole(run: Callable[[], Tensor], repeats: int, device: torch.device) -> list[float]:
    """Seconds by the wall clock, the result awaited, as a served robot feels it."""
    seconds = []
    for k in range(repeats + 3):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if k >= 3:
            seconds.append(time.perf_counter() - began)
    return seconds


def report(title: str, stages: list[Stage], chunk: Stage, repeats: int, device: torch.device, rate: float) -> None:
    for stage in (*stages, chunk):
        seconds = whole(stage.run, repeats, device) if stage is chunk else timed(stage.run, repeats, device)
        p50, p99 = np.percentile(seconds, [50, 99])
        used = stage.flops / p50 / rate
        print(f"{title:<24}{stage.name:<10}{p50 * 1e3:>10.2f}{p99 * 1e3:>10.2f}{stage.flops / 1e9:>12.1f}{used:>8.1%}", flush=True)


# --- the models -------------------------------------------------------------------------------------------------------------


def randomise(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Any:
    """A model made on the meta device, with random weights of a sensible size, straight on its device."""
    model = model.to(dtype).to_empty(device=device)
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(std=parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.02)
    return model.eval().requires_grad_(False)


def pi0_runs(name: str, args: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[str, list[Stage], Stage]]:
    config = {"pi0": PI0, "pi05": PI05}[name] if args.size == "full" else tiny(adaptive=name == "pi05")
    with torch.device("meta"):
        model = Pi0(config)
    model = randomise(model, device, dtype)
    fast = FastPi0(to_mixed(model, dtype), steps=args.steps, compile=args.compile)
    for views in args.views:
        text, side = args.text or config.max_text, config.vision.image
        pixels = torch.randint(0, 256, (args.batch, views, 3, side, side), dtype=torch.uint8)
        tokens = torch.randint(0, config.vocab, (args.batch, text))
        inputs = Inputs(pixels, None, tokens, None, torch.randn(args.batch, config.action_dim))
        noise = torch.randn(args.batch, config.horizon, config.action_dim)
        began = time.perf_counter()
        program = fast.program(inputs)
        image, prefix, steps = (args.batch * flops for flops in pi0_flops(config, views, text, args.steps))
        title = f"{name} {args.size}, {views} view{'s' * (views > 1)}"
        before = program.prefix.output.keys[0].shape[1]
        print(f"{title:<24}warm-up {time.perf_counter() - began:.0f} s, {before} tokens before the actions")
        stages = [Stage("image", program.eyes, image), Stage("prefix", program.prefix, prefix), Stage("steps", program.steps, steps)]
        if args.guided:
            rest = torch.randn(args.batch, config.horizon // 2, config.action_dim)
            guide = guide_from(rest, config.horizon, delay=config.horizon // 10, execute=config.horizon // 2)
            stages.append(Stage("guided", fast.program(inputs, guide).steps, 3 * steps))
        yield title, stages, Stage("chunk", partial(fast.sample, inputs, noise), image + prefix + steps)


class RdtBench:
    """RDT and its eyes with random weights, in fixed buffers. Two instants of three cameras; the words come stored."""

    def __init__(self, args: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import SiglipVisionConfig, SiglipVisionModel

        self.config = RDT_1B if args.size == "full" else RDT_TINY
        self.sight = VisionConfig(image=384) if args.size == "full" else VisionConfig(40, 2, 64, 4, image=42)
        sizes = SiglipVisionConfig(
            hidden_size=self.sight.width,
            intermediate_size=self.sight.mlp,
            num_hidden_layers=self.sight.depth,
            num_attention_heads=self.sight.heads,
            image_size=self.sight.image,
            patch_size=self.sight.patch,
            vision_use_head=False,
        )
        with torch.device("meta"):
            model, eyes = RDT(self.config), SiglipVisionModel(sizes)
        self.model, self.eyes = randomise(model, device, dtype), randomise(eyes, device, dtype)
        for buffer in self.eyes.buffers():  # position numbers, which the meta device forgot
            buffer.copy_(torch.arange(buffer.numel(), device=device).view_as(buffer))
        pictures = abs(self.config.grid[0] * self.config.grid[1])
        self.pixels = torch.randn(pictures, 3, self.sight.image, self.sight.image, device=device, dtype=dtype)
        self.words = args.text or min(32, abs(self.config.words))
        self.given = Senses(
            words=torch.randn(1, self.words, self.config.words_width, device=device, dtype=dtype),
            words_mask=None,
            images=torch.zeros(1, self.config.image_tokens, self.config.image_width, device=device, dtype=dtype),
            state=torch.randn(1, self.config.action, device=device, dtype=dtype),
            has=torch.ones(1, self.config.action, device=device, dtype=dtype),
            hz=torch.tensor([25.0], device=device),
        )
        self.noise = torch.randn(1, self.config.horizon, self.config.action, device=device, dtype=dtype)
        self.denoise = compiled(self.model.denoise, args.compile)
        self.remember = compiled(self.model.remember, args.compile)
        self.see = compiled(self.eyes, args.compile)

    def look(self) -> None:
        self.given.images.copy_(self.see(pixel_values=self.pixels).last_hidden_state.reshape(self.given.images.shape))

    def walk(self, memories: Any) -> Tensor:
        def clean(x: Tensor, t: int) -> Tensor:
            return self.denoise(x, torch.full((1,), t, device=x.device), self.given, memories or self.remember(self.given))

        return diffusion.sample(clean, self.noise, self.config.steps)


def rdt_runs(args: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[str, list[Stage], Stage]]:
    began, cuda = time.perf_counter(), device.type == "cuda"
    bench = RdtBench(args, device, dtype)
    image = Recorded(bench.look, cuda)
    remember = Recorded(lambda: bench.remember(bench.given), cuda)
    steps = Recorded(lambda: bench.walk(remember.output), cuda)
    uncached = Recorded(lambda: bench.walk(None), cuda)
    title = f"rdt {args.size}, {len(bench.pixels)} images"
    tokens = f"{bench.words} words, {bench.config.image_tokens} image tokens"
    print(f"{title:<24}warm-up {time.perf_counter() - began:.0f} s, {tokens}")
    seeing = vision_flops(bench.sight, len(bench.pixels), 0)
    adapt, memory, walking = rdt_flops(bench.config, bench.words, bench.config.image_tokens)
    stages = [
        Stage("image", image, seeing),
        Stage("prefix", remember, adapt + memory),
        Stage("steps", steps, walking),
        Stage("uncached", uncached, bench.config.steps * (adapt + memory) + walking),
    ]

    def chunk() -> Tensor:
        image()
        remember()
        return steps().clone()

    yield title, stages, Stage("chunk", chunk, seeing + adapt + memory + walking)


def compiled(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
    return function if mode == "off" else torch.compile(function, mode="max-autotune-no-cudagraphs" if mode == "max-autotune" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("--model", nargs="+", choices=["pi0", "pi05", "rdt"], default=["pi0", "rdt"])
    parser.add_argument("--size", choices=["full", "tiny"], default="full" if cuda else "tiny")
    parser.add_argument("--views", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--text", type=int, help="tokens of text, all real (default: the model's most; RDT: 32)")
    parser.add_argument("--steps", type=int, default=10, help="of π0; RDT takes its own 5")
    parser.add_argument("--batch", type=int, default=1, help="of π0")
    parser.add_argument("--guided", action="store_true", help="also time π0's loop pulled towards the rows already promised")
    parser.add_argument("--compile", choices=["off", "default", "max-autotune"], default="off")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16" if cuda else "float32")
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    device, dtype = torch.device("cuda" if cuda else "cpu"), getattr(torch, args.dtype)
    torch.set_float32_matmul_precision("highest")
    rate = matmul_rate(device, dtype)
    where = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} thread(s)"
    print(f"{where}, torch {torch.__version__}, {args.dtype}, compile {args.compile}; matrix products here: {rate / 1e12:.3g} TFLOP/s")
    print(f"{'model':<24}{'stage':<10}{'p50 ms':>10}{'p99 ms':>10}{'GFLOP':>12}{'MFU':>8}")
    for name in args.model:
        runs = rdt_runs(args, device, dtype) if name == "rdt" else pi0_runs(name, args, device, dtype)
        with torch.no_grad():
            for title, stages, chunk in runs:
                report(title, stages, chunk, args.repeats, device, rate)


if __name__ == "__main__":
    main()
