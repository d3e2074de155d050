"""One world, one row, one task after another: words or a plan go in, the referee says what came of it."""

import io
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from agent.app import checkpointer
from agent.config import Config
from agent.demo import Interrupting, Saying
from agent.evaluate.faults import Around, Lossy, troubled
from agent.evaluate.protocol import Fault, Row
from agent.executor.executor import Executor
from agent.executor.safety import Guard
from agent.executor.slowed import at_rate
from agent.graph import Context, build_graph
from agent.mailbox import Mailbox
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import gather
from agent.skills.skill import Skill
from agent.skills.tabletop import SUPPORTS, Home
from agent.types import Array, Chunk, Observation, Policy, Robot, Scene, Subtask, clip_text
from sim.disturb import Disturbance
from sim.robot import SimRobot
from sim.tasks.chains import Start
from sim.tasks.referee import Referee, touched
from sim.tasks.task import Task

BY_PLAN, PLANNING = ("oracle", "plan"), ("planner", "recovery", "oracle-skills")
"""Rows that follow the template's own plan, and rows that have the planner."""
LEAVE_TICKS = 60
"""After the last subtask the policy goes on with it for so long, to let the hand leave."""
Line = dict[str, Any]


class Carry(Skill, say="carry out {given}", time_limit_s=600.0):
    """Goes on with a written subtask until someone says that it is enough."""

    given: str
    """The Subtask as JSON; one without a skill is a sentence alone."""

    def act(self, observation: Observation, policy: Policy) -> Chunk:
        return policy.predict(observation, Subtask.model_validate_json(self.given))

    def done(self, scene: Scene) -> bool:
        return False


class Watched:
    """A Robot around the simulated one: the referee looks at the truth of every tick, before any noise."""

    def __init__(self, robot: SimRobot) -> None:
        self.robot, self.spec = robot, robot.spec
        self.referee: Referee | None = None
        self.deadline = 0
        self.grasped: set[str] = set()
        """What was in the hand since the task began."""

    def scene(self) -> Scene:
        scene = self.robot.observe(()).scene
        assert scene is not None
        return scene

    def watch(self, referee: Referee, ticks: int) -> None:
        self.referee, self.deadline, self.grasped = referee, self.robot.tick + ticks, set()

    def over(self) -> str | None:
        """Why the task is over: done, or out of time; None while it goes on."""
        if self.succeeded():
            return "the task is done"
        return "the task is out of time" if self.robot.tick >= self.deadline else None

    def succeeded(self) -> bool:
        return self.referee is not None and self.referee.verdict.held is not None

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        return self.robot.observe(cameras)

    def apply(self, action: Array) -> Array:
        applied = self.robot.apply(action)
        self._look()
        return applied

    def stop(self) -> bool:
        stopped = self.robot.stop()
        self._look()
        return stopped

    def _look(self) -> None:
        if self.referee is not None:
            scene = self.scene()
            if scene.holding is not None:
                self.grasped.add(scene.holding)
            self.referee.look(scene, touched(self.robot))

    def wrong(self) -> list[str]:
        """Things that the task is not about and that were in the hand, or have strayed."""
        assert self.referee is not None
        taken = self.grasped - {self.referee.start.holding} - self.referee.excused
        return sorted(taken | self.referee.strayed(self.scene()).keys())


@dataclass
class Tally:
    """What was decided and reported while a task was worked on."""

    decisions: int = 0
    failed_steps: int = 0
    why: str = ""
    last: Subtask | None = None
    """The last subtask that ended as done."""
    steps: list[str] = field(default_factory=list)
    calls: list[tuple[str, bool]] = field(default_factory=list)
    """Each skill that was asked of the policy, and whether it did it."""
    chunks: int = 0
    chunk_ms: float = 0.0
    """Of all chunks together: in the model, as far as the policy tells, else until its answer was there."""

    def hear(self, kind: str, **fields: Any) -> None:
        """What the executor tells."""
        if kind == "chunk":
            timing = fields["timing"]
            self.chunks += 1
            self.chunk_ms += timing.get("model_ms", timing["answer_ms"])


