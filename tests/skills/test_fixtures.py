"""The skills of what is built into the bench: what they ask of a scene, and that plain sentences mean them."""

import pytest

from agent.planner.decision import Request, Step
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.fixtures import Cover, Flip, OpenHalf, Switch, Turn, Uncover
from agent.skills.library import gather
from agent.skills.skill import Skill
from agent.skills.tabletop import Pick, Place, Slide
from agent.types import Fact, Outcome, Scene, Thing
from tests.planner.symbolic import settings

KINDS = {"table": "table", "drawer": "drawer", "button": "button", "light": "light", "lid": "lid", "left bay": "bay", "right bay": "bay",
         "lever": "lever", "lamp": "lamp", "knob": "knob", "red block": "block", "blue block": "block", "blue bowl": "bowl"}  # fmt: skip
Y = {"left bay": 0.37, "right bay": 0.23, "lid": 0.37}
USUAL: frozenset[Fact] = frozenset({
    ("closed", "drawer"), ("dark", "light"), ("at left", "lid"), ("covered", "left bay"), ("uncovered", "right bay"), ("down", "lever"),
    ("dark", "lamp"), ("at", "knob", "mark 2"), ("on", "red block", "table"), ("on", "blue block", "table"), ("on", "blue bowl", "table"),
    ("clear", "red block"), ("clear", "blue block"), ("clear", "blue bowl"),
})  # fmt: skip
LIT = {("up", "lever"), ("lit", "lamp")}


def scene(now: set[Fact] | None = None, gone: set[Fact] | None = None, holding: str | None = None) -> Scene:
    """The usual facts, without those that are gone, with those that hold now."""
    things = tuple(Thing(name=name, kind=kind, position=(0.5, Y.get(name, 0.0), 0.0)) for name, kind in KINDS.items())
    return Scene(tick=0, things=things, facts=tuple(sorted((USUAL - (gone or set())) | (now or set()))), holding=holding)


ON = scene(LIT, {("down", "lever"), ("dark", "lamp")})
RIGHT = scene({("at right", "lid"), ("covered", "right bay"), ("uncovered", "left bay")},
              {("at left", "lid"), ("covered", "left bay"), ("uncovered", "right bay")})  # fmt: skip
HIDDEN = scene({("in", "blue block", "left bay")}, {("on", "blue block", "table")})

MEANT = [
    (scene(), "turn on the lamp", "turn on the lamp"),
    (scene(), "could you switch the lamp on please", "turn on the lamp"),
    (scene(), "lamp on", "turn on the lamp"),
    (ON, "turn the lamp off", "turn off the lamp"),
    (ON, "make the lamp dark", "turn off the lamp"),
    (ON, "make it dark", "turn off the lamp"),
    (scene(), "turn on the light", "press the button"),
    (scene(), "flip the lever up", "flip the lever up"),
    (ON, "push the lever down", "flip the lever down"),
    (RIGHT, "slide the lid to the left", "slide the lid to the left"),
    (scene(), "push the lid right", "slide the lid to the right"),
    (scene(), "uncover the left bay", "uncover the left bay"),
    (scene(), "cover the right bay", "cover the right bay"),
    (scene(), "turn the knob to mark 3", "turn the knob to mark 3"),
    (scene(), "set the dial to mark 1", "turn the knob to mark 1"),
    (scene(), "open the drawer half way", "open the drawer half way"),
    (scene(), "open the drawer halfway", "open the drawer half way"),
    (scene(), "open the drawer", "open the drawer"),
    (scene(), "put the red block in the right bay", "pick up the red block"),
    (scene(), "put the red block in the left bay", "slide the lid to the right"),
    (HIDDEN, "pick up the blue block", "slide the lid to the right"),
    (HIDDEN, "take the blue block out of the left bay", "slide the lid to the right"),
]


@pytest.mark.parametrize(("there", "words", "first"), MEANT, ids=[words for _, words, _ in MEANT])
def test_plain_sentences_lead_to_the_right_first_step(there: Scene, words: str, first: str) -> None:
    decision = Planner(gather(), settings(), Memory(None)).decide(Request(words=(words,), scene=there, history=()))
    assert decision.chosen.kind == "skill" and decision.chosen.words == first


def test_what_is_so_already_need_not_be_done() -> None:
    calls = [Slide(thing="lid", side="left"), Flip(thing="lever", way="down"), Switch(thing="lamp", way="off"), Cover(thing="left bay"),
             Uncover(thing="right bay"), Turn(thing="knob", mark="mark 2")]  # fmt: skip
    for call in calls:
        assert call.done(scene()) and not call.can(scene()), call.words


def test_a_full_hand_is_emptied_first() -> None:
    full = scene(gone={("on", "red block", "table")}, holding="red block")
    calls = [Slide(thing="lid", side="right"), Flip(thing="lever", way="up"), Switch(thing="lamp", way="on"), Cover(thing="right bay"),
             Uncover(thing="left bay"), Turn(thing="knob", mark="mark 1"), OpenHalf(thing="drawer")]  # fmt: skip
    for call in calls:
        assert call.can(scene()) and not call.can(full) and not call.done(scene())
        assert call.needs(full) == [Place(thing="red block", relation="on", target="table")]


def test_a_bay_is_uncovered_before_anything_goes_in_or_out() -> None:
    away = Slide(thing="lid", side="right")
    place = Place(thing="red block", relation="in", target="left bay")
    held = scene(gone={("on", "red block", "table")}, holding="red block")
    assert place.needs(scene()) == [away] and place.needs(held)[-1] == away and place.needs(held)[0].skill_name() == "place"
    assert Pick(thing="blue block").needs(HIDDEN) == [away] and not Pick(thing="blue block").can(HIDDEN)
    assert Place(thing="red block", relation="in", target="right bay").can(held)
    assert RIGHT.has("uncovered", "left bay") and Pick(thing="blue block").can(RIGHT)


@pytest.mark.parametrize(
    ("words", "first", "then", "second"),
    [
        ("turn on the lamp and then turn it off", Switch(thing="lamp", way="on"), ON, Switch(thing="lamp", way="off")),
        ("slide the lid to the right, then slide it to the left", Slide(thing="lid", side="right"), RIGHT, Slide(thing="lid", side="left")),
        ("flip the lever up, then flip it down", Flip(thing="lever", way="up"), ON, Flip(thing="lever", way="down")),
    ],
)
def test_what_a_later_wish_undoes_is_done_once(words: str, first: Skill, then: Scene, second: Skill) -> None:
    planner, history = Planner(gather(), settings(), Memory(None)), []
    for now, call in ((scene(), first), (then, second)):
        assert planner.decide(Request(words=(words,), scene=now, history=tuple(history))).chosen.words == call.words
        history.append(Step(subtask=call.subtask, outcome=Outcome(status="done", why="done"), since=0, said=1))
    assert planner.decide(Request(words=(words,), scene=scene(), history=tuple(history))).chosen.kind == "done"
