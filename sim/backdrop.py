"""What stands behind everything: the table and a soft sky, painted once per camera, with shadows laid over it in every frame.

The built-in renderer spends half of a frame on filling the table's two large triangles. Since nothing is ever seen through or below
the table top, the table can be painted beforehand, at several times the size and averaged down, and a frame then only draws what
stands on it. Shadows are the outlines of convex parts, projected along the light onto z = 0 and blurred.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pybullet
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sim import objects
from sim.bench import Bench
from sim.meshes import cached_file
from sim.panda import ARM, FINGERS, HAND_LINK
from sim.world import Bullet

Points = NDArray[np.float64]

LIGHT_FROM = (-0.45, -0.55, 1.8)
"""Towards the light, in the world frame."""
LIGHTING = {"lightAmbientCoeff": 0.62, "lightDiffuseCoeff": 0.45, "lightSpecularCoeff": 0.06}
SKY_TOP, SKY_BOTTOM = (236, 241, 246), (188, 201, 214)
SHADE = 0.66
"""Brightness of the table in shadow."""
OVERSAMPLE = 3
EMPTY = 0.99999
"""Depth buffer value from which on a pixel shows nothing."""
DIRECTIONS = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)])


class Lens(NamedTuple):
    """What a renderer needs: picture size, px, and Bullet's column-major view and projection matrices."""

    height: int
    width: int
    view: tuple[float, ...]
    projection: tuple[float, ...]

    def matrix(self) -> Points:
        """World point (x, y, z, 1) to clip coordinates, float64[4, 4]."""
        return np.array(self.projection).reshape(4, 4).T @ np.array(self.view).reshape(4, 4).T


@cache
def sky(height: int, width: int) -> NDArray[np.uint8]:
    """A vertical gradient, uint8[height, width, 3]."""
    share = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - share) * np.array(SKY_TOP) + share * np.array(SKY_BOTTOM)
    return np.ascontiguousarray(np.broadcast_to(rows.round().astype(np.uint8), (height, width, 3)))


@cache
def painted(lens: Lens) -> tuple[Image.Image, Image.Image]:
    """The table before the sky, in light and in shadow."""
    large = lens._replace(height=lens.height * OVERSAMPLE, width=lens.width * OVERSAMPLE)
    bullet = Bullet()
    try:
        bullet.loadURDF(str(cached_file(objects.table(), ".urdf")), (objects.TABLE_X, 0, 0), useFixedBase=True)
        pixels, drawn = draw(bullet, large)
    finally:
        bullet.disconnect()
    lit = np.asarray(Image.composite(pixels, Image.fromarray(sky(large.height, large.width)), drawn))
    dark = np.where(_on_top(large)[:, :, None], (lit * SHADE).astype(np.uint8), lit)
    size = (lens.width, lens.height)
    light_picture, dark_picture = (Image.fromarray(picture).resize(size, Image.Resampling.BOX) for picture in (lit, dark))
    return light_picture, dark_picture


@cache
def table_colour() -> tuple[int, int, int]:
    """The lit table top as the renderer shows it, RGB."""
    view = pybullet.computeViewMatrix((objects.TABLE_X, 0, 1), (objects.TABLE_X, 0, 0), (1, 0, 0))
    lens = Lens(9, 9, tuple(view), tuple(pybullet.computeProjectionMatrixFOV(20, 1, 0.02, 4.0)))
    red, green, blue = painted(lens)[0].getpixel((4, 4))  # type: ignore[misc]
    return int(red), int(green), int(blue)


def draw(bullet: Bullet, lens: Lens) -> tuple[Image.Image, Image.Image]:
    """One picture by TinyRenderer, RGB, and a mask of where anything is."""
    _, _, rgba, depth, _ = bullet.getCameraImage(
        lens.width, lens.height, lens.view, lens.projection, renderer=pybullet.ER_TINY_RENDERER, shadow=0,
        flags=pybullet.ER_NO_SEGMENTATION_MASK, lightDirection=LIGHT_FROM, lightColor=(1, 1, 1), lightDistance=2.0, **LIGHTING,
    )  # fmt: skip
    shape = (lens.height, lens.width)
    pixels = np.asarray(rgba, dtype=np.uint8).reshape(*shape, 4)
    return Image.fromarray(pixels).convert("RGB"), Image.fromarray(np.asarray(depth).reshape(shape) < EMPTY)


def _on_top(lens: Lens) -> NDArray[np.bool_]:
    """Which pixels look at the table top, bool[h, w]: by the homography from the picture to the plane z = 0."""
    to_plane = np.linalg.inv(lens.matrix()[np.ix_((0, 1, 3), (0, 1, 3))])
    right = (2 * np.arange(lens.width) + 1) / lens.width - 1
    up = 1 - (2 * np.arange(lens.height) + 1) / lens.height
    x, y, ahead = (row[0] * right[None, :] + (row[1] * up + row[2])[:, None] for row in to_plane)
    x -= objects.TABLE_X * ahead
    return (ahead > 0) & (np.abs(x) < objects.TABLE[0] / 2 * ahead) & (np.abs(y) < objects.TABLE[1] / 2 * ahead)


