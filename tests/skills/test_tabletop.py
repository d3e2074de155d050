"""When is a thing picked up, and when has it been put on the table?"""

import pytest

from agent.skills.tabletop import LIFTED_M, Pick, Place, air_under
from agent.types import Fact, Scene, Thing

SIDE = 0.04
PICK = Pick(thing="red block")


def block(name: str, x: float, z: float) -> Thing:
    return Thing(name=name, kind="block", position=(x, 0.0, z), size=(SIDE, SIDE, SIDE))


def held(z: float, *others: Thing, facts: tuple[Fact, ...] = ()) -> Scene:
    return Scene(tick=5, things=(block("red block", 0.4, z), *others), facts=facts, holding="red block")


def test_a_thing_is_picked_up_once_there_is_air_under_it() -> None:
    assert not PICK.done(held(SIDE / 2 + 0.002)), "the fingers have closed, and no more"
    assert PICK.done(held(SIDE / 2 + LIFTED_M + 0.001))
    assert not PICK.done(held(0.2).model_copy(update={"holding": None}))
    assert not PICK.done(held(0.2, facts=(("in", "red block", "blue bowl"),)))


@pytest.mark.parametrize(("x", "air"), [(0.40, 0.02), (0.43, 0.02), (0.47, 0.06)])
def test_air_is_above_what_it_would_be_dragged_over(x: float, air: float) -> None:
    over = held(0.08, block("green block", x, SIDE / 2))
    assert air_under(over, "red block") == pytest.approx(air)
    assert PICK.done(over) == (air > LIFTED_M)


def test_what_hangs_above_is_not_under_it() -> None:
    assert air_under(held(0.05, block("green block", 0.4, 0.3)), "red block") == pytest.approx(0.03)


@pytest.mark.parametrize(("place", "done"), [("", True), ("red zone", False), ("bay", True)])
def test_on_the_table_is_beside_its_zones(place: str, done: bool) -> None:
    facts: tuple[Fact, ...] = (("in", "red block", place),) if place else ()
    places = [Thing(name=name, kind=name.split()[-1], position=(0.4, 0.0, 0.0)) for name in ("table", "red zone", "bay")]
    here = held(SIDE / 2, *places, facts=(("on", "red block", "table"), *facts)).model_copy(update={"holding": None})
    assert Place(thing="red block", relation="on", target="table").done(here) is done
