"""The workbench by gymnasium's rules: every id works, checks pass, vectors agree with single ones, and success is the referee's."""

import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agent.errors import ConfigError, RobotError
from sim.environments import GENERAL, MAX_STEPS, TASKS, env_id
from sim.environments.workbench import Workbench
from sim.oracle import Oracle
from sim.tasks import templates

ALWAYS = {"is_success", "success_once", "hold_ticks", "progress", "failure_reason", "rejected", "perturbation", "task", "task_description"}
EXPECTED_WARNING = "symmetric and normalized"
"""Metres and radians are neither."""


def made(task: str, **kwargs: Any) -> Workbench:
    env = gymnasium.make(env_id(task), **kwargs).unwrapped
    assert isinstance(env, Workbench)
    return env


def solve(env: gymnasium.Env[Any, Any], seed: int) -> tuple[list[float], dict[str, Any]]:
    """By the oracle, through step() alone; rewards and the last info."""
    env.reset(seed=seed)
    bench, oracle, rewards = env.unwrapped, Oracle(), []
    assert isinstance(bench, Workbench)
    while True:
        for row in oracle.predict(bench.robot.observe(()), bench.asked.plan[0]).actions[:8]:
            _, reward, terminated, truncated, info = env.step(row)
            rewards.append(float(reward))
            if terminated or truncated:
                return rewards, info


def test_every_template_has_an_id_and_every_id_a_template() -> None:
    assert sorted(TASKS) == sorted(templates()), "write the new ones down: python -m sim.environments"
    registered = {name for name in gymnasium.registry if name.startswith("saydo/")}
    assert registered == {GENERAL, *map(env_id, TASKS)} and len(registered) == len(TASKS) + 1
    assert all(gymnasium.spec(name).max_episode_steps == MAX_STEPS for name in registered)


def test_import_registers_without_physics_and_make_can_import() -> None:
    code = ("import sys, sim, gymnasium; print('pybullet' in sys.modules, 'saydo/Lift-v0' in gymnasium.registry); "
            "env = gymnasium.make('sim:saydo/Lift-v0'); print(env.unwrapped.task)")  # fmt: skip
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert shown.stdout.split() == ["False", "True", "lift"] and shown.stderr == ""


@pytest.mark.parametrize("task", TASKS)
def test_every_id_resets_and_steps(task: str) -> None:
    env = gymnasium.make(env_id(task), cameras=(), environment_state=True)
    with pytest.raises(RobotError, match="reset"):
        _ = made(task).robot
    seen, told = env.reset(seed=1)
    assert set(told) >= ALWAYS and told["task"] == task and told["is_success"] is False and told["seed"] == 1
    assert env.observation_space.contains(seen)
    row = np.array([*seen["agent_pos"][7:13], 1.0], np.float32)
    seen, reward, terminated, truncated, told = env.step(row)
    assert set(told) == ALWAYS and (reward, terminated, truncated, told["rejected"]) == (0.0, False, False, "")
    assert env.observation_space.contains(seen)
    env.close()
    env.close()


@pytest.mark.parametrize("env", [
    partial(made, "lift"),
    partial(made, "open the drawer", cameras=("front", "shoulder", "wrist"), size=64, environment_state=True, render_mode="rgb_array"),
    partial(Workbench, scene="bench", cameras=("wrist",), language="phrasing"),
])  # fmt: skip
def test_gymnasiums_own_checks_pass(env: Any) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_env(env(), skip_render_check=True)
    assert not [str(warning.message) for warning in told if EXPECTED_WARNING not in str(warning.message)]


def test_what_lerobot_reads() -> None:
    env = made("in a bowl", render_mode="rgb_array")
    seen, told = env.reset(seed=2, options={"lerobot_new_rollout": True})
    assert {name: (image.shape, image.dtype) for name, image in seen["pixels"].items()} == {
        "front": ((224, 224, 3), np.uint8), "wrist": ((128, 128, 3), np.uint8),
    }  # fmt: skip
    assert seen["agent_pos"].shape == (14,) and seen["agent_pos"].dtype == np.float32
    assert env.task == "in a bowl" and env.task_description == told["task_description"] == env.asked.words
    assert env._max_episode_steps == MAX_STEPS and env.metadata["render_fps"] == 20
    shown = env.render()
    assert shown is not None and shown.shape == (360, 480, 3)


