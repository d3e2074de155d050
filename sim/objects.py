"""The things of the workbench, made of primitives: each function gives URDF text, sizes in m, masses in kg."""

from collections.abc import Iterable
from functools import cache
from math import cos, pi, sin

import numpy as np

from sim.meshes import cached_file, obj_text

RGB = tuple[float, float, float]
XYZ = tuple[float, float, float]

COLOURS: dict[str, RGB] = {
    "red": (0.86, 0.20, 0.21),
    "blue": (0.16, 0.42, 0.86),
    "green": (0.20, 0.62, 0.33),
    "yellow": (0.97, 0.78, 0.14),
    "purple": (0.52, 0.29, 0.72),
    "orange": (0.95, 0.48, 0.13),
    "pink": (0.95, 0.56, 0.72),
    "cyan": (0.17, 0.74, 0.80),
    "brown": (0.47, 0.31, 0.20),
    "white": (0.94, 0.94, 0.92),
}
HELD_OUT = ("pink", "cyan", "brown", "white")
"""Colours that nothing is trained on: for tests of what was never seen."""
WOOD, SHELL, FRONT, DARK, METAL = (0.84, 0.71, 0.56), (0.90, 0.88, 0.85), (0.36, 0.45, 0.53), (0.20, 0.22, 0.25), (0.62, 0.64, 0.67)
LIT, UNLIT = (1.0, 0.87, 0.32), (0.30, 0.31, 0.30)

BLOCK = 0.04
BLOCK_MASS = 0.1
BOWL_RADIUS, BOWL_HEIGHT, BOWL_FLOOR = 0.068, 0.034, 0.006
BOWL_BASE, BOWL_WALL, BOWL_MASS, BOWL_SIDES = 0.046, 0.006, 0.15, 12
LARGE_BOWL = 1.4
"""How much wider and higher a large bowl is: wide enough to be poured into."""
TABLE: XYZ = (1.05, 1.30, 0.04)
TABLE_X = 0.32
FLOOR = -0.64
"""Height of the floor, m."""

DRAWER_TRAVEL, DRAWER_FRICTION = 0.14, 3.0
CABINET: XYZ = (0.20, 0.28, 0.12)
DRAWER_INSIDE: XYZ = (0.165, 0.246, 0.05)
DRAWER_FLOOR = 0.014
HANDLE_LENGTH, HANDLE_GRASP, HANDLE_Z = 0.055, 0.037, 0.085
HANDLE: XYZ = (HANDLE_LENGTH, 0.014, 0.04)
"""The handle is a fin thin in y: the hand, 0.2 m wide along y, then stays parallel to the cabinet front and clear of it."""
FRONT_THICK = 0.010
HANDLE_TO_INSIDE = HANDLE_GRASP + FRONT_THICK
"""From the handle's grasp point to where the inside begins, along +x, m."""

BUTTON_TRAVEL, BUTTON_FORCE, BUTTON_RADIUS = 0.012, 4.0, 0.022
PANEL: XYZ = (0.22, 0.12, 0.03)
CAP_HEIGHT = 0.018
BUTTON_X, LIGHT_X = -0.05, 0.055
"""Along the panel, from its middle."""


def _origin(xyz: Iterable[float], rpy: Iterable[float] = (0, 0, 0)) -> str:
    return f'<origin xyz="{" ".join(f"{v:.6f}" for v in xyz)}" rpy="{" ".join(f"{v:.6f}" for v in rpy)}"/>'


def _material(colour: RGB) -> str:
    return f'<material name="m{hash_colour(colour)}"><color rgba="{colour[0]} {colour[1]} {colour[2]} 1"/></material>'


def hash_colour(colour: RGB) -> str:
    """A colour as six hexadecimal digits."""
    return "".join(f"{round(255 * value):02x}" for value in colour)


def _geometry(shape: str) -> str:
    return f"<geometry>{shape}</geometry>"


def _box(size: XYZ) -> str:
    return f'<box size="{size[0]:.6f} {size[1]:.6f} {size[2]:.6f}"/>'


def _visual(shape: str, xyz: XYZ, colour: RGB, rpy: XYZ = (0, 0, 0)) -> str:
    return f"<visual>{_origin(xyz, rpy)}{_geometry(shape)}{_material(colour)}</visual>"


def _solid(shape: str, xyz: XYZ, colour: RGB, rpy: XYZ = (0, 0, 0)) -> str:
    """A shape that is seen and touched alike."""
    return _visual(shape, xyz, colour, rpy) + f"<collision>{_origin(xyz, rpy)}{_geometry(shape)}</collision>"


