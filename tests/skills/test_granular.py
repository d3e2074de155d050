"""Skills with beads: when they can be tried, what helps, and when they are done; and the words for them."""

import pytest

from agent.planner.decision import Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.granular import WIDE, Empty, Pour, Sweep
from agent.skills.library import gather
from agent.skills.tabletop import Pick, Place
from agent.types import Fact, Scene, Thing
from tests.planner.symbolic import settings

SIZES = {"large blue bowl": (0.19, 0.19, 0.05), "green bowl": (0.136, 0.136, 0.034), "white cup": (0.06, 0.06, 0.068)}
STANDING = ("large blue bowl", "green bowl", "white cup", "yellow sponge", "red block")
IN_CUP: Fact = ("in", "beads", "white cup")
POUR, EMPTY = Pour(thing="beads", target="large blue bowl"), Empty(thing="white cup", target="large blue bowl")
SWEEP = Sweep(thing="beads", zone="red zone")


def scene(*facts: Fact, holding: str | None = None) -> Scene:
    """A cup, a sponge, two bowls and a zone; all but what is held on the table."""
    names = ("table", "large blue bowl", "green bowl", "white cup", "yellow sponge", "red zone", "red tray", "red block", "beads")
    things = [Thing(name=name, kind=name.split()[-1], position=(0.4, 0.1 * index - 0.4, 0.02), size=SIZES.get(name, (0.04, 0.04, 0.04)))
              for index, name in enumerate(names)]  # fmt: skip
    on = tuple(("on", name, "table") for name in STANDING if name != holding)
    return Scene(tick=5, things=tuple(things), facts=(*on, *facts), holding=holding)


@pytest.mark.parametrize("call", [POUR, EMPTY])
def test_the_cup_is_taken_first(call: Pour) -> None:
    standing, held = scene(IN_CUP), scene(IN_CUP, holding="white cup")
    assert not call.can(standing) and call.needs(standing) == [Pick(thing="white cup")]
    assert call.can(held) and call.needs(held) == []
    full = scene(IN_CUP, holding="red block")
    assert not call.can(full) and call.needs(full)[0] == Place(thing="red block", relation="on", target="table")


@pytest.mark.parametrize("call", [POUR, EMPTY])
def test_there_is_no_way_without_beads_in_a_cup(call: Pour) -> None:
    for world in (scene(), scene(("in", "beads", "large blue bowl")), scene(("on", "beads", "table"), holding="white cup")):
        assert not call.can(world) and call.needs(world) == []


def test_a_small_bowl_is_too_narrow() -> None:
    assert SIZES["green bowl"][0] < WIDE < SIZES["large blue bowl"][0]
    narrow = Pour(thing="beads", target="green bowl")
    assert not narrow.can(scene(IN_CUP, holding="white cup")) and narrow.needs(scene(IN_CUP)) == []


@pytest.mark.parametrize("call", [POUR, EMPTY])
def test_poured_means_in_the_bowl_at_rest_and_the_cup_upright(call: Pour) -> None:
    there, upright = ("in", "beads", "large blue bowl"), ("upright", "white cup")
    assert call.done(scene(there, upright, holding="white cup")) and call.done(scene(there))
    assert not call.done(scene(there, holding="white cup")) and not call.done(scene(upright, holding="white cup"))
    assert not call.done(scene(there, upright, ("moving", "beads"), holding="white cup"))


def test_sweeping_needs_the_sponge_and_beads_on_the_table() -> None:
    lying, held = scene(("on", "beads", "table")), scene(("on", "beads", "table"), holding="yellow sponge")
    assert not SWEEP.can(lying) and SWEEP.needs(lying) == [Pick(thing="yellow sponge")]
    assert SWEEP.can(held) and not SWEEP.done(held) and SWEEP.needs(held) == []
    assert not SWEEP.can(scene(IN_CUP, holding="yellow sponge")) and SWEEP.needs(scene(IN_CUP)) == []
    swept = scene(("on", "beads", "table"), ("in", "beads", "red zone"), holding="yellow sponge")
    assert SWEEP.done(swept) and not SWEEP.can(swept)


@pytest.mark.parametrize(("words", "first"), [
    ("pour the beads into the blue bowl", "pick up the white cup"),
    ("tip the beads into the large bowl, please", "pick up the white cup"),
    ("empty the cup into the large blue bowl", "pick up the white cup"),
    ("fill the large bowl with the beads", "pick up the white cup"),
    ("put the cup on the red tray", "pick up the white cup"),
])  # fmt: skip
def test_plain_words_for_pouring(words: str, first: str) -> None:
    assert begins(words, scene(IN_CUP)) == first


@pytest.mark.parametrize("words", [
    "sweep the beads into the red zone", "brush the beads into the red area", "sweep the beads into the red zone with the sponge",
    "move all the beads into the red zone",
])  # fmt: skip
def test_plain_words_for_sweeping(words: str) -> None:
    assert begins(words, scene(("on", "beads", "table"))) == "pick up the yellow sponge"
    assert begins(words, scene(("on", "beads", "table"), holding="yellow sponge")) == SWEEP.words


def begins(words: str, world: Scene) -> str:
    """The first step that the planner takes, in words."""
    planner = Planner(gather(), settings(), Memory(None))
    chosen = planner.decide(Request(words=(words,), scene=world)).chosen
    planner.close()
    assert chosen.subtask is not None, chosen
    return chosen.subtask.words
