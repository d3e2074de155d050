"""What every part of the workbench offers, and URDF for its joints."""

from typing import Any

from agent.types import Fact
from sim.objects import XYZ, _origin

Hull = tuple[int, int, XYZ, XYZ]
"""A box that throws a shadow: body, link, extents and middle in that link's frame, m."""


class Part:
    """One part: made with the bench, stepped with it, carried by its snapshots."""

    def step(self) -> None:
        """What follows from one substep of physics."""

    def state(self) -> dict[str, Any]:
        """What Bullet does not know, as JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a state that `state` gave; sends every motor target again."""

    def facts(self) -> list[Fact]:
        """What holds now."""
        return []

    def hulls(self) -> list[Hull]:
        """Boxes whose shadows are drawn on the table."""
        return []


def slider(name: str, child: str, at: XYZ, axis: XYZ, upper: float) -> str:
    """A prismatic joint from 0 to `upper`, m."""
    return _joint(name, "prismatic", child, at, axis, 0.0, upper)


def hinge(name: str, child: str, at: XYZ, axis: XYZ, limit: float) -> str:
    """A revolute joint within ±`limit`, rad."""
    return _joint(name, "revolute", child, at, axis, -limit, limit)


def _joint(name: str, kind: str, child: str, at: XYZ, axis: XYZ, lower: float, upper: float) -> str:
    return (
        f'<joint name="{name}" type="{kind}"><parent link="base"/><child link="{child}"/>{_origin(at)}'
        f'<axis xyz="{axis[0]} {axis[1]} {axis[2]}"/><limit lower="{lower}" upper="{upper}" effort="100" velocity="5"/></joint>'
    )
