"""Episodes driven by physics: the oracle carries out calls while its commands are disturbed, and labels every state that this leads to.

What is applied is not what is written down: a frame's chunk is the oracle's own answer from there, so that what a learner is shown after a
mistake is the way back (Ross et al. 2011, DAgger; Laskey et al. 2017, noise injection). Only episodes that end as done are kept.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np

from agent.errors import ConfigError, PolicyError
from agent.learn.calls import draw_call, draw_words
from agent.learn.mind import Mind
from agent.learn.moments import CLOSE, handled
from agent.learn.recipe import Recipe
from agent.learn.scenery import draw_layout, rearranged
from agent.learn.shards import Frame
from agent.learn.sight import Sight
from agent.learn.stage import Dice, Pictures
from agent.skills.skill import Skill
from agent.types import Array, Observation
from sim.robot import SimRobot

CALLS, TICKS = 8, 300
"""Calls in one world, and control periods for each."""
WAYS = {"clean": 0.30, "drift": 0.35, "jolts": 0.20, "fumble": 0.15}
"""How an episode is disturbed, as shares."""
DRIFT_M, DRIFT_RAD, DRIFT_KEPT = 0.008, 0.08, 0.9
"""Standard deviations of a slowly changing error, and how much of it is left one tick later."""
JOLT, JOLT_M, JOLT_TICKS = 0.04, (0.03, 0.07), 4
"""Chance of a jolt at a tick, how far the hand is pushed, m, and for how long."""
FUMBLE_M, FUMBLE_TICKS, SLIP_TICKS = 0.028, 10, 6
"""How far beside a thing the fingers close, m, and for how long; and how long a grip is let go of."""
LOW, LEAST_Z = 0.10, 0.009
"""Below the first height errors are smaller; below the second, m, no command goes."""


class Disturber:
    """Changes commands by one of WAYS; float32[7] in, float32[7] out."""

    def __init__(self, rng: Dice) -> None:
        self._rng = rng
        self.way = str(rng.choice(list(WAYS), p=list(WAYS.values())))
        self._drift = np.zeros(4)
        self._push, self._left = np.zeros(3), 0
        self._fumbled = False

    def __call__(self, row: Array, observation: Observation, near: bool) -> Array:
        """near: the hand is close to what it works on."""
        row = row.copy()
        calm = 0.3 if observation.state[9] < LOW else 1.0
        if self.way == "drift":
            noise = self._rng.normal(0, 1, 4) * (DRIFT_M, DRIFT_M, DRIFT_M, DRIFT_RAD)
            self._drift = DRIFT_KEPT * self._drift + np.sqrt(1 - DRIFT_KEPT**2) * noise
            row[[0, 1, 2, 5]] += (calm * self._drift).astype(np.float32)
        elif self.way == "jolts":
            self._jolt(row, calm)
        elif self.way == "fumble":
            self._fumble(row, observation, near)
        row[2] = max(row[2], LEAST_Z)
        return row

    def _jolt(self, row: Array, calm: float) -> None:
        if self._left == 0 and self._rng.random() < JOLT:
            direction = self._rng.normal(0, 1, 3)
            self._push = direction / np.linalg.norm(direction) * self._rng.uniform(*JOLT_M)
            self._left = JOLT_TICKS
        if self._left > 0:
            self._left -= 1
            row[:3] += (calm * self._push).astype(np.float32)

    def _fumble(self, row: Array, observation: Observation, near: bool) -> None:
        """Once: close beside the thing, or let go of it."""
        assert observation.scene is not None
        if not self._fumbled and near and (observation.scene.holding or observation.state[9] < LOW + 0.03):
            self._fumbled = True
            angle = self._rng.uniform(0, 2 * np.pi)
            self._push = FUMBLE_M * np.array([np.cos(angle), np.sin(angle), 0.0])
            self._left = SLIP_TICKS if observation.scene.holding else FUMBLE_TICKS
        if self._left > 0:
            self._left -= 1
            if observation.scene.holding:
                row[6] = 1.0
            else:
                row[:3] += self._push.astype(np.float32)
                row[6] = 0.0


def draw_episodes(recipe: Recipe, seed: int, count: int) -> Iterator[list[Frame]]:
    """Episodes with at least so many frames together; equal arguments give equal episodes. Worlds have the seeds seed, seed + 1, …"""
    frames = world = 0
    while frames < count:
        rng = np.random.default_rng([seed + world, 52])
        for episode in in_world(recipe, seed + world, rng):
            yield episode
            frames += len(episode)
            if frames >= count:
                return
        world += 1


def in_world(recipe: Recipe, seed: int, rng: Dice) -> Iterator[list[Frame]]:
    """The episodes of one world, one call after the other."""
    with closing(calls_in_world(recipe, seed, rng, CALLS)) as calls:
        for robot, call in calls:
            episode = drive(recipe, robot, call, rng)
            if episode:
                yield episode
            elif robot.rejected:
                return


def calls_in_world(recipe: Recipe, seed: int, rng: Dice, most: int) -> Generator[tuple[SimRobot, Skill], None, None]:
    """The robot of one world with a call that can be made in what those before it have left; none if things do not fit on the table."""
    try:
        robot = SimRobot(rearranged(draw_layout(recipe, rng), rng), seed)
    except ConfigError:
        return
    try:
        for _ in range(most):
            scene = robot.observe(()).scene
            call = draw_call(scene, recipe, rng) if scene else None
            if call is None:
                return
            yield robot, call
    finally:
        robot.close()


def drive(recipe: Recipe, robot: SimRobot, call: Skill, rng: Dice) -> list[Frame]:
    """One call; its frames if it came to be done in time, else none."""
    pictures, mind, disturb = Pictures(robot._bench, robot._camera), Mind(), Disturber(rng)
    first = robot.observe(()).scene
    assert first is not None
    words, name = draw_words(call, first, recipe, rng), handled(call.subtask, first)[0]
    frames: list[Frame] = []
    for _ in range(TICKS):
        seen = robot.observe(())
        assert seen.scene is not None
        if call.done(seen.scene.since(first.tick)):
            return frames
        try:
            told = mind.label(seen, call.subtask)
        except PolicyError:
            return []
        frames.append(Sight(pictures, seen, robot.layout.look, robot.seed).frame(call, told, words, "driven"))
        near = name is not None and bool(np.linalg.norm(np.subtract(seen.scene.find(name).position, seen.state[7:10])) < CLOSE)
        robot.apply(disturb(told.chunk[0], seen, near))
    return []
