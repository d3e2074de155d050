"""From a protocol's fault to what happens in one world: names filled in, spots found, and where a fault makes no sense."""

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from agent.demo import Saying
from agent.errors import ConfigError
from agent.evaluate.protocol import Fault
from agent.types import Scene
from sim import loose
from sim.disturb import SPACING, Disturbance, When
from sim.layout import REGIONS, read_layout
from sim.objects import COLOURS, HELD_OUT
from sim.tasks import Task, template
from sim.tasks.chains import Start
from sim.tasks.reckoning import first_scene

ABOUT = {"drawer": {"drawer"}, "light": {"light", "button"}, "lid": {"lid", "left bay", "right bay"}, "lever": {"lever", "lamp"}}
"""What a task is about that is disturbed by a disturbance of that kind."""


def fits(fault: Fault, task: Task, scene: Scene) -> bool:
    """Can this go wrong with that task? It has the slots that are named, as things that can be moved, and is about what is disturbed."""
    for item in fault.wrong:
        try:
            values = filled(item, task, scene)
        except KeyError:
            return False
        about = ABOUT.get(values["kind"])
        if about and (values["kind"] not in scene.names() or not about & set(task.args.values())):
            return False
        if not all(movable(values[slot], scene) for slot in ("thing", "other") if slot in values):
            return False
    return True


def movable(name: str, scene: Scene) -> bool:
    """Is it a loose thing of this scene?"""
    return name in scene.names() and name in loose.names() and loose.made(name).kind != "zone"


def bound(fault: Fault, task: Task, scene: Scene, seed: int) -> list[Disturbance]:
    """The disturbances of a fault with the task's names in them, counted from the scene's tick; KeyError if it does not fit."""
    found: list[Disturbance] = []
    for item in fault.wrong:
        values = filled(item, task, scene)
        if "far" in values:
            values["to"] = spot_at(scene, values["thing"], float(values.pop("far")), seed)
        if "tick" in values["when"]:
            values["when"]["tick"] += scene.tick
        found.append(TypeAdapter(Disturbance).validate_python(values))
    return found


def filled(value: Any, task: Task, scene: Scene) -> Any:
    """Names in braces replaced: by the task's things, and {another} by what stands nearest to its thing. KeyError if there is none."""
    if isinstance(value, dict):
        return {key: filled(item, task, scene) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, task, scene) for item in value]
    if value == "{another}":
        return another(task, scene)
    return value.format_map(task.args) if isinstance(value, str) else value


def another(task: Task, scene: Scene) -> str:
    """Another thing of the same sort as the task's, standing free on the table, that the task is not about: the nearest one."""
    thing = scene.find(task.args["thing"])
    alike = [other for other in scene.things if movable(other.name, scene) and (other.kind == "bowl") == (thing.kind == "bowl")]
    others = [other for other in alike if other.name not in task.args.values()
              and {("on", other.name, "table"), ("clear", other.name)} <= set(scene.facts)]  # fmt: skip
    if not others:
        raise KeyError("another")
    return min(others, key=lambda other: float(np.hypot(*np.subtract(other.position, thing.position)[:2]))).name


def changed(fault: Fault, task: Task, scene: Scene) -> tuple[Task, Saying] | None:
    """The same thing somewhere else, and how it is said; None where there is nowhere else."""
    assert fault.change is not None
    others = [other for other in template(task.template).find(scene)
              if other.args.get("thing") == task.args.get("thing") and other.words != task.words]  # fmt: skip
    if not others:
        return None
    values = filled(fault.change.when, task, scene)
    if "tick" in values:
        values["tick"] += scene.tick
    return others[0], Saying(words=f"no, {others[0].words} instead", when=When.model_validate(values))


def crowded(start: Start, task: Task, fault: Fault, seed: int) -> Start | None:
    """The same start with more things in it: `alike` of them have the colour of the task's thing, the first of these close to it, the
    others have colours that nothing else has. None if there is no room, or nothing more of that kind."""
    scene, rng = start.scene, np.random.default_rng([seed, 13])
    extra: list[dict[str, Any]] = []
    for name in like(task, scene, rng)[: fault.alike]:
        beside = {"at": spot_at(scene, task.args["thing"], SPACING, seed)} if not extra else {}
        extra.append({"name": name, **beside})
    there = {name.split()[-2] for name in scene.names() if name in loose.names()}
    fresh = [colour for colour in (*HELD_OUT, *COLOURS) if colour not in there]
    shapes = [str(shape) for shape in rng.permutation(("block", "cylinder", "bar"))]
    extra += [{"name": f"{colour} {shapes[i % 3]}"} for i, colour in enumerate(fresh[: fault.distractors - len(extra)])]
    things = [pinned(item, scene) for item in start.layout.get("things", ())]
    layout = {**start.layout, "things": [*things, *extra]}
    try:
        fuller = first_scene(read_layout(layout), start.seed)
    except ConfigError:
        return None
    return Start(layout, start.seed, fuller) if len(extra) == fault.distractors else None


def like(task: Task, scene: Scene, rng: np.random.Generator) -> list[str]:
    """Names of things in the colour of the task's thing that are not there yet, in an order by lot."""
    thing = task.args.get("thing", "")
    if not movable(thing, scene):
        return []
    colour = loose.made(thing).colour
    names = [name for name in loose.names() if loose.made(name).colour == colour and loose.made(name).kind in ("block", "cylinder", "bar")]
    return [str(name) for name in rng.permutation([name for name in names if name not in scene.names()])]


def pinned(item: Any, scene: Scene) -> dict[str, Any]:
    """A thing of a layout where it stands in the scene, so that others that are added do not move it. What is in or on something is
    drawn again."""
    written = {"name": item} if isinstance(item, str) else dict(item)
    if written.keys() & {"at", "in", "on", True}:
        return written
    thing = scene.find(written["name"])
    return {**written, "at": list(thing.position[:2]), "yaw": thing.yaw}


def spot_at(scene: Scene, name: str, far: float, seed: int) -> list[float]:
    """A free spot on the table at that distance, m, or as near to that as there is one: x, y."""
    rng = np.random.default_rng([seed, 11])
    here = np.array(scene.find(name).position[:2])
    others = [np.array(thing.position[:2]) for thing in scene.things if thing.name != name and movable(thing.name, scene)]
    best, best_cost = here, float("inf")
    for angle in rng.uniform(-np.pi, np.pi, 60):
        for share in (1.0, 0.8, 1.3):
            spot = here + far * share * np.array([np.cos(angle), np.sin(angle)])
            out = sum(float(max(low - at, at - high, 0.0)) for at, (low, high) in zip(spot, REGIONS[0], strict=True))
            near = max(0.0, SPACING - min((float(np.hypot(*(spot - other))) for other in others), default=1.0))
            cost = out + near + 0.01 * abs(share - 1)
            if cost < best_cost:
                best, best_cost = spot, cost
    return [round(float(value), 4) for value in best]
