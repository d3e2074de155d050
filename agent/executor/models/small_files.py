"""A small policy's folder: model.safetensors, and config.json with all that it takes to use them.

    config.json    family, sizes, words it knows, means and deviations of its numbers, how it was trained, and the sha256 of the weights

The hash is checked at load: weights and description belong together, and a file that was cut off or exchanged is told from its card.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agent.errors import WeightsError
from agent.executor.models.small import SmallConfig, config_from_json
from agent.executor.models.small_encdec import SmallEncDec
from agent.executor.models.small_pi0 import SmallPi0
from agent.executor.models.small_rdt import SmallRDT
from agent.executor.models.small_space import Space
from agent.executor.models.small_words import Vocabulary
from agent.executor.models.weights import check_keys
from agent.executor.policies import SMALL, described

WEIGHTS, CARD = "model.safetensors", "config.json"
SmallModel = SmallPi0 | SmallEncDec | SmallRDT
MODELS: Mapping[str, Any] = {"pi0": SmallPi0, "pi0-small": SmallEncDec, "rdt": SmallRDT}


@dataclass(frozen=True, eq=False)
class Small:
    """A small policy, whole: what is in its folder."""

    model: SmallModel
    config: SmallConfig
    space: Space
    vocabulary: Vocabulary
    trained: Mapping[str, Any] = field(default_factory=dict)
    """How the weights came about: data, samples, seeds, command. For people."""


def make_model(config: SmallConfig) -> SmallModel:
    model: SmallModel = MODELS[config.family](config)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return model


def is_small(folder: str | Path) -> bool:
    """True if the folder holds a small policy."""
    return bool(described(Path(folder)))


def save_small(small: Small, folder: str | Path, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Write the folder, each file whole or not at all; `tensors`: weights to write instead of the model's own, such as their average."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = {name: value.detach().cpu().contiguous() for name, value in (tensors or small.model.state_dict()).items()}
    part = folder / f"{WEIGHTS}.part"
    save_file(values, str(part))
    card = {
        "format": SMALL,
        "config": dataclasses.asdict(small.config),
        "words": list(small.vocabulary.words),
        "space": small.space.to_json(),
        "trained": dict(small.trained),
        "parameters": sum(value.numel() for value in values.values()),
        "sha256": digest(part),
    }
    os.replace(part, folder / WEIGHTS)
    part = folder / f"{CARD}.part"
    part.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, folder / CARD)


def load_small(folder: str | Path) -> Small:
    """In evaluation mode, gradients off. Raises WeightsError, which says what does not fit."""
    folder = Path(folder)
    if not is_small(folder):
        raise WeightsError(f"{folder} holds no small policy: there is no {CARD} of the format {SMALL}. Make one with `saydo train`.")
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(f"{folder / WEIGHTS} is missing, which {CARD} describes.")
    found = digest(folder / WEIGHTS)
    if found != card["sha256"]:
        raise WeightsError(f"{folder / WEIGHTS} is not the file that {CARD} describes: its sha256 begins with {found[:12]}, "
                           f"the card's with {card['sha256'][:12]}. Fetch both again, together.")  # fmt: skip
    config = config_from_json(card["config"])
    model, tensors = make_model(config), load_file(str(folder / WEIGHTS))
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    check_keys(wanted, {name: tuple(value.shape) for name, value in tensors.items()}, folder / WEIGHTS)
    model.load_state_dict(tensors)
    model.eval().requires_grad_(False)
    return Small(model, config, Space.from_json(card["space"]), Vocabulary(tuple(card["words"]), config.max_text), card["trained"])


def mean_small(folders: Sequence[str | Path]) -> Small:
    """The mean of small policies, weight by weight; words and training are told as the first has them. WeightsError if they differ in more
    than weights: others' words may only be the first of its own.

    Fine-tuned weights and those that they began with lie in one valley, whose middle does better than either on what both know, and on
    what neither was shown (Wortsman et al. 2109.01903, 2203.05482).
    """
    first, *others = [load_small(folder) for folder in folders]
    for folder, other in zip(folders[1:], others, strict=True):
        words = other.vocabulary.words
        if (other.config, other.space.to_json()) != (first.config, first.space.to_json()) or words != first.vocabulary.words[: len(words)]:
            raise WeightsError(f"{folder} and {folders[0]} differ in sizes, numbers or words: there is no mean of them.")
    states = [small.model.state_dict() for small in (first, *others)]
    first.model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return dataclasses.replace(first, trained={**first.trained, "mean_of": [described(Path(folder))["sha256"] for folder in folders]})


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Small", "SmallModel", "digest", "is_small", "load_small", "make_model", "mean_small", "save_small"]
