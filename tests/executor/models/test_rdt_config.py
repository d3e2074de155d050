import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import WeightsError
from agent.executor.models.rdt_config import RDT_1B, RDT_170M, RDT_TINY, RDTConfig

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rdt"
HUB = json.loads((FIXTURES / "hub" / "config.json").read_text())


def test_flat_and_nested_files_say_the_same():
    assert RDTConfig.from_published(HUB) == RDTConfig.from_published(json.loads((FIXTURES / "rdt_a1.config.json").read_text())) == RDT_TINY


def test_our_file_is_the_hubs_key_for_key():
    assert RDT_TINY.to_published() == HUB


@pytest.mark.parametrize("config", [RDT_1B, RDT_170M, replace(RDT_TINY, words=7, grid=(1, 2, -4), words_adaptor="linear", steps=10)])
def test_every_config_comes_back_from_its_file(config: RDTConfig):
    assert RDTConfig.from_published(json.loads(json.dumps(config.to_published()))) == config


def test_without_position_grids_tokens_stand_in_a_line():
    config = RDTConfig.from_published({**HUB, "lang_pos_embed_config": None, "img_pos_embed_config": None})
    assert config.words == 16 and config.grid == (54,)


def test_the_file_of_something_else_is_refused():
    with pytest.raises(WeightsError, match=r"not RDT's: KeyError 'noise_scheduler'. It has model_type"):
        RDTConfig.from_published({"model_type": "t5"})


def test_another_diffusion_is_refused():
    noise = {**HUB["noise_scheduler"], "prediction_type": "epsilon"}
    with pytest.raises(WeightsError, match="prediction_type 'epsilon' instead of 'sample'"):
        RDTConfig.from_published({**HUB, "noise_scheduler": noise})


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(WeightsError, match="multiple of 4 and of its 7 heads; it is 64"):
        replace(RDT_TINY, heads=7)
