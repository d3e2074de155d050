"""Intervals: Wilson's for rates, the bootstrap's for means, and for differences between rows that played the same seeds."""

from collections.abc import Sequence

import numpy as np

Z = 1.959964
DRAWS = 4000


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval for a rate (Wilson 1927); (0, 1) if nothing was tried."""
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * (p * (1 - p) / n + Z * Z / (4 * n * n)) ** 0.5 / (1 + Z * Z / n)
    return min(max(0.0, middle - half), p), max(min(1.0, middle + half), p)


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval for the mean, from 4,000 resamples; equal values give equal intervals."""
    if not values:
        return 0.0, 0.0
    given = np.asarray(values, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(given), (DRAWS, len(given)))
    low, high = np.percentile(given[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Mean difference of two rows over the same seeds, with its 95 % bootstrap interval."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    return (float(np.mean(differences)) if differences else 0.0, *bootstrap(differences))
