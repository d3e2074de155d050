"""The workbench as Gymnasium environments: `saydo/InABowl-v0` and one more for every task template, and `saydo/Workbench-v0` for any scene.

`import sim` registers them, as does `gymnasium.make("sim:saydo/Lift-v0")`. Neither loads physics: that happens in the first reset.
"""

from pathlib import Path

import gymnasium

VERSION = 0
"""Goes up when what an id stands for changes: scenes, words, success, observations or actions."""
MAX_STEPS = 600
"""30 s of simulated time."""
GENERAL = f"saydo/Workbench-v{VERSION}"
WRITTEN = Path(__file__).parent / "tasks.txt"
TASKS = tuple(WRITTEN.read_text(encoding="utf-8").splitlines())
"""Every template of sim.tasks.templates(), written down: an id is a promise, and to ask for them would load the physics. After adding a
template, `python -m sim.environments` writes it down."""


def env_id(task: str) -> str:
    """The id of a template's environment: "in a bowl" is saydo/InABowl-v0."""
    return f"saydo/{''.join(word[0].upper() + word[1:] for word in task.split())}-v{VERSION}"


def register() -> None:
    """Make the environments known to gymnasium; those that it knows already are left alone."""
    for name, kwargs in {GENERAL: {}, **{env_id(task): {"task": task} for task in TASKS}}.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, "sim.environments.workbench:Workbench", max_episode_steps=MAX_STEPS, kwargs=kwargs)


__all__ = ["GENERAL", "MAX_STEPS", "TASKS", "WRITTEN", "env_id", "register"]
