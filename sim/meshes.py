"""A light Panda: pybullet_data's own visual meshes, decimated once and cached.

The stock arm draws about 100,000 triangles, which is nearly all a frame of the built-in renderer costs. Here each link's mesh is
split by material colour, simplified by quadric edge collapse (fast_simplification) and written beside a URDF that differs from
the stock one in its visuals only: links, joints, inertias, limits and collision meshes are those of pybullet_data. The meshes are
Franka Emika's, under the Apache License 2.0; the licence and a notice of the change are copied with them.
"""

import os
import shutil
import tempfile
import xml.etree.ElementTree as ET
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Goes up when what is written here changes: older caches are then left alone."""
TRIANGLES = 5500
CREASE_COS = 0.75
"""Faces that meet at less than about 41° are shaded as one smooth surface."""
NOTICE = """The meshes in this folder derive from the Franka Emika Panda meshes that the pybullet_data package ships under the Apache
License 2.0 (LICENSE.txt). Changed: split by material and simplified to about {triangles} triangles; collision meshes are unchanged.
"""

Colour = tuple[float, float, float]
Soup = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Vertices float64[V, 3], m, and triangles int64[F, 3]."""


def cache_root() -> Path:
    """Where generated geometry is kept: $XDG_CACHE_HOME/saydo or ~/.cache/saydo, or the temporary folder if that is read-only."""
    return _writable(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saydo")


@cache
def _writable(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = tempfile.mkdtemp(dir=root)
        os.rmdir(probe)
    except OSError:
        root = Path(tempfile.gettempdir()) / f"saydo-{os.getuid()}"
        root.mkdir(parents=True, exist_ok=True)
    return root


def cached_file(text: str, suffix: str) -> Path:
    """A file of exactly this text, named by its content; written whole or not at all."""
    folder = cache_root() / "generated"
    path = folder / (sha256(text.encode()).hexdigest()[:16] + suffix)
    if not path.exists():
        folder.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False) as part:
            part.write(text)
        os.replace(part.name, path)
    return path


def panda_urdf() -> Path:
    """The URDF of the light Panda; builds it on first use (a few seconds), atomically."""
    import pybullet_data

    source = Path(pybullet_data.getDataPath()) / "franka_panda"
    key = sha256((source / "panda.urdf").read_bytes() + f"{VERSION}:{TRIANGLES}".encode()).hexdigest()[:12]
    folder = cache_root() / f"panda-v{VERSION}-{key}"
    if not (folder / "panda.urdf").exists():
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix="panda-part-"))
        try:
            _build(source, part)
            os.replace(part, folder)
        except OSError:
            if not (folder / "panda.urdf").exists():
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder / "panda.urdf"


