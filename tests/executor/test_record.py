"""The Recorder: it changes nothing, loses nothing, and its film plays."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.errors import RecordError
from agent.executor.film import Caption, Film, captioned, fitted
from agent.executor.record import APPLY, STOP, Recorder, Run, read_steps
from agent.types import Array, Robot
from tests.executor.body import SPEC, Body, rows


def record(tmp_path: Path, body: Body | None = None, count: int = 50, **options: Any) -> tuple[Run, Recorder]:
    run = Run.create(tmp_path, "push the puck")
    recorder = Recorder(body or Body(), run, **options)
    for row in rows(count):
        recorder.apply(row)
    return run, recorder


def film(path: Path) -> tuple[list[float], list[Array], str]:
    """Times in s, pictures, and codec of an mp4."""
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(stream)]
        return [time for time, _ in frames], [image for _, image in frames], f"{stream.codec.name} {stream.codec_context.pix_fmt}"


def test_a_recorded_robot_does_what_an_unrecorded_one_does(tmp_path: Path) -> None:
    plain, (_, recorder) = Body(seed=3), record(tmp_path, Body(seed=3))
    applied = [plain.apply(row) for row in rows(50)]
    assert isinstance(recorder, Robot) and recorder.spec == plain.spec
    assert recorder.robot.fingerprint() == plain.fingerprint()  # type: ignore[attr-defined]
    assert recorder.stop() is plain.stop() is True
    assert np.array_equal(recorder.observe(("front",)).images["front"], plain.observe(("front",)).images["front"])
    assert np.array_equal(applied[-1], read_steps(recorder.run.folder / "steps.bin")[0]["applied"][49])


def test_every_row_is_on_the_disk_to_the_bit_as_soon_as_it_was_carried_out(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, count=0)
    for number, row in enumerate(rows(30)):
        applied = recorder.apply(row)
        steps, spec = read_steps(run.folder / "steps.bin")
        assert len(steps) == number + 1 and spec == SPEC
        assert steps[-1]["action"].tobytes() == row.tobytes() and steps[-1]["applied"].tobytes() == applied.tobytes()
        assert steps[-1]["state"].tobytes() == recorder.observe(()).state.tobytes()
        assert (steps[-1]["tick"], steps[-1]["time"], steps[-1]["kind"]) == (number + 1, (number + 1) / 20, APPLY)
    recorder.stop()
    last = read_steps(run.folder / "steps.bin")[0][-1]
    assert (last["kind"], last["confirmed"], last["tick"]) == (STOP, True, 33)


def test_a_torn_last_record_is_left_out(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, count=5)
    file = run.folder / "steps.bin"
    file.write_bytes(file.read_bytes()[:-3])
    assert len(read_steps(file)[0]) == 4
    file.write_bytes(b'{"format": "saydo steps 9"}\n')
    with pytest.raises(RecordError, match="saydo steps 9"):
        read_steps(file)
    recorder._film.close()


def test_at_the_end_all_steps_are_in_one_file(tmp_path: Path) -> None:
    run, recorder = record(tmp_path)
    recorder.stop()
    run.finish("done", "as asked")
    steps, _ = read_steps(run.folder / "steps.bin")
    with np.load(run.folder / "steps.npz") as gathered:
        for name in steps.dtype.names or ():
            assert np.array_equal(gathered[name], steps[name]), name
        assert tuple(gathered["action_names"]) == SPEC.action and set(gathered["segment"]) == {1}
    end = [event for event in run.events if event["kind"] == "recorded"]
    assert len(end) == 1 and end[0]["steps"] == 51 and end[0]["fingerprint"] == recorder.robot.fingerprint()  # type: ignore[attr-defined]


def test_the_film_has_ten_pictures_a_second_and_plays_in_a_browser(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, count=60)
    run.finish("done", "as asked")
    times, images, codec = film(run.folder / "video.mp4")
    assert codec == "h264 yuv420p"
    assert times[:31] == pytest.approx([i / 10 for i in range(31)], abs=1e-3), "0, 2, 4, … 60: none is missing"
    assert len(times) == 33 and times[-1] == pytest.approx(5.0), "the verdict stands for two seconds"
    assert images[0].shape[0] % 2 == images[0].shape[1] % 2 == 0
    data = (run.folder / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index is in front"
    shown = np.abs(images[20][:120, :161].astype(int) - recorder.robot.picture("studio")).mean()  # type: ignore[attr-defined]
    assert shown < 12, "the picture is the camera's"


def test_pictures_before_and_after_each_subtask(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, count=0)
    for words, count in (("push it away", 20), ("push it back", 5)):
        run.write("subtask_started", subtask={"words": words})
        before = recorder.observe(("studio",)).images["studio"]
        for row in rows(count):
            recorder.apply(abs(row))
        run.write("outcome", status="done", why="it moved")
    run.finish("done", "as asked")
    kept = [(event["when"], event["file"]) for event in run.events if event["kind"] == "picture"]
    assert [when for when, _ in kept] == ["before", "after"] * 2
    assert [file for _, file in kept] == [f"pictures/step-0{i}-{when}.jpg" for i in (1, 2) for when in ("before", "after")]
    pictures = [np.asarray(Image.open(run.folder / file)).astype(int) for _, file in kept]
    assert np.abs(pictures[2] - before).mean() < 3
    assert np.abs(pictures[0] - pictures[1]).mean() > 1
    assert np.abs(np.asarray(Image.open(run.folder / "last.jpg")).astype(int) - pictures[3]).mean() < 3


def test_without_video_the_pictures_and_the_last_one_remain(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, video=False)
    run.write("subtask_started", subtask={"words": "push"})
    run.finish("done", "")
    assert not (run.folder / "video.mp4").exists()
    assert (run.folder / "last.jpg").exists() and (run.folder / "pictures/step-01-before.jpg").exists()
    assert run.events[-1]["video"] is None and recorder.steps == 50


def test_a_robot_without_cameras_is_recorded_too(tmp_path: Path) -> None:
    class Blind(Body):
        spec = SPEC.model_copy(update={"cameras": {}})

    run, _ = record(tmp_path, Blind())
    run.write("subtask_started", subtask={"words": "push"})
    run.finish("done", "")
    assert len(read_steps(run.folder / "steps.bin")[0]) == 50 and not (run.folder / "video.mp4").exists()


def test_disturbances_are_told_at_their_tick(tmp_path: Path) -> None:
    run, _ = record(tmp_path, Body(gust_at=17))
    told = [(event["tick"], event["what"]) for event in run.events if event["kind"] == "disturbed"]
    assert told == [(17, "a gust moved the puck by 25 cm")]
    run.finish("done", "")


def test_a_resumed_run_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    run, recorder = record(tmp_path, count=30)
    run.write("subtask_started", subtask={"words": "push"})
    recorder.save_world()
    for row in rows(7):
        recorder.apply(row)
    recorder.close()
    run._log.close()

    again, body = Run.open(run.folder), Body(seed=99)
    assert again.resume(body)
    second = Recorder(body, again)
    for row in rows(20, seed=1):
        second.apply(row)
    again.write("subtask_started", subtask={"words": "push on"})
    again.finish("done", "")
    assert (run.folder / "video-2.mp4").exists() and (run.folder / "pictures/step-02-before.jpg").exists()
    assert read_steps(run.folder / "steps-2.bin")[0]["tick"].tolist() == list(range(31, 51)), "from the snapshot on"
    with np.load(run.folder / "steps.npz") as steps:
        assert steps["segment"].tolist() == [1] * 37 + [2] * 20


KILLED = """
import sys, time
from pathlib import Path
from agent.executor.record import Recorder, Run
from tests.executor.body import Body, rows
run = Run.create(Path(sys.argv[1]), "push until killed")
recorder = Recorder(Body(), run)
for number, row in enumerate(rows(100_000)):
    recorder.apply(row)
    time.sleep(0.004)
    if number == 120:
        print(run.folder, flush=True)
