"""What is saved by computing keys and values of words and images once per chunk instead of once per denoising step?

    python benchmarks/rdt_condition_cache.py [--size tiny|small|170m|1b] [--device cpu|cuda] [--dtype float32|bfloat16] [--chunks N]

Random weights, one robot, 5 solver steps, 32 words (16 where the model reads no more), all image tokens of the size. Prints the best and
the median time per chunk both ways, and the largest difference between the chunks, which must not exceed 1e-6 in float32 (exit status 1).
The best is what counts where the machine does other things besides.
"""

import argparse
import statistics
import sys
import time
from dataclasses import replace

import torch

from agent.executor.models.rdt import RDT, RDT_1B, RDT_170M, RDT_TINY, RDTConfig, Senses

SIZES = {"tiny": RDT_TINY, "small": replace(RDT_170M, width=512, depth=8, heads=8), "170m": RDT_170M, "1b": RDT_1B}
WORDS = 32  # as an instruction of two sentences has
BOUND = 1e-6


def random_model(config: RDTConfig, device: str, dtype: torch.dtype) -> RDT:
    """Random everywhere, the last layer too: an untrained one would answer zero."""
    torch.manual_seed(0)
    with torch.device(device):
        model = RDT(config).requires_grad_(False).eval()
    torch.nn.init.xavier_uniform_(model.model.final_layer.ffn_final.fc2.weight)
    return model.to(dtype)


def random_senses(config: RDTConfig, device: str, dtype: torch.dtype) -> Senses:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape).to(device, dtype)

    has = (torch.arange(config.action) < 14).to(device, dtype)[None]
    return Senses(
        words=normal(1, min(WORDS, abs(config.words)), config.words_width),
        words_mask=None,
        images=normal(1, config.image_tokens, config.image_width),
        state=normal(1, config.action) * has,
        has=has,
        hz=torch.tensor([25.0], device=device),
    )


def milliseconds(model: RDT, senses: Senses, noise: torch.Tensor, remember: bool) -> tuple[float, torch.Tensor]:
    """One chunk, and how long it took until it was there."""
    start = time.perf_counter()
    chunk = model.sample(senses, noise, remember=remember)
    if chunk.is_cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start), chunk


def main(size: str, device: str, dtype: torch.dtype, chunks: int) -> int:
    config = SIZES[size]
    model, senses = random_model(config, device, dtype), random_senses(config, device, dtype)
    noise = torch.randn(1, config.horizon, config.action).to(device, dtype)
    times: dict[bool, list[float]] = {True: [], False: []}
    worst = 0.0
    for turn in range(chunks + 1):  # taken in turns, so that whatever else the machine does falls on both; the first warms up
        results = {remember: milliseconds(model, senses, noise, remember) for remember in (True, False)}
        worst = max(worst, float((results[True][1] - results[False][1]).abs().max()))
        for remember, (spent, _) in results.items():
            times[remember] += [spent] if turn else []
    best = {remember: min(spent) for remember, spent in times.items()}
    median = {remember: statistics.median(spent) for remember, spent in times.items()}
    parameters = sum(p.numel() for p in model.parameters())
    print(f"RDT {size}: {parameters / 1e6:.1f} M parameters, {config.image_tokens} image tokens, {config.steps} steps, {dtype}, {device}")
    print("                          best ms   median ms per chunk")
    print(f"  recomputed every step {best[False]:9.1f} {median[False]:11.1f}")
    print(f"  remembered per chunk  {best[True]:9.1f} {median[True]:11.1f}             {best[False] / best[True]:.2f} × faster")
    bound = f"bound {BOUND:.0e}" if dtype == torch.float32 else "no bound below float32"
    print(f"  largest difference    {worst:9.1e}                         {bound}")
    return int(dtype == torch.float32 and worst > BOUND)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--chunks", type=int, default=5)
    given = parser.parse_args()
    sys.exit(main(given.size, given.device, getattr(torch, given.dtype), given.chunks))
