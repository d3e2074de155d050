"""The choice itself: its numbers, its mask, odd input, plug-ins."""

import time
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.planner.decision import Decision, Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import Library, gather
from agent.skills.skill import Kind, Skill
from agent.types import Outcome, Scene, Thing
from tests.planner import symbolic
from tests.planner.symbolic import play, world

LIBRARY = gather()


def decide(*words: str, place: symbolic.World | None = None, library: Library = LIBRARY, memory: Memory | None = None) -> Decision:
    planner = Planner(library, symbolic.settings(), memory or Memory(None))
    return planner.decide(Request(words=words, scene=(place or world()).scene()))


def well_formed(decision: Decision) -> None:
    assert abs(sum(option.score for option in decision.options) - 1) < 1e-6
    assert abs(sum(option.say for option in decision.options) - 1) < 1e-6
    assert all(0.02 <= option.can <= 1 and option.say > 0 for option in decision.options)
    assert [option.score for option in decision.options] == sorted((option.score for option in decision.options), reverse=True)
    assert decision.chosen in decision.options and decision.runner_up != decision.chosen and decision.why
    assert {"done", "ask", "none"} <= {option.kind for option in decision.options}
    assert (decision.question is not None) == (decision.chosen.kind in ("ask", "none"))
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


@pytest.mark.parametrize("words", ["put the red block in the blue bowl", "put the block in the bowl", "fly", ""])
def test_a_decision_is_well_formed(words: str) -> None:
    well_formed(decide(words))


def test_the_bars_look_sensible() -> None:
    """The right option is clearly ahead, an equally good order comes second, and the rest is small but there."""
    first, second, *rest = decide("open the drawer and press the button").options
    assert (first.words, second.words) == ("open the drawer", "press the button")
    assert first.score > 0.6 and 0.02 < second.score < 0.3 and all(0 < option.score < 0.05 for option in rest)


def test_only_what_can_be_tried_now_is_offered() -> None:
    place = world(holding="red block")
    words = {option.words for option in decide("open the drawer", place=place).options}
    assert "open the drawer" not in words and "pick up the green block" not in words
    assert "put the red block on the table" in words


def test_the_runner_up_and_why_it_lost_are_told() -> None:
    decision = decide("open the drawer and press the button")
    assert decision.runner_up is not None and decision.runner_up.words in decision.why and "say" in decision.why


def test_memory_moves_the_choice_between_equally_useful_steps(tmp_path: object) -> None:
    memory = Memory(None)
    place = world()
    press = next(call for call in LIBRARY.calls(place.scene()) if call.skill_name() == "open")
    for _ in range(60):
        memory.learn(press, place.scene(), Outcome(status="failed", why="stuck"))
    decision = decide("open the drawer and press the button", place=place, memory=memory)
    assert decision.chosen.words == "press the button"
    assert decision.runner_up is not None and decision.runner_up.words == "open the drawer" and "can" in decision.why


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_words_whatever_raise(words: str) -> None:
    well_formed(decide(words))


TERMS = [
    "put",
    "the",
    "red",
    "block",
    "in",
    "blue",
    "bowl",
    "and",
    "then",
    "not",
    "it",
    "them",
    "all",
    "no",
    "instead",
    ",",
    ";",
    "open",
    "drawer",
    "take",
    "out",
    "of",
    "on",
    "tower",
    "with",
    "if",
    "twice",
    "'é",
    "積木",
    "🤖",
]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(st.sampled_from(TERMS), max_size=14).map(" ".join), min_size=1, max_size=3))
def test_no_jumble_of_known_words_raises_or_takes_long(words: list[str]) -> None:
    start = time.perf_counter()
    well_formed(decide(*words))
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize(
    "words",
    [
        "put the red block in the blue bowl and " * 400,
        "a" * 10_000,
        "red " * 480,
        "put the red block in the blue bowl and " * 18,
        "put the red block in the blue bowl, " * 50,
        "and, " * 390,
        "🤖" * 10_000,
    ],
)
def test_very_long_words_get_a_quick_question(words: str) -> None:
    start = time.perf_counter()
    decision = decide(words)
    assert time.perf_counter() - start < 1.5
    assert decision.chosen.kind == "ask" or len(words) < 2000
    assert decision.question is None or len(decision.question) < 600


@pytest.mark.parametrize("words", ["把红色方块放进蓝色碗里", "положи красный блок в миску", "赤いブロック", "ضع المكعب"])
def test_other_scripts_are_told_what_is_read(words: str) -> None:
    decision = decide(words)
    assert decision.chosen.kind == "ask" and decision.question and "English" in decision.question and "planner.model" in decision.question


def test_an_empty_scene_is_no_trouble() -> None:
    decision = Planner(LIBRARY, symbolic.settings(), Memory(None)).decide(
        Request(words=("pick up the red block",), scene=Scene(tick=0, things=()))
    )
    assert decision.chosen.kind in ("ask", "none")


class Wipe(Skill, say="wipe the {surface} with the sponge", also=("clean the {surface}",)):
    """Clean a flat surface. Needs the sponge in the gripper."""

    surface: Annotated[str, Kind("table")]

    def can(self, scene: Scene) -> bool:
        return scene.holding == "sponge"

    def done(self, scene: Scene) -> bool:
        return scene.has("clean", self.surface)


class Wave(Skill, say="wave at the person", also=("say hello", "greet the person")):
    """Wave with the arm. It cannot be seen in the scene whether it did."""


PLUGGED = Library([*LIBRARY, Wipe, Wave])


def test_a_plug_in_is_spoken_to_like_a_built_in_skill() -> None:
    assert decide("could you wave at the person please", library=PLUGGED).chosen.words == "wave at the person"
    assert decide("greet the person", library=PLUGGED).chosen.words == "wave at the person"
    scene = world().scene()
    sponge = Thing(name="sponge", kind="sponge", position=(0.5, 0.0, 0.02))
    holding = scene.model_copy(update={"things": (*scene.things, sponge), "holding": "sponge"})
    planner = Planner(PLUGGED, symbolic.settings(), Memory(None))
    assert planner.decide(Request(words=("clean the table",), scene=holding)).chosen.words == "wipe the table with the sponge"
    cannot = planner.decide(Request(words=("wipe the table with the sponge",), scene=scene))
    assert cannot.chosen.kind in ("ask", "none") and cannot.question and "sponge" in cannot.question


def test_a_skill_that_cannot_tell_is_done_once_it_has_been_done() -> None:
    place = world()
    story = play("wave at the person twice, then open the drawer", place, library=PLUGGED)
    assert story.steps == ["wave at the person", "wave at the person", "open the drawer"] and story.last.chosen.kind == "done"


class Trips(Skill, say="trip over the {thing}"):
    """Looks for a thing that is never there."""

    thing: str

    def can(self, scene: Scene) -> bool:
        return scene.find("unicorn").kind == "horse"


def test_a_plug_in_that_trips_over_a_missing_thing_is_just_not_possible() -> None:
    decision = decide("open the drawer", library=Library([*LIBRARY, Trips]))
    assert decision.chosen.words == "open the drawer" and not any("trip" in option.words for option in decision.options)
