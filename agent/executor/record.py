"""Recorder, a Robot around a Robot: what was commanded and measured, to the bit, and the film of it.

It goes right around the body, inside the Guard: the rows in the record are the rows that the body was given, so that giving them again
to an equal body must lead to the same states (agent/replay.py).
"""

import json
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from agent.errors import RecordError
from agent.executor.files import Log
from agent.executor.film import ALERT_S, Caption, Film
from agent.executor.run import Event, Run, reach
from agent.types import Array, Observation, Robot, RobotSpec

FORMAT = "saydo steps 1"
APPLY, STOP = 0, 1
FRAMES_PER_S = 10.0
LAST_PICTURE_S = 0.5
FAULTS = {"disturbed": "what", "starved": "why", "waiting": "why"}
"""Kinds of events that the film points out, and the field that says what happened."""
TELLTALES = {"fired": ("disturbed", "what"), "rejected": ("refused", "why")}
"""What a simulated robot notes, as (tick, text): what was done to its world, and the rows it would not follow → the event each becomes."""


class Recorder:
    """Records every `apply` and `stop` of `robot` into `run`.

    steps.bin grows by one record a tick, so a kill costs nothing that was measured. The film and the stills are encoded in a thread; what
    a film costs the loop is the rendering, ten pictures a second of robot time. Without it last.jpg changes at each subtask only.
    The run's events steer the captions and the pictures before and after each subtask; write those events in the robot's own thread.
    Once a record cannot be written, every `apply` raises RecordError before anything moves; `stop` always stops.
    """

    def __init__(self, robot: Robot, run: Run, video: bool = True, camera: str = "studio") -> None:
        self.robot, self.run = robot, run
        self.spec: RobotSpec = robot.spec
        self.segment = run.segment
        self.steps = 0
        self.failure: RecordError | None = None
        self.cost = {"log_ms": 0.0, "render_ms": 0.0, "queue_ms": 0.0, "encode_ms": 0.0}
        self.closed = False
        cameras = [camera, *self.spec.cameras] if camera in self.spec.cameras else list(self.spec.cameras)
        self._camera = cameras[0] if cameras else None
        self._caption = Caption(words=run.words)
        self._alert_until = -1
        self._tick = robot.observe(cameras=()).tick
        self._next_frame = self._next_last = self._tick
        self._told = {name: len(reach(robot, name) or ()) for name in TELLTALES}
        self._step = sum(event["kind"] == "subtask_started" for event in run.events)
        self._dtype = step_dtype(len(self.spec.action), len(self.spec.state))
        self._log = Log(run.part("steps.bin", self.segment))
        head = {"format": FORMAT, "segment": self.segment, "robot": self.spec.model_dump(mode="json")}
        self._log.append(json.dumps(head).encode() + b"\n")
        self._film = Film(run.part("video.mp4", self.segment) if video and self._camera else None, self.spec.rate_hz)
        run.listen(self._hear)

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        return self.robot.observe(cameras)

    def apply(self, action: Array) -> Array:
        """As the robot's own `apply`; raises RecordError, without moving, once the record cannot be written."""
        self._refuse_without_record()
        if self.steps == 0:
            self._look(self.robot.observe(self._cameras(self._tick)))
        row = np.ascontiguousarray(action, dtype=np.float32)
        applied = self.robot.apply(row)
        self._keep(APPLY, row, applied)
        self._refuse_without_record()
        return applied

    def stop(self) -> bool:
        """As the robot's own `stop`, whatever becomes of the record."""
        confirmed = self.robot.stop()
        if self.failure is None and not self.closed:
            self._keep(STOP, np.zeros(len(self.spec.action)), np.zeros(len(self.spec.action)), confirmed)
        return confirmed

    def save_world(self) -> bool:
        """Snapshot the robot for a resume, with a `saved` event that a replay checks; False for a robot that has no snapshots."""
        saved = self.run.save_world(self.robot)
        if saved:
            self.run.write("saved", tick=self._tick, segment=self.segment, steps=self.steps, fingerprint=self._fingerprint())
        return saved

    def close(self) -> None:
        """Finish the film, gather all steps in steps.npz, and write the `recorded` event. Closing twice does no harm."""
        if self.closed:
            return
        self.closed = True
        self._log.close()
        try:
            try:
                self._film.close(self._caption)
            finally:
                save_steps(self.run)
        finally:
            self.cost |= {"queue_ms": self._film.waited_s * 1e3, "encode_ms": self._film.encoded_s * 1e3}
            cost = {name: round(ms, 1) for name, ms in self.cost.items()}
            self.run.write("recorded", tick=self._tick, segment=self.segment, steps=self.steps, fingerprint=self._fingerprint(),
                           video=self._film.path.name if self._film.frames and self._film.path else None, cost=cost)  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _keep(self, kind: int, row: Array, applied: Array, confirmed: bool = False) -> None:
        """Measure, write one record, and film what is due."""
        due = self._cameras(self._tick + 1)
        begun = time.perf_counter()
        seen = self.robot.observe(cameras=due)
        measured = time.perf_counter()
        record = np.zeros((), self._dtype)
        record["tick"], record["time"], record["kind"], record["confirmed"] = seen.tick, seen.time, kind, confirmed
        record["action"], record["applied"], record["state"] = row, applied, seen.state
        self._tick = seen.tick
        try:
            self._log.append(record.tobytes())
            self.steps += 1
            logged = time.perf_counter()
            self._tell()
            self._look(seen)
        except RecordError as error:
            self.failure, logged = error, measured
            self.run.make_room()
        self.cost["render_ms" if due else "log_ms"] += (measured - begun) * 1e3
        self.cost["log_ms"] += (logged - measured) * 1e3

    def _cameras(self, tick: int) -> tuple[str, ...]:
        """The film's camera when a picture is due at `tick`; without a film nothing is rendered while the robot moves."""
        return (self._camera,) if self._camera and self._film.path is not None and tick >= self._next_frame else ()

    def _look(self, seen: Observation) -> None:
        """Hand the picture, if this observation has one, to the film, and now and then to last.jpg."""
        image = seen.images.get(self._camera or "")
        if image is None:
            return
        if self._caption.tone == "alert" and seen.tick > self._alert_until:
            self._caption = Caption(self._caption.words, self._caption.step)
        self._film.frame(seen.tick, image, self._caption)
        self._next_frame = seen.tick + max(1, round(self.spec.rate_hz / FRAMES_PER_S))
        if seen.tick >= self._next_last:
            self._film.still(self.run.folder / "last.jpg", image)
            self._next_last = seen.tick + max(1, round(self.spec.rate_hz * LAST_PICTURE_S))

    def _tell(self) -> None:
        """Write an event for whatever the robot has noted of its own since the last tick."""
        for name, (kind, label) in TELLTALES.items():
            notes = list(reach(self.robot, name) or ())
            for tick, text in notes[self._told[name] :]:
                self.run.write(kind, tick=tick, **{label: text})
            self._told[name] = len(notes)

    def _hear(self, event: Event) -> None:
        """Keep the caption true, and take the pictures before and after each subtask."""
        if self.closed:
            return
        match event["kind"]:
            case "said" if event.get("by") == "person":
                self._caption = Caption(str(event["words"]), self._caption.step)
            case "subtask_started":
                self._step += 1
                self._caption = Caption(self._caption.words, f"{self._step} · {event['subtask']['words']}")
                self._picture("before")
            case "outcome":
                tone = "done" if event["status"] == "done" else "failed"
                self._caption = Caption(self._caption.words, self._caption.step, f"{event['status']}: {event['why']}", tone)
                self._picture("after")
            case "finished":
                tone = "done" if event["status"] == "done" else "failed"
                self._caption = Caption(self._caption.words, "", f"{event['status']}: {event['why']}", tone)
                self.close()
            case kind if kind in FAULTS:
                note = str(event.get(FAULTS[kind]) or kind)
                self._caption = Caption(self._caption.words, self._caption.step, f"{kind}: {note}", "alert")
                self._alert_until = self._tick + round(ALERT_S * self.spec.rate_hz)

    def _picture(self, when: str) -> None:
        """Keep what the camera sees now as pictures/step-03-before.jpg."""
        if self._camera is None or self.failure is not None:
            return
        seen = self.robot.observe(cameras=(self._camera,))
        image = seen.images[self._camera]
        name = f"pictures/step-{self._step:02d}-{when}.jpg"
        self._film.still(self.run.folder / name, image)
        self._film.still(self.run.folder / "last.jpg", image)
        self.run.write("picture", tick=seen.tick, when=when, file=name)

    def _refuse_without_record(self) -> None:
        self.failure = self.failure or self._film.failure
        if self.failure is not None:
            self.run.make_room()
            raise self.failure

    def _fingerprint(self) -> str | None:
        fingerprint = reach(self.robot, "fingerprint")
        return None if fingerprint is None else str(fingerprint())


