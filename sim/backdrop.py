"""What stands behind everything: the table and a soft sky, painted once per camera, with shadows laid over it in every frame.

The built-in renderer spends half of a frame on filling the table's two large triangles. Since nothing is ever seen through or below
the table top, the table can be painted beforehand, at several times the size and averaged down, and a frame then only draws what
stands on it. Shadows are the outlines of convex parts, projected along the light onto z = 0 and blurred.
"""

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pybullet
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sim import fits, objects
from sim.bench import Bench
from sim.looks import LOOKS, Look
from sim.panda import ARM, FINGERS, HAND_LINK
from sim.world import Bullet

Points = NDArray[np.float64]

SPECULAR = 0.06
OVERSAMPLE = 3
BEHIND = 0.05
"""Closer to the camera than this, m, counts as behind it."""
EMPTY, UNDER = 0.99999, 2e-4
"""Depth buffer values: from here on a pixel shows nothing; and how far behind the table top still counts as on it (a few mm)."""
DIRECTIONS = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)])


class Lens(NamedTuple):
    """What a renderer needs: picture size, px, and Bullet's column-major view and projection matrices."""

    height: int
    width: int
    view: tuple[float, ...]
    projection: tuple[float, ...]
    look: Look = LOOKS["oak"]

    def enlarged(self, times: int) -> "Lens":
        """The same view in a larger picture."""
        return self._replace(height=self.height * times, width=self.width * times)

    def matrix(self) -> Points:
        """World point (x, y, z, 1) to clip coordinates, float64[4, 4]."""
        return np.array(self.projection).reshape(4, 4).T @ np.array(self.view).reshape(4, 4).T


@cache
def sky(height: int, width: int, look: Look) -> NDArray[np.uint8]:
    """A vertical gradient, uint8[height, width, 3]."""
    share = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - share) * np.array(look.sky_top) + share * np.array(look.sky_bottom)
    return np.ascontiguousarray(np.broadcast_to(rows.round().astype(np.uint8), (height, width, 3)))


@lru_cache(maxsize=24)
def painted(lens: Lens) -> tuple[Image.Image, Image.Image]:
    """The table before the sky, in light and in shadow."""
    size = (lens.width * OVERSAMPLE, lens.height * OVERSAMPLE)
    picture = Image.fromarray(sky(lens.height, lens.width, lens.look)).resize(size)
    pen, matrix = ImageDraw.Draw(picture), lens.matrix()
    for corners, shade in _faces(lens):
        colour = np.minimum(255, 255 * shade * np.array(lens.look.table if len(corners) == 4 else objects.DARK))
        outline = _outline(corners[:4], matrix, size)
        if outline:
            pen.polygon(outline, fill=(int(colour[0]), int(colour[1]), int(colour[2])))
    top = _outline(_corners(objects.TABLE, (objects.TABLE_X, 0, -objects.TABLE[2] / 2))[[1, 3, 7, 5]], matrix, size)
    mask = Image.new("L", size, 0)
    if top:
        ImageDraw.Draw(mask).polygon(top, fill=255)
    dark = Image.composite(picture.point(lambda value: round(value * lens.look.shade)), picture, mask)
    return picture.reduce(OVERSAMPLE), dark.reduce(OVERSAMPLE)


def _faces(lens: Lens) -> list[tuple[Points, float]]:
    """The table's faces that the camera sees, far ones first: corners float64[4, 3] (five rows mark a leg) and brightness."""
    view = np.array(lens.view).reshape(4, 4).T
    eye = -view[:3, :3].T @ view[:3, 3]
    x, y, z = objects.TABLE
    legs = [(objects.TABLE_X + sx * (x / 2 - 0.06), sy * (y / 2 - 0.06), -0.34) for sx in (-1, 1) for sy in (-1, 1)]
    legs.sort(key=lambda leg: -float(np.linalg.norm(eye - leg)))
    boxes = [((0.05, 0.05, 0.6), leg, True) for leg in legs] + [((x, y, z), (objects.TABLE_X, 0, -z / 2), False)]
    sun = np.array(lens.look.light_from) / np.linalg.norm(lens.look.light_from)
    faces = []
    for size, middle, leg in boxes:
        corners = _corners(size, middle)
        for rows in ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (1, 5, 7, 3)):
            face = corners[list(rows)]
            outward = face.mean(0) - middle
            outward = outward / np.linalg.norm(outward)
            if outward @ (eye - face.mean(0)) > 0:
                shade = lens.look.ambient + lens.look.diffuse * max(0.0, float(outward @ sun))
                faces.append((np.vstack([face, face[:1]]) if leg else face, shade))
    return faces


def _outline(points: Points, matrix: Points, size: tuple[int, int]) -> list[tuple[float, float]]:
    """A polygon float64[N, 3] in picture coordinates, px, cut off at the camera's near side; empty if all of it lies behind."""
    clip = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    if not (clip[:, 3] > BEHIND).all():
        clip = _in_front(clip)
    flat = (clip[:, :2] / clip[:, 3:] * (1, -1) + 1) * (size[0] / 2, size[1] / 2)
    return [(x, y) for x, y in flat.tolist()]


