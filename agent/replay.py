"""Replay: give an equal robot the recorded rows again and compare what it measures, bit for bit.

Equality proves that the record is complete: the run folder, the scene and the seed are all that the run depended on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agent.errors import RecordError
from agent.executor.record import STOP, read_steps, segments
from agent.executor.run import Run, reach, versions
from agent.types import Array, Frozen, Robot, RobotSpec

Progress = Callable[[int, int], None]

MATTER = ("sim code", "pybullet", "numpy", "python")
"""Versions that a simulation depends on."""


class Verdict(Frozen):
    """What a replay came to; `sentence` says it to a person."""

    run: str
    equal: bool
    sentence: str
    steps: int
    """Rows and stops that were carried out again."""
    segments: int
    """Parts that were replayed: more than one if the run was resumed."""
    fingerprints: int
    """Fingerprints of the whole world that were compared, besides the state measured after every step."""
    tick: int | None = None
    """The first tick that differs; None if none does."""


class Differs(Exception):
    """The replay and the record part."""

    def __init__(self, tick: int, what: str) -> None:
        self.tick = tick
        super().__init__(what)


def replay(path: Path, make_robot: Callable[[], Robot], progress: Progress = lambda done, total: None) -> Verdict:
    """Replay a recorded run, every segment of it: the first from the start, a resumed one from the snapshot it was resumed from.

    make_robot: a robot as it was at the start of the run, scene, seed and disturbances included; called once for each segment.
    progress(done, total): told after every step. Raises RecordError if there is nothing to replay or this robot cannot be replayed.
    """
    run = Run.open(path)
    parts = [(segment, *read_steps(run.part("steps.bin", segment))) for segment in segments(run)]
    total, done, checked = sum(len(steps) for _, steps, _ in parts), 0, 0
    if not total:
        raise RecordError(f"Run {run.id} has no recorded steps: the robot never moved in it. There is nothing to replay.")
    for segment, steps, spec in parts:
        robot = make_robot()
        try:
            begin(robot, run, segment, spec)
            marks = fingerprints(run, segment)
            for number, step in enumerate(steps, start=1):
                repeat(robot, step)
                if number in marks:
                    same_world(robot, marks[number], int(step["tick"]))
                    checked += 1
                done += 1
                progress(done, total)
        except Differs as gap:
            told = f"equal for {done} of {total} steps, then at tick {gap.tick} {gap}.{changed(run, segment)}"
            sentence = f"Run {run.id} does NOT repeat itself: {told}"
            return Verdict(run=run.id, equal=False, sentence=sentence, steps=done, segments=segment, fingerprints=checked, tick=gap.tick)
        finally:
            getattr(robot, "close", lambda: None)()
    sentence = praise(run, [steps for _, steps, _ in parts], checked)
    return Verdict(run=run.id, equal=True, sentence=sentence, steps=total, segments=len(parts), fingerprints=checked)


def praise(run: Run, parts: list[Array], checked: int) -> str:
    """The sentence for a run that repeats itself."""
    seconds = sum(float(steps["time"][-1] - steps["time"][0]) for steps in parts if len(steps))
    resumed = f" in {len(parts)} parts, because it was resumed" if len(parts) > 1 else ""
    world = f" and {checked} fingerprint{'s' * (checked != 1)} of the whole world" if checked else ""
    steps = f"{sum(len(steps) for steps in parts)} steps ({seconds:.1f} s of robot time)"
    last = max(int(steps["tick"][-1]) for steps in parts if len(steps))
    return f"Run {run.id} repeats itself bit for bit: {steps}{resumed}, every measured state{world} equal, up to tick {last}."


def begin(robot: Robot, run: Run, segment: int, spec: RobotSpec) -> None:
    """Put the robot where the segment began."""
    if robot.spec != spec:
        ours, theirs = robot.spec.model_dump(), spec.model_dump()
        unequal = ", ".join(name for name in theirs if ours[name] != theirs[name])
        raise RecordError(f"Run {run.id} drove robot '{spec.name}'; this one is '{robot.spec.name}' and differs in: {unequal}.")
    resumed = [event for event in run.events if event["kind"] == "resumed" and event["segment"] == segment]
    world = resumed[0]["world"] if resumed else None
    if world is None:
        return
    load = reach(robot, "load")
    if load is None or not (run.folder / world).is_file():
        raise RecordError(f"Run {run.id} was resumed from the snapshot '{world}', which this robot cannot load or the folder lacks.")
    load(run.folder / world)


def changed(run: Run, segment: int) -> str:
    """What is no longer as it was when the segment was recorded, of all that a simulation depends on; with a leading space."""
    told = [event for event in run.events if event["kind"] == "started" or (event.get("segment") == segment and event["kind"] == "resumed")]
    then, now = told[-1].get("versions", {}), versions()
    unequal = [
        f"{name} ({then[name]} then, {now.get(name, 'none')} now)" for name in MATTER if name in then and then[name] != now.get(name)
    ]
    return f" Changed since it was recorded: {', '.join(unequal)}." if unequal else ""


def fingerprints(run: Run, segment: int) -> dict[int, str]:
    """Number of steps after which the world's fingerprint was taken → that fingerprint."""
    taken = [event for event in run.events if event["kind"] in ("saved", "recorded") and event["segment"] == segment]
    return {int(event["steps"]): event["fingerprint"] for event in taken if event["fingerprint"] is not None}


def repeat(robot: Robot, step: Any) -> None:
    """Carry out one recorded step; raises Differs if anything measured is not equal to the bit."""
    tick = int(step["tick"])
    if step["kind"] == STOP:
        confirmed = robot.stop()
        if confirmed != step["confirmed"]:
            raise Differs(tick, f"the stop was {'' if step['confirmed'] else 'not '}confirmed then and is {'' if confirmed else 'not '}now")
    else:
        compare(tick, "the row carried out", robot.apply(step["action"].copy()), step["applied"], robot.spec.action)
    seen = robot.observe(cameras=())
    if seen.tick != tick:
        raise Differs(tick, f"the robot is at tick {seen.tick}")
    if seen.time != step["time"]:
        raise Differs(tick, f"its clock shows {seen.time!r} s, not {float(step['time'])!r} s")
    compare(tick, "the measured state", seen.state, step["state"], robot.spec.state)


def compare(tick: int, what: str, now: Array, then: Array, names: tuple[str, ...]) -> None:
    """float32[n] against float32[n], bit for bit: −0 is not 0, and a NaN is equal to itself."""
    now = np.asarray(now, np.float32)
    unequal = np.flatnonzero(now.view(np.uint32) != then.view(np.uint32))
    if len(unequal):
        first = unequal[0]
        others = f", and {len(unequal) - 1} more numbers" if len(unequal) > 1 else ""
        raise Differs(tick, f"{what} differs: {names[first]} was {then[first]:.9g} and is {now[first]:.9g}{others}")


def same_world(robot: Robot, then: str, tick: int) -> None:
    fingerprint = reach(robot, "fingerprint")
    if fingerprint is None:
        raise RecordError(f"The run's robot gave fingerprints of its world; '{robot.spec.name}' cannot, so it is not the same robot.")
    if (now := str(fingerprint())) != then:
        raise Differs(tick, f"the world differs although the robot's own state is equal (fingerprint {then[:12]}… then, {now[:12]}… now)")
