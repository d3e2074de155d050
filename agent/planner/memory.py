"""What has worked before: success counts per skill and kind of thing, kept in one small JSON file, the learned half of *can*.

Counts of a Beta distribution with a friendly prior; they fade a little with every new outcome, so that a repaired gripper is forgiven.
"""

import json
import os
from pathlib import Path

from agent.skills.skill import Skill
from agent.types import Outcome, Scene

PRIOR_DONE, PRIOR_FAILED = 4.5, 0.5
FADE = 0.98
"""What is left of the old counts of a key when a new outcome of that key comes."""
LEAST = 0.02

Counts = dict[str, tuple[float, float]]


class Memory:
    """Outcomes by "skill of kinds", e.g. "place of block, bowl". path: None keeps nothing between runs.

    A file that cannot be read is set aside as <name>.corrupt and counting starts afresh. A folder that cannot be written to costs the
    memory, never the run: `trouble` then says so.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.trouble: str | None = None
        self.counts: Counts = self._read() if path is not None and path.exists() else {}

    def can(self, skill: Skill, scene: Scene) -> float:
        """The mean of the Beta distribution: 0.9 for what was never tried, in [0.02, 1]."""
        done, failed = self.counts.get(key_of(skill, scene), (0.0, 0.0))
        return max(LEAST, (done + PRIOR_DONE) / (done + failed + PRIOR_DONE + PRIOR_FAILED))

    def learn(self, skill: Skill, scene: Scene, outcome: Outcome) -> None:
        """Count one outcome. A step that the person stopped says nothing about the skill."""
        if outcome.status == "stopped":
            return
        key = key_of(skill, scene)
        done, failed = self.counts.get(key, (0.0, 0.0))
        good = outcome.status == "done"
        self.counts[key] = (FADE * done + good, FADE * failed + (not good))
        self._write()

    def _read(self) -> Counts:
        assert self.path is not None
        try:
            values = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(key): (max(0.0, float(done)), max(0.0, float(failed))) for key, (done, failed) in values.items()}
        except (ValueError, TypeError, AttributeError) as error:
            aside = self.path.with_name(self.path.name + ".corrupt")
            self.trouble = f"{self.path} was not readable ({error}); it is now {aside.name}, and counting starts afresh."
            self._move(self.path, aside)
        except OSError as error:
            self.trouble = f"{self.path} cannot be read ({error}); counting starts afresh."
        return {}

    def _write(self) -> None:
        if self.path is None:
            return
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(self.counts, indent=1, sort_keys=True), encoding="utf-8")
        except OSError as error:
            self.trouble = f"{self.path} cannot be written ({error}); this run's outcomes will not be remembered."
            return
        self._move(new, self.path)

    def _move(self, old: Path, new: Path) -> None:
        try:
            os.replace(old, new)
        except OSError as error:
            self.trouble = f"{new} cannot be written ({error}); this run's outcomes will not be remembered."


def key_of(skill: Skill, scene: Scene) -> str:
    """ "place of block, bowl": a call with each thing replaced by its kind."""
    kinds = {thing.name: thing.kind for thing in scene.things}
    spoken = [kinds.get(value, value) for value in skill.args.values()]
    return f"{skill.skill_name()} of {', '.join(spoken)}" if spoken else skill.skill_name()
