from dataclasses import fields, replace

import pytest
import torch

from agent.executor.models.rdt import RDT, RDT_TINY, Senses
from agent.executor.models.rdt_recipe import Nothing, Recipe, blur_state, take_away, training_times

BATCH, WORDS, PATCHES, VIEWS = 400, 5, 9, 6
NOTHING = Nothing(words=torch.full((1, 48), -7.0), view=torch.full((PATCHES, 40), -8.0), state=torch.full((128,), -9.0))


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def full(batch: int = BATCH) -> Senses:
    return Senses(
        words=torch.ones(batch, WORDS, 48),
        words_mask=None,
        images=torch.ones(batch, VIEWS * PATCHES, 40),
        state=torch.ones(batch, 128),
        has=torch.ones(batch, 128),
        hz=torch.full((batch,), 20.0),
    )


def losses(senses: Senses) -> dict[str, torch.Tensor]:
    """bool[B, …]: what was taken away, and that it was taken away whole."""
    views = senses.images.reshape(-1, VIEWS, PATCHES * 40)
    gone = {
        "words": (senses.words[:, 0] == -7).all(1),
        "state": (senses.state == -9).all(1),
        "has": (senses.has == 0).all(1),
        "hz": senses.hz == 0,
        "views": (views == -8).all(2),
    }
    assert torch.equal((senses.state == -9).any(1), gone["state"]) and torch.equal((senses.has == 0).any(1), gone["has"])
    assert torch.equal((views == -8).any(2), gone["views"])
    return gone


def test_every_sense_is_lost_as_often_as_asked_and_independently(generator: torch.Generator):
    gone = losses(take_away(full(), NOTHING, generator, 0.3))
    for name, lost in gone.items():
        assert lost.float().mean().item() == pytest.approx(0.3, abs=0.08), name
    columns = torch.stack([gone[name].float() for name in ("words", "state", "has", "hz")] + list(gone["views"].float().T))
    assert (torch.corrcoef(columns) - torch.eye(len(columns))).abs().max() < 0.2


@pytest.mark.parametrize("masked", [False, True])
def test_lost_words_leave_the_empty_instruction(generator: torch.Generator, masked: bool):
    senses = replace(full(), words_mask=torch.arange(WORDS)[None].expand(BATCH, -1) < 3) if masked else full()
    taken = take_away(senses, NOTHING, generator, 0.5)
    lost = losses(taken)["words"]
    assert taken.words_mask is not None
    assert (taken.words_mask[lost].sum(1) == 1).all() and (taken.words_mask[~lost].sum(1) == (3 if masked else WORDS)).all()
    longer = take_away(senses, replace(NOTHING, words=torch.full((8, 48), -7.0)), generator, 0.5)
    assert longer.words.shape == (BATCH, 8, 48)


def test_probability_zero_and_one(generator: torch.Generator):
    kept, bare = take_away(full(), NOTHING, generator, 0.0), take_away(full(), NOTHING, generator, 1.0)
    for part in fields(Senses):
        if part.name != "words_mask":
            assert torch.equal(getattr(kept, part.name), getattr(full(), part.name))
    assert all(lost.all() for lost in losses(bare).values())


def test_the_state_is_blurred_by_a_hundredth_where_it_exists(generator: torch.Generator):
    spread = torch.zeros(128)
    spread[:10] = 2.0
    change = blur_state(full(), spread, generator).state - 1
    assert (change[:, 10:] == 0).all()
    assert change[:, :10].std().item() == pytest.approx(0.02, rel=0.05)


def test_times_are_uniform(generator: torch.Generator):
    times = training_times(20000, generator)
    assert times.min() == 0 and times.max() == 999
    assert times.float().mean().item() == pytest.approx(499.5, rel=0.02)


def test_the_recipe_teaches_a_chunk(generator: torch.Generator):
    """A tiny RDT learns to answer two instructions with two motions, losing senses now and then, and samples them back."""
    torch.manual_seed(0)
    config = replace(RDT_TINY, width=32, depth=2, heads=2, horizon=4, action=8, words_width=8, image_width=6, words=-4, grid=(1, 2, -2))
    model, recipe = RDT(config), Recipe()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay)
    which = torch.arange(16) % 2
    motions = torch.stack([torch.linspace(0, 1, 4), torch.linspace(0, -1, 4)])[:, :, None] * (torch.arange(8) < 2)
    senses = Senses(
        words=torch.nn.functional.one_hot(which, 8)[:, None].float(),
        words_mask=None,
        images=torch.ones(16, 4, 6),
        state=torch.zeros(16, 8),
        has=(torch.arange(8) < 2).float().expand(16, 8),
        hz=torch.full((16,), 20.0),
    )
    nothing = Nothing(words=torch.full((1, 8), 0.5), view=torch.zeros(2, 6), state=torch.zeros(8))
    for _ in range(120):
        told = take_away(senses, nothing, generator, 0.02)
        noise = torch.randn(16, 4, 8, generator=generator)
        loss = model.loss(motions[which], noise, training_times(16, generator), told).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
    chunk = model.sample(senses, torch.randn(16, 4, 8, generator=generator))
    assert (chunk - motions[which]).abs().mean() < 0.08
    assert (chunk[..., 2:] == 0).all()
