"""Rows and faults in the world: what each row may know, and that what goes wrong is met."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from agent.config import load_config
from agent.evaluate.episodes import Episode, play_episode
from agent.evaluate.protocol import Cameras, Fault, Perturbation, Protocol
from agent.evaluate.rollout import Stage, Watched
from agent.evaluate.wrong import bound, crowded, fits
from agent.types import Chunk, Observation, Subtask
from sim.disturb import Disturbance
from sim.oracle import Oracle
from sim.robot import SimRobot
from sim.tasks import template
from sim.tasks.chains import draw_start
from sim.tasks.referee import Referee

SLIP = {"kind": "slip", "when": {"holding": "{thing}", "after_ticks": 12}}
MOVE = {"kind": "move", "thing": "{thing}", "far": 0.1, "when": {"tick": 20}}
HAND = {"kind": "hand", "thing": "{thing}", "does": "push", "by": 0.1, "when": {"tick": 0}}
CHANGE = {"when": {"holding": "{thing}", "after_ticks": 4}}
PROTOCOL = Protocol(
    name="rows", kind="disturbed", templates=("in a bowl", "light on"), rows=("plan", "planner", "recovery"), ticks=600,
    perturbations=(
        Perturbation(name="slip", levels=(Fault.model_validate({"wrong": [SLIP]}),)),
        Perturbation(name="moved", levels=(Fault.model_validate({"wrong": [MOVE]}),)),
        Perturbation(name="late", levels=(Fault(delay_ticks=5),)),
        Perturbation(name="lost", levels=(Fault(lost=0.3),)),
        Perturbation(name="out", levels=(Fault(cameras=Cameras(out_s=1.0)),)),
        Perturbation(name="shifted", levels=(Fault(cameras=Cameras(shift_deg=1.0)),)),
        Perturbation(name="late arm", levels=(Fault(act_ticks=3),)),
        Perturbation(name="hand", levels=(Fault.model_validate({"wrong": [HAND]}),)),
        Perturbation(name="changed", levels=(Fault.model_validate({"change": CHANGE}),)),
    ),
)  # fmt: skip


def played(row: Any, about: str = "in a bowl", perturbation: str = "clean", number: int = 2) -> dict[str, Any]:
    level = 0 if perturbation == "clean" else 1
    return play_episode(PROTOCOL, load_config(), Episode(row=row, about=about, number=number, perturbation=perturbation, level=level))


def test_plan_and_planner_agree_where_nothing_goes_wrong() -> None:
    plan, planner = played("plan"), played("recovery")
    assert plan["success"] and planner["success"]
    assert plan["results"][0]["steps"] == planner["results"][0]["steps"]
    assert plan["results"][0]["decisions"] == 0 < planner["results"][0]["decisions"]
    assert plan["results"][0]["calls"] == planner["results"][0]["calls"] == [("pick", True), ("place in a bowl", True)]


def test_chunks_are_counted_and_timed() -> None:
    result = played("plan")["results"][0]
    assert result["wrong"] == [] and result["chunk_ms"] > 0
    assert result["ticks"] / 32 < result["chunks"] < result["ticks"] / 8


class Forgetful:
    """The oracle, told of nothing that happened before."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.spec, self.asked = self.oracle.spec, [""]

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        assert observation.scene is not None
        self.asked.append(subtask.skill)
        return self.oracle.predict(replace(observation, scene=observation.scene.model_copy(update={"events": ()})), subtask)


def test_a_policy_that_forgets_is_not_told_to_press_again_what_it_has_pressed() -> None:
    start, task = draw_start(template("light on"), 2)
    policy = Forgetful()
    stage = Stage(load_config(), start, policy, "plan", Fault())
    result = stage.play(task, task.words, 400)
    assert result["success"] and policy.asked[-1] == "home" and "press" in policy.asked
    stage.close()


def test_what_the_task_is_not_about_and_was_moved_or_taken_is_told() -> None:
    start, task = draw_start(template("in a bowl"), 2)
    robot = SimRobot(start.layout, seed=start.seed)
    watched = Watched(robot)
    scene = watched.scene()
    watched.watch(Referee(task, scene, ()), 100)
    thing = scene.find(task.args["thing"])
    other = next(one for one in scene.things if one.kind == "block" and one.name not in task.args.values())
    for name, to in ((other.name, (0.35, -0.25)), (thing.name, (0.35, 0.25))):
        robot.disturb([TypeAdapter(Disturbance).validate_python({"kind": "move", "thing": name, "to": to, "when": {"tick": scene.tick}})])
    for _ in range(3):
        watched.apply(np.array([*robot.observe(()).state[7:13], 1], np.float32))
    assert watched.wrong() == [other.name]
    watched.grasped |= {thing.name, "blue bowl"}
    assert watched.wrong() == sorted({other.name, "blue bowl"} - {task.args["target"]})
    robot.close()


