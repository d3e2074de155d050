"""Is the subtask over? Asked at every tick, answered from what is observed."""

from agent.errors import SaydoError
from agent.executor.layout import Layout
from agent.skills.skill import Skill
from agent.types import Array, Observation, RobotSpec, Scene, Status

HOLD_DONE_S = 0.25
"""How long `done` must stay true: what only passes through the goal is not there."""
REST = 3e-3
"""The robot is at rest while its state stays this close (m, rad, or the unit of the number) to where it was."""
REST_UNJUDGED_S, REST_GIVEN_UP_S = 1.0, 2.0

Verdict = tuple[Status, str]


class Watch:
    """One subtask, watched from its first observation.

    - `done` true for 0.25 s: done. True at once, before anything moved: done, nothing to do.
    - `done` false, and the robot has been at rest for 2 s: failed, the policy has stopped short of the goal.
    - `done` None (or no Scene to ask it about): the skill cannot tell. It ends as done once the robot has moved and then rested for
      1 s; the Outcome says that nobody judged it, and it is for the judge to decide. A robot that never moved for 2 s has failed.
    - Past the skill's time limit: timed out.
    """

    def __init__(self, skill: Skill, first: Observation, spec: RobotSpec) -> None:
        self.skill, self.first, self.rate_hz = skill, first, spec.rate_hz
        self.layout = Layout.of(spec.state)
        self._paused = 0
        self._before = first.tick
        self._resting_at, self._resting_since = first.state, first.tick
        self._moved = False
        self._done_since: int | None = None
        self._changed = 0
        self._rows = Layout.of(spec.action)

    def applied(self, row: Array, truly: Array) -> None:
        """What was commanded, and what the robot says it truly did: a robot that keeps doing something else explains why it stands."""
        self._changed = self._changed + 1 if self._rows.gap(row, truly) > REST else 0

    def verdict(self, observation: Observation, waiting: bool = False) -> Verdict | None:
        """How the subtask has ended, and why; None while it goes on.

        waiting: since the last look the robot stood and waited for its policy; that counts neither as time nor as rest.
        """
        if waiting:
            self._paused += observation.tick - self._before
            self._resting_at, self._resting_since = observation.state, observation.tick
        self._before = observation.tick
        rest_s = self._rest(observation)
        spent_s = (observation.tick - self.first.tick - self._paused) / self.rate_hz
        done = self._ask(observation.scene)
        if not done:
            self._done_since = None
        elif self._done_since is None:
            self._done_since = observation.tick
        if done and observation is self.first:
            return "done", "it was so already"
        if self._done_since is not None and observation.tick - self._done_since >= HOLD_DONE_S * self.rate_hz - 1e-6:
            return "done", f"achieved, and still so after {HOLD_DONE_S:g} s"
        if done is None and self._moved and rest_s >= REST_UNJUDGED_S:
            return "done", "the motion came to rest; not judged by the skill"
        if not done and rest_s >= REST_GIVEN_UP_S:
            how = "stopped moving before" if self._moved else "did not move the robot, although it is not yet so that"
            goal = "it was achieved" if self._moved else "it is achieved"
            refused = f"; the robot did not take its last {self._changed} rows as they were commanded" if self._changed else ""
            return "failed", f"the policy {how} {goal} ({self.skill.words}; at rest for {rest_s:.1f} s{refused})"
        if spent_s >= self.skill.time_limit_s:
            return "timed_out", f"not achieved within the time limit of {self.skill.time_limit_s:g} s ({self.skill.words})"
        return None

    def _ask(self, scene: Scene | None) -> bool | None:
        return None if scene is None else self.skill.done(scene.since(self.first.tick))

    def _rest(self, observation: Observation) -> float:
        """Seconds for which the state has stayed where it is."""
        if self.layout.gap(observation.state, self._resting_at) > REST:
            self._moved = True
            self._resting_at, self._resting_since = observation.state, observation.tick
        return (observation.tick - self._resting_since) / self.rate_hz


def blame(skill: Skill, error: Exception) -> Verdict:
    """A skill that raised: its own message if it is one of ours, else name the skill, where it comes from, and what it raised."""
    if isinstance(error, SaydoError):
        return "failed", str(error)
    kind = type(skill)
    return "failed", f"skill '{kind.skill_name()}' ({kind.__module__}) raised {type(error).__name__}: {error}"
