"""The only place that builds: Config → Agent. Everything else is handed what it needs."""

import importlib
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from agent.config import Config
from agent.errors import ConfigError, RecordError, SaydoError
from agent.executor.executor import Executor, check_match
from agent.executor.record import Recorder, Run
from agent.executor.safety import Guard
from agent.graph import Context, State, build_graph
from agent.mailbox import Mailbox, is_go_on
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import Library, gather
from agent.types import Frozen, Outcome, Policy, Robot, Scene, Subtask

Progress = Callable[[str], None]
Watch = Callable[[dict[str, Any]], None]
RunStatus = Literal["done", "failed", "declined", "stopped", "asked"]
STORED = ("agent.types.Scene", "agent.types.Outcome", "agent.planner.saycan.Decision", "agent.planner.saycan.Step")


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

    def __init__(self, context: Context, run: Run, robot: Recorder, checkpointer: SqliteSaver, watch: Watch) -> None:
        self.context, self.record, self.robot, self.watch = context, run, robot, watch
        self.mailbox = context.mailbox
        self.graph = build_graph().compile(checkpointer=checkpointer)
        self.thread: Any = {"configurable": {"thread_id": run.id}, "recursion_limit": 10_000}
        self.decisions: list[dict[str, Any]] = []
        self.result: Result | None = None

    def emit(self, kind: str, **fields: Any) -> None:
        """Write one event to the record, then show it to who watches."""
        self.record.write(kind, **fields)
        if kind == "decision":
            self.decisions.append(fields)
        self.watch({"kind": kind, **fields})

    def tell(self, words: str) -> Result:
        """Say something to the robot and wait until it is done, asks, or stands still. Speak to `mailbox` to interrupt."""
        before = self.result
        if before is not None and before.status == "asked":
            return self._go(Command(resume=words))
        self.emit("said", by="person", words=words)
        if before is not None and before.status == "stopped":
            said = self.graph.get_state(self.thread).values["said"]
            return self._go({"said": said if is_go_on(words) else [*said, words], "decisions": 0})
        return self._go({"said": [words], "history": [], "decisions": 0})

    def resume(self) -> Result:
        """Go on with a run that was cut off, from its last finished subtask, having looked first."""
        state = self.graph.get_state(self.thread)
        if not state.values:
            raise RecordError(f"Run {self.record.id} was cut off before it heard a word. Start it anew with `saydo run`.")
        if not state.next:
            raise RecordError(f"Run {self.record.id} is finished: {state.values.get('status')}: {state.values.get('why')}. Nothing to resume.")
        self.emit("resumed", said=state.values["said"], steps=len(state.values["history"]))
        self.graph.update_state(self.thread, {"status": None}, as_node="__start__")
        return self._go(None)

    def _go(self, given: Any) -> Result:
        start, first = time.monotonic(), len(self.decisions)
        try:
            state = self.graph.invoke(given, self.thread, context=self.context, durability="sync")
        except BaseException as error:
            self.robot.stop()
            if not isinstance(error, RecordError):
                self.emit("broken", why=f"{type(error).__name__}: {error}")
            raise
        asked = state.get("__interrupt__")
        question = asked[0].value if asked else {"question": None, "choices": []}
        scene = self.robot.observe(cameras=()).scene
        assert scene is not None
        self.result = Result(
            run=self.record.id,
            status="asked" if asked else state["status"],
            why=question["question"] if asked else state["why"],
            question=question["question"],
            choices=tuple(question["choices"]),
            subtasks=tuple(Attempted(subtask=step.subtask, outcome=step.outcome) for step in state["history"]),
            decisions=tuple(self.decisions[first:]),
            timings={"wall_s": round(time.monotonic() - start, 3), "robot_s": round(scene.tick / self.robot.spec.rate_hz, 3)},
            scene=scene,
            folder=self.record.folder,
        )
        self.emit("finished", tick=scene.tick, status=self.result.status, why=self.result.why, scene=scene.model_dump(mode="json"))
        return self.result


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
        run = Run.open(resume) if resume else Run.create(config.runs.folder, words, about(config, local, words, disturbances))
        stack.callback(run.close)
        progress("building the world")
        body = build_robot(config, disturbances)
        stack.callback(getattr(body, "close", lambda: None))
        if resume:
            run.load_world(body)
        mailbox = Mailbox()
        policy = stack.enter_context(open_policy(config, local, progress))
        check_match(body.spec, policy.spec)
        recorder = Recorder(wrap(body, mailbox), run, video=config.runs.video)
        stack.callback(recorder.close)
        connection = sqlite3.connect(run.folder / "state.sqlite", check_same_thread=False)
        stack.callback(connection.close)
        memory = Memory(config.runs.folder / "memory.json")
        planner = Planner(library, config.planner, memory)
        stack.callback(planner.close)
        agent: Agent

        def emit(kind: str, **fields: Any) -> None:
            agent.emit(kind, **fields)

        guard = Guard(recorder, config.guard, emit)
        executor = Executor(guard, policy, config.executor, emit)
        stack.callback(executor.close)
        context = Context(
            robot=guard,
            library=library,
            planner=planner,
            memory=memory,
            executor=executor,
            mailbox=mailbox,
            max_decisions=config.planner.max_decisions,
            emit=emit,
            remember_world=lambda: run.save_world(body),
        )
        agent = Agent(context, run, recorder, checkpointer(connection), watch)
        yield agent


