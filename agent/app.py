"""The only place that builds: Config → Agent. Everything else is handed what it needs."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from pydantic import TypeAdapter

from agent.config import Config
from agent.errors import ConfigError, RecordError, SaydoError
from agent.executor.executor import Executor
from agent.executor.policies import make_policy, named_class, weights_of
from agent.executor.record import Recorder
from agent.executor.run import Run
from agent.executor.safety import Guard
from agent.executor.slowed import at_rate
from agent.graph import UNCONFIRMED, Context, build_graph, seen
from agent.mailbox import Mailbox, is_correction, is_go_on, is_question
from agent.planner.decision import Step
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.replay import Verdict, replay
from agent.report import write_report
from agent.skills.library import gather
from agent.types import Frozen, Outcome, Policy, Robot, Scene, Subtask

Progress = Callable[[str], None]
Watch = Callable[[dict[str, Any]], None]
RunStatus = Literal["done", "failed", "declined", "stopped", "answered", "asked"]
STORED = ("agent.types.Scene", "agent.types.Outcome", "agent.planner.decision.Decision", "agent.planner.decision.Step")


class Attempted(Frozen):
    """One subtask and what came of it."""

    subtask: Subtask
    outcome: Outcome


class Result(Frozen):
    """What a run came to; `scene` is read from the world, not from the agent's belief."""

    run: str
    status: RunStatus
    why: str
    question: str | None
    choices: tuple[str, ...]
    subtasks: tuple[Attempted, ...]
    decisions: tuple[dict[str, Any], ...]
    timings: dict[str, float]
    scene: Scene
    folder: Path


