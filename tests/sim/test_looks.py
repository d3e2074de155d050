"""Looks change pictures, not the world; the same seed gives the same pictures."""

import numpy as np
import pytest

from sim.looks import HELD_OUT, LOOKS, jitter
from sim.robot import SimRobot

THINGS = ["red block", "yellow bar", "blue zone"]


def picture(look: str, seed: int = 1) -> np.ndarray:
    return SimRobot({"things": THINGS, "look": look}, seed=seed).observe(["front"]).images["front"]


def test_five_looks_differ_and_each_is_drawn_the_same_twice() -> None:
    pictures = {look: picture(look) for look in LOOKS}
    assert len(pictures) == 5 and HELD_OUT in pictures
    for look, shown in pictures.items():
        assert np.array_equal(shown, picture(look))
        assert all(np.abs(shown.astype(int) - other).mean() > 8 for name, other in pictures.items() if name != look)


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_moves_furniture_to_the_other_side_or_leaves_it(look: str) -> None:
    robot, plain = (SimRobot({"things": [], "look": name}, seed=1).observe([]).scene for name in (look, "oak"))
    assert robot is not None and plain is not None
    side = -1 if LOOKS[look].mirrored else 1
    for name in ("drawer", "button"):
        assert robot.find(name).position[1] == pytest.approx(side * plain.find(name).position[1])


def test_cameras_move_by_the_seed_and_no_farther_than_told() -> None:
    moves = [np.concatenate(jitter(LOOKS["lab"], seed, camera)) for seed in range(20) for camera in range(3)]
    assert len({tuple(move) for move in moves}) == len(moves)
    assert np.abs(moves).max() <= LOOKS["lab"].jitter
    assert not np.any(jitter(LOOKS["oak"], 3, 0))
