"""Asking in a thread: answers belong to their calls, deadlines are kept, and nobody waits behind the dead."""

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import PolicyError, UnknownThing, WrongShape
from agent.executor.asking import Asker, is_final, is_lost
from agent.types import Chunk


def chunk(start: int) -> Chunk:
    return Chunk(start, np.zeros((1, 1), np.float32))


def after(event: threading.Event, start: int) -> Callable[[], Chunk]:
    def call() -> Chunk:
        event.wait(10.0)
        return chunk(start)

    return call


@given(st.lists(st.booleans(), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_every_wanted_call_gets_its_own_answer_and_no_other(wanted: list[bool]) -> None:
    asker, gate, made = Asker(), threading.Event(), list[int]()

    def call(start: int) -> Chunk:
        made.append(start)
        return after(gate, start)()

    numbers = [asker.ask(partial(call, start)) for start in range(len(wanted))]
    for number, want in zip(numbers, wanted, strict=True):
        if not want:
            asker.abandon(number, 10.0)
    gate.set()
    for start, (number, want) in enumerate(zip(numbers, wanted, strict=True)):
        if want:
            answer = asker.answer(number, 5.0)
            assert answer is not None and answer.chunk is not None and answer.chunk.start == start
            assert asker.answer(number) is None, "an answer is given once"
    assert made == [start for start in range(len(wanted)) if wanted[start] or start in made[:1]], "no call is made that nobody waits for"
    assert all(answer.number in {n for n, want in zip(numbers, wanted, strict=True) if not want} for answer in asker.late())
    asker.close()


def test_a_wait_ends_at_its_deadline() -> None:
    asker, gate = Asker(), threading.Event()
    number = asker.ask(after(gate, 1))
    assert asker.answer(number, 0.05) is None
    gate.set()
    assert asker.answer(number, 5.0) is not None
    asker.close()


def test_what_was_given_up_comes_late_and_is_told_once() -> None:
    asker, gate = Asker(), threading.Event()
    number = asker.ask(after(gate, 1))
    assert asker.answer(number, 0.05) is None
    asker.abandon(number, 10.0)
    gate.set()
    assert asker.answer(asker.ask(lambda: chunk(2)), 5.0) is not None, "the next call waits its turn on the same worker"
    assert [answer.number for answer in asker.late()] == [number] and asker.late() == []
    asker.close()


def test_a_stuck_worker_is_left_behind() -> None:
    asker, gate = Asker(), threading.Event()
    stuck = asker.ask(after(gate, 1))
    assert asker.answer(stuck, 0.1) is None
    asker.abandon(stuck, deadline_s=0.01)
    assert asker.answer(asker.ask(lambda: chunk(2)), 5.0) is not None
    gate.set()
    asker.close()


def test_exceptions_come_back_as_answers() -> None:
    def fail() -> Chunk:
        raise ZeroDivisionError("one over none")

    asker = Asker()
    answer = asker.answer(asker.ask(fail), 5.0)
    assert answer is not None and answer.chunk is None and isinstance(answer.error, ZeroDivisionError)
    asker.close()


def refused() -> PolicyError:
    error = PolicyError("not that")
    error.refused = True  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "lost", "final"),
    [
        (PolicyError("gone"), True, False),
        (ConnectionResetError(), True, False),
        (TimeoutError(), True, False),
        (refused(), False, False),
        (WrongShape("row", "float32", np.zeros(1)), False, False),
        (ZeroDivisionError(), False, False),
        (UnknownThing("elephant", ["block"]), False, True),
    ],
)
def test_who_may_come_back(error: Exception, lost: bool, final: bool) -> None:
    assert (is_lost(error), is_final(error)) == (lost, final)
