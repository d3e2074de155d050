from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from agent.__main__ import app
from agent.config import PolicyConfig
from agent.errors import ConfigError, Mismatch, PolicyError, WeightsError
from agent.executor.models.small_files import load_small, mean_small, save_small
from agent.executor.models.small_policy import SmallPolicy, shrink
from agent.executor.policies import described, make_policy
from agent.executor.robots import PANDA
from agent.executor.safety import check_match
from agent.testing import check_policy
from agent.types import Observation, Subtask
from tests.executor.models.small_models import tiny_small

PICK = Subtask(skill="pick", args={"thing": "red block"}, words="pick up the red block")
FAMILIES = ["pi0", "pi0-small", "rdt"]


def look(tick: int = 5, seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in PANDA.spec.cameras.items()}
    state = rng.normal(size=14).astype(np.float32) * 0.2
    return Observation(tick, tick / 20, state, images)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_becomes_a_policy_by_the_name_of_its_family(family: str, tmp_path: Path) -> None:
    small = tiny_small(family)
    save_small(small, tmp_path, None)
    policy = make_policy(PolicyConfig(name=family, checkpoint=tmp_path))
    check_policy(policy, look(), PICK)
    check_match(PANDA.spec, policy.spec)
    assert policy.spec.name == family and policy.spec.horizon == 32 and not policy.spec.sees_scene
    direct = SmallPolicy(small).predict(look(), PICK).actions
    np.testing.assert_allclose(policy.predict(look(), PICK).actions, direct, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_question_gets_the_same_answer_and_another_tick_other_noise(family: str) -> None:
    policy = SmallPolicy(tiny_small(family))
    answer = policy.predict(look(), PICK).actions
    np.testing.assert_array_equal(policy.predict(look(), PICK).actions, answer)
    assert not np.allclose(policy.predict(look(tick=6), PICK).actions, answer)


@pytest.mark.parametrize("family", FAMILIES)
def test_less_noise_makes_answers_alike(family: str) -> None:
    small = tiny_small(family)

    def spread(noise: float) -> float:
        policy = SmallPolicy(small, noise=noise)
        one, other = (policy.predict(replace(look(), tick=tick), PICK).actions for tick in (5, 6))
        return float(np.abs(one - other).max())

    assert spread(0.0) == 0 < spread(0.3) < spread(1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_skill_arguments_and_scene_are_not_read(family: str) -> None:
    policy = SmallPolicy(tiny_small(family))
    alone = Subtask(skill="", words=PICK.words)
    np.testing.assert_array_equal(policy.predict(look(), PICK).actions, policy.predict(look(), alone).actions)


@pytest.mark.parametrize("family", FAMILIES)
def test_promised_rows_are_continued(family: str) -> None:
    policy, seen = SmallPolicy(tiny_small(family)), look()
    free = policy.predict(seen, PICK).actions
    promised = np.tile(np.append(seen.state[7:13], 1.0).astype(np.float32), (4, 1))
    promised[:, 3:5] = 0
    promised[:, 0] += 0.01 * np.arange(1, 5)
    kept = policy.predict(replace(seen, promised=promised), PICK).actions
    np.testing.assert_allclose(kept[:4], promised, atol=1e-4)
    assert not np.allclose(kept[4:], free[4:])
    deaf = SmallPolicy(tiny_small(family), prefix=0)
    np.testing.assert_array_equal(deaf.predict(replace(seen, promised=promised), PICK).actions, free)


def test_a_promise_of_the_whole_chunk_leaves_something_to_answer() -> None:
    policy, seen = SmallPolicy(tiny_small()), look()
    rows = np.tile(np.append(seen.state[7:13], 1.0).astype(np.float32), (40, 1))
    assert policy.predict(replace(seen, promised=rows), PICK).actions.shape == (32, 7)


def test_a_missing_camera_is_said() -> None:
    seen = look()
    blind = replace(seen, images={"front": seen.images["front"]})
    with pytest.raises(PolicyError, match="lacks wrist"):
        SmallPolicy(tiny_small()).predict(blind, PICK)


def test_rdt_drives_with_one_camera_and_at_half_the_rate() -> None:
    small, seen = tiny_small("rdt"), look()
    one = SmallPolicy(small, cameras=("front",))
    assert set(one.spec.cameras) == {"front"}
    alone = one.predict(replace(seen, images={"front": seen.images["front"]}), PICK).actions
    assert not np.allclose(alone, SmallPolicy(small).predict(seen, PICK).actions)
    slow = SmallPolicy(small, rate_hz=10)
    assert slow.spec.rate_hz == 10 and slow.spec.horizon == 16 and slow.predict(seen, PICK).actions.shape == (16, 7)


def test_options_reach_a_small_policy_and_one_that_there_is_not_is_said(tmp_path: Path) -> None:
    save_small(tiny_small("rdt"), tmp_path, None)
    slow = make_policy(PolicyConfig(name="rdt", checkpoint=tmp_path, options={"rate_hz": 10, "cameras": ["front"]}))
    assert slow.spec.rate_hz == 10 and set(slow.spec.cameras) == {"front"}
    with pytest.raises(ConfigError, match=r"policy.options.*'rate'"):
        make_policy(PolicyConfig(name="rdt", checkpoint=tmp_path, options={"rate": 10}))
    (tmp_path / "large").mkdir()
    with pytest.raises(ConfigError, match=r"policy.options: full-size weights take none"):
        make_policy(PolicyConfig(name="rdt", checkpoint=tmp_path / "large", options={"rate_hz": 10}))


def test_what_was_not_trained_is_refused() -> None:
    with pytest.raises(Mismatch, match="20 Hz"):
        SmallPolicy(tiny_small("pi0"), rate_hz=10)
    with pytest.raises(Mismatch, match="only an RDT"):
        SmallPolicy(tiny_small("pi0"), cameras=("front",))


def test_a_shrunk_picture_is_made_of_the_pixels_in_the_middle_of_its_squares() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 192, 3), dtype=np.uint8)
    small = shrink(image, 96)
    assert small.shape == (96, 96, 3) and small.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(small, image[[int((i + 0.5) * 224 / 96) for i in range(96)]][:, 1::2])
    assert shrink(small, 96) is small


def test_the_mean_of_two_policies_is_that_of_each_weight(tmp_path: Path) -> None:
    parts = [tiny_small(seed=seed) for seed in (0, 1)]
    for number, small in enumerate(parts):
        save_small(small, tmp_path / f"{number}")
    made = CliRunner().invoke(app, ["weights", "mean", str(tmp_path / "0"), str(tmp_path / "1"), "--out", str(tmp_path / "mean")])
    assert made.exit_code == 0, made.output
    whole = load_small(tmp_path / "mean")
    one, other, both = (small.model.state_dict() for small in (*parts, whole))
    for name, value in both.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2)
    assert whole.trained["mean_of"] == [described(tmp_path / "0")["sha256"], described(tmp_path / "1")["sha256"]]
    save_small(tiny_small("rdt"), tmp_path / "rdt")
    with pytest.raises(WeightsError, match="differ in sizes, numbers or words"):
        mean_small([tmp_path / "0", tmp_path / "rdt"])
    with pytest.raises(ConfigError, match="two or more"):
        CliRunner().invoke(app, ["weights", "mean", str(tmp_path / "0"), "--out", str(tmp_path / "mean")], catch_exceptions=False)
