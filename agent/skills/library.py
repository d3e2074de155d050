"""Gather skills from their two doors, and turn a written call into a live one.

The doors: `skills:` in config.yaml (modules) and the entry-point group `agent.skills` (modules of installed packages). The built-in
skills enter by the second one. Two skills of one name are an error that names both modules.
"""

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from agent.errors import SkillError, hint
from agent.skills.skill import Skill, source_of
from agent.types import Scene, Subtask

GROUP = "agent.skills"
BUILT_IN = (
    "agent.skills.tabletop", "agent.skills.fixtures", "agent.skills.pushes", "agent.skills.blocks",
    "agent.skills.granular", "agent.skills.fitting", "agent.skills.postures",
)  # fmt: skip


class Library:
    """All skills by name."""

    def __init__(self, skills: Iterable[type[Skill]]) -> None:
        self.skills: dict[str, type[Skill]] = {}
        for skill in skills:
            name = skill.skill_name()
            if (other := self.skills.get(name)) and other is not skill:
                raise SkillError(
                    f"Two skills are called '{name}': {source_of(other)} and {source_of(skill)}. Rename one of the classes, or remove "
                    f"its module from `skills:` in config.yaml."
                )
            self.skills[name] = skill

    def __iter__(self) -> Iterator[type[Skill]]:
        return iter(self.skills.values())

    def bind(self, subtask: Subtask) -> Skill:
        """The live call; raises SkillError if there is no such skill or its arguments do not fit."""
        if subtask.skill not in self.skills:
            raise SkillError(f"There is no skill '{subtask.skill}'. Skills: {', '.join(self.skills)}.{hint(subtask.skill, self.skills)}")
        try:
            return self.skills[subtask.skill](**subtask.args)
        except ValidationError as error:
            fields = ", ".join(self.skills[subtask.skill].model_fields) or "none"
            raise SkillError(
                f"'{subtask.key}' does not fit: {error.errors()[0]['msg']}. Arguments of '{subtask.skill}': {fields}."
            ) from error

    def calls(self, scene: Scene) -> list[Skill]:
        """Every call this scene offers words for."""
        return [call for skill in self for call in skill.calls(scene)]

    def possible(self, scene: Scene) -> list[Skill]:
        """Those whose `can` holds now: the candidates of a decision."""
        return [call for call in self.calls(scene) if call.can(scene)]


def gather(modules: Iterable[str] = ()) -> Library:
    """Built-in skills, installed plug-ins, and the given modules."""
    installed = {entry.value.partition(":")[0] for entry in entry_points(group=GROUP)}
    names = dict.fromkeys([*BUILT_IN, *sorted(installed), *modules])
    return Library(skill for name in names for skill in skills_in(load(name)))


def load(name: str) -> ModuleType:
    """Import a module of skills; the folder saydo was started in counts as a place to look."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except SkillError:
        raise
    except ModuleNotFoundError as error:
        raise SkillError(
            f"Cannot find the skill module '{name}': {error}. Check `skills:` in config.yaml, or install its package."
        ) from error
    except Exception as error:
        raise SkillError(f"The skill module '{name}' does not load: {type(error).__name__}: {error}.") from error


def skills_in(module: ModuleType) -> list[type[Skill]]:
    """Skills that a module defines itself, not those it imports."""
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Skill) and value.__module__ == module.__name__
    ]
    if not found:
        raise SkillError(f"The module '{module.__name__}' defines no skill. Write: class Wipe(Skill, say=\"wipe the {{surface}}\").")
    return found
