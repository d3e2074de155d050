"""What is reckoned is what the world is."""

import pytest

from agent.config import load_config
from agent.errors import ConfigError
from agent.evaluate.protocol import Fault
from agent.evaluate.rollout import Stage
from agent.types import Subtask
from sim.layout import read_layout
from sim.oracle import Oracle
from sim.robot import SimRobot
from sim.tasks import known_facts, templates
from sim.tasks.chains import draw_chains, draw_start
from sim.tasks.reckoning import PASSING, after, first_scene


def test_the_first_scene_is_what_the_robot_sees_first() -> None:
    for name, seed in (("out of a bowl", 0), ("find", 3), ("in front of", 1)):
        start, _ = draw_start(templates()[name], seed)
        robot = SimRobot(start.layout, seed=seed)
        real = robot.observe(()).scene
        robot.close()
        assert real is not None and real.things == start.scene.things
        assert set(start.scene.facts) == {fact for fact in real.facts if fact[0] not in PASSING}


def test_a_chain_is_true_of_the_world() -> None:
    """Each precondition holds when the oracle gets there, and so does all else that was reckoned to last."""
    for chain in draw_chains(templates(), 4, 3, seed_base=5)[:2]:
        stage = Stage(load_config(), chain.start, Oracle(), "plan", Fault())
        reckoned = chain.start.scene
        for task in chain.tasks:
            line = stage.play(task, task.words, 500)
            assert line["success"], f"{task.words}: {line['why']}"
            assert not line["unmet"], f"{task.words} began where {line['unmet']} was not so"
            reckoned = after(reckoned, *task.plan)
            lasting = {f for f in known_facts(reckoned) if f[0] in ("in", "on", "open", "closed", "lit", "dark", "holding", "empty")}
            assert lasting <= known_facts(stage.watched.scene())
        stage.close()


def test_a_skill_without_effects_says_where_they_belong() -> None:
    scene = first_scene(read_layout("tabletop"), 0)
    with pytest.raises(ConfigError, match="EFFECTS"):
        after(scene, Subtask(skill="wipe", words="wipe the table"))
