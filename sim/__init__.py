"""The simulated workbench: a Panda at a table, contact physics, simulated time."""

import contextlib
import io

with contextlib.redirect_stderr(io.StringIO()):  # pybullet announces its build time, in the middle of our conversation
    import pybullet  # noqa: F401
