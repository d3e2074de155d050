"""Closed loop on a tabletop of facts: disturbances, failures, restarts."""

from collections.abc import Callable

import pytest

from agent.planner.decision import Request, Step
from agent.planner.language.clauses import Clause
from agent.planner.memory import Memory
from agent.planner.plan import lasting, recent_failures, ways
from agent.planner.saycan import Planner
from agent.skills.library import gather
from agent.skills.tabletop import Home, Press
from agent.types import Outcome, Subtask
from tests.planner.symbolic import STEP_TICKS, World, holds, play, settings, world

PUT = "put the red block in the blue bowl"


def red_out(place: World) -> None:
    place.blocks["red block"] = ("on", "table")


def shut(place: World) -> None:
    place.drawer_open = False


def slip(place: World) -> None:
    place.holding = None


def dark(place: World) -> None:
    place.lit = False


@pytest.mark.parametrize(
    ("words", "when", "change", "goals", "steps"),
    [
        (f"{PUT}, then open the drawer", 3, red_out, "red in blue bowl, drawer open", 5),
        ("open the drawer, put the red block in it, then press the button", 3, shut, "drawer open, light lit", 5),
        ("open the drawer, put the red block in the blue bowl", 3, shut, "drawer open, red in blue bowl", 4),
        ("put the red block in the drawer, then close it", 4, red_out, "red in drawer, drawer closed", 8),
        (PUT, 1, slip, "red in blue bowl", 3),
        ("turn on the light and open the drawer", 1, dark, "light lit, drawer open", 3),
    ],
)
def test_what_a_disturbance_undoes_is_done_again(words: str, when: int, change: Callable[[World], None], goals: str, steps: int) -> None:
    def later(number: int, place: World, _: list[str]) -> bool:
        if number == when:
            change(place)
        return False

    story = play(words, world(), later=later)
    assert story.last.chosen.kind == "done"
    assert not [goal for goal in goals.split(", ") if not holds(goal, story.world.scene())]
    assert len(story.steps) == steps, story.steps


def test_what_keeps_coming_undone_is_asked_about() -> None:
    """The drawer slides shut whenever anything else is done: no endless loop."""

    def later(_: int, place: World, __: list[str]) -> bool:
        place.drawer_open = False
        return False

    story = play("open the drawer", world(), later=later, most=30)
    assert story.last.chosen.kind == "ask" and len(story.steps) < 8
    assert story.last.question and "undone" in story.last.question


def failing(words: str, fails: set[int]) -> list[str]:
    return play(words, world(), later=lambda number, _, __: number in fails, most=12).steps


def test_a_first_failure_is_tried_again() -> None:
    assert failing(PUT, {0}) == ["pick up the red block"] * 2 + ["put the red block in the blue bowl"]


def test_after_two_failures_another_way_is_taken_if_there_is_one() -> None:
    stack, pick, place = "stack the red block on the blue block", "pick up the red block", "put the red block on the blue block"
    assert failing("stack red on blue", {0, 1}) == [stack, stack, pick, place]
    assert failing("stack red on blue", {0}) == [stack, stack]
    assert failing(PUT, {0, 1}) == ["pick up the red block"] * 3 + ["put the red block in the blue bowl"], "there is no other way to grasp"


def test_failures_are_forgotten_when_the_person_speaks_or_the_call_succeeds() -> None:
    task = Subtask(skill="pick", args={"thing": "red block"}, words="pick up the red block")

    def step(status: str, said: int = 1) -> Step:
        return Step(subtask=task, outcome=Outcome.model_validate({"status": status, "why": "-"}), since=0, said=said)

    assert recent_failures([step("failed"), step("timed_out")]) == {task.key: 2}
    assert recent_failures([step("failed"), step("done")]) == {}
    assert recent_failures([step("failed", 1), step("failed", 2)]) == {task.key: 1}
    assert recent_failures([step("stopped")]) == {}


