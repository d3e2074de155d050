"""Rows and faults in the world: what each row may know, and that what goes wrong is met."""

from typing import Any

import pytest

from agent.config import load_config
from agent.evaluate.episodes import Episode, play_episode
from agent.evaluate.protocol import Fault, Perturbation, Protocol

SLIP = {"kind": "slip", "when": {"holding": "{thing}", "after_ticks": 12}}
MOVE = {"kind": "move", "thing": "{thing}", "far": 0.1, "when": {"tick": 20}}
CHANGE = {"when": {"holding": "{thing}", "after_ticks": 4}}
PROTOCOL = Protocol(
    name="rows", kind="disturbed", templates=("in a bowl", "light on"), rows=("plan", "planner", "recovery"), ticks=600,
    perturbations=(
        Perturbation(name="slip", levels=(Fault.model_validate({"wrong": [SLIP]}),)),
        Perturbation(name="moved", levels=(Fault.model_validate({"wrong": [MOVE]}),)),
        Perturbation(name="late", levels=(Fault(delay_ticks=5),)),
        Perturbation(name="lost", levels=(Fault(lost=0.3),)),
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


@pytest.mark.parametrize("perturbation", ["moved", "late", "lost"])
def test_the_closed_loop_copes(perturbation: str) -> None:
    line = played("plan", perturbation=perturbation)
    assert line["success"], line["results"][0]["why"]
    assert bool(line["fired"]) == (perturbation == "moved")


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
    assert {k: v for k, v in one.items() if k != "wall_s"} == {k: v for k, v in other.items() if k != "wall_s"}
