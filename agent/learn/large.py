"""Full-size checkpoints on our demonstrations: π0, π0.5 and RDT, all weights or low-rank updates, by the loop that trains the small ones.

The folder is one that `saydo run --policy pi0 --checkpoint` takes: weights, statistics, policy.yaml. What comes out is another such folder.
π0's numbers get new statistics, fitted to the data, since a robot of its own means ranges of its own; RDT's are in SI units and need none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

from agent.errors import ConfigError
from agent.executor.embodiment import Embodiment
from agent.executor.models import pi0_policy, rdt_policy
from agent.executor.models.encoders import T5, ImageEncoder, Siglip, StoredWords, WordsEncoder, as_trained, pixels
from agent.executor.models.pi0 import Inputs, Pi0, training_time
from agent.executor.models.preprocess import PaliGemmaTokenizer, Pi0Transforms, Stats, Tokenizer, to_delta
from agent.executor.models.rdt import RDT, Senses
from agent.executor.models.rdt_recipe import Nothing, Recipe, blur_state, take_away, training_times
from agent.executor.models.recipe import RunningStats
from agent.executor.models.weights import load_pi0, load_rdt, save
from agent.executor.robots import embodiment
from agent.learn.learner import Batch, Demonstrations
from agent.learn.lora import add_lora, merged
from agent.types import Array

VIEWS = ("front", "wrist")
"""Cameras of the demonstrations, in the order of a batch's V axis."""