def _in_front(clip: Points) -> Points:
    """The part of a polygon, in clip coordinates float64[N, 4], that is not behind the camera; float64[M, 4]."""
    kept: list[Points] = []
    for here, there in zip(clip, np.roll(clip, -1, axis=0), strict=True):
        if here[3] > BEHIND:
            kept.append(here)
        if (here[3] > BEHIND) != (there[3] > BEHIND):
            kept.append(here + (BEHIND - here[3]) / (there[3] - here[3]) * (there - here))
    return np.array(kept).reshape(-1, 4)


@cache
def table_colour(look: Look) -> tuple[int, int, int]:
    """The lit table top, RGB."""
    shade = look.ambient + look.diffuse * look.light_from[2] / float(np.linalg.norm(look.light_from))
    red, green, blue = (min(255, int(255 * shade * value)) for value in look.table)
    return red, green, blue


def draw(bullet: Bullet, lens: Lens) -> tuple[Image.Image, Image.Image]:
    """One picture by TinyRenderer, RGB, and a mask of where anything is."""
    _, _, rgba, depth, _ = bullet.getCameraImage(
        lens.width, lens.height, lens.view, lens.projection, renderer=pybullet.ER_TINY_RENDERER, shadow=0,
        flags=pybullet.ER_NO_SEGMENTATION_MASK, lightDirection=lens.look.light_from, lightColor=(1, 1, 1), lightDistance=2.0,
        lightAmbientCoeff=lens.look.ambient, lightDiffuseCoeff=lens.look.diffuse, lightSpecularCoeff=SPECULAR,
    )  # fmt: skip
    shape = (lens.height, lens.width)
    pixels, depths = np.asarray(rgba, dtype=np.uint8).reshape(*shape, 4), np.asarray(depth).reshape(shape)
    return Image.fromarray(pixels).convert("RGB"), Image.fromarray(depths < _plane(lens)[1])


@lru_cache(maxsize=16)
def _plane(lens: Lens) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which pixels look at the table top, bool[h, w], and the depth from which on a pixel shows nothing that stands before the backdrop,
    float64[h, w]. By the homography from the picture to the plane z = 0, in which depth is affine."""
    matrix = lens.matrix()
    to_plane = np.linalg.inv(matrix[np.ix_((0, 1, 3), (0, 1, 3))])
    right = (2 * np.arange(lens.width) + 1) / lens.width - 1
    up = 1 - (2 * np.arange(lens.height) + 1) / lens.height
    x, y, ahead, depth = (row[0] * right[None, :] + (row[1] * up + row[2])[:, None] for row in (*to_plane, matrix[2, [0, 1, 3]] @ to_plane))
    x -= objects.TABLE_X * ahead
    top = (ahead > 0) & (np.abs(x) < objects.TABLE[0] / 2 * ahead) & (np.abs(y) < objects.TABLE[1] / 2 * ahead)
    return top, np.where(top, (depth + 1) / 2 + UNDER, EMPTY)


def moving_backdrop(lens: Lens) -> Image.Image:
    """Table and sky for a camera that moves: exact, but without shadows or smooth edges."""
    top = Image.fromarray(_plane(lens)[0])
    size = (lens.width, lens.height)
    return Image.composite(Image.new("RGB", size, table_colour(lens.look)), Image.fromarray(sky(lens.height, lens.width, lens.look)), top)


class Shadows:
    """Soft shadows of the arm and the things on the table."""

    def __init__(self, bench: Bench) -> None:
        self._bullet = bench.bullet
        parts = [(item.body, item.link, _hull(item.size)) for item in bench.items.values() if item.loose]
        parts += _panda_hulls(bench) + _fixture_hulls(bench)
        bodies = dict.fromkeys(body for body, _, _ in parts)
        parts = [part for body in bodies for base in (True, False) for part in parts if part[0] == body and (part[1] < 0) == base]
        self._links = {body: [link for other, link, _ in parts if other == body] for body in bodies}
        most = max(len(hull) for _, _, hull in parts)
        self._hulls = np.array([np.concatenate([hull, np.repeat(hull[:1], most - len(hull), axis=0)]) for _, _, hull in parts])
        light = LOOKS[bench.layout.look].light_from
        self._slope = np.array(light[:2]) / light[2]

    def outlines(self) -> Points:
        """The outline of each shadow on the table top, float64[N, 20, 2], m."""
        places, turns = self._poses()
        points = self._hulls @ turns.transpose(0, 2, 1) + places[:, None]
        points = points[points[:, :, 2].max(axis=1) > 0]
        flat = points[:, :, :2] - np.maximum(points[:, :, 2:], 0) * self._slope
        outer = np.argmax(flat @ DIRECTIONS.T, axis=1)
        return np.take_along_axis(flat, outer[:, :, None], axis=1)

    def _poses(self) -> tuple[Points, Points]:
        """Of every part: where it is, float64[N, 3], and how it is turned, float64[N, 3, 3]. Worked out from the joints as they are now:
        Bullet's own link poses are those of one substep before."""
        poses = []
        for body, links in self._links.items():
            poses += [self._bullet.getBasePositionAndOrientation(body)] * links.count(-1)
            if moving := [link for link in links if link >= 0]:
                poses += [state[4:6] for state in self._bullet.getLinkStates(body, moving, computeForwardKinematics=1)]
        return np.array([place for place, _ in poses]), _rotations(np.array([turn for _, turn in poses]))

    def over(self, lens: Lens) -> Image.Image:
        """The painted backdrop with this moment's shadows, RGB."""
        lit, dark = painted(lens)
        mask = Image.new("L", (lens.width, lens.height), 0)
        pen, matrix, outlines = ImageDraw.Draw(mask), lens.matrix(), self.outlines()
        clip = outlines @ matrix[:, :2].T + matrix[:, 3]
        flat = (clip[..., :2] / clip[..., 3:] * (1, -1) + 1) * (np.array(mask.size) / 2)
        for outline, corners, ahead in zip(outlines, flat, clip[..., 3].min(axis=1) > BEHIND, strict=True):
            if ahead:
                pen.polygon(corners.ravel().tolist(), fill=255)
            elif cut := _outline(np.column_stack([outline, np.zeros(len(outline))]), matrix, mask.size):
                pen.polygon(cut, fill=255)
        return Image.composite(dark, lit, mask.filter(ImageFilter.BoxBlur(max(1, lens.width // 150))))


def _rotations(quaternions: Points) -> Points:
    """Rotation matrices float64[N, 3, 3] of unit quaternions x, y, z, w float64[N, 4]."""
    x, y, z, w = quaternions.T
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), 2 * (x * y + z * w), 1 - 2 * (x * x + z * z),
            2 * (y * z - x * w), 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]  # fmt: skip
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def _hull(size: tuple[float, float, float]) -> Points:
    """The corners of a box, or two rings where a thing is round; in its own frame, float64[N, 3]."""
    if size[2] == objects.BOWL_HEIGHT:
        ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)])
        half = objects.BOWL_HEIGHT / 2
        rims = [(objects.BOWL_RADIUS, half), (objects.BOWL_BASE, -half)]
        return np.concatenate([np.column_stack([radius * ring, np.full(20, z)]) for radius, z in rims])
    return _corners(size, (0, 0, 0))


