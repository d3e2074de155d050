"""Which row now, and when to ask for the next chunk: a buffer indexed by ticks.

An observation carries its tick k0 and row j of the chunk that answers it belongs to tick k0 + j. A chunk that is used first at tick k
is entered at row k − k0, however long it was on its way: the delay is a fact, never an estimate. Late, duplicate and out-of-order chunks
sort themselves. Chunks are switched, never averaged: the mean of two ways around an obstacle goes through it.

Seam offset: a chunk that was asked some ticks ago was planned from where the robot was then. So that the command does not jump when it
takes over, the difference between what the old chunk would have commanded now and what the new one does is added to the new rows and
fades out with exp(−i / 4). It is bounded, and it never touches a gripper: a hand must open where the new plan says.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np

from agent.executor.layout import Layout
from agent.types import Array, Chunk

FADE_TICKS = 4.0
SEAM_MOST_M, SEAM_MOST_RAD = 0.03, 0.15
"""The largest seam offset: more than this is another plan, not a late one; the Guard's speed limit smooths what is left."""
NEGLIGIBLE = 1e-3
DELAYS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a chunk: entered at `row` with a seam of `seam_m` metres and `seam_rad` radians; expired; or dropped."""

    kind: Literal["entered", "expired", "dropped"]
    row: int = 0
    seam_m: float = 0.0
    seam_rad: float = 0.0
    why: str = ""


class ChunkBuffer:
    """The chunk in use, its rows as they are to be issued, and when the next one is due."""

    def __init__(self, layout: Layout, rows: int) -> None:
        self.layout, self.rows = layout, rows
        self.epoch = 0
        self.chunk: Chunk | None = None
        self._issue: Array = np.empty((0, layout.width), np.float32)

    def clear(self) -> None:
        """Forget the chunk, and refuse every chunk asked for before now: a new subtask or a reset begins a new epoch."""
        self.epoch += 1
        self.chunk = None

    def enter(self, chunk: Chunk, tick: int, *, epoch: int, last: Array | None = None) -> Entry:
        """Let `chunk` take over at `tick`, of which it is row `tick − chunk.start`.

        epoch: the buffer's epoch when the chunk was asked for. last: float32[A], the row issued at the tick before, if the robot is
        holding it: it stands in for an old chunk that has run out.
        """
        if epoch != self.epoch:
            return Entry("dropped", why="it was asked for by an earlier subtask or before a stop")
        if self.chunk is not None and chunk.start <= self.chunk.start:
            return Entry("dropped", why=f"the chunk of tick {self.chunk.start}, in use, is as new or newer")
        row = tick - chunk.start
        if row < 0:
            return Entry("dropped", why=f"it answers tick {chunk.start}, which has not come: this is tick {tick}")
        if tick >= chunk.end:
            return Entry("expired", row, why=f"its last row was for tick {chunk.end - 1}")
        old = self.row(tick) if self.chunk is not None else None
        before = old if old is not None else last
        self.chunk, self._issue = chunk, chunk.actions
        if row == 0 or before is None:
            return Entry("entered", row)
        seam = bounded(self.layout.minus(before, chunk.actions[row]), self.layout)
        self._issue = faded(chunk.actions, row, seam, self.layout)
        return Entry("entered", row, *size(seam, self.layout))

    def row(self, tick: int) -> Array | None:
        """float32[A]: the row for this tick, seam included; None if there is none."""
        if self.chunk is None or not self.chunk.start <= tick < self.chunk.end:
            return None
        return self._issue[tick - self.chunk.start]

    def due(self, tick: int, delay: int) -> bool:
        """True if the next chunk should be asked for at this tick, when an answer takes `delay` ticks.

        Chunks are asked `rows` ticks apart, sooner where the chunk would run out before the answer is there.
        """
        if self.chunk is None:
            return True
        apart = min(self.rows, len(self.chunk.actions) - delay)
        return tick - self.chunk.start >= max(1, apart)


class Delays:
    """How many ticks answers took, lately: what to expect of the next one."""

    def __init__(self, first: int) -> None:
        self.first = first
        self._seen: deque[int] = deque(maxlen=DELAYS_KEPT)

    def note(self, ticks: int) -> None:
        self._seen.append(ticks)

    def expected(self) -> int:
        """The 95th percentile of the last 50, plus one; before any was seen, the first guess."""
        return ceil(np.quantile(self._seen, 0.95)) + 1 if self._seen else self.first


def bounded(step: Array, layout: Layout) -> Array:
    """The step cut down to what a seam may be: positions, rotations and angles within bounds, everything else zero."""
    seam = np.zeros_like(step)
    for groups, most in ((layout.positions, SEAM_MOST_M), (layout.rotations, SEAM_MOST_RAD)):
        for at in map(list, groups):
            seam[at] = step[at] * min(1.0, most / max(float(np.linalg.norm(step[at])), 1e-12))
    for index in layout.angles:
        seam[index] = np.clip(step[index], -SEAM_MOST_RAD, SEAM_MOST_RAD)
    return seam


def faded(actions: Array, first: int, seam: Array, layout: Layout) -> Array:
    """float32[H, A]: the rows, from `first` on moved by a seam that fades out."""
    if not np.any(seam):
        return actions
    rows = actions.copy()
    for j in range(first, len(rows)):
        share = np.exp(-(j - first) / FADE_TICKS)
        if share < NEGLIGIBLE:
            break
        rows[j] = layout.plus(actions[j], seam * share)
    return rows


def size(seam: Array, layout: Layout) -> tuple[float, float]:
    """The largest move in m and the largest turn in rad."""
    moves = [np.linalg.norm(seam[list(at)]) for at in layout.positions]
    turns = [np.linalg.norm(seam[list(at)]) for at in layout.rotations] + [abs(seam[index]) for index in layout.angles]
    return float(max(moves, default=0.0)), float(max(turns, default=0.0))