class LargeLearner:
    """What both have in common."""

    model: nn.Module

    def __init__(self, robot: Embodiment, setup: Any, folder: Path, lora: int | None, device: str) -> None:
        self.robot, self.setup, self.folder, self.lora, self.device = robot, setup, folder, lora, device

    def prepare(self, model: nn.Module, inside: str) -> nn.Module:
        """Ready to be trained: all of it, or updates to the linear layers whose names begin with `inside`."""
        model = model.float().to(self.device).train()
        if self.lora is None:
            return model.requires_grad_(True)
        add_lora(model, self.lora, lambda name: name.startswith(inside))
        return model

    def meet(self, data: Demonstrations) -> None:
        """Nothing depends on the data as a whole but the statistics, which stay."""

    def pictures(self, batch: Batch, row: int, wanted: Mapping[str, str | None]) -> dict[str, Array]:
        """The model's views → pictures uint8[h, w, 3] of one sample; only those that the robot has."""
        return {view: batch["images"][row][VIEWS.index(camera)] for view, camera in wanted.items() if camera in VIEWS}

    def note(self, folder: Path, **changes: str) -> None:
        """policy.yaml of the new folder: paths in it still lead where they did."""
        said = yaml.safe_load((self.folder / "policy.yaml").read_text(encoding="utf-8"))
        for key in ("tokenizer", "images", "words"):
            if key in said:
                said[key] = str((self.folder / said[key]).resolve())
        (folder / "policy.yaml").write_text(yaml.safe_dump({**said, **changes}), encoding="utf-8")

    def plain(self, tensors: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        """The weights under their own names, updates added."""
        return merged(self.model, tensors or self.model.state_dict())


class Pi0Learner(LargeLearner):
    """π0 or π0.5, full-size."""

    def __init__(self, model: Pi0, robot: Embodiment, tokenizer: Tokenizer, setup: pi0_policy.Pi0Setup, folder: Path, data: Demonstrations,
                 lora: int | None = None, device: str = "cpu") -> None:  # fmt: skip
        super().__init__(robot, setup, folder, lora, device)
        self.pi0 = model
        width = model.config.action_dim
        delta = pi0_policy.delta_slots(robot.action, width) if setup.delta else None
        stats = fitted(data, robot, delta)
        scaling = setup.scaling or ("quantile" if model.config.adaptive else "zscore")
        self.transforms = Pi0Transforms(model.config, tokenizer, stats, scaling, width, delta, setup.write_state)
        self.model = self.prepare(model, "trunk.")

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        inputs, actions = self.given(batch)
        noise = torch.randn(actions.shape, generator=generator).to(self.device)
        t = training_time(torch.rand(len(actions), generator=generator)).to(self.device)
        motion = self.pi0.loss(inputs, actions, noise, t).mean()
        return motion, {"motion": motion.detach()}

    def given(self, batch: Batch) -> tuple[Inputs, Tensor]:
        """Inputs and normalised actions [B, H, A]: chunks are cut to the model's horizon, or their last row goes on."""
        slots, rows = self.robot.state.to_pi0(batch["state"]), self.robot.action.to_pi0(held(batch["chunk"], self.pi0.config.horizon))
        each = [self.transforms.inputs(self.pictures(batch, i, self.robot.pi0_cameras), slots[i], words)
                for i, words in enumerate(batch["words"])]  # fmt: skip
        inputs = Inputs(*(torch.cat(list(parts)).to(self.device) for parts in zip(*each, strict=True)))
        wide = [self.transforms.target(chunk, state) for chunk, state in zip(rows, slots, strict=True)]
        return inputs, torch.from_numpy(np.stack(wide)).float().to(self.device)

    @torch.no_grad()
    def check(self, batch: Batch) -> dict[str, float]:
        """The mean distance of the last usual row from the demonstration's, in the robot's own numbers of position."""
        self.model.eval()
        inputs, actions = self.given(batch)
        noise = torch.randn(actions.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        made = self.pi0.sample(inputs, noise, self.setup.steps).cpu().numpy()
        self.model.train()
        slots = self.robot.state.to_pi0(batch["state"])
        plain = np.stack([self.transforms.actions(chunk, state) for chunk, state in zip(made, slots, strict=True)])
        return {"error_cm": error_cm(self.robot.action.from_pi0(plain), held(batch["chunk"], plain.shape[1]))}

    def export(self, folder: Path, tensors: Mapping[str, Tensor] | None, trained: Mapping[str, Any]) -> None:
        plain = self.plain(tensors)
        with torch.device("meta"):
            shell = Pi0(self.pi0.config)
        shell.load_state_dict(plain, assign=True)
        save(shell, folder)
        numbers = {key: {name: np.asarray(getattr(value, name)).tolist() for name in ("mean", "std", "q01", "q99")}
                   for key, value in self.transforms.stats.items()}  # fmt: skip
        (folder / "norm_stats.json").write_text(json.dumps({"norm_stats": numbers}), encoding="utf-8")
        self.note(folder, stats="norm_stats.json")


class RDTLearner(LargeLearner):
    """RDT, full-size; its encoders stay frozen. The instant before is missing: demonstrations are read one instant at a time."""

    def __init__(self, model: RDT, robot: Embodiment, eyes: ImageEncoder, reader: WordsEncoder, setup: rdt_policy.RDTSetup, folder: Path,
                 data: Demonstrations, lora: int | None = None, device: str = "cpu") -> None:  # fmt: skip
        super().__init__(robot, setup, folder, lora, device)
        self.rdt, self.eyes, self.reader, self.recipe = model, eyes, reader, Recipe()
        states = robot.state.to_rdt(data.column("observation.state"))
        self.mean, self.spread = torch.from_numpy(states.mean(0)).to(device), torch.from_numpy(states.std(0)).to(device)
        self.grey = eyes.encode(pixels(np.full((1, 1, 3), 127, np.uint8), eyes.side)[None])[0].to(device)
        silent = not isinstance(reader, StoredWords) or "" in reader.stored
        silence = reader.encode([""])[0][0] if silent else torch.zeros(1, reader.width)  # a store of sentences may lack the empty one
        self.nothing = Nothing(silence.to(device), self.grey, self.mean)
        self.model = self.prepare(model, "model.blocks.")

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        senses, actions = self.senses(batch), self.actions(batch)
        senses = take_away(blur_state(senses, self.spread, generator, self.recipe.state_snr_db), self.nothing, generator, self.recipe.drop)
        noise = torch.randn(actions.shape, generator=generator).to(self.device)
        motion = self.rdt.loss(actions, noise, training_times(len(actions), generator).to(self.device), senses).mean()
        return motion, {"motion": motion.detach()}

    def actions(self, batch: Batch) -> Tensor:
        rows = self.robot.action.to_rdt(held(batch["chunk"], self.rdt.config.horizon))
        return torch.from_numpy(rows).to(self.device)

    @torch.no_grad()
    def senses(self, batch: Batch) -> Senses:
        """The batch as RDT is told it: [what was before: nothing], then what is."""
        views, (instants, cameras, _) = self.robot.rdt_cameras, self.rdt.config.grid
        rows = []
        for row in range(len(batch["state"])):
            there = self.pictures(batch, row, views)
            now = {view: self.eyes.encode(pixels(image, self.eyes.side)[None])[0].to(self.device) for view, image in there.items()}
            rows.append(torch.cat([self.grey] * (instants - 1) * cameras + [now.get(view, self.grey) for view in views]))
        words, mask = self.reader.encode([as_trained(sentence) for sentence in batch["words"]])
        count, has = len(rows), torch.from_numpy(self.robot.rdt_mask)
        state = torch.from_numpy(self.robot.state.to_rdt(batch["state"]))
        hz = torch.full((count,), float(self.robot.rate_hz))
        parts = (words.float(), mask, torch.stack(rows).float(), state, has.expand(count, -1), hz)
        return Senses(*(part.to(self.device) for part in parts))

    @torch.no_grad()
    def check(self, batch: Batch) -> dict[str, float]:
        """See Pi0Learner.check."""
        self.model.eval()
        config = self.rdt.config
        noise = torch.randn(len(batch["state"]), config.horizon, config.action, generator=torch.Generator().manual_seed(0))
        made = self.rdt.sample(self.senses(batch), noise.to(self.device)).cpu().numpy()
        self.model.train()
        return {"error_cm": error_cm(self.robot.action.from_rdt(made), held(batch["chunk"], config.horizon))}

    def export(self, folder: Path, tensors: Mapping[str, Tensor] | None, trained: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        plain = self.plain(tensors)
        save_file({name: value.detach().cpu().contiguous() for name, value in plain.items()}, str(folder / "model.safetensors"))
        (folder / "config.json").write_text(json.dumps(self.rdt.config.to_published(), indent=1), encoding="utf-8")
        self.note(folder)


def large_learner(family: str, folder: Path, lora: int | None, device: str, data: Demonstrations) -> Pi0Learner | RDTLearner:
    """From a checkpoint folder as the policies take it; ConfigError or WeightsError say what is missing."""
    if family == "pi0":
        setup = pi0_policy.read_setup(folder / "policy.yaml")
        tokenizer = PaliGemmaTokenizer(folder / setup.tokenizer)
        return Pi0Learner(load_pi0(folder), embodiment(setup.robot), tokenizer, setup, folder, data, lora, device)
    if family != "rdt":
        raise ConfigError(f"There is no full-size {family} to go on from; a full-size checkpoint is a pi0 or an rdt.")
    asked = rdt_policy.read_setup(folder / "policy.yaml")
    model, words = load_rdt(folder), folder / asked.words
    stored = not (words / "config.json").is_file()
    reader = StoredWords.from_path(words) if stored else T5.from_folder(words, most=abs(model.config.words)).to(device)
    eyes = Siglip.from_folder(folder / asked.images).to(device)
    return RDTLearner(model, embodiment(asked.robot), eyes, reader, asked, folder, data, lora, device)


def fitted(data: Demonstrations, robot: Embodiment, delta: tuple[bool, ...] | None) -> dict[str, Stats]:
    """Statistics of the data, in the model's slots, as the released recipe takes them: after the delta transform."""
    states, rows = robot.state.to_pi0(data.column("observation.state")), robot.action.to_pi0(data.column("chunk"))
    if delta is not None:
        rows = np.stack([to_delta(chunk, state, delta) for chunk, state in zip(rows, states, strict=True)])
    found = {}
    for name, numbers in (("state", states), ("actions", rows)):
        running = RunningStats()
        running.add(numbers)
        found[name] = running.stats()
    return found


def held(chunk: Array, horizon: int) -> Array:
    """[B, H, A] → [B, horizon, A]: cut, or its last row again and again."""
    longer = max(horizon - chunk.shape[1], 0)
    return np.concatenate([chunk[:, :horizon], np.repeat(chunk[:, -1:], longer, axis=1)], axis=1)


def error_cm(made: Array, told: Array) -> float:
    row = min(made.shape[1] // 2, 16) - 1
    return 100 * float(np.linalg.norm(made[:, row, :3] - told[:, row, :3], axis=-1).mean())


__all__ = ["Pi0Learner", "RDTLearner", "large_learner"]
