"""What the small policies say and sense, in numbers that a network of a few million weights can learn.

    state    float32[14] of the Panda  →  [x, y, z, cos yaw, sin yaw, width], standardised
    chunk    float32[H, 7], absolute   ⇄  [Δx, Δy, Δz, Δyaw, grip]: where the tool is to be, seen from where it is now, in a frame that is
                                          upright and turned by its yaw; grip −1 closed … 1 open; standardised row by row

A row far ahead spreads over half a metre, the next one over centimetres: each (row, number) has a mean and a deviation of its own, or the
near rows, which are the ones carried out, would drown. The hand points straight down throughout, so that one yaw tells its rotation.

RDT speaks of the same rows in its unified space: position in `eef_pos`, the turn as six numbers in `eef_angle`, the gripper in
`gripper_open`. Statistics belong to a control rate: at 10 Hz row j is twice as far ahead as at 20 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from agent.executor.embodiment import RDT_SLOTS, RDT_WIDTH
from agent.types import Array

Form = Literal["pose", "slots"]
STATE, ACTION = 6, 5
RATE_HZ = 20
"""The rate that demonstrations are recorded at."""
FULL_WIDTH = 0.08
FELT, GIVEN = 121, 127
"""Slots of RDT's unified space that have no meaning of their own: from the first on, the six numbers of the hand once more, standardised;
the last is the model's own."""
TURN = [RDT_SLOTS[f"eef_angle_{i}"] for i in range(6)]
SLOTS = [*(RDT_SLOTS[f"eef_pos_{axis}"] for axis in "xyz"), *TURN, RDT_SLOTS["gripper_open"]]
FLAT = 1e-3
"""A deviation below this belongs to a number that never changes, which is left as it is."""


def sense(state: Array) -> Array:
    """float32[..., 14] → float32[..., 6]: x, y, z in m, cosine and sine of the yaw, width in m."""
    state = np.asarray(state, np.float32)
    yaw = state[..., 12]
    return np.stack([*np.moveaxis(state[..., 7:10], -1, 0), np.cos(yaw), np.sin(yaw), state[..., 13]], axis=-1).astype(np.float32)


def relative(chunk: Array, state: Array) -> Array:
    """Absolute rows [..., H, 7] and the state [..., 14] they are seen from → [..., H, 5]."""
    chunk, state = np.asarray(chunk, np.float64), np.asarray(state, np.float64)[..., None, :]
    step, yaw = chunk[..., :3] - state[..., 7:10], state[..., 12]
    c, s = np.cos(yaw), np.sin(yaw)
    x, y, z = np.moveaxis(step, -1, 0)
    rows = np.stack([c * x + s * y, c * y - s * x, z, chunk[..., 5] - yaw, 2 * chunk[..., 6] - 1], axis=-1)
    return rows.astype(np.float32)


def absolute(rows: Array, state: Array) -> Array:
    """The inverse of `relative`: [..., H, 5] → float32[..., H, 7]."""
    rows, state = np.asarray(rows, np.float64), np.asarray(state, np.float64)[..., None, :]
    yaw = state[..., 12]
    c, s = np.cos(yaw), np.sin(yaw)
    x, y, z, turn, grip = np.moveaxis(rows, -1, 0)
    zero = np.zeros_like(x)
    moved = [c * x - s * y + state[..., 7], s * x + c * y + state[..., 8], z + state[..., 9]]
    return np.stack([*moved, zero, zero, turn + yaw, np.clip((grip + 1) / 2, 0, 1)], axis=-1).astype(np.float32)


def to_ten(rows: Array) -> Array:
    """[..., 5] → [..., 10]: the turn as two columns of its matrix, the gripper 0 … 1, as RDT has them."""
    x, y, z, turn, grip = np.moveaxis(np.asarray(rows, np.float64), -1, 0)
    c, s, zero = np.cos(turn), np.sin(turn), np.zeros_like(x)
    return np.stack([x, y, z, c, s, zero, -s, c, zero, (grip + 1) / 2], axis=-1)


def from_ten(ten: Array) -> Array:
    """The inverse of `to_ten`, of the nearest turn about the vertical."""
    ten = np.asarray(ten, np.float64)
    turn = np.arctan2(ten[..., 4] - ten[..., 6], ten[..., 3] + ten[..., 7])
    return np.concatenate([ten[..., :3], turn[..., None], 2 * ten[..., 9:] - 1], axis=-1)


