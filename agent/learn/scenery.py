"""Scenes to learn in: which things there are, and where they stand, drawn by a recipe."""

from typing import Any

import numpy as np

from agent.learn.recipe import Recipe, kind_of
from sim import objects
from sim.layout import BAYS, Layout, read_layout
from sim.tasks import templates

Dice = np.random.Generator

COLOURS = tuple(colour for colour in objects.COLOURS if colour not in objects.HELD_OUT)
TRIES = 8
MOST = 7
"""Things on a table: more leave no room for the hand."""
IN_BOWL, IN_DRAWER, ON_BLOCK, IN_BAY, IN_ZONE = 0.14, 0.10, 0.14, 0.05, 0.12
"""How often a block starts there; in a zone, any loose thing."""
OWN_COLOUR = 0.5
"""Of these zones, how often one of the thing's own colour if there is one: there it is hardest to see."""
ROOM = {"drawer": 2, "zone": 2}
"""How many things start in or on one base; 1 where nothing is said."""
BASES = ("block", "bar", "cylinder")


def draw_layout(recipe: Recipe, rng: Dice) -> Layout:
    """What is in a world: its things, fixtures and look. Where things stand is drawn anew many times, by `rearranged`."""
    look = str(rng.choice(recipe.looks))
    things = _familiar(recipe, rng) if rng.random() < recipe.familiar else None
    things = things or _things(recipe, rng)
    return read_layout({"things": things, "look": look, "motion": recipe.motion, **_fixtures(recipe, rng)})


def _familiar(recipe: Recipe, rng: Dice) -> list[str] | None:
    """The things of a task template's scene, if one is found that has only what the recipe has."""
    names = list(templates())
    for _ in range(TRIES):
        layout = templates()[names[int(rng.integers(len(names)))]].layout(rng)
        things = [_name(item) for item in layout["things"]]
        if all(_trained(name) and kind_of(name) in recipe.things for name in things) and len(things) <= MOST:
            return things
    return None


def _name(item: Any) -> str:
    return item if isinstance(item, str) else str(item["name"])


def _trained(name: str) -> bool:
    return not any(word in objects.HELD_OUT for word in name.split())


def _things(recipe: Recipe, rng: Dice) -> list[str]:
    """Names of different things; what they are put on or in comes first."""
    names: list[str] = []
    for kind, (least, most) in recipe.things.items():
        *size, shape = kind.split()
        for colour in rng.permutation(COLOURS)[: int(rng.integers(least, most + 1))]:
            names.append(" ".join([*size, str(colour), shape]))
    while len([name for name in names if not name.endswith("zone")]) > MOST:
        names.pop(int(rng.integers(len(names))))
    return sorted(names, key=lambda name: not name.endswith(("bowl", "zone")))


def _fixtures(recipe: Recipe, rng: Dice) -> dict[str, Any]:
    has: dict[str, bool] = {name: rng.random() < share for name, share in recipe.fixtures.items()}
    options: dict[str, list[str]] = {"lid": ["left", "right"], "lever": ["up", "down"], "knob": ["mark 1", "mark 2", "mark 3"]}
    found: dict[str, Any] = {name: str(rng.choice(states)) if has.get(name) else "none" for name, states in options.items()}
    found["drawer"] = "closed" if has.get("drawer") or has.get("lid") else "none"
    return {**found, "button": bool(has.get("button"))}


def rearranged(layout: Layout, rng: Dice) -> Layout:
    """The same things, some of them in, on or beside others, and the fixtures in other states."""
    drawer = "none" if layout.drawer == "none" else str(rng.choice(["closed", "open"]))
    places: list[dict[str, str]] = []
    free: list[str] = []
    used: dict[str, int] = {}
    for name in (thing.name for thing in layout.things):
        base = None if name.endswith(("bowl", "zone")) else _base(name, free, layout, rng)
        if base is None or used.get(base[1], 0) >= ROOM.get(base[1].split()[-1], 1):
            places.append({"name": name})
            free.append(name)
        else:
            used[base[1]] = used.get(base[1], 0) + 1
            places.append({"name": name, base[0]: base[1]})
    return read_layout({**layout.model_dump(exclude={"name", "things"}), "things": places, "drawer": drawer})


def _base(name: str, there: list[str], layout: Layout, rng: Dice) -> tuple[str, str] | None:
    """("in", "blue bowl"): what a thing starts in or on; None: the table."""
    block, flat = name.endswith("block"), not name.endswith(("prism", "L"))
    zones = [other for other in there if other.endswith("zone")]
    own = [zone for zone in zones if zone.split()[0] in name.split()]
    options = [
        (IN_BOWL, "in", [other for other in there if block and other.endswith("bowl")]),
        (IN_DRAWER, "in", ["drawer"] if block and layout.drawer != "none" else []),
        (ON_BLOCK, "on", [other for other in there if flat and other.endswith(BASES) and not other.startswith("small")]),
        (IN_BAY, "in", list(BAYS) if block and layout.lid != "none" else []),
        (IN_ZONE, "in", own if rng.random() < OWN_COLOUR and own else zones),
    ]
    drawn = rng.random()
    for share, relation, bases in options:
        if drawn < share:
            return (relation, str(rng.choice(bases))) if bases else None
        drawn -= share
    return None
