"""The run folder: nothing that was written is ever lost, and what cannot be written is said clearly."""

import errno
import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import RecordError
from agent.executor.run import Run, find_run, plain, reach, slug
from agent.types import Outcome
from tests.executor.body import Body

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_new_run_says_what_is_about_to_happen(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs", "put the red block in the bowl", {"seed": 7})
    (started,) = run.events
    assert run.id.endswith("-put-the-red-block-in-the-bowl") and run.id[:4].isdigit()
    assert (started["kind"], started["words"], started["seed"], started["seq"]) == ("started", run.words, 7, 0)
    assert started["versions"]["numpy"] == np.__version__
    assert json.loads((run.folder / "run.json").read_text())["status"] == "running"


def test_runs_of_one_second_do_not_collide(tmp_path: Path) -> None:
    assert len({Run.create(tmp_path, "home").id for _ in range(5)}) == 5


@given(words=st.text())
def test_any_words_make_a_file_name(words: str) -> None:
    name = slug(words)
    assert 0 < len(name) <= 40 and name.isascii() and all(char.isalnum() or char == "-" for char in name)


@settings(deadline=None, max_examples=40)
@given(fields=st.dictionaries(st.from_regex(r"f_[a-z]{1,5}", fullmatch=True), values, max_size=4))
def test_events_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]) -> None:
    run = Run.create(tmp_path_factory.mktemp("runs"), "words")
    run.write("looked", tick=3, **fields)
    event = Run.open(run.folder).events[-1]
    assert {key: event[key] for key in fields} == fields and event["tick"] == 3
    run.finish("done", "")


def test_models_arrays_and_numbers_that_are_none_of_json(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "\udce9 lone surrogate \u2028 and 😀")
    run.write("outcome", outcome=Outcome(status="done", why="so"), scores=np.array([0.5, -np.inf]), path=tmp_path)
    first, second = Run.open(run.folder).events
    assert first["words"] == run.words
    assert (second["outcome"]["status"], second["scores"], second["path"]) == ("done", [0.5, None], str(tmp_path))
    assert plain({1: {2.0, float("nan")}}).keys() == {"1"}


def test_the_runs_own_fields_cannot_be_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seq"):
        Run.create(tmp_path, "x").write("said", seq=3)


def test_many_threads_write_whole_lines_in_one_order(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "x")
    threads = [Thread(target=lambda: [run.write("chunk", asked=i) for i in range(40)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [event["seq"] for event in run.events] == list(range(161))


def test_a_torn_last_line_is_left_out_and_cut_off_by_the_next_write(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "x")
    run.write("said", by="person", words="hello")
    run._log.close()
    with (run.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "kind": "deci')
    again = Run.open(run.folder)
    assert [event["kind"] for event in again.events] == ["started", "said"]
    again.write("looked")
    assert [(event["seq"], event["kind"]) for event in again.events] == [(0, "started"), (1, "said"), (2, "looked")]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "x")
    with (run.folder / "events.jsonl").open("ab") as file:
        file.write(b"garbage\n{}\n")
    with pytest.raises(RecordError, match="line 2 is damaged"):
        _ = Run.open(run.folder).events


def test_reading_changes_nothing_and_a_second_writer_is_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "x")
    before = (run.folder / "events.jsonl").read_bytes()
    other = Run.open(run.folder)
    assert len(other.events) == 1
    with pytest.raises(RecordError, match="being written by another process"):
        other.write("said")
    assert (run.folder / "events.jsonl").read_bytes() == before
    run.finish("done", "")
    other = Run.open(run.folder)
    other.write("said")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(RecordError, match=r"(?s)Cannot keep a record in .*runs.*Nothing has moved.*--runs"):
        Run.create(tmp_path / "runs", "x")
    assert (tmp_path / "runs").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write: /proc")
def test_a_read_only_folder() -> None:
    with pytest.raises(RecordError, match=r"Cannot keep a record in /proc/self"):
        Run.create(Path("/proc/self/runs"), "x")


def test_a_disk_that_is_nearly_full_is_refused_before_anything_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 3 * 2**20})
    monkeypatch.setattr("agent.executor.run.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(RecordError, match=r"3\.0 MB are free, a run needs 16 MB"):
        Run.create(tmp_path / "runs", "x")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_cannot_be_begun_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch, after=0)
    with pytest.raises(RecordError, match=r"(?i)no space left"):
        Run.create(tmp_path / "runs", "x")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("taken", [0, 1, 7])