def _link(name: str, body: str, mass: float, centre: XYZ = (0, 0, 0), friction: float = 0.8) -> str:
    inertia = '<inertia ixx="1e-4" iyy="1e-4" izz="1e-4" ixy="0" ixz="0" iyz="0"/>'
    contact = f'<contact><lateral_friction value="{friction}"/></contact>'
    return f'<link name="{name}">{contact}<inertial>{_origin(centre)}<mass value="{mass:.6f}"/>{inertia}</inertial>{body}</link>'


def _joint(name: str, child: str, xyz: XYZ, axis: XYZ, upper: float) -> str:
    return (
        f'<joint name="{name}" type="prismatic"><parent link="base"/><child link="{child}"/>{_origin(xyz)}'
        f'<axis xyz="{axis[0]} {axis[1]} {axis[2]}"/><limit lower="0" upper="{upper}" effort="100" velocity="1"/></joint>'
    )


def _part(parent: str, name: str, shape: str, mass: float, xyz: XYZ, colour: RGB | None, rpy: XYZ = (0, 0, 0)) -> str:
    """One convex piece, fixed to a link. Bullet's snapshots keep one contact manifold for a pair of links, so a link is never given
    more than one piece; without a colour it is touched but not seen (a speck stands in, or Bullet would draw the piece)."""
    if colour is None:
        body = _visual(_box((1e-4, 1e-4, 1e-4)), (0, 0, 0), DARK) + f"<collision>{_geometry(shape)}</collision>"
    else:
        body = _solid(shape, (0, 0, 0), colour)
    fixed = f'<joint name="{name}_at" type="fixed"><parent link="{parent}"/><child link="{name}"/>{_origin(xyz, rpy)}</joint>'
    return _link(name, body, mass) + fixed


def _robot(name: str, parts: str) -> str:
    """Bullet reads URDF in lines of at most 1024 characters, so every tag gets its own."""
    return f'<?xml version="1.0"?><robot name="{name}">{parts}</robot>'.replace("><", ">\n<")


def block(colour: RGB) -> str:
    """A 4 cm cube; its frame is its centre."""
    return _robot("block", _link("base", _solid(_box((BLOCK, BLOCK, BLOCK)), (0, 0, 0), colour), BLOCK_MASS))


def bowl(colour: RGB, scale: float = 1.0) -> str:
    """An open bowl with slanted walls; its frame is the middle of its height. Seen as a smooth shell, touched as wall boxes and a floor.
    `scale` widens and raises it; walls and floor stay as thick."""
    rim, base, height = scale * BOWL_RADIUS, scale * BOWL_BASE, scale * BOWL_HEIGHT
    half, lift = height / 2, 0.002
    lean = float(np.arctan2(rim - base - BOWL_WALL, height))
    middle = (rim + base) / 2
    wall = _box((BOWL_WALL, 2 * rim * float(np.tan(pi / BOWL_SIDES)), (height - lift) / cos(lean)))
    mass = scale**2 * BOWL_MASS
    shell = cached_file(_bowl_mesh(rim, base, height), ".obj")
    seen = _visual(f'<mesh filename="{shell}"/>', (0, 0, 0), colour)
    floor = f'<cylinder radius="{base:.4f}" length="{BOWL_FLOOR}"/>'
    touched = f"<collision>{_origin((0, 0, -half + BOWL_FLOOR / 2))}{_geometry(floor)}</collision>"
    parts = _link("base", seen + touched, mass / 2)
    for index in range(BOWL_SIDES):
        angle = 2 * pi * index / BOWL_SIDES
        where = (middle * cos(angle), middle * sin(angle), lift / 2)
        parts += _part("base", f"wall{index}", wall, mass / 2 / BOWL_SIDES, where, None, (0, lean, angle))
    return _robot("bowl", parts)


@cache
def _bowl_mesh(rim: float, base: float, height: float) -> str:
    half = height / 2
    return revolved([(0.0, -half), (base, -half), (rim, half), (rim - BOWL_WALL, half),
                     (base - BOWL_WALL / 2, -half + BOWL_FLOOR), (0.0, -half + BOWL_FLOOR)])  # fmt: skip


def revolved(profile: list[tuple[float, float]], steps: int = 36) -> str:
    """A surface of revolution about z: (radius, z) from the axis outside up, over the rim, inside down to the axis; OBJ text."""
    angles = [2 * pi * step / steps for step in range(steps)]
    vertices = np.array([(r * cos(a), r * sin(a), z) for r, z in profile for a in angles])
    faces = []
    for ring in range(len(profile) - 1):
        for step in range(steps):
            a, b = ring * steps + step, ring * steps + (step + 1) % steps
            faces += [(a, b, b + steps), (a, b + steps, a + steps)]
    return obj_text(*_used(vertices, np.array(faces)))