def _build(source: Path, target: Path) -> None:
    (target / "collision").mkdir()
    (target / "visual").mkdir()
    tree = ET.parse(source / "panda.urdf")
    visuals = [visual for link in tree.iter("link") for visual in link.findall("visual")]
    names = sorted({_mesh(visual).split("meshes/")[1] for visual in visuals})
    soups = {name: _by_colour(source / "meshes" / name) for name in names}
    stock = sum(len(faces) for groups in soups.values() for _, faces in groups.values())
    keep = min(1.0, TRIANGLES / stock)
    written = {name: _write_groups(target / "visual", name, groups, keep) for name, groups in soups.items()}
    for link in tree.iter("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
            link.extend(_visuals(visual, written[_mesh(visual).split("meshes/")[1]]))
        for mesh in link.iterfind("collision/geometry/mesh"):
            name = Path(mesh.attrib["filename"]).name
            shutil.copyfile(source / "meshes" / "collision" / name, target / "collision" / name)
            mesh.set("filename", f"collision/{name}")
    shutil.copyfile(source / "LICENSE.txt", target / "LICENSE.txt")
    (target / "NOTICE.txt").write_text(NOTICE.format(triangles=TRIANGLES))
    tree.write(target / "panda.urdf")


def _mesh(visual: ET.Element) -> str:
    mesh = visual.find("geometry/mesh")
    assert mesh is not None
    return mesh.attrib["filename"]


def _visuals(stock: ET.Element, groups: list[tuple[str, Colour]]) -> list[ET.Element]:
    """One visual per colour in place of the stock one, at the same origin."""
    visuals = []
    for filename, colour in groups:
        visual = ET.Element("visual")
        origin = stock.find("origin")
        if origin is not None:
            visual.append(origin)
        ET.SubElement(ET.SubElement(visual, "geometry"), "mesh", filename=filename)
        material = ET.SubElement(visual, "material", name=Path(filename).stem)
        ET.SubElement(material, "color", rgba=f"{colour[0]:.4f} {colour[1]:.4f} {colour[2]:.4f} 1")
        visuals.append(visual)
    return visuals


def _write_groups(folder: Path, name: str, groups: dict[Colour, Soup], keep: float) -> list[tuple[str, Colour]]:
    written = []
    for index, (colour, (vertices, faces)) in enumerate(sorted(groups.items())):
        vertices, faces = decimate(vertices, faces, max(12, round(keep * len(faces))))
        path = folder / f"{name.replace('/', '_').removesuffix('.obj')}_{index}.obj"
        path.write_text(obj_text(vertices, faces))
        written.append((f"visual/{path.name}", colour))
    return written


def _by_colour(path: Path) -> dict[Colour, Soup]:
    """Triangles of an OBJ file, grouped by the diffuse colour of their material."""
    colours = _materials(path.with_suffix(".mtl"))
    vertices: list[list[float]] = []
    faces: dict[Colour, list[list[int]]] = {}
    colour = (1.0, 1.0, 1.0)
    for words in map(str.split, path.read_text().splitlines()):
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "usemtl":
            colour = colours.get(words[1], (1.0, 1.0, 1.0))
        elif words[0] == "f":
            corners = [int(word.split("/")[0]) - 1 for word in words[1:]]
            faces.setdefault(colour, []).extend([corners[0], b, c] for b, c in pairwise(corners[1:]))
    points = np.array(vertices)
    return {colour: _weld(points, np.array(group)) for colour, group in faces.items()}


def read_vertices(path: Path) -> NDArray[np.float64]:
    """All vertices of an OBJ file, float64[V, 3]."""
    rows = (line.split() for line in path.read_text().splitlines() if line.startswith("v "))
    return np.array([[float(word) for word in words[1:4]] for words in rows])


def _materials(path: Path) -> dict[str, Colour]:
    colours: dict[str, Colour] = {}
    name = ""
    for words in map(str.split, path.read_text().splitlines() if path.exists() else []):
        if words[:1] == ["newmtl"]:
            name = words[1]
        elif words[:1] == ["Kd"]:
            colours[name] = (float(words[1]), float(words[2]), float(words[3]))
    return colours


def _weld(points: NDArray[np.float64], faces: NDArray[np.int64]) -> Soup:
    """Merge equal vertices, drop unused ones and faces without area."""
    used, index = np.unique(np.round(points[faces.ravel()], 6), axis=0, return_inverse=True)
    faces = index.reshape(-1, 3)
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return used, faces[whole]


def decimate(vertices: NDArray[np.float64], faces: NDArray[np.int64], triangles: int) -> Soup:
    """Simplify to about that many triangles; meshes that are smaller already come back as they are."""
    import fast_simplification

    if len(faces) <= triangles:
        return vertices, faces
    points, cells = fast_simplification.simplify(vertices.astype(np.float32), faces.astype(np.int32), target_count=triangles, agg=5)
    return _weld(points.astype(np.float64), cells.astype(np.int64))


def obj_text(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> str:
    """OBJ text with a normal per corner: smooth inside a surface, sharp at its creases."""
    edges = vertices[faces]
    crosses = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    units = crosses / np.maximum(np.linalg.norm(crosses, axis=1, keepdims=True), 1e-12)
    around: list[list[int]] = [[] for _ in vertices]
    for face, corners in enumerate(faces):
        for corner in corners:
            around[corner].append(face)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    cells = []
    for face, corners in enumerate(faces):
        refs = []
        for k, corner in enumerate(corners):
            near = [other for other in around[corner] if units[other] @ units[face] > CREASE_COS]
            normal = crosses[near].sum(0) if near else units[face]
            normal = normal / max(float(np.linalg.norm(normal)), 1e-12)
            lines.append(f"vn {normal[0]:.4f} {normal[1]:.4f} {normal[2]:.4f}")
            refs.append(f"{corner + 1}//{3 * face + k + 1}")
        cells.append("f " + " ".join(refs))
    return "\n".join(lines + cells) + "\n"
