"""From a robot's observation to π0's inputs, and from its chunk back to the robot's numbers.

    in   images → 224 x 224 · state → delta? → normalise → (π0.5: into the prompt) → tokens → zero-pad to 32 slots
    out  crop → unnormalise → add the state back where actions are deltas

Letters: S state width, A action width, H horizon, L text tokens. Robot state and actions are those of the embodiment, in its order; what
they mean physically is in embodiment.py. Facts: the released checkpoints' configuration; tested against recorded numbers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image

from agent.errors import PolicyError, WeightsError, hint
from agent.executor.models.pi0 import Inputs, Pi0Config
from agent.types import Array

log = logging.getLogger(__name__)
EPSILON = 1e-6


# --- images -----------------------------------------------------------------------------------------------------------------


def as_uint8(image: Array) -> Array:
    """HWC or CHW, uint8 or float in 0..1 -> uint8[h, w, 3]. Floats are truncated, as the published clients do."""
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        image = image.transpose(1, 2, 0)
    if image.ndim != 3 or image.shape[2] != 3:
        raise PolicyError(f"An image must be [h, w, 3] or [3, h, w]; this one is {list(image.shape)}.")
    return image if image.dtype == np.uint8 else (255 * image).astype(np.uint8)


def resize_with_pad(image: Array, height: int, width: int) -> Array:
    """uint8[h, w, 3] -> uint8[height, width, 3]: scaled as a whole (bilinear, antialiased when shrinking), centred on black."""
    h, w = image.shape[:2]
    if (h, w) == (height, width):
        return image
    ratio = max(w / width, h / height)
    h, w = int(h / ratio), int(w / ratio)
    scaled = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR))
    top, left = (height - h) // 2, (width - w) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + h, left : left + w] = scaled
    return canvas


# --- prompts ----------------------------------------------------------------------------------------------------------------


class Tokenizer(Protocol):
    """PaliGemma's SentencePiece behind one method. bos is 2, the newline is 108, padding is 0."""

    def encode(self, text: str, add_bos: bool = False) -> list[int]: ...


class PaliGemmaTokenizer:
    """The tokenizer files of google/paligemma-3b-pt-224 in a local folder, read by transformers."""

    def __init__(self, folder: str | Path) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)

    def encode(self, text: str, add_bos: bool = False) -> list[int]:
        ids = list(self.tokenizer.encode(text, add_special_tokens=False))
        return [self.tokenizer.bos_token_id, *ids] if add_bos else ids


def clean_prompt(words: str) -> str:
    """Strip; underscores and line breaks become spaces. Case stays."""
    return words.strip().replace("_", " ").replace("\n", " ")


def state_bins(state: Array) -> Array:
    """Normalised numbers -> 256 bins over -1..1, int[S]; below -1 gives -1, at or above the last edge 255."""
    return np.digitize(state, bins=np.linspace(-1, 1, 257)[:-1]) - 1


def prompt_tokens(words: str, tokenizer: Tokenizer, length: int, state: Array | None = None) -> tuple[Array, Array]:
    """int64[length] and bool[length] (True: a real token). With `state` (float[S], normalised, not padded): π0.5's prompt.

    π0:    bos + words + newline.       π0.5:  bos + "Task: words, State: 128 0 255;" newline "Action: "
    Too long is cut at `length`, with a warning.
    """
    words = clean_prompt(words)
    if state is None:
        ids = [*tokenizer.encode(words, add_bos=True), *tokenizer.encode("\n")]
    else:
        ids = tokenizer.encode(f"Task: {words}, State: {' '.join(map(str, state_bins(state)))};\nAction: ", add_bos=True)
    if len(ids) > length:
        log.warning("The prompt has %d tokens, the model reads %d: its end is cut off.", len(ids), length)
    ids = ids[:length]
    padding = length - len(ids)
    return np.array([*ids, *[0] * padding], np.int64), np.arange(length) < len(ids)


# --- normalisation ----------------------------------------------------------------------------------------------------------


Scaling = Literal["zscore", "quantile"]  # π0: z-score; π0.5: quantile


@dataclass(frozen=True, eq=False)
class Stats:
    """float64[width] each, taken after the embodiment's mapping and the delta transform, before padding."""

    mean: Array
    std: Array
    q01: Array | None = None
    q99: Array | None = None


def load_stats(path: str | Path) -> dict[str, Stats]:
    """norm_stats.json -> {"state": …, "actions": …}. A folder is searched for assets/*/norm_stats.json."""
    path = Path(path)
    if path.is_dir():
        found = sorted(path.rglob("norm_stats.json"))
        if len(found) != 1:
            raise WeightsError(f"{path} holds {len(found)} norm_stats.json ({', '.join(map(str, found))}); name one of them.")
        path = found[0]
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw = raw.get("norm_stats", raw)
    for key in ("state", "actions"):
        if key not in raw:
            raise WeightsError(f"{path} has no statistics for '{key}'; it has {', '.join(raw)}.{hint(key, raw)}")
    return {key: _stats_from(raw[key]) for key in ("state", "actions")}


def _stats_from(raw: Mapping[str, Sequence[float] | None]) -> Stats:
    q01, q99 = (None if raw.get(name) is None else np.asarray(raw[name], np.float64) for name in ("q01", "q99"))
    return Stats(np.asarray(raw["mean"], np.float64), np.asarray(raw["std"], np.float64), q01, q99)


