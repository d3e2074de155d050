"""The agent on one screen: look → choose → act → judge → (look | ask).

What flows is the State: words, facts and verdicts, checkpointed in SQLite after every node, so that a killed process resumes. What is
lent is the Context: the live robot, the planner, the executor, the record. Three rules keep motion safe under a graph that may re-run
its nodes: `act` never interrupts; `ask`, which does, never moves the robot; `act` is never retried, it always follows a fresh look.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from agent.errors import RobotError
from agent.executor.executor import Executor
from agent.mailbox import Mailbox, is_go_on, is_question, is_stop
from agent.planner.decision import Decision, Request, Step
from agent.planner.judge import judge as judge_step
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import Library
from agent.types import Outcome, Robot, Scene

Ending = Literal["done", "failed", "declined", "stopped", "answered"]
UNCONFIRMED = "BUT THE ROBOT COULD NOT BE CONFIRMED TO STAND STILL: use its emergency stop."
TRIES = 3
"""After so many failures of one and the same call the person is asked."""
ROUNDS, ENDLESS = 4, 12
"""So often may two calls follow each other, or one follow itself, before that counts as going in circles."""


class State(TypedDict, total=False):
    """What is known, said and decided so far."""

    said: list[str]
    """The person's sentences in force: the instruction, then corrections and answers."""
    scene: Scene
    decision: Decision
    decisions: int
    outcome: Outcome
    began: int
    """Tick at which the current subtask began."""
    history: list[Step]
    status: Ending | None
    why: str


@dataclass
class Context:
    """What is lent to the nodes and never stored."""

    robot: Robot
    library: Library
    planner: Planner
    memory: Memory
    executor: Executor
    mailbox: Mailbox
    max_decisions: int
    emit: Callable[..., None]
    """emit(kind, **fields): tells the record and everyone who watches."""
    remember_world: Callable[[], object] = lambda: None
    """Saves the simulated world, so that a killed run can go on from here."""


def look(state: State, runtime: Runtime[Context]) -> Command[Literal["choose", "__end__"]]:
    """Sense the scene and hear what was said meanwhile."""
    context = runtime.context
    heard = context.mailbox.take()
    for words in heard:
        context.emit("said", by="person", words=words)
    if any(is_stop(words) for words in heard):
        return stand_still(context, "the person said so")
    scene = seen(context.robot)
    for words in filter(is_question, heard):
        answer = context.planner.decide(Request(words=(words,), scene=scene, history=tuple(state["history"])))
        context.emit("said", by="robot", words=answer.question or answer.why)
    said = [*state["said"], *(words for words in heard if words.strip() and not is_go_on(words) and not is_question(words))]
    context.emit("looked", tick=scene.tick, scene=scene.model_dump(mode="json"))
    return Command(goto="choose", update={"said": said, "scene": scene, "status": None, "why": ""})


def choose(state: State, runtime: Runtime[Context]) -> Command[Literal["act", "ask", "__end__"]]:
    """Say × can: pick the next subtask, or finish, or find that the person has to be asked."""
    context = runtime.context
    made = state.get("decisions", 0) + 1
    if made > context.max_decisions:
        return end(context, "failed", f"gave up after {context.max_decisions} decisions (planner.max_decisions in config.yaml)")
    decision = context.planner.decide(Request(words=tuple(state["said"]), scene=state["scene"], history=tuple(state["history"])))
    context.emit("decision", tick=state["scene"].tick, number=made, **decision.model_dump(mode="json"))
    update: Any = {"decision": decision, "decisions": made}
    match decision.chosen.kind:
        case "skill":
            return Command(goto="act", update=update)
        case "ask":
            return Command(goto="ask", update=update)
        case "done":
            return end(context, "done", decision.why, update)
        case _:
            ending: Ending = "answered" if state["said"] and is_question(state["said"][-1]) else "declined"
            return end(context, ending, decision.question or decision.why, update)


def act(state: State, runtime: Runtime[Context]) -> Command[Literal["judge"]]:
    """Carry out the chosen subtask, closed loop, until done, failed, out of time or interrupted by a word of the person."""
    context = runtime.context
    subtask = state["decision"].chosen.subtask
    assert subtask is not None, "a decision of kind 'skill' carries a subtask"
    ident = {"plan": len(state["said"]), "step": len(state["history"]) + 1, "attempt": failures(state["history"], subtask.key) + 1}
    context.emit("subtask_started", tick=state["scene"].tick, subtask=subtask.model_dump(mode="json"), **ident)
    skill = context.library.bind(subtask)
    outcome = context.executor.run(skill, stop=context.mailbox.waiting, ident=ident)
    return Command(goto="judge", update={"outcome": outcome, "began": state["scene"].tick})


