"""Several answers for one instant made into one row; and one far row made into several near ones. Policies of other families run so.

`Ensemble` is ACT's temporal ensembling (arXiv 2304.13705): the policy is asked at every tick, and all its answers for that tick are
averaged. `between` is the joint-space interpolation that RDT's two-arm robot moves with. Rows here are plain numbers: do not average
rotation vectors near a half turn (agent.executor.layout handles those).
"""

import numpy as np

from agent.types import Array


class Ensemble:
    """Weighted mean of what successive chunks say about one tick; weight exp(−m · i), i = 0 for the oldest answer.

    m > 0 trusts old answers more (ACT: 0.01, nearly equal), m = 0 all alike, m < 0 the new ones. Works online: what is remembered is
    one mean and one number of answers per future tick.
    """

    def __init__(self, m: float = 0.01) -> None:
        self.m = m
        self._means: Array | None = None
        self._answers = np.zeros(0, np.int64)

    def next(self, chunk: Array) -> Array:
        """The row to carry out now. chunk: float[K, A], the policy's answer of this tick, row 0 being now; K the same each time."""
        chunk = np.asarray(chunk, np.float64)
        if self._means is None:
            self._means, self._answers = chunk.copy(), np.ones(len(chunk), np.int64)
        else:
            before = self._sum_of_weights(self._answers)[:, None]
            fresh = np.exp(-self.m * self._answers)[:, None]
            means = np.concatenate([self._means, np.zeros((1, chunk.shape[1]))])  # the last row has not been answered before
            self._means = (means * before + fresh * chunk) / (before + fresh)
            self._answers = self._answers + 1
        row, self._means = self._means[0], self._means[1:]
        self._answers = np.append(self._answers[1:], 0)[: len(chunk)]
        return row

    def clear(self) -> None:
        """Forget all answers, as at the start of an episode."""
        self._means, self._answers = None, np.zeros(0, np.int64)

    def _sum_of_weights(self, answers: Array) -> Array:
        """exp(0) + … + exp(−m (n − 1)) for each n."""
        return np.array([np.exp(-self.m * np.arange(n)).sum() for n in answers])


def between(previous: Array, target: Array, limits: Array) -> Array:
    """float[K, A]: K ≥ 1 evenly spaced rows from `previous` (left out) to `target` (the last), none further apart than `limits` [A]."""
    previous, target = np.asarray(previous, np.float64), np.asarray(target, np.float64)
    count = max(int(np.ceil(np.max(np.abs(target - previous) / limits))), 1)
    return previous + (target - previous) * (np.arange(1, count + 1) / count)[:, None]
