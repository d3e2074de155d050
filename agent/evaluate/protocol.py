"""A protocol: everything that an evaluation's figures depend on, in one YAML file, hashed into the result.

kind: disturbed
episodes: 10
rows: [plan, planner, recovery]            # see ROWS and RULES
templates: [in a bowl, stack]
perturbations:
  - name: the grip slips
    templates: [in a bowl]                 # where it makes sense; left out: in all of them
    levels:                                # each level is played; names in braces are the task's slots
      - {wrong: [{kind: slip, when: {holding: "{thing}", after_ticks: 8}}]}
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from agent.errors import ConfigError, hint
from agent.types import Frozen

SHIPPED = Path(__file__).parent / "protocols"
Kind = Literal["skills", "chains", "demos", "disturbed"]
Row = Literal["random", "oracle", "alone", "plan", "planner", "recovery", "oracle-skills"]
Language = Literal["plain", "train", "typos", "phrasing", "words", "intent"]
KINDS: tuple[str, ...] = get_args(Kind)
ROWS: dict[Row, str] = {
    "random": "random motion",
    "oracle": "scripted oracle",
    "alone": "policy alone",
    "plan": "oracle plan + policy",
    "planner": "planner + policy",
    "recovery": "planner + policy + recovery",
    "oracle-skills": "planner + oracle skills",
}
RULES: dict[Row, str] = {
    "random": "Smooth random motion over the table. The row to beat.",
    "oracle": "The template's own plan, each step by the oracle, which reads the true scene. The upper bound.",
    "alone": "The policy is given the whole instruction, and nothing else, until the time is over.",
    "plan": "The policy is given the steps of the template's own plan; the first step that fails ends it. Leaves the policy's faults.",
    "planner": "The planner reads the sentence and chooses the steps; the first step that fails ends it.",
    "recovery": "The planner chooses the steps and may try again, another way, or ask. What saydo does.",
    "oracle-skills": "The planner with recovery, each step by the oracle. Leaves the planner's faults.",
}
COINCIDE: dict[str, dict[Row, Row]] = {"oracle": {"plan": "oracle", "oracle-skills": "recovery"}, "random": {"alone": "random"}}
"""By policy: rows that are the same as another by definition; where both are asked for, one is played."""


def same_rows(policy: str, rows: Iterable[Row]) -> dict[Row, Row]:
    """Of the rows asked for: which need not be played, and which other row has their figures."""
    asked = set(rows)
    return {row: other for row, other in COINCIDE.get(policy, {}).items() if {row, other} <= asked}


class Change(Frozen):
    """The person changes their mind: the same thing, another target. `when` as in a demo."""

    when: dict[str, Any]


class Cameras(Frozen):
    """What is wrong with the cameras; what that means for a policy that is shown the Scene is told in agent/evaluate/faults.py."""

    out_s: float = Field(default=0.0, ge=0, le=5)
    """So long nothing is seen, every 6 s."""
    stuck_s: float = Field(default=0.0, ge=0, le=5)
    """So long the picture stands still, every 6 s."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation, grey levels."""
    shift_deg: float = Field(default=0.0, ge=0)
    """Turned by so much against where they were calibrated."""

    @model_validator(mode="after")
    def one_interruption(self) -> Self:
        if self.out_s and self.stuck_s:
            raise ValueError("cameras are either out (out_s) or stuck (stuck_s), not both")
        return self


class Fault(Frozen):
    """One level of a perturbation; what is left out is as it should be."""

    wrong: tuple[dict[str, Any], ...] = ()
    """Disturbances of sim/disturb.py, whose ticks count from the task's start. Names in braces are the task's slots; {another} is the
    nearest thing like its {thing}. A `move` may say `far: 0.1` (m) for a free spot so far from where the thing is."""
    cameras: Cameras = Cameras()
    see_ticks: int = Field(default=0, ge=0)
    """All that is sensed is so many ticks old."""
    act_ticks: int = Field(default=0, ge=0)
    """Commands are carried out so many ticks late."""
    delay_ticks: int = Field(default=0, ge=0)
    """Ticks between an observation and the first use of its chunk; the executor knows of them."""
    lost: float = Field(default=0.0, ge=0, lt=1)
    """Share of the policy's answers that do not arrive."""
    distractors: int = Field(default=0, ge=0)
    """So many more things are in the scene."""
    alike: int = Field(default=0, ge=0)
    """So many of them have the colour of the task's thing; the first stands beside it."""
    change: Change | None = None


