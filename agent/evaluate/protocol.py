"""A protocol: everything that an evaluation's figures depend on, in one YAML file, hashed into the result.

kind: disturbed
episodes: 10
rows: [plan, planner, recovery]
templates: [in a bowl, stack]
perturbations:
  - name: the grip slips
    templates: [in a bowl]                 # where it makes sense; left out: in all of them
    levels:                                # each level is played; names in braces are the task's slots
      - {wrong: [{kind: slip, when: {holding: "{thing}", after_ticks: 8}}]}
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError

from agent.errors import ConfigError, hint
from agent.types import Frozen

SHIPPED = Path(__file__).parent / "protocols"
Kind = Literal["skills", "chains", "demos", "disturbed"]
Row = Literal["random", "alone", "plan", "planner", "recovery"]
Language = Literal["plain", "train", "typos", "phrasing", "words", "intent"]
KINDS: tuple[str, ...] = get_args(Kind)
ROWS: dict[Row, str] = {
    "random": "random motion",
    "alone": "policy alone, given the whole instruction",
    "plan": "the template's own plan + policy",
    "planner": "planner + policy",
    "recovery": "planner + policy, retries allowed",
}


class Change(Frozen):
    """The person changes their mind: the same thing, another target. `when` as in a demo."""

    when: dict[str, Any]


class Fault(Frozen):
    """One level of a perturbation; what is left out is as it should be."""

    wrong: tuple[dict[str, Any], ...] = ()
    """Disturbances of sim/disturb.py. A `move` may say `far: 0.1` (m) for a free spot so far from where the thing was drawn."""
    noise_m: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise on where hand and things are seen to be, m."""
    delay_ticks: int = Field(default=0, ge=0)
    """Ticks between an observation and the first use of its chunk."""
    lost: float = Field(default=0.0, ge=0, lt=1)
    """Share of the policy's answers that do not arrive."""
    change: Change | None = None


class Perturbation(Frozen):
    """Something that goes wrong, more so at each level."""

    name: str
    templates: tuple[str, ...] = ()
    levels: tuple[Fault, ...] = Field(min_length=1)


class Protocol(Frozen):
    """What is measured. Seeds are seed_base, seed_base + 1, …, the same ones in every row: figures are paired."""

    name: str
    kind: Kind
    about: str = ""
    policy: str = "oracle"
    checkpoint: Path | None = None
    rows: tuple[Row, ...] = Field(("plan",), min_length=1)
    templates: tuple[str, ...] = ()
    """Task templates, or demos; none: all there are."""
    episodes: int = Field(20, ge=1)
    """Per template, demo, or level of a perturbation and template; for chains: how many chains."""
    seed_base: int = Field(0, ge=0)
    length: int = Field(5, ge=1)
    """Tasks in a chain."""
    ticks: int = Field(400, ge=1)
    """Control periods for one task."""
    language: Language = "plain"
    """The words that are said: the template's own sentence, or one drawn from a set of sim/language."""
    perturbations: tuple[Perturbation, ...] = ()

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
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in changes.items() if value is not None}
        return Protocol.model_validate({"name": path.stem, **written, **kept})
    except FileNotFoundError as error:
        names = protocol_names()
        raise ConfigError(f"There is no protocol '{name}'. Protocols: {', '.join(names)}; or a .yaml file.{hint(name, names)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"Cannot read the protocol {path}: {error}.") from error
    except ValidationError as error:
        raise ConfigError(f"The protocol {path} is not valid. {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """What is wrong, line by line, with the nearest key where one is unknown."""
    lines = []
    for problem in error.errors():
        known = [*Protocol.model_fields, *Perturbation.model_fields, *Fault.model_fields]
        near = hint(str(problem["loc"][-1]), known) if problem["type"] == "extra_forbidden" else ""
        lines.append(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}.{near}")
    return " ".join(lines)
