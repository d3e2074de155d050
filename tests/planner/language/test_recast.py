"""What is said another way round becomes an order; an order stays as it is."""

import pytest

from agent.planner.language.lexicon import tokens
from agent.planner.language.recast import active, recast

SAME = {
    "the red block should be put in the bowl": "put the red block in the bowl",
    "in the bowl, put the red block": "put the red block in the bowl",
    "The lamp should be switched off.": "switch off the lamp",
    "both the red block and the blue block must be placed in the bowl": "place the red block and the blue block in the bowl",
    "the drawer should be opened and the red block should be put in it": "open the drawer ; put the red block in it",
    "the red block should be put in the drawer, which should then be closed": "put the red block in the drawer ; close it",
    "make the red block stand next to the bowl": "put the red block next to the bowl",
    "let the bowl have the red-coloured block": "put the red block in the bowl",
    "the block that is red goes in the bowl": "the red block goes in the bowl",
    "turn the knob to the third mark": "turn the knob to mark 3",
    "turn the dial to 2": "turn the dial to mark 2",
    "the red bar should stand upright": "stand the red bar up",
    "let the red bar lie flat": "lay the red bar down",
    "rotate the red bar counterclockwise": "rotate the red bar to the left",
    "push the red block towards yourself": "push the red block near",
    "put the red block on the blue zone": "put the red block in the blue zone",
    "it is too dark in here": "make it bright",
    "the drawer has been open for long enough": "close the drawer",
    "there is a red block somewhere": "there is a red block somewhere",
}
ORDERS = (
    "put the red block in the blue bowl", "stack the red block on the blue block , then press the button", "open the drawer and close it",
    "pick up the block left of the bowl", "push the red block left", "turn on the light", "do not touch the bowl",
)  # fmt: skip


@pytest.mark.parametrize("said", SAME)
def test_it_becomes_an_order(said: str) -> None:
    assert recast(" ".join(tokens(said))) == SAME[said]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_stays_as_it_is(order: str) -> None:
    assert recast(order) == order
    assert recast(recast(order)) == order


def test_participles() -> None:
    pairs = {
        "placed": "place", "moved": "move", "stacked": "stack", "pressed": "press", "dropped": "drop", "opened": "open", "closed": "close",
        "turned": "turn", "rotated": "rotate", "taken": "take", "put": "put", "lifted": "lift", "inserted": "insert",
    }  # fmt: skip
    assert {word: active(word) for word in pairs} == pairs
