"""Labelled states without physics: what the oracle would do, from states that a learner gets into.

In a world with things put somewhere a call is drawn, and the oracle carries it out in the mind (sim/oracle rolled forward on its own
imagination). Moments of that are then disturbed: the hand displaced, alone or with what it holds, the fingers closed beside a thing, a
thing lost on the way. Each is put into the world for real, seen, and labelled afresh: the oracle's chunk from exactly there, where the
things are in the pictures, and words. The end of one call is where the next begins, so things get into bowls, drawers and towers as they do
in use.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agent.errors import ConfigError, PolicyError
from agent.learn.calls import another_pick, draw_call, draw_skill, draw_words
from agent.learn.mind import Mind
from agent.learn.moments import chosen, holding, somewhere
from agent.learn.recipe import Recipe
from agent.learn.scenery import draw_layout, rearranged
from agent.learn.shards import Frame
from agent.learn.sight import Sight
from agent.learn.stage import Dice, Moment, Stage, things_of
from agent.skills.skill import Skill
from agent.types import Observation

CALLS = 4
"""Calls one after the other in an arrangement."""
HOLDING = {"place": 1.0, "between": 1.0, "stack": 0.35, "home": 0.3}
"""How often a skill begins with something in the hand."""
BARREN = 20
"""Worlds without a frame, one after the other, after which a recipe is no good."""
FULL_HANDED = 0.12
"""How often a state with something in the hand is also one of being told to pick up something else: it took the wrong thing."""
AFRESH = 0.5
"""How often a call begins with the hand somewhere else than the last one ended."""


def draw_states(recipe: Recipe, seed: int, count: int) -> Iterator[Frame]:
    """So many frames; equal arguments give equal frames. Worlds have the seeds seed, seed + 1, …; at most one for each frame."""
    left, world, barren = count, 0, 0
    while left > 0:
        before, rng = left, np.random.default_rng([seed + world, 51])
        for frame in in_world(recipe, seed + world, rng, min(left, recipe.frames_per_world)):
            yield frame
            left -= 1
        world, barren = world + 1, barren + 1 if left == before else 0
        if barren == BARREN:
            raise ConfigError(f"The recipe '{recipe.name}' gives no frames: in {BARREN} worlds nothing could be commanded, or things did "
                              "not fit on the table. Ask for fewer things, or for skills that its things and fixtures allow.")  # fmt: skip


def in_world(recipe: Recipe, seed: int, rng: Dice, count: int) -> Iterator[Frame]:
    """Up to `count` frames of one world; none if its things do not fit on the table."""
    try:
        stage = Stage(draw_layout(recipe, rng), seed)
    except ConfigError:
        return
    try:
        barren = 0
        while count > 0 and barren < 5:
            frames = [frame for _, frame in zip(range(count), in_arrangement(recipe, stage, rng), strict=False)]
            yield from frames
            count -= len(frames)
            barren = 0 if frames else barren + 1
    finally:
        stage.close()


def in_arrangement(recipe: Recipe, stage: Stage, rng: Dice) -> Iterator[Frame]:
    """Things put somewhere, and a few calls one after the other."""
    try:
        stage.arrange(rearranged(stage.layout, rng), rng)
    except ConfigError:
        return
    mind, last = Mind(), None
    for _ in range(CALLS):
        begun = begin(recipe, stage, last if rng.random() > AFRESH else None, rng)
        if begun is None:
            last = None
            continue
        call, start = begun
        try:
            moments = mind.imagine(start, call.subtask)
        except PolicyError:
            last = None
            continue
        for moment, kind in chosen(call, moments, stage, rng):
            yield from frames_at(recipe, stage, mind, call, moment, kind, rng)
        last = go_on(call, stage, moments, rng)


def begin(recipe: Recipe, stage: Stage, last: Moment | None, rng: Dice) -> tuple[Skill, Observation] | None:
    """A call, and the state that it begins in: where the last one ended, or anywhere, with something in the hand if the call needs it."""
    skill = draw_skill(recipe, rng)
    start = stage.put(last) if last else None
    if start is None:
        moment = holding(stage, rng) if rng.random() < HOLDING.get(skill, 0.0) else somewhere(rng)
        start = stage.put(moment) if moment else None
    if start is None or start.scene is None:
        return None
    call = draw_call(start.scene, recipe, rng, skill)
    return (call, start) if call else None


def go_on(call: Skill, stage: Stage, moments: list[Moment], rng: Dice) -> Moment | None:
    """Where the call may have ended, which is soon after it was done; things stay where it left them. None if that cannot be."""
    whole = len(moments)
    moment = moments[int(rng.integers(whole - max(whole // 4, 1), whole))]
    if stage.put(moment) is None:
        return None
    for name in moment.pressed:
        if stage.scene.find(name).kind == "button":
            stage.bench.set_light(not stage.bench.logic.lit)
    if moment.held is None and moment.gripped is None:
        stage.settle()
        moment = replace(moment, things=things_of(stage.scene))
    return replace(moment, pressed=frozenset())


# --- frames ---------------------------------------------------------------------------------------------------------------------


def frames_at(recipe: Recipe, stage: Stage, mind: Mind, call: Skill, moment: Moment, kind: str, rng: Dice) -> Iterator[Frame]:
    """The frames of one state: for the call, and for others that could be commanded there."""
    observation = stage.put(moment)
    if observation is None or observation.scene is None:
        return
    sight = Sight(stage.pictures, observation, stage.layout.look, stage.seed)
    calls = {call.subtask.key: (call, kind)}
    for _ in range(rng.poisson(recipe.labels - 1)):
        other = draw_call(observation.scene, recipe, rng)
        if other is not None:
            calls.setdefault(other.subtask.key, (other, "held" if moment.held else "random"))
    if moment.held and rng.random() < FULL_HANDED and (another := another_pick(observation.scene, recipe, rng)):
        calls.setdefault(another.subtask.key, (another, "held"))
    for asked, how in calls.values():
        try:
            told = mind.label(observation, asked.subtask)
        except PolicyError:
            continue
        yield sight.frame(asked, told, draw_words(asked, observation.scene, recipe, rng), how)

