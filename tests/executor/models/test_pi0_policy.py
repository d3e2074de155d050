from pathlib import Path

import numpy as np
import pytest
import torch

from agent.errors import ConfigError, PolicyError
from agent.executor.models import pi0
from agent.executor.models.pi0_policy import Pi0Policy, Pi0Setup, delta_slots, pi0_policy
from agent.executor.robots import ALOHA, DROID, PANDA
from agent.executor.safety import check_match
from agent.testing import check_policy
from agent.types import Observation, Subtask
from tests.executor.models.checkpoints import PI0_SETTINGS, pi0_folder, stats_of, write_policy
from tests.executor.models.test_pi0 import random_model

PUSH = Subtask(skill="push", words="push the red button")


class Spelled:
    """A tokenizer that tells words apart."""

    def encode(self, text: str, add_bos: bool = False) -> list[int]:
        ids = [3 + sum(map(ord, word)) % 200 for word in text.split()]
        return [2, *ids] if add_bos else ids


def look(robot: object = PANDA, tick: int = 5, seed: int = 0) -> Observation:
    rng, spec = np.random.default_rng(seed), robot.spec
    images = {name: rng.integers(0, 255, (*size, 3), np.uint8) for name, size in spec.cameras.items()}
    return Observation(tick, tick / spec.rate_hz, rng.uniform(0.1, 0.5, len(spec.state)).astype(np.float32), images)


def policy(adaptive: bool = False, robot: object = PANDA, **changes: object) -> Pi0Policy:
    setup = Pi0Setup(robot=robot.name, tokenizer=Path(), dtype="float32", device="cpu", warm_up=False, **changes)
    return Pi0Policy(random_model(pi0.tiny(adaptive, horizon=10)), robot, Spelled(), stats_of(), setup)


both = pytest.mark.parametrize("adaptive", [False, True], ids=["pi0", "pi05"])


@both
@pytest.mark.parametrize("robot", [PANDA, ALOHA, DROID], ids=lambda robot: robot.name)
def test_it_is_a_policy_for_the_robots_we_have_tables_for(adaptive: bool, robot: object) -> None:
    one = policy(adaptive, robot)
    check_policy(one, look(robot), PUSH)
    check_match(robot.spec, one.spec)


def test_a_chunk_is_the_model_between_its_transforms() -> None:
    one, seen = policy(robot=ALOHA), look(ALOHA)
    slots = ALOHA.state.to_pi0(seen.state)
    views = {"base_0_rgb": "cam_high", "left_wrist_0_rgb": "cam_left_wrist", "right_wrist_0_rgb": "cam_right_wrist"}
    inputs = one.transforms.inputs({view: seen.images[camera] for view, camera in views.items()}, slots, PUSH.words)
    noise = torch.from_numpy(np.random.default_rng((0, seen.tick)).standard_normal((1, 10, 32))).float()
    raw = one.fast.model.sample(inputs, noise)[0].numpy()
    actions = raw[:, :14] * (one.transforms.stats["actions"].std + 1e-6) + one.transforms.stats["actions"].mean
    joints = [*range(6), *range(7, 13)]
    actions[:, joints] += slots[joints]  # the grippers stay absolute
    np.testing.assert_allclose(one.predict(seen, PUSH).actions, ALOHA.action.from_pi0(np.pad(actions, ((0, 0), (0, 18)))), atol=1e-4)


def test_only_joints_are_differences() -> None:
    assert delta_slots(ALOHA.action, 32) == (True,) * 6 + (False,) + (True,) * 6 + (False,) * 19
    assert delta_slots(PANDA.action, 32) is None


@both
def test_the_answer_depends_on_sight_words_state_and_tick_alone(adaptive: bool) -> None:
    one, seen = policy(adaptive), look()
    same = one.predict(seen, PUSH).actions
    assert np.array_equal(same, one.predict(look(), PUSH).actions)
    other = [
        one.predict(look(tick=6), PUSH),
        one.predict(seen, Subtask(skill="push", words="push it")),
        one.predict(Observation(5, 0.25, seen.state, {name: 255 - image for name, image in seen.images.items()}), PUSH),
        one.predict(Observation(5, 0.25, seen.state + 0.2, seen.images), PUSH),
    ]
    assert all(np.abs(chunk.actions - same).max() > 1e-3 for chunk in other)


def test_a_missing_camera_is_named() -> None:
    seen = look()
    with pytest.raises(PolicyError, match="lacks wrist"):
        policy().predict(Observation(5, 0.25, seen.state, {"front": seen.images["front"]}), PUSH)


def test_a_folder_becomes_a_policy(tmp_path: Path) -> None:
    home = pi0_folder(tmp_path)
    with pytest.raises(ConfigError, match="robot: aloha"):
        pi0_policy(home)
    one = pi0_policy(write_policy(home, **PI0_SETTINGS))
    assert one.transforms.tokenizer.encode("push the button", add_bos=True) == [2, 4, 5, 7]
    check_policy(one, look(), PUSH)
    warm = len(one.fast.programs)
    one.predict(look(tick=9), PUSH)
    assert len(one.fast.programs) == warm
    with pytest.raises(ConfigError, match="Its keys: robot"):
        pi0_policy(write_policy(home, **PI0_SETTINGS, robott="panda"))