class Agent:
    """One robot, one conversation, one run folder."""

    def __init__(self, context: Context, run: Run, checkpointer: SqliteSaver) -> None:
        self.context, self.record, self.robot = context, run, context.robot
        self.mailbox = context.mailbox
        self.graph = build_graph().compile(checkpointer=checkpointer)
        self.thread: Any = {"configurable": {"thread_id": run.id}, "recursion_limit": 10_000}
        self.decisions: list[dict[str, Any]] = []
        self.result: Result | None = None

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event to the record, which tells those who watch."""
        event = self.record.write(kind, **fields)
        if kind == "decision":
            self.decisions.append(event)

    def scene(self) -> Scene:
        """What is there now."""
        return seen(self.robot)

    def tell(self, words: str) -> Result:
        """Say something to the robot and wait until it is done, asks, or stands still. Speak to `mailbox` to interrupt.

        After a stop, "go on" takes up what was interrupted and a correction changes it; anything else is a new instruction.
        """
        before = self.result
        self.emit("said", by="person", words=words)
        if before is not None and before.status == "asked":
            return self._go(Command(resume=words))
        if before is not None and before.status != "done" and (is_go_on(words) or is_correction(words)):
            said = [earlier for earlier in self.graph.get_state(self.thread).values["said"] if not is_question(earlier)]
            return self._go({"said": said if is_go_on(words) else [*said, words], "decisions": 0})
        return self._go({"said": [words], "history": self._past(), "decisions": 0})

    def _past(self) -> list[Step]:
        """The steps of earlier instructions: what "it" may stand for, but nothing that was done for this one."""
        return [step.model_copy(update={"said": 0}) for step in self.graph.get_state(self.thread).values.get("history", [])]

    def resume(self) -> Result:
        """Go on with a run that was cut off, from its last finished subtask, having looked first."""
        state = self.graph.get_state(self.thread)
        if not state.values:
            raise RecordError(f"Run {self.record.id} was cut off before it heard a word. Start it anew with `saydo run`.")
        if not state.next:
            ending = f"{state.values.get('status')}: {state.values.get('why')}"
            raise RecordError(f"Run {self.record.id} is finished: {ending}. There is nothing to resume.")
        self.graph.update_state(self.thread, {"status": None}, as_node="__start__")
        return self._go(None)

    def _go(self, given: Any) -> Result:
        start, first = time.monotonic(), len(self.decisions)
        try:
            state = self.graph.invoke(given, self.thread, context=self.context, durability="sync")
        except SaydoError as error:
            confirmed = self.robot.stop()
            if isinstance(error, RecordError):
                raise
            why = f"{error}" + ("" if confirmed else f" {UNCONFIRMED}")
            self.emit("broken", why=why, error=type(error).__name__, confirmed=confirmed)
            state = {**self.graph.get_state(self.thread).values, "status": "failed", "why": why}
        except BaseException:
            self.robot.stop()
            raise
        asked = state.get("__interrupt__")
        question = asked[0].value if asked else {"question": None, "choices": []}
        scene = self.scene()
        self.result = Result(
            run=self.record.id,
            status="asked" if asked else state["status"],
            why=question["question"] if asked else state["why"],
            question=question["question"],
            choices=tuple(question["choices"]),
            subtasks=tuple(Attempted(subtask=step.subtask, outcome=step.outcome) for step in state.get("history", []) if step.said),
            decisions=tuple(self.decisions[first:]),
            timings={"wall_s": round(time.monotonic() - start, 3), "robot_s": round(scene.tick / self.robot.spec.rate_hz, 3)},
            scene=scene,
            folder=self.record.folder,
        )
        self.emit("result", tick=scene.tick, status=self.result.status, why=self.result.why, scene=scene.model_dump(mode="json"))
        return self.result

    def finish(self) -> None:
        """Close the record with the last result."""
        if self.result is not None:
            self.record.finish(self.result.status, self.result.why, result=self.result.model_dump(mode="json"))


@contextmanager
def open_agent(
    config: Config,
    words: str,
    *,
    local: bool = False,
    disturbances: Sequence[Any] = (),
    wrap: Callable[[Robot, Mailbox], Robot] = lambda robot, mailbox: robot,
    resume: Path | None = None,
    watch: Watch = lambda event: None,
    progress: Progress = lambda stage: None,
) -> Iterator[Agent]:
    """Build an agent for one run and take it down again.

    local: the policy runs in this process instead of behind Ray Serve. wrap: puts a Robot around the robot (demo scripts do).
    resume: the folder of a run to go on with. Raises a SaydoError that says what to do if any part cannot be had.
    """
    with ExitStack() as stack:
        library = gather(config.skills)
        progress("building the world")
        body = build_robot(config, disturbances)
        stack.callback(getattr(body, "close", lambda: None))
        run = Run.open(resume) if resume else Run.create(config.runs.folder, words, about(config, local, disturbances))
        stack.enter_context(kept(run, watch))
        if resume:
            run.resume(body)
        policy = stack.enter_context(open_policy(config, local, progress))
        mailbox = Mailbox()
        recorder = Recorder(wrap(body, mailbox), run, video=config.runs.video)
        stack.callback(recorder.close)
        guard = Guard(recorder, config.guard, run.write)
        executor = Executor(guard, policy, config.executor, run.write, lockstep=config.robot.name == "sim")
        stack.callback(executor.close)
        memory = Memory(config.runs.folder / "memory.json")
        planner = Planner(library, config.planner, memory)
        stack.callback(planner.close)
        context = Context(
            robot=guard,
            library=library,
            planner=planner,
            memory=memory,
            executor=executor,
            mailbox=mailbox,
            max_decisions=config.planner.max_decisions,
            emit=lambda kind, **fields: agent.emit(kind, **fields),
            remember_world=recorder.save_world,
        )
        agent = Agent(context, run, stack.enter_context(checkpoints(run)))
        stack.callback(agent.finish)
        yield agent


@contextmanager
def kept(run: Run, watch: Watch) -> Iterator[None]:
    """The run is written while this lasts; then its report. What ends it early is its last event."""
    run.listen(watch)
    watch({"kind": "opened", "folder": str(run.folder)})
    try:
        yield
    except SaydoError as error:
        with suppress(RecordError):
            run.finish("failed", str(error))
        raise
    finally:
        run.close()
        write_report(run.folder)


@contextmanager
def checkpoints(run: Run) -> Iterator[SqliteSaver]:
    """The graph's state after every node, in the run's own folder."""
    with closing(sqlite3.connect(run.folder / "state.sqlite", check_same_thread=False)) as connection:
        yield checkpointer(connection)


def checkpointer(connection: sqlite3.Connection) -> SqliteSaver:
    """Stores our own types, and no others."""
    allowed = [tuple(name.rsplit(".", 1)) for name in STORED]
    return SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=allowed))


def build_robot(config: Config, disturbances: Sequence[Any] = ()) -> Robot:
    """The simulated Panda, or the user's own robot."""
    if config.robot.name == "sim":
        from sim.robot import RATE_HZ, SimRobot

        if strange := set(config.robot.options) - {"rate_hz"}:
            raise ConfigError(f"robot.options: the simulator knows no '{min(strange)}'; it takes rate_hz alone.")
        robot = SimRobot(config.robot.scene, seed=config.robot.seed, pace=config.robot.pace, disturbances=disturbances)
        return at_rate(robot, config.robot.options.get("rate_hz", RATE_HZ))
    if disturbances:
        raise ConfigError(f"Disturbances are for the simulator; robot '{config.robot.name}' is not one.")
    try:
        return named_class(config.robot.name, "robot.name")(**config.robot.options)
    except TypeError as error:
        raise ConfigError(f"robot.options: {config.robot.name} does not take them: {error}.") from error


