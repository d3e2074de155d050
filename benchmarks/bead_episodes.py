"""Episodes with beads, cups and trays, for oracle_success.py: pour, sweep, put in a tray and take out of it, carry a full cup."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agent.skills.granular import Pour, Sweep
from agent.skills.skill import Skill
from agent.skills.tabletop import Pick, Place
from agent.types import Scene
from sim import objects
from sim.looks import LOOKS
from sim.loose import made
from sim.robot import SimRobot
from sim.tasks.beads import TRAY_SHORT_M, free

TRAYED = ("small block", "block", "large block", "bar", "cylinder", "prism", "L", "cup", "sponge")
Made = tuple[dict[str, Any], list[Skill]]


def colours(rng: np.random.Generator) -> list[str]:
    return [str(colour) for colour in rng.permutation(list(objects.COLOURS))]


def dressed(rng: np.random.Generator, things: list[Any]) -> dict[str, Any]:
    """In any look, with the drawer open or closed."""
    return {"things": things, "look": str(rng.choice(list(LOOKS))), "drawer": str(rng.choice(["open", "closed"]))}


def full_cup(rng: np.random.Generator) -> tuple[dict[str, Any], str, str]:
    """A cup with beads, a large bowl, two blocks; and the names of the first two."""
    one, two, three, four, *_ = colours(rng)
    cup, bowl = f"{one} cup", f"large {two} bowl"
    return dressed(rng, [bowl, cup, {"name": "beads", "in": cup}, f"{three} block", f"{four} block"]), cup, bowl


def poured(rng: np.random.Generator) -> Made:
    layout, cup, bowl = full_cup(rng)
    return layout, [Pick(thing=cup), Pour(thing="beads", target=bowl)]


def poured_and_put_down(rng: np.random.Generator) -> Made:
    layout, cup, bowl = full_cup(rng)
    return layout, [Pick(thing=cup), Pour(thing="beads", target=bowl), Place(thing=cup, relation="on", target="table")]


def carried(rng: np.random.Generator) -> Made:
    """A full cup, to another place."""
    layout, cup, bowl = full_cup(rng)
    return layout, [Pick(thing=cup), Place(thing=cup, relation="right of", target=bowl)]


def swept(rng: np.random.Generator) -> Made:
    """Into one of two zones, over a free way; scenes without one are drawn again."""
    while True:
        one, two, three, four, *_ = colours(rng)
        layout = dressed(rng, ["beads", f"{one} zone", f"{two} zone", f"{three} sponge", f"{four} block"])
        seed = int(rng.integers(1 << 30))
        scene = beginning(layout, seed)
        if free(scene, f"{three} sponge", f"{one} zone"):
            return {**layout, "things": fixed(scene)}, [Pick(thing=f"{three} sponge"), Sweep(thing="beads", zone=f"{one} zone")]


def beginning(layout: dict[str, Any], seed: int) -> Scene:
    robot = SimRobot(layout, seed=seed)
    scene = robot.observe(()).scene
    robot.close()
    assert scene is not None
    return scene


def fixed(scene: Scene) -> list[dict[str, Any]]:
    """The same things where they are; the beads are strewn anew around the same place."""
    return [{"name": thing.name, "at": thing.position[:2], "yaw": thing.yaw} for thing in scene.things
            if thing.kind in ("beads", "block", "sponge", "zone")]  # fmt: skip


def in_tray(rng: np.random.Generator) -> Made:
    """A thing of any shape, and another beside it if both are short."""
    layout, names, tray = with_tray(rng)
    calls: list[Skill] = []
    for name in names[:2] if all(max(made(name).size[:2]) <= TRAY_SHORT_M for name in names[:2]) else names[:1]:
        calls += [Pick(thing=name), Place(thing=name, relation="in", target=tray)]
    return layout, calls


def out_of_tray(rng: np.random.Generator) -> Made:
    layout, (name, *_), _ = with_tray(rng, inside=True)
    return layout, [Pick(thing=name), Place(thing=name, relation="on", target="table")]


def with_tray(rng: np.random.Generator, inside: bool = False) -> tuple[dict[str, Any], list[str], str]:
    tray, *rest = colours(rng)
    kinds = [str(kind).split() for kind in rng.permutation(TRAYED)[:3]]
    names = [" ".join([*size, colour, kind]) for (*size, kind), colour in zip(kinds, rest, strict=False)]
    first = {"name": names[0], "in": f"{tray} tray"} if inside else names[0]
    return dressed(rng, [f"{tray} tray", first, *names[1:]]), names, f"{tray} tray"


BEAD_EPISODES: dict[str, Callable[[np.random.Generator], Any]] = {
    "pour": poured, "pour, cup down": poured_and_put_down, "carry a full cup": carried, "sweep": swept, "in the tray": in_tray,
    "out of the tray": out_of_tray,
}  # fmt: skip
