"""The closed loop: observe, is it over?, the next row, apply; one subtask at a time, until it is done and the robot stands still.

Two ways to keep time:

- *lockstep* (simulation): the world waits. A chunk asked for at tick k0 is used from tick k0 + delay_ticks on, never sooner, and if it is
  not there by then, time stands still until it is. What happens depends on seeds alone, not on how fast any machine is.
- *real time* (hardware): the loop never waits for a policy while there is a row to issue. `robot.apply` keeps the pace. Without a fresh row
  the starvation ladder applies: hold the last row for `hold_s`, stop softly, and after `fault_s` the subtask has failed.

A policy that is lost (it raises PolicyError, or passes its deadline) costs a pause: the robot is stopped and the policy is asked again,
with an observation made after the stop, until it answers or `recover_deadline_s` is over. A policy that answers nonsense gets three
tries. However a run ends, the robot has been told to stop, and the Outcome says whether it was measured to stand still.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from time import monotonic, sleep
from typing import Any

import numpy as np

from agent.config import ExecutorConfig
from agent.errors import ConfigError, RobotError
from agent.evidence import differences
from agent.executor.asking import Answer, Asker, is_final, is_lost, nonsense, said
from agent.executor.chunks import ChunkBuffer, Delays
from agent.executor.layout import Layout
from agent.executor.safety import check_match
from agent.executor.watch import Watch, blame
from agent.skills.skill import Skill
from agent.types import Array, Observation, Outcome, Policy, Robot, Status, clip_text

POLL_S = 0.02
"""How often a wait looks whether it should stop."""
BACKOFF_S = (0.05, 1.0)
NONSENSE_TRIES = 3

Listen = Callable[..., object]
"""listen(kind, **fields), called in the thread of `run`. Kinds: chunk_asked, chunk (one took over), chunk_dropped, chunk_failed, starved,
waiting (for a lost policy), recovered, motion_ended."""
Stop = Callable[[], str | None]


class Executor:
    """Carries out skills on one robot with one policy. `robot` is usually a Guard."""

    def __init__(
        self,
        robot: Robot,
        policy: Policy,
        config: ExecutorConfig,
        listen: Listen = lambda kind, **fields: None,
        *,
        lockstep: bool = True,
    ) -> None:
        """Raises Mismatch if policy and robot do not fit together, ConfigError if the delay leaves no row of a chunk to use."""
        check_match(robot.spec, policy.spec)
        if policy.spec.horizon <= config.delay_ticks:
            raise ConfigError(
                f"executor.delay_ticks is {config.delay_ticks}, but chunks of policy '{policy.spec.name}' have {policy.spec.horizon} rows: "
                f"each would be over before it is used. Set it below {policy.spec.horizon}."
            )
        self.robot, self.policy, self.config, self.lockstep = robot, policy, config, lockstep
        self.asker = Asker()
        self.buffer = ChunkBuffer(Layout.of(robot.spec.action), config.rows)
        self.delays = Delays(config.delay_ticks)
        self._listen = listen

    def run(self, skill: Skill, *, stop: Stop = lambda: None, ident: Mapping[str, Any] | None = None) -> Outcome:
        """Carry out one skill and come to rest.

        stop: asked at every tick and in every wait; a text (why) makes the robot stand still at once. ident: fields added to every event.
        Raises what the robot raises (RobotError, RecordError), after having tried to stop it; a policy or skill that fails is an Outcome.
        """
        self.buffer.clear()
        return Motion(self, skill, stop, dict(ident or {})).carry_out()

    def close(self) -> None:
        """End the worker thread that asks the policy."""
        self.asker.close()

    def tell(self, kind: str, **fields: Any) -> None:
        self._listen(kind, **fields)


class Ended(Exception):
    """Leaves the loop from any depth, with the verdict."""

    def __init__(self, status: Status, why: str) -> None:
        self.status, self.why = status, why


@dataclass(slots=True)
class Asked:
    """The request in flight."""

    number: int
    tick: int
    epoch: int
    since: float


class Motion:
    """One skill being carried out."""

    def __init__(self, executor: Executor, skill: Skill, stop: Stop, ident: dict[str, Any]) -> None:
        self.executor, self.skill, self.stop_asked, self.ident = executor, skill, stop, ident
        self.robot, self.policy, self.config = executor.robot, executor.policy, executor.config
        self.buffer, self.asker, self.delays = executor.buffer, executor.asker, executor.delays
        self.asked: Asked | None = None
        self.last: Array | None = None
        """The row being held, float32[A]; None while the robot stands by itself."""
        self.dry_since: int | None = None
        self.moved = False
        self.trouble: str | None = None
        """Why the policy's last answer was no use; None after a good one."""
        self.follies = 0

    def carry_out(self) -> Outcome:
        try:
            first = self.robot.observe(())
            self.watch = Watch(self.skill, first, self.robot.spec)
            end = self._loop(first)
            return self._finish(end, first)
        except BaseException as error:
            if not self._stand() and isinstance(error, Exception):
                error.add_note("The robot could not be confirmed to stand still.")
            raise
        finally:
            self._abandon()

    def _loop(self, observation: Observation) -> Ended:
        try:
            while True:
                self._poll()
                self._judge(observation)
                row = self._row(observation)
                if row is not None:
                    self.last, self.moved = self.robot.apply(row), True
                    self.watch.applied(row, self.last)
                observation = self.robot.observe(())
        except Ended as end:
            return end

    def _poll(self) -> None:
        for answer in self.asker.late():
            self._tell("chunk_dropped", why=f"an abandoned answer came after all, {answer.ms:.0f} ms after it was asked")
        if why := self.stop_asked():
            raise Ended("stopped", clip_text(why, 200))

    def _judge(self, observation: Observation) -> None:
        try:
            verdict = self.watch.verdict(observation, waiting=self.last is None)
        except Exception as error:
            raise Ended(*blame(self.skill, error)) from error
        if verdict:
            raise Ended(*verdict)

    def _row(self, observation: Observation) -> Array | None:
        """The row for this tick; None if the robot was made to stand for this round instead."""
        tick = observation.tick
        recovered = self._collect(tick)
        if self.asked is None and not recovered and self.buffer.due(tick, self._delay()):
            self._ask(observation)
            recovered = self._collect(tick)
        row = self.buffer.row(tick)
        if row is not None:
            self.dry_since = None
        return row if row is not None or recovered else self._starve(observation)

    # --- asking and answers -------------------------------------------------------------------------------------------------

    def _ask(self, observation: Observation) -> None:
        """Ask for the chunk that answers this tick, with the policy's cameras."""
        if self.policy.spec.cameras:
            observation = self.robot.observe(tuple(self.policy.spec.cameras))
        if (promised := self._promised(observation.tick)) is not None:
            observation = replace(observation, promised=promised)
        number = self.asker.ask(lambda: self.skill.act(observation, self.policy))
        self.asked = Asked(number, observation.tick, self.buffer.epoch, monotonic())
        self._tell("chunk_asked", tick=observation.tick)

    def _promised(self, tick: int) -> Array | None:
        """The rows that will have been carried out before the answer can be used: none for a robot that stands and waits for it."""
        ahead = [self.buffer.row(at) for at in range(tick, tick + self._delay())] if self.last is not None else []
        rows = [row for row in takewhile(lambda row: row is not None, ahead) if row is not None]
        return np.stack(rows).astype(np.float32) if rows else None

    def _delay(self) -> int:
        """Ticks that an answer takes: known in lockstep, expected in real time."""
        return self.config.delay_ticks if self.executor.lockstep else self.delays.expected()

    def _collect(self, tick: int) -> bool:
        """Take the answer if it is there. In lockstep: not before its time, and then wait for it.

        True if it failed to come, and the robot was stopped and the policy recovered: the tick is over.
        """
        lockstep = self.executor.lockstep
        if self.asked is None or (lockstep and self.last is not None and tick < self.asked.tick + self.config.delay_ticks):
            return False
        left = self.asked.since + self.config.chunk_deadline_s - monotonic()
        answer = self._wait(left if lockstep else 0.0)
        if answer is None and (lockstep or left <= 0):
            self._fault(f"the policy did not answer within {self.config.chunk_deadline_s:g} s")
        elif answer is not None:
            self._take(answer, tick)
        if self.trouble is None or (self.buffer.row(tick) is not None and not lockstep):
            return False
        self._recover()
        return True

    def _wait(self, seconds: float) -> Answer | None:
        """The answer to the request in flight, within `seconds`; keeps listening for a stop."""
        assert self.asked is not None
        until = monotonic() + seconds
        answer = self.asker.answer(self.asked.number)
        while answer is None and (left := until - monotonic()) > 0:
            answer = self.asker.answer(self.asked.number, min(left, POLL_S))
            self._poll()
        return answer

    def _take(self, answer: Answer, tick: int) -> None:
        """Let a good answer take over at `tick`; note what is wrong with any other."""
        assert self.asked is not None
        asked, self.asked = self.asked, None
        if answer.error is not None and is_final(answer.error):
            raise Ended(*blame(self.skill, answer.error))
        if answer.error is not None and is_lost(answer.error):
            return self._fault(str(answer.error))
        problem = said(answer.error) if answer.error is not None else nonsense(answer.chunk, asked.tick, self.policy.spec)
        if problem is not None:
            return self._folly(problem)
        assert answer.chunk is not None
        self.trouble, self.follies = None, 0
        if self.last is not None:  # what came while it stood may have been a cold start
            self.delays.note(tick - asked.tick)
        self._enter(answer, asked, tick)

    def _enter(self, answer: Answer, asked: Asked, tick: int) -> None:
        """Let the chunk take over. A robot that has stood since the observation has used up none of it: it begins with its first row."""
        assert answer.chunk is not None
        chunk = answer.chunk if self.last is not None else replace(answer.chunk, start=tick)
        entry = self.buffer.enter(chunk, tick, epoch=asked.epoch, last=self.last)
        if entry.kind != "entered":
            return self._tell("chunk_dropped", tick=tick, asked=asked.tick, how=entry.kind, why=entry.why)
        seam = {"seam_m": round(entry.seam_m, 4), "seam_rad": round(entry.seam_rad, 4)} if entry.seam_m or entry.seam_rad else {}
        timing = {**chunk.timing, "answer_ms": round(answer.ms, 2)}
        more = {**seam, **({"by": chunk.by} if chunk.by else {})}
        rows = len(chunk.actions)
        self._tell("chunk", tick=tick, asked=asked.tick, arrived=tick, start=chunk.start, row=entry.row, rows=rows, timing=timing, **more)

    def _fault(self, why: str) -> None:
        self._abandon()
        self.trouble = why
        self._tell("chunk_failed", why=why)

    def _folly(self, why: str) -> None:
        """An answer that makes no sense: another try, but not for ever."""
        self.follies += 1
        self._fault(why)
        if self.follies >= NONSENSE_TRIES:
            raise Ended("failed", f"policy '{self.policy.spec.name}' gave no usable answer in {self.follies} tries; the last time: {why}")

    def _abandon(self) -> None:
        if self.asked is not None:
            self.asker.abandon(self.asked.number, self.config.chunk_deadline_s)
            self.asked = None

    # --- without a fresh row ------------------------------------------------------------------------------------------------

    def _starve(self, observation: Observation) -> Array | None:
        """Hold the last row, then stop softly, then give up; None where the robot stands by itself."""
        tick, real_time = observation.tick, not self.executor.lockstep
        if self.dry_since is None:
            self.dry_since = tick
            if self.last is not None:
                self._tell("starved", tick=tick, why="no fresh row, holding the last one")
        dry_s = (tick - self.dry_since) / self.robot.spec.rate_hz
        if self.last is not None and dry_s < self.config.hold_s:
            return self.last
        if real_time and self.moved and dry_s >= self.config.fault_s:
            rows = self.policy.spec.horizon
            raise Ended("failed", f"no chunk came in time for {self.config.fault_s:g} s: the policy is too slow for its {rows} rows")
        if self.last is not None:
            self._tell("starved", tick=tick, why=f"no fresh row for {dry_s:.2f} s, stopping")
            self._halt()
            return None
        self._stand()
        if self.asked is not None and real_time and (answer := self._wait(1 / self.robot.spec.rate_hz)):
            self._take(answer, self.robot.observe(()).tick)
        return None

    def _halt(self) -> None:
        """Stop, and go on only with what the policy makes of an observation from after the stop."""
        self._abandon()
        self._stand()
        self.buffer.clear()

    def _recover(self) -> None:
        """Stand still and ask again, ever more slowly, until the policy answers; then go on with what it sees now."""
        began, (pause, longest) = monotonic(), BACKOFF_S
        self._halt()
        self._tell("waiting", tick=self.robot.observe(()).tick, why=f"standing still: {self.trouble}")
        while (left := self.config.recover_deadline_s - (monotonic() - began)) > 0:
            self._ask(self.robot.observe(()))
            answer = self._wait(min(left, self.config.chunk_deadline_s))
            if answer is None:
                self._fault(f"the policy did not answer within {self.config.chunk_deadline_s:g} s")
            else:
                self._take(answer, self.robot.observe(()).tick)
            if self.trouble is None and self.buffer.chunk is not None:
                return self._tell("recovered", tick=self.robot.observe(()).tick, after_s=round(monotonic() - began, 2))
            self._pause(min(pause, left))
            pause = min(2 * pause, longest)
        seconds = f"{self.config.recover_deadline_s:g} s"
        raise Ended("failed", f"the policy did not answer within {seconds}, although it was asked again and again: {self.trouble}")

    def _pause(self, seconds: float) -> None:
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self._poll()
            sleep(min(left, POLL_S))

    def _stand(self) -> bool:
        """Stop; True only if the robot was measured to stand still."""
        self.last = None
        try:
            return self.robot.stop()
        except RobotError as error:
            self._tell("starved", why=f"the robot could not be stopped: {error}")
            return False

    def _finish(self, end: Ended, first: Observation) -> Outcome:
        """Come to rest, look, and say how it went."""
        ended_at = self.robot.observe(()).tick
        confirmed = self._stand()
        after = self.robot.observe(())
        evidence = differences(first.scene, after.scene) if first.scene and after.scene else ()
        why = end.why if confirmed else f"{end.why}; the robot could NOT be confirmed to stand still"
        ticks = ended_at - first.tick
        self._tell("motion_ended", tick=after.tick, status=end.status, why=why, confirmed=confirmed, ticks=ticks)
        return Outcome(status=end.status, why=why, evidence=evidence, ticks=ticks, confirmed=confirmed)

    def _tell(self, kind: str, **fields: Any) -> None:
        self.executor.tell(kind, **self.ident, **fields)
