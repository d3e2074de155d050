"""The tick-indexed buffer: every row at its tick, whatever happens to chunks on their way."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.executor.chunks import SEAM_MOST_M, SEAM_MOST_RAD, ChunkBuffer, Delays
from agent.executor.layout import Layout
from agent.types import Array, Chunk

NAMES = ("x", "y", "z", "rx", "ry", "rz", "gripper")
LAYOUT = Layout.of(NAMES)


def numbered(start: int, rows: int = 8, version: float = 0.0) -> Chunk:
    """A chunk whose every row tells its tick and which chunk it is of; as grippers, which no seam touches."""
    actions = np.zeros((rows, 2), np.float32)
    actions[:, 0] = np.arange(start, start + rows)
    actions[:, 1] = version
    return Chunk(start, actions)


def grippers() -> ChunkBuffer:
    return ChunkBuffer(Layout.of(("left.gripper", "right.gripper")), rows=4)


arrivals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(1, 10)), min_size=1, max_size=25)


@given(arrivals)
@settings(deadline=None)
def test_every_row_is_issued_at_its_own_tick(parcels: list[tuple[int, int, int]]) -> None:
    """Chunks that are late, duplicate and out of order sort themselves: the newest observation that has a row for the tick wins."""
    buffer = grippers()
    for tick in range(80):
        for start, delay, rows in parcels:
            if start + delay == tick:
                buffer.enter(numbered(start, rows, version=float(start)), tick, epoch=buffer.epoch)
        row = buffer.row(tick)
        useful = [start for start, delay, rows in parcels if start + delay <= tick and delay < rows]
        if row is None:
            newest = max(useful, default=-99)
            lengths = [rows for start, delay, rows in parcels if start == newest and start + delay <= tick and delay < rows]
            assert newest == -99 or tick >= newest + min(lengths)
        else:
            assert row[0] == tick and row[1] == max(useful)


def test_what_becomes_of_a_chunk_is_said() -> None:
    buffer = grippers()
    kinds = [buffer.enter(numbered(0), 9, epoch=0), buffer.enter(numbered(4), 6, epoch=0), buffer.enter(numbered(4), 6, epoch=0)]
    assert [(entry.kind, entry.row) for entry in kinds[:2]] == [("expired", 9), ("entered", 2)]
    assert kinds[2].kind == "dropped" and "as new" in kinds[2].why
    assert buffer.enter(numbered(20), 19, epoch=0).kind == "dropped", "a chunk from the future"
    assert buffer.chunk is not None and buffer.chunk.start == 4


def test_chunks_of_an_older_epoch_are_dropped() -> None:
    buffer = grippers()
    epoch = buffer.epoch
    buffer.clear()
    assert buffer.enter(numbered(0), 1, epoch=epoch).kind == "dropped" and buffer.row(1) is None


@given(st.integers(1, 40), st.integers(0, 20), st.integers(1, 50))
@settings(deadline=None)
def test_the_next_chunk_is_due_in_time(rows: int, delay: int, horizon: int) -> None:
    """Asked when due and answered `delay` ticks later, chunks follow each other without a gap, wherever that is possible at all."""
    buffer = ChunkBuffer(Layout.of(("gripper",)), rows)
    buffer.enter(Chunk(0, np.zeros((horizon, 1), np.float32)), 0, epoch=0)
    asked = next(tick for tick in range(200) if buffer.due(tick, delay))
    assert asked == max(1, min(rows, horizon - delay))
    assert asked + delay <= max(horizon, 1 + delay)


def pose(x: float = 0.0, turn: tuple[float, float, float] = (0, 0, 0), gripper: float = 0.0) -> Array:
    return np.array([x, 0, 0, *turn, gripper], np.float32)


def follow(old: Array, new: Array, at: int = 2) -> tuple[Array, Array, Any]:
    """Rows truly issued after a switch at tick `at`, from a chunk that repeats `old` to one that repeats `new`; and the new rows."""
    buffer = ChunkBuffer(LAYOUT, rows=4)
    buffer.enter(Chunk(0, np.tile(old, (40, 1))), 0, epoch=0)
    chunk = Chunk(1, np.tile(new, (39, 1)))
    entry = buffer.enter(chunk, at, epoch=0)
    rows = [buffer.row(tick) for tick in range(at, 40)]
    return np.array(rows), chunk.actions[at - 1 :], entry


numbers = st.floats(-0.5, 0.5, width=32)


@given(numbers, numbers, st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers), numbers)
@settings(deadline=None)
def test_a_seam_begins_at_the_old_plan_and_ends_at_the_new(a: float, b: float, turn: Any, other: Any, gripper: float) -> None:
    rows, new, _ = follow(pose(a, turn, 0.2), pose(b, other, gripper))
    gaps = [LAYOUT.minus(row, wanted) for row, wanted in zip(rows, new, strict=True)]
    moves, turns = [np.linalg.norm(gap[:3]) for gap in gaps], [np.linalg.norm(gap[3:6]) for gap in gaps]
    assert np.all(rows[:, 6] == np.float32(gripper)), "never on the gripper"
    assert moves[0] == pytest.approx(min(abs(a - b), SEAM_MOST_M), abs=1e-5)
    assert turns[0] <= SEAM_MOST_RAD + 1e-5
    assert np.all(np.diff(moves) <= 1e-6) and np.all(np.diff(turns) <= 1e-5), "it only ever fades"
    assert np.array_equal(rows[-1], new[-1]), "and is gone at last, to the bit"


def test_a_seam_knows_that_half_a_turn_is_the_same_both_ways() -> None:
    rows, new, entry = follow(pose(turn=(np.pi, 0, 0)), pose(turn=(-np.pi, 0, 0)))
    assert entry.seam_rad < 1e-6 and max(LAYOUT.gap(row, wanted) for row, wanted in zip(rows, new, strict=True)) < 1e-6


def test_no_seam_where_nothing_was_late_or_nothing_came_before() -> None:
    buffer = ChunkBuffer(LAYOUT, rows=4)
    assert buffer.enter(Chunk(0, np.tile(pose(0.3), (8, 1))), 2, epoch=0).seam_m == 0
    assert buffer.enter(Chunk(4, np.tile(pose(0.1), (8, 1))), 4, epoch=0).seam_m == 0
    assert buffer.row(4) is not None and np.array_equal(buffer.row(4), pose(0.1))  # type: ignore[arg-type]


def test_a_held_row_stands_in_for_a_plan_that_ran_out() -> None:
    buffer = ChunkBuffer(LAYOUT, rows=4)
    buffer.enter(Chunk(0, np.tile(pose(0.0), (4, 1))), 0, epoch=0)
    entry = buffer.enter(Chunk(4, np.tile(pose(0.02), (8, 1))), 6, epoch=0, last=pose(0.0))
    assert entry.seam_m == pytest.approx(0.02, abs=1e-6) and np.allclose(buffer.row(6), pose(0.0), atol=1e-6)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 9), max_size=200))
@settings(deadline=None)
def test_expected_delays_forget(seen: list[int]) -> None:
    delays = Delays(first=3)
    for ticks in seen:
        delays.note(ticks)
    assert delays.expected() == 3 if not seen else min(seen[-50:]) + 1 <= delays.expected() <= max(seen[-50:]) + 1
