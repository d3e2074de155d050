"""Tasks with beads and trays: they are found where they can be done, reckoned with, and measured by where the beads are."""

import numpy as np
import pytest

from agent.skills.library import gather
from agent.types import Scene
from sim.language import SETS, phrases
from sim.layout import read_layout
from sim.tasks import template
from sim.tasks.beads import TEMPLATES, WIDE_M, brought, has_room
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after, first_scene


@pytest.mark.parametrize("name", [made.name for made in TEMPLATES])
@pytest.mark.parametrize("seed", range(3))
def test_a_task_is_reckoned_to_reach_its_goal_and_can_be_said(name: str, seed: int) -> None:
    start, task = draw_start(template(name), seed)
    begun = after(start.scene, *template(name).prelude)
    assert not task.unmet(begun) and any(fact not in begun.facts for fact in task.goal)
    library, scene = gather(), begun
    for subtask in task.plan:
        call = library.bind(subtask)
        assert call.can(scene), subtask.words
        scene = after(scene, subtask)
    assert all(fact in scene.facts for fact in task.goal)
    for kind in SETS:
        assert phrases(task, begun, kind, 2, seed)


def with_cup(*more: str) -> Scene:
    things = ["white cup", {"name": "beads", "in": "white cup"}, *more]
    return first_scene(read_layout({"things": things}), 1)


def test_beads_are_poured_into_wide_bowls_only() -> None:
    scene = with_cup("large red bowl", "blue bowl")
    assert [task.args["target"] for task in template("pour").find(scene)] == ["large red bowl"]
    assert scene.find("blue bowl").size[0] < WIDE_M < scene.find("large red bowl").size[0]
    assert not template("pour").find(with_cup("blue bowl")) and not template("sweep").find(with_cup("red zone", "blue sponge"))


def test_progress_is_the_share_that_has_come_and_whole_only_with_the_fact() -> None:
    start = with_cup("large red bowl")
    bowl, beads = start.find("large red bowl"), start.find("beads")

    def poured(count: int, *facts: tuple[str, ...]) -> Scene:
        pieces = (*(bowl.position,) * count, *beads.pieces[count:])
        things = tuple(beads.model_copy(update={"pieces": pieces}) if thing.name == "beads" else thing for thing in start.things)
        return start.model_copy(update={"things": things, "facts": (*start.facts, *facts)})

    measure = brought("large red bowl", ("upright", "white cup"))
    shares = [measure(poured(count), start) for count in range(7)]
    assert shares[0] == 0.0 and np.all(np.diff(shares) >= 0) and shares[6] < 1.0
    assert measure(poured(5, ("in", "beads", "large red bowl")), start) == 1.0


def test_two_short_things_share_a_tray() -> None:
    things = ["red tray", {"name": "blue block", "in": "red tray"}, "green block", "yellow bar"]
    scene = first_scene(read_layout({"things": things}), 0)
    assert has_room(scene, "red tray", "green block") and not has_room(scene, "red tray", "yellow bar")


@pytest.mark.parametrize("seed", [13, 31, 37, 46])
def test_where_no_way_is_free_for_the_sponge_things_are_put_elsewhere(seed: int) -> None:
    """In these worlds something stands in every lane, whatever its colour."""
    start, _ = draw_start(template("sweep"), seed)
    assert start.seed != seed
    assert draw_start(template("sweep"), seed)[0].seed == start.seed
