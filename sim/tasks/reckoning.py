"""A world that is only reckoned with: the scene a layout begins in, and the scene after subtasks that work."""

from agent.errors import ConfigError
from agent.types import Scene, Subtask
from sim.layout import Layout
from sim.tasks.effects import EFFECTS
from sim.tasks.task import BESIDE

STEP_TICKS = 150
PASSING = ("over", "moving")
"""Relations of the moment, that no task builds on."""
STAYS = (
    "in", "on", "clear", "open", "closed", "half open", "lit", "dark", *BESIDE, "touching", "somewhere", "home", "followed",
    "covered", "uncovered", "at left", "at right", "up", "down", "at", "standing", "lying", "upright",
)  # fmt: skip
"""Relations that a subtask leaves as they are, unless it says otherwise."""


def first_scene(layout: Layout, seed: int) -> Scene:
    """The scene in which SimRobot(layout, seed) begins, but for what is of the moment. Builds the world and looks (0.1 s)."""
    from sim import truth
    from sim.bench import Bench

    bench = Bench(layout, seed)
    try:
        scene = truth.scene(bench)
    finally:
        bench.close()
    return scene.model_copy(update={"facts": tuple(fact for fact in scene.facts if fact[0] not in PASSING)})


def after(scene: Scene, *subtasks: Subtask) -> Scene:
    """The scene once the subtasks have worked, one after the other. ConfigError for a skill that has no entry in EFFECTS."""
    for subtask in subtasks:
        if subtask.skill not in EFFECTS:
            raise ConfigError(f"The skill '{subtask.skill}' has no entry in EFFECTS of sim/tasks/effects.py. Add what it changes.")
        lasting = [fact for fact in scene.facts if fact[0] in STAYS and fact[0] != "home"]
        began = scene.model_copy(update={"facts": tuple(lasting), "tick": scene.tick + STEP_TICKS})
        scene = EFFECTS[subtask.skill](began, subtask.args)
    return scene