"""


def test_kill_dash_nine_leaves_a_usable_folder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root()) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        time.sleep(0.2)
        child.send_signal(signal.SIGKILL)
    run = Run.open(folder)
    assert run.words == "push until killed" and '"running"' in (folder / "run.json").read_text()
    steps, _ = read_steps(folder / "steps.bin")
    assert len(steps) > 120 and np.array_equal(steps["action"], rows(100_000)[: len(steps)])
    times, _, _ = film(folder / "video.mp4")
    assert times[-1] > len(steps) / 20 - 3, "at most the second that was being written is missing"
    assert run.resume(Body()) is False and run.segment == 2


FULL = """
import resource, sys
from pathlib import Path
from agent.errors import RecordError
from agent.executor.record import Recorder, Run
from tests.executor.body import Body, rows
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
body = Body()
run = Run.create(Path(sys.argv[1]), "push until full")
recorder = Recorder(body, run, video=sys.argv[3] == "video")
try:
    for number, row in enumerate(rows(20_000)):
        recorder.apply(row)
except RecordError as error:
    print(error)
tick = body.tick
try:
    recorder.apply(row)
except RecordError:
    print("still" if body.tick == tick else "moved", recorder.stop(), body.tick - tick)
"""


@pytest.mark.parametrize(("limit", "video", "file"), [(200_000, "none", "steps.bin"), (135_000, "video", "video.mp4")])
def test_a_write_that_the_system_refuses_stops_the_robot_and_damages_nothing(tmp_path: Path, limit: int, video: str, file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(limit), video], capture_output=True, text=True, cwd=root(), timeout=60
    )
    said, after = done.stdout.strip().splitlines()
    assert "Cannot write" in said and file in said, done.stderr
    assert after == "still True 3", "no row is carried out any more, but a stop is"
    (folder,) = tmp_path.iterdir()
    steps, _ = read_steps(folder / "steps.bin")
    assert len(steps) > 100 and np.array_equal(steps["action"], rows(20_000)[: len(steps)])
    assert next(event["kind"] for event in Run.open(folder).events) == "started"
    if video == "video":
        assert len(film(folder / "video.mp4")[0]) > 10


TINY = "mount -t tmpfs -o size=18m tmpfs {0} && cd {1} && exec {2} -c '{3}' {0}"
FILLING = """
import sys
from contextlib import suppress
from pathlib import Path
from agent.errors import RecordError
from agent.executor.record import Recorder, Run
from tests.executor.body import Body, rows
folder = Path(sys.argv[1])
run = Run.create(folder, "push until full")
recorder = Recorder(Body(), run)
for row in rows(100):
    recorder.apply(row)
