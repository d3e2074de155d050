"""Pushing, turning and building: asked for only where there is room, and not done by what breaks their rules."""

from math import pi

import numpy as np
import pytest

from agent.types import Scene, Thing
from sim.layout import read_layout
from sim.loose import made
from sim.oracle.spots import WIDE
from sim.tasks import Task, template
from sim.tasks.chains import draw_start
from sim.tasks.push_zone import push_into
from sim.tasks.reckoning import after, first_scene
from sim.tasks.room import alone, call, clear_strip, free_way
from sim.tasks.sizes import in_a_row
from sim.tasks.task import pick, place
from sim.tasks.zone import put_in


def thing(name: str, x: float, y: float, yaw: float = 0.0) -> Thing:
    what = made(name)
    return Thing(name=name, kind=what.kind, position=(x, y, what.size[2] / 2), yaw=yaw, size=what.size)


def drawn(name: str, seed: int = 0) -> tuple[Scene, Task]:
    start, task = draw_start(template(name), seed)
    return start.scene, task


@pytest.mark.parametrize("name", ["push left", "push into a zone", "push out of a zone", "push against"])
def test_what_was_carried_there_was_not_pushed(name: str) -> None:
    """The same end by pick and place is worth nothing."""
    scene, task = drawn(name)
    name = task.args["thing"]
    pushed = after(scene, *task.plan)
    carried = after(scene, pick(name), place(name, "on", "table"))
    ended = pushed.model_copy(update={"events": (*carried.events, *pushed.events)})
    assert task.progress(pushed, scene) == 1.0 and task.progress(ended, scene) == 0.0


def test_a_turn_far_from_where_it_was_does_not_count() -> None:
    scene, task = drawn("rotate left")
    turned = after(scene, *task.plan)
    x, y, z = turned.find(task.args["thing"]).position
    gone = tuple(t.model_copy(update={"position": (x, y - 0.12, z)}) if t.name == task.args["thing"] else t for t in turned.things)
    assert task.progress(turned, scene) == 1.0 and task.progress(turned.model_copy(update={"things": gone}), scene) == 0.0


@pytest.mark.parametrize(("away", "guessed", "asked"), [(0.20, True, True), (0.09, True, False), (0.09, False, True)])
def test_what_was_put_down_somewhere_is_brought_only_into_a_zone_that_it_cannot_lie_in(away: float, guessed: bool, asked: bool) -> None:
    zone = {"name": "red zone", "at": [0.42, 0.0]}
    scene = first_scene(read_layout({"things": [zone, {"name": "green block", "at": [0.42, -away]}], "motion": True}), 0)
    if guessed:
        scene = scene.model_copy(update={"facts": (*scene.facts, ("somewhere", "green block"))})
    assert bool(list(push_into(scene))) == bool(list(put_in(scene))) == asked


@pytest.mark.parametrize("name", ["push away", "push into a zone", "push against", "rotate left"])
def test_a_bar_that_stands_on_its_end_would_fall(name: str) -> None:
    spots = {"green bar": 0.0, "red block": -0.2, "red zone": 0.2}
    things = [{"name": name, "at": [0.42, y]} for name, y in spots.items()]
    scene = first_scene(read_layout({"things": things, "motion": True}), 0)
    raised = after(scene, call("stand_up", "stand the {thing} up", thing="green bar"))
    asked, then = ({part for task in template(name).find(at) for part in task.args.values()} for at in (scene, raised))
    assert "green bar" in asked and "green bar" not in then


def test_the_way_back_is_taken_off() -> None:
    scene, task = drawn("push left")
    back = call("push", "push the {thing} {direction}", thing=task.args["thing"], direction="right")
    assert task.progress(after(scene, *task.plan, back), scene) == 0.0


def test_a_guess_asks_for_more_room() -> None:
    red, blue = thing("red block", 0.45, 0.0), thing("blue block", 0.45, 0.175)
    scene = Scene(tick=0, things=(red, blue))
    somewhere = scene.model_copy(update={"facts": (("somewhere", "blue block"),)})
    assert free_way(scene, red, pi / 2, 0.11) and not free_way(somewhere, red, pi / 2, 0.11)
    assert not free_way(scene, red, pi / 2, 0.14) and free_way(somewhere, red, -pi / 2, 0.11)


def test_room_around_and_beside() -> None:
    red, blue = thing("red block", 0.45, 0.0), thing("blue block", 0.45, 0.09)
    scene = Scene(tick=0, things=(red, blue))
    assert not alone(scene, red) and alone(Scene(tick=0, things=(red,)), red)
    assert clear_strip(scene, red, -pi / 2, 0.2, 0.1) and not clear_strip(scene, red, pi / 2, 0.2, 0.1)
    assert clear_strip(scene, red, pi / 2, 0.2, 0.1, ("blue block",)) and not clear_strip(scene, red, 0.0, 0.4, 0.1), "out of reach"


@pytest.mark.parametrize(("aside", "swapped", "good"), [(0.0, False, 1.0), (0.012, False, 1.0), (0.05, False, 0.0), (0.0, True, 0.0)])
def test_a_row_is_straight_and_in_order(aside: float, swapped: bool, good: float) -> None:
    names = ("large red block", "blue block", "small green block")
    first, second, third = (0.40, 0.0), (0.41 + aside, 0.09), (0.42, 0.17)
    spots = (first, third, second) if swapped else (first, second, third)
    things = tuple(thing(name, *spot) for name, spot in zip(names, spots, strict=True))
    scene = Scene(tick=0, things=things, facts=tuple(("on", name, "table") for name in names))
    assert in_a_row(*names)(scene, scene) == good


def test_rows_may_lie_any_way() -> None:
    names = ("large red block", "blue block", "small green block")
    for angle in np.linspace(0, 2 * pi, 9):
        things = tuple(thing(name, 0.45 + 0.08 * i * np.cos(angle), 0.08 * i * np.sin(angle)) for i, name in enumerate(names))
        scene = Scene(tick=0, things=things, facts=tuple(("on", name, "table") for name in names))
        assert in_a_row(*names)(scene, scene) == 1.0


def test_a_pyramid_is_asked_for_where_its_pushes_have_room() -> None:
    for seed in range(4):
        scene, task = drawn("pyramid", seed)
        assert [step.skill for step in task.plan] == ["pick", "place", "push_against", "pick", "across"]
        built = after(scene, *task.plan[:2])
        one, other = built.find(task.args["one"]), built.find(task.args["other"])
        assert 0.04 < np.hypot(*np.subtract(one.position, other.position)[:2]) < 0.05 + WIDE
