"""A skill is a class; an instance is one call of it. Four words to remember: say, can, act, done.

class Wipe(Skill, say="wipe the {surface} with the sponge"):
    '''Clean a flat surface. Needs the sponge in the gripper.'''

    surface: str

    def can(self, scene):
        return scene.holding == "sponge"

    def done(self, scene):
        return scene.has("clean", self.surface)
"""

import inspect
import re
import string
from collections.abc import Iterator
from itertools import product
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from agent.errors import SkillError, hint
from agent.types import Chunk, Observation, Policy, Scene, Subtask


class Kind:
    """Marks a field that takes only things of some kinds: `thing: Annotated[str, Kind("block", "cup")]`."""

    def __init__(self, *names: str) -> None:
        self.names = names


class Skill(BaseModel):
    """One call of a skill. Subclass it with `say=`, the sentence with a placeholder for each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: ClassVar[str] = ""
    """The sentence that a person reads and that a policy is given."""
    also: ClassVar[tuple[str, ...]] = ()
    """Other ways to ask for the same, with the same placeholders; help the embedded scorer."""
    time_limit_s: ClassVar[float] = 30.0
    """Simulated or robot time after which the call has timed out."""
    undoes: ClassVar[bool] = False
    """Doing it once more spoils it, and nothing that can be seen tells that it was done: a button that toggles, a push of 10 cm."""

    def __init_subclass__(cls, say: str = "", also: tuple[str, ...] = (), time_limit_s: float | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.say, cls.also = say or cls.say, also or cls.also
        cls.time_limit_s = time_limit_s or cls.time_limit_s

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        where = f"{cls.__module__}.{cls.__qualname__}"
        if not cls.say:
            raise SkillError(f'{where} has no sentence. Write: class {cls.__name__}(Skill, say="wipe the {{surface}}").')
        if not (cls.__doc__ or "").strip() or cls.__doc__ == Skill.__doc__:
            raise SkillError(f"{where} has no docstring. One sentence saying what it does and needs: planners read it.")
        for sentence in (cls.say, *cls.also):
            check_placeholders(where, sentence, cls.model_fields)

    @classmethod
    def skill_name(cls) -> str:
        """The name that plans use: the class name in small letters, `OpenHalf` as open_half."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def calls(cls, scene: Scene) -> Iterator["Skill"]:
        """Every call that this scene offers words for, possible or not: fields × things of fitting kind, never one thing twice."""
        choices = [field_values(name, field, scene) for name, field in cls.model_fields.items()]
        for values in product(*choices):
            things = [value for value, field in zip(values, cls.model_fields.values(), strict=True) if not literals(field)]
            if len(set(things)) == len(things):
                yield cls(**dict(zip(cls.model_fields, values, strict=True)))

    @property
    def args(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.model_dump().items()}

    @property
    def words(self) -> str:
        return self.say.format(**self.args)

    @property
    def subtask(self) -> Subtask:
        return Subtask(skill=self.skill_name(), args=self.args, words=self.words)

    def can(self, scene: Scene) -> bool:
        """Could it be tried now? The hard rule of SayCan's *can*."""
        return True

    def needs(self, scene: Scene) -> list["Skill"]:
        """Calls that would help when `can` is False, the most useful first. May be empty."""
        return []

    def act(self, observation: Observation, policy: Policy) -> Chunk:
        """The next short future. Default: ask the policy. Override for a scripted motion."""
        return policy.predict(observation, self.subtask)

    def done(self, scene: Scene) -> bool | None:
        """Is it achieved? None (default): this skill cannot tell, the judge decides. Events in `scene` are those since it began."""
        return None


def literals(field: FieldInfo) -> tuple[str, ...]:
    """The values of a Literal field; empty for a field that names a thing."""
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def field_values(name: str, field: FieldInfo, scene: Scene) -> list[str]:
    if values := literals(field):
        return list(values)
    if field.annotation is str:
        kinds = [kind for mark in field.metadata if isinstance(mark, Kind) for kind in mark.names]
        return scene.names(*kinds)
    raise SkillError(f"Field '{name}' must be str (a thing's name) or Literal[...] (a fixed choice), not {field.annotation}.")


def check_placeholders(where: str, sentence: str, fields: dict[str, FieldInfo]) -> None:
    """The sentence and the fields must name each other exactly; fields must be of a kind that can be spoken."""
    try:
        named = {part for _, part, _, _ in string.Formatter().parse(sentence) if part is not None}
    except ValueError as error:
        raise SkillError(f'{where}: the sentence "{sentence}" is not a format string: {error}.') from error
    for name in sorted(named - set(fields)):
        raise SkillError(
            f'{where}: the sentence "{sentence}" speaks of {{{name}}}, but the class has the fields: '
            f"{', '.join(fields) or 'none'}.{hint(name, fields)} Add `{name}: str` or change the sentence."
        )
    for name in sorted(set(fields) - named):
        raise SkillError(f"{where}: field '{name}' does not occur in the sentence \"{sentence}\". Add {{{name}}} to it.")
    for name, field in fields.items():
        if get_origin(field.annotation) in (Union, UnionType) or (field.annotation is not str and not literals(field)):
            raise SkillError(f"{where}: field '{name}' must be str (a thing's name) or Literal[...], not {field.annotation}.")


def source_of(skill: type[Skill]) -> str:
    """Where a skill came from: its module and file."""
    return f"{skill.__module__} ({inspect.getsourcefile(skill) or 'built at run time'})"