def _used(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the faces that collapse on the axis."""
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return vertices, faces[area > 1e-12]


def table() -> str:
    """The table as the arm and the things feel it, and the floor that catches what falls off it; its frame: the middle of the top.
    It is not drawn, the backdrop shows it; a body without any visual would be drawn as its collision shape, so it has a speck inside
    the robot's foot."""
    touch = f"<collision>{_origin((0, 0, -TABLE[2] / 2))}{_geometry(_box(TABLE))}</collision>"
    speck = _visual(_box((1e-3, 1e-3, 1e-3)), (-TABLE_X, 0, 0.05), SHELL)
    floor = _part("base", "floor", _box((4, 4, 0.1)), 0.0, (0, 0, FLOOR - 0.05), None)
    return _robot("table", _link("base", touch + speck, 0.0) + floor)


def drawer() -> str:
    """A cabinet with one drawer that slides along −x; its frame: floor level, middle of the cabinet's front."""
    depth, width, height = CABINET
    wall, lift = 0.008, 0.003
    tall = height - wall - lift
    parts = _link("base", _solid(_box((depth, width, wall)), (depth / 2, 0, height - wall / 2), SHELL), 0.0)
    for side, name in ((-1, "right"), (1, "left")):
        where = (depth / 2, side * (width - wall) / 2, lift + tall / 2)
        parts += _part("base", name, _box((depth, wall, tall)), 0.0, where, SHELL)
    parts += _part("base", "back", _box((wall, width - 2 * wall, tall)), 0.0, (depth - wall / 2, 0, lift + tall / 2), SHELL)
    return _robot("drawer", parts + _drawer_box(width, height))


def _drawer_box(width: float, height: float) -> str:
    inside, breadth, _ = DRAWER_INSIDE
    side_wall, bottom, top = 0.006, 0.008, DRAWER_FLOOR + DRAWER_INSIDE[2]
    floor = _solid(_box((inside, breadth, bottom)), (inside / 2, 0, DRAWER_FLOOR - bottom / 2), SHELL)
    parts = _link("drawer", floor, 0.3, (inside / 2, 0, DRAWER_FLOOR)) + _joint("slide", "drawer", (0, 0, 0), (-1, 0, 0), DRAWER_TRAVEL)
    for side, name in ((-1, "box_right"), (1, "box_left")):
        where = (inside / 2, side * (breadth + side_wall) / 2, top / 2 + 0.003)
        parts += _part("drawer", name, _box((inside, side_wall, top)), 0.05, where, SHELL)
    parts += _part("drawer", "box_back", _box((side_wall, breadth, top)), 0.05, (inside - side_wall / 2, 0, top / 2 + 0.003), SHELL)
    front = (FRONT_THICK, width - 0.004, height - 0.012)
    parts += _part("drawer", "front", _box(front), 0.1, (-FRONT_THICK / 2, 0, 0.004 + front[2] / 2), FRONT)
    handle = (-FRONT_THICK - HANDLE_LENGTH / 2, 0, HANDLE_Z - 0.005)
    return parts + _part("drawer", "handle", _box(HANDLE), 0.05, handle, METAL)


def panel() -> str:
    """A panel with a spring button (joint "press") and a light (link "bulb"); its frame: floor level, middle of the panel."""
    base = _solid(_box(PANEL), (0, 0, PANEL[2] / 2), DARK)
    ring = f'<cylinder radius="{BUTTON_RADIUS + 0.006}" length="0.004"/>'
    base += _visual(ring, (BUTTON_X, 0, PANEL[2] + 0.001), METAL)
    cap = _solid(f'<cylinder radius="{BUTTON_RADIUS}" length="{CAP_HEIGHT}"/>', (0, 0, CAP_HEIGHT / 2), COLOURS["red"])
    press = _joint("press", "cap", (BUTTON_X, 0, PANEL[2]), (0, 0, -1), BUTTON_TRAVEL)
    bulb = _part("base", "bulb", '<sphere radius="0.026"/>', 0.01, (LIGHT_X, 0, PANEL[2] + 0.012), UNLIT)
    return _robot("panel", _link("base", base, 0.0) + _link("cap", cap, 0.02, (0, 0, CAP_HEIGHT / 2)) + press + bulb)
