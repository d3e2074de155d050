"""Actions as words of a language model's vocabulary, the way OpenVLA writes them (arXiv 2406.09246; RT-2 does alike).

    action → scaled to −1 … 1 by the 1 % and 99 % quantiles of its data set → one of 256 levels → one of the last ids of the vocabulary

The lowest value has the highest id. 256 edges make 255 intervals, and decoding gives an interval's centre: so the very largest value has
an id of its own, yet decodes like its neighbour, and a round trip is off by at most 1/255.
"""

from dataclasses import dataclass

import numpy as np

from agent.errors import WrongShape
from agent.types import Array

EDGES = np.linspace(-1, 1, 256)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2


def to_tokens(values: Array, vocabulary: int = 32000) -> Array:
    """float[...], clipped to −1 … 1 → ids int64[...], vocabulary − 256 … vocabulary − 1. `vocabulary` does not count padding rows."""
    return vocabulary - np.digitize(np.clip(values, -1, 1), EDGES)


def from_tokens(ids: Array, vocabulary: int = 32000) -> Array:
    """ids int[...] → float64[...]. Ids that are no actions decode to the nearest extreme."""
    return CENTRES[np.clip(vocabulary - np.asarray(ids) - 1, 0, len(CENTRES) - 1)]


@dataclass(frozen=True, eq=False)
class Quantiles:
    """How a data set's actions were scaled. float64[A] each; where `scaled` is False (grippers), numbers pass as they are."""

    low: Array
    high: Array
    scaled: Array

    def __post_init__(self) -> None:
        shape = list(np.shape(self.low))
        for name in ("high", "scaled"):
            if list(np.shape(getattr(self, name))) != shape:
                raise WrongShape(f"quantiles' '{name}'", f"of the shape of 'low', {shape}", np.asarray(getattr(self, name)))

    def normalise(self, actions: Array) -> Array:
        """float[..., A] → −1 … 1, clipped; a number that never varied becomes 0."""
        spread = self.high - self.low
        scaled = np.clip(2 * (actions - self.low) / (spread + 1e-8) - 1, -1, 1)
        return np.where(self.scaled, np.where(spread == 0, 0, scaled), actions)

    def unnormalise(self, values: Array) -> Array:
        """The inverse inside the quantiles."""
        return np.where(self.scaled, (values + 1) / 2 * (self.high - self.low) + self.low, values)
