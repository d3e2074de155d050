"""Several processes that train one model: each takes a share of every batch, and their gradients are averaged before each step.

On a CPU, processes of one thread each do more than one process of several: so small a model's products are too small to be shared out.
All start from the same seed and see the same averages, so their weights stay equal without ever being sent.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from agent.learn.schedule import flat

PATIENCE = datetime.timedelta(minutes=15)
"""How long one waits for another: an evaluation may go on in between."""


class Alone:
    """A team of one."""

    rank, size = 0, 1

    def average(self, model: nn.Module) -> None:
        """Every gradient becomes its mean over the team."""

    def agree(self, value: float) -> float:
        """The first one's value."""
        return value


class Team(Alone):
    """One of several."""

    def __init__(self, rank: int, size: int, meeting: Path) -> None:
        self.rank, self.size, self.starter = rank, size, os.getppid()
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=PATIENCE)

    def average(self, model: nn.Module) -> None:
        if os.getppid() != self.starter:  # it was killed: nobody waits for this work, and another run may go on in its folder
            raise SystemExit(1)
        grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
        together = flat(grads)
        dist.all_reduce(together)
        together /= self.size
        for grad, part in zip(grads, together.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def agree(self, value: float) -> float:
        said = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(said, src=0)
        return float(said)


def run_team(size: int, work: Callable[..., None], *given: Any) -> None:
    """work(team, *given) in `size` processes of one thread each; in this one, if it is one. Raises what the first to fail raised."""
    torch.set_num_threads(1)
    if size == 1:
        return work(Alone(), *given)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_join, (size, Path(folder) / "meeting", work, given), nprocs=size)


def _join(rank: int, size: int, meeting: Path, work: Callable[..., None], given: tuple[Any, ...]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    try:
        work(Team(rank, size, meeting), *given)
    finally:
        dist.destroy_process_group()


__all__ = ["Alone", "Team", "run_team"]
