"""The arm alone."""

from collections.abc import Iterator

from agent.types import Scene
from sim.tasks.task import Task, Template, bench, home, press


def go_home(scene: Scene) -> Iterator[Task]:
    if "gripper" not in scene.names():
        at_home = ("home", "gripper")
        kept = (scene.holding,) if scene.holding else ()
        yield Task("home", "move the arm home", (home(),), {}, (at_home,), forbids=(at_home,), may_move=kept, keeps_grip=bool(kept))


TEMPLATES = (Template("home", "The arm is in its resting pose.", go_home, bench, ("contact-free",), prelude=(press("button"),)),)