def normalise(x: Array, stats: Stats, scaling: Scaling) -> Array:
    """float[..., n] -> float64[..., n]. Statistics longer than n are cropped. No clipping."""
    n = x.shape[-1]
    if scaling == "zscore":
        return (x - stats.mean[:n]) / (stats.std[:n] + EPSILON)
    low, high = _quantiles(stats)
    return 2 * (x - low[:n]) / (high[:n] - low[:n] + EPSILON) - 1


def unnormalise(x: Array, stats: Stats, scaling: Scaling) -> Array:
    """The inverse. Slots beyond the statistics: mean 0, std 1 (z-score), or unchanged (quantile)."""
    n = x.shape[-1]
    if scaling == "zscore":
        short = max(n - len(stats.mean), 0)
        mean, std = np.pad(stats.mean, (0, short)), np.pad(stats.std, (0, short), constant_values=1.0)
        return x * (std[:n] + EPSILON) + mean[:n]
    low, high = _quantiles(stats)
    known = min(n, len(low))
    inside = (x[..., :known] + 1) / 2 * (high[:known] - low[:known] + EPSILON) + low[:known]
    return np.concatenate([inside, x[..., known:]], axis=-1)


def _quantiles(stats: Stats) -> tuple[Array, Array]:
    if stats.q01 is None or stats.q99 is None:
        raise WeightsError("Quantile normalisation needs q01 and q99 in norm_stats.json; these have only mean and std.")
    return stats.q01, stats.q99


# --- delta actions ----------------------------------------------------------------------------------------------------------


def mask_of(*runs: int) -> tuple[bool, ...]:
    """(6, -1, 6, -1) -> six True, one False, six True, one False."""
    return tuple(run > 0 for run in runs for _ in range(abs(run)))


def to_delta(actions: Array, state: Array, mask: Sequence[bool]) -> Array:
    """Subtract the state at the start of the chunk from the masked columns of float[H, A]; grippers are left out of the mask."""
    return _shift(actions, -state, mask)


def to_absolute(actions: Array, state: Array, mask: Sequence[bool]) -> Array:
    """The inverse of `to_delta`."""
    return _shift(actions, state, mask)


def _shift(actions: Array, by: Array, mask: Sequence[bool]) -> Array:
    n = len(mask)
    shifted = actions.copy()
    shifted[..., :n] += np.where(mask, by[..., :n], 0)
    return shifted


def pad_to(x: Array, width: int) -> Array:
    """Zeros on the last axis up to `width`."""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, width - x.shape[-1])]) if x.shape[-1] < width else x


# --- all together -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pi0Transforms:
    """One robot in front of one π0: everything between its numbers and the network's.

    stats    of "state" and "actions"
    delta    columns whose actions were trained as differences to the state, or None
    write_state  π0.5: put the state into the prompt (False for the released LIBERO model, which sees no state at all)
    """

    config: Pi0Config
    tokenizer: Tokenizer
    stats: Mapping[str, Stats]
    scaling: Scaling
    action_width: int
    delta: tuple[bool, ...] | None = None
    write_state: bool = True

    def inputs(self, images: Mapping[str, Array], state: Array, words: str) -> Inputs:
        """images by the config's camera names (missing ones are black and masked), state float[S] of the embodiment -> a batch of one.

        A state wider than the statistics is cropped to them: what follows is padding.
        """
        unknown = [name for name in images if name not in self.config.cameras]
        if unknown:
            known = ", ".join(self.config.cameras)
            raise PolicyError(f"The model has no camera '{unknown[0]}'. Its cameras: {known}.{hint(unknown[0], self.config.cameras)}")
        if not words.strip():
            raise PolicyError("The model needs words to act on; the prompt is empty.")
        side = self.config.vision.image
        black = np.zeros((side, side, 3), np.uint8)
        views = [resize_with_pad(as_uint8(images[c]), side, side) if c in images else black for c in self.config.cameras]
        pixels = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()  # [V, 3, I, I]; scaled to -1..1 on the device
        scaled = normalise(np.asarray(state)[: len(self.stats["state"].mean)], self.stats["state"], self.scaling)
        written = scaled if self.config.adaptive and self.write_state else None
        tokens, real = prompt_tokens(words, self.tokenizer, self.config.max_text, written)
        return Inputs(
            pixels[None],
            torch.tensor([[camera in images for camera in self.config.cameras]]),
            torch.from_numpy(tokens)[None],
            torch.from_numpy(real)[None],
            torch.from_numpy(pad_to(scaled, self.config.action_dim)).float()[None],
        )

    def actions(self, chunk: Array, state: Array) -> Array:
        """The network's float[H, 32] -> float64[H, A] for the robot. `state` is the one given to `inputs`."""
        actions = unnormalise(np.asarray(chunk, np.float64), self.stats["actions"], self.scaling)
        if self.delta is not None:
            actions = to_absolute(actions, np.asarray(state, np.float64), self.delta)
        return actions[:, : self.action_width]

    def target(self, actions: Array, state: Array) -> Array:
        """The robot's float[R, A] -> float64[R, 32] in the network's space: training targets, and the promised rows of a guide."""
        if self.delta is not None:
            actions = to_delta(np.asarray(actions, np.float64), np.asarray(state, np.float64), self.delta)
        return pad_to(normalise(actions, self.stats["actions"], self.scaling), self.config.action_dim)
