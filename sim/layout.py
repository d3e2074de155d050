"""Scenes as YAML: which things there are and where they stand. What is not fixed is drawn by the seed.

about: one sentence for people
things:
  - red block                            # anywhere on the table
  - {name: blue block, at: [0.45, -0.1]} # x, y in the world frame, m; yaw: rad
  - {name: green block, in: drawer}      # or in a bowl
  - {name: yellow block, on: blue block}
  - small red block                      # or large; other shapes: red bar, red cylinder, red prism, red L; ten colours
  - red zone                             # a coloured square that things are put in
  - fixture                              # a plate with a recess for an L, with 4 mm of play; tight fixture: 2 mm
  - left peg                             # or middle, right; on pegs go rings: red ring, or small, large
  - large red bowl                       # also: red tray, white cup, yellow sponge
  - {name: beads, in: white cup}         # strewn on the table, or in a cup, bowl, tray or zone; count: 6
  - fixture                              # a plate with a recess for an L, 4 mm of play; tight fixture: 2 mm
  - left peg                             # or middle, right; rings go on them: red ring, or small, large
  - {name: red ring, on: left peg}       # over what was put there before
drawer: closed                           # open | closed | none
button: true                             # the button and its light
light: dark                              # lit | dark
lid: none                                # left | right: the bay that it covers | none: no bays
look: oak                                # or walnut, lab, evening, slate: colours, light, cameras; some mirror the furniture
motion: false                            # true: tells how things on the table are moved and turned
lever: none                              # up | down (its lamp is lit | dark) | none
knob: none                               # mark 1 | mark 2 | mark 3 | none
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
from sim import fits, loose, objects, vessels
from sim.looks import LOOKS
from sim.parts import store

SCENES = Path(__file__).parent / "scenes"
Regions = tuple[tuple[tuple[float, float], tuple[float, float]], ...]
REGIONS: Regions = (((0.32, 0.52), (-0.42, 0.12)), ((0.52, 0.60), (-0.20, 0.06)), ((0.28, 0.32), (0.12, 0.36)))
"""Where loose things start, ((x, x), (y, y)), m: within reach, outside the drawer's travel and the panel, clear for the hand."""
BEADS_IN = (0.02, 0.06)
"""How far beads start from the near and the far side of it, m."""
BENCH_REGIONS: Regions = (((0.32, 0.53), (-0.42, 0.055)), ((0.28, 0.32), (0.10, 0.36)))
"""The same beside a console."""
CLEARANCE = {("block", "block"): 0.12, ("block", "bowl"): 0.14, ("bowl", "bowl"): 0.16}
"""Smallest distance between centres, m: the open hand comes down beside a neighbour without touching it."""
HAND_BESIDE = 0.05
"""The same for other kinds: this much between the circles around them, m."""
ZONES = ((0.275, -0.385), (0.245, -0.215), (0.245, 0.215), (0.275, 0.385))
"""Where zones are: in front of where loose things start, at the corners of the robot's reach."""
CABINET_AT = (0.57, 0.33)
PANEL_AT = (0.67, -0.32)
BENCH_CABINET_AT, BENCH_PANEL_AT, CONSOLE_AT = (0.57, 0.30), (0.69, -0.32), (0.69, -0.115)
"""Where they stand with bays on the cabinet, and with a console beside the panel."""
ZONE_APART = 0.038
"""How far from the middle of a zone each of two things in it starts, m."""
BAY_ROOM = (0.018, 0.016, 0.3)
"""How far from the middle of a bay a block starts at most, x and y, m, and how far it is turned, rad: the open hand fits around it."""
IN_DRAWER, DRAWER_YAW = ((0.06, 0.085), (-0.075, 0.075)), 0.12
"""Where blocks start in a drawer, ((x, x), (y, y)) from the middle of its front, m, and how far they are turned at most, rad: when it
is open, the hand fits between its front and the cabinet."""


UNFIT = ("prism", "sponge", "beads")
"""Nothing starts on these."""
BAYS = {"left bay": 1, "right bay": -1}
"""The bays and their side."""


