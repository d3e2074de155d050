"""What changed, in words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import differences
from agent.types import Scene, Thing

RED = Thing(name="red block", kind="block", position=(0.5, 0.0, 0.02))
BOWL = Thing(name="blue bowl", kind="bowl", position=(0.5, 0.2, 0.0))
DRAWER = Thing(name="drawer", kind="drawer", position=(0.6, 0.3, 0.1), joint=0.0)
BUTTON = Thing(name="button", kind="button", position=(0.6, -0.2, 0.05), joint=0.0)
BEFORE = Scene(
    tick=100,
    things=(RED, BOWL, DRAWER, BUTTON),
    facts=(
        ("on", "red block", "table"),
        ("closed", "drawer"),
        ("dark", "light"),
        ("clear", "blue bowl"),
        ("next to", "blue bowl", "red block"),
    ),
    events=((7, ("pressed", "button")),),
)


def moved(thing: Thing, **changes: Any) -> tuple[Thing, ...]:
    return tuple(there.model_copy(update=changes) if there is thing else there for there in BEFORE.things)


def after(**changes: Any) -> Scene:
    return BEFORE.model_copy(update={"tick": 160, **changes})


def gained(*facts: tuple[str, ...], without: tuple[str, ...] = ()) -> tuple[tuple[str, ...], ...]:
    return tuple(fact for fact in BEFORE.facts if fact[0] not in without) + facts


@pytest.mark.parametrize(
    ("scene", "lines"),
    [
        (after(), ()),
        (after(things=moved(RED, position=(0.62, 0.0, 0.02))), ("red block moved 12 cm",)),
        (after(things=moved(RED, position=(0.505, 0.0, 0.02))), ()),
        (after(things=moved(RED, yaw=1.5708)), ("red block turned 90°",)),
        (after(things=moved(DRAWER, joint=0.13, position=(0.47, 0.3, 0.1))), ("drawer opened by 13 cm",)),
        (after(things=moved(BUTTON, joint=0.004)), ("button went in by 4 mm",)),
        (after(holding="red block"), ("holding nothing → red block",)),
        (after(things=(BOWL, DRAWER, BUTTON)), ("red block is gone",)),
        (after(events=(*BEFORE.events, (130, ("pressed", "button")))), ("button was pressed",)),
        (after(facts=gained(("lit", "light"), without=("dark",))), ("light is now lit",)),
        (after(facts=gained(("open", "drawer"), without=("closed",))), ("drawer is now open",)),
        (after(facts=gained(without=("closed",))), ("drawer is no longer closed",)),
        (
            after(facts=gained(("in", "red block", "blue bowl"), without=("on", "clear"))),
            ("red block is now in blue bowl", "red block is no longer on table"),
        ),
        (after(facts=gained(("left of", "blue bowl", "drawer"))), ()),
        (
            after(things=moved(BOWL, position=(0.5, 0.4, 0.0)), facts=gained(("left of", "blue bowl", "red block"))),
            ("blue bowl moved 20 cm", "blue bowl is now left of red block"),
        ),
    ],
)
def test_what_changed_is_said_and_nothing_else(scene: Scene, lines: tuple[str, ...]) -> None:
    assert differences(BEFORE, scene) == lines


coordinates = st.floats(-1, 1)


@given(coordinates, coordinates, st.floats(-20, 20), st.integers(-3, 3))
@settings(deadline=None)
def test_turns_are_the_short_way_round_and_distances_are_distances(x: float, y: float, yaw: float, rounds: int) -> None:
    before = Scene(tick=0, things=(RED.model_copy(update={"yaw": yaw}),))
    same = Scene(tick=1, things=(RED.model_copy(update={"yaw": yaw + rounds * 2 * 3.141592653589793}),))
    assert differences(before, same) == ()
    there = Scene(tick=1, things=(RED.model_copy(update={"position": (x, y, 0.02), "yaw": yaw}),))
    away = ((x - 0.5) ** 2 + y**2) ** 0.5
    assert (differences(before, there) == ()) == (away < 0.01)
    assert differences(before, there) == differences(there.model_copy(update={"tick": 0}), before.model_copy(update={"tick": 1}))


@pytest.mark.parametrize(
    ("kind", "was", "now", "says"),
    [
        ("lid", 0.136, 0.0, "the lid went right by 14 cm"),
        ("lever", -0.45, 0.45, "the lever went up by 52°"),
        ("knob", 0.0, -1.57, "the knob turned right by 90°"),
        ("knob", 0.0, 0.05, ""),
    ],
)
def test_lids_levers_and_knobs_tell_which_way_they_went(kind: str, was: float, now: float, says: str) -> None:
    before, after = (
        Scene(tick=tick, things=(Thing(name=f"the {kind}", kind=kind, position=(0.6, 0.0, 0.1), joint=joint),))
        for tick, joint in ((1, was), (2, now))
    )
    assert " ".join(differences(before, after)) == says
