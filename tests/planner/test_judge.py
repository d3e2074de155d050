"""The verdict follows the evidence, whatever the executor says."""

import pytest

from agent.planner.judge import judge
from agent.skills.skill import Skill
from agent.skills.tabletop import Open, Pick, Place, Press
from agent.types import Outcome, Status
from tests.planner.symbolic import world

PLACE = Place(thing="red block", relation="in", target="blue bowl")


def outcome(status: Status, why: str = "the executor says so") -> Outcome:
    return Outcome(status=status, why=why, evidence=("gripper width 41 mm",), ticks=80)


def test_a_success_that_is_seen_stays_one() -> None:
    verdict = judge(PLACE, world(holding="red block").scene(), world(red=("in", "blue bowl")).scene(), outcome("done"))
    assert verdict.status == "done" and verdict.ticks == 80
    assert "gripper width 41 mm" in verdict.evidence and any("in blue bowl" in line for line in verdict.evidence)


def test_a_false_success_becomes_a_failure_with_evidence() -> None:
    before = world(holding="red block").scene()
    dropped = judge(PLACE, before, world().scene(), outcome("done"))
    assert dropped.status == "failed" and "holding red block → nothing" in " ".join(dropped.evidence)
    nothing = judge(Pick(thing="red block"), world().scene(), world().scene(), outcome("done"))
    assert nothing.status == "failed" and "nothing moved" in nothing.why


@pytest.mark.parametrize("status", ["failed", "timed_out"])
def test_a_goal_that_holds_all_the_same_is_done(status: Status) -> None:
    verdict = judge(Open(thing="drawer"), world().scene(), world(drawer_open=True).scene(), outcome(status, "ran out of time"))
    assert verdict.status == "done" and "ran out of time" in verdict.why


def test_a_failure_stays_a_failure_and_a_stop_stays_a_stop() -> None:
    same = world().scene()
    assert judge(Open(thing="drawer"), same, same, outcome("timed_out")).status == "timed_out"
    assert judge(Open(thing="drawer"), same, world(drawer_open=True).scene(), outcome("stopped")).status == "stopped"


def test_an_event_at_the_very_tick_of_the_look_before_is_old() -> None:
    place = world()
    place.events.append((0, ("pressed", "button")))
    before = place.scene()
    place.tick = 20
    assert judge(Press(thing="button"), before, place.scene(), outcome("done")).status == "failed"


def test_only_events_since_the_step_began_count() -> None:
    place = world()
    place.events.append((3, ("pressed", "button")))
    place.tick = 10
    before = place.scene()
    place.tick = 20
    assert judge(Press(thing="button"), before, place.scene(), outcome("done")).status == "failed", "that press was an earlier one"
    place.events.append((15, ("pressed", "button")))
    assert judge(Press(thing="button"), before, place.scene(), outcome("done")).status == "done"


class Polish(Skill, say="polish the {thing}"):
    """Rub a thing until it shines. The scene does not know about shine."""

    thing: str


def test_what_nobody_can_judge_is_said_openly() -> None:
    same = world().scene()
    verdict = judge(Polish(thing="red block"), same, same, outcome("done"))
    assert verdict.status == "done" and any("not judged" in line for line in verdict.evidence)


@pytest.mark.parametrize(("sure", "status"), [(0.97, "done"), (0.6, "failed"), (0.02, "failed")])
def test_a_witness_must_be_sure(sure: float, status: str) -> None:
    same = world().scene()
    heard: list[str] = []

    def witness(statement: str) -> float:
        heard.append(statement)
        return sure

    verdict = judge(Polish(thing="red block"), same, same, outcome("done"), witness)
    assert verdict.status == status and "polish the red block" in heard[0]
    assert judge(Polish(thing="red block"), same, same, outcome("failed"), witness).status == "failed", "a failure is believed"


def test_unconfirmed_standstill_is_kept() -> None:
    moving = outcome("done").model_copy(update={"confirmed": False})
    assert judge(PLACE, world().scene(), world(red=("in", "blue bowl")).scene(), moving).confirmed is False
