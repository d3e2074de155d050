"""The simulated workbench: a Panda at a table, contact physics, simulated time."""

import os


def _import_pybullet_quietly() -> None:
    """It announces its build time on file descriptor 2 when it is imported, in the middle of our conversation."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import pybullet  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_import_pybullet_quietly()
