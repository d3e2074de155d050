"""Episodes with what is built into the bench, for oracle_success.py: lid and bays, lever and lamp, knob, a drawer half way."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agent.skills.fixtures import Cover, Flip, OpenHalf, Switch, Turn, Uncover
from agent.skills.skill import Skill
from agent.skills.tabletop import Pick, Place, Slide

COLOURS = ("red", "blue", "green", "yellow")
MARKS = ("mark 1", "mark 2", "mark 3")
Made = tuple[dict[str, Any], list[Skill]]


def bench(rng: np.random.Generator, *special: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The whole bench with everything that moves anywhere."""
    named = {item["name"] for item in special}
    loose = [{"name": name} for name in ("blue bowl", "green bowl", *(f"{c} block" for c in COLOURS)) if name not in named]
    fixtures = {"lid": str(rng.choice(["left", "right"])), "lever": str(rng.choice(["up", "down"])), "knob": str(rng.choice(MARKS))}
    return {"things": [*loose, *special], **fixtures, **changes}


def other(side: str) -> Any:
    return "left" if side == "right" else "right"


def some(rng: np.random.Generator) -> tuple[str, Any]:
    """A block and a side."""
    return f"{rng.choice(COLOURS)} block", str(rng.choice(["left", "right"]))


def slid(rng: np.random.Generator) -> Made:
    layout = bench(rng)
    return layout, [Slide(thing="lid", side=other(layout["lid"]))]


def covered(rng: np.random.Generator) -> Made:
    layout = bench(rng)
    return layout, [Cover(thing=f"{other(layout['lid'])} bay"), Uncover(thing=f"{other(layout['lid'])} bay")]


def into_bay(rng: np.random.Generator) -> Made:
    thing, side = some(rng)
    return bench(rng, lid=other(side)), [Pick(thing=thing), Place(thing=thing, relation="in", target=f"{side} bay")]


def two_into_bay(rng: np.random.Generator) -> Made:
    thing, side = some(rng)
    inside = next(f"{colour} block" for colour in COLOURS if colour not in thing)
    layout = bench(rng, {"name": inside, "in": f"{side} bay"}, lid=other(side))
    calls: list[Skill] = [Pick(thing=inside), Place(thing=inside, relation="in", target=f"{side} bay")]
    return layout, [*calls, Pick(thing=thing), Place(thing=thing, relation="in", target=f"{side} bay")]


def out_of_bay(rng: np.random.Generator) -> Made:
    thing, side = some(rng)
    layout = bench(rng, {"name": thing, "in": f"{side} bay"}, lid=other(side))
    return layout, [Pick(thing=thing), Place(thing=thing, relation="on", target="table")]


def from_bay(rng: np.random.Generator) -> Made:
    thing, side = some(rng)
    return bench(rng, {"name": thing, "in": f"{side} bay"}, lid=other(side)), [Pick(thing=thing)]


def hidden(rng: np.random.Generator) -> Made:
    """Uncover it, take it out, put it in the other bay, which the lid has left: then it lies open; cover it."""
    thing, side = some(rng)
    layout = bench(rng, {"name": thing, "in": f"{side} bay"}, lid=side)
    back: list[Skill] = [Place(thing=thing, relation="on", target="table"), Slide(thing="lid", side=side)]
    return layout, [Slide(thing="lid", side=other(side)), Pick(thing=thing), *back]


def lamp_on(rng: np.random.Generator) -> Made:
    return bench(rng, lever="down"), [Switch(thing="lamp", way="on")]


def lamp_off(rng: np.random.Generator) -> Made:
    return bench(rng, lever="up"), [Switch(thing="lamp", way="off")]


def flipped(rng: np.random.Generator) -> Made:
    layout = bench(rng)
    ways: list[Any] = ["down", "up"] if layout["lever"] == "up" else ["up", "down"]
    return layout, [Flip(thing="lever", way=way) for way in ways]


def turned(rng: np.random.Generator) -> Made:
    first, second = map(str, rng.permutation(MARKS)[:2])
    return bench(rng, knob=first), [Turn(thing="knob", mark=second)]  # type: ignore[arg-type]


def turned_twice(rng: np.random.Generator) -> Made:
    first, second, third = map(str, rng.permutation(MARKS))
    return bench(rng, knob=first), [Turn(thing="knob", mark=mark) for mark in (second, third)]  # type: ignore[arg-type]


def half(rng: np.random.Generator) -> Made:
    return bench(rng, drawer=str(rng.choice(["open", "closed"]))), [OpenHalf(thing="drawer")]


FIXTURES: dict[str, Callable[[np.random.Generator], Made]] = {
    "slide the lid": slid, "cover, uncover": covered, "place in bay": into_bay, "two in a bay": two_into_bay, "pick from bay": from_bay,
    "out of the bay": out_of_bay, "out from under the lid": hidden, "lamp on": lamp_on, "lamp off": lamp_off, "flip the lever": flipped,
    "turn the knob": turned, "turn it twice": turned_twice, "open half way": half,
}  # fmt: skip