def moving_backdrop(lens: Lens) -> Image.Image:
    """Table and sky for a camera that moves: exact, but without shadows or smooth edges."""
    top = Image.fromarray(_on_top(lens))
    size = (lens.width, lens.height)
    return Image.composite(Image.new("RGB", size, table_colour()), Image.fromarray(sky(lens.height, lens.width)), top)


class Shadows:
    """Soft shadows of the arm and the things on the table."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._parts = [(item.body, item.link, _hull(item.size)) for item in bench.items.values() if item.loose]
        self._parts += _panda_hulls(bench)
        self._parts += _fixture_hulls(bench)

    def outlines(self) -> list[Points]:
        """The outline of each shadow on the table top, float64[N, 2], m."""
        slope = np.array(LIGHT_FROM[:2]) / LIGHT_FROM[2]
        outlines = []
        for body, link, hull in self._parts:
            points = hull @ self._turn(body, link).T + self._place
            flat = points[:, :2] - np.maximum(points[:, 2:], 0) * slope
            outlines.append(flat[np.argmax(flat @ DIRECTIONS.T, axis=0)])
        return outlines

    def _turn(self, body: int, link: int) -> Points:
        bullet = self._bench.bullet
        if link < 0:
            self._place, turn = bullet.getBasePositionAndOrientation(body)
        else:
            self._place, turn = bullet.getLinkState(body, link)[4:6]
        return np.array(bullet.getMatrixFromQuaternion(turn)).reshape(3, 3)

    def over(self, lens: Lens) -> Image.Image:
        """The painted backdrop with this moment's shadows, RGB."""
        lit, dark = painted(lens)
        mask = Image.new("L", (lens.width, lens.height), 0)
        pen, matrix = ImageDraw.Draw(mask), lens.matrix()
        for outline in self.outlines():
            points = np.column_stack([outline, np.zeros(len(outline)), np.ones(len(outline))]) @ matrix.T
            if (points[:, 3] > 0.05).all():
                x = (points[:, 0] / points[:, 3] + 1) * lens.width / 2
                y = (1 - points[:, 1] / points[:, 3]) * lens.height / 2
                pen.polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
        return Image.composite(dark, lit, mask.filter(ImageFilter.BoxBlur(max(1, lens.width // 150))))


def _hull(size: tuple[float, float, float]) -> Points:
    """The corners of a box, or two rings where a thing is round; in its own frame, float64[N, 3]."""
    if size[2] == objects.BOWL_HEIGHT:
        ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)])
        half = objects.BOWL_HEIGHT / 2
        rims = [(objects.BOWL_RADIUS, half), (objects.BOWL_BASE, -half)]
        return np.concatenate([np.column_stack([radius * ring, np.full(20, z)]) for radius, z in rims])
    return np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * np.array(size) / 2


def _panda_hulls(bench: Bench) -> list[tuple[int, int, Points]]:
    """A few outer points of every link's collision mesh."""
    from sim.meshes import panda_urdf, read_vertices

    names = {-1: "link0", **{link: f"link{link + 1}" for link in ARM}, HAND_LINK: "hand", **dict.fromkeys(FINGERS, "finger")}
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(40, 3))
    hulls = []
    for link, name in names.items():
        points = read_vertices(panda_urdf().parent / "collision" / f"{name}.obj")
        if link == FINGERS[1]:
            points = points * (-1, -1, 1)
        hulls.append((bench.panda.body, link, points[np.unique(np.argmax(points @ directions.T, axis=0))]))
    return hulls


def _fixture_hulls(bench: Bench) -> list[tuple[int, int, Points]]:
    hulls: list[tuple[int, int, Points]] = []
    if "drawer" in bench.items:
        body, link = bench.items["drawer"].body, bench.items["drawer"].link
        depth, wide, high = objects.CABINET
        front, inside, handle = objects.FRONT_THICK, objects.DRAWER_INSIDE, objects.HANDLE
        boxes = [(link, (front, wide, high), (-front / 2, high / 2)), (link, inside, (inside[0] / 2, inside[2] / 2)),
                 (link, handle, (-front - handle[0] / 2, objects.HANDLE_Z))]  # fmt: skip
        hulls += [(body, -1, _box(objects.CABINET, depth / 2, high / 2))]
        hulls += [(body, part, _box(size, x, z)) for part, size, (x, z) in boxes]
    if "button" in bench.items:
        hulls.append((bench.items["button"].body, -1, _box(objects.PANEL, 0, objects.PANEL[2] / 2)))
    return hulls


def _box(size: tuple[float, float, float], x: float, z: float) -> Points:
    """The corners of a box whose middle is at x, 0, z; float64[8, 3]."""
    return np.add(_hull(size), (x, 0, z))
