"""The light Panda: fewer triangles, the same robot."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pybullet_data
import pytest

from sim import meshes


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return meshes.panda_urdf()


def test_it_is_built_once_light_and_with_its_licence(built: Path) -> None:
    faces = sum(path.read_text().count("\nf ") for path in built.parent.glob("visual/*.obj"))
    assert 0.5 * meshes.TRIANGLES < faces < 1.3 * meshes.TRIANGLES
    assert "Apache License" in (built.parent / "LICENSE.txt").read_text()
    assert "simplified" in (built.parent / "NOTICE.txt").read_text()
    stamp = built.stat().st_mtime_ns
    assert meshes.panda_urdf() == built and built.stat().st_mtime_ns == stamp
    assert not list(built.parents[1].glob("panda-part-*"))


def test_only_the_visuals_differ_from_the_stock_robot(built: Path) -> None:
    stock = ET.parse(Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf").getroot()
    light = ET.parse(built).getroot()
    for root in (stock, light):
        for link in root.iter("link"):
            for visual in link.findall("visual"):
                link.remove(visual)
        for mesh in root.iter("mesh"):
            mesh.set("filename", Path(mesh.attrib["filename"]).name)
    assert ET.canonicalize(ET.tostring(stock), strip_text=True) == ET.canonicalize(ET.tostring(light), strip_text=True)


def test_shapes_keep_their_size_and_colours(built: Path) -> None:
    stock = Path(pybullet_data.getDataPath()) / "franka_panda" / "meshes" / "visual" / "link5.obj"
    whole = meshes.read_vertices(stock)
    parts = np.concatenate([meshes.read_vertices(path) for path in built.parent.glob("visual/visual_link5_*.obj")])
    np.testing.assert_allclose(parts.min(0), whole.min(0), atol=4e-3)
    np.testing.assert_allclose(parts.max(0), whole.max(0), atol=4e-3)
    colours = {colour.attrib["rgba"] for colour in ET.parse(built).getroot().iter("color")}
    assert len(colours) >= 4


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    path = meshes.cached_file("text", ".txt")
    assert path.read_text() == "text"