def _corners(size: tuple[float, float, float], middle: tuple[float, float, float]) -> Points:
    """Of a box, float64[8, 3]; x changes slowest, z fastest."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return signs * np.array(size) / 2 + np.array(middle)


def _panda_hulls(bench: Bench) -> list[tuple[int, int, Points]]:
    return [(bench.panda.body, link, points) for link, points in _panda_outlines()]


@cache
def _panda_outlines() -> list[tuple[int, Points]]:
    """A few outer points of every link's collision mesh."""
    from sim.meshes import panda_urdf, read_vertices

    names = {-1: "link0", **{link: f"link{link + 1}" for link in ARM}, HAND_LINK: "hand", **dict.fromkeys(FINGERS, "finger")}
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(40, 3))
    outlines = []
    for link, name in names.items():
        points = read_vertices(panda_urdf().parent / "collision" / f"{name}.obj")
        if link == FINGERS[1]:
            points = points * (-1, -1, 1)
        outlines.append((link, points[np.unique(np.argmax(points @ directions.T, axis=0))]))
    return outlines


def _fixture_hulls(bench: Bench) -> list[tuple[int, int, Points]]:
    hulls: list[tuple[int, int, Points]] = []
    if "drawer" in bench.items:
        body, link = bench.items["drawer"].body, bench.items["drawer"].link
        depth, wide, high = objects.CABINET
        front, inside, handle = objects.FRONT_THICK, objects.DRAWER_INSIDE, objects.HANDLE
        boxes = [(link, (front, wide, high), (-front / 2, high / 2)), (link, inside, (inside[0] / 2, inside[2] / 2)),
                 (link, handle, (-front - handle[0] / 2, objects.HANDLE_Z))]  # fmt: skip
        hulls += [(body, -1, _corners(objects.CABINET, (depth / 2, 0, high / 2)))]
        hulls += [(body, part, _corners(size, (x, 0, z))) for part, size, (x, z) in boxes]
    if "button" in bench.items:
        hulls.append((bench.items["button"].body, -1, _corners(objects.PANEL, (0, 0, objects.PANEL[2] / 2))))
    hulls += [(item.body, -1, _corners(*box)) for item in bench.items.values() for box in fits.boxes(item.kind)]
    hulls += [(body, link, _corners(size, middle)) for part in bench.parts for body, link, size, middle in part.hulls()]
    return hulls
