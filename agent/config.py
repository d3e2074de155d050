"""config.yaml, field for field: same order, same names. An unknown or mistyped key is an error that names the nearest one.

Each section is handed to the object that needs it, never the whole. Secrets come from the environment only.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from agent.errors import ConfigError, hint

Range = tuple[float, float]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RobotConfig(Section):
    name: str
    """`sim`, or `module:Class` of a robot that passes `agent.testing.check_robot`."""
    options: dict[str, Any]
    """Given to the class of your own robot by name: its port, its address. The simulator takes rate_hz."""
    scene: str | dict[str, Any]
    """Of the simulator: a name, a YAML file, or what one holds."""
    seed: Annotated[int, Field(ge=0)]
    pace: Annotated[float, Field(ge=0)]
    """Simulated seconds per second of wall time; 0: as fast as it goes."""


class PolicyConfig(Section):
    name: str
    """oracle, pi0, rdt, or `module:Class` of a policy that passes `agent.testing.check_policy`."""
    checkpoint: Path | None
    """A folder of weights; None: those that ship, for a policy that has some."""
    otherwise: str | None = None
    """Another policy, for what a learned one was not trained for; None: the learned one has to try."""
    options: dict[str, Any] = {}
    """Given to the policy's class by name. A small RDT takes rate_hz and cameras."""

    @property
    def label(self) -> str:
        """Tells apart what is served: a server is used again only for the same policy with the same weights."""
        named = f"{self.name} ({self.checkpoint.resolve()})" if self.checkpoint else self.name
        named += f" {self.options}" if self.options else ""
        return f"{named}, otherwise {self.otherwise}" if self.otherwise and self.otherwise != self.name else named


class ExecutorConfig(Section):
    rows: Annotated[int, Field(ge=1)]
    """Rows of a chunk that are carried out before the next chunk takes over, s ≤ H − delay."""
    delay_ticks: Annotated[int, Field(ge=0)]
    """Ticks that pass, in lockstep, between an observation and the first use of its chunk."""
    chunk_deadline_s: Positive
    recover_deadline_s: Positive
    hold_s: Annotated[float, Field(ge=0)]
    fault_s: Positive


class GuardConfig(Section):
    workspace: tuple[Range, Range, Range]
    """World frame, m: (x, y, z) ranges of the tool centre point."""
    speed: Positive
    turn: Positive


class ServeConfig(Section):
    replicas: Annotated[int, Field(ge=1, le=16)]
    host: str
    port: Annotated[int, Field(ge=1024, le=65535)]
    """Where `saydo serve` listens for openpi clients; its replicas take the ports after it."""
    cpus: Annotated[int, Field(ge=1)]
    start_deadline_s: Positive


class PlannerConfig(Section):
    model: str | None
    base_url: str | None
    deadline_s: Positive
    can_weight: Annotated[float, Field(ge=0)]
    ask_margin: Annotated[float, Field(ge=0, le=1)]
    max_decisions: Annotated[int, Field(ge=1)]

    @property
    def api_key(self) -> SecretStr | None:
        """SAYDO_API_KEY; OpenAI's own variable is used for OpenAI alone, so that it is never sent to another server."""
        key = os.environ.get("SAYDO_API_KEY") or (os.environ.get("OPENAI_API_KEY") if self.base_url is None else None)
        return SecretStr(key) if key else None


class RunsConfig(Section):
    folder: Path
    video: bool


class Config(Section):
    robot: RobotConfig
    policy: PolicyConfig
    executor: ExecutorConfig
    guard: GuardConfig
    serve: ServeConfig
    planner: PlannerConfig
    skills: tuple[str, ...]
    runs: RunsConfig


def load_config(path: Path | None = None, changes: dict[str, Any] | None = None) -> Config:
    """Read `path` (default: config.yaml here, else the one that came with saydo); what the environment says counts more
    (SAYDO_POLICY_NAME=oracle), and dotted `changes` the most: {"robot.seed": 3}."""
    path = path or next((p for p in (Path("config.yaml"), SHIPPED) if p.exists()), SHIPPED)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold the sections {', '.join(Config.model_fields)}; it holds {type(values).__name__}.")
    for dotted, value in {**from_environment(), **(changes or {})}.items():
        section, _, key = dotted.partition(".")
        if isinstance(values.get(section), dict):
            values[section] = {**values[section], key: value}
        else:
            values[section] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}:\n" + "\n".join(f"  {explain(problem)}" for problem in error.errors())) from error


def from_environment() -> dict[str, Any]:
    """Dials that are set as SAYDO_SECTION_KEY, read as YAML."""
    found: dict[str, Any] = {}
    for section, field in Config.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {})
        for name, dotted in ((f"{section}_{key}", f"{section}.{key}") for key in keys):
            if (text := os.environ.get(f"SAYDO_{name.upper()}")) is not None:
                found[dotted] = parsed(text)
    return found


def parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


LARGEST_SEED = 10**15
"""Of a first seed; thousands follow it, and everything counts in 64 bits."""


def named_values(given: Iterable[str] | None, option: str, example: str) -> dict[str, Any]:
    """["rate_hz=10", …] → {"rate_hz": 10, …}, each value read as YAML. ConfigError for one without a name, a sign or a value."""
    found = {}
    for text in given or ():
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise ConfigError(f"{option} {text}: say name=value, for example {option} {example}.")
        found[name] = parsed(value)
    return found


def split_names(given: str | None) -> tuple[str, ...] | None:
    """"front, wrist" → ("front", "wrist"); None if nothing was given."""
    return tuple(name.strip() for name in given.split(",")) if given else None


def explain(problem: Any) -> str:
    """One pydantic error in words: which key, what is wrong, the nearest key or the value that was given."""
    *parents, last = problem["loc"]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        model: Any = Config
        for part in parents:
            model = model.model_fields[str(part)].annotation
        known = list(model.model_fields)
        return f"{where}: no such key. Keys here: {', '.join(known)}.{hint(str(last), known)}"
    if problem["type"] == "missing":
        return f"{where}: missing. Copy the line from the config.yaml that came with saydo."
    return f"{where}: {problem['msg']}; it is {problem['input']!r}."


SHIPPED = Path(__file__).parent.parent / "config.yaml"
