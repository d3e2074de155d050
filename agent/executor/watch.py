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
HOVER, HOVER_GIVEN_UP_S = 6e-2, 6.0
"""Within so much of one place for so long it gets nowhere: a learned policy that does not know on from here trembles."""

Verdict = tuple[Status, str]


class Stay:
    """For how long the state has stayed within so much of one place."""

    def __init__(self, layout: Layout, within: float, first: Observation) -> None:
        self.layout, self.within, self.left = layout, within, False
        self.begin(first)

    def begin(self, observation: Observation) -> None:
        """From here on, anew."""
        self._at, self._since = observation.state, observation.tick

    def ticks(self, observation: Observation) -> int:
        if self.layout.gap(observation.state, self._at) > self.within:
            self.left = True
            self.begin(observation)
        return observation.tick - self._since


class Watch:
    """One subtask, watched from its first observation.

    - `done` true for 0.25 s: done. True at once, before anything moved: done, nothing to do.
    - `done` false, and the robot has been at rest for 2 s: failed, the policy has stopped short of the goal. Or it has hovered about one
      place for 6 s: failed too.
    - `done` None (or no Scene to ask it about): the skill cannot tell. It ends as done once the robot has moved and then rested for
      1 s; the Outcome says that nobody judged it, and it is for the judge to decide. A robot that never moved for 2 s has failed.
    - Past the skill's time limit: timed out.
    """

    def __init__(self, skill: Skill, first: Observation, spec: RobotSpec) -> None:
        self.skill, self.first, self.rate_hz = skill, first, spec.rate_hz
        self.layout = Layout.of(spec.state)
        self._paused = 0
        self._before = first.tick
        self._rest, self._hover = Stay(self.layout, REST, first), Stay(self.layout, HOVER, first)
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
            self._rest.begin(observation)
            self._hover.begin(observation)
        self._before = observation.tick
        rest_s, hover_s = (stay.ticks(observation) / self.rate_hz for stay in (self._rest, self._hover))
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
        if done is None and self._rest.left and rest_s >= REST_UNJUDGED_S:
            return "done", "the motion came to rest; not judged by the skill"
        if not done and rest_s >= REST_GIVEN_UP_S:
            how = "stopped moving before" if self._rest.left else "did not move the robot, although it is not yet so that"
            goal = "it was achieved" if self._rest.left else "it is achieved"
            refused = f"; the robot did not take its last {self._changed} rows as they were commanded" if self._changed else ""
            return "failed", f"the policy {how} {goal} ({self.skill.words}; at rest for {rest_s:.1f} s{refused})"
        if done is False and hover_s >= HOVER_GIVEN_UP_S:
            return "failed", f"the policy hovers about one place before it is achieved ({self.skill.words}; for {hover_s:.1f} s)"
        if spent_s >= self.skill.time_limit_s:
            return "timed_out", f"not achieved within the time limit of {self.skill.time_limit_s:g} s ({self.skill.words})"
        return None

    def _ask(self, scene: Scene | None) -> bool | None:
        return None if scene is None else self.skill.done(scene.since(self.first.tick))


def blame(skill: Skill, error: Exception) -> Verdict:
    """A skill that raised: its own message if it is one of ours, else name the skill, where it comes from, and what it raised."""
    if isinstance(error, SaydoError):
        return "failed", str(error)
    kind = type(skill)
    return "failed", f"skill '{kind.skill_name()}' ({kind.__module__}) raised {type(error).__name__}: {error}"
