"""A recipe: everything that a dataset depends on besides seeds and code, in one YAML file, hashed into the dataset.

skills: {pick: 3, place: 4}              # how often each is commanded, as weights
things: {block: [3, 5], bowl: [1, 3]}    # least and most of a kind in a scene; "small block" is a kind here
fixtures: {drawer: 1.0, lid: 0.5}        # how many of the scenes have it
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from agent.errors import ConfigError, hint
from agent.skills.tabletop import Relation
from agent.types import Frozen
from sim.looks import HELD_OUT, LOOKS
from sim.loose import made, names
from sim.objects import COLOURS
from sim.oracle import MOVES

SHIPPED = Path(__file__).parent / "recipes"
COMES_WITH = {"button": "light", "lever": "lamp", "lid": "bay"}
"""Fixture → what else is there with it."""
TRAINED_LOOKS = tuple(look for look in LOOKS if look != HELD_OUT)


def kind_of(name: str) -> str:
    """A thing's name without its colour: "small block"."""
    return " ".join(word for word in name.split() if word not in COLOURS)


class Sentences(Frozen):
    """Where a frame's sentence comes from, as weights."""

    own: float = 0.5
    """The skill's own, which planners command with."""
    also: float = 0.2
    """Its other ways to say it."""
    grammar: float = 0.3
    """The grammar of sim/language, training side."""


class Recipe(Frozen):
    name: str
    about: str = ""
    samples: int = Field(ge=1)
    """Frames in all."""
    skills: dict[str, float] = Field(min_length=1)
    relations: dict[Relation, float] = Field({"in": 1.0, "on": 1.0})
    """Of `place`, as weights."""
    things: dict[str, tuple[int, int]] = Field(min_length=1)
    familiar: float = Field(0.4, ge=0, le=1)
    """How many of the scenes are those that the task templates play in."""
    fixtures: dict[Literal["drawer", "button", "lid", "lever", "knob"], float] = Field({})
    motion: bool = False
    """Scenes tell how things are pushed and turned; needed to push and rotate."""
    looks: tuple[str, ...] = TRAINED_LOOKS
    sentences: Sentences = Sentences()
    driven: float = Field(0.12, ge=0, le=1)
    """How many of the frames are driven to by physics, in episodes; the others are drawn."""
    labels: float = Field(1.5, ge=1)
    """Frames with the same picture, on average, each commanded something else."""
    shard: int = Field(1000, ge=1)
    """Frames in a shard of drawn ones, and the least in a shard of episodes."""
    frames_per_world: int = Field(125, ge=1)

    @field_validator("relations", mode="before")
    @classmethod
    def bare(cls, relations: Any) -> Any:
        """YAML reads a bare `on` as true."""
        return {"on" if key is True else key: share for key, share in relations.items()} if isinstance(relations, dict) else relations

    @field_validator("looks")
    @classmethod
    def known(cls, looks: tuple[str, ...]) -> tuple[str, ...]:
        for look in looks:
            if look not in TRAINED_LOOKS:
                raise ValueError(f"'{look}' is no look to train on. Looks: {', '.join(TRAINED_LOOKS)}; {HELD_OUT} is held out")
        return looks

    @field_validator("skills")
    @classmethod
    def solved(cls, skills: dict[str, float]) -> dict[str, float]:
        for skill in skills:
            if skill not in MOVES:
                raise ValueError(f"there is no skill '{skill}' that can be shown. Skills: {', '.join(MOVES)}.{hint(skill, MOVES)}")
        return skills

    @field_validator("things")
    @classmethod
    def made(cls, things: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        kinds = {kind_of(name) for name in names()}
        for kind, (least, most) in things.items():
            if kind not in kinds:
                raise ValueError(f"there are no things of the kind '{kind}'. Kinds: {', '.join(sorted(kinds))}.{hint(kind, kinds)}")
            if not 0 <= least <= most:
                raise ValueError(f"'{kind}' should say the least and the most, as [1, 3]")
        return things

    @property
    def kinds(self) -> list[str]:
        """Kinds of things that its scenes have, as a Scene calls them."""
        loose = {made(name).kind for name in names() if kind_of(name) in self.things}
        return sorted({"table", *loose, *self.fixtures, *(COMES_WITH[name] for name in self.fixtures if name in COMES_WITH)})

    @property
    def sha256(self) -> str:
        """Of all that a shard depends on: how many there are, what it is called and what is said about it do not count."""
        said = self.model_dump(mode="json", exclude={"name", "about", "samples"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def recipe_names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_recipe(name: str, **changes: Any) -> Recipe:
    """A shipped recipe by name, or a YAML file, with changes set over it (None leaves what it says). ConfigError says what is wrong."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else SHIPPED / f"{name}.yaml"
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Recipe.model_validate({"name": path.stem, **written, **{key: value for key, value in changes.items() if value is not None}})
    except FileNotFoundError as error:
        names = recipe_names()
        raise ConfigError(f"There is no recipe '{name}'. Recipes: {', '.join(names)}; or a .yaml file.{hint(name, names)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"Cannot read the recipe {path}: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        unknown = [str(p["loc"][-1]) for p in error.errors() if p["type"] == "extra_forbidden"]
        near = hint(unknown[0], Recipe.model_fields) if unknown else ""
        raise ConfigError(f"The recipe {path} is not valid: {problems}.{near}") from error
