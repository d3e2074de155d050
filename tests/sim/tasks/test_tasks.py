"""Every template, as properties: there is a task, its plan reaches its goal in reckoning, and its skills exist."""

import numpy as np
import pytest

from agent.errors import ConfigError
from agent.skills.library import gather
from sim.layout import read_layout
from sim.tasks import template, templates
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after, first_scene

NAMES = list(templates())


@pytest.mark.parametrize("name", NAMES)
def test_a_template_draws_a_task_that_can_begin_and_is_not_done_yet(name: str) -> None:
    for seed in range(6):
        start, task = draw_start(template(name), seed)
        scene = after(start.scene, *template(name).prelude)
        assert not task.unmet(scene)
        assert task.progress(scene, scene) < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_its_plan_leads_to_its_goal_step_by_step(name: str) -> None:
    library = gather()
    for seed in range(4):
        start, _ = draw_start(template(name), seed)
        before = after(start.scene, *template(name).prelude)
        for task in template(name).find(before)[:8]:
            scene = before
            for subtask in task.plan:
                skill = library.bind(subtask)
                assert skill.can(scene), f"{subtask.words} cannot be done in the plan of: {task.words}"
                assert skill.subtask.words == subtask.words
                scene = after(scene, subtask)
                assert skill.done(scene) is not False, f"{subtask.words} is not done in reckoning"
            assert task.progress(scene, before) == 1.0


def test_equal_seeds_draw_equal_tasks_and_seeds_differ() -> None:
    drawn = [draw_start(template("stack"), seed) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0][1].words == drawn[1][1].words and drawn[0][0].layout == drawn[1][0].layout
    assert len({task.words for _, task in drawn}) > 1


def test_what_blocks_a_task_is_said() -> None:
    start, task = draw_start(template("out of the drawer"), 0)
    shut = start.scene.model_copy(update={"facts": tuple(f for f in start.scene.facts if f != ("open", "drawer"))})
    assert task.unmet(shut) == ("open drawer",)
    holding = start.scene.model_copy(update={"holding": "red block"})
    assert "empty gripper" in task.unmet(holding)


def test_put_beside_is_not_asked_where_it_is_so_already() -> None:
    for seed in range(10):
        scene = first_scene(read_layout("tabletop"), seed)
        for relation in ("left of", "behind", "next to"):
            for task in template(relation).find(scene):
                assert not scene.has(relation, task.args["thing"], task.args["target"])


def test_an_unknown_template_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'stack'"):
        template("stak")


def test_layouts_are_readable() -> None:
    for name in NAMES:
        read_layout(templates()[name].layout(np.random.default_rng(3)))