class Perturbation(Frozen):
    """Something that goes wrong, more so at each level."""

    name: str
    templates: tuple[str, ...] = ()
    """Where it is played, of the protocol's; none: wherever it fits. In chains it meets the first task that it fits."""
    levels: tuple[Fault, ...] = Field(min_length=1)


class Protocol(Frozen):
    """What is measured. Seeds are seed_base, seed_base + 1, …, the same ones in every row: figures are paired."""

    name: str
    kind: Kind
    about: str = ""
    policy: str = "oracle"
    checkpoint: Path | None = None
    options: dict[str, Any] = Field({})
    """Given to the policy's class by name. The robot is commanded at the policy's rate."""
    weights: str | None = None
    """Their sha256, where the policy is a small one; found out when it is played."""
    rows: tuple[Row, ...] = Field(("plan",), min_length=1)
    templates: tuple[str, ...] = ()
    """Task templates, or demos; none: all there are."""
    episodes: int = Field(20, ge=1)
    """Per template, demo, or level of a perturbation and template; for chains: how many chains."""
    times: dict[str, int] = Field({})
    """Templates of which there are so many times as many, played by themselves and undisturbed."""
    seed_base: int = Field(0, ge=0)
    length: int = Field(5, ge=1)
    """Tasks in a chain."""
    ticks: int = Field(400, ge=1)
    """Control periods for one task."""
    language: Language = "plain"
    """The words that are said: the template's own sentence, or one drawn from a set of sim/language."""
    look: Literal["own", "trained", "held out"] = "own"
    """Of the scenes, where tasks are played one by one: the template's own; those that are trained on, in turn; the one that is not."""
    colours: Literal["own", "held out"] = "own"
    """Of loose things, likewise: the template's own, or those that nothing is trained on."""
    perturbations: tuple[Perturbation, ...] = ()
    """Beside the clean run; none: the clean run alone."""
    level: int | None = Field(None, ge=1)
    """This level of each alone."""

    @property
    def sha256(self) -> str:
        """Of all that it says, whatever its spelling; where it was read from and its name and description do not count."""
        said = self.model_dump(mode="json", exclude={"name", "about"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def protocol_names() -> list[str]:
    """The protocols that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_protocol(name: str, **changes: Any) -> Protocol:
    """A shipped protocol by name, or a YAML file, with changes set over it (None leaves what it says). ConfigError says what is wrong."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else SHIPPED / f"{name}.yaml"
    kept = {key: value for key, value in changes.items() if value is not None}
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Protocol.model_validate({"name": path.stem, **written, **kept})
    except FileNotFoundError as error:
        names = protocol_names()
        raise ConfigError(f"There is no protocol '{name}'. Protocols: {', '.join(names)}; or a .yaml file.{hint(name, names)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"Cannot read the protocol {path}: {error}.") from error
    except ValidationError as error:
        asked = {str(problem["loc"][0]) for problem in error.errors()} <= kept.keys()
        raise ConfigError(f"{'This cannot be asked for' if asked else f'The protocol {path} is not valid'}. {explained(error)}") from error


def perturbations_named(names: Iterable[str]) -> tuple[Perturbation, ...]:
    """Perturbations of the shipped protocol `disturbed`: by name, or by a part of the name that only one has; "all" for each of them.
    ConfigError says which there are."""
    there = load_protocol("disturbed").perturbations
    found: list[Perturbation] = []
    for name in names:
        fitting = [one for one in there if name in ("all", one.name)] or [one for one in there if name.lower() in one.name.lower()]
        if len(fitting) != 1 and name != "all":
            known = [one.name for one in there]
            which = f"'{name}' may be: {', '.join(one.name for one in fitting)}." if fitting else f"There is no perturbation '{name}'."
            raise ConfigError(f"{which} Perturbations: {', '.join(known)}.{hint(name, known)}")
        found += [one for one in fitting if one not in found]
    return tuple(found)


def explained(error: ValidationError) -> str:
    """What is wrong, line by line, with the nearest key where one is unknown."""
    lines = []
    for problem in error.errors():
        known = [*Protocol.model_fields, *Perturbation.model_fields, *Fault.model_fields, *Cameras.model_fields]
        near = hint(str(problem["loc"][-1]), known) if problem["type"] == "extra_forbidden" else ""
        lines.append(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}.{near}")
    return " ".join(lines)
