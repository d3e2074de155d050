"""Did it work? Evidence decides: the facts of the scene first, a model's look at the picture second, the executor's word never alone.

A false success is the worst error, because everything after it is built on it: where nothing can tell, the verdict says so openly.
"""

from collections.abc import Callable

from agent.errors import SaydoError
from agent.evidence import differences
from agent.planner.prompts import predicate_question
from agent.skills.skill import Skill
from agent.types import Outcome, Scene

Witness = Callable[[str], float | None]
"""Statement about the picture → probability that it is true; None if no one can tell."""
SURE = 0.9
"""A witness must be this sure of a success, and 1 − SURE of a failure."""


def judge(skill: Skill, before: Scene, after: Scene, outcome: Outcome, witness: Witness | None = None) -> Outcome:
    """The verdict on one step: the executor's outcome, corrected by what is seen afterwards.

    A "done" that the scene contradicts becomes "failed"; a failure whose goal holds all the same becomes "done". A stop stays a stop.
    """
    seen = differences(before, after)
    evidence = (*outcome.evidence, *(line for line in seen if line not in outcome.evidence))
    if outcome.status == "stopped":
        return outcome.model_copy(update={"evidence": evidence})
    try:
        achieved = skill.done(fresh(before, after))
    except SaydoError as error:
        achieved, evidence = None, (*evidence, f"the skill cannot tell: {error}")
    if achieved is None:
        return unjudged(skill, outcome, evidence, witness)
    nothing = () if seen else ("nothing moved",)
    if achieved:
        why = outcome.why if outcome.status == "done" else f"it is done all the same, although the robot reported: {outcome.why}"
        return outcome.model_copy(update={"status": "done", "why": why, "evidence": evidence})
    if outcome.status == "done":
        return outcome.model_copy(
            update={"status": "failed", "why": f"not seen to be done: {what_is(skill, after, seen)}", "evidence": (*evidence, *nothing)}
        )
    return outcome.model_copy(update={"evidence": (*evidence, *nothing)})


def fresh(before: Scene, after: Scene) -> Scene:
    """`after`, remembering only what happened in between."""
    return after.model_copy(update={"events": tuple(e for e in after.since(before.tick).events if e not in before.events)})


def what_is(skill: Skill, after: Scene, seen: tuple[str, ...]) -> str:
    """What is to be seen instead of the goal."""
    if seen:
        return "; ".join(seen[:3])
    return f"nothing moved, and the hand holds {after.holding or 'nothing'}"


def unjudged(skill: Skill, outcome: Outcome, evidence: tuple[str, ...], witness: Witness | None) -> Outcome:
    """The skill cannot tell: ask a model that sees the picture, else say that nobody judged."""
    sure = witness(predicate_question(skill.words)) if witness and outcome.status == "done" else None
    if sure is None:
        openly = f"not judged: '{skill.skill_name()}' cannot tell from the scene, so this is the executor's word alone"
        return outcome.model_copy(update={"evidence": (*evidence, openly)})
    line = f"a look at the picture says {sure:.0%} that it is done"
    if sure >= SURE:
        return outcome.model_copy(update={"evidence": (*evidence, line)})
    why = f"the picture does not show that it is done ({sure:.0%})"
    return outcome.model_copy(update={"status": "failed", "why": why, "evidence": (*evidence, line)})
