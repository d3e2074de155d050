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
IN_BOWL, IN_DRAWER, ON_BLOCK, IN_BAY = 0.14, 0.10, 0.14, 0.05
"""How often a block starts there."""
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
        if base is None or used.get(base[1], 0) >= (2 if base[1] == "drawer" else 1):
            places.append({"name": name})
            free.append(name)
        else:
            used[base[1]] = used.get(base[1], 0) + 1
            places.append({"name": name, base[0]: base[1]})
    return read_layout({**layout.model_dump(exclude={"name", "things"}), "things": places, "drawer": drawer})


def _base(name: str, there: list[str], layout: Layout, rng: Dice) -> tuple[str, str] | None:
    """("in", "blue bowl"): what a thing starts in or on; None: the table."""
    bowls = [other for other in there if other.endswith("bowl")]
    blocks = [other for other in there if other.endswith(BASES) and not other.startswith("small")]
    options = [(IN_BOWL, "in", bowls), (IN_DRAWER, "in", ["drawer"] if layout.drawer != "none" else []), (ON_BLOCK, "on", blocks),
               (IN_BAY, "in", list(BAYS) if layout.lid != "none" else [])]  # fmt: skip
    drawn = rng.random()
    for share, relation, bases in options:
        if drawn < share:
            fits = bases and (relation == "on" or name.endswith("block")) and not (relation == "on" and name.endswith(("prism", "L")))
            return (relation, str(rng.choice(bases))) if fits else None
        drawn -= share
    return None
