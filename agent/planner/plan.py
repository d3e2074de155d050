"""How far the wanted clauses have come, and what would bring them further: means-ends search through what skills say they need.

Nothing is remembered between two decisions: scene and history say it all, so a plan survives restarts, disturbances and corrections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import PrivateAttr

from agent.errors import SaydoError
from agent.planner.decision import Step
from agent.planner.language.clauses import Clause, Doubt, at_best, things_of
from agent.skills.library import Library
from agent.skills.skill import Skill
from agent.types import Fact, Scene

DEPTH = 8
PASSING = {"over"}
"""Facts that end with the next motion: pointing at a thing is done once it was done, as pressing a button is."""
UNDONE = 4
"""After a clause was achieved and came undone this often, the person is asked."""
STANDING = {
    "in", "on", "left of", "right of", "in front of", "behind", "next to", "touching", "clear", "over", "home", "moving",
    "open", "closed", "half open", "lit", "dark", "covered", "uncovered", "at", "at left", "at right", "up", "down",
    "upright", "standing", "lying",
}  # fmt: skip
"""Relations of a Scene that last; other facts a skill asks for are taken for events unless the Scene has such facts."""
MOVING = frozenset({"pick", "place", "stack"})
OPPOSED = ({"switch", "flip"}, {"cover", "uncover"}, {"slide", "cover"}, {"slide", "uncover"})
"""Skills that may undo each other whatever they are called with."""


class Listening(Scene):
    """A Scene that writes down which facts it is asked for, and whether what happened is looked through."""

    _asked: list[Fact] = PrivateAttr(default_factory=list)
    _recalled: bool = PrivateAttr(default=False)

    def has(self, relation: str, *things: str) -> bool:
        fact = (relation, *things)
        self._asked.append(fact)
        return fact in self.facts or any(told == fact for _, told in vars(self)["events"])

    def __getattribute__(self, name: str) -> Any:
        if name == "events":
            self._recalled = True
        return super().__getattribute__(name)


@dataclass(frozen=True)
class Plan:
    """What is settled and what could come next."""

    clauses: tuple[Clause, ...]
    settled: tuple[bool, ...]
    steps: tuple[tuple[Skill, int], ...]
    """Useful calls with the index of the clause each serves; the best first."""
    stuck: Doubt | None = None

    @property
    def complete(self) -> bool:
        return all(self.settled)

    @property
    def current(self) -> int | None:
        """The clause worked on: that of the best step, else the first that is not settled."""
        if self.steps:
            return self.steps[0][1]
        return next((i for i, done in enumerate(self.settled) if not done), None)

    def lines(self) -> tuple[str, ...]:
        """The clauses with ✓ settled, → now, · later."""
        marks = ["✓" if done else "→" if i == self.current else "·" for i, done in enumerate(self.settled)]
        return tuple(f"{mark} {clause.words}" for mark, clause in zip(marks, self.clauses, strict=True))


def make_plan(
    clauses: Sequence[Clause], scene: Scene, history: Sequence[Step], avoid: frozenset[str], library: Library, failed: dict[str, int]
) -> Plan:
    """failed: how often each call has failed of late; after two failures another way is looked for."""
    done = progress(clauses, scene, history)
    open_clauses = [i for i, settled in enumerate(done) if not settled]
    steps: list[tuple[Skill, int]] = []
    stuck: Doubt | None = None
    for i in open_clauses:
        achieved = count_done(clauses, history)[i]
        if achieved >= UNDONE + clauses[i].times:
            stuck = stuck or Doubt(
                "ask", f"'{clauses[i].words}' was done {achieved} times and came undone again.", ("try again", "skip it")
            )
            continue
        found = ways(clauses[i].call, scene, avoid, library, failed)
        if not found and i == open_clauses[0]:
            stuck = no_way(clauses[i], scene, avoid)
            break
        steps += [(call, i) for call in found[:1]]
    if stuck is None and len(steps) > 1:
        steps = hand_first(steps, clauses, scene)
    return Plan(tuple(clauses), tuple(done), () if stuck else tuple(unique(steps)), stuck)


def hand_first(steps: list[tuple[Skill, int]], clauses: Sequence[Clause], scene: Scene) -> list[tuple[Skill, int]]:
    """What is in the hand is put where it belongs before it is put down just to free the hand."""
    best, index = steps[0]
    if scene.holding is None or things_of(best)[:1] != (scene.holding,) or clauses[index].things[:1] == (scene.holding,):
        return steps
    own = [step for step in steps if clauses[step[1]].things[:1] == (scene.holding,)]
    return [*own, *(step for step in steps if step not in own)]


def unique(steps: list[tuple[Skill, int]]) -> list[tuple[Skill, int]]:
    seen: dict[str, tuple[Skill, int]] = {}
    for step in steps:
        seen.setdefault(step[0].subtask.key, step)
    return list(seen.values())


def progress(clauses: Sequence[Clause], scene: Scene, history: Sequence[Step]) -> list[bool]:
    """Which clauses are settled.

    A clause that a later one undoes (open … close) is settled once it was achieved; an event (press) once it happened often enough;
    every other must hold now, so that what a disturbance undoes is wanted again.
    """
    count = count_done(clauses, history)
    done = []
    for i, clause in enumerate(clauses):
        undoing = [j for j in range(i + 1, len(clauses)) if clash(clause, clauses[j], scene)]
        if lasting(clause, scene):
            now = holds(clause, scene)
            done.append(now or (bool(undoing) and (count[i] > 0 or any(count[j] for j in undoing))))
        else:
            done.append(count[i] >= clause.times)
    return done


def count_done(clauses: Sequence[Clause], history: Sequence[Step]) -> list[int]:
    """How often each clause was achieved by a step taken after it was said; a step counts for the first clause still short of it."""
    count = [0] * len(clauses)
    for step in history:
        if step.outcome.status != "done":
            continue
        same = [i for i, c in enumerate(clauses) if c.call.subtask.key == step.subtask.key and step.said > c.said]
        short = [i for i in same if count[i] < clauses[i].times]
        if same:
            count[(short or same)[0]] += 1
    return count


def holds(clause: Clause, scene: Scene) -> bool:
    """Is it true of the scene as it stands, whatever happened before?"""
    still = scene.model_copy(update={"events": ()})
    if clause.goal:
        return still.has(*clause.goal)
    return bool(clause.call.done(still))


def lasting(clause: Clause, scene: Scene) -> bool:
    """Does it leave something that can be seen? False for events, and for skills that cannot tell."""
    if clause.goal:
        return True
    listening = Listening(**dict(at_best(scene, None)))
    if clause.call.done(listening) is None:
        return False
    known = STANDING | {fact[0] for fact in scene.facts}
    return not listening._recalled and all(fact[0] in known - PASSING for fact in listening._asked)


def asked(call: Skill, scene: Scene) -> frozenset[Fact]:
    """The facts that decide whether a call is done."""
    listening = Listening(**{**dict(at_best(scene, None)), "facts": (), "events": ()})
    try:
        call.done(listening)
    except SaydoError:
        return frozenset()
    return frozenset(listening._asked)


def clash(earlier: Clause, later: Clause, scene: Scene) -> bool:
    """Does bringing about `later` undo `earlier`?"""
    one, two = earlier.call, later.call
    if earlier.goal or later.goal:
        if earlier.goal and later.goal:
            return earlier.goal[1] == later.goal[1] and earlier.goal != later.goal
        return one.subtask.key == two.subtask.key and earlier.goal is not None
    if one.subtask.key == two.subtask.key:
        return False
    names = {one.skill_name(), two.skill_name()}
    if names <= {"open", "close", "open_half"}:
        return one.args == two.args
    if names in OPPOSED or (len(names) == 1 and not names & MOVING and one.args.get("thing", "") == two.args.get("thing")):
        return True
    if one.skill_name() == "home":
        return True
    moved = later.things[:1] if two.skill_name() in MOVING else ()
    if one.skill_name() in MOVING and moved and moved[0] in earlier.things:
        return True
    if one.skill_name() == "pick":
        return not possible_with(two, earlier.things[0], scene)
    into = one.args.get("relation") == "in" and later.things[1:2] == earlier.things[:1]
    return into and two.args.get("relation", "on") != "in"


def possible_with(call: Skill, held: str, scene: Scene) -> bool:
    try:
        return call.can(at_best(scene, held))
    except SaydoError:
        return False


def ways(call: Skill, scene: Scene, avoid: frozenset[str], library: Library, failed: dict[str, int]) -> list[Skill]:
    """First steps towards a call, the best first. Where the best has failed, the arm goes home before, to begin from elsewhere: a policy
    that did not know on would come to the same place again. Where it has failed twice, another way comes before it, if there is one: a
    call that brings two things into the same relation. Nothing else has another way."""
    best = first_steps(call, scene, avoid)
    tries = failed.get(best[0].subtask.key, 0) if best else 0
    if tries == 0:
        return best
    away = [] if (home := library.skills.get("home")) is None or failed.get(home().subtask.key) else first_steps(home(), scene, avoid)
    if tries == 1:
        return [*away, *best]
    facts = frozenset(fact for fact in asked(call, scene) if fact[0] in STANDING and len(fact) == 3)
    other = [c for c in library.calls(scene) if facts and c.subtask.key != call.subtask.key and asked(c, scene) >= facts]
    found = [step for c in other for step in first_steps(c, scene, avoid)]
    fresh = [step for step in found if failed.get(step.subtask.key, 0) < failed[best[0].subtask.key]]
    return [*fresh, *away, *best]


def first_steps(call: Skill, scene: Scene, avoid: frozenset[str], depth: int = DEPTH, above: frozenset[str] = frozenset()) -> list[Skill]:
    """The call itself if it can be tried now, else the first step towards what it needs (bounded depth, no circles)."""
    key = call.subtask.key
    if key in above or depth == 0 or avoid & {*things_of(call), key}:
        return []
    if call.can(scene):
        return [call]
    for need in call.needs(scene):
        if steps := first_steps(need, scene, avoid, depth - 1, above | {key}):
            return steps
    return []


def no_way(clause: Clause, scene: Scene, avoid: frozenset[str]) -> Doubt:
    """Why a wanted clause cannot be worked on."""
    words = clause.call.words
    if avoid and (first_steps(clause.call, scene, frozenset())):
        kept = ", ".join(name for name in sorted(avoid) if "(" not in name) or "a step you ruled out"
        return Doubt("ask", f"To {words} I would have to do what you told me not to ({kept}). What shall I do?", ("skip it",))
    doc = " ".join((type(clause.call).__doc__ or "").split())
    return Doubt("ask", f"I cannot {words} as things stand. {doc} What shall I do?", ("skip it",))


def recent_failures(history: Sequence[Step]) -> dict[str, int]:
    """How often each call has failed since it last succeeded and since the person last spoke; every third failure starts afresh,
    because the person was asked then."""
    count: dict[str, int] = {}
    for step in history:
        key = step.subtask.key
        if not step.said or step.outcome.status == "done" or step.said != history[-1].said:
            count.pop(key, None)
        elif step.outcome.status in ("failed", "timed_out"):
            count[key] = count.get(key, 0) + 1
    return {key: failures % 3 for key, failures in count.items()}


def explain(call: Skill, scene: Scene, clause: Clause) -> str:
    """What a step is for: "it is what was asked for", or the clause it makes possible."""
    if call.subtask.key == clause.call.subtask.key:
        return "that is what you asked for" if clause.goal is None else f"the {clause.goal[1]} is not {clause.goal[0]} yet"
    return f"it has to come before I can {clause.call.words}"
