"""The choice: mask × say × can (after SayCan, Ahn et al. 2022, with four repairs: same-thing calls are never offered, `done` is judged
rather than given a constant, failures count, and the robot may ask or decline).

score = softmax(log say + w · log can). *say*: how useful a scorer finds an option, given words, history and scene. *can*: the skill's hard
rule, times what memory knows of its success, times what failed a moment ago.
"""

import time
from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING

from agent.config import PlannerConfig
from agent.errors import SaydoError
from agent.planner.decision import Decision, Kind, Option, Request, Said, Step
from agent.planner.judge import Witness
from agent.planner.language.clauses import Doubt, things_of
from agent.planner.language.lexicon import listed
from agent.planner.language.reading import Reader, Understanding
from agent.planner.memory import LEAST, Memory
from agent.planner.plan import Plan, explain, holds, lasting, make_plan, recent_failures
from agent.planner.scorers.embedded import EmbeddedScorer
from agent.planner.scorers.scorer import Candidate, Choice, Say, Scorer, softmax
from agent.skills.library import Library
from agent.types import Scene, clip_text

if TYPE_CHECKING:
    from agent.planner.server import LadderScorer

AGAIN = {0: 1.0, 1: 0.7, 2: 0.4}
"""*can* of a call that has just failed so often, times what it was."""
NOT_SEEN = 0.05
REVERSIBLE = {"open", "close", "home", "pick"}
"""Calls that people ask for on the way to something else: that they were undone later needs no word."""
"""*can* of `done` where the goal, as the embedded reader understands it, is not seen to hold. Not 0: a model may read better."""
WORDS: dict[Kind, str] = {"done": "done", "ask": "ask the person", "none": "none of these"}


class Planner:
    """Chooses the next step. One per agent: it remembers what phrases stood for when they were said."""

    def __init__(self, library: Library, config: PlannerConfig, memory: Memory) -> None:
        self.library, self.config, self.memory = library, config, memory
        self.reader = Reader(library)
        self.scorer: Scorer = EmbeddedScorer()
        self.server: LadderScorer | None = None
        if config.model is not None:
            from agent.planner import server  # imports openai, which takes a second

            self.scorer = self.server = server.LadderScorer(config)

    def decide(self, request: Request) -> Decision:
        """The next step, with its alternatives. Raises ModelServerError if a configured model server does not answer."""
        start = time.perf_counter()
        understood = self.reader.read(request)
        failed = recent_failures(request.history)
        plan = make_plan(understood.clauses, request.scene, request.history, understood.avoid, self.library, failed)
        candidates = self.candidates(request.scene, understood.avoid)
        choice = Choice(request, candidates, understood, plan)
        say = self.scorer.score(choice)
        options = self.options(choice, say, failed)
        return self.decision(choice, say, options, (time.perf_counter() - start) * 1000)

    def close(self) -> None:
        """Let go of the connection to the model server, if there is one."""
        if self.server is not None:
            self.server.close()

    def witness(self, picture: bytes) -> Witness | None:
        """For the judge: asks the model server about a picture taken after a step. None without a server."""
        server = self.server
        return None if server is None else lambda statement: server.look(statement, picture)

    def candidates(self, scene: Scene, avoid: frozenset[str]) -> tuple[Candidate, ...]:
        """What could be tried now, and the three answers that are always there."""
        calls = [call for call in self.library.calls(scene) if not avoid & {*things_of(call), call.subtask.key} and possible(call, scene)]
        skills = [Candidate("skill", call.words, call) for call in calls]
        return (*skills, *(Candidate(kind, words) for kind, words in WORDS.items()))

    def options(self, choice: Choice, say: Say, failed: dict[str, int]) -> tuple[Option, ...]:
        """All candidates with say, can and score, best first."""
        cans = [self.can(candidate, choice, failed) for candidate in choice.candidates]
        scores = softmax([logp + self.config.can_weight * log(can) for logp, can in zip(say.logs, cans, strict=True)])
        says = softmax(say.logs)
        options = [
            Option(kind=c.kind, words=c.words, subtask=c.call.subtask if c.call else None, say=s, can=can, score=score)
            for c, s, can, score in zip(choice.candidates, says, cans, scores, strict=True)
        ]
        return tuple(sorted(options, key=lambda option: -option.score))

    def can(self, candidate: Candidate, choice: Choice, failed: dict[str, int]) -> float:
        """How likely an option is to succeed if it is tried now, in [0.02, 1]."""
        doubt = choice.understood.doubt or choice.plan.stuck
        if candidate.call is not None:
            learned = self.memory.can(candidate.call, choice.request.scene)
            return max(LEAST, learned * AGAIN[failed.get(candidate.call.subtask.key, 0)])
        if candidate.kind == "done":
            return goal_reached(choice.understood, choice.plan, choice.request.history)
        if doubt and doubt.kind == candidate.kind:
            return 1.0
        return 0.3

    def decision(self, choice: Choice, say: Say, options: tuple[Option, ...], ms: float) -> Decision:
        chosen, runner_up = options[0], options[1] if len(options) > 1 else None
        doubt = choice.understood.doubt or choice.plan.stuck
        question: str | None = None
        answers: tuple[str, ...] = ()
        if say.source != "embedded" and self.torn(choice, chosen, runner_up):
            doubt = which_one(options[:2])
            runner_up, chosen = chosen, next(option for option in options if option.kind == "ask")
        if chosen.kind in ("ask", "none"):
            question = doubt.question if doubt else "I am not sure what to do next. What shall I do?"
            answers = doubt.choices if doubt else tuple(option.words for option in options if option.kind == "skill")[:4]
        return Decision(
            options=options, chosen=chosen, runner_up=runner_up, why=why(choice, chosen, runner_up, doubt), score_source=say.source,
            coverage=say.coverage, question=question, choices=answers, plan=choice.plan.lines(), ms=ms,
        )  # fmt: skip

    def torn(self, choice: Choice, best: Option, second: Option | None) -> bool:
        """Are the best two the same skill with different things, too close to tell, and not just two steps of one plan?"""
        if second is None or best.subtask is None or second.subtask is None or best.subtask.skill != second.subtask.skill:
            return False
        useful = {call.subtask.key for call, _ in choice.plan.steps}
        return best.score - second.score < self.config.ask_margin and not {best.subtask.key, second.subtask.key} & useful


