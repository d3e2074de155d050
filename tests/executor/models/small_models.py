"""Small policies at even smaller sizes, and batches for them."""

from dataclasses import replace

import numpy as np
import torch

from agent.executor.models.small import Senses, SmallConfig
from agent.executor.models.small_files import Small, make_model
from agent.executor.models.small_pi0 import Drawn
from agent.executor.models.small_space import Space
from agent.executor.models.small_words import Vocabulary

SENTENCES = ("pick up the red block", "put the red block in the blue bowl", "open the drawer, please")


def space(form: str = "pose", horizon: int = 32) -> Space:
    rng = np.random.default_rng(0)
    state = rng.normal(size=(50, 14)).astype(np.float32) * 0.2
    steps = np.cumsum(0.01 * rng.normal(size=(50, horizon, 6)), axis=1)
    chunk = np.concatenate([state[:, None, 7:13] + steps, rng.random((50, horizon, 1))], axis=2).astype(np.float32)
    chunk[..., 3:5] = 0
    return Space.fit(state, chunk, form, (20, 10) if form == "slots" else (20,))


def tiny_small(family: str = "pi0", pointing: bool = True, seed: int = 0) -> Small:
    numbers = space("slots" if family == "rdt" else "pose")
    config = SmallConfig(family=family, pointing=pointing, vocab=32, stem=(8, 8), width=32, depth=4, heads=2, mlp=48, steps=3)
    config = replace(config, action=numbers.width, state=numbers.width if family == "rdt" else 6)
    torch.manual_seed(seed)
    model = make_model(config)
    for weight in model.parameters():  # layers that start at zero would hide what goes through them
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.2)
    return Small(model.eval(), config, numbers, Vocabulary.of(SENTENCES, size=32))


def senses(small: Small, count: int = 2, seed: int = 0) -> Senses:
    rng = torch.Generator().manual_seed(seed)
    tokens, valid = small.vocabulary.encode([SENTENCES[i % len(SENTENCES)] for i in range(count)])
    images = torch.randint(0, 256, (count, 2, 3, 96, 96), generator=rng, dtype=torch.uint8)
    return Senses(images, tokens, valid, torch.randn(count, small.config.state, generator=rng))


def draws(small: Small, count: int, of_each: int = 2, given: int = 0) -> Drawn:
    rng, rows = torch.Generator().manual_seed(1), of_each * count
    noise = torch.randn(rows, small.config.horizon, small.config.action, generator=rng)
    right = torch.zeros_like(noise)
    if small.config.family == "rdt":
        return Drawn(noise, torch.randint(0, 1000, (rows,), generator=rng), torch.full((rows,), given), right)
    return Drawn(noise, 0.1 + 0.9 * torch.rand(rows, generator=rng), torch.full((rows,), given), right)