def step_dtype(actions: int, states: int) -> np.dtype[Any]:
    """One record of steps.bin: what was given (`action`), what the robot says it did with it (`applied`), what was measured after."""
    fields: list[Any] = [
        ("tick", "<i8"), ("time", "<f8"), ("kind", "u1"), ("confirmed", "?"),
        ("action", "<f4", (actions,)), ("applied", "<f4", (actions,)), ("state", "<f4", (states,)),
    ]  # fmt: skip
    return np.dtype(fields)


def read_steps(path: Path) -> tuple[Array, RobotSpec]:
    """The whole records of one steps.bin, as a structured array of `step_dtype`, and the robot that they drove."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        about = json.loads(head)
        if about["format"] != FORMAT:
            raise ValueError(f"its format is '{about['format']}', this version reads '{FORMAT}'")
        spec = RobotSpec.model_validate(about["robot"])
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"Cannot read the steps in {path}: {error}.") from error
    dtype = step_dtype(len(spec.action), len(spec.state))
    whole = len(body) // dtype.itemsize
    return np.frombuffer(body, dtype, count=whole), spec


def save_steps(run: Run) -> None:
    """Gather the steps of all segments in steps.npz: one array per field of `step_dtype`, and `segment`."""
    parts = [read_steps(run.part("steps.bin", segment)) for segment in segments(run)]
    counted = [np.full(len(steps), segment) for segment, (steps, _) in zip(segments(run), parts, strict=True)]
    steps, spec = np.concatenate([steps for steps, _ in parts]), parts[-1][1]
    arrays: dict[str, Any] = {name: steps[name] for name in steps.dtype.names or ()}
    fresh = run.folder / "steps.new.npz"
    try:
        np.savez_compressed(fresh, segment=np.concatenate(counted), state_names=spec.state, action_names=spec.action, **arrays)
        fresh.replace(run.folder / "steps.npz")
    except OSError as error:
        raise RecordError(f"Cannot write {run.folder / 'steps.npz'}: {error.strerror}. The same steps are safe in steps.bin.") from error


def segments(run: Run) -> list[int]:
    """The segments that have steps."""
    return [number for number in range(1, run.segment + 1) if run.part("steps.bin", number).exists()]


__all__ = ["Recorder", "Run", "read_steps", "save_steps", "segments", "step_dtype"]
