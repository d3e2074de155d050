"""Scenes as YAML: which things there are and where they stand. What is not fixed is drawn by the seed.

about: one sentence for people
things:
  - red block                            # anywhere on the table
  - {name: blue block, at: [0.45, -0.1]} # x, y in the world frame, m; yaw: rad
  - {name: green block, in: drawer}      # or in a bowl
  - {name: yellow block, on: blue block}
  - small red block                      # or large; other shapes: red bar, red cylinder, red prism, red L; ten colours
  - red zone                             # a coloured square that things are put in
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

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from agent.errors import ConfigError, hint
from agent.types import Frozen
from sim import fits, loose
from sim.looks import LOOKS

SCENES = Path(__file__).parent / "scenes"
Regions = tuple[tuple[tuple[float, float], tuple[float, float]], ...]
REGIONS: Regions = (((0.32, 0.52), (-0.42, 0.12)), ((0.52, 0.60), (-0.20, 0.06)), ((0.28, 0.32), (0.12, 0.36)))
"""Where loose things start, ((x, x), (y, y)), m: within reach, outside the drawer's travel and the panel, clear for the hand."""
BENCH_REGIONS: Regions = (((0.32, 0.53), (-0.42, 0.055)), ((0.28, 0.32), (0.10, 0.36)))
"""The same beside a console."""
BEADS_IN = (0.02, 0.06)
"""How far beads start from the near and the far side of it, m."""
CABINET_AT = (0.57, 0.33)
PANEL_AT = (0.67, -0.32)
BENCH_CABINET_AT, BENCH_PANEL_AT, CONSOLE_AT = (0.57, 0.30), (0.69, -0.32), (0.69, -0.115)
"""Where they stand with bays on the cabinet, and with a console beside the panel."""


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


def _check(layout: Layout) -> None:
    seen: list[str] = []
    if layout.lid != "none" and layout.drawer == "none":
        raise ConfigError(f"The scene '{layout.name}' has a lid but no drawer: the bays stand on its cabinet. Set `drawer` to closed.")
    for item in layout.things:
        loose.made(item.name)
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