def slowed(chunk: Array, times: int) -> Array:
    """The same motion at a rate `times` lower: [..., H, 7] → [..., H // times, 7]. A row stands for a longer period and names its end."""
    return chunk[..., times - 1 :: times, :]


@dataclass(frozen=True, eq=False)
class Spread:
    """Means and deviations of a control rate's rows, float32[H', n]."""

    mean: Array
    std: Array

    @classmethod
    def of(cls, rows: Array) -> Spread:
        """rows [N, H', n]."""
        std = rows.std(0)
        return cls(np.where(std < FLAT, 0, rows.mean(0)).astype(np.float32), np.where(std < FLAT, 1, std).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Space:
    """The numbers of a checkpoint: fitted once to its data, saved with its weights."""

    form: Form
    state: Spread
    rates: Mapping[int, Spread]

    @classmethod
    def fit(cls, states: Array, chunks: Array, form: Form, rates: tuple[int, ...] = (RATE_HZ,)) -> Space:
        """states float32[N, 14], chunks float32[N, H, 7], at 20 Hz; `rates` divide it."""
        rows = {rate: relative(slowed(chunks, RATE_HZ // rate), states) for rate in rates}
        return cls(form, Spread.of(sense(states)), {rate: Spread.of(_formed(found, form)) for rate, found in rows.items()})

    @property
    def width(self) -> int:
        """Of an action row as the network has it."""
        return RDT_WIDTH if self.form == "slots" else ACTION

    def horizon(self, rate: int = RATE_HZ) -> int:
        return len(self.rates[rate].mean)

    def sensed(self, state: Array) -> Array:
        """float32[..., 14] → float32[..., 6], standardised; in RDT's slots: float32[..., 128], SI units, and the six in slots of their own:
        a network that was trained from nothing hardly hears a number that differs by centimetres."""
        here = sense(state)
        standard = (here - self.state.mean) / self.state.std
        if self.form == "pose":
            return np.asarray(standard, np.float32)
        c, s, zero = here[..., 3], here[..., 4], np.zeros_like(here[..., 3])
        ten = np.stack([*np.moveaxis(here[..., :3], -1, 0), c, s, zero, -s, c, zero, here[..., 5] / FULL_WIDTH], axis=-1)
        slots = _in_slots(ten)
        slots[..., FELT:GIVEN] = standard
        return slots

    def rows(self, chunk: Array, state: Array, rate: int = RATE_HZ) -> Array:
        """Absolute rows of that rate [..., h, 7] → what the network learns, float32[..., h, width]; h ≤ horizon."""
        spread, formed = self.rates[rate], _formed(relative(chunk, state), self.form)
        h = chunk.shape[-2]
        scaled = ((formed - spread.mean[:h]) / spread.std[:h]).astype(np.float32)
        return _in_slots(scaled) if self.form == "slots" else scaled

    def chunk(self, rows: Array, state: Array, rate: int = RATE_HZ) -> Array:
        """What the network answers [..., h, width] → absolute rows, float32[..., h, 7]."""
        spread, h = self.rates[rate], rows.shape[-2]
        plain = (rows[..., SLOTS] if self.form == "slots" else rows) * spread.std[:h] + spread.mean[:h]
        return absolute(from_ten(plain) if self.form == "slots" else plain, state)

    def to_json(self) -> dict[str, Any]:
        def numbers(spread: Spread) -> dict[str, Any]:
            return {"mean": spread.mean.tolist(), "std": spread.std.tolist()}

        return {"form": self.form, "state": numbers(self.state), "rates": {str(rate): numbers(s) for rate, s in self.rates.items()}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Space:
        def spread(numbers: Mapping[str, Any]) -> Spread:
            return Spread(np.array(numbers["mean"], np.float32), np.array(numbers["std"], np.float32))

        return cls(raw["form"], spread(raw["state"]), {int(rate): spread(numbers) for rate, numbers in raw["rates"].items()})


def has_slots() -> Array:
    """float32[128]: RDT's mask of what these policies know of."""
    has = _in_slots(np.ones(len(SLOTS)))
    has[FELT:] = 1
    return has


def _formed(rows: Array, form: Form) -> Array:
    return to_ten(rows) if form == "slots" else rows


def _in_slots(ten: Array) -> Array:
    slots = np.zeros((*ten.shape[:-1], RDT_WIDTH), np.float32)
    slots[..., SLOTS] = ten
    return slots


__all__ = [
    "ACTION", "FELT", "GIVEN", "RATE_HZ", "STATE", "TURN", "Form", "Space", "Spread", "absolute", "has_slots", "relative", "sense",
    "slowed",
]  # fmt: skip
