"""Scenes as YAML: which things there are and where they stand. What is not fixed is drawn by the seed.

about: one sentence for people
things:
  - red block                            # anywhere on the table
  - {name: blue block, at: [0.45, -0.1]} # x, y in the world frame, m; yaw: rad
  - {name: green block, in: drawer}      # or in a bowl
  - {name: yellow block, on: blue block}
drawer: closed                           # open | closed | none
button: true                             # the button and its light
light: dark                              # lit | dark
"""

from collections.abc import Iterator, Mapping
from math import hypot, pi
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import BeforeValidator, Field, ValidationError

from agent.errors import ConfigError, hint
from agent.types import Frozen
from sim import objects

SCENES = Path(__file__).parent / "scenes"
REGIONS = (((0.32, 0.52), (-0.42, 0.12)), ((0.52, 0.60), (-0.20, 0.06)), ((0.28, 0.32), (0.12, 0.36)))
"""Where loose things start, ((x, x), (y, y)), m: within reach, outside the drawer's travel and the panel, clear for the hand."""
CLEARANCE = {("block", "block"): 0.12, ("block", "bowl"): 0.14, ("bowl", "bowl"): 0.16}
"""Smallest distance between centres, m: the open hand comes down beside a neighbour without touching it."""
CABINET_AT = (0.57, 0.33)
PANEL_AT = (0.67, -0.32)
IN_DRAWER, DRAWER_YAW = ((0.06, 0.085), (-0.075, 0.075)), 0.12
"""Where blocks start in a drawer, ((x, x), (y, y)) from the middle of its front, m, and how far they are turned at most, rad: when it
is open, the hand fits between its front and the cabinet."""


class Placement(Frozen):
    """One loose thing. At most one of `at`, `in`, `on`; none of them: a free spot, drawn by the seed."""

    name: str
    at: tuple[float, float] | None = None
    yaw: float | None = None
    inside: str | None = Field(None, alias="in")
    on: str | None = None


def _named(value: Any) -> Any:
    """A bare name is a placement too; and YAML reads a bare `on` as true."""
    if isinstance(value, Mapping):
        return {"on" if key is True else key: content for key, content in value.items()}
    return {"name": value} if isinstance(value, str) else value


def _word(value: Any) -> Any:
    return {True: "on", False: "none", None: "none"}.get(value, value) if not isinstance(value, str) else value


class Layout(Frozen):
    """A scene as written; `name` is how it was asked for."""

    name: str = "custom"
    about: str = ""
    things: tuple[Annotated[Placement, BeforeValidator(_named)], ...] = ()
    drawer: Annotated[Literal["open", "closed", "none"], BeforeValidator(_word)] = "closed"
    button: bool = True
    light: Literal["lit", "dark"] = "dark"


class Pose(NamedTuple):
    """Where a loose thing starts: centre, m, and yaw, rad."""

    position: tuple[float, float, float]
    yaw: float


def scene_names() -> list[str]:
    """The scenes that ship."""
    return sorted(path.stem for path in SCENES.glob("*.yaml"))


def read_layout(source: "str | Path | Mapping[str, Any] | Layout") -> Layout:
    """A scene by name, as the path of a YAML file, or as what such a file holds. ConfigError says what is wrong and what exists."""
    if isinstance(source, Layout):
        return source
    if isinstance(source, Mapping):
        name, data = "custom", dict(source)
    else:
        path = Path(source) if str(source).endswith((".yaml", ".yml")) else SCENES / f"{source}.yaml"
        if not path.is_file():
            names = scene_names()
            raise ConfigError(f"There is no scene '{source}'. Scenes: {', '.join(names)}; or give a .yaml file.{hint(str(source), names)}")
        name, data = path.stem, yaml.safe_load(path.read_text())
    try:
        layout = Layout.model_validate({"name": name, **data})
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"The scene '{name}' is not valid: {_explain(error)}") from error
    _check(layout)
    return layout


def _explain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    lines = []
    for problem in error.errors():
        where = ".".join(map(str, problem["loc"]))
        known = [*Layout.model_fields, *Placement.model_fields, "in"]
        lines.append(f"{where}: {problem['msg']}.{hint(str(problem['loc'][-1]), known) if 'extra' in problem['type'] else ''}")
    return " ".join(lines)


def kind_and_colour(name: str) -> tuple[str, str]:
    """("block", "red") of "red block"; ConfigError lists what can be made."""
    colour, _, kind = name.partition(" ")
    known = [f"{shade} {sort}" for sort in ("block", "bowl") for shade in objects.COLOURS]
    if name not in known:
        raise ConfigError(f"A scene cannot have a '{name}'. What can be made: {', '.join(known)}.{hint(name, known)}")
    return kind, colour


