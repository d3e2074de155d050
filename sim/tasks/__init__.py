"""Tasks: what can be asked of the workbench, and how it is told that it was done.

Every file of this folder that has TEMPLATES adds them; see task.py.
"""

import importlib
import pkgutil
from functools import cache

from agent.errors import ConfigError
from sim.tasks.task import Task, Template, known_facts, nearest_template


@cache
def templates() -> dict[str, Template]:
    """Every template by its name, in a fixed order."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    kinds: dict[str, Template] = {}
    for module in modules:
        for template in getattr(module, "TEMPLATES", ()):
            if template.name in kinds:
                raise ConfigError(f"Two task templates are called '{template.name}'; one of them is in {module.__name__}. Rename it.")
            kinds[template.name] = template
    return kinds


def template(name: str) -> Template:
    """The template of that name; ConfigError says which there are."""
    if name not in templates():
        raise ConfigError(nearest_template(name, templates()))
    return templates()[name]


__all__ = ["Task", "Template", "known_facts", "template", "templates"]
