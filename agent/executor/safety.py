"""What stands between any policy and the body: the Guard, and the check that robot and policy fit together at all."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from agent.config import GuardConfig
from agent.errors import Mismatch, RobotError, WrongShape
from agent.executor.layout import Layout
from agent.types import Array, Observation, PolicySpec, Robot, RobotSpec

SLACK = 1e-5
"""Share by which a step may pass a limit before it counts: float32 rows that move at the limit must pass untouched."""


class Guard:
    """A Robot around a Robot: every row is finite, inside the workspace, and no faster than the limits; or it is made so.

    Positions are kept in the workspace; a step from the last row issued (for the first one after a stop: from the measured pose) is
    shortened to `speed` and `turn`, in its own direction. Where the measured pose lies outside the workspace the way back obeys the speed
    limit. A row that is not finite is refused: the last row is held. Grippers are never limited. Legal rows pass bit for bit.

    listen: is told of every intervention, listen("guarded", tick=…, why=…, limit="speed"); `interventions` counts them by limit.
    """

    def __init__(self, robot: Robot, config: GuardConfig, listen: Callable[..., object] = lambda kind, **fields: None) -> None:
        self.robot, self.config, self.listen = robot, config, listen
        self.spec = robot.spec
        self.layout = Layout.of(self.spec.action)
        self.interventions: Counter[str] = Counter()
        self._low, self._high = np.array(config.workspace, np.float32).T
        self._columns = [self.spec.state.index(name) if name in self.spec.state else -1 for name in self.spec.action]
        self._last: Array | None = None
        self._tick = 0

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        observation = self.robot.observe(cameras)
        self._tick = observation.tick
        return observation

    def apply(self, action: Array) -> Array:
        """Command one row, made safe. float32[A] → the row truly applied.

        Raises WrongShape for a row of another width, RobotError if the very first row is not finite, since there is nothing to hold.
        """
        row = np.asarray(action)
        if row.shape != (self.layout.width,) or row.dtype.kind != "f":
            raise WrongShape("action row", f"float32[{self.layout.width}] ({', '.join(self.spec.action)})", row)
        safe = self._safe(row.astype(np.float32, copy=False))
        applied = self.robot.apply(safe)
        self._last = safe.copy()
        self._tick += 1
        return applied

    def stop(self) -> bool:
        self._last = None
        return self.robot.stop()

    def _safe(self, row: Array) -> Array:
        if not np.isfinite(row).all():
            names = [name for name, value in zip(self.spec.action, row, strict=True) if not np.isfinite(value)]
            self._tell("finite", f"a row with {', '.join(names)} not finite was refused; holding the last one")
            if self._last is None:
                self.robot.stop()
                raise RobotError("The first row commanded is not finite, and there is no earlier one to hold. The robot was stopped.")
            return self._last
        row = self._inside(row)
        before = self._last if self._last is not None else self._measured(row)
        return row if before is None else self._slow(row, before)

    def _inside(self, row: Array) -> Array:
        """The row with each position moved to the nearest point of the workspace."""
        safe = row
        for at in map(list, self.layout.positions):
            point = np.clip(row[at], self._low, self._high)
            if not np.array_equal(point, row[at]):
                out = float(np.linalg.norm(point - row[at]))
                self._tell("workspace", f"a row led {out * 100:.1f} cm out of the workspace; moved to its border")
                safe = safe.copy()
                safe[at] = point
        return safe

    def _slow(self, row: Array, before: Array) -> Array:
        """The row with each step from `before` shortened to the limits."""
        step = self.layout.minus(row, before)
        allowed = step.copy()
        move, turn = self.config.speed / self.spec.rate_hz, self.config.turn / self.spec.rate_hz
        groups = [("speed", list(at), move) for at in self.layout.positions] + [("turn", list(at), turn) for at in self.layout.rotations]
        for limit, at, most in groups + [("turn", [index], turn) for index in self.layout.angles]:
            length = float(np.linalg.norm(step[at]))
            if length > most * (1 + SLACK):
                allowed[at] = step[at] * (most / length)
                self._tell(limit, f"a step of {said(limit, length)} was shortened to {said(limit, most)}, the limit for one tick")
        if np.array_equal(allowed, step):
            return row
        return self._fitted(row, before, step, allowed)

    def _fitted(self, row: Array, before: Array, step: Array, allowed: Array) -> Array:
        """`before` plus the shortened parts of the step; what was legal keeps the row's own bits."""
        safe, shortened = row.copy(), self.layout.plus(before, allowed)
        for at in map(list, [*self.layout.positions, *self.layout.rotations, *((index,) for index in self.layout.angles)]):
            if not np.array_equal(allowed[at], step[at]):
                safe[at] = shortened[at]
        return safe

    def _measured(self, row: Array) -> Array | None:
        """Where the body is, as a row, for the positions, rotations and angles that its state names as its actions do; else None."""
        needed = [index for at in (*self.layout.positions, *self.layout.rotations) for index in at] + list(self.layout.angles)
        if not needed or any(self._columns[index] < 0 for index in needed):
            return None
        pose, state = row.copy(), self.observe(()).state
        for index in needed:
            pose[index] = state[self._columns[index]]
        return pose if np.isfinite(pose).all() else None

    def _tell(self, limit: str, why: str) -> None:
        self.interventions[limit] += 1
        self.listen("guarded", tick=self._tick, limit=limit, why=why)


def said(limit: str, size: float) -> str:
    return f"{size * 1000:.0f} mm" if limit == "speed" else f"{np.degrees(size):.1f}°"


def check_match(robot: RobotSpec, policy: PolicySpec) -> None:
    """Refuse, with a Mismatch that prints both sides, a policy that was made for another body: rate, state, action, cameras.

    A policy with no state names reads no state; it must find each of its cameras on the robot, of the same size.
    """
    wrong: list[tuple[str, Any, Any]] = []
    if abs(robot.rate_hz - policy.rate_hz) > 1e-6 * robot.rate_hz:
        wrong.append(("rate", f"{robot.rate_hz:g} Hz", f"{policy.rate_hz:g} Hz"))
    if policy.state and robot.state != policy.state:
        wrong.append(("state", names(robot.state), names(policy.state)))
    if robot.action != policy.action:
        wrong.append(("action", names(robot.action), names(policy.action)))
    for camera, size in policy.cameras.items():
        if robot.cameras.get(camera) != size:
            there = ", ".join(f"{name} {pixels(at)}" for name, at in robot.cameras.items())
            ours = pixels(robot.cameras[camera]) if camera in robot.cameras else f"has no such camera; it has: {there or 'none'}"
            wrong.append((f"camera '{camera}'", ours, pixels(size)))
    if wrong:
        lines = "".join(f"\n  {what}:\n    robot  {ours}\n    policy {theirs}" for what, ours, theirs in wrong)
        who = f"Robot '{robot.name}' and policy '{policy.name}'"
        raise Mismatch(f"{who} do not fit together.{lines}\n  Choose a policy that was made for this robot.")


def names(row: tuple[str, ...]) -> str:
    return f"{len(row)}: {' '.join(row)}"


def pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} px (height × width)"