def _check(layout: Layout) -> None:
    seen: list[str] = []
    for item in layout.things:
        kind_and_colour(item.name)
        if item.name in seen:
            raise ConfigError(f"The scene '{layout.name}' has two things named '{item.name}'; names are unique.")
        if sum(spot is not None for spot in (item.at, item.inside, item.on)) > 1:
            raise ConfigError(f"'{item.name}' in scene '{layout.name}' can have only one of: at, in, on.")
        base = item.inside or item.on
        there = [*seen, *(["drawer"] if layout.drawer != "none" else [])]
        if base is not None and base not in there:
            raise ConfigError(f"'{item.name}' is put in or on '{base}', which is not listed before it. "
                              f"Listed: {', '.join(there) or 'nothing'}.{hint(base, there)}")  # fmt: skip
        fits = base is None or (item.inside is not None) == (base == "drawer" or base.endswith("bowl"))
        if not fits:
            raise ConfigError(f"'{item.name}': things go in a bowl or a drawer and on a block, not '{base}' that way.")
        seen.append(item.name)


def arrange(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """A pose for every loose thing, by rejection sampling; the same generator state gives the same poses."""
    for _ in range(200):
        poses = _attempt(layout, rng)
        if poses is not None:
            return poses
    raise ConfigError(
        f"The scene '{layout.name}' is too full: no free spots for its {len(layout.things)} things. Take some out or fix their `at`."
    )


def _attempt(layout: Layout, rng: np.random.Generator) -> dict[str, Pose] | None:
    poses: dict[str, Pose] = {}
    fixed = [item for item in layout.things if item.at]
    free = sorted((item for item in layout.things if not (item.at or item.inside or item.on)), key=lambda item: "bowl" not in item.name)
    for item in fixed + free:
        spot = item.at or _free_spot(item.name, poses, rng)
        if spot is None:
            return None
        poses[item.name] = Pose((*spot, _rest_height(item.name)), _yaw(item, rng))
    based = [item for item in layout.things if item.inside or item.on]
    for item in based:
        pose = _pose_on(item, layout, poses, rng)
        if pose is None:
            return None
        poses[item.name] = pose
    return poses


def _yaw(item: Placement, rng: np.random.Generator) -> float:
    drawn = float(rng.uniform(-pi / 4, pi / 4))
    return drawn if item.yaw is None else item.yaw


def _rest_height(name: str) -> float:
    return (objects.BLOCK if kind_and_colour(name)[0] == "block" else objects.BOWL_HEIGHT) / 2


def _spots(rng: np.random.Generator, tries: int = 60) -> Iterator[tuple[float, float]]:
    areas = np.array([(x[1] - x[0]) * (y[1] - y[0]) for x, y in REGIONS])
    for region in rng.choice(len(REGIONS), size=tries, p=areas / areas.sum()):
        (x, y) = REGIONS[region]
        yield float(rng.uniform(*x)), float(rng.uniform(*y))


def _free_spot(name: str, poses: Mapping[str, Pose], rng: np.random.Generator) -> tuple[float, float] | None:
    kind = kind_and_colour(name)[0]
    for x, y in _spots(rng):
        if all(hypot(x - p.position[0], y - p.position[1]) >= clearance(kind, other) for other, p in poses.items()):
            return x, y
    return None


def clearance(kind: str, other: str) -> float:
    """Smallest distance between the centres of a thing of that kind and the other thing, m."""
    first, second = sorted((kind, kind_and_colour(other)[0]))
    return CLEARANCE[first, second]


def _pose_on(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator) -> Pose | None:
    yaw = _yaw(item, rng)
    if item.inside == "drawer":
        return _pose_in_drawer(item, layout, poses, rng, yaw * DRAWER_YAW / (pi / 4) if item.yaw is None else yaw)
    base = poses[item.on or item.inside or ""]
    x, y, z = base.position
    if item.on:
        return Pose((x, y, z + objects.BLOCK), base.yaw if item.yaw is None else item.yaw)
    return Pose((x, y, objects.BOWL_FLOOR + _rest_height(item.name)), yaw)


def _pose_in_drawer(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator, yaw: float) -> Pose | None:
    out = objects.DRAWER_TRAVEL if layout.drawer == "open" else 0.0
    for _ in range(60):
        x = CABINET_AT[0] - out + float(rng.uniform(*IN_DRAWER[0]))
        y = CABINET_AT[1] + float(rng.uniform(*IN_DRAWER[1]))
        if all(hypot(x - pose.position[0], y - pose.position[1]) > 0.075 for pose in poses.values()):
            return Pose((x, y, objects.DRAWER_FLOOR + _rest_height(item.name)), yaw)
    return None
