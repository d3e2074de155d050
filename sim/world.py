"""One Bullet world: its client, its clock, its randomness and its bodies by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pybullet

SUBSTEPS_HZ = 240
ITERATIONS = 40


class Bullet:
    """pybullet with this client's id in every call: two worlds in one process never touch each other."""

    def __init__(self) -> None:
        self.client = pybullet.connect(pybullet.DIRECT)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = partial(getattr(pybullet, name), physicsClientId=self.client)
        setattr(self, name, call)
        return call

    def close(self) -> None:
        """Free the client; safe to call twice. Later calls fail, instead of reaching a newer client that was given the same number."""
        if self.client >= 0:
            pybullet.disconnect(self.client)
            self.__dict__.clear()
            self.client = -1


class World:
    """240 Hz physics without wall-clock time. Steps only when told to.

    What follows from a state must not depend on how it was reached, or a restored snapshot would drift. Hence no sleeping; a broadphase
    that compares exact boxes (the default one keeps boxes enlarged by past motion, which decide what is solved together); and a solver
    that always runs all its iterations (one that stops early lets things at rest feel how hard the others are to solve).
    """

    def __init__(self, seed: int) -> None:
        self.bullet = Bullet()
        self.rng = np.random.default_rng(seed)
        self.bodies: dict[str, int] = {}
        self.substeps = 0
        self.bullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE)
        self.bullet.setGravity(0, 0, -9.81)
        self.bullet.setPhysicsEngineParameter(
            fixedTimeStep=1 / SUBSTEPS_HZ, numSolverIterations=ITERATIONS, solverResidualThreshold=0, deterministicOverlappingPairs=1
        )

    @property
    def time(self) -> float:
        """Simulated time, s."""
        return self.substeps / SUBSTEPS_HZ

    def load(self, name: str, urdf: str, position: tuple[float, float, float], yaw: float = 0.0, fixed: bool = False) -> int:
        """Add a body under a name; position of its base frame in the world, m."""
        turn = self.bullet.getQuaternionFromEuler((0, 0, yaw))
        body = int(self.bullet.loadURDF(urdf, position, turn, useFixedBase=fixed))
        self.bodies[name] = body
        return body

    def step(self) -> None:
        """One substep of 1/240 s."""
        self.bullet.stepSimulation()
        self.substeps += 1

    def close(self) -> None:
        """Free the client; safe to call twice."""
        self.bullet.close()
