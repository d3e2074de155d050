from dataclasses import replace

import pytest
import torch

from agent.executor.models.rdt import RDT_TINY
from agent.executor.models.rdt_fast import FastRDT
from agent.executor.models.sampling import guide_from
from tests.executor.models.test_rdt import noise_for, only, random_model, random_senses


@pytest.fixture(scope="module")
def model():
    return random_model(replace(RDT_TINY, words=-64))


def with_words(count: int, masked: bool = False):
    senses = random_senses()
    words = torch.randn(3, count, RDT_TINY.words_width, generator=torch.Generator().manual_seed(count))
    mask = (torch.arange(count)[None] < torch.tensor([[1], [count], [max(count // 2, 1)]])) if masked else None
    return replace(senses, words=words, words_mask=mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("count", [1, 5, 16, 17, 64])
def test_recorded_equals_plain(model, count: int, masked: bool):
    fast, senses, noise = FastRDT(model), with_words(count, masked), noise_for()
    assert torch.allclose(fast.sample(senses, noise), model.sample(senses, noise), atol=2e-6, rtol=0)


def test_answers_do_not_depend_on_what_was_asked_before(model):
    fast, noise = FastRDT(model, steps=3), noise_for()
    first = fast.sample(with_words(20), noise)
    kept = first.clone()
    for count in (3, 30, 20):
        fast.sample(with_words(count, masked=True), noise_for(seed=count))
    assert torch.equal(first, kept)
    assert torch.equal(fast.sample(with_words(20), noise), kept)
    assert torch.allclose(kept, model.sample(with_words(20), noise, steps=3), atol=2e-6, rtol=0)


def test_few_programs_serve_all_lengths(model):
    fast = FastRDT(model)
    fast.warm_up(batch=3)
    before = set(fast.programs)
    for count in (1, 7, 16, 17, 32):
        fast.sample(with_words(count), noise_for())
    assert set(fast.programs) == before == {(3, 16), (3, 32)}
    fast.sample(only(random_senses(), 0), noise_for()[:1])
    assert set(fast.programs) == before | {(1, 16)}


def test_a_guided_chunk_is_the_plain_samplers(model):
    fast, senses, noise = FastRDT(model), with_words(9, masked=True), noise_for()
    guide = guide_from(torch.full((3, 6, 128), 0.4), RDT_TINY.horizon, delay=3, execute=2)
    assert torch.allclose(fast.sample(senses, noise, guide), model.sample(senses, noise, guide=guide), atol=5e-6, rtol=0)


def test_inputs_may_come_in_any_dtype(model):
    narrow = FastRDT(random_model(replace(RDT_TINY, words=-64)).bfloat16())
    chunk = narrow.sample(with_words(9), noise_for())
    assert chunk.dtype == torch.bfloat16
    plain = model.sample(with_words(9), noise_for())
    assert (chunk.float() - plain).abs().max() < 0.1 * plain.abs().max()
