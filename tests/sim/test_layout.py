"""Scenes as YAML: what they promise to whoever acts in them, and what is said about a wrong one."""

from math import hypot
from pathlib import Path

import numpy as np
import pytest

from agent.errors import ConfigError
from sim.layout import REGIONS, read_layout, scene_names
from sim.loose import HELD, HOLLOW
from sim.poses import arrange, clearance
from sim.robot import SimRobot


@pytest.mark.parametrize("name", scene_names())
def test_every_scene_that_ships_settles_as_it_is_written(name: str) -> None:
    layout = read_layout(name)
    assert layout.about
    scene = SimRobot(layout, seed=7).observe([]).scene
    assert scene is not None
    for item in layout.things:
        if item.inside or item.on:
            assert scene.has("in" if item.inside else "on", item.name, item.inside or item.on or "")
        elif scene.find(item.name).kind in (*HELD, *HOLLOW):
            assert scene.has("on", item.name, "table")
    assert not [fact for fact in scene.facts if fact[0] == "moving"]
    if layout.drawer != "none":
        assert scene.has(layout.drawer, "drawer")


def test_spots_are_free_reachable_and_drawn_by_the_seed() -> None:
    layout = read_layout("tabletop")
    seen = set()
    for seed in range(60):
        poses = arrange(layout, np.random.default_rng(seed))
        assert poses == arrange(layout, np.random.default_rng(seed))
        for name, pose in poses.items():
            x, y, _ = pose.position
            assert any(low <= x <= high and left <= y <= right for (low, high), (left, right) in REGIONS)
            for other, there in poses.items():
                if other != name:
                    gap = hypot(x - there.position[0], y - there.position[1])
                    assert gap >= clearance(name, other)
        seen.add(poses["red block"].position)
    assert len(seen) == 60


def test_things_stand_where_a_scene_puts_them() -> None:
    layout = {
        "drawer": "open",
        "light": "lit",
        "things": [
            {"name": "blue bowl", "at": [0.4, -0.2]},
            {"name": "red block", "at": [0.5, 0.0], "yaw": 0.3},
            {"name": "green block", "on": "red block"},
            {"name": "yellow block", "in": "blue bowl"},
            {"name": "orange block", "in": "drawer"},
        ],
    }
    scene = SimRobot(layout, seed=1).observe([]).scene
    assert scene is not None
    facts = [("on", "red block", "table"), ("on", "green block", "red block"), ("in", "yellow block", "blue bowl"),
             ("in", "orange block", "drawer"), ("open", "drawer"), ("lit", "light"), ("clear", "green block")]  # fmt: skip
    assert [fact for fact in facts if not scene.has(*fact)] == []
    assert not scene.has("clear", "red block") and not scene.has("clear", "blue bowl")
    np.testing.assert_allclose(scene.find("red block").position, [0.5, 0.0, 0.02], atol=1e-3)
    assert scene.find("red block").yaw == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("tablet", "Did you mean 'tabletop'"),
        ({"things": ["purpel block"]}, "Did you mean 'purple block'"),
        ({"things": ["red block", "red block"]}, "unique"),
        ({"things": [{"name": "red block", "on": "blue block"}]}, "not listed before it"),
        ({"things": [{"name": "red block", "on": "table", "at": [0.4, 0]}]}, "only one of"),
        ({"things": ["blue bowl", {"name": "red block", "on": "blue bowl"}]}, "go in a bowl"),
        ({"drawr": "open"}, "Did you mean 'drawer'"),
        ({"drawer": "ajar"}, "drawer"),
        ({"things": [f"{colour} bowl" for colour in ("red", "blue", "green", "yellow", "purple", "orange")] * 1
          + [f"{colour} block" for colour in ("red", "blue", "green", "yellow", "purple", "orange")]}, "too full"),
    ],
)  # fmt: skip
def test_a_wrong_scene_is_explained(layout: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        SimRobot(layout)  # type: ignore[arg-type]


def test_a_scene_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("things: [{name: red block, at: [0.4, 0.0]}]\ndrawer: none\nbutton: false\n")
    scene = SimRobot(path).observe([]).scene
    assert scene is not None and scene.names() == ["table", "red block"]