class Placement(Frozen):
    """One loose thing. At most one of `at`, `in`, `on`; none of them: a free spot, drawn by the seed."""

    name: str
    at: tuple[float, float] | None = None
    yaw: float | None = None
    inside: str | None = Field(None, alias="in")
    on: str | None = None
    count: int | None = Field(None, ge=1, le=20)
    """Of beads: how many; 6 if it is not said."""


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
    lid: Annotated[Literal["left", "right", "none"], BeforeValidator(_word)] = "none"
    lever: Annotated[Literal["up", "down", "none"], BeforeValidator(_word)] = "none"
    knob: Annotated[Literal["mark 1", "mark 2", "mark 3", "none"], BeforeValidator(_word)] = "none"

    motion: bool = False
    look: Literal["oak", "walnut", "lab", "evening", "slate"] = "oak"

    @property
    def has_console(self) -> bool:
        return self.lever != "none" or self.knob != "none"

    @property
    def cabinet_at(self) -> tuple[float, float]:
        """Middle of the cabinet's front, x and y, m."""
        return self._sided(CABINET_AT if self.lid == "none" else BENCH_CABINET_AT)

    @property
    def panel_at(self) -> tuple[float, float]:
        """Middle of the button's panel, x and y, m."""
        return self._sided(BENCH_PANEL_AT if self.has_console else PANEL_AT)

    @property
    def console_at(self) -> tuple[float, float]:
        """Middle of the console with lever and knob, x and y, m."""
        return self._sided(CONSOLE_AT)

    @property
    def regions(self) -> Regions:
        """Where loose things start, ((x, x), (y, y)), m."""
        regions = BENCH_REGIONS if self.has_console else REGIONS
        return tuple((x, (-y[1], -y[0])) for x, y in regions) if LOOKS[self.look].mirrored else regions

    @property
    def strewn(self) -> Regions:
        """Where the middle of beads starts, with room to come down behind them, m."""
        (low, high), across = self.regions[0]
        return (((low + BEADS_IN[0], high - BEADS_IN[1]), across),)

    def _sided(self, at: tuple[float, float]) -> tuple[float, float]:
        """On the other side in a mirrored look."""
        return (at[0], -at[1]) if LOOKS[self.look].mirrored else at


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
    thing = loose.made(name)
    return thing.kind, thing.colour


def _check(layout: Layout) -> None:
    seen: list[str] = []
    if layout.lid != "none" and layout.drawer == "none":
        raise ConfigError(f"The scene '{layout.name}' has a lid but no drawer: the bays stand on its cabinet. Set `drawer` to closed.")
    for item in layout.things:
        kind_and_colour(item.name)
        if item.name in seen:
            raise ConfigError(f"The scene '{layout.name}' has two things named '{item.name}'; names are unique.")
        if sum(spot is not None for spot in (item.at, item.inside, item.on)) > 1:
            raise ConfigError(f"'{item.name}' in scene '{layout.name}' can have only one of: at, in, on.")
        base = item.inside or item.on
        bays = list(BAYS) if layout.lid != "none" else []
        there = [*seen, *(["drawer"] if layout.drawer != "none" else []), *bays]
        if base is not None and base not in there:
            raise ConfigError(f"'{item.name}' is put in or on '{base}', which is not listed before it. "
                              f"Listed: {', '.join(there) or 'nothing'}.{hint(base, there)}")  # fmt: skip
        _check_base(item)
        if item.count is not None and item.name != "beads":
            raise ConfigError(f"'{item.name}' in scene '{layout.name}' has a count; only beads have one. List more things, one by one.")
        seen.append(item.name)


