"""One task at the workbench as a Gymnasium environment, with the observations that LeRobot reads.

Success is the referee's (sim/tasks/referee.py): the goal held for 0.5 s, everything at rest, the hand off, nothing else moved.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from pydantic import TypeAdapter

from agent.errors import ConfigError, RobotError, hint
from agent.types import Array, Scene, Subtask
from sim import kinematics
from sim.disturb import Disturbance
from sim.environments import MAX_STEPS
from sim.language import SETS, say
from sim.layout import Layout, read_layout
from sim.oracle import Oracle
from sim.robot import PANDA, RATE_HZ, SimRobot
from sim.tasks import Task, Template, template, templates
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after
from sim.tasks.referee import Referee, Verdict, touched
from sim.tasks.task import known_facts

PLAIN = "plain"
REACH: tuple[tuple[float, float], ...] = ((0.15, 0.85), (-0.60, 0.60), (0.0, 0.80))
"""Of the tool centre point in the action space, x, y, z, m: what lies outside is hardly ever within reach."""
THINGS, COLUMNS = 40, 6
PRELUDE_TICKS = 400

Observed = dict[str, Any]


class Begun(NamedTuple):
    """An episode: its world, what is asked in it, and how."""

    robot: SimRobot
    task: Task
    words: str
    referee: Referee


class Workbench(gymnasium.Env[Observed, Array]):
    """A Panda at a table that is asked for one thing.

    Action float32[7]: x, y, z, m, and rx, ry, rz, rad, of the tool centre point (see SimRobot), then the gripper, fraction open; one
    row is one control period of 50 ms. A row that cannot be followed holds the arm still; `info["rejected"]` says why.
    Observation: `pixels`, a dict of uint8[height, width, 3] by camera (left out without cameras), `agent_pos` float32[14] as
    RobotSpec.state, and if asked for `environment_state` float32[240], the truth: for up to 40 things, in the order of
    `info["things"]`, x, y, z, m, yaw, rad, joint, m or rad, and whether it is held.
    Reward: 1 in the step that completes the task, else 0. Terminated: the task is done. Truncated: only by the number of steps.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE_HZ}  # noqa: RUF012

    def __init__(
        self, task: str | None = None, scene: str | Path | Mapping[str, Any] | None = None, cameras: Collection[str] = ("front", "wrist"),
        size: int | None = None, environment_state: bool = False, language: str = PLAIN, disturbances: Sequence[Any] = (),
        max_steps: int = MAX_STEPS, render_mode: str | None = None,
    ) -> None:  # fmt: skip
        """task: a template, None: any that the scene has. scene: a name, a YAML file or what one holds; None: one that suits the task.

        size: height and width of every picture, px; None: each camera's own. language: "plain", or one of sim.language.SETS.
        disturbances: as in YAML, see sim/disturb.py. max_steps: the budget where no TimeLimit counts, so not for gymnasium.make.
        Builds no world: workers may be forked from here. ConfigError says what is wrong.
        """
        _check(cameras, PANDA.cameras, "camera")
        _check([language], [PLAIN, *SETS], "language")
        _check([render_mode] if render_mode else [], self.metadata["render_modes"], "render mode")
        self._template: Template | None = template(task) if task else None
        self._layout: Layout | None = read_layout(scene) if scene is not None else None
        self._cameras, self._size, self._language = tuple(cameras), size, language
        self._disturbances = TypeAdapter(tuple[Disturbance, ...]).validate_python(tuple(disturbances))
        self._max_episode_steps, self.render_mode = max_steps, render_mode
        self.task, self.task_description = task or "", self._template.about if self._template else ""
        self._begun: Begun | None = None
        self._steps = 0
        self.action_space = _actions()
        self._with_truth = environment_state
        self.observation_space = self._observations()

    def _observations(self) -> spaces.Dict:
        parts: dict[str, spaces.Space[Any]] = {"agent_pos": _states()}
        if self._cameras:
            shapes = {name: (self._size, self._size) if self._size else PANDA.cameras[name] for name in self._cameras}
            parts["pixels"] = spaces.Dict({name: spaces.Box(0, 255, (*shape, 3), np.uint8) for name, shape in shapes.items()})
        if self._with_truth:
            parts["environment_state"] = spaces.Box(-10.0, 10.0, (THINGS * COLUMNS,), np.float32)
        return spaces.Dict(parts)

    @property
    def robot(self) -> SimRobot:
        """The robot of this episode, with the truth; RobotError before the first reset."""
        return self._episode().robot

    @property
    def asked(self) -> Task:
        """The task of this episode, with a plan that does it; RobotError before the first reset."""
        return self._episode().task

    def _episode(self) -> Begun:
        if self._begun is None:
            raise RobotError("This environment has no episode yet: call reset() first.")
        return self._begun

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observed, dict[str, Any]]:
        """A new world by the seed, and one of its tasks. `options["task"]`: a plain sentence, to choose among the scene's tasks."""
        super().reset(seed=seed)
        world = seed if seed is not None else int(self.np_random.integers(2**31))
        self._leave()
        with ExitStack() as failed:
            self._begun = self._begin(world, (options or {}).get("task"), failed)
            failed.pop_all()
        self._steps = 0
        self.task, self.task_description = self._begun.task.template, self._begun.words
        scene = self._truth()
        told = {"seed": world, "things": [thing.name for thing in scene.things]}
        return self._observe(scene), {**self._info(self._begun.referee.verdict, ""), **told}

    def _begin(self, seed: int, sentence: str | None, failed: ExitStack) -> Begun:
        if self._layout is not None:
            layout, drawn = self._layout, None
            prelude: tuple[Subtask, ...] = ()
        else:
            kind = self._template or list(templates().values())[seed % len(templates())]
            start, drawn = draw_start(kind, seed)
            layout, prelude = read_layout(start.layout), kind.prelude
        robot = SimRobot(layout, seed=seed, disturbances=self._disturbances)
        failed.callback(robot.close)
        _carry_out(robot, prelude)
        scene = _truth_of(robot)
        task = drawn if drawn is not None and sentence is None else self._choose(scene, seed, sentence)
        words = task.words if self._language == PLAIN else say(task, scene, self._language, seed)
        return Begun(robot, task, words, Referee(task, scene))

    def _choose(self, scene: Scene, seed: int, sentence: str | None) -> Task:
        """One of the scene's tasks: that of the sentence, or by the seed."""
        kinds = [self._template] if self._template else list(templates().values())
        found = {task.words: task for kind in kinds for task in kind.find(scene)}
        if sentence is not None and sentence not in found:
            some = ", ".join(f"'{words}'" for words in list(found)[:8])
            raise ConfigError(f"Nothing here is asked by '{sentence}'. Sentences here: {some or 'none'}, …{hint(sentence, found)}")
        if not found:
            kind = f" of the kind '{self._template.name}'" if self._template else ""
            raise ConfigError(f"The scene has no task{kind} with seed {seed}. Take another scene, or none: then one is drawn that suits.")
        return found[sentence] if sentence else list(found.values())[int(np.random.default_rng(seed).integers(len(found)))]

    def step(self, action: Array) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """One control period."""
        begun = self._episode()
        refused, before = len(begun.robot.rejected), begun.referee.verdict.held
        begun.robot.apply(np.asarray(action, dtype=np.float32))
        self._steps += 1
        scene = self._truth()
        verdict = begun.referee.look(scene, touched(begun.robot))
        done = verdict.held is not None
        rejected = begun.robot.rejected[-1][1] if len(begun.robot.rejected) > refused else ""
        truncated = self.spec is None and self._steps >= self._max_episode_steps
        return self._observe(scene), float(done and before is None), done, truncated, self._info(verdict, rejected)

    def _info(self, verdict: Verdict, rejected: str) -> dict[str, Any]:
        begun = self._episode()
        return {
            "is_success": verdict.held is not None,
            "success_once": verdict.first is not None,
            "hold_ticks": begun.referee.hold_ticks,
            "progress": float(verdict.progress),
            "failure_reason": "" if verdict.held is not None else verdict.fault or "the goal is not reached",
            "rejected": rejected,
            "perturbation": "; ".join(what for _, what in begun.robot.fired),
            "task": begun.task.template,
            "task_description": begun.words,
        }  # fmt: skip

    def _truth(self) -> Scene:
        return _truth_of(self._episode().robot)

    def _observe(self, scene: Scene) -> Observed:
        robot = self._episode().robot
        seen: Observed = {"agent_pos": robot.observe(()).state}
        if self._cameras:
            seen["pixels"] = {name: robot.picture(name, self._size) for name in self._cameras}
        if self._with_truth:
            seen["environment_state"] = _table(scene)
        return seen

    def render(self) -> Array | None:
        """The studio camera, uint8[360, 480, 3]; None unless render_mode is "rgb_array"."""
        return self._episode().robot.picture("studio") if self.render_mode == "rgb_array" else None

    def _leave(self) -> None:
        if self._begun is not None:
            self._begun.robot.close()
            self._begun = None

    def close(self) -> None:
        """Free the world; safe to call twice."""
        self._leave()