def test_failing_lowers_can_within_the_run() -> None:
    planner, place = Planner(gather(), settings(), Memory(None)), world()
    history: list[Step] = []
    cans = []
    for _ in range(3):
        decision = planner.decide(Request(words=(PUT,), scene=place.scene(), history=tuple(history)))
        assert decision.chosen.subtask is not None
        cans.append(decision.chosen.can)
        history.append(Step(subtask=decision.chosen.subtask, outcome=Outcome(status="failed", why="slipped"), since=place.tick, said=1))
    assert cans[0] > cans[1] > cans[2] > 0


def test_a_new_planner_goes_on_where_the_old_one_was_cut_off() -> None:
    """Nothing but words, scene and history is needed: a process that was killed resumes with the same next step."""
    words = "press the button twice, open the drawer, put the red block in it, close the drawer"
    whole = play(words, world())
    for cut in range(1, len(whole.history)):
        place = world()
        for step in whole.history[:cut]:
            place.apply(step.subtask)
        fresh = Planner(gather(), settings(), Memory(None))
        decision = fresh.decide(Request(words=(words,), scene=place.scene(), history=tuple(whole.history[:cut])))
        assert decision.chosen.subtask == whole.history[cut].subtask
    assert whole.last.chosen.kind == "done" and whole.history[1].since >= STEP_TICKS


def test_what_is_in_the_hand_goes_where_it_belongs() -> None:
    """The blue block is in the hand already: it is not put down first just because the red one was named first."""
    story = play("put the red block in the blue bowl and the blue block in the green bowl", world(holding="blue block"))
    assert story.steps[0] == "put the blue block in the green bowl" and len(story.steps) == 3


def test_what_must_be_left_alone_is_never_offered() -> None:
    planner = Planner(gather(), settings(), Memory(None))
    place = world(red=("on", "blue block"))
    words = ("put the blue block in the blue bowl but do not touch the red block",)
    decision = planner.decide(Request(words=words, scene=place.scene()))
    assert decision.chosen.kind == "ask" and decision.question and "red block" in decision.question
    assert not any("red block" in option.words for option in decision.options)


def test_another_direction_is_not_another_way() -> None:
    """A push to the left that fails is not made good by a push to the right, or by turning the thing."""
    from agent.skills.library import gather
    from agent.skills.pushes import Push
    from agent.types import Scene, Thing

    names = {"red block": "block", "yellow bar": "bar", "blue zone": "zone"}
    things = tuple(Thing(name=name, kind=kind, position=(0.4, 0.0, 0.02)) for name, kind in names.items())
    facts = (("on", "red block", "table"), ("on", "yellow bar", "table"), ("followed", "table"), ("clear", "red block"))
    scene = Scene(tick=0, things=things, facts=facts)
    push = Push(thing="red block", direction="left")
    assert ways(push, scene, frozenset(), gather(), {push.subtask.key: 2}) == [Home(), push]


def test_a_second_try_begins_from_home_if_the_arm_is_not_there_and_can_get_there() -> None:
    scene = world().scene()
    away = scene.model_copy(update={"facts": tuple(fact for fact in scene.facts if fact != ("home", "gripper"))})
    home = scene.model_copy(update={"facts": (*away.facts, ("home", "gripper"))})
    call, library = Press(thing="button"), gather()
    key = call.subtask.key
    assert ways(call, away, frozenset(), library, {}) == [call]
    assert ways(call, away, frozenset(), library, {key: 1}) == [Home(), call]
    assert ways(call, home, frozenset(), library, {key: 1}) == [call]
    assert ways(call, away, frozenset(), library, {key: 1, Home().subtask.key: 1}) == [call]
    assert ways(Home(), away, frozenset(), library, {Home().subtask.key: 1}) == [Home()]


def test_what_is_known_from_events_alone_happens_once_and_does_not_last() -> None:
    """A push is over when it happened: that nothing moves any more does not make it wanted again."""
    library = gather()
    calls = {words: library.bind(Subtask(skill=skill, args=args, words=words)) for words, skill, args in (
        ("push the red block left", "push", {"thing": "red block", "direction": "left"}),
        ("open the drawer", "open", {"thing": "drawer"}),
        ("press the button", "press", {"thing": "button"}),
    )}  # fmt: skip
    scene = world().scene()
    assert {words: lasting(Clause(call), scene) for words, call in calls.items()} == {
        "push the red block left": False, "open the drawer": True, "press the button": False,
    }  # fmt: skip