def checkpointer(connection: sqlite3.Connection) -> SqliteSaver:
    allowed = [tuple(name.rsplit(".", 1)) for name in STORED]
    return SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=allowed))


def build_robot(config: Config, disturbances: Sequence[Any] = ()) -> Robot:
    """The simulated Panda, or the user's own robot."""
    if config.robot.name == "sim":
        from sim.robot import SimRobot

        return SimRobot(config.robot.scene, seed=config.robot.seed, pace=config.robot.pace, disturbances=disturbances)
    if disturbances:
        raise ConfigError(f"Disturbances are for the simulator; robot '{config.robot.name}' is not one.")
    return named_class(config.robot.name, "robot.name")()


def build_policy(config: Config) -> Policy:
    """The policy itself, in whatever process this is called."""
    if config.policy.name == "oracle":
        from sim.oracle import Oracle

        return Oracle()
    return named_class(config.policy.name, "policy.name")(**({"checkpoint": config.policy.checkpoint} if config.policy.checkpoint else {}))


@contextmanager
def open_policy(config: Config, local: bool, progress: Progress) -> Iterator[Policy]:
    """The policy in this process, or behind Ray Serve; a server that already runs for the same policy is used as it is."""
    if local:
        progress("loading the policy")
        yield build_policy(config)
        return
    from agent.executor.serve import RemotePolicy, running_server, serve_policy

    if found := running_server(config.policy.name):
        progress(f"using the policy server at {found.address}")
        policy = RemotePolicy(found.address, deadline_s=config.executor.chunk_deadline_s)
        yield policy
        policy.close()
        return
    with serve_policy(build_policy, config, progress) as served:
        policy = RemotePolicy(served.address, deadline_s=config.executor.chunk_deadline_s, resolve=served.resolve)
        yield policy
        policy.close()


def named_class(name: str, key: str) -> Any:
    """`module:Class` → the class, or a ConfigError that says what was tried."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ConfigError(f"{key}: '{name}' is neither built in (robot: sim; policy: oracle) nor of the form module:Class.")
    sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key}: cannot load '{name}': {error}.") from error


def about(config: Config, local: bool, words: str, disturbances: Sequence[Any]) -> dict[str, Any]:
    """What a run has to know of itself to be repeated."""
    packages = ("saydo", "pybullet", "numpy", "ray", "langgraph", "openai", "torch", "transformers", "pydantic")
    return {
        "words": words,
        "scene": config.robot.scene,
        "seed": config.robot.seed,
        "policy": config.policy.name,
        "served": "in this process" if local else "Ray Serve",
        "disturbances": [d.model_dump(mode="json") for d in disturbances],
        "config": config.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
    }


__all__ = ["Agent", "Result", "SaydoError", "Watch", "build_policy", "build_robot", "open_agent"]