def judge(state: State, runtime: Runtime[Context]) -> Command[Literal["look", "ask", "__end__"]]:
    """Decide by evidence what came of it, remember it, and find out whether to go on."""
    context = runtime.context
    subtask = state["decision"].chosen.subtask
    assert subtask is not None
    skill = context.library.bind(subtask)
    after = seen(context.robot)
    outcome = judge_step(skill, state["scene"], after, state["outcome"])
    step = Step(subtask=subtask, outcome=outcome, since=state["began"], said=len(state["said"]))
    history = [*state["history"], step]
    context.memory.learn(skill, state["scene"], outcome)
    context.remember_world()
    context.emit("outcome", tick=after.tick, step=len(history), subtask=subtask.model_dump(mode="json"), **outcome.model_dump(mode="json"))
    if not outcome.confirmed:
        return end(context, "failed", f"{outcome.why}. {UNCONFIRMED}", {"history": history})
    tries = failures(history, subtask.key)
    if outcome.status in ("failed", "timed_out") and tries and tries % TRIES == 0:
        return Command(goto="ask", update={"history": history, "why": f"I tried {tries} times to {subtask.words}: {outcome.why}."})
    if circling(history):
        again = dict.fromkeys([history[-2].subtask.words, subtask.words])
        why = f"I did this again and again and get no further: {', '.join(again)}."
        return Command(goto="ask", update={"history": history, "why": why})
    return Command(goto="look", update={"history": history})


def ask(state: State, runtime: Runtime[Context]) -> Command[Literal["look", "__end__"]]:
    """Put a question to the person and wait. This node is run again from its top when the answer comes: it must not move anything."""
    context = runtime.context
    decision = state["decision"]
    trouble = state.get("why") or ""
    question = f"{trouble} What shall I do?" if trouble else decision.question or decision.why
    choices = ["try again", "stop"] if trouble else list(decision.choices)
    answer = str(interrupt({"question": question, "choices": choices}))
    context.emit("answered", question=question, words=answer)
    if is_stop(answer):
        return stand_still(context, "the person said so")
    said = state["said"]
    if plainly_again(answer) or not answer.strip():
        unclear = not trouble and len(said) > 1
        return Command(goto="look", update={"said": said[:-1] if unclear else said, "why": ""})
    return Command(goto="look", update={"said": [*said, answer], "why": ""})


def build_graph() -> StateGraph[State, Context, State, State]:
    """The wiring; each node names where it may go, so the picture draws itself."""
    graph = StateGraph(State, context_schema=Context)
    for node in (look, choose, act, judge, ask):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "look")
    return graph


def seen(robot: Robot) -> Scene:
    scene = robot.observe(cameras=()).scene
    if scene is None:
        raise RobotError(
            f"Robot '{robot.spec.name}' observes no scene, so there is nothing to plan with: let its observe() fill Observation.scene "
            f"with the things it knows of and their facts (agent/types.py says which)."
        )
    return scene


def failures(history: list[Step], key: str) -> int:
    """How often this very call has failed since the person last spoke or it last succeeded."""
    count = 0
    for step in reversed(history):
        if step.subtask.key == key:
            if step.outcome.status == "done" or step.said != history[-1].said:
                break
            count += step.outcome.status in ("failed", "timed_out")
    return count


def circling(history: list[Step]) -> bool:
    """Are two calls undoing each other again and again, or is one repeated without end, with nothing new said? Successes count: a
    robot can thrash without failing."""
    keys = [step.subtask.key for step in history if step.said == history[-1].said]
    recent, long = keys[-2 * ROUNDS :], keys[-ENDLESS:]
    back_and_forth = len(recent) == 2 * ROUNDS and len(set(recent[::2])) == len(set(recent[1::2])) == 1 and recent[0] != recent[1]
    return back_and_forth or (len(long) == ENDLESS and len(set(long)) == 1)


def plainly_again(answer: str) -> bool:
    return answer.strip().lower() in ("try again", "again", "retry") or is_go_on(answer)


def end(context: Context, status: Ending, why: str, update: Any = None) -> Command[Any]:
    return Command(goto=END, update={**(update or {}), "status": status, "why": why})


def stand_still(context: Context, why: str) -> Command[Any]:
    """Stop and say truthfully whether the robot is known to stand still."""
    confirmed = context.robot.stop()
    text = why if confirmed else f"{why}. {UNCONFIRMED}"
    context.emit("stopped", confirmed=confirmed, why=text)
    return end(context, "stopped", text)
