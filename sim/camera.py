"""Cameras: Bullet's built-in TinyRenderer, which needs no graphics driver, in front of a painted backdrop."""

from dataclasses import dataclass

import numpy as np
import pybullet
from numpy.typing import NDArray
from PIL.Image import Resampling, composite

from sim.backdrop import Lens, Shadows, draw, moving_backdrop
from sim.bench import Bench
from sim.looks import LOOKS, jitter
from sim.panda import HAND_LINK

XYZ = tuple[float, float, float]
Image = NDArray[np.uint8]

NEAR, FAR = 0.02, 4.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. `eye` and `target` in the world frame, or in the hand's frame for the wrist, m; `fov` vertical, degrees."""

    height: int
    width: int
    eye: XYZ
    target: XYZ
    fov: float
    up: XYZ = (0, 0, 1)
    on_hand: bool = False
    scale: int = 1
    """Drawn this many times larger and averaged down: smooth edges for people, at the price of time."""


CAMERAS: dict[str, Camera] = {
    "front": Camera(224, 224, eye=(-0.10, -0.55, 0.85), target=(0.50, 0.01, 0.0), fov=46),
    "shoulder": Camera(224, 224, eye=(-0.22, 0.58, 0.80), target=(0.52, 0.0, 0.0), fov=46),
    "wrist": Camera(128, 128, eye=(0.09, 0, -0.01), target=(0.025, 0, 0.14), fov=68, up=(1, 0, 0), on_hand=True),
    "studio": Camera(360, 480, eye=(-0.45, -1.2, 1.0), target=(0.37, 0.03, 0.17), fov=40, scale=2),
}


class Photographer:
    """Takes pictures of a bench; what it does changes nothing in the physics."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._shadows = Shadows(bench)
        self._look = LOOKS[bench.layout.look]
        self._fixed = {}
        for index, (name, camera) in enumerate(CAMERAS.items()):
            if not camera.on_hand:
                eye, target = jitter(self._look, bench.seed, index)
                self._fixed[name] = _lens(camera, camera.eye + eye, camera.target + target, camera.up)._replace(look=self._look)

    def take(self, name: str, side: int | None = None) -> Image:
        """uint8[height, width, 3], RGB; `side`: another height and width of a square picture, px."""
        camera = CAMERAS[name]
        lens = self.lens(name)
        if side is not None:
            lens = lens._replace(height=side, width=side)
        behind = self._shadows.over(lens) if name in self._fixed else moving_backdrop(lens)
        size = (lens.width * camera.scale, lens.height * camera.scale)
        pixels, drawn = draw(self._bench.bullet, lens.enlarged(camera.scale))
        if camera.scale > 1:
            behind = behind.resize(size, Resampling.NEAREST)
        picture = composite(pixels, behind, drawn)
        return np.array(picture.reduce(camera.scale) if camera.scale > 1 else picture)

    def lens(self, name: str) -> Lens:
        """Where a camera is now and how it looks, at the size of its picture."""
        return self._fixed[name] if name in self._fixed else self._hand_lens(CAMERAS[name])._replace(look=self._look)

    def _hand_lens(self, camera: Camera) -> Lens:
        panda = self._bench.panda
        state = self._bench.bullet.getLinkState(panda.body, HAND_LINK, computeForwardKinematics=1)
        turn = np.array(self._bench.bullet.getMatrixFromQuaternion(state[5])).reshape(3, 3)
        eye, target, up = (turn @ np.array(point, dtype=float) for point in (camera.eye, camera.target, camera.up))
        return _lens(camera, eye + state[4], target + state[4], up)


def _lens(camera: Camera, eye: object, target: object, up: object) -> Lens:
    view = pybullet.computeViewMatrix(*([float(value) for value in np.asarray(point)] for point in (eye, target, up)))
    projection = pybullet.computeProjectionMatrixFOV(camera.fov, camera.width / camera.height, NEAR, FAR)
    return Lens(camera.height, camera.width, tuple(view), tuple(projection))