@contextmanager
def open_policy(config: Config, local: bool, progress: Progress) -> Iterator[Policy]:
    """The policy in this process, or behind Ray Serve; a server that already runs for the same policy is used as it is."""
    if local:
        progress("loading the policy")
        yield make_policy(config.policy)
        return
    from agent.executor.running import find_server
    from agent.executor.serve import serve_policy

    deadline_s = config.executor.chunk_deadline_s
    if (found := find_server()) is not None and found.policy == config.policy.label:
        progress(f"using the policy server at {found.addresses[0]}")
        with found.connect(deadline_s) as policy:
            yield policy
        return
    make = partial(make_policy, config.policy)
    with serve_policy(make, config.serve, progress) as served, served.policy(deadline_s) as policy:
        yield policy


def configure_resumed(config: Config, folder: Path) -> Config:
    """The configuration that a run began with, but for where its folder is now."""
    started = Run.open(folder).events[0]
    began = Config.model_validate(started["config"])
    return began.model_copy(update={"runs": config.runs.model_copy(update={"folder": folder.parent, "video": began.runs.video})})


def disturbances_of(folder: Path) -> list[Any]:
    """What was scripted to go wrong in a recorded run."""
    return read_disturbances(Run.open(folder).events[0]["disturbances"])


def read_disturbances(written: Sequence[dict[str, Any]]) -> list[Any]:
    """Disturbances of the simulator from YAML or JSON."""
    from sim.disturb import Disturbance

    return TypeAdapter(list[Disturbance]).validate_python(list(written))


def replay_run(config: Config, folder: Path) -> Verdict:
    """Simulate a recorded run again in the world it began in."""
    began = configure_resumed(config, folder)
    return replay(folder, lambda: build_robot(began, disturbances_of(folder)))


def serve_until_interrupted(config: Config, progress: Progress) -> None:
    """Keep the policy of `config` served, where `saydo run` finds it, until Ctrl-C."""
    from agent.executor.running import announced
    from agent.executor.serve import serve_policy

    make = partial(make_policy, config.policy)
    with serve_policy(make, config.serve, progress, port=config.serve.port) as served, announced(served, config.policy.label):
        progress(f"policy '{config.policy.label}' at {served.front} ({', '.join(served.addresses())}); Ctrl-C ends it")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            progress("shutting down")


def about(config: Config, local: bool, disturbances: Sequence[Any]) -> dict[str, Any]:
    """What a run has to know of itself to be repeated."""
    return {
        "scene": config.robot.scene,
        "seed": config.robot.seed,
        "policy": config.policy.name,
        **({"weights": weights} if (weights := weights_of(config.policy)) else {}),
        "served": "in this process" if local else "Ray Serve",
        "disturbances": [d.model_dump(mode="json") for d in disturbances],
        "config": config.model_dump(mode="json"),
    }