with (folder / "ballast").open("wb", buffering=0) as ballast:
    try:
        while ballast.write(bytes(4096)):
            pass
    except OSError:
        pass
try:
    for row in rows(20_000):
        recorder.apply(row)
except RecordError as error:
    print("No space left on device" in str(error) or "no space left on device" in str(error), recorder.stop())
print(run.write("broken", why="the disk is full")["kind"])
with suppress(RecordError):  # what the last pictures and steps.npz need may or may not fit in the reserve
    run.finish("failed", "the disk is full")
print([event["kind"] for event in Run.open(run.folder).events][-2:])
try:
    Run.create(folder, "again")
except RecordError as error:
    print("free" in str(error))
"""


def test_a_truly_full_disk(tmp_path: Path) -> None:
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*isolated, f"mount -t tmpfs tmpfs {tmp_path}"], capture_output=True).returncode:
        pytest.skip("this system does not let a test mount a small file system of its own")
    command = TINY.format(tmp_path, root(), sys.executable, FILLING.replace("'", '"'))
    done = subprocess.run([*isolated, command], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["True True", "broken", "['finished', 'recorded']", "True"], done.stdout + done.stderr


def test_no_picture_is_dropped_however_fast_they_come(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (150, 90, 120, 3)).astype(np.uint8)
    under_test = Film(tmp_path / "video.mp4", rate_hz=10.0)
    for tick, picture in enumerate(pictures):
        under_test.frame(tick, picture, Caption("words"))
    under_test.close()
    times, _, _ = film(tmp_path / "video.mp4")
    assert under_test.frames == len(times) == 152


def test_a_stuck_encoder_is_an_error_and_not_a_stuck_robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.executor.film.PATIENCE_S", 0.3)
    monkeypatch.setattr("agent.executor.film.captioned", lambda *_: time.sleep(2))
    _, recorder = record(tmp_path, count=0)
    with pytest.raises(RecordError, match="encoder has been stuck"):
        for row in rows(2000):
            recorder.apply(row)
    assert recorder.stop()


@pytest.mark.parametrize("words", ["put the red block in the blue bowl", "x" * 10_000, "кубик 積み木 😀", "", "two\nlines <b>"])
def test_captions_stand_below_the_picture_and_inside_the_page(words: str) -> None:
    picture = np.full((90, 161, 3), 200, np.uint8)
    page = captioned(picture, Caption(words, note="done: it is", tone="done"), "1.0 s · tick 20")
    assert page.shape == (146, 162, 3) and np.array_equal(page[:90, :161], picture)
    assert "\n" not in fitted(words, 16, 100.0) and len(fitted(words, 16, 100.0)) < 40
    assert (page[90:] > 100).any(), "there is something to read"


def root() -> str:
    return os.fspath(Path(__file__).parents[2])
