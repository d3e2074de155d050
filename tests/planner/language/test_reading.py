"""What people say while the robot works: corrections, afterthoughts, answers, second thoughts."""

from typing import Any

import pytest

from agent.planner.decision import Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import gather
from tests.planner.symbolic import Story, holds, play, settings, world

PUT = "put the red block in the blue bowl"


def said_later(first: str, after: int, *more: str, **setup: Any) -> Story:
    """`more` is heard, all of it, once `after` steps are done."""

    def later(number: int, _: Any, said: list[str]) -> bool:
        if number == after:
            said.extend(more)
        return False

    return play(first, world(**setup), later=later)


CHANGED: list[tuple[str, int, tuple[str, ...], dict[str, Any], str, int]] = [
    # instruction, steps until they speak again, what they say, how things stood, what must hold in the end, steps in all
    (PUT, 1, ("no, the green one",), {}, "green in blue bowl, red on table", 4),
    (PUT, 2, ("no, the green one",), {}, "green in blue bowl", 4),
    (PUT, 1, ("no, in the green bowl",), {}, "red in green bowl", 2),
    (PUT, 1, ("actually, put it in the green bowl",), {}, "red in green bowl", 2),
    (PUT, 1, ("I meant the green bowl",), {}, "red in green bowl", 2),
    (PUT, 1, ("use the green bowl instead",), {}, "red in green bowl", 2),
    (PUT, 0, ("not the red one, the green one",), {}, "green in blue bowl, red on table", 2),
    (PUT, 0, ("sorry, the green block, not the red one",), {}, "green in blue bowl, red on table", 2),
    ("pick up the red block", 1, ("no, the blue one",), {}, "hold blue, red on table", 3),
    (PUT, 1, ("wait, first open the drawer",), {}, "red in blue bowl, drawer open", 3),
    (PUT, 0, ("wait, first open the drawer",), {}, "red in blue bowl, drawer open", 3),
    (PUT, 1, ("then also press the button",), {}, "red in blue bowl, light lit", 3),
    (PUT, 2, ("take it out again",), {}, "red on table", 4),
    ("open the drawer", 1, ("close it again",), {}, "drawer closed", 2),
    ("stack red on blue", 1, ("now put green on top",), {}, "red on blue, green on red", 3),
    ("stack red on blue", 1, ("and the green one on the red one",), {}, "red on blue, green on red", 3),
    ("put the red block in the drawer", 1, ("no, the blue one, and then close the drawer",), {}, "blue in drawer, drawer closed", 4),
    ("put the red block in the drawer and close it", 3, ("oh wait, also put the blue block in there",), {},
     "red in drawer, blue in drawer, drawer closed", 6),
    ("put all the blocks in the blue bowl", 2, ("not the green one",), {}, "red in blue bowl, blue in blue bowl, green on table", 4),
    ("put all the blocks in the blue bowl", 2, ("don't touch the green one",), {},
     "red in blue bowl, blue in blue bowl, green on table", 4),
    ("put the blocks in the blue bowl", 1, ("the green bowl, not the blue one",), {},
     "red in green bowl, green in green bowl, blue in green bowl", 6),
    ("put the red block in the blue bowl, then open the drawer", 1, ("do not open the drawer",), {}, "red in blue bowl, drawer closed", 2),
    ("open the drawer, then put the red block in it", 1, ("skip that",), {}, "drawer open, red on table", 1),
    ("open the drawer, then press the button", 1, ("never mind",), {}, "drawer open, light dark", 1),
    (PUT, 1, ("go on",), {}, "red in blue bowl", 2),
    # answers to a question
    ("put the block in the blue bowl", 0, ("the red one",), {}, "red in blue bowl", 2),
    ("put the block in the blue bowl", 0, ("red block",), {}, "red in blue bowl", 2),
    ("put the block in the bowl", 0, ("red", "the blue one"), {}, "red in blue bowl", 2),
    ("put the purple elephant in the blue bowl", 0, ("the green block",), {}, "green in blue bowl", 2),
    ("put the purple elephant in the blue bowl", 0, ("ok, put the red block in the green bowl",), {}, "red in green bowl", 2),
    ("put the purple elephant in the blue bowl", 0, ("never mind",), {}, "red on table", 0),
    ("tidy up", 0, ("drawer",), {}, "red in drawer, green in drawer, blue in drawer", 7),
    ("push the red block to the left", 0, ("blue bowl",), {}, "red left of blue bowl", 2),
    ("fly", 0, ("ok then open the drawer",), {}, "drawer open", 1),
    ("put the red block in the blue bowl", 2, ("put it back", "the green bowl"), {}, "red in green bowl", 4),
]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "after", "more", "setup", "goals", "steps"), CHANGED, ids=[f"{r[0][:24]}|{r[2][0][:24]}" for r in CHANGED]
)
def test_later_words_change_what_is_wanted(
    first: str, after: int, more: tuple[str, ...], setup: dict[str, Any], goals: str, steps: int
) -> None:
    story = said_later(first, after, *more, **setup)
    scene = story.world.scene()
    assert story.last.chosen.kind == "done", (story.steps, story.last.why)
    assert not [goal for goal in goals.split(", ") if not holds(goal, scene)], story.steps
    assert len(story.steps) == steps, story.steps


@pytest.mark.parametrize(
    ("first", "after", "more", "about"),
    [
        (PUT, 1, "not the red one", "instead"),
        (PUT, 1, "no", "instead"),
        (PUT, 1, "put it back", "where"),
        (PUT, 1, "no, the yellow one", "yellow"),
        (PUT, 1, "😀", "what shall i do"),
        (PUT, 1, "nein, den grünen Block bitte", "understand"),
    ],
)
def test_corrections_that_leave_a_doubt_are_asked_about(first: str, after: int, more: str, about: str) -> None:
    story = said_later(first, after, more)
    assert len(story.steps) == after and story.last.chosen.kind == "ask"
    assert story.last.question and about in story.last.question.lower()


def test_a_phrase_keeps_its_meaning_while_the_robot_works() -> None:
    """ "the block in the drawer" is no longer in the drawer once it is in the hand."""
    story = play("put the block in the drawer in the blue bowl", world(red=("in", "drawer"), drawer_open=True))
    assert holds("red in blue bowl", story.world.scene()) and len(story.steps) == 2


def test_each_word_of_the_plan_is_shown_with_its_state() -> None:
    seen: list[tuple[str, ...]] = []
    place = world()
    planner = Planner(gather(), settings(), Memory(None))
    seen.append(planner.decide(Request(words=("open the drawer and press the button",), scene=place.scene())).plan)
    place.drawer_open = True
    seen.append(planner.decide(Request(words=("open the drawer and press the button",), scene=place.scene())).plan)
    assert seen == [("→ open the drawer", "· press the button"), ("✓ open the drawer", "→ press the button")]


def test_words_may_speak_of_what_an_earlier_instruction_handled() -> None:
    """Steps of earlier instructions come with said = 0: "it" may stand for what they moved, and none of them counts for this one."""
    first = play("put the red block in the blue bowl and press the button", world())
    old = tuple(step.model_copy(update={"said": 0}) for step in first.history)
    planner = Planner(gather(), settings(), Memory(None))
    decide = lambda words: planner.decide(Request(words=(words,), scene=first.world.scene(), history=old))  # noqa: E731
    assert decide("press it again").chosen.words == "press the button", "the earlier press does not count"
    assert decide("take it out of the blue bowl").chosen.words == "pick up the red block"
