"""The simulated workbench: a Panda at a table, contact physics, simulated time.

`import sim` makes its environments known to gymnasium (see sim/environments) and loads no physics.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from sim.environments import register


class _Hush(MetaPathFinder):
    """pybullet announces its build time on file descriptor 2 when it is imported, in the middle of our conversation. Not any more."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path) if name == "pybullet" else None
        if found is not None and found.loader is not None:
            create = found.loader.create_module
            found.loader.create_module = lambda spec: _quietly(create, spec)  # type: ignore[method-assign]
        return found


def _quietly(create: object, spec: ModuleSpec) -> ModuleType | None:
    assert callable(create)
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        made: ModuleType | None = create(spec)
        return made
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


sys.meta_path.insert(0, _Hush())
register()