def _check_base(item: Placement) -> None:
    """Does it go in or on that, in this relation?"""
    base = item.inside or item.on
    if base is None:
        return
    fitting = (item.inside is not None) == (base in ("drawer", *BAYS) or base.endswith(("bowl", "zone", "tray", "cup", "fixture")))
    if not fits.takes(base, item.name):
        raise ConfigError(f"'{item.name}' does not go with the {base}: a fixture takes an L, a peg takes rings.")
    beads = item.name == "beads"
    if not fitting or (item.on or "").endswith(UNFIT) or (base.endswith("cup") and not beads) or (beads and base in ("drawer", *BAYS)):
        raise ConfigError(f"'{item.name}': things go in a bowl, a tray, a zone, a drawer or a bay and on a block, beads in a cup, a bowl, "
                          f"a tray or a zone; not '{base}' that way.")  # fmt: skip


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
    poses = {**_zones(layout, rng), **_stands(layout, rng)}
    things = [item for item in layout.things if item.name not in poses]
    fixed = [item for item in things if item.at]
    anywhere = (item for item in things if not (item.at or item.inside or item.on))
    free = sorted(anywhere, key=lambda item: not item.name.endswith(("bowl", "tray")))
    for item in fixed + free:
        regions = layout.strewn if item.name == "beads" else layout.regions
        spot = item.at or _free_spot(item.name, regions, poses, rng)
        if spot is None:
            return None
        poses[item.name] = Pose((*spot, _rest_height(item.name)), _yaw(item, rng))
    based = [item for item in things if item.inside or item.on]
    for item in based:
        pose = _pose_on(item, layout, poses, rng)
        if pose is None:
            return None
        poses[item.name] = pose
    return poses


