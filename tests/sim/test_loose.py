"""Loose things by name: what a scene can have, how it lies, and how much of it lies in a zone."""

from math import cos, pi, sin

import numpy as np
import pytest

from agent.errors import ConfigError
from sim import objects
from sim.loose import BLOCKS, SHAPES, as_it_lies, made, names, outline, symmetry
from sim.robot import SimRobot


def about_z(angle: float) -> np.ndarray:
    return np.array([[cos(angle), -sin(angle), 0], [sin(angle), cos(angle), 0], [0, 0, 1]])


def test_every_name_is_made_of_its_own_words() -> None:
    assert len(set(names())) == len(names())
    for name in names():
        thing = made(name)
        assert thing.kind in name and thing.colour in name and min(thing.size) > 0
    assert made("small red block").size < made("red block").size < made("large red block").size
    assert set(objects.HELD_OUT) < set(objects.COLOURS) and len(objects.COLOURS) == 10


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'green cylinder'\?"):
        made("green cylindre")


@pytest.mark.parametrize("kind", SHAPES)
def test_yaw_is_the_same_after_the_turn_after_which_it_looks_the_same(kind: str) -> None:
    size = SHAPES[kind]
    period = symmetry(kind, size)
    for angle in np.random.default_rng(0).uniform(-pi, pi, 20):
        lies, yaw = as_it_lies(kind, size, about_z(angle))
        assert lies == size
        if period:
            assert (abs(yaw) <= period / 2 + 1e-9 and (yaw - angle) % period == pytest.approx(0, abs=1e-9)) or (
                period - (yaw - angle) % period
            ) == pytest.approx(0, abs=1e-9)
            assert as_it_lies(kind, size, about_z(angle + period))[1] == pytest.approx(yaw, abs=1e-9)


def test_a_bar_that_stands_is_tall() -> None:
    up = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]], dtype=float)
    lies, _ = as_it_lies("bar", SHAPES["bar"], up)
    assert lies[2] == max(SHAPES["bar"]) and lies[0] == lies[1]


def test_an_outline_fills_what_the_thing_covers() -> None:
    box, ell = outline("block", (0.04, 0.04, 0.04)), outline("L", SHAPES["L"])
    assert len(ell) / len(box) == pytest.approx(2 / 3, abs=0.05)
    assert len(outline("cylinder", SHAPES["cylinder"])) / len(box) == pytest.approx(pi / 4, abs=0.05)


@pytest.mark.parametrize(("shift", "inside"), [(0.0, True), (0.050, True), (0.053, True), (0.057, False), (0.075, False)])
def test_a_thing_is_in_a_zone_with_nine_tenths_of_it(shift: float, inside: bool) -> None:
    things = [{"name": "red zone", "at": [0.45, 0.0]}, {"name": "blue block", "at": [0.45 + shift, 0.0], "yaw": 0.0}]
    scene = SimRobot({"things": things}).observe([]).scene
    assert scene is not None and scene.has("on", "blue block", "table")
    assert scene.has("in", "blue block", "red zone") is inside


def test_all_shapes_settle_as_they_are_made() -> None:
    kinds = ["small red block", "large blue block", *(f"green {kind}" for kind in SHAPES)]
    scene = SimRobot({"things": kinds}, seed=3).observe([]).scene
    assert scene is not None
    for name in kinds:
        thing = scene.find(name)
        assert thing.kind in BLOCKS and thing.size == made(name).size
        assert thing.position[2] == pytest.approx(thing.size[2] / 2, abs=1.5e-3)
        assert scene.has("on", name, "table") and not scene.has("moving", name)
