"""A world that is only reckoned with: the scene a layout begins in, and the scene after a subtask that works. No physics.

What a thing's spot on the table is after it was put down cannot be reckoned; such a thing gets the fact ("somewhere", thing).
"""

from collections.abc import Callable
from math import atan2, hypot

import numpy as np

from agent.errors import ConfigError
from agent.types import Fact, Scene, Subtask, Thing
from sim import objects, truth
from sim.layout import CABINET_AT, PANEL_AT, Layout, arrange, kind_and_colour
from sim.tasks.task import BESIDE

STEP_TICKS = 150
CARRIED_M = 0.2
STAYS = ("in", "on", "clear", "open", "closed", "lit", "dark", *BESIDE, "somewhere", "home")
"""Relations that a subtask leaves as they are, unless it says otherwise."""


def first_scene(layout: Layout, seed: int) -> Scene:
    """The scene in which SimRobot(layout, seed) begins: the same things, places and lasting facts, without building it."""
    poses = arrange(layout, np.random.default_rng(seed))
    things = [Thing(name="table", kind="table", position=(objects.TABLE_X, 0, -objects.TABLE[2] / 2), size=objects.TABLE)]
    for name, pose in poses.items():
        kind = kind_and_colour(name)[0]
        wide = 2 * objects.BOWL_RADIUS
        size = (objects.BLOCK,) * 3 if kind == "block" else (wide, wide, objects.BOWL_HEIGHT)
        things.append(Thing(name=name, kind=kind, position=pose.position, yaw=pose.yaw, size=size))
    facts = [*_places(layout), *_beside(things, layout), ("lit" if layout.light == "lit" else "dark", "light"), ("home", "gripper")]
    if layout.drawer != "none":
        out = objects.DRAWER_TRAVEL if layout.drawer == "open" else 0.0
        handle = (CABINET_AT[0] - out - objects.HANDLE_TO_INSIDE, CABINET_AT[1], objects.HANDLE_Z)
        things.append(Thing(name="drawer", kind="drawer", position=handle, size=objects.DRAWER_INSIDE, joint=out))
        facts.append((layout.drawer, "drawer"))
    if layout.button:
        cap = (PANEL_AT[0] + objects.BUTTON_X, PANEL_AT[1], objects.PANEL[2] + objects.CAP_HEIGHT)
        things.append(Thing(name="button", kind="button", position=cap, joint=0.0))
        things.append(Thing(name="light", kind="light", position=(PANEL_AT[0] + objects.LIGHT_X, PANEL_AT[1], objects.PANEL[2])))
    return Scene(tick=0, things=tuple(things), facts=tuple(facts))


def _places(layout: Layout) -> list[Fact]:
    facts: list[Fact] = []
    for item in layout.things:
        facts.append(("in", item.name, item.inside) if item.inside else ("on", item.name, item.on or "table"))
    full = {fact[2] for fact in facts}
    return facts + [("clear", item.name) for item in layout.things if item.name not in full]


def _beside(things: list[Thing], layout: Layout) -> list[Fact]:
    """Left, right, in front, behind and next to, by the rules of sim/truth.py, between what stands on the table."""
    on_table = {item.name for item in layout.things if not item.inside and not item.on}
    standing = [thing for thing in things if thing.name in on_table]
    facts: list[Fact] = []
    for a in standing:
        for b in standing:
            if a.name == b.name:
                continue
            dx, dy = a.position[0] - b.position[0], a.position[1] - b.position[1]
            distance, bearing = hypot(dx, dy), atan2(dy, dx)
            if distance < truth.BESIDE_M:
                sides = [name for name, middle in truth.BEARINGS.items() if _apart(bearing, middle) <= truth.BEARING]
                facts += [(name, a.name, b.name) for name in sides]
            if distance - (a.size[0] + b.size[0]) / 2 < truth.NEXT_TO_M:
                facts.append(("next to", a.name, b.name))
    return facts


def _apart(first: float, second: float) -> float:
    """The angle between two bearings, rad."""
    return float(abs(np.angle(np.exp(1j * (first - second)))))


