from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from agent.errors import ConfigError, PolicyError, WeightsError
from agent.executor.models.rdt import RDT, RDT_TINY
from agent.executor.models.rdt_policy import RDTPolicy, rdt_policy
from agent.executor.robots import AGILEX, PANDA
from agent.executor.safety import check_match
from agent.types import Observation, Policy, Subtask
from tests.executor.models.checkpoints import rdt_folder

CONFIG = replace(RDT_TINY, words_width=16, image_width=32, grid=(2, 3, -4), words=-64)
PUBLISHED = {
    "action_dim": 128, "pred_horizon": 8, "lang_token_dim": 16, "img_token_dim": 32, "state_token_dim": 128,
    "max_lang_cond_len": 64, "img_cond_len": 24, "lang_pos_embed_config": [["lang", -64]],
    "img_pos_embed_config": [["image", [2, 3, -4]]], "lang_adaptor": "mlp2x_gelu", "img_adaptor": "mlp2x_gelu",
    "state_adaptor": "mlp3x_gelu", "rdt": {"hidden_size": 64, "depth": 4, "num_heads": 4, "cond_pos_embed_type": "multimodal"},
    "noise_scheduler": {"type": "ddpm", "num_train_timesteps": 1000, "num_inference_timesteps": 5},
}  # fmt: skip
PUSH = Subtask(skill="push", words="push the red button")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as people have it: RDT's own layout, SigLIP and T5 beside it."""
    folder = tmp_path_factory.mktemp("models")
    rdt_folder(folder, CONFIG, PUBLISHED, [PUSH.words])
    setup(folder)
    return folder


def setup(folder: Path, **changes: object) -> Path:
    settings = {"robot": "panda", "images": "../siglip", "words": "../t5", "dtype": "float32", "device": "cpu"} | changes
    (folder / "rdt" / "policy.yaml").write_text(yaml.safe_dump(settings))
    return folder / "rdt"


def seen(tick: int = 5, seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in PANDA.spec.cameras.items()}
    return Observation(tick, tick / 20, rng.normal(size=14).astype(np.float32) * 0.1, images)


def test_a_checkpoint_folder_becomes_a_policy_for_its_robot(home: Path):
    policy = rdt_policy(setup(home))
    assert isinstance(policy, Policy)
    check_match(PANDA.spec, policy.spec)
    chunk = policy.predict(seen(), PUSH)
    assert chunk.start == 5 and chunk.actions.shape == (8, 7) and np.isfinite(chunk.actions).all()
    assert set(chunk.timing) == {"image_ms", "denoise_ms"}


def test_the_same_observation_gets_the_same_chunk(home: Path):
    one, other = rdt_policy(setup(home)), rdt_policy(setup(home))
    first = one.predict(seen(), PUSH)
    assert np.array_equal(one.predict(seen(), PUSH).actions, first.actions)
    assert np.array_equal(other.predict(seen(), PUSH).actions, first.actions)
    assert not np.allclose(rdt_policy(setup(home, seed=1)).predict(seen(), PUSH).actions, first.actions)


def test_every_sense_matters(home: Path):
    policy = rdt_policy(setup(home))
    chunk = policy.predict(seen(), PUSH).actions
    other_words = policy.predict(seen(), Subtask(skill="push", words="open the drawer")).actions
    moved = seen()
    moved = Observation(moved.tick, moved.time, moved.state + np.float32(0.1), moved.images)
    looked = Observation(5, 0.25, seen().state, seen(seed=3).images)
    assert not np.allclose(other_words, chunk)
    assert not np.allclose(policy.predict(moved, PUSH).actions, chunk)
    assert not np.allclose(rdt_policy(home / "rdt").predict(looked, PUSH).actions, chunk)


def test_history_is_what_was_watched_one_tick_before(home: Path):
    alone, watching = rdt_policy(setup(home, history=1)), rdt_policy(setup(home, history=1))
    forgetful = rdt_policy(setup(home))
    for policy in (watching, forgetful):
        policy.watch(seen(4, seed=9))
    without = alone.predict(seen(5), PUSH).actions
    assert not np.allclose(watching.predict(seen(5), PUSH).actions, without)
    assert np.array_equal(forgetful.predict(seen(5), PUSH).actions, without)


def test_stored_sentences_give_the_same_chunk_as_t5(home: Path):
    live = rdt_policy(setup(home)).predict(seen(), PUSH).actions
    stored = rdt_policy(setup(home, words="../words.safetensors"))
    assert np.allclose(stored.predict(seen(), PUSH).actions, live, atol=1e-5)
    with pytest.raises(PolicyError, match="not among the 1 stored"):
        stored.predict(seen(), Subtask(skill="fly", words="fly away"))


def test_bf16_answers_alike(home: Path):
    wide = rdt_policy(setup(home)).predict(seen(), PUSH).actions
    narrow = rdt_policy(setup(home, dtype="bfloat16")).predict(seen(), PUSH).actions
    assert np.abs(wide - narrow).max() < 0.1 * np.abs(wide).max() + 0.02


def test_what_is_missing_is_said(home: Path):
    policy = rdt_policy(setup(home))
    blind = Observation(5, 0.25, seen().state, {"front": seen().images["front"]})
    with pytest.raises(PolicyError, match="lacks wrist"):
        policy.predict(blind, PUSH)
    with pytest.raises(ConfigError, match=r"(?s)robt.*Its keys: robot, images, words"):
        rdt_policy(setup(home, robt="panda"))
    with pytest.raises(WeightsError, match="is not a model folder"):
        rdt_policy(setup(home, images="../nowhere"))
    (home / "rdt" / "policy.yaml").unlink()
    with pytest.raises(ConfigError, match=r"policy\.yaml is missing"):
        rdt_policy(home / "rdt")
    setup(home)


def test_encoders_of_other_sizes_are_refused(home: Path):
    policy = rdt_policy(setup(home))
    wrong = RDT(replace(CONFIG, grid=(2, 3, -9)))
    with pytest.raises(PolicyError, match=r"They give 3 cameras × 4 tokens of 32, words of 16; it reads 3 cameras × 9 tokens"):
        RDTPolicy(wrong, AGILEX, policy.views.encoder, policy.reader, policy.setup)
