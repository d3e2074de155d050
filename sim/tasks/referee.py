"""The success rule, the same for every task.

A task is done when its goal holds for 0.5 s on end, with every loose thing slower than 2 cm/s, the gripper touching nothing (except where
the thing is to be in the hand), nothing fallen off the table, and nothing else moved by more than 3 cm. The first instant at which the
goal holds is noted too, since other benchmarks count that as success.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import dist

from agent.types import Scene
from sim import loose
from sim.robot import SimRobot
from sim.tasks.task import Task

HOLD_TICKS = 10
STRAY_M = 0.03
FALLEN_M = -0.03
WATCHED = (*loose.HELD, "bowl", "drawer", "lid", "lever")
"""Kinds of things that stay where they are unless the task is about them; of those with a joint, where their handle is."""


@dataclass(frozen=True)
class Verdict:
    """What came of a task; ticks count from its start, None: never."""

    held: int | None
    """When the goal had held for 0.5 s by the whole rule."""
    first: int | None
    """When the goal held for the first time, at rest or not."""
    progress: float
    """The furthest it came, in [0, 1]."""
    fault: str
    """What kept a goal that holds from counting, at the last look; empty if nothing did."""


class Referee:
    """Watches one task from its first scene to its last."""

    def __init__(self, task: Task, start: Scene, excused: Collection[str] = ()) -> None:
        """excused: things that someone else may move."""
        self.task, self.start = task, start
        self.excused = {*task.may_move, *excused}
        self.verdict = Verdict(None, None, 0.0, "")
        self._since: int | None = None
        self._seen: int | None = None
        self._broken = ""

    @property
    def hold_ticks(self) -> int:
        """For how long the goal has held by the whole rule, up to the last look."""
        return 0 if self._since is None or self._seen is None else self._seen - self._since

    def look(self, scene: Scene, touched: Collection[str]) -> Verdict:
        """One tick. touched: names of what the gripper touches."""
        if scene.tick == self._seen:
            return self.verdict
        self._seen = scene.tick
        for relation, thing, *place in (fact for fact in self.task.never if fact in scene.facts):
            self._broken = self._broken or " ".join(["the", thing, "was", relation, "the", *place])
        progress = self.task.progress(scene, self.start)
        now = scene.tick - self.start.tick
        reached = progress >= 1.0
        first = self.verdict.first if self.verdict.first is not None else now if reached else None
        fault = self.fault(scene, touched) if reached else ""
        self._since = None if not reached or fault else self._since if self._since is not None else scene.tick
        held = self.verdict.held
        if held is None and self._since is not None and scene.tick - self._since >= HOLD_TICKS:
            held = now
        self.verdict = Verdict(held, first, max(progress, self.verdict.progress), fault)
        return self.verdict

    def fault(self, scene: Scene, touched: Collection[str]) -> str:
        """Why a goal that is reached does not count; empty if it does."""
        if self._broken:
            return self._broken
        moving = [fact[1] for fact in scene.facts if fact[0] == "moving" and fact[1] != scene.holding]
        if moving:
            return f"the {moving[0]} still moves"
        handled = [name for name in touched if name != "table"]
        if handled and not self.task.keeps_grip:
            return f"the gripper still touches the {handled[0]}"
        fallen = [thing.name for thing in scene.things if thing.kind in WATCHED and thing.position[2] < FALLEN_M]
        if fallen:
            return f"the {fallen[0]} fell off the table"
        for name, way in self.strayed(scene).items():
            return f"the {name} was moved by {100 * way:.0f} cm"
        return ""

    def strayed(self, scene: Scene) -> dict[str, float]:
        """Things that the task may not move and that are elsewhere than at its start, and how far, m."""
        ways = {thing.name: dist(thing.position, self.start.find(thing.name).position) for thing in scene.things if thing.kind in WATCHED}
        return {name: way for name, way in ways.items() if way > STRAY_M and name not in self.excused}


def touched(robot: SimRobot) -> set[str]:
    """Names of the things that some part of the arm or gripper touches now, by contact."""
    bench = robot._bench
    by_body = {item.body: item.name for item in bench.items.values()}
    contacts = bench.bullet.getContactPoints(bodyA=bench.panda.body)
    return {by_body[contact[2]] for contact in contacts if contact[2] in by_body and contact[9] > 0}
