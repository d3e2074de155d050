"""Fakes, and contracts that can be run: for authors of skills, policies and robots, and for saydo's own tests.

    check_skill(Wipe(surface="table"), scene)       the author's first test
    check_policy(MyPolicy(), observation, subtask)
    check_robot(MyRobot())                          moves the robot a little: it holds its pose, then stops

Each raises AssertionError with a sentence that says what was promised and what came instead.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from time import sleep
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from agent.errors import PolicyError, SaydoError, WrongShape
from agent.skills.skill import Skill
from agent.types import Array, Chunk, Observation, Policy, PolicySpec, Robot, RobotSpec, Scene, Subtask

ACTION = ("x", "y", "z", "rx", "ry", "rz", "gripper")
CAMERAS = {"front": (8, 8)}
POSE = np.array([0.5, 0.0, 0.3, np.pi, 0.0, 0.0, 0.08], np.float32)

Trouble = Literal["nan", "wide", "empty", "stale", "not a chunk", "lost", "refused", "broken", "hang"]


class FakeRobot:
    """A point with a gripper that is exactly where the last row put it, on a virtual clock: no tick passes but by apply and stop.

    scene: (state, tick) → Scene, what its `Observation.scene` shows; None: no Scene, as on hardware. still: what `stop` confirms.
    pace_s: wall time that a tick takes at least, so that a policy in another thread gets its turn.
    """

    def __init__(
        self, scene: Callable[[Array, int], Scene] | None = None, *, rate_hz: float = 20.0, still: bool = True, pace_s: float = 0.0
    ) -> None:
        self.spec = RobotSpec(name="fake", rate_hz=rate_hz, state=ACTION, action=ACTION, cameras=CAMERAS)
        self.scene, self.still, self.pace_s = scene, still, pace_s
        self.state, self.tick = POSE.copy(), 0
        self.rows: list[Array] = []
        """Every row applied."""
        self.ticks: list[int] = []
        """The tick of each row applied."""
        self.stops = 0

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        wanted = CAMERAS if cameras is None else {name: CAMERAS[name] for name in cameras}
        images = {name: np.full((*size, 3), self.tick % 256, np.uint8) for name, size in wanted.items()}
        scene = self.scene(self.state, self.tick) if self.scene else None
        return Observation(self.tick, self.tick / self.spec.rate_hz, self.state.copy(), images, scene)

    def apply(self, action: Array) -> Array:
        if action.shape != self.state.shape or action.dtype != np.float32:
            raise WrongShape("action row", f"float32[{len(ACTION)}]", action)
        sleep(self.pace_s)
        self.rows.append(action.copy())
        self.ticks.append(self.tick)
        self.state, self.tick = action.copy(), self.tick + 1
        return action

    def stop(self) -> bool:
        sleep(self.pace_s)
        self.stops += 1
        self.tick += 1
        return self.still


class FakePolicy:
    """Walks towards `goal` in a straight line, `step` metres a tick; makes trouble on the calls (1, 2, …) that `trouble` names.

    delay_ticks and clock: the answer comes once the clock (a FakeRobot) has passed so many ticks. seconds: or after so much wall time.
    A call that hangs returns when `release` is called.
    """

    def __init__(
        self,
        goal: Array = POSE,
        *,
        horizon: int = 8,
        step: float = 0.01,
        trouble: Mapping[int, Trouble] | None = None,
        seconds: float = 0.0,
        delay_ticks: int = 0,
        clock: FakeRobot | None = None,
        cameras: Mapping[str, tuple[int, int]] | None = None,
        rate_hz: float = 20.0,
    ) -> None:
        self.spec = PolicySpec(name="fake", rate_hz=rate_hz, horizon=horizon, state=ACTION, action=ACTION, cameras=dict(cameras or {}))
        self.goal, self.step, self.trouble = np.asarray(goal, np.float32), step, dict(trouble or {})
        self.seconds, self.delay_ticks, self.clock = seconds, delay_ticks, clock
        self.asked: list[int] = []
        """Tick of every observation it was asked about."""
        self.seen: list[Observation] = []
        self._released = threading.Event()

    def release(self) -> None:
        self._released.set()

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        self.asked.append(observation.tick)
        self.seen.append(observation)
        trouble = self.trouble.get(len(self.asked))
        if trouble == "hang":
            self._released.wait(30.0)
        if self.seconds:
            threading.Event().wait(self.seconds)
        while self.clock is not None and self.clock.tick < observation.tick + self.delay_ticks and not self._released.wait(0.0005):
            pass
        return self._answer(observation, trouble)

    def _answer(self, observation: Observation, trouble: Trouble | None) -> Chunk:
        rows = line(observation.state, self.goal, self.step, self.spec.horizon)
        match trouble:
            case "nan":
                rows[min(3, len(rows) - 1), -1] = np.nan
            case "wide":
                rows = np.concatenate([rows, rows[:, :1]], axis=1)
            case "empty":
                rows = rows[:0]
            case "stale":
                return Chunk(observation.tick - 1, rows)
            case "not a chunk":
                return rows  # type: ignore[return-value]
            case "lost":
                raise PolicyError("the replica is gone")
            case "refused":
                raise _refusal()
            case "broken":
                raise KeyError("no such layer")
            case _:
                return Chunk(observation.tick, rows, {"infer_ms": 0.0})
        return Chunk(observation.tick, rows)


def _refusal() -> PolicyError:
    error = PolicyError("I cannot wipe the elephant")
    error.refused = True
    return error


def line(start: Array, goal: Array, step: float, rows: int) -> Array:
    """float32[rows, A]: from `start`, exclusive, straight to `goal`, at most `step` along each number per row."""
    j = np.arange(1, rows + 1, dtype=np.float32)[:, None]
    away = goal - start
    furthest = max(float(np.max(np.abs(away))), 1e-9)
    return (start + away * np.minimum(1.0, j * step / furthest)).astype(np.float32)


def check_skill(skill: Skill, scene: Scene) -> None:
    """The contract of a Skill: says its call in words, survives JSON, is frozen, judges a scene without changing it."""
    kind = type(skill)
    name = f"{kind.__module__}.{kind.__qualname__}"
    subtask = skill.subtask
    assert Subtask.model_validate_json(subtask.model_dump_json()) == subtask, f"{name}: its subtask does not survive JSON."
    assert kind(**subtask.args) == skill, f"{name}: {kind.__name__}(**{subtask.args}) should be the same call again."
    assert subtask.words.strip() and not set("{}") & set(subtask.words), f"{name}: its words are not a sentence: '{subtask.words}'."
    assert kind.time_limit_s > 0, f"{name}: time_limit_s must be positive; it is {kind.time_limit_s}."
    for field in kind.model_fields:
        try:
            setattr(skill, field, "something else")
        except ValidationError:
            continue
        raise AssertionError(f"{name}: field '{field}' can be changed; a call is written down once (keep model_config frozen).")
    before = scene.model_copy(deep=True)
    can, done = _called(name, skill.can, scene), _called(name, skill.done, scene)
    assert isinstance(can, bool), f"{name}.can must return True or False; it returned {can!r}."
    assert done is None or isinstance(done, bool), f"{name}.done must return True, False or None (cannot tell); it returned {done!r}."
    assert skill.can(scene) == can and skill.done(scene) == done, (
        f"{name}: can and done must depend on the scene alone, not on the call before."
    )
    assert scene == before, f"{name}: can or done changed the scene."
    for helper in skill.needs(scene):
        assert isinstance(helper, Skill), f"{name}.needs must return skills; it returned {helper!r}."


def _called(name: str, judge: Callable[[Scene], Any], scene: Scene) -> Any:
    try:
        return judge(scene)
    except SaydoError as error:
        raise AssertionError(f"{name}.{judge.__name__} cannot judge this scene: {error}") from error


def check_policy(policy: Policy, observation: Observation, subtask: Subtask) -> Chunk:
    """The contract of a Policy: one chunk that answers this observation, finite, of the promised shape. Returns it."""
    spec = policy.spec
    assert isinstance(spec, PolicySpec), f"A policy's spec is a PolicySpec; this one is {type(spec).__name__}."
    name = f"Policy '{spec.name}'"
    assert spec.horizon >= 1 and spec.rate_hz > 0, f"{name}: horizon and rate_hz must be positive; they are {spec.horizon}, {spec.rate_hz}."
    _check_cameras(name, observation, spec.cameras)
    state, images = observation.state.copy(), {camera: image.copy() for camera, image in observation.images.items()}
    chunk = policy.predict(observation, subtask)
    assert isinstance(chunk, Chunk), f"{name}: predict must return a Chunk; it returned {type(chunk).__name__}."
    assert chunk.start == observation.tick, (
        f"{name}: its chunk starts at tick {chunk.start}; it must be the observation's, {observation.tick}."
    )
    rows, width = chunk.actions.shape
    assert width == len(spec.action), f"{name}: rows are {width} wide; its spec names {len(spec.action)} numbers: {' '.join(spec.action)}."
    assert rows <= spec.horizon, f"{name}: a chunk has {rows} rows; its spec promises at most {spec.horizon}."
    assert np.isfinite(chunk.actions).all(), f"{name}: row {np.argwhere(~np.isfinite(chunk.actions))[0][0]} of its chunk is not finite."
    same = np.array_equal(state, observation.state) and all(np.array_equal(images[c], observation.images[c]) for c in images)
    assert same, f"{name}: predict changed the observation; treat its arrays as read-only."
    return chunk


def check_robot(robot: Robot, row: Array | None = None) -> None:
    """The contract of a Robot: ticks, shapes, cameras, refusals, and a stop that confirms. The robot is commanded a few rows and stopped.

    row: a safe row to command, float32[A]; default: the measured pose, for which the state must have every name that an action has.
    """
    spec = robot.spec
    name = f"Robot '{spec.name}'"
    assert spec.rate_hz > 0 and spec.action, f"{name}: rate_hz must be positive and action must have names."
    assert len(set(spec.action)) == len(spec.action) and len(set(spec.state)) == len(spec.state), f"{name}: names must be unique."
    bare, full = robot.observe(()), robot.observe()
    assert not bare.images, f"{name}: observe(()) must render no camera; it gave {', '.join(bare.images)}."
    _check_cameras(name, full, spec.cameras)
    assert bare.state.shape == (len(spec.state),), f"{name}: the state has {bare.state.size} numbers, the spec names {len(spec.state)}."
    assert full.tick == bare.tick or full.tick > bare.tick, f"{name}: ticks must never run backwards."
    row = _resting_row(name, spec, bare) if row is None else row
    _check_refusal(name, robot, row)
    _check_ticks(name, robot, row)
    confirmed = robot.stop()
    assert confirmed is True, f"{name}: stop() from rest must confirm that it stands still; it returned {confirmed!r}."
    assert robot.stop() is True, f"{name}: stop() must work twice in a row."


def _check_ticks(name: str, robot: Robot, row: Array) -> None:
    before = robot.observe(())
    for _ in range(3):
        applied = robot.apply(row)
        good = isinstance(applied, np.ndarray) and applied.shape == row.shape and applied.dtype == np.float32
        assert good, f"{name}: apply must return the row truly applied, float32[{len(row)}]; it returned {applied!r}."
    after = robot.observe(())
    assert after.tick == before.tick + 3, f"{name}: three rows must take three ticks; they took {after.tick - before.tick}."
    seconds, period = after.time - before.time, 3 / robot.spec.rate_hz
    assert abs(seconds - period) < 0.5 * period, f"{name}: three ticks at {robot.spec.rate_hz:g} Hz took {seconds:.3f} s on its own clock."


def _check_refusal(name: str, robot: Robot, row: Array) -> None:
    try:
        robot.apply(np.append(row, row[:1]))
    except WrongShape:
        return
    raise AssertionError(f"{name}: apply must refuse a row that is {len(row) + 1} wide with WrongShape.")


def _check_cameras(name: str, observation: Observation, cameras: Mapping[str, tuple[int, int]]) -> None:
    for camera, size in cameras.items():
        assert camera in observation.images, (
            f"{name}: no picture of camera '{camera}'; there is: {', '.join(observation.images) or 'none'}."
        )
        shape = observation.images[camera].shape[:2]
        assert shape == tuple(size), f"{name}: camera '{camera}' should be {size[0]}×{size[1]} px; it is {shape[0]}×{shape[1]}."


def _resting_row(name: str, spec: RobotSpec, observation: Observation) -> Array:
    missing = [action for action in spec.action if action not in spec.state]
    assert not missing, f"{name}: pass a safe row; the state does not measure {', '.join(missing)}."
    return np.array([observation.state[spec.state.index(action)] for action in spec.action], np.float32)
