from pathlib import Path

import numpy as np
import torch

from agent.executor.models.rdt_positions import frequencies, grid_positions, line_positions, token_positions

with np.load(Path(__file__).parents[2] / "fixtures" / "rdt" / "posembed.npz") as arrays:
    STORED = {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def same(ours: torch.Tensor, name: str, bound: float = 2e-7) -> bool:
    return ours.shape == STORED[name].shape and bool((ours - STORED[name]).abs().max() <= bound)


def test_small_tables_are_the_published_ones():
    assert same(token_positions(64, 8)[0], "x_h64_H8")
    assert same(grid_positions(64, (2, 3, -9))[0], "img_h64_2x3xneg9")
    assert same(grid_positions(48, (1, 2, -4))[0], "img_h48_1x2xneg4")
    assert same(grid_positions(44, (2, 3, 4))[0], "img_h44_2x3x4_positive_patches")
    assert same(line_positions(64, -16)[0], "lang_h64_neg16")
    assert same(line_positions(64, 5)[0], "lang_h64_pos5")


def test_production_tables_are_the_published_ones():
    assert same(token_positions(2048, 64)[0], "prod_x_hidden2048")
    images = grid_positions(2048, (2, 3, -729))[0].reshape(2, 3, 729, 2048)
    assert torch.equal(images, images[:, :, :1].expand_as(images))
    assert same(images[:, :, 0], "prod_img_hidden2048_one_row_per_history_camera")
    assert same(line_positions(2048, -1024)[0, 17], "prod_lang_hidden2048_row")


def test_numbers_become_cosines_then_sines():
    assert same(frequencies(STORED["sin_t"]), "sin_embed256", bound=5e-5)  # 999 rad times half a unit in the last place
    assert torch.equal(frequencies(torch.zeros(1))[0], torch.cat([torch.ones(128), torch.zeros(128)]))


def test_one_camera_without_history_has_no_positions_rather_than_a_division_by_zero():
    assert torch.equal(grid_positions(32, (1, 1, -4)), torch.zeros(1, 4, 32))
