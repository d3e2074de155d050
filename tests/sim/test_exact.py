"""Exactness as a property: whatever is touched, the same begins the same, goes on the same, and repeats itself; in other processes too."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.executor.record import Recorder, Run
from agent.replay import replay
from agent.types import Array, Robot, Subtask
from sim.disturb import PushLid, Slip, ThrowLever, When
from sim.oracle import Oracle
from sim.oracle.imagined import Refused
from sim.robot import SimRobot
from sim.tasks.referee import touched
from tests.sim.test_robot import wander

ROOT = Path(__file__).parents[2]
EVERYTHING: dict[str, Any] = {
    "things": [
        "large blue bowl", "white cup", {"name": "beads", "in": "white cup"}, "middle peg", "red ring", "fixture", "red L", "red block",
        {"name": "small green block", "in": "drawer"}, {"name": "yellow cylinder", "in": "right bay"}, "yellow zone",
    ],
    "drawer": "open", "lid": "left", "lever": "down", "knob": "mark 2", "motion": True, "look": "evening",
}  # fmt: skip
"""Every kind of thing and part that there is, in one scene."""
SCENES = {"bench": "bench", "everything": EVERYTHING}


def call(skill: str, **args: str) -> Subtask:
    return Subtask(skill=skill, args=args, words=skill)


CONTACTS = [
    ("bench", call("pick", thing="red block")), ("bench", call("push", thing="red block", direction="right")),
    ("bench", call("slide", thing="lid", side="right")), ("bench", call("flip", thing="lever", way="up")),
    ("bench", call("turn", thing="knob", mark="mark 1")), ("bench", call("press", thing="button")),
    ("bench", call("open", thing="drawer")), ("bench", call("rotate", thing="yellow bar", side="left")),
    ("everything", call("close", thing="drawer")), ("everything", call("pick", thing="white cup")),
    ("everything", call("pick", thing="red L")), ("everything", call("pick", thing="red ring")),
]  # fmt: skip
"""What is done when the snapshot is taken: held, pushed, or with a joint in motion."""


def few(count: int) -> settings:
    """So many examples; each takes seconds, so none is made smaller."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )  # fmt: skip


def digests(scene: Any, seed: int, rows: Array, cameras: tuple[str, ...] = ("front", "shoulder", "wrist")) -> list[str]:
    """What the robot senses and what the world is, at a few moments of a path."""
    robot, told = SimRobot(scene, seed=seed), []
    for index, row in enumerate(rows):
        robot.apply(row)
        if index % 20 == 19:
            seen, digest = robot.observe(cameras), sha256(robot.fingerprint().encode())
            assert seen.scene is not None
            for part in (seen.state.tobytes(), seen.scene.model_dump_json().encode(), *(image.tobytes() for image in seen.images.values())):
                digest.update(part)
            told.append(digest.hexdigest())
    robot.close()
    return told


def elsewhere(function: str, *arguments: Any) -> Any:
    """What a function of this module gives in a process of its own; arguments and answer as JSON."""
    given = json.dumps(arguments)
    code = f"import json; from tests.sim import test_exact; print(json.dumps(test_exact.{function}(*json.loads({given!r}))))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200, check=True)
    return json.loads(shown.stdout.splitlines()[-1])


def wandered(scene: str, seed: int, path: int) -> list[str]:
    return digests(SCENES[scene], seed, wander(40, path))


@few(2)
@given(scene=st.sampled_from(sorted(SCENES)), seed=st.integers(0, 2**31 - 1), path=st.integers(0, 999))
def test_the_same_seed_is_the_same_bytes_in_two_processes(scene: str, seed: int, path: int) -> None:
    here = wandered(scene, seed, path)
    assert here == wandered(scene, seed, path) == elsewhere("wandered", scene, seed, path)


def advice(robot: SimRobot, subtask: Subtask) -> Array:
    """What the oracle would do next; nothing, where it refuses."""
    try:
        return Oracle().predict(robot.observe(()), subtask).actions
    except Refused:
        return np.array([*robot.observe(()).state[7:13], 1.0], np.float32)[None]


