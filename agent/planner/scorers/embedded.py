"""The scorer that ships: reads English by the skills' own sentences. No key, no network, no model, and it says so."""

from agent.planner.language.clauses import things_of
from agent.planner.plan import first_steps
from agent.planner.scorers.scorer import Candidate, Choice, Say, logs, softmax
from agent.skills.skill import Skill

NEXT, LOOSE, GUESS, LATER, MENTIONED, OTHER, UNDOING = 0.0, -1.6, -2.5, -3.0, -5.0, -6.0, -8.0
ENDING = -4.5
"""done, ask and none, where they are not what comes next."""


class EmbeddedScorer:
    """Log weights by role: the next useful step, steps that could come first as well, what the words speak of, and the rest."""

    def score(self, choice: Choice) -> Say:
        weights = [self.weight(candidate, choice) for candidate in choice.candidates]
        return Say(logs(softmax(weights)), "embedded")

    def weight(self, candidate: Candidate, choice: Choice) -> float:
        doubt = choice.understood.doubt or choice.plan.stuck
        complete = choice.plan.complete and not doubt
        if candidate.kind == "done":
            return NEXT if complete else ENDING - 1
        if candidate.kind in ("ask", "none"):
            return NEXT if doubt and doubt.kind == candidate.kind else ENDING
        call = candidate.call
        assert call is not None
        key, plan = call.subtask.key, choice.plan
        for place, (step, index) in enumerate(plan.steps):
            if step.subtask.key == key:
                first = place == 0 and not doubt
                loose = all(clause.loose for clause in plan.clauses[plan.steps[0][1] + 1 : index + 1])
                return NEXT if first else LOOSE if loose else LATER
        if doubt and key in {step.subtask.key for guess in doubt.guess for step in steps_towards(guess, choice)}:
            return GUESS
        settled = {name for clause, done in zip(plan.clauses, plan.settled, strict=True) if done for name in clause.things[:1]}
        wanted = {name for clause, done in zip(plan.clauses, plan.settled, strict=True) if not done for name in clause.things}
        things = set(things_of(call))
        if things & settled - wanted:
            return UNDOING
        return MENTIONED - 0.5 * (not things <= wanted) if things & wanted else OTHER


def steps_towards(guess: Skill, choice: Choice) -> list[Skill]:
    return first_steps(guess, choice.request.scene, choice.understood.avoid)
