"""The run folder: everything that was said, decided, commanded and measured, written so that a crash costs nothing.

    runs/2026-11-22T07-15-03-put-the-red-block/
        events.jsonl      one JSON object a line: seq, time (UTC), kind, tick where it has one, and the kind's own fields
        run.json          the summary; "status": "running" until the run has ended
        steps.bin         every row commanded and the state measured after it (agent/executor/record.py); steps.npz at the end
        world             the robot's last snapshot, where it can take one: what a resumed run starts from
        video.mp4  last.jpg  pictures/step-03-before.jpg

A resumed run goes on in the same folder: its second part writes steps-2.bin and video-2.mp4, and starts from world-2.

Kinds in use, with their fields; others are welcome, and readers skip what they do not know:
    started           words, versions, machine, and what the caller knows: config, seed, scene, policy
    resumed           segment, world (file name or null), versions
    said              by ("person" | "robot"), words
    looked            scene
    decision          options [{words, say, can, score}], chosen, runner_up, why, score_source (agent/planner/saycan.py)
    subtask_started   subtask, step
    chunk             asked, arrived (ticks), start, rows, timing {name_ms: ms}
    starved, guarded  tick, why
    disturbed         tick, what
    stopped           confirmed, why
    picture           when ("before" | "after"), file
    saved             tick, segment, steps, fingerprint
    outcome           subtask, status, why, evidence, confirmed, ticks, step
    asked, answered   words
    recorded          segment, steps, tick, fingerprint, video, cost (ms)
    finished          status, why
"""

import errno
import json
import os
import platform
import shutil
import threading
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel

from agent.errors import RecordError, hint
from agent.executor.files import Log, new_folder, reason, replace_file
from agent.types import clip_text

Event = dict[str, Any]
Listener = Callable[[Event], None]

IMPORTANT = {"started", "resumed", "said", "decision", "outcome", "asked", "answered", "saved", "recorded", "finished"}
"""Kinds that are on the disk, not only in its cache, when `write` returns."""
RESERVED = {"seq", "time"}
PACKAGES = ("saydo", "numpy", "torch", "pybullet", "ray", "langgraph", "openai", "transformers", "av")
NEEDED_BYTES = 16 * 2**20
"""Free space without which a run does not start: a minute of video and steps, with room to spare."""
RESERVE_BYTES = 128 * 2**10
"""Given back when the disk is full, so that the last events still find room."""


class Run:
    """One run's folder. Make it with `create` or `open`; any thread may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self._log = Log(folder / "events.jsonl", lines=True)
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._next: int | None = None

    @classmethod
    def create(cls, folder: Path, words: str, about: Mapping[str, Any] | None = None) -> Self:
        """A new run folder inside `folder`, with its `started` event on the disk.

        Raises RecordError, having left nothing behind, if anything of that fails: no robot needs to have moved yet.
        """
        made = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < NEEDED_BYTES:
                raise OSError(errno.ENOSPC, f"{free / 2**20:.1f} MB are free, a run needs {NEEDED_BYTES / 2**20:.0f} MB")
            made = new_folder(folder, f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{slug(words)}")
            (made / "pictures").mkdir()
            (made / ".reserve").write_bytes(bytes(RESERVE_BYTES))
            run = cls(made)
            started = run.write("started", words=words, **{"versions": versions(), "machine": machine(), **(about or {})})
            run.summarise(status="running", why="", words=words, started=started["time"])
        except (OSError, RecordError) as error:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
            raise RecordError(
                f"Cannot keep a record in {folder.absolute()}: {reason(error)}. Nothing has moved. "
                f"Make that folder writable, free some space, or name another one with --runs FOLDER."
            ) from error
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """An existing run, to read or to go on with; nothing is changed until the first `write`."""
        folder = path.parent if path.name == "events.jsonl" else path
        if not (folder / "events.jsonl").is_file():
            there = sorted(file.parent.name for file in folder.parent.glob("*/events.jsonl"))
            known = f"Runs there: {', '.join(there[-5:])}." if there else f"There are no runs in {folder.parent}."
            raise RecordError(f"{folder} is not a run: it has no events.jsonl. {known}{hint(folder.name, there)}")
        return cls(folder)

    def write(self, kind: str, *, tick: int | None = None, **fields: Any) -> Event:
        """Append one event and return it as written. Raises RecordError if it could not be kept; what was there stays intact."""
        if clash := RESERVED & fields.keys():
            raise ValueError(f"Event '{kind}' may not carry the fields {sorted(clash)}: the run sets them.")
        with self._lock:
            if self._next is None:
                self._log.open()
                self._next = len(self.events)
            at = {} if tick is None else {"tick": int(tick)}
            event = {"seq": self._next, "time": now(), "kind": kind, **at, **plain(fields)}
            line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
            try:
                self._log.append(line.encode("utf-8", "backslashreplace"), sync=kind in IMPORTANT)
            except RecordError:
                self.make_room()
                raise
            self._next += 1
        for listener in list(self._listeners):
            listener(event)
        return event

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each event after it was written, in the thread that wrote it."""
        self._listeners.append(listener)

    @property
    def events(self) -> list[Event]:
        """All whole events, in order; a last line that a crash cut off is left out."""
        *lines, _torn = (self.folder / "events.jsonl").read_bytes().split(b"\n")
        events = []
        for number, line in enumerate(lines, start=1):
            try:
                events.append(json.loads(line))
            except ValueError as error:
                raise RecordError(f"{self.folder / 'events.jsonl'}, line {number} is damaged: {error}.") from error
        return events

    @property
    def words(self) -> str:
        """What the person asked for first."""
        return next((str(event["words"]) for event in self.events if event["kind"] == "started"), "")

    @property
    def segment(self) -> int:
        """1 for a run that went through in one go, one more for each time it was resumed."""
        return 1 + sum(event["kind"] == "resumed" for event in self.events)

    def part(self, name: str, segment: int) -> Path:
        """The file of that name for one segment: steps.bin, steps-2.bin."""
        stem, dot, suffix = name.partition(".")
        return self.folder / (name if segment == 1 else f"{stem}-{segment}{dot}{suffix}")

    def save_world(self, robot: Any) -> bool:
        """Snapshot the robot, whole or not at all, for a resume; False if this robot cannot be snapshot (hardware)."""
        save = reach(robot, "save")
        if save is None:
            return False
        fresh = self.folder / "world.new"
        try:
            save(fresh)
            os.replace(fresh, self.folder / "world")
        except OSError as error:
            raise RecordError(f"Cannot save the world to {fresh}: {reason(error)}. The last snapshot is intact.") from error
        return True

    def resume(self, robot: Any) -> bool:
        """Begin the next segment, and put the robot where the last snapshot left it; False if there is none to go back to.

        The snapshot is kept under the segment's own name, for a replay to start from.
        """
        load, world, segment = reach(robot, "load"), self.folder / "world", self.segment + 1
        mine = self.part("world", segment)
        found = load is not None and world.exists()
        if found:
            shutil.copyfile(world, mine)
        self.write("resumed", segment=segment, world=mine.name if found else None, versions=versions())
        if load is not None and found:
            load(mine)
        return found

    def finish(self, status: str, why: str, **summary: Any) -> None:
        """Write the `finished` event (at which a Recorder closes its files) and the summary, run.json."""
        self.make_room()
        events = self.events
        try:
            self.write("finished", status=status, why=why)
        finally:
            times = {"started": events[0]["time"], "finished": now()} if events else {}
            self.summarise(status=status, why=why, words=self.words, segments=self.segment, **times, **summary)
            self._log.close()

    def close(self) -> None:
        """Let other processes write here; the next `write` opens the log again."""
        with self._lock:
            self._log.close()
            self._next = None

    def make_room(self) -> None:
        """Give back what was kept in reserve, for the last events of a run whose disk is full."""
        (self.folder / ".reserve").unlink(missing_ok=True)

    def summarise(self, **fields: Any) -> None:
        """Replace run.json."""
        text = json.dumps(plain({"id": self.id, **fields}), ensure_ascii=False, indent=2, allow_nan=False)
        replace_file(self.folder / "run.json", text.encode("utf-8", "backslashreplace"))