def test_a_disk_that_fills_up_in_mid_run_damages_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    run = Run.create(tmp_path, "x")
    run.write("said", by="person", words="hello")
    before = (run.folder / "events.jsonl").read_bytes()
    with monkeypatch.context() as full:
        full_disk(full, after=taken)
        with pytest.raises(RecordError, match=r"(?i)no space left.*must not move.*--runs.*--resume"):
            run.write("decision", chosen="pick")
    assert (run.folder / "events.jsonl").read_bytes() == before
    assert not (run.folder / ".reserve").exists(), "the reserve makes room for the last events"
    run.finish("failed", "the disk is full")
    assert [event["kind"] for event in run.events] == ["started", "said", "finished"]
    assert json.loads((run.folder / "run.json").read_text())["status"] == "failed"


def test_open_says_which_runs_there_are(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "open the drawer")
    run.finish("done", "")
    with pytest.raises(RecordError, match=f"Did you mean '{run.id}'"):
        Run.open(tmp_path / (run.id + "s"))
    with pytest.raises(RecordError, match="There are no runs"):
        Run.open(tmp_path / "nowhere" / "x")


def test_find_run_by_what_a_person_types(tmp_path: Path) -> None:
    first, second = Run.create(tmp_path, "open the drawer"), Run.create(tmp_path, "press the button")
    os.utime(first.folder / "events.jsonl", (0, 0))
    assert find_run("last", tmp_path).id == second.id
    assert find_run(first.id, tmp_path).id == find_run(first.id[:-3], tmp_path).id == find_run(str(first.folder), tmp_path).id == first.id
    with pytest.raises(RecordError, match="any of 2 runs"):
        find_run(first.id[:4], tmp_path)
    with pytest.raises(RecordError, match="not a run"):
        find_run("zebra", tmp_path)


def test_a_killed_save_leaves_the_last_snapshot(tmp_path: Path) -> None:
    run, body = Run.create(tmp_path, "x"), Body()
    body.stop()
    assert run.save_world(body)
    good = (run.folder / "world").read_bytes()

    class Broken(Body):
        def save(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RecordError, match="last snapshot is intact"):
        run.save_world(Broken())
    assert (run.folder / "world").read_bytes() == good


def test_resume_takes_the_robot_back_to_the_snapshot(tmp_path: Path) -> None:
    run, body = Run.create(tmp_path, "x"), Body()
    body.stop()
    run.save_world(body)
    fresh = Body(seed=9)
    assert run.resume(fresh) and fresh.fingerprint() == body.fingerprint()
    assert run.segment == 2 and (run.folder / "world-2").exists()
    assert not Run.create(tmp_path, "y").resume(Body())


def test_reach_looks_through_wrappers_and_finds_nothing_on_hardware() -> None:
    class Wrapper:
        def __init__(self, robot: object) -> None:
            self.robot = robot

    body = Body()
    assert reach(Wrapper(Wrapper(body)), "fingerprint")() == body.fingerprint()
    assert reach(Wrapper(object()), "save") is None


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From now on os.write takes `after` bytes more, then fails as a full disk does."""
    write, left = os.write, after

    def limited(fd: int, data: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(fd, bytes(data)[:left])
        left -= count
        return count

    monkeypatch.setattr("agent.executor.files.os.write", limited)