def _zones(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """Zones where they are fixed, the others on the places of ZONES, in an order drawn by the seed."""
    zones = [item for item in layout.things if item.name.endswith("zone")]
    if not zones:
        return {}
    order = [ZONES[index] for index in rng.permutation(len(ZONES))]
    return {item.name: Pose((*(item.at or order.pop()), 0.0), item.yaw or 0.0) for item in zones}


def _stands(layout: Layout, rng: np.random.Generator) -> dict[str, Pose]:
    """Pegs in a row, and fixtures: where they are fixed, or drawn by the seed."""
    stands = [item for item in layout.things if item.name in fits.FIXED]
    rack = (float(rng.uniform(*fits.RACK[0])), float(rng.uniform(*fits.RACK[1]))) if stands else (0.0, 0.0)
    poses: dict[str, Pose] = {}
    for item in stands:
        *at, yaw = fits.stand(item.name, layout._sided(rack), layout._sided((1, 1))[1], rng)
        poses[item.name] = Pose((*(item.at or at), _rest_height(item.name)), yaw if item.yaw is None else item.yaw)
    return poses


def _yaw(item: Placement, rng: np.random.Generator) -> float:
    drawn = float(rng.uniform(-pi / 4, pi / 4))
    return drawn if item.yaw is None else item.yaw


def _rest_height(name: str) -> float:
    return loose.made(name).size[2] / 2


def _spots(regions: Regions, rng: np.random.Generator, tries: int = 60) -> Iterator[tuple[float, float]]:
    areas = np.array([(x[1] - x[0]) * (y[1] - y[0]) for x, y in regions])
    for region in rng.choice(len(regions), size=tries, p=areas / areas.sum()):
        (x, y) = regions[region]
        yield float(rng.uniform(*x)), float(rng.uniform(*y))


def _free_spot(name: str, regions: Regions, poses: Mapping[str, Pose], rng: np.random.Generator) -> tuple[float, float] | None:
    for x, y in _spots(regions, rng):
        if all(hypot(x - p.position[0], y - p.position[1]) >= clearance(name, other) for other, p in poses.items()):
            return x, y
    return None


def clearance(name: str, other: str) -> float:
    """Smallest distance between the centres of two things, m."""
    one, two = loose.made(name), loose.made(other)
    first, second = sorted((one.kind, two.kind))
    if (first, second) in CLEARANCE and max(*one.size, *two.size) <= 2 * objects.BOWL_RADIUS:
        return CLEARANCE[first, second]
    if "zone" in (first, second):
        return max(one.size[0], two.size[0]) / 2 + min(hypot(*one.size[:2]), hypot(*two.size[:2])) / 2
    return _around(one) + _around(two) + (fits.BESIDE_PEG if "peg" in (first, second) else HAND_BESIDE)


def _around(thing: loose.Made) -> float:
    """Radius of the circle around a thing, m; of a small bowl around the square that it stands in."""
    wide, deep, _ = thing.size
    is_round = thing.kind in ("cup", "beads", "peg", "ring") or (thing.kind == "bowl" and wide > 2 * objects.BOWL_RADIUS)
    return wide / 2 if is_round else hypot(wide, deep) / 2


def _pose_on(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator) -> Pose | None:
    yaw = _yaw(item, rng)
    if item.inside == "drawer":
        return _pose_in_drawer(item, layout, poses, rng, yaw * DRAWER_YAW / (pi / 4) if item.yaw is None else yaw)
    if item.inside in BAYS:
        return _pose_in_bay(item, layout, poses, rng)
    base = poses[item.on or item.inside or ""]
    x, y, z = base.position
    if item.on in fits.PEGS:
        return Pose((x, y, fits.rest_height(sum(other.on == item.on and other.name in poses for other in layout.things))), yaw)
    if item.inside in fits.PLAY:
        return Pose((x, y, z + fits.seat(loose.ELL)[2]), base.yaw)
    if item.on:
        on_top = z + _rest_height(item.on) + _rest_height(item.name)
        return Pose((x, y, on_top), base.yaw if item.yaw is None else item.yaw)
    aside = _aside(item, layout)
    if (item.inside or "").endswith("zone"):
        return Pose((x, y + aside, _rest_height(item.name)), yaw)
    yaw = 0.0 if aside and item.yaw is None else yaw
    floor = {"tray": vessels.TRAY_FLOOR, "cup": vessels.CUP_FLOOR}.get((item.inside or "").split()[-1], objects.BOWL_FLOOR)
    return Pose((x + aside, y, floor + _rest_height(item.name)), yaw)


def _aside(item: Placement, layout: Layout) -> float:
    """How far from the middle of a bowl or a zone one of two blocks starts that share it, m; 0 for one that is alone there."""
    sharing = [other.name for other in layout.things if other.inside == item.inside and loose.made(other.name).kind in loose.BLOCKS]
    if len(sharing) != 2 or not (item.inside or "").endswith(("bowl", "zone")):
        return 0.0
    side = 1 if sharing[0] == item.name else -1
    return side * (ZONE_APART if (item.inside or "").endswith("zone") else loose.made(item.name).size[0] / 2 + 0.0005)


def _pose_in_drawer(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator, yaw: float) -> Pose | None:
    out = objects.DRAWER_TRAVEL if layout.drawer == "open" else 0.0
    for _ in range(60):
        x = layout.cabinet_at[0] - out + float(rng.uniform(*IN_DRAWER[0]))
        y = layout.cabinet_at[1] + float(rng.uniform(*IN_DRAWER[1]))
        if all(hypot(x - pose.position[0], y - pose.position[1]) > 0.075 for pose in poses.values()):
            return Pose((x, y, objects.DRAWER_FLOOR + _rest_height(item.name)), yaw)
    return None


def _pose_in_bay(item: Placement, layout: Layout, poses: Mapping[str, Pose], rng: np.random.Generator) -> Pose | None:
    """In a bay there is room for one."""
    middle_x = layout.cabinet_at[0] + store.BAY_X
    middle_y = layout.cabinet_at[1] + BAYS[item.inside or ""] * store.BAY_Y
    dx, dy, turn = (float(rng.uniform(-most, most)) for most in BAY_ROOM)
    if any(hypot(middle_x - pose.position[0], middle_y - pose.position[1]) < store.BAY_Y for pose in poses.values()):
        return None
    return Pose((middle_x + dx, middle_y + dy, store.FLOOR_TOP + _rest_height(item.name)), turn if item.yaw is None else item.yaw)
