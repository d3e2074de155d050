"""Does a small policy look, or does it go where the rows lead that it was promised to carry out? On frames that were never trained on.

    python benchmarks/prefixes.py weights/pi0 weights/rdt --data runs/data/tabletop

For each number of given rows: how far rows 16 and 24 are from the demonstration's (of the hand's place, cm) when the given rows are right,
and when the last of them is 1 cm off in a random direction; and how much of that centimetre is still there. A policy that looks keeps none.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from agent.executor.models.sampling import Guide
from agent.executor.models.small_policy import SmallPolicy
from agent.executor.models.small_space import relative
from agent.learn.dataset import Samples
from agent.learn.learner import PLACE, Batch, Choices, SmallLearner
from agent.learn.train import unseen

GIVEN, ROWS = (0, 2, 4, 8), (16, 24)
OFF_M = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policies", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True, help="a folder of `saydo collect`")
    parser.add_argument("--frames", type=int, default=256)
    asked = parser.parse_args()
    data, rng = Samples(asked.data), np.random.default_rng(0)
    batch = unseen(data, asked.frames, rng)
    direction = rng.normal(size=(len(batch["chunk"]), 3)).astype(np.float32)
    off = torch.from_numpy(OFF_M * direction / np.linalg.norm(direction, axis=1, keepdims=True))
    print("policy | given | cm at 16, 24 | if they are 1 cm off | of that is kept")
    for folder in asked.policies:
        for given in GIVEN:
            print(f"{folder} | {given} | {told(SmallLearner.further(folder, Choices()), batch, given, off)}", flush=True)


@torch.inference_mode()
def told(learner: SmallLearner, batch: Batch, given: int, off: Tensor) -> str:
    """One line of the table."""
    right = hands(learner, batch, given, torch.zeros_like(off))
    errors = away(right, batch)
    if not given:
        return f"{errors} | – | –"
    led = hands(learner, batch, given, off)
    kept = [float(((led - right)[:, row - 1] * off).sum() / (off * off).sum()) for row in ROWS]
    return f"{errors} | {away(led, batch)} | {', '.join(f'{share:.0%}' for share in kept)}"


def hands(learner: SmallLearner, batch: Batch, given: int, off: Tensor) -> Tensor:
    """Rows when the first `given` are promised, which end `off` [B, 3] from where they should: float32[B, H, 3] of the hand's place, m, as
    seen from where it is."""
    learner.model.eval()
    space, count, at = learner.small.space, len(off), PLACE[learner.small.space.form][:3]
    target, _ = learner.targets(batch, [20] * count)
    spread = space.rates[20]
    mean, std = (torch.from_numpy(part[:, :3].copy()) for part in (spread.mean, spread.std))
    shown = target.clone()
    shown[:, :given, at] += off[:, None] * (torch.arange(1, given + 1) / max(given, 1))[:, None] / std[:given]
    weights = (torch.arange(target.shape[1]) < given).float()
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    guide = Guide(shown, weights, frozen=given) if given else None
    rows = SmallPolicy(learner.small).sample(learner.senses(batch), noise, guide)
    return rows[..., at] * std + mean


def away(rows: Tensor, batch: Batch) -> str:
    """How far those rows are from the demonstration's, cm."""
    wanted = torch.from_numpy(relative(batch["chunk"], batch["state"])[..., :3])
    return ", ".join(f"{100 * float((rows - wanted)[:, row - 1].norm(dim=-1).mean()):.1f}" for row in ROWS)


if __name__ == "__main__":
    main()
