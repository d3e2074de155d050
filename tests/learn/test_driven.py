"""Episodes by physics: whole, successful, labelled by the oracle whatever was done to its commands."""

import numpy as np

from agent.learn.calls import library
from agent.learn.driven import LEAST_Z, WAYS, Disturber, draw_episodes
from agent.types import Observation, Scene, Thing
from tests.learn.scenes import TABLETOP

RECIPE = TABLETOP.model_copy(update={"skills": {"pick": 1.0}, "fixtures": {}})


def test_an_episode_is_one_motion_that_ends_as_done() -> None:
    (episode,) = draw_episodes(RECIPE, 31, 1)
    assert {(f.skill, f.words, f.kind, f.seed, f.look) for f in episode} == {
        ("pick", episode[0].words, "driven", episode[0].seed, episode[0].look)}  # fmt: skip
    states = np.array([frame.state for frame in episode])
    assert (np.linalg.norm(np.diff(states[:, 7:10], axis=0), axis=1) < 0.06).all()  # one control period apart
    assert states[-1, 13] > 0.02 and states[0, 13] > states[-1, 13]  # fingers closed around something
    assert library().skills["pick"](**episode[0].args).words == f"pick up the {episode[0].args['thing']}"
    assert episode[0].points[0, 0, 2] == 1.0 or episode[-1].points[1, 0, 2] == 1.0


def observation(z: float, holding: str | None = None) -> Observation:
    state = np.zeros(14, np.float32)
    state[9], state[13] = z, 0.08
    scene = Scene(tick=0, things=(Thing(name="red block", kind="block", position=(0.0, 0.0, 0.02)),), holding=holding)
    return Observation(0, 0.0, state, {}, scene)


def disturber(way: str) -> Disturber:
    return next(found for seed in range(100) if (found := Disturber(np.random.default_rng(seed))).way == way)


def test_disturbances_are_what_they_are_called() -> None:
    row = np.array([0.4, 0.0, 0.2, 0, 0, 0, 1.0], np.float32)
    applied = {way: np.array([disturb(row, observation(0.2), False) for _ in range(100)]) for way in WAYS for disturb in [disturber(way)]}
    off = {way: np.linalg.norm(rows[:, :3] - row[:3], axis=1) for way, rows in applied.items()}
    assert (off["clean"] == 0).all() and (off["fumble"] == 0).all()
    assert 0.005 < off["drift"].mean() < 0.025 and (off["drift"] > 0).all()
    assert 0.02 < off["jolts"].max() < 0.08 and (off["jolts"] == 0).mean() > 0.5
    assert all((rows[:, 3:5] == row[3:5]).all() and (rows[:, 6] == 1).all() for rows in applied.values())
    assert (row == np.array([0.4, 0.0, 0.2, 0, 0, 0, 1.0], np.float32)).all()


def test_a_fumble_closes_beside_once_or_lets_go() -> None:
    row = np.array([0.4, 0.0, 0.03, 0, 0, 0, 1.0], np.float32)
    beside = disturber("fumble")
    rows = np.array([beside(row, observation(0.04), True) for _ in range(40)])
    shut = rows[:, 6] == 0
    assert 5 < shut.sum() < 20 and np.allclose(np.linalg.norm(rows[shut, :2] - row[:2], axis=1), 0.028, atol=1e-3) and not shut[-1]
    closed = row * np.array([1, 1, 1, 1, 1, 1, 0], np.float32)
    lets_go = disturber("fumble")
    rows = np.array([lets_go(closed, observation(0.2, "red block"), True) for _ in range(40)])
    assert 3 < (rows[:, 6] == 1).sum() < 12 and rows[-1, 6] == 0


def test_no_command_goes_into_the_table() -> None:
    row = np.array([0.4, 0.0, 0.0, 0, 0, 0, 1.0], np.float32)
    assert all(disturber(way)(row, observation(0.01), True)[2] >= np.float32(LEAST_Z) for way in WAYS)