class Stage:
    """The world of one episode with its robot, policy and executor; close it."""

    def __init__(self, config: Config, start: Start, policy: Policy, row: Row, fault: Fault) -> None:
        self.config, self.row, self.fault, self.seed = config, row, fault, start.seed
        self.library = gather(config.skills)
        self.robot = SimRobot(start.layout, seed=start.seed)
        self.watched = Watched(self.robot)
        self.policy: Policy = Lossy(policy, fault.lost, start.seed) if fault.lost else policy
        self.excused: set[str] = set()

    def disturb(self, wrong: Sequence[Disturbance]) -> None:
        """What will go wrong from now on; things that someone else moves are no fault of the robot."""
        self.robot.disturb(wrong)
        self.excused |= {name for one in wrong for slot in ("thing", "other") if (name := getattr(one, slot, None))}

    def play(self, task: Task, words: str, ticks: int, then: tuple[Task, Saying] | None = None) -> Line:
        """Play one task. then: what the person wants instead in the middle of it, and how and when that is said."""
        start = self.watched.scene()
        unmet = task.unmet(start)
        self.watched.watch(Referee(then[0] if then else task, start, self.excused), ticks)
        tally = Tally()
        with ExitStack() as stack:
            mailbox = Mailbox()
            executor = self._executor(mailbox, [then[1]] if then else [], tally)
            stack.callback(executor.close)
            if self.row in PLANNING:
                self._by_planner(executor, mailbox, words, tally)
            elif self.row in BY_PLAN:
                self._by_plan(executor, task.plan, tally)
            else:
                self._by_words(executor, words, tally)
            if tally.last is not None:
                self._leave(executor, tally.last)
        return self._line(task, words, start, unmet, tally)

    def prelude(self, subtasks: Sequence[Subtask], oracle: Policy) -> None:
        """What has to happen before the task can be asked for, done by the oracle, unwatched."""
        executor = Executor(Guard(self.robot, self.config.guard), oracle, self.config.executor)
        for subtask in subtasks:
            executor.run(self.library.bind(subtask))
        executor.close()

    def picture(self) -> bytes:
        """The world as it is now from the studio camera, JPEG."""
        shown = io.BytesIO()
        Image.fromarray(self.robot.observe(("studio",)).images["studio"]).save(shown, "JPEG", quality=80)
        return shown.getvalue()

    def close(self) -> None:
        self.robot.close()

    def _executor(self, mailbox: Mailbox, sayings: Sequence[Saying], tally: Tally) -> Executor:
        body: Robot = Interrupting(self.watched, mailbox, sayings) if sayings else self.watched
        body = at_rate(body, self.policy.spec.rate_hz)
        times = self.robot.spec.rate_hz / body.spec.rate_hz
        settings = self.config.executor.model_copy(update={"rows": max(1, round(self.config.executor.rows / times))})
        body = troubled(Guard(body, self.config.guard), self.fault, self.seed, self.policy.spec.sees_scene)
        if self.fault.delay_ticks:
            rows = min(settings.rows, self.policy.spec.horizon - self.fault.delay_ticks)
            settings = settings.model_copy(update={"delay_ticks": self.fault.delay_ticks, "rows": rows})
        return Executor(body, self.policy, settings, tally.hear)

    def _by_plan(self, executor: Executor, plan: Sequence[Subtask], tally: Tally) -> None:
        for subtask in plan:
            outcome = executor.run(self.library.bind(subtask), stop=self.watched.over)
            tally.steps.append(subtask.words)
            self._count(subtask, outcome.status, tally)
            if outcome.status != "done":
                tally.failed_steps += outcome.status != "stopped"
                tally.why, tally.last = f"{subtask.words}: {outcome.why}", None
                return
            tally.last = subtask

    def _by_words(self, executor: Executor, words: str, tally: Tally) -> None:
        whole = Subtask(skill="", words=words)
        tally.why = executor.run(Carry(given=whole.model_dump_json()), stop=self.watched.over).why

    def _leave(self, executor: Executor, last: Subtask) -> None:
        """The policy goes on with what it did last, although it is done, until the referee has seen enough; after what must not
        be done twice it goes home."""
        until = self.robot.tick + LEAVE_TICKS
        then = Home().subtask if self.library.bind(last).undoes else last
        executor.run(Carry(given=then.model_dump_json()),
                     stop=lambda: self.watched.over() or ("enough" if self.robot.tick >= until else None))  # fmt: skip

    def _by_planner(self, executor: Executor, mailbox: Mailbox, words: str, tally: Tally) -> None:
        memory = Memory(None)
        planner = Planner(self.library, self.config.planner, memory)

        def hear(kind: str, **fields: Any) -> None:
            if kind == "decision":
                tally.decisions += 1
            elif kind == "subtask_started":
                tally.steps.append(fields["subtask"]["words"])
            elif kind == "outcome":
                self._judged(fields, mailbox, tally)

        context = Context(
            robot=Ending(executor.robot, mailbox, self.watched), library=self.library, planner=planner, memory=memory, executor=executor,
            mailbox=mailbox, max_decisions=self.config.planner.max_decisions, emit=hear,
        )  # fmt: skip
        executor.robot = context.robot
        with sqlite3.connect(":memory:", check_same_thread=False) as connection:
            graph = build_graph().compile(checkpointer=checkpointer(connection))
            thread: Any = {"configurable": {"thread_id": "evaluation"}, "recursion_limit": 10_000}
            state = graph.invoke({"said": [words], "history": [], "decisions": 0}, thread, context=context)
        connection.close()
        planner.close()
        asked = state.get("__interrupt__")
        ended = f"it asked: {asked[0].value['question']}" if asked else f"{state['status']}: {state['why']}"
        tally.why = (self.watched.over() or ended) if not asked and state["status"] == "stopped" else ended

    def _judged(self, outcome: dict[str, Any], mailbox: Mailbox, tally: Tally) -> None:
        asked = Subtask.model_validate(outcome["subtask"])
        self._count(asked, outcome["status"], tally)
        if outcome["status"] == "done":
            tally.last = asked
        elif outcome["status"] != "stopped":
            tally.failed_steps, tally.last = tally.failed_steps + 1, None
            if self.row == "planner":
                mailbox.put("stop")

    def _count(self, subtask: Subtask, status: str, tally: Tally) -> None:
        """A call that is stopped because the task is done has done its part."""
        tally.calls.append((called(subtask, self.watched.scene()), status == "done" or self.watched.succeeded()))

    def _line(self, task: Task, words: str, start: Scene, unmet: Sequence[str], tally: Tally) -> Line:
        assert self.watched.referee is not None
        verdict = self.watched.referee.verdict
        success = verdict.held is not None
        why = "" if success else "; ".join(part for part in (verdict.fault, tally.why) if part) or "the goal was not reached"
        return {
            "template": task.template, "words": words, "success": success, "first": verdict.first, "held": verdict.held,
            "progress": round(verdict.progress, 3), "ticks": self.robot.tick - start.tick, "why": clip_text(why, 300), "unmet": list(unmet),
            "steps": tally.steps, "calls": tally.calls, "decisions": tally.decisions, "failed_steps": tally.failed_steps,
            "began": start.tick, "wrong": self.watched.wrong(), "chunks": tally.chunks,
            "chunk_ms": round(tally.chunk_ms / max(tally.chunks, 1), 2),
        }  # fmt: skip


def called(subtask: Subtask, scene: Scene) -> str:
    """What a call is counted as: its skill; of a place also the relation, and in or on what kind of thing."""
    relation = subtask.args.get("relation")
    if relation not in SUPPORTS:
        return f"{subtask.skill} {relation}" if relation else subtask.skill
    return f"{subtask.skill} {relation} a {scene.find(subtask.args['target']).kind}"


class Ending(Around):
    """A Robot around a Robot: when the referee has seen enough, the person says stop."""

    def __init__(self, robot: Robot, mailbox: Mailbox, watched: Watched) -> None:
        super().__init__(robot)
        self.mailbox, self.watched = mailbox, watched
        self._said = False

    def apply(self, action: Array) -> Array:
        applied = self.robot.apply(action)
        if not self._said and self.watched.over():
            self._said = True
            self.mailbox.put("stop")
        return applied
