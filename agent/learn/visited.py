"""States that a learned policy gets itself into, with what the oracle would do there (Ross et al. 2011, DAgger).

The policy drives through its own chunks in full physics; the oracle labels every few ticks. Calls that it fails are kept too: they hold
the states from which it has to learn the way back. Often the oracle drives the first part of a call, so that the policy also gets to
places that it does not yet reach by itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.errors import PolicyError
from agent.executor.models.small_policy import SmallPolicy, small_policy
from agent.learn.calls import draw_words
from agent.learn.driven import calls_in_world
from agent.learn.mind import Mind
from agent.learn.recipe import Recipe
from agent.learn.shards import Frame
from agent.learn.sight import Sight
from agent.learn.stage import Dice, Pictures
from agent.skills.skill import Skill
from agent.types import Array, Observation, Subtask
from sim.robot import SimRobot

CALLS, TICKS = 6, 288
"""Calls in one world, and control periods for each."""
ROWS, EVERY = 16, 4
"""Rows of a chunk that are carried out, and ticks from one labelled state to the next."""
LED, LED_TICKS = 0.4, 120
"""How often the oracle drives first, and for how long at most."""


def draw_visits(recipe: Recipe, driver: Path, seed: int, count: int, cameras: Sequence[str] | None = None) -> Iterator[Frame]:
    """So many frames; equal arguments and weights give equal frames. Worlds have the seeds seed, seed + 1, …

    cameras: those that the policy drives by; None: all that it knows.
    """
    policy, left, world = small_policy(driver, cameras=cameras), count, 0
    while left > 0:
        rng = np.random.default_rng([seed + world, 53])
        for frame in in_world(recipe, policy, seed + world, rng):
            yield frame
            left -= 1
            if left == 0:
                return
        world += 1


def in_world(recipe: Recipe, policy: SmallPolicy, seed: int, rng: Dice) -> Iterator[Frame]:
    """The frames of one world, one call after the other."""
    with closing(calls_in_world(recipe, seed, rng, CALLS)) as calls:
        for robot, call in calls:
            if robot.rejected:
                return
            yield from drive(recipe, robot, policy, call, rng)


def drive(recipe: Recipe, robot: SimRobot, policy: SmallPolicy, call: Skill, rng: Dice) -> Iterator[Frame]:
    """One call: a frame every few ticks from where the policy takes over until it is done, or out of time."""
    pictures, mind = Pictures(robot._bench, robot._camera), Mind()
    first = robot.observe(()).scene
    assert first is not None
    words = draw_words(call, first, recipe, rng)
    led = int(rng.integers(LED_TICKS)) // ROWS * ROWS if rng.random() < LED else 0
    rows: Array = np.zeros((0, 7), np.float32)
    for tick in range(TICKS):
        seen = robot.observe(())
        assert seen.scene is not None
        if call.done(seen.scene.since(first.tick)):
            return
        if tick % EVERY == 0:
            try:
                told = mind.label(seen, call.subtask)
            except PolicyError:
                return
            sight = Sight(pictures, seen, robot.layout.look, robot.seed)
            if tick >= led:
                yield sight.frame(call, told, words, "driven")
            if tick % ROWS == 0:
                rows = told.chunk if tick < led else chunk_of(policy, replace(seen, images=sight.images), words)
        robot.apply(rows[tick % ROWS])


def chunk_of(policy: SmallPolicy, seen: Observation, words: str) -> Array:
    """What the policy would have the arm do."""
    return policy.predict(seen, Subtask(skill="", words=words)).actions
