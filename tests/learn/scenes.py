"""Recipes and worlds for the tests of what makes demonstrations."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.learn.recipe import Recipe
from agent.learn.stage import Stage
from sim.layout import read_layout
from sim.robot import SimRobot

TABLETOP = Recipe(
    name="small", samples=18, skills={"pick": 3, "place": 4, "stack": 2, "open": 1, "close": 1, "press": 1, "home": 1},
    relations={"in": 2, "on": 1, "left of": 1}, things={"block": (2, 3), "bowl": (1, 1)}, fixtures={"drawer": 1.0, "button": 1.0},
    familiar=0.0, shard=6, driven=0.34, frames_per_world=6,
)  # fmt: skip
EVERYTHING = Recipe(
    name="everything", samples=1, things={"block": (2, 2), "bar": (1, 1), "bowl": (1, 1), "zone": (1, 1)}, motion=True, familiar=0.0,
    skills=dict.fromkeys(("pick", "place", "stack", "open", "close", "press", "home", "slide", "uncover", "cover", "switch", "flip", "turn",
                          "push", "rotate"), 1.0),
    relations={"in": 3, "on": 1, "next to": 1}, fixtures=dict.fromkeys(("drawer", "button", "lid", "lever", "knob"), 1.0),
)  # fmt: skip
BENCH = {"things": ["blue bowl", "red zone", "red block", "green block", "yellow bar"], "drawer": "closed", "button": True, "lid": "left",
         "lever": "down", "knob": "mark 2", "motion": True, "look": "lab"}  # fmt: skip
PLAIN = {"things": ["blue bowl", "red block", "green block"], "look": "walnut"}


@contextmanager
def stage(layout: dict[str, object], seed: int = 3) -> Iterator[tuple[Stage, SimRobot]]:
    """A stage in the world of a robot that can go on from where it is set."""
    robot = SimRobot(read_layout(layout), seed)
    try:
        yield Stage(robot.layout, seed, robot._bench), robot
    finally:
        robot.close()
