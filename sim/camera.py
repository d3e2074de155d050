"""Cameras: Bullet's built-in TinyRenderer, which needs no graphics driver, in front of a soft backdrop."""

from dataclasses import dataclass

import numpy as np
import pybullet
from numpy.typing import NDArray

from sim.bench import Bench
from sim.panda import HAND_LINK

XYZ = tuple[float, float, float]
Image = NDArray[np.uint8]

NEAR, FAR = 0.02, 4.0
LIGHT_FROM: XYZ = (-0.6, 0.9, 1.8)
LIGHT = {"lightAmbientCoeff": 0.62, "lightDiffuseCoeff": 0.45, "lightSpecularCoeff": 0.08}
SKY_TOP, SKY_BOTTOM = (232, 238, 244), (196, 207, 218)
"""The backdrop's colours, RGB; TinyRenderer draws none."""


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
    shadow: bool = False
    scale: int = 1
    """Drawn this many times larger and averaged down: smooth edges for people, at the price of time."""


CAMERAS: dict[str, Camera] = {
    "front": Camera(224, 224, eye=(-0.22, -0.42, 0.95), target=(0.44, -0.02, 0.02), fov=46),
    "wrist": Camera(128, 128, eye=(0.075, 0, 0.02), target=(0.0, 0, 0.13), fov=80, up=(1, 0, 0), on_hand=True),
    "studio": Camera(360, 480, eye=(1.25, -0.95, 0.85), target=(0.36, 0.0, 0.14), fov=40, shadow=True, scale=2),
}


class Photographer:
    """Takes pictures of a bench; what it does changes nothing in the physics."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._backdrops = {name: _backdrop(camera) for name, camera in CAMERAS.items()}
        self._lenses = {name: _lens(camera) for name, camera in CAMERAS.items()}

    def take(self, name: str) -> Image:
        """uint8[height, width, 3], RGB."""
        camera = CAMERAS[name]
        height, width = camera.height * camera.scale, camera.width * camera.scale
        _, _, rgba, depth, _ = self._bench.bullet.getCameraImage(
            width, height, self._view(camera), self._lenses[name], renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK, shadow=int(camera.shadow), lightDirection=LIGHT_FROM, lightColor=(1, 1, 1),
            lightDistance=2.0, **LIGHT,
        )  # fmt: skip
        pixels = np.asarray(rgba, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]
        empty = np.asarray(depth).reshape(height, width) >= 0.9999
        picture = np.where(empty[:, :, None], self._backdrops[name], pixels)
        return _shrink(picture, camera.scale)

    def _view(self, camera: Camera) -> list[float]:
        eye, target, up = (np.array(point, dtype=float) for point in (camera.eye, camera.target, camera.up))
        if camera.on_hand:
            panda = self._bench.panda
            state = self._bench.bullet.getLinkState(panda.body, HAND_LINK, computeForwardKinematics=1)
            turn = np.array(self._bench.bullet.getMatrixFromQuaternion(state[5])).reshape(3, 3)
            eye, target, up = turn @ eye + state[4], turn @ target + state[4], turn @ up
        return list(pybullet.computeViewMatrix(eye.tolist(), target.tolist(), up.tolist()))


def _lens(camera: Camera) -> list[float]:
    return list(pybullet.computeProjectionMatrixFOV(camera.fov, camera.width / camera.height, NEAR, FAR))


def _backdrop(camera: Camera) -> Image:
    """A vertical gradient."""
    height, width = camera.height * camera.scale, camera.width * camera.scale
    share = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - share) * np.array(SKY_TOP) + share * np.array(SKY_BOTTOM)
    return np.broadcast_to(rows.round().astype(np.uint8), (height, width, 3)).copy()


def _shrink(picture: Image, scale: int) -> Image:
    if scale == 1:
        return np.ascontiguousarray(picture)
    height, width, _ = picture.shape
    blocks = picture.reshape(height // scale, scale, width // scale, scale, 3)
    return (blocks.astype(np.uint16).sum((1, 3)) // scale**2).astype(np.uint8)