def find_run(name: str, folder: Path) -> Run:
    """The run that a person means: a path, an ID, the only ID that begins so, or `last`."""
    if Path(name).joinpath("events.jsonl").is_file() or Path(name).name == "events.jsonl":
        return Run.open(Path(name))
    there = sorted(file.parent.name for file in folder.glob("*/events.jsonl"))
    if name == "last" and there:
        return Run.open(folder / max(there, key=lambda run: (folder / run / "events.jsonl").stat().st_mtime))
    matches = [run for run in there if run == name] or [run for run in there if run.startswith(name)]
    if len(matches) > 1:
        raise RecordError(f"'{name}' could be any of {len(matches)} runs: {', '.join(matches[:5])}. Type more of it.")
    return Run.open(folder / (matches[0] if matches else name))


def reach(robot: Any, name: str) -> Any:
    """What the robot, or the first robot inside it (`robot.robot`), has under that name; None if none has it."""
    while robot is not None:
        if hasattr(type(robot), name) or name in getattr(robot, "__dict__", {}):
            return getattr(robot, name)
        robot = getattr(robot, "robot", None)
    return None


def slug(words: str) -> str:
    """Words as a part of a file name: ASCII, at most 40 characters, never empty."""
    plain_words = unicodedata.normalize("NFKD", clip_text(words, 400)).encode("ascii", "ignore").decode().lower()
    kept = "".join(char if char.isalnum() else " " for char in plain_words).split()
    text = ""
    for word in kept:
        if text and len(text) + len(word) + 1 > 40:
            break
        text = f"{text}-{word}" if text else word[:40]
    return text or "run"


def plain(value: Any) -> Any:
    """Anything an event may hold, as JSON values. A number that is not finite becomes null."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def versions() -> dict[str, str]:
    """Python, the packages that decide what a run does, as far as they are installed, and digests of saydo's own code."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found | {f"{package} code": code_digest(package) for package in ("agent", "sim")}


@cache
def code_digest(package: str) -> str:
    """The first twelve digits of a sha256 over a package's source and data files; nothing is imported for it."""
    spec = find_spec(package)
    digest = sha256()
    for folder in spec.submodule_search_locations or () if spec else ():
        for file in sorted(file for file in Path(folder).rglob("*") if file.suffix in (".py", ".yaml")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def machine() -> dict[str, Any]:
    """Where the run happens. No host or user name: a run folder is made to be shown."""
    return {"system": platform.platform(terse=True), "processor": platform.machine(), "cores": os.cpu_count()}
