"""Skills with what fits and what is long: when they can be tried, what helps, when they are done; and the words for them."""

import pytest

from agent.planner.decision import Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.fitting import Insert, Thread
from agent.skills.library import gather
from agent.skills.postures import LayDown, StandUp
from agent.skills.skill import Skill
from agent.skills.tabletop import Pick, Place
from agent.types import Fact, Scene, Thing
from tests.planner.symbolic import settings

SIZES = {"L": (0.09, 0.06, 0.03), "fixture": (0.126, 0.096, 0.015), "ring": (0.056, 0.056, 0.015), "peg": (0.08, 0.08, 0.055),
         "bar": (0.09, 0.03, 0.03), "block": (0.04, 0.04, 0.04)}  # fmt: skip
NAMES = ("fixture", "red L", "blue L", "left peg", "right peg", "red ring", "large blue ring", "yellow bar", "green block")
LOOSE = ("red L", "blue L", "red ring", "large blue ring", "yellow bar", "green block")


def scene(*facts: Fact, holding: str | None = None) -> Scene:
    """Everything in a row; on the table what no other fact has a place for."""
    things = [Thing(name="table", kind="table", position=(0.5, 0.0, -0.02))]
    for index, name in enumerate(NAMES):
        kind = name.split()[-1]
        things.append(Thing(name=name, kind=kind, position=(0.45, 0.12 * (index - 4), 0.02), size=SIZES[kind]))
    placed = {fact[1] for fact in facts if fact[0] in ("in", "on")}
    on = tuple(("on", name, "table") for name in LOOSE if name != holding and name not in placed)
    return Scene(tick=50, things=tuple(things), facts=(*on, *facts), holding=holding)


def test_an_l_is_inserted_from_the_table_or_from_the_hand_and_only_into_what_is_empty() -> None:
    call = Insert(thing="red L", fixture="fixture")
    assert call.can(scene()) and call.can(scene(holding="red L")) and not call.can(scene(holding="blue L"))
    full = scene(("in", "blue L", "fixture"))
    assert not call.can(full) and call.needs(full) == [Pick(thing="blue L")]
    first = call.needs(scene(("in", "blue L", "fixture"), holding="green block"))[0]
    assert first == Place(thing="green block", relation="on", target="table")
    inside = scene(("in", "red L", "fixture"))
    assert call.done(inside) and not call.can(inside) and not call.done(scene(("in", "red L", "fixture"), holding="red L"))
    assert not call.done(scene(("in", "red L", "fixture"), ("moving", "red L")))


def test_a_ring_is_threaded_unless_it_is_there_or_covered_or_the_peg_is_full() -> None:
    call = Thread(thing="red ring", peg="left peg")
    assert call.can(scene()) and call.can(scene(("on", "large blue ring", "left peg")))
    there = scene(("on", "red ring", "left peg"))
    assert call.done(there) and not call.can(there) and not call.needs(there)
    covered = scene(("on", "red ring", "right peg"), ("on", "large blue ring", "right peg"), ("on", "large blue ring", "red ring"))
    assert not call.can(covered) and call.needs(covered) == [Pick(thing="large blue ring")]
    full = scene(*(("on", f"ring {number}", "left peg") for number in range(3)))
    assert not call.can(full) and call.needs(full) == []


def test_a_peg_takes_rings_by_thread_alone() -> None:
    for thing in ("red ring", "green block"):
        assert not Place(thing=thing, relation="on", target="left peg").can(scene(holding=thing))
    offered = {call.skill_name() for call in gather().possible(scene(holding="red ring")) if "left peg" in call.args.values()}
    assert offered == {"thread"}


def test_a_bar_stands_up_when_it_lies_and_the_other_way_round() -> None:
    up, down = StandUp(thing="yellow bar"), LayDown(thing="yellow bar")
    lying, standing = scene(("lying", "yellow bar")), scene(("standing", "yellow bar"))
    assert up.can(lying) and not up.can(standing) and up.done(standing) and not up.done(lying)
    assert down.can(standing) and not down.can(lying) and down.done(lying) and not down.done(standing)
    busy = scene(("lying", "yellow bar"), holding="green block")
    assert not up.can(busy) and up.needs(busy)
    assert not up.done(scene(("standing", "yellow bar"), ("on", "yellow bar", "green block"))), "on the table, not on something"


WORDS: list[tuple[str, Scene, Skill]] = [
    ("insert the red L into the fixture", scene(), Insert(thing="red L", fixture="fixture")),
    ("put the blue L in the fixture", scene(), Insert(thing="blue L", fixture="fixture")),
    ("put the red ring on the left peg", scene(), Thread(thing="red ring", peg="left peg")),
    ("please hang the large blue ring on the right peg", scene(), Thread(thing="large blue ring", peg="right peg")),
    ("stand the yellow bar up", scene(("lying", "yellow bar")), StandUp(thing="yellow bar")),
    ("could you knock the yellow bar over", scene(("standing", "yellow bar")), LayDown(thing="yellow bar")),
    ("take the red ring off the left peg", scene(("on", "red ring", "left peg")), Pick(thing="red ring")),
    ("take the red L out of the fixture", scene(("in", "red L", "fixture")), Pick(thing="red L")),
]


@pytest.mark.parametrize(("words", "world", "first"), WORDS, ids=[words for words, _, _ in WORDS])
def test_words_lead_to_the_right_first_step(words: str, world: Scene, first: Skill) -> None:
    chosen = Planner(gather(), settings(), Memory(None)).decide(Request(words=(words,), scene=world)).chosen
    assert chosen.subtask is not None and chosen.subtask.key == first.subtask.key
