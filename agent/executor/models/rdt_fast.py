"""RDT at speed: the same chunk as `RDT.sample`, as two recorded programs per number of words.

    remember    words, images → keys and values      ┐ each compiled if asked, and on CUDA replayed as one graph: no launches,
    steps       state, noise → chunk, all steps      ┘ no allocation; the steps read keys and values in place

Words are padded to the next of a few lengths and masked, so that few programs exist. A guided chunk is differentiated, and therefore
takes its steps unrecorded. Call `warm_up` before serving. On a CPU nothing is recorded: the same functions run plainly.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.executor.models.fast import Compile, Recorded
from agent.executor.models.rdt import RDT, Senses
from agent.executor.models.sampling import Guide

LENGTHS = (16, 32, 64, 128, 256, 512, 1024)


class Program(NamedTuple):
    """For one batch size and one number of words. `senses` and `noise` are its own buffers."""

    senses: Senses
    noise: Tensor
    remember: Recorded
    steps: Recorded


class FastRDT:
    def __init__(self, model: RDT, steps: int | None = None, compile: Compile = "off") -> None:
        """The model must be on its device and in its dtype already; steps: per chunk, None: the checkpoint's."""
        self.model, self.count = model, steps or model.config.steps
        first = next(model.parameters())
        self.device, self.dtype = first.device, first.dtype
        self.denoise: Callable[..., Any] = model.denoise
        self.recall: Callable[..., Any] = model.remember
        if compile != "off":
            mode = "max-autotune-no-cudagraphs" if compile == "max-autotune" else None
            self.denoise, self.recall = torch.compile(model.denoise, mode=mode), torch.compile(model.remember, mode=mode)
        self.programs: dict[tuple[int, int], Program] = {}

    @torch.no_grad()
    def sample(self, senses: Senses, noise: Tensor, guide: Guide | None = None) -> Tensor:
        """As RDT.sample: noise (B, H, A) → chunk (B, H, A), in the model's dtype, on its device."""
        program = self.program(senses)
        senses = self.padded(senses)
        for part in fields(Senses):
            getattr(program.senses, part.name).copy_(getattr(senses, part.name), non_blocking=True)
        program.noise.copy_(noise, non_blocking=True)
        memories = program.remember()
        if guide is not None:
            guide = replace(guide, target=guide.target.to(self.device), weights=guide.weights.to(self.device))
            return self.model.walk(program.senses, program.noise, lambda: memories, self.count, guide)
        return program.steps().clone()

    def warm_up(self, lengths: Iterable[int] = LENGTHS[:2], batch: int = 1) -> None:
        """Record the programs for sentences of up to these many words, before the first robot asks."""
        config = self.model.config
        for length in lengths:
            words = torch.zeros(batch, min(length, abs(config.words)), config.words_width)
            images = torch.zeros(batch, config.image_tokens, config.image_width)
            nothing = torch.zeros(batch, config.action)
            senses = Senses(words, None, images, nothing, nothing, torch.zeros(batch))
            self.sample(senses, torch.zeros(batch, config.horizon, config.action))

    def padded(self, senses: Senses) -> Senses:
        """Words up to the next of LENGTHS, always with a mask."""
        batch, count = senses.words.shape[:2]
        most = abs(self.model.config.words)
        length = min(next((length for length in LENGTHS if length >= count), count), max(most, count))
        mask = senses.words_mask if senses.words_mask is not None else senses.words.new_ones(batch, count, dtype=torch.bool)
        more = length - count
        return replace(senses, words=F.pad(senses.words, (0, 0, 0, more)), words_mask=F.pad(mask, (0, more)))

    def program(self, senses: Senses) -> Program:
        """The one for these sizes, recorded now if it is the first of its kind."""
        senses = self.padded(senses)
        key = senses.words.shape[0], senses.words.shape[1]
        if key not in self.programs:
            self.programs[key] = self._record(senses)
        return self.programs[key]

    @torch.no_grad()
    def _record(self, senses: Senses) -> Program:
        kinds = {"words_mask": torch.bool, "hz": torch.float32}
        own = Senses(
            **{
                part.name: getattr(senses, part.name).to(self.device, kinds.get(part.name, self.dtype), copy=True)
                for part in fields(Senses)
            }
        )
        config, cuda = self.model.config, self.device.type == "cuda"
        noise = torch.zeros(len(own.state), config.horizon, config.action, device=self.device, dtype=self.dtype)
        remember = Recorded(lambda: self.recall(own), cuda)
        steps = Recorded(lambda: self.model.walk(own, noise, lambda: remember.output, self.count, denoise=self.denoise), cuda)
        return Program(own, noise, remember, steps)
