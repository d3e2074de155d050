import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import PolicyError, WeightsError
from agent.executor.models import pi0
from agent.executor.models.preprocess import (
    Pi0Transforms,
    Stats,
    as_uint8,
    clean_prompt,
    load_stats,
    mask_of,
    normalise,
    pad_to,
    prompt_tokens,
    resize_with_pad,
    state_bins,
    to_absolute,
    to_delta,
    unnormalise,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pi0"
NUMBERS = np.load(FIXTURES / "unit_fixtures.npz")
FACTS = json.loads((FIXTURES / "unit_fixtures.json").read_text())


class Words:
    """The recorded stub tokenizer: bos 2, newline 108, one id per word from 10 up."""

    def __init__(self) -> None:
        self.calls: list[list[object]] = []

    def encode(self, text: str, add_bos: bool = False) -> list[int]:
        self.calls.append([text, add_bos])
        ids = [108] if text == "\n" else list(range(10, 10 + len(text.split())))
        return [2, *ids] if add_bos else ids


@pytest.mark.parametrize("k", range(5))
def test_images_are_resized_as_the_published_server_does(k: int) -> None:
    assert np.array_equal(resize_with_pad(NUMBERS[f"resize/{k}_in"], 56, 56), NUMBERS[f"resize/{k}_pil_56"])


def test_an_image_of_the_right_size_passes_untouched() -> None:
    image = NUMBERS["resize/0_pil_56"]
    assert resize_with_pad(image, 56, 56) is image


def test_float_and_channel_first_images_become_bytes() -> None:
    image = np.random.default_rng(0).random((3, 8, 9))
    assert np.array_equal(as_uint8(image), (255 * image.transpose(1, 2, 0)).astype(np.uint8))
    with pytest.raises(PolicyError, match=r"\[8, 9\]"):
        as_uint8(np.zeros((8, 9)))


@pytest.mark.parametrize("case", FACTS["prompts"])
def test_prompts_are_those_recorded(case: dict) -> None:
    words = Words()
    state = None if case["state"] is None else np.array(case["state"])
    tokens, real = prompt_tokens(case["prompt"], words, case["max_len"], state)
    assert words.calls == case["encode_calls"]
    assert real.sum() == case["n_valid"] and tokens.dtype == np.int64 and len(tokens) == case["max_len"]
    assert tokens[:12].tolist() == (case["ids_head"] + [0] * 12)[: min(12, case["max_len"])]


def test_state_bins_at_their_edges() -> None:
    for value, expected in FACTS["state_bins_edges"].items():
        assert state_bins(np.array([float(value)]))[0] == expected


def test_prompts_keep_case_and_lose_breaks() -> None:
    assert clean_prompt("  Pick_up\nthe FORK ") == "Pick up the FORK"


@pytest.mark.parametrize("scaling", ["zscore", "quantile"])
def test_normalisation_is_that_recorded(scaling: str) -> None:
    stats = load_stats(FIXTURES / "norm_stats_example.json")
    state = normalise(NUMBERS["norm/in_state"], stats["state"], scaling)
    actions = normalise(NUMBERS["norm/in_actions"], stats["actions"], scaling)
    np.testing.assert_allclose(state, NUMBERS[f"norm/{scaling}_state"], rtol=1e-12)
    np.testing.assert_allclose(actions, NUMBERS[f"norm/{scaling}_actions"], rtol=1e-12)
    np.testing.assert_allclose(pad_to(state, 32), NUMBERS[f"norm/{scaling}_state_padded32"], rtol=1e-12)
    for key, x in (("state", state), ("actions", actions)):
        back = unnormalise(pad_to(x, 32).astype(np.float32), stats[key], scaling)  # the network's side is float32
        np.testing.assert_allclose(back, NUMBERS[f"norm/{scaling}_unnorm_{key}"], rtol=1e-12)
        assert back.dtype == np.float64


@given(st.integers(0, 2**31), st.sampled_from(["zscore", "quantile"]))
def test_unnormalise_inverts_normalise(seed: int, scaling: str) -> None:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=6)
    stats = Stats(rng.normal(size=6), rng.random(6), low, low + rng.random(6))
    x = rng.normal(size=(4, 6))
    np.testing.assert_allclose(unnormalise(normalise(x, stats, scaling), stats, scaling), x, atol=1e-9)


def test_quantiles_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(WeightsError, match="q01"):
        normalise(np.zeros(2), Stats(np.zeros(2), np.ones(2)), "quantile")


def test_delta_actions_are_those_recorded() -> None:
    mask = mask_of(6, -1, 6, -1)
    assert list(mask) == FACTS["bool_mask_6_-1_6_-1"]
    state, absolute = NUMBERS["delta/state"], NUMBERS["delta/actions_abs"]
    delta = to_delta(absolute, state, mask)
    np.testing.assert_array_equal(delta, NUMBERS["delta/actions_delta"])
    np.testing.assert_array_equal(to_absolute(delta, state, mask), NUMBERS["delta/roundtrip"])


def transforms(adaptive: bool = False) -> Pi0Transforms:
    stats = load_stats(FIXTURES / "norm_stats_example.json")
    return Pi0Transforms(
        config=pi0.tiny(adaptive=adaptive), tokenizer=Words(), stats=stats, scaling="quantile" if adaptive else "zscore",
        action_width=7, delta=mask_of(6, -1),
    )  # fmt: skip


def test_a_missing_camera_is_black_and_masked() -> None:
    inputs = transforms().inputs({"base_0_rgb": np.full((80, 60, 3), 255, np.uint8)}, np.zeros(8), "pick up the cup")
    assert inputs.image_valid.tolist() == [[True, False, False]]
    assert (inputs.images[0, 1:] == 0).all() and inputs.images[0, 0].max() == 255
    assert inputs.images.shape == (1, 3, 3, 56, 56) and inputs.images.dtype == torch.uint8 and inputs.state.dtype == torch.float32
    padded = transforms().inputs({}, np.zeros(32), "pick up the cup")
    assert torch.equal(padded.state, inputs.state)


def test_the_prompt_carries_the_state_in_pi05_only() -> None:
    for adaptive in (False, True):
        both = transforms(adaptive)
        both.inputs({}, np.zeros(8), "go")
        assert ("State: " in both.tokenizer.calls[0][0]) is adaptive


def test_robot_actions_survive_the_way_in_and_out() -> None:
    both, rng = transforms(), np.random.default_rng(1)
    state, actions = rng.normal(size=8), rng.normal(size=(50, 7))
    target = both.target(actions, state)
    assert target.shape == (50, 32)
    np.testing.assert_allclose(both.actions(target, state), actions, atol=1e-9)


def test_wrong_cameras_and_empty_words_are_refused() -> None:
    with pytest.raises(PolicyError, match="base_0_rgb"):
        transforms().inputs({"base_rgb": np.zeros((4, 4, 3), np.uint8)}, np.zeros(8), "go")
    with pytest.raises(PolicyError, match="words"):
        transforms().inputs({}, np.zeros(8), "  ")