def which_one(options: Sequence[Option]) -> Doubt:
    words = [option.words for option in options]
    return Doubt("ask", f"Do you mean '{words[0]}' or '{words[1]}'?", tuple(words))


def possible(call: object, scene: Scene) -> bool:
    """The hard rule; a skill that trips over a thing that is not there cannot be done."""
    try:
        return bool(call.can(scene))  # type: ignore[attr-defined]
    except SaydoError:
        return False


def goal_reached(understood: Understanding, plan: Plan, history: Sequence[Step]) -> float:
    """*can* of `done`: is what was asked for seen to hold? Where the words were not understood, only a last success speaks for it."""
    if understood.doubt or plan.stuck:
        return 0.5 if history and history[-1].outcome.status == "done" else 0.1
    return 1.0 if plan.complete else NOT_SEEN


def why(choice: Choice, chosen: Option, runner_up: Option | None, doubt: Doubt | None) -> str:
    """Why this, and why the runner-up lost."""
    if chosen.kind == "done":
        return finished(choice)
    if chosen.kind in ("ask", "none"):
        return clip_text(doubt.question, 400) if doubt else "No option is clearly better than asking."
    reason = next(
        (explain(call, choice.request.scene, choice.plan.clauses[i]) for call, i in choice.plan.steps if call.subtask == chosen.subtask),
        "it scores best",
    )
    return f"{chosen.words.capitalize()}: {reason}{lost(chosen, runner_up)}."


def finished(choice: Choice) -> str:
    if choice.understood.over:
        return f"There is nothing left to do: {choice.understood.over}."
    said = listed([clause.words for clause in choice.plan.clauses])
    already = "" if any(step.said for step in choice.request.history) else " It was so before I moved."
    scene = choice.request.scene
    undone = [c.words for c in choice.plan.clauses if lasting(c, scene) and not holds(c, scene) and c.call.skill_name() not in REVERSIBLE]
    later = f" But a later step has undone: {listed(undone)}." if undone else ""
    return f"Everything you asked for is settled: {said}.{already}{later}" if said else "There is nothing left to do."


def lost(chosen: Option, runner_up: Option | None) -> str:
    """The clause about the runner-up: was it less useful, or less likely to work?"""
    if runner_up is None:
        return ""
    useful, able = log(chosen.say / max(runner_up.say, 1e-9)), log(chosen.can / runner_up.can)
    if able > useful:
        return f"; '{runner_up.words}' is less likely to work now (can {runner_up.can:.2f} against {chosen.can:.2f})"
    return f"; '{runner_up.words}' is less useful now (say {runner_up.say:.2f} against {chosen.say:.2f})"


__all__ = ["Decision", "Option", "Planner", "Request", "Said", "Step"]
