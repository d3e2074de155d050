"""How a scene looks: table, furniture, sky and light, where the cameras stand, and which side the furniture is on. Physics knows nothing
of it but the sides. Four looks are for training; one is held out."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim import objects

if TYPE_CHECKING:
    from sim.bench import Bench

XYZ = tuple[float, float, float]


class Look(NamedTuple):
    """Colours from 0 to 1 (the sky's from 0 to 255), and light as Bullet's renderer takes it."""

    table: XYZ = objects.WOOD
    shell: XYZ = objects.SHELL
    front: XYZ = objects.FRONT
    panel: XYZ = objects.DARK
    sky_top: XYZ = (236, 241, 246)
    sky_bottom: XYZ = (188, 201, 214)
    light_from: XYZ = (-0.45, -0.55, 1.8)
    """Towards the light, in the world frame."""
    ambient: float = 0.62
    diffuse: float = 0.45
    shade: float = 0.66
    """Brightness of the table in shadow."""
    jitter: float = 0.0
    """How far a camera's eye and target are moved at most, by the seed, m."""
    mirrored: bool = False
    """Cabinet on the right, panel on the left."""


LOOKS: dict[str, Look] = {
    "oak": Look(),
    "walnut": Look(
        table=(0.50, 0.36, 0.26), shell=(0.93, 0.90, 0.84), front=(0.60, 0.29, 0.22), sky_top=(250, 244, 234), sky_bottom=(226, 208, 186),
        light_from=(-0.9, 0.5, 1.5), ambient=0.58, diffuse=0.50, jitter=0.02,
    ),
    "lab": Look(
        table=(0.82, 0.85, 0.87), shell=(0.74, 0.80, 0.85), front=(0.22, 0.50, 0.60), panel=(0.30, 0.34, 0.38), sky_top=(226, 236, 238),
        sky_bottom=(160, 182, 188), light_from=(0.1, -0.2, 2.0), ambient=0.68, diffuse=0.36, shade=0.78, jitter=0.03, mirrored=True,
    ),
    "evening": Look(
        table=(0.72, 0.58, 0.48), shell=(0.78, 0.72, 0.70), front=(0.34, 0.28, 0.42), sky_top=(64, 70, 104), sky_bottom=(214, 150, 122),
        light_from=(-1.2, -1.1, 1.2), ambient=0.50, diffuse=0.52, shade=0.56, jitter=0.03, mirrored=True,
    ),
    "slate": Look(
        table=(0.31, 0.35, 0.38), shell=(0.86, 0.83, 0.76), front=(0.78, 0.58, 0.24), panel=(0.14, 0.15, 0.17), sky_top=(214, 222, 214),
        sky_bottom=(148, 166, 154), light_from=(0.5, -0.9, 1.6), ambient=0.60, diffuse=0.48, shade=0.60, jitter=0.03, mirrored=True,
    ),
}  # fmt: skip
HELD_OUT = "slate"
"""The look that nothing is trained on."""
NEAR_ENOUGH = 0.01
"""Colours that differ by less are the same."""


def paint(bench: "Bench") -> None:
    """Give the furniture the colours of the scene's look."""
    look = LOOKS[bench.layout.look]
    new = {objects.SHELL: look.shell, objects.FRONT: look.front, objects.DARK: look.panel}
    loose = {item.body for item in bench.items.values() if item.loose or item.kind == "zone"}
    for body in bench.world.bodies.values():
        if body in loose or body == bench.panda.body or look == Look():
            continue
        count: dict[int, int] = {}
        for shape in bench.bullet.getVisualShapeData(body):
            link = shape[1]
            index = count[link] = count.get(link, -1) + 1
            for old, colour in new.items():
                if np.abs(np.subtract(shape[7][:3], old)).max() < NEAR_ENOUGH:
                    bench.bullet.changeVisualShape(body, link, shapeIndex=index, rgbaColor=(*colour, 1))


def jitter(look: Look, seed: int, camera: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By how much the eye and the target of the n-th camera are moved, float64[3] each, m."""
    rng = np.random.default_rng((seed, camera, 77))
    eye, target = rng.uniform(-look.jitter, look.jitter, (2, 3))
    return eye, target
