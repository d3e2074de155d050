"""What every scorer is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Protocol

from agent.planner.decision import Kind, Request
from agent.planner.language.reading import Understanding
from agent.planner.plan import Plan
from agent.skills.skill import Skill


@dataclass(frozen=True)
class Candidate:
    """One thing that could be done next."""

    kind: Kind
    words: str
    call: Skill | None = None


@dataclass(frozen=True)
class Choice:
    """One choice to be made."""

    request: Request
    candidates: tuple[Candidate, ...]
    understood: Understanding
    """The embedded reading of the words; scorers that use a model may do without it."""
    plan: Plan


@dataclass(frozen=True)
class Say:
    """log p(option | words, history, scene) for each candidate, summing to 1 as probabilities."""

    logs: tuple[float, ...]
    source: str
    coverage: float = 1.0
    """Probability that fell on the options before they were made to sum to 1."""
    note: str = ""
    """What a person should know about these numbers."""


class Scorer(Protocol):
    """The *say* of SayCan."""

    def score(self, choice: Choice) -> Say:
        """Raises ModelServerError if a model server was asked and did not answer."""
        ...


def softmax(values: Sequence[float]) -> list[float]:
    """Probabilities from log weights; sums to 1."""
    most = max(values)
    weights = [exp(value - most) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def logs(probabilities: Sequence[float], least: float = 1e-6) -> tuple[float, ...]:
    """Log probabilities of weights that need not sum to 1; none below log(least)."""
    total = sum(probabilities)
    return tuple(log(max(least, p / total)) for p in probabilities)


def shortlist(choice: Choice, most: int) -> list[int]:
    """Positions of at most `most` candidates. Never left out: done, ask and none; what the embedded reading finds useful; what the person
    named; other ways of doing what failed last. The rest by how many of the person's words they share."""
    if len(choice.candidates) <= most:
        return list(range(len(choice.candidates)))
    useful = {step.subtask.key for step, _ in choice.plan.steps}
    said = set(" ".join(choice.request.words).lower().replace(",", " ").replace(".", " ").split())
    last = choice.request.history[-1] if choice.request.history else None
    failed = set(last.subtask.args.values()) if last and last.outcome.status in ("failed", "timed_out") else set()

    def value(i: int) -> tuple[float, int]:
        candidate = choice.candidates[i]
        if candidate.call is None:
            return (1000.0, -i)
        things = set(candidate.call.args.values())
        named = len(said & set(candidate.words.split())) + 2.0 * sum(thing in " ".join(choice.request.words).lower() for thing in things)
        return (100.0 * (candidate.call.subtask.key in useful) + 10.0 * bool(failed and things & failed) + named, -i)

    return sorted(sorted(range(len(choice.candidates)), key=value, reverse=True)[:most])


def spread(scored: Sequence[float], kept: Sequence[int], total: int) -> tuple[float, ...]:
    """Log-probabilities of a shortlist laid over all candidates; what was left out gets a hundredth of the least that was listed."""
    out = [min(scored) + log(0.01)] * total
    for i, value in zip(kept, scored, strict=True):
        out[i] = value
    return tuple(out)
