"""The published training recipe of π0, in numbers, and the running statistics that its normalisation is made from.

AdamW with betas 0.9 and 0.95, eps 1e-8, weight decay 1e-10, gradients clipped at a global norm of 1; batch 32, 30,000 steps; the weights
that ship are the exponential moving average (0.99) of those trained. Flow times: `pi0.training_time`. Source: the released configuration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.executor.models.preprocess import Stats
from agent.types import Array


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of π0's fine-tuning."""

    peak: float = 2.5e-5
    floor: float = 2.5e-6
    warmup: int = 1000
    decay: int = 30000  # counts the warm-up
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 1e-10
    clip: float = 1.0
    ema: float = 0.99

    def learning_rate(self, step: int) -> float:
        """Linear from peak / (warmup + 1) up to the peak, a cosine down to the floor at `decay`, then flat."""
        start = self.peak / (self.warmup + 1)
        if step < self.warmup:
            return start + (self.peak - start) * step / self.warmup
        progress = min((step - self.warmup) / (self.decay - self.warmup), 1.0)
        return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * progress)) / 2


class RunningStats:
    """Mean, deviation and 1 % / 99 % quantiles of a stream of rows, the quantiles from a histogram that widens as values arrive."""

    bins = 5000

    def __init__(self) -> None:
        self.count = 0

    def add(self, rows: Array) -> None:
        """float[..., n]: every leading axis counts as rows."""
        rows = np.asarray(rows, np.float64).reshape(-1, rows.shape[-1])
        low, high = rows.min(0), rows.max(0)
        if self.count == 0:
            self.sum, self.squares = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
            self.edges = np.stack([np.linspace(a - 1e-10, b + 1e-10, self.bins + 1) for a, b in zip(low, high, strict=True)])
            self.hits = np.zeros((rows.shape[1], self.bins))
            self.low, self.high = low, high
        elif (low < self.low).any() or (high > self.high).any():
            self._widen(np.minimum(low, self.low), np.maximum(high, self.high))
        self.count += len(rows)
        self.sum += rows.sum(0)
        self.squares += (rows**2).sum(0)
        for column, edges, hits in zip(rows.T, self.edges, self.hits, strict=True):
            hits += np.histogram(column, bins=edges)[0]

    def _widen(self, low: Array, high: Array) -> None:
        """Old bins enter the new histogram by their left edges."""
        self.low, self.high = low, high
        for k in range(len(low)):
            wider = np.linspace(low[k], high[k], self.bins + 1)
            self.hits[k] = np.histogram(self.edges[k][:-1], bins=wider, weights=self.hits[k])[0]
            self.edges[k] = wider

    def stats(self) -> Stats:
        if self.count < 2:
            raise ValueError(f"Statistics need at least two rows; {self.count} were added.")
        mean = self.sum / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        return Stats(mean, std, self._quantile(0.01), self._quantile(0.99))

    def _quantile(self, q: float) -> Array:
        where = [np.searchsorted(hits.cumsum(), q * self.count) for hits in self.hits]
        return np.array([edges[min(k, self.bins)] for edges, k in zip(self.edges, where, strict=True)])