def after(scene: Scene, *subtasks: Subtask) -> Scene:
    """The scene once the subtasks have worked, one after the other. ConfigError for a skill that has no entry in EFFECTS."""
    for subtask in subtasks:
        if subtask.skill not in EFFECTS:
            raise ConfigError(f"The skill '{subtask.skill}' has no entry in EFFECTS of sim/tasks/reckoning.py. Add what it changes.")
        away = [fact for fact in scene.facts if fact[0] in STAYS and fact[0] != "home"]
        began = scene.model_copy(update={"facts": tuple(away), "tick": scene.tick + STEP_TICKS})
        scene = EFFECTS[subtask.skill](began, subtask.args)
    return scene


def _cleared(scene: Scene, thing: str) -> list[Fact]:
    """Facts once a thing is taken from where it is; what carried it becomes clear, if nothing else is on or in it."""
    own = {fact for fact in scene.facts if len(fact) == 3 and (fact[1] == thing or (fact[0] in BESIDE and fact[2] == thing))}
    left = [fact for fact in scene.facts if fact not in own and fact != ("somewhere", thing)]
    full = {fact[2] for fact in left if fact[0] in ("in", "on")}
    loose = scene.names("block", "bowl")
    return [fact for fact in left if fact[0] != "clear"] + [("clear", name) for name in loose if name not in full]


def _pick(scene: Scene, args: dict[str, str]) -> Scene:
    thing = scene.find(args["thing"])
    x, y, _ = thing.position
    raised = thing.model_copy(update={"position": (x, y, CARRIED_M)})
    things = tuple(raised if item.name == thing.name else item for item in scene.things)
    return scene.model_copy(update={"facts": tuple(_cleared(scene, thing.name)), "holding": thing.name, "things": things})


def _place(scene: Scene, args: dict[str, str]) -> Scene:
    thing, relation, target = args["thing"], args["relation"], args["target"]
    inside = relation in ("in", "on") and target != "table"
    facts = [fact for fact in _cleared(scene, thing) if not (inside and fact == ("clear", target))]
    if inside:
        facts.append((relation, thing, target))
    else:
        facts += [("on", thing, "table"), ("somewhere", thing)]
    if relation in BESIDE:
        facts.append((relation, thing, target))
    x, y, z = scene.find(target if inside else thing).position
    spot = (x, y, z + objects.BLOCK * (relation == "on") if inside else objects.BLOCK / 2)
    things = tuple(item.model_copy(update={"position": spot}) if item.name == thing else item for item in scene.things)
    return scene.model_copy(update={"facts": tuple(facts), "holding": None, "things": things})


def _stack(scene: Scene, args: dict[str, str]) -> Scene:
    return _place(_pick(scene, args), {**args, "relation": "on"})


def _swapped(scene: Scene, old: str, new: str, thing: str) -> Scene:
    return scene.model_copy(update={"facts": (*(fact for fact in scene.facts if fact != (old, thing)), (new, thing))})


def _open(scene: Scene, args: dict[str, str]) -> Scene:
    return _swapped(scene, "closed", "open", args["thing"])


def _close(scene: Scene, args: dict[str, str]) -> Scene:
    return _swapped(scene, "open", "closed", args["thing"])


def _press(scene: Scene, args: dict[str, str]) -> Scene:
    was, will = ("lit", "dark") if scene.has("lit", "light") else ("dark", "lit")
    pressed = scene.model_copy(update={"events": (*scene.events, (scene.tick - 1, ("pressed", args["thing"])))})
    return _swapped(pressed, was, will, "light")


def _home(scene: Scene, args: dict[str, str]) -> Scene:
    return scene.model_copy(update={"facts": (*scene.facts, ("home", "gripper"))})


EFFECTS: dict[str, Callable[[Scene, dict[str, str]], Scene]] = {
    "pick": _pick, "place": _place, "stack": _stack, "open": _open, "close": _close, "press": _press, "home": _home,
}  # fmt: skip
"""What each skill changes when it works; a new skill that plans use is one more entry."""
