"""The oracle, asked about states: its chunk, the whole of a motion moment by moment, and the spot that it has in mind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from agent.learn.dataset import HORIZON
from agent.learn.stage import Moment
from agent.types import Array, Observation, Scene, Subtask
from sim.oracle import MOVES, NEEDS, _follow
from sim.oracle.fixtures import resting
from sim.oracle.imagined import Imagined
from sim.oracle.motion import Move
from sim.oracle.pushes import DIRECTIONS, behind
from sim.oracle.spots import Spot

ROWS = 320
"""Rows of a motion in the mind, at most."""
STILL_MS, STILL_RADS = 1e-3, 1e-2
Step = Callable[[], tuple[Move, Array]]
Around = tuple[tuple[object, ...], ...]


class Label(NamedTuple):
    chunk: Array
    """float32[32, 7]."""
    spot: tuple[float, float, float] | None
    """Where what the call moves is to come to rest, m: a thing that it puts down, or a handle; of a push: where the fingers come down."""


class Mind:
    """The oracle of one world. It remembers the spots that it has found: the same sentence is asked from many states of one arrangement,
    and a spot depends on neither the hand nor the thing that is brought there, but takes longer to find than all else. Spots on the table
    do depend on it."""

    def __init__(self) -> None:
        self._spots: dict[Around, dict[object, object]] = {}

    def label(self, observation: Observation, subtask: Subtask) -> Label:
        """What Oracle.predict answers, row for row, and the spot. Raises Refused, a PolicyError."""
        with self._rolling(observation, subtask) as (hand, step):
            rows = np.array([step()[1] for _ in range(HORIZON)], np.float32)
            spot = hand.notes.get(spot_key(subtask)) or hand.notes.get(away_key(hand.scene))
        assert observation.scene is not None
        return Label(rows, spot[:3] if isinstance(spot, Spot) else spot_of(observation.scene, subtask))

    def imagine(self, observation: Observation, subtask: Subtask) -> list[Moment]:
        """The whole of a call in the mind, until nothing moves any more. Raises Refused, a PolicyError."""
        with self._rolling(observation, subtask) as (hand, step):
            moments = [Moment.of(hand, hand.width)]
            for _ in range(ROWS):
                width = hand.width
                move, _ = step()
                moments.append(Moment.of(hand, move.opening))
                if np.abs(move.velocity).max() < STILL_MS and np.abs(move.turn).max() < STILL_RADS and abs(hand.width - width) < 1e-5:
                    break
        return moments

    @contextmanager
    def _rolling(self, observation: Observation, subtask: Subtask) -> Iterator[tuple[Imagined, Step]]:
        """The imagined hand, and what makes one step of it."""
        assert observation.scene is not None
        hand = Imagined.of(observation, unaware(observation.scene))
        move, names = MOVES[subtask.skill], [subtask.args[need] for need in NEEDS[subtask.skill]]
        known = self._spots.setdefault(around(observation.scene, subtask.args.get("thing", "")), {})
        hand.notes.update(known)

        def step() -> tuple[Move, Array]:
            done = move(hand, *names)
            return done, _follow(hand, done)

        yield hand, step
        if subtask.args.get("target") not in observation.scene.names("table"):
            known.update({key: spot for key, spot in hand.notes.items() if key == spot_key(subtask)})


def unaware(scene: Scene) -> Scene:
    """Without what the oracle remembers and nobody can see: how far a thing has been pushed or turned already."""
    return scene.model_copy(update={"events": tuple(event for event in scene.events if event[1][0] not in ("moved", "turned"))})


def spot_of(scene: Scene, subtask: Subtask) -> tuple[float, float, float] | None:
    """The spot of a call that puts nothing down, base frame, m; None if it has none."""
    if subtask.skill == "push":
        return behind(scene.find(subtask.args["thing"]), DIRECTIONS[subtask.args["direction"]])
    return resting(scene, subtask)


def spot_key(subtask: Subtask) -> tuple[str, ...]:
    """Under which the oracle notes the spot of a call."""
    args = subtask.args
    if subtask.skill == "between":
        return ("between", args["thing"])
    return ("spot", args.get("thing", ""), args.get("relation", "on"), args.get("target", ""))


def away_key(scene: Scene) -> tuple[str, ...]:
    """The same for what is held and has to be put away first."""
    return ("spot", scene.holding or "", "on", next(iter(scene.names("table")), ""))


def around(scene: Scene, without: str) -> Around:
    """Where everything else stands, to the millimetre."""
    return tuple((thing.name, *(round(value, 3) for value in (*thing.position, thing.joint or 0.0)))
                 for thing in scene.things if thing.name != without)  # fmt: skip
