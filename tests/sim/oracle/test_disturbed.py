"""The lid is slid back and the lever thrown back under the oracle's hand, in full contact physics: it does it again."""

import pytest

from agent.skills.fixtures import Switch, Turn
from agent.skills.skill import Skill
from agent.skills.tabletop import Slide
from sim.disturb import Disturbance, PushLid, ThrowLever, When
from sim.oracle import Oracle
from sim.robot import SimRobot

LAYOUT = {"things": ["red block", "blue bowl"], "lid": "left", "lever": "down", "knob": "mark 3"}
CASES: list[tuple[Skill, Disturbance]] = [
    (Slide(thing="lid", side="right"), PushLid(to="left", when=When(fact=("at right", "lid")))),
    (Switch(thing="lamp", way="on"), ThrowLever(when=When(fact=("lit", "lamp")))),
    (Turn(thing="knob", mark="mark 1"), ThrowLever(when=When(tick=30))),
]


@pytest.mark.parametrize(("call", "disturbance"), CASES, ids=lambda value: getattr(value, "words", None))
def test_what_is_undone_is_done_again(call: Skill, disturbance: Disturbance) -> None:
    robot = SimRobot(LAYOUT, seed=3, disturbances=(disturbance,))
    oracle, done = Oracle(), 0
    for _ in range(40):
        observation = robot.observe([])
        assert observation.scene is not None
        done = done + 1 if robot.fired and call.done(observation.scene) else 0
        if done == 3:
            break
        for row in oracle.predict(observation, call.subtask).actions[:12]:
            robot.apply(row)
    assert done == 3 and robot.fired and not robot.rejected
    robot.close()
