"""Asking a policy for chunks from one worker thread, so that every wait has a deadline; and telling sense from nonsense.

A call that outlives its deadline is abandoned: its answer, should it ever come, is dropped and reported. The next call waits for its turn
behind it (a first call may be compiling), unless the worker has been stuck for so long that it is left behind for a new one.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic

import numpy as np

from agent.errors import PolicyError, SaydoError, WrongShape
from agent.types import Chunk, PolicySpec

LEFT_BEHIND = 3.0
"""Deadlines that one call may take before its worker is given up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came to: a chunk, or the exception that was raised instead; `ms` as seen from the worker."""

    number: int
    chunk: Chunk | None
    error: Exception | None
    ms: float


@dataclass(slots=True)
class Call:
    number: int
    ask: Callable[[], Chunk]
    began: float | None = None


class Asker:
    """One worker, calls in order, answers matched to calls by number."""

    def __init__(self) -> None:
        self._numbers = 0
        self._answers: dict[int, Answer] = {}
        self._late: deque[Answer] = deque()
        self._wanted: set[int] = set()
        self._news = threading.Condition()
        self._calls: SimpleQueue[Call | None] | None = None
        self._now: Call | None = None

    def ask(self, call: Callable[[], Chunk]) -> int:
        """Queue the call; returns its number."""
        with self._news:
            self._numbers += 1
            self._wanted.add(self._numbers)
            if self._calls is None:
                self._calls = SimpleQueue()
                threading.Thread(target=self._work, args=(self._calls,), name="policy", daemon=True).start()
            self._calls.put(Call(self._numbers, call))
            return self._numbers

    def answer(self, number: int, timeout_s: float = 0.0) -> Answer | None:
        """The answer to that call, waiting for it up to `timeout_s`."""
        with self._news:
            self._news.wait_for(lambda: number in self._answers, timeout_s)
            return self._answers.pop(number, None)

    def abandon(self, number: int, deadline_s: float) -> None:
        """Want that answer no more; leave the worker behind if it has been at one call for three deadlines."""
        with self._news:
            self._wanted.discard(number)
            if (answer := self._answers.pop(number, None)) is not None:
                self._late.append(answer)
            stuck = self._now is not None and self._now.began is not None and monotonic() - self._now.began > LEFT_BEHIND * deadline_s
            if stuck:
                self._end()

    def late(self) -> list[Answer]:
        """Answers to abandoned calls that have come since the last time, to be reported."""
        with self._news:
            came = list(self._late)
            self._late.clear()
            return came

    def close(self) -> None:
        """End the worker once its present call returns; a later `ask` starts another."""
        with self._news:
            self._end()

    def _end(self) -> None:
        if self._calls is not None:
            self._calls.put(None)
        self._calls, self._now = None, None

    def _work(self, calls: "SimpleQueue[Call | None]") -> None:
        while (call := calls.get()) is not None:
            with self._news:
                if call.number not in self._wanted:
                    continue
                call.began = monotonic()
                if calls is self._calls:
                    self._now = call
            answer = carry_out(call)
            with self._news:
                if self._now is call:
                    self._now = None
                if call.number in self._wanted:
                    self._wanted.discard(call.number)
                    self._answers[call.number] = answer
                else:
                    self._late.append(answer)
                self._news.notify_all()


def carry_out(call: Call) -> Answer:
    began = monotonic()
    try:
        chunk, error = call.ask(), None
    except Exception as problem:  # whatever a plug-in raises must reach the loop, which holds the robot, and not die in a thread
        chunk, error = None, problem
    return Answer(call.number, chunk, error, (monotonic() - began) * 1000)


def nonsense(chunk: object, tick: int, spec: PolicySpec) -> str | None:
    """What is wrong with a chunk that was asked for at `tick`, in words; None if nothing is."""
    if not isinstance(chunk, Chunk):
        return f"the answer is not a Chunk but a {type(chunk).__name__}"
    if chunk.start != tick:
        return f"the chunk answers tick {chunk.start}, but tick {tick} was asked"
    rows, width = chunk.actions.shape
    if width != len(spec.action):
        return f"rows are {width} wide, but an action has {len(spec.action)} numbers: {', '.join(spec.action)}"
    if not np.isfinite(chunk.actions).all():
        row, column = np.argwhere(~np.isfinite(chunk.actions))[0]
        return f"row {row} of {rows}: '{spec.action[column]}' is {chunk.actions[row, column]}"
    return None


def is_lost(error: Exception) -> bool:
    """True for a policy that is out of reach for now and may come back; a PolicyError with `refused = True` is an answer: it is there."""
    return isinstance(error, PolicyError | OSError) and not getattr(error, "refused", False)


def is_final(error: Exception) -> bool:
    """True where asking again cannot help: a name that is not in the scene, a skill that is wrong."""
    return isinstance(error, SaydoError) and not isinstance(error, PolicyError | WrongShape)


def said(error: Exception) -> str:
    """What an exception says for itself: our own speak in sentences, others need their name."""
    return str(error) if isinstance(error, SaydoError) else f"{type(error).__name__}: {error}"