def _check(wanted: Collection[str], known: Collection[str], what: str) -> None:
    for name in wanted:
        if name not in known:
            raise ConfigError(f"There is no {what} '{name}'. There are: {', '.join(known)}.{hint(name, known)}")


def _actions() -> spaces.Box:
    low, high = ([pair[side] for pair in (*REACH, *[(-np.pi, np.pi)] * 3, (0.0, 1.0))] for side in (0, 1))
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


def _states() -> spaces.Box:
    """With room for what a push bends."""
    ranges = [*zip(kinematics.LOWER - 0.1, kinematics.UPPER + 0.1, strict=True), *[(-1.5, 1.5)] * 3, *[(-3.2, 3.2)] * 3, (-0.02, 0.10)]
    low, high = ([pair[side] for pair in ranges] for side in (0, 1))
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


def _truth_of(robot: SimRobot) -> Scene:
    scene = robot.observe(()).scene
    assert scene is not None
    return scene


def _table(scene: Scene) -> Array:
    """The truth as numbers, float32[240]; see Workbench."""
    rows = np.zeros((THINGS, COLUMNS), np.float32)
    for row, thing in zip(rows, scene.things, strict=False):
        row[:] = (*thing.position, thing.yaw, thing.joint or 0.0, thing.name == scene.holding)
    return np.clip(rows.ravel(), -10.0, 10.0)


def _carry_out(robot: SimRobot, prelude: Sequence[Subtask]) -> None:
    """What has to happen before a task can be asked for, done by the oracle until what it leaves is there."""
    oracle = Oracle()
    for subtask in prelude:
        before = _truth_of(robot)
        wanted = known_facts(after(before, subtask)) - known_facts(before)
        until = robot.tick + PRELUDE_TICKS
        while not wanted <= known_facts(_truth_of(robot)) and robot.tick < until:
            for row in oracle.predict(robot.observe(()), subtask).actions[:8]:
                robot.apply(row)
