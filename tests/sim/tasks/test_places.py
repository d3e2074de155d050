"""Tasks with lid, bays, lever, knob and zones: what they ask for, when, and how it is told that it was done."""

from functools import cache

import pytest

from agent.types import Scene
from sim import loose
from sim.tasks import Task, template
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after
from sim.tasks.referee import Referee
from sim.tasks.task import ZONE_HOLDS, within

SEEDS = range(5)


@cache
def drawn(name: str) -> list[tuple[Scene, list[Task]]]:
    """Scenes of a template, each with all of its tasks there."""
    starts = [draw_start(template(name), seed)[0] for seed in SEEDS]
    return [(start.scene, template(name).find(start.scene)) for start in starts]


@pytest.mark.parametrize("name", ["in the open bay", "in the covered bay", "hide in a bay"])
def test_nothing_is_put_into_a_bay_that_is_full(name: str) -> None:
    for scene, tasks in drawn(name):
        full = after(scene, *tasks[0].plan)
        bay = tasks[0].args["target"]
        assert within(full, bay) and all(task.args["target"] != bay for task in template(name).find(full))


def test_open_and_covered_bays_are_told_apart() -> None:
    for scene, tasks in drawn("in the covered bay"):
        assert all(("covered", task.args["target"]) in scene.facts for task in tasks)
        assert all(("uncovered", task.args["target"]) in scene.facts for task in template("in the open bay").find(scene))


def test_what_is_hidden_is_the_only_thing_in_its_bay_and_fits_where_it_goes() -> None:
    for scene, tasks in drawn("find in a bay"):
        for task in tasks:
            thing, target = task.args["thing"], task.args["target"]
            assert [bay for bay in scene.names("bay") if within(scene, bay) == [thing] and ("covered", bay) in scene.facts]
            assert target in scene.names("zone") or max(scene.find(thing).size[:2]) <= 0.06


def test_a_thing_leaves_a_zone_only_when_it_stands_outside() -> None:
    for scene, tasks in drawn("out of a zone"):
        task = tasks[0]
        thing, zone = task.args["thing"], task.args["target"]
        assert task.progress(scene, scene) == 0.0
        lifted = after(scene, task.plan[0])
        assert 0.0 < task.progress(lifted, scene) < 1.0
        out = after(scene, *task.plan)
        assert ("in", thing, zone) not in out.facts and task.progress(out, scene) == 1.0


def test_clearing_a_zone_or_a_bowl_counts_each_thing() -> None:
    for name in ("clear a zone", "empty a bowl"):
        for scene, tasks in drawn(name):
            task, half = tasks[0], after(scene, *tasks[0].plan[:2])
            assert task.progress(half, scene) == pytest.approx(0.5)
            assert task.progress(after(half, *task.plan[2:]), scene) == 1.0


@pytest.mark.parametrize("name", ["sort by shape", "sort by size"])
def test_sorting_takes_all_things_of_both_groups(name: str) -> None:
    for scene, tasks in drawn(name):
        for task in tasks:
            done = after(scene, *task.plan)
            for group, zone in ((task.args["ones"], task.args["target"]), (task.args["others"], task.args["second"])):
                size, _, plural = group.rpartition(" ")
                kind = [thing for thing in scene.names(plural.removesuffix("s")) if thing.startswith(size)]
                assert kind and sorted(within(done, zone)) == sorted(kind) and len(kind) <= ZONE_HOLDS


def test_sorting_by_colour_is_by_colour() -> None:
    for _, tasks in drawn("sort into zones"):
        for task in tasks:
            for thing, zone in ((task.args["thing"], task.args["target"]), (task.args["other"], task.args["second"])):
                assert loose.made(thing).colour == loose.made(zone).colour


def test_both_lights_must_go_out() -> None:
    for scene, (task,) in drawn("everything dark"):
        assert task.progress(after(scene, task.plan[0]), scene) == 0.5
        assert task.progress(after(scene, *task.plan), scene) == 1.0
        assert not template("everything dark").find(after(scene, task.plan[1]))


def test_a_drawer_half_way_can_be_opened_and_closed() -> None:
    for scene, (task,) in drawn("open the drawer half way"):
        half = after(scene, *task.plan)
        assert template("open the drawer").find(half) and template("close the drawer").find(half)
        assert not template("open the drawer half way").find(half) and not template("in the open drawer").find(half)


def test_a_lid_that_slides_unasked_is_a_fault() -> None:
    scene, (task,) = drawn("lamp on")[0]
    done = after(scene, *task.plan).model_copy(update={"tick": scene.tick})
    x, y, z = done.find("lid").position
    slid = [thing.model_copy(update={"position": (x, y + 0.1, z)}) if thing.name == "lid" else thing for thing in done.things]
    for things, held in ((done.things, True), (tuple(slid), False)):
        referee = Referee(task, scene)
        for tick in range(1, 30):
            referee.look(done.model_copy(update={"tick": scene.tick + tick, "things": things}), ())
        assert (referee.verdict.held is not None) is held