def in_touch(scene: str, seed: int, subtask: Subtask, onward: int) -> SimRobot | None:
    """A robot that did a subtask until it touched something other than the table, and some ticks more; None if it never did."""
    robot, since = SimRobot(SCENES[scene], seed=seed), 0
    while robot.tick < 200:
        for row in advice(robot, subtask)[:4]:
            robot.apply(row)
            since += bool(since or touched(robot) - {"table"})
            if since > onward:
                return robot
    robot.close()
    return None


def followed(robot: SimRobot, rows: Array) -> list[str]:
    """What the world is after every tenth row."""
    prints = []
    for index, row in enumerate(rows):
        robot.apply(row)
        if index % 10 == 9:
            prints.append(robot.fingerprint())
    return prints


def led(robot: SimRobot, subtask: Subtask, count: int) -> tuple[Array, list[str]]:
    """The oracle goes on with a subtask: its rows and what the world was after every tenth."""
    rows: list[Array] = []
    prints: list[str] = []
    while len(rows) < count:
        chunk = np.resize(advice(robot, subtask), (10, 7))
        rows, prints = [*rows, *chunk], [*prints, *followed(robot, chunk)]
    return np.array(rows), prints


def resumed(scene: str, seed: int, snapshot: str, rows: list[list[float]]) -> list[str]:
    robot = SimRobot(SCENES[scene], seed=seed)
    robot.load(snapshot)
    return followed(robot, np.array(rows, np.float32))


def holds(case: tuple[str, Subtask], seed: int, onward: int, folder: str, again: Callable[..., list[str]]) -> bool:
    """Save in mid-contact, go on for 200 steps, and go on again from the snapshot. False if nothing came to be touched."""
    scene, subtask = case
    robot = in_touch(scene, seed, subtask, onward)
    if robot is None:
        return False
    path = f"{folder}/world"
    robot.save(path)
    picture = robot.picture("front")
    rows, prints = led(robot, subtask, 200)
    robot.load(path)
    assert np.array_equal(robot.picture("front"), picture), "a restored world looks the same"
    assert again(scene, seed, path, rows.tolist()) == prints, f"{subtask.key} in {scene}, seed {seed}, {onward} ticks after touching"
    robot.close()
    return True


@pytest.mark.parametrize("case", CONTACTS, ids=lambda case: f"{case[0]}-{case[1].key}")
def test_what_follows_a_snapshot_in_mid_contact_is_equal_over_200_steps(case: tuple[str, Subtask], tmp_path: Path) -> None:
    assert any(holds(case, seed, onward, str(tmp_path), resumed) for seed, onward in ((1, 5), (2, 11), (3, 3)))


@few(2)
@given(case=st.sampled_from(CONTACTS), seed=st.integers(0, 9999), onward=st.integers(0, 25))
def test_and_in_a_fresh_process(case: tuple[str, Subtask], seed: int, onward: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        holds(case, seed, onward, folder, lambda *arguments: elsewhere("resumed", *arguments))


@pytest.mark.slow
@few(60)
@given(case=st.sampled_from(CONTACTS), seed=st.integers(0, 9999), onward=st.integers(0, 40))
def test_any_contact_at_any_moment_of_any_seed(case: tuple[str, Subtask], seed: int, onward: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        holds(case, seed, onward, folder, resumed)


WRONG = (Slip(when=When(tick=25)), PushLid(to="right", when=When(tick=10)), ThrowLever(when=When(tick=35)))


@few(2)
@given(seed=st.integers(0, 9999), path=st.integers(0, 999), split=st.integers(5, 40))
def test_a_recorded_run_repeats_itself_whatever_went_wrong_in_it(seed: int, path: int, split: int) -> None:
    def arm() -> Robot:
        return SimRobot("bench", seed=seed, disturbances=WRONG)

    rows = wander(50, path)
    rows[30] = np.nan  # a row that is refused is replayed too
    with tempfile.TemporaryDirectory() as folder:
        run, robot = Run.create(Path(folder), "wander"), arm()
        recorder = Recorder(robot, run, video=False)
        for part in (rows[:split], rows[split:]):
            for row in part:
                recorder.apply(row)
            recorder.stop()
            recorder.save_world()
        run.finish("done", "")
        verdict = replay(run.folder, arm)
        assert verdict.equal and verdict.fingerprints == 2, verdict.sentence