@pytest.mark.parametrize("perturbation", ["moved", "late", "lost"])
def test_the_closed_loop_copes(perturbation: str) -> None:
    line = played("plan", perturbation=perturbation)
    assert line["success"], line["results"][0]["why"]
    assert bool(line["fired"]) == (perturbation == "moved")


@pytest.mark.parametrize("fault", ["out", "shifted", "late arm", "hand"])
def test_every_fault_gets_into_the_world(fault: str) -> None:
    line = played("plan", perturbation=fault)
    clean = played("plan")
    assert line["results"][0]["ticks"] != clean["results"][0]["ticks"] or line["results"][0]["why"] != clean["results"][0]["why"]
    thing = draw_start(template("in a bowl"), 2)[1].args["thing"]
    assert [what for _, what in line["fired"]] == ([f"a hand came to push the {thing}"] if fault == "hand" else [])


def test_more_things_are_there_and_the_others_stand_where_they_stood() -> None:
    start, task = draw_start(template("in a bowl"), 2)
    fuller = crowded(start, task, Fault(distractors=3, alike=2), 2)
    assert fuller is not None
    extra = set(fuller.scene.names()) - set(start.scene.names())
    thing = task.args["thing"]
    alike = [name for name in extra if name.split()[-2] == thing.split()[-2]]
    assert len(extra) == 3 and len(alike) == 2 and task.unmet(fuller.scene) == ()
    near = min(np.hypot(*np.subtract(fuller.scene.find(name).position, fuller.scene.find(thing).position)[:2]) for name in alike)
    assert near < 0.16
    for name in (fact[1] for fact in start.scene.facts if fact[0] == "on" and fact[2] == "table"):
        assert fuller.scene.find(name).position[:2] == pytest.approx(start.scene.find(name).position[:2], abs=2e-3)


def test_a_fault_fits_where_its_slots_and_its_furniture_are() -> None:
    def of(name: str, wrong: dict[str, Any]) -> bool:
        start, task = draw_start(template(name), 0)
        return fits(Fault.model_validate({"wrong": [{**wrong, "when": {"tick": 1}}]}), task, start.scene)

    move, lever, drawer = {"kind": "move", "thing": "{thing}", "far": 0.1}, {"kind": "lever"}, {"kind": "drawer", "to": "closed"}
    assert of("lift", move) and not of("light on", move) and not of("lift", lever) and not of("lift", drawer)
    assert of("open the drawer", drawer) and of("put away", drawer) and not of("light on", drawer)
    assert of("in a bowl", {"kind": "swap", "thing": "{thing}", "other": "{another}"})


def test_ticks_of_a_fault_count_from_where_the_task_begins() -> None:
    start, task = draw_start(template("lift"), 0)
    later = start.scene.model_copy(update={"tick": 500})
    fault = Fault.model_validate({"wrong": [{"kind": "move", "thing": "{thing}", "far": 0.1, "when": {"tick": 7}}]})
    (move,) = bound(fault, task, later, 0)
    assert move.when.tick == 507
    gone = np.hypot(*np.subtract(move.to, start.scene.find(task.args["thing"]).position[:2]))
    assert 0.07 < gone < 0.14


def test_a_slip_happens_and_recovery_gets_over_it() -> None:
    line = played("recovery", perturbation="slip")
    assert line["fired"] and line["success"], line["results"][0]["why"]


def test_another_instruction_is_what_counts() -> None:
    line = played("recovery", perturbation="changed")
    assert line["success"], line["results"][0]["why"]


def test_random_motion_does_not_switch_the_light() -> None:
    line = played("random", about="light on")
    assert not line["success"] and line["picture"]


def test_equal_episodes_are_equal() -> None:
    one, other = played("plan", about="light on"), played("plan", about="light on")
    for line in (one, other):
        del line["wall_s"], line["results"][0]["chunk_ms"]
    assert one == other
