"""When a subtask is over, tick by tick."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.executor.watch import Watch
from agent.skills.skill import Skill
from agent.testing import POSE, FakeRobot
from agent.types import Observation, Scene

SPEC = FakeRobot().spec


class Ring(Skill, say="ring the bell", time_limit_s=4.0):
    """Done once it has rung."""

    def done(self, scene: Scene) -> bool | None:
        return scene.has("rung", "bell")


class Toll(Ring, say="toll the bell", time_limit_s=15.0):
    """Takes its time."""


class Hum(Skill, say="hum", time_limit_s=4.0):
    """Cannot tell."""


def look(tick: int, x: float, scene: Scene | None = None) -> Observation:
    state = POSE.copy()
    state[0] = x
    return Observation(tick, tick / 20, state, {}, scene)


def watch(skill: Skill, path: list[float], done: list[bool] | None = None, waiting: frozenset[int] = frozenset()) -> tuple[int, str, str]:
    """(tick, status, why) at which it ended, given where the robot is and whether it is achieved at each tick; the last values stay."""
    scenes = [Scene(tick=k, things=(), facts=(("rung", "bell"),) if rung else ()) for k, rung in enumerate(done or [])]
    judge: Watch | None = None
    for tick in range(400):
        scene = scenes[min(tick, len(scenes) - 1)] if scenes else None
        observation = look(tick, path[min(tick, len(path) - 1)], scene)
        judge = judge or Watch(skill, observation, SPEC)
        if verdict := judge.verdict(observation, waiting=tick in waiting):
            return tick, *verdict
    raise AssertionError("a subtask must end")


MOVING = list(np.arange(400) * 0.01)


@given(st.lists(st.booleans(), min_size=2, max_size=60))
@settings(deadline=None)
def test_done_needs_a_quarter_of_a_second_in_one_piece(flags: list[bool]) -> None:
    flags = [False, *flags, False]
    runs = [tick for tick in range(5, len(flags)) if all(flags[tick - 5 : tick + 1])]
    tick, status, _ = watch(Ring(), MOVING, flags)
    assert (tick, status) == ((runs[0], "done") if runs else (80, "timed_out"))


def test_so_already() -> None:
    assert watch(Ring(), [0.5], [True])[:2] == (0, "done")


def test_only_what_happened_since_the_start_counts() -> None:
    old = Scene(tick=50, things=(), events=((49, ("rung", "bell")),))
    new = Scene(tick=51, things=(), events=((49, ("rung", "bell")), (51, ("rung", "bell"))))
    judge = Watch(Ring(), first := look(50, 0.5, old), SPEC)
    assert judge.verdict(first) is None
    verdicts = [judge.verdict(look(tick, 0.5, new)) for tick in range(51, 57)]
    assert verdicts[:-1] == [None] * 5 and verdicts[-1] is not None and verdicts[-1][0] == "done"


@pytest.mark.parametrize(
    ("skill", "path", "end"),
    [
        (Ring(), [0.5], (40, "failed")),  # never moved
        (Ring(), MOVING[:11], (10 + 40, "failed")),  # stopped short
        (Ring(), MOVING, (80, "timed_out")),
        (Hum(), [0.5], (40, "failed")),
        (Hum(), MOVING[:11], (10 + 20, "done")),  # came to rest
        (Hum(), MOVING, (80, "timed_out")),
    ],
)
def test_rest_and_time(skill: Skill, path: list[float], end: tuple[int, str]) -> None:
    assert watch(skill, path, [False] if isinstance(skill, Ring) else None)[:2] == end


def test_trembling_is_rest_and_creeping_is_not() -> None:
    trembling = [0.5 + 0.002 * (tick % 2) for tick in range(400)]
    creeping = [0.5 + 0.0002 * tick for tick in range(400)]
    assert watch(Ring(), trembling, [False])[1] == "failed"
    assert watch(Ring(), creeping, [False])[1] == "timed_out"


def test_hovering_about_one_place_gets_nowhere_and_going_on_does() -> None:
    hovering = [*MOVING[:11], *(0.1 + 0.01 * np.sin(0.7 * tick) for tick in range(400))]
    tick, status, why = watch(Toll(), hovering, [False])
    assert status == "failed" and "hovers" in why and 6 * 20 <= tick <= 6 * 20 + 12
    assert watch(Toll(), list(np.arange(400) * 0.001), [False])[1] == "timed_out", "2 cm a second is slow, but it goes on"


@given(st.integers(1, 100))
@settings(deadline=None)
def test_waiting_for_the_policy_counts_neither_as_time_nor_as_rest(pause: int) -> None:
    """Moves for ten ticks, stands `pause` ticks for want of a chunk, moves on: the time limit comes so much later."""
    path = MOVING[:11] + [MOVING[10]] * pause + MOVING[11:]
    tick, status, _ = watch(Ring(), path, [False], waiting=frozenset(range(11, 11 + pause)))
    assert (tick, status) == (80 + pause, "timed_out")
