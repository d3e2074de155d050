"""Replay proves equality, and finds the first tick that differs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import RecordError
from agent.executor.record import Recorder, Run, read_steps
from agent.executor.run import versions
from agent.replay import Verdict, compare, replay
from agent.types import Array, Robot
from tests.executor.body import Body, rows


def recorded(folder: Path, **body: Any) -> Run:
    """A run of two subtasks with snapshots, a stop and a gust."""
    run = Run.create(folder, "push the puck")
    recorder = Recorder(Body(**body), run, video=False)
    for part in (0, 1):
        for row in rows(40, seed=part):
            recorder.apply(row)
        recorder.stop()
        recorder.save_world()
    run.finish("done", "as asked")
    return run


def test_a_run_repeats_itself_bit_for_bit(tmp_path: Path) -> None:
    run, seen = recorded(tmp_path, seed=4, gust_at=20), []
    verdict = replay(run.folder, lambda: Body(seed=4, gust_at=20), lambda done, total: seen.append((done, total)))
    assert verdict == Verdict(run=run.id, equal=True, sentence=verdict.sentence, steps=82, segments=1, fingerprints=2)
    assert "bit for bit: 82 steps" in verdict.sentence and seen[-1] == (82, 82)


def test_another_seed_is_found_at_the_first_tick(tmp_path: Path) -> None:
    verdict = replay(recorded(tmp_path, seed=4).folder, lambda: Body(seed=5))
    assert not verdict.equal and verdict.tick == 1 and "does NOT repeat itself" in verdict.sentence


def test_code_that_has_changed_since_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(tmp_path)
    assert "Changed" not in replay(run.folder, lambda: Body(seed=5)).sentence
    now = versions()
    monkeypatch.setattr("agent.replay.versions", lambda: {**now, "sim code": "0123456789ab", "ray": "0"})
    verdict = replay(run.folder, lambda: Body(seed=5))
    assert verdict.sentence.endswith(f"Changed since it was recorded: sim code ({now['sim code']} then, 0123456789ab now).")
    assert replay(run.folder, Body).equal, "what has changed does not matter if the outcome is equal"


def test_a_missing_disturbance_is_found_at_its_tick(tmp_path: Path) -> None:
    verdict = replay(recorded(tmp_path, gust_at=33).folder, lambda: Body())
    assert (verdict.equal, verdict.tick, verdict.steps) == (False, 33, 32)
    assert "the measured state differs: x was" in verdict.sentence and "1 more numbers" in verdict.sentence


@pytest.mark.parametrize("bit", [0, 7, 31])
def test_a_single_flipped_bit_of_a_row_is_found(tmp_path: Path, bit: int) -> None:
    run = recorded(tmp_path)
    steps, _ = read_steps(run.folder / "steps.bin")
    changed = steps.copy()
    changed["state"][17].view(np.uint32)[1] ^= 1 << bit
    head = (run.folder / "steps.bin").read_bytes().split(b"\n", 1)[0]
    (run.folder / "steps.bin").write_bytes(head + b"\n" + changed.tobytes())
    assert replay(run.folder, Body).tick == steps["tick"][17]


def test_a_world_that_differs_where_the_robot_does_not_look(tmp_path: Path) -> None:
    class Other(Body):
        def fingerprint(self) -> str:
            return "another world"

    verdict = replay(recorded(tmp_path).folder, Other)
    assert (verdict.equal, verdict.tick, verdict.steps) == (False, 43, 40) and "the world differs" in verdict.sentence


def test_a_resumed_run_is_replayed_in_parts(tmp_path: Path) -> None:
    run, first = Run.create(tmp_path, "push"), Body(seed=1)
    recorder = Recorder(first, run, video=False)
    for row in rows(10):
        recorder.apply(row)
    recorder.save_world()
    for row in rows(5):
        recorder.apply(row)
    run._log.close()
    recorder._log.close()  # as a kill -9 would leave it: nothing more is written

    again, second = Run.open(run.folder), Body(seed=77)
    again.resume(second)
    recorder = Recorder(second, again, video=False)
    for row in rows(9, seed=2):
        recorder.apply(row)
    recorder.save_world()
    again.finish("done", "")
    verdict = replay(run.folder, lambda: Body(seed=1))
    assert verdict.equal and (verdict.steps, verdict.segments, verdict.fingerprints) == (24, 2, 2)
    assert "in 2 parts" in verdict.sentence and "tick 19" in verdict.sentence
    (run.folder / "world-2").unlink()
    with pytest.raises(RecordError, match="snapshot 'world-2'"):
        replay(run.folder, lambda: Body(seed=1))


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    class Longer(Body):
        spec = Body.spec.model_copy(update={"name": "longer", "rate_hz": 50.0})

    with pytest.raises(RecordError, match=r"'body'; this one is 'longer' and differs in: name, rate_hz"):
        replay(recorded(tmp_path).folder, Longer)
    with pytest.raises(RecordError, match="never moved"):
        replay(Run.create(tmp_path, "nothing").folder, Body)
    with pytest.raises(RecordError, match="is not a run"):
        replay(tmp_path / "nowhere", Body)


def test_each_robot_is_closed(tmp_path: Path) -> None:
    closed = []

    class Closing(Body):
        def close(self) -> None:
            closed.append(self)

    replay(recorded(tmp_path).folder, Closing)
    assert len(closed) == 1


@pytest.mark.parametrize(("now", "equal"), [([0.0, np.nan], True), ([-0.0, np.nan], False), ([1e-45, np.nan], False)])
def test_comparison_is_of_bits(now: list[float], equal: bool) -> None:
    then: Array = np.array([0.0, np.nan], np.float32)
    if equal:
        compare(1, "it", np.array(now, np.float32), then, ("a", "b"))
    else:
        with pytest.raises(Exception, match="a was 0"):
            compare(1, "it", np.array(now, np.float32), then, ("a", "b"))


def test_the_body_used_here_is_a_robot() -> None:
    assert isinstance(Body(), Robot)


def test_the_simulator_repeats_itself_through_a_kill_and_a_resume(tmp_path: Path) -> None:
    from sim.robot import SimRobot

    def arm() -> SimRobot:
        return SimRobot("tabletop", seed=11)

    def drive(recorder: Recorder, way: float) -> None:
        state = recorder.observe(cameras=()).state
        for share in np.linspace(0, 1, 15, dtype=np.float32):
            recorder.apply(np.array([*(state[7:13] + share * np.array([0, way, -0.1, 0, 0, way], np.float32)), 0.5], np.float32))

    run, first = Run.create(tmp_path, "wave"), arm()
    recorder = Recorder(first, run, video=False)
    drive(recorder, 0.2)
    recorder.stop()
    recorder.save_world()
    drive(recorder, -0.1)
    run._log.close()
    recorder._log.close()
    first.close()

    again, second = Run.open(run.folder), arm()
    assert again.resume(second)
    recorder = Recorder(second, again)
    drive(recorder, -0.2)
    recorder.stop()
    again.finish("done", "waved")
    second.close()
    verdict = replay(run.folder, arm)
    assert verdict.equal and (verdict.segments, verdict.fingerprints) == (2, 2), verdict.sentence
    assert not replay(run.folder, lambda: SimRobot("tabletop", seed=12)).equal
