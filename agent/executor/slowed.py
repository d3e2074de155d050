"""A body that is commanded at a fraction of its rate: a Panda of 20 Hz for a policy of 10."""

from collections.abc import Collection
from dataclasses import replace

from agent.errors import Mismatch
from agent.executor.layout import Layout
from agent.types import Array, Observation, Robot, Scene


class Slowed:
    """A Robot around a Robot. One row lasts `times` of its periods and is gone to in as many equal steps; ticks count rows."""

    def __init__(self, robot: Robot, times: int) -> None:
        self.robot, self.times = robot, times
        self.spec = robot.spec.model_copy(update={"rate_hz": robot.spec.rate_hz / times})
        self._layout = Layout.of(robot.spec.action)
        self._row: Array | None = None

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = self.robot.observe(cameras)
        return replace(seen, tick=seen.tick // self.times, scene=seen.scene and slowed(seen.scene, self.times))

    def apply(self, action: Array) -> Array:
        """The first row after standing still is commanded at once, the others by equal steps from the one before."""
        begin = action if self._row is None else self._row
        step, applied = self._layout.minus(action, begin), action
        for period in range(1, self.times + 1):
            applied = self.robot.apply(action if period == self.times else self._layout.plus(begin, step * period / self.times))
        self._row = applied
        return applied

    def stop(self) -> bool:
        self._row = None
        return self.robot.stop()

    def close(self) -> None:
        getattr(self.robot, "close", lambda: None)()


def slowed(scene: Scene, times: int) -> Scene:
    """The same, its ticks and those of its events counted in longer periods."""
    return scene.model_copy(update={"tick": scene.tick // times, "events": tuple((tick // times, fact) for tick, fact in scene.events)})


def at_rate(robot: Robot, rate_hz: float) -> Robot:
    """The robot, commanded at that rate. Mismatch if its own is not a whole multiple."""
    times = round(robot.spec.rate_hz / rate_hz)
    if times < 1 or abs(times * rate_hz - robot.spec.rate_hz) > 1e-6 * rate_hz:
        raise Mismatch(f"A robot of {robot.spec.rate_hz:g} Hz cannot be commanded at {rate_hz:g} Hz: its rate must be a whole multiple of "
                       "that. Set policy.options or robot.options to rates that fit.")  # fmt: skip
    return robot if times == 1 else Slowed(robot, times)