@pytest.mark.parametrize("vector", [gymnasium.vector.SyncVectorEnv, gymnasium.vector.AsyncVectorEnv])
def test_a_vector_of_environments_shows_the_same_bytes_in_other_processes(vector: Any) -> None:
    make = partial(gymnasium.make, env_id("stack"), size=64)
    single, many = make(), vector([make, make])
    one, both = single.reset(seed=5)[0], many.reset(seed=[4, 5])[0]
    rows = np.repeat(np.array([*one["agent_pos"][7:13], 0.0], np.float32)[None], 12, axis=0)
    rows[:, 2] -= np.linspace(0, 0.2, 12, dtype=np.float32)
    for row in rows:
        assert one["agent_pos"].tobytes() == both["agent_pos"][1].tobytes()
        assert all(one["pixels"][name].tobytes() == both["pixels"][name][1].tobytes() for name in ("front", "wrist"))
        one, both, told = single.step(row)[0], *many.step(np.stack([row, row]))[:1], None
    told = many.step(np.stack([row, row]))[4]
    assert told["is_success"].tolist() == [False, False]
    assert all(words.startswith("stack the") for words in many.call("task_description"))
    assert many.call("_max_episode_steps") == (MAX_STEPS, MAX_STEPS)
    many.close()


@pytest.mark.parametrize(("task", "seed"), [("lift", 3), ("open the drawer", 1)])
def test_the_oracle_solves_an_episode_by_the_referees_rule(task: str, seed: int) -> None:
    env = gymnasium.make(env_id(task), cameras=())
    rewards, told = solve(env, seed)
    assert told["is_success"] and told["success_once"] and told["hold_ticks"] >= 10 and told["progress"] == 1.0
    assert told["failure_reason"] == "" and rewards[-1] == 1.0 and sum(rewards) == 1.0 and len(rewards) < MAX_STEPS
    env.close()


def test_a_row_that_cannot_be_followed_holds_still_and_is_told() -> None:
    env = made("lift", cameras=())
    seen, _ = env.reset(seed=1)
    for bad in ([0.8, 0.6, 0.8, 3, 0, 0, 1], [np.nan] * 7):
        after, _, _, _, told = env.step(np.array(bad, np.float32))
        assert told["rejected"]
        np.testing.assert_allclose(after["agent_pos"], seen["agent_pos"], atol=5e-3)
    assert "rejected" in told and env.step(np.array([*seen["agent_pos"][7:13], 1], np.float32))[4]["rejected"] == ""


def test_only_the_budget_truncates() -> None:
    row = np.array([0.4, 0, 0.4, 0, 0, 0, 1], np.float32)
    for env in (gymnasium.make(env_id("lift"), cameras=(), max_episode_steps=3), Workbench("lift", cameras=(), max_steps=3)):
        env.reset(seed=1)
        assert [env.step(row)[3] for _ in range(3)] == [False, False, True]
        assert env.reset(seed=1)[1]["is_success"] is False and env.step(row)[3] is False


def test_episodes_are_drawn_by_the_seed() -> None:
    env = made("lift", cameras=())
    first = [env.reset(seed=9)[1]["seed"], *(env.reset()[1]["seed"] for _ in range(3))]
    assert first == [env.reset(seed=9)[1]["seed"], *(env.reset()[1]["seed"] for _ in range(3))] and len(set(first)) == 4
    assert first[0] == 9


def test_any_scene_and_any_of_its_tasks() -> None:
    env = Workbench(scene="towers", cameras=(), disturbances=[{"kind": "light", "when": {"tick": 1}}])
    sentence = "put the orange block in the green bowl"
    _, told = env.reset(seed=1, options={"task": sentence})
    assert told["task_description"] == sentence and told["task"] == "in a bowl" and env.asked.args["thing"] == "orange block"
    for _ in range(3):
        told = env.step(np.array([0.36, 0, 0.4, 0, 0, 0, 1], np.float32))[4]
    assert "light was switched on" in told["perturbation"]
    with pytest.raises(ConfigError, match="orange block"):
        env.reset(seed=1, options={"task": "put the orang block in the bowl"})
    with pytest.raises(ConfigError, match="no task of the kind 'lift'"):
        Workbench("lift", scene={"things": []}, cameras=()).reset(seed=1)
    spoken = Workbench("lift", scene="towers", language="words", cameras=())
    assert spoken.reset(seed=3)[1]["task_description"] == spoken.task_description != spoken.asked.words


@pytest.mark.parametrize(("kwargs", "said"), [
    ({"task": "lifd"}, "Did you mean 'lift'"), ({"cameras": ("frnt",)}, "Did you mean 'front'"),
    ({"language": "trian"}, "Did you mean 'train'"), ({"scene": "benc"}, "Did you mean 'bench'"), ({"render_mode": "human"}, "rgb_array"),
])  # fmt: skip
def test_what_is_not_there_is_said(kwargs: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Workbench(**kwargs)
